"""`kukkiri-nr`: how good a picture is without a reference, and what is wrong with it; offline, of any size.

Full-reference metrics taught it on pictures damaged in known ways, where the original was at hand: no person rated
anything, so its scale is that of the teachers. See the recipe `kukkiri.training.kukkiri_nr` and docs/quality.md.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from kukkiri.errors import ShapeError
from kukkiri.images.image import ImageLike, as_batch
from kukkiri.images.masks import as_mask, largest_free_box
from kukkiri.metrics.base import Metric
from kukkiri.networks.efficientnet_lite import efficientnet_lite0
from kukkiri.networks.quality_head import QualityHead
from kukkiri.quality.judgement import Judgement
from kukkiri.quality.no_reference.quality_features import FEATURES, quality_features
from kukkiri.weights import Weights, load_into

# What the probabilities are of, in the order of the head; those of `kukkiri.optics.distort`.
GROUPS = ("blur", "noise", "compression", "exposure", "contrast", "colour", "haze")


class KukkiriNR(Metric):
    """`kukkiri-nr`: quality from 0 to 100, higher is better.

    The whole picture is looked at reduced to a shorter side of 192 px and a longer one of at most 576 px, and up to
    nine parts of at most 320×320 px, evenly spread, at their own pixels: for a larger picture only the reducing takes
    longer. Grey pictures are repeated three times. With a mask, the largest rectangle without a masked pixel is judged.

    Parameters
    ----------
    weights : key, path, or mapping of Tensor, optional
        The head; default: our own.
    trunk : key or path, optional
        EfficientNet-Lite0; default: the shipped one.

    Raises
    ------
    WeightError
        If a file cannot be had or does not fit.
    """

    name = "kukkiri-nr"

    def __init__(self, weights: Weights | None = None, *, trunk: str | None = None) -> None:
        super().__init__()
        own, shared = self.spec.weights
        self.trunk = efficientnet_lite0(trunk or shared)
        self.head = QualityHead(FEATURES, len(GROUPS))
        load_into(self.head, own if weights is None else weights, self.name)
        self.eval()

    def train(self, mode: bool = True) -> KukkiriNR:
        """A metric is not trained: it stays as it is in whatever it is a part of."""
        super().train(False)
        return self

    def score(self, image: Tensor, reference: Tensor | None, weights: Tensor) -> Tensor:
        score: Tensor = self.head(quality_features(self.trunk, image)).score
        return score.to(image.dtype)

    def judge(self, image: ImageLike, *, mask: Any = None) -> list[Judgement]:
        """Everything that is said of each picture of a batch.

        Parameters
        ----------
        image : image-like, or Tensor (N, C, H, W), values in [0, 1]
        mask : Boolean (H, W) or (N, H, W), optional
            True where pixels must not count: of all pictures, or of each.

        Returns
        -------
        list of Judgement

        Raises
        ------
        ShapeError
            If a side is too small, the mask leaves too little, or there are not as many masks as pictures.
        """
        batch, _ = self.check(as_batch(image), None)
        if mask is None:
            return self._judged(batch)
        left_out = as_mask(mask, batch.shape[-2:], batch.device)
        if left_out.ndim == 2:
            return self._judged(batch[..., *self.inside(largest_free_box(left_out)).slices])
        if len(left_out) != len(batch):
            raise ShapeError(
                expected=f"one mask, or {len(batch)}", got=str(len(left_out)), fix="give one mask, or one a picture"
            )
        # Each may be cut differently.
        boxes = [self.inside(largest_free_box(one)) for one in left_out]
        return [self._judged(batch[i : i + 1, :, *box.slices])[0] for i, box in enumerate(boxes)]

    def _judged(self, batch: Tensor) -> list[Judgement]:
        with torch.inference_mode():
            return judgements(self.head, quality_features(self.trunk, batch))


def judgements(head: QualityHead, features: Tensor) -> list[Judgement]:
    """What a head says of the features of pictures.

    Parameters
    ----------
    head : QualityHead
    features : Tensor, (N, FEATURES)
        See `quality_features`.

    Returns
    -------
    list of Judgement
    """
    with torch.inference_mode():
        said = head(features)
        unlike = head.unlike_training(features).tolist()
        wrong = torch.sigmoid(said.logits).tolist()
    return [
        Judgement(value, (low, high), dict(zip(GROUPS, each, strict=True)), far)
        for value, low, high, each, far in zip(
            said.score.tolist(), said.lower.tolist(), said.upper.tolist(), wrong, unlike, strict=True
        )
    ]
