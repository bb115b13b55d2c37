"""`kukkiri-blur` as a metric: the blur size in pixels, and everything else that the estimator says."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from kukkiri.images.image import ImageLike, as_batch
from kukkiri.images.masks import Box
from kukkiri.metrics.base import Metric
from kukkiri.sharpness.blur import Blur
from kukkiri.sharpness.blur_estimator import BlurEstimator

if TYPE_CHECKING:
    from kukkiri.images.reading import ImageFile


class KukkiriBlur(Metric):
    """`kukkiri-blur`: blur size in pixels that means the same on every day.

    Parameters
    ----------
    weights : str or Path, optional
        Key in the catalogue, or path of a file in our own layout; default: the shipped one.

    Notes
    -----
    The value is NaN where the estimator abstains, 0.35 or 12 where the blur lies outside its range; `estimate` says
    which. See `kukkiri.sharpness.blur.Blur`.
    """

    name = "kukkiri-blur"
    takes_weights = True

    def __init__(self, weights: str | Path | None = None) -> None:
        super().__init__()
        self.estimator = BlurEstimator(weights or self.spec.weights[0])

    def estimate(self, image: ImageLike, *, mask: Any = None) -> list[Blur]:
        """The blur of each picture of a batch.

        Parameters
        ----------
        image : image-like, or Tensor (N, C, H, W), values in [0, 1]
        mask : Boolean (H, W) or (N, H, W), optional
            True where pixels must not count.

        Returns
        -------
        list of Blur
        """
        if not isinstance(image, Tensor) or image.ndim < 4:  # one picture: what its file says is kept
            return [self.estimator.estimate(image, mask=mask)]
        batch = as_batch(image)
        masks = [mask] * len(batch) if mask is None or torch.as_tensor(mask).ndim == 2 else list(mask)
        return [self.estimator.estimate(x, mask=m) for x, m in zip(batch, masks, strict=True)]

    def estimate_file(
        self, source: ImageFile, *, mask: Tensor | None = None, plane: int = 0, box: Box | None = None
    ) -> Blur:
        """The blur of a picture that is never in memory as a whole."""
        return self.estimator.estimate(source, mask=mask, plane=plane, box=box)

    def score(self, image: Tensor, reference: Tensor | None, weights: Tensor) -> Tensor:
        values = []
        for picture, counted in zip(image, weights):
            left_out = counted[0] == 0
            mask = left_out if bool(left_out.any()) else None
            values.append(self.estimator.estimate(picture.detach().float(), mask=mask).sigma)
        return torch.tensor(values, dtype=image.dtype, device=image.device)
