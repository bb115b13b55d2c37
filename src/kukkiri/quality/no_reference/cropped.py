"""What HyperIQA and TReS share: the mean score of crops of 224 × 224 px."""

from __future__ import annotations

from typing import Literal, cast

import torch
from torch import Tensor, nn

from kukkiri.errors import InputError
from kukkiri.metrics.learned import LearnedMetric
from kukkiri.networks.vgg import normalised
from kukkiri.quality.no_reference.crops import (
    Place,
    check_crops,
    check_resize,
    even_places,
    mean_over_crops,
    resized,
    torch_places,
)

Grid = Literal["even", "iqa-pytorch"]
SIDE = 224
# Crops that are rated at once: what a ResNet-50 keeps of them fits a processor's cache better than all do.
TOGETHER = 5


def iqa_pytorch_places(height: int, width: int, side: int, count: int) -> tuple[Place, ...]:
    """The regular crops of IQA-PyTorch: a square grid from the upper left, whose last crops miss the borders.

    Of a count that is no square, the end of the grid is missing too.

    Parameters
    ----------
    height, width : int
        Of the picture, pixels, at least `side`.
    side, count : int
        Side of a crop, and how many.

    Returns
    -------
    tuple of (top, left)
        In rows; as many as `count`, even where they coincide.
    """
    lower = int(count**0.5)
    across = lower + (lower**2 < count)
    down, right = (height - side) // lower, (width - side) // lower
    return tuple((i * down, j * right) for i in range(across) for j in range(across))[:count]


class CroppedMetric(LearnedMetric):
    """The mean of what `self.network` says of crops of 224 × 224 px.

    A subclass sets `network`, a module from normalised crops (N, 3, 224, 224) to scores (N,), in its constructor.

    Parameters
    ----------
    crops : int
        How many.
    seed : int, optional
        Crops that torchvision's `RandomCrop` draws after `torch.manual_seed(seed)`; default: regular ones.
    grid : 'even' | 'iqa-pytorch'
        Which regular ones: over the whole picture, or as IQA-PyTorch has them (`iqa_pytorch_places`).
    resize : (int, int), optional
        Height and width to which pictures are resized first (linearly, antialiased).

    Raises
    ------
    InputError
        If an option is out of range, or both a seed and a grid are given.
    """

    network: nn.Module

    def __init__(self, crops: int, seed: int | None, grid: Grid, resize: tuple[int, int] | None) -> None:
        super().__init__()
        check_crops(crops, seed)
        if grid not in ("even", "iqa-pytorch"):
            raise InputError(expected="a grid: 'even' or 'iqa-pytorch'", got=repr(grid), fix="choose one")
        if seed is not None and grid != "even":
            raise InputError(expected="a seed or a grid", got="both", fix="leave one out")
        self.crops, self.seed, self.grid, self.resize = crops, seed, grid, check_resize(resize, SIDE)

    def places(self, height: int, width: int) -> tuple[Place, ...]:
        """Where the crops of a picture of this size lie: (top, left) each."""
        if (height, width) == (SIDE, SIDE):
            return ((0, 0),)  # all of them: one is enough
        if self.seed is not None:
            return torch_places(height, width, SIDE, self.crops, self.seed)
        place = even_places if self.grid == "even" else iqa_pytorch_places
        return place(height, width, SIDE, self.crops)

    def rate(self, image: Tensor, reference: Tensor | None) -> Tensor:
        image = resized(image, self.resize)
        return mean_over_crops(normalised(image), self.places(*image.shape[-2:]), SIDE, self.scores, TOGETHER)

    def scores(self, crops: Tensor) -> Tensor:
        """What the network says of normalised crops (N, 3, 224, 224): (N,)."""
        return cast(Tensor, self.network(crops.contiguous(memory_format=torch.channels_last)))
