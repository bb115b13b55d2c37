"""PaQ-2-PiQ: the quality of a picture and of its patches, from one pass (Ying et al. 2020).

ResNet-18 sees the whole picture. What is judged, the picture or any patch, is a box on its features: the largest
values in each quarter of the box, then their maximum and mean, are the input of a small network (Fig. 6, RoIPool).
"""

from __future__ import annotations

import re
from contextlib import nullcontext

import torch
from torch import Tensor, nn

from kukkiri.images.image import ImageLike
from kukkiri.metrics.learned import LearnedMetric
from kukkiri.networks.memory import channels_last
from kukkiri.networks.resnet import ResNet
from kukkiri.networks.roi_pool import Span, cells_of, largest_within
from kukkiri.networks.tiled import tiled_features
from kukkiri.quality.no_reference.options import check_flag, check_two
from kukkiri.weights import Weights, load_into

STRIDE = 32
# No feature looks further than this many pixels to either side: 3 + 2 for the stem, then 16, 28, 56 and 112 for the
# stages make 217; a multiple of the stride.
REACH = 224
CELLS = 2  # of a box, a side
# Mean, and the two halves' deviations, of what the published weights say of the pictures of FLIVE: the authors' code.
CENTRE, BELOW, ABOVE = 72.59696108881171, 7.798274017370107, 4.118047289170692
DEVIATIONS = 4.0  # from the mean to the end of the scale

# The body's first eight children, in the order of torchvision's ResNet: all that have parameters.
_CHILDREN = {"0": "conv1", "1": "bn1", "4": "layer1", "5": "layer2", "6": "layer3", "7": "layer4"}


def resnet_names(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The published tensors, those of the body by the names of `networks.resnet` instead of by their numbers."""
    return {re.sub(r"^body\.([014567])\.", lambda m: f"body.{_CHILDREN[m[1]]}.", n): v for n, v in state.items()}


class RoIPoolNetwork(nn.Module):
    """Body and head; their parameters by the official names, but for the body's (`resnet_names`)."""

    def __init__(self) -> None:
        super().__init__()
        self.body = ResNet(18)
        channels = self.body.channels[-1]
        # Places 0, 1, 3 and 7 are pooling, flattening and dropout in the official head.
        self.head = nn.Sequential(
            nn.Identity(),
            nn.Identity(),
            nn.BatchNorm1d(2 * channels),
            nn.Identity(),
            nn.Linear(2 * channels, 512),
            nn.ReLU(inplace=True),
            nn.BatchNorm1d(512),
            nn.Identity(),
            nn.Linear(512, 1),
        )

    def features(self, image: Tensor) -> Tensor:
        """(N, 3, H, W), values in [0, 1], to (N, 512, ⌈H / 32⌉, ⌈W / 32⌉)."""
        found: Tensor = self.body(image.contiguous(memory_format=torch.channels_last))
        return found

    def judge(self, features: Tensor, rows: list[Span], columns: list[Span]) -> Tensor:
        """Scores (N, r, c) of all boxes, whose quarters lie in pairs of these rows and columns of the features."""
        quarters = largest_within(features, rows, columns)
        count, channels = quarters.shape[:2]
        boxes = quarters.reshape(count, channels, len(rows) // CELLS, CELLS, len(columns) // CELLS, CELLS)
        found = torch.cat((boxes.amax((3, 5)), boxes.mean((3, 5))), 1)
        scores: Tensor = self.head(found.permute(0, 2, 3, 1).flatten(0, 2))
        return scores.reshape(count, *found.shape[2:])


class PaQ2PiQ(LearnedMetric):
    """`paq2piq`: quality of the whole picture, about 0 to 100, higher is better; `map` gives that of its patches.

    Nothing is resized or cropped, and pictures of any size are taken (large ones go through the network in tiles, to
    the same values). Values are RGB in [0, 1] as they are: unlike most networks on ResNets, this one was trained
    without ImageNet's normalisation.

    Pitfalls: the network was trained on photographs of about 500 px; much larger ones want `max_side`. A feature covers
    32 px, so that blocks of the map that are smaller share them with their neighbours. The ends of a block are rounded
    to whole features and both belong to it, as in the official code, so that the last blocks of a row or column may
    reach past the last feature. What lies there counts as 0: half of a block that begins 16 to 48 px before the end of
    the last feature, all of one that begins later. On a side of 512, 640, 768 or 960 px this is so for the
    20 blocks of the default, and the map's last row and column differ from the rest even for a picture of one grey;
    give fewer `blocks`, of more than 48 px each, where they matter.

    Parameters
    ----------
    weights : str, Path, or mapping of Tensor, optional
        Default: the authors' model, as IQA-PyTorch publishes it. The authors' own file (`RoIPoolModel`) fits too.
    blocks : (int, int)
        Rows and columns of patches in the map.
    stretched : bool
        Spread the score of the whole over 0 to 100, as the authors' demonstration shows it: 0 and 100 are four
        deviations from what the weights say of FLIVE's pictures on average, and scores beyond are cut.

    Raises
    ------
    InputError
        If an option is out of range.
    WeightError
        If the checkpoint cannot be had or does not fit.
    """

    name = "paq2piq"

    def __init__(
        self, weights: Weights | None = None, *, blocks: tuple[int, int] = (20, 20), stretched: bool = False
    ) -> None:
        super().__init__()
        self.blocks = check_two("blocks", blocks, 1, "rows and columns of the map", "blocks=(20, 20)")
        check_flag("stretched", stretched)
        self.stretched = stretched
        self.network = RoIPoolNetwork()
        load_into(self.network, self.own_weights(weights), "PaQ-2-PiQ", inside=("model", "params"), rename=resnet_names)
        self.network.body.fold()
        channels_last(self.network)

    def rate(self, image: Tensor, reference: Tensor | None) -> Tensor:
        score = self._judged(image, (1, 1))[:, 0, 0]
        return stretch(score) if self.stretched else score

    def map(self, image: ImageLike) -> Tensor:
        """The quality of each patch of a regular grid, by the same network, on the scale of the score as it is.

        Parameters
        ----------
        image : image-like, or Tensor (N, C, H, W), values in [0, 1]

        Returns
        -------
        Tensor, (N, 1, rows, columns)
            20 × 20 patches unless `blocks` says otherwise.
        """
        x, _ = self.check(image, None)
        # As for the score: convolutions and products in the precision that was asked for.
        short = self.precision != "float32"
        with torch.autocast(x.device.type, getattr(torch, self.precision)) if short else nullcontext():
            return self._judged(self.prepared(x), self.blocks)[:, None].to(x.dtype)

    def _judged(self, image: Tensor, blocks: tuple[int, int]) -> Tensor:
        features = tiled_features(image, self.network.features, STRIDE, REACH)
        spans = []
        for side, count in zip((-2, -1), blocks, strict=True):
            # Ends of blocks in double precision, then rounded to single: half a feature must not tip over.
            ends = (torch.arange(count + 1, dtype=torch.float64) * (image.shape[side] / count)).float()
            spans.append(cells_of(ends[:-1], ends[1:], features.shape[side], STRIDE, CELLS))
        return self.network.judge(features, *spans)


def stretch(score: Tensor) -> Tensor:
    """Spread scores over 0 to 100: linear on either side of FLIVE's mean, four deviations to each end."""
    low = CENTRE * (1 + (score - CENTRE) / (DEVIATIONS * BELOW))
    high = CENTRE + (100 - CENTRE) * (score - CENTRE) / (DEVIATIONS * ABOVE)
    return torch.where(score < CENTRE, low, high).clamp(0, 100)
