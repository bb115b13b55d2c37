"""DeepQA: an error map, weighted by how visible errors are where they lie (Kim and Lee 2017)."""

from __future__ import annotations

import math
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from kukkiri.images.masks import Box
from kukkiri.images.tiles import layout
from kukkiri.metrics.learned import LearnedMetric
from kukkiri.weights import Weights, load_into

# The authors' luma, not rounded.
_SHARES = (0.299, 0.587, 0.114)
# Maps are of a quarter of the picture's side; so many pixels of theirs on every side are not averaged.
SCALE, BORDER = 4, 4
# What is computed at once. An answer looks 26 px around it: 14 by the convolutions, 12 by what is subtracted before.
TILE, MARGIN = 1024, 32
_SLOPE = 0.1


def grey(image: Tensor) -> Tensor:
    """(N, 3, H, W) to (N, 1, H, W), same range."""
    red, green, blue = (image[:, i : i + 1] * share for i, share in enumerate(_SHARES))
    return red + green + blue


def _binomial(like: Tensor) -> Tensor:
    row = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0], dtype=like.dtype, device=like.device) / 16
    return torch.outer(row, row)[None, None]


def halved(image: Tensor) -> Tensor:
    """Every second pixel of (N, 1, H, W) blurred by a 5×5 binomial, black beyond the border."""
    return F.conv2d(image, _binomial(image), stride=2, padding=2)


def doubled(image: Tensor, height: int, width: int) -> Tensor:
    """The transpose of `halved` to a size, times 4."""
    more = [size - (2 * have - 1) for size, have in zip((height, width), image.shape[-2:], strict=True)]
    return F.conv_transpose2d(image, 4 * _binomial(image), stride=2, padding=2, output_padding=more)


def without_low_frequencies(image: Tensor) -> Tensor:
    """(N, 1, H, W) less what is left of it at a quarter of its size."""
    half = halved(image)
    return image - doubled(doubled(halved(half), *half.shape[-2:]), *image.shape[-2:])


def likeness(image: Tensor, reference: Tensor) -> Tensor:
    """1 where two pictures in [0, 1] agree, falling with the logarithm of their squared difference to 0."""
    return 1 - torch.log1p((255 * (image - reference)).square()) / (2 * math.log(255))


class Filter(nn.Conv2d):
    """3×3 pixels, zeros beyond the border, and a leaky activation."""

    slope = _SLOPE

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__(inputs, outputs, 3, stride, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C', ⌈H / stride⌉, ⌈W / stride⌉)."""
        return F.leaky_relu_(super().forward(x), self.slope)


class LastFilter(Filter):
    """The same without negative answers."""

    slope = 0.0


class Sensitivity(nn.Module):
    """How visible errors are, at a quarter of the size."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1_1, self.conv2_1 = Filter(1, 32), Filter(32, 32, 2)
        self.conv1_2, self.conv2_2 = Filter(1, 32), Filter(32, 32, 2)
        self.conv3, self.conv4, self.conv5 = Filter(64, 64), Filter(64, 64, 2), Filter(64, 64)
        self.conv6 = LastFilter(64, 1)

    def forward(self, fine: Tensor, error: Tensor) -> Tensor:
        """Maps (N, 1, ⌈H / 4⌉, ⌈W / 4⌉) from the picture without low frequencies and the error map (N, 1, H, W)."""
        both = torch.cat((self.conv2_1(self.conv1_1(fine)), self.conv2_2(self.conv1_2(error))), 1)
        sensitivity: Tensor = self.conv6(self.conv5(self.conv4(self.conv3(both))))
        return sensitivity


class Network(nn.Module):
    """The map of sensitivity, and from the mean of what is seen to a score."""

    def __init__(self) -> None:
        super().__init__()
        self.sens_map = Sensitivity()
        self.reg_mos = nn.ModuleDict({"fc1": nn.Linear(1, 4), "fc2": nn.Linear(4, 1)})

    def seen(self, image: Tensor, reference: Tensor) -> Tensor:
        """What is seen of the differences of two grey pictures (N, 1, H, W): (N, 1, ⌈H / 4⌉, ⌈W / 4⌉)."""
        error = likeness(image, reference)
        sensitivity: Tensor = self.sens_map(without_low_frequencies(image), error)
        return sensitivity * halved(halved(error))

    def score(self, mean: Tensor) -> Tensor:
        """(N, 1) to (N, 1)."""
        return torch.relu(self.reg_mos["fc2"](F.leaky_relu(self.reg_mos["fc1"](mean), _SLOPE)))


def from_the_authors(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The authors' Theano parameters (`sens_map/conv1_1_W`, …, `reg_mos/fc2_b`) by the names of `Network`.

    Theano turns kernels by half a turn, and its matrices stand on their other side. Other names are left as they are.
    """
    found: dict[str, Tensor] = {}
    for name, value in state.items():
        part, _, rest = name.partition("/")
        layer, _, kind = rest.rpartition("_")
        if not layer or kind not in ("W", "b"):
            found[name] = value
        elif kind == "b":
            found[f"{part}.{layer}.bias"] = value
        else:
            found[f"{part}.{layer}.weight"] = value.flip(2, 3) if value.ndim == 4 else value.T
    return found


class DeepQA(LearnedMetric):
    """`deepqa`: 0 and up, higher is better (the authors turn differential opinions round).

    Nothing is resized. Luma of the whole picture is taken, as the authors do for CSIQ and TID (for LIVE they average
    over patches of 112×112 px); 16 px along the border count only as surroundings. Large pictures are computed in
    tiles, to the value of the whole. A checkpoint whose last layer answers below 0 scores 0, without a gradient.

    Parameters
    ----------
    weights : str, Path, or mapping of Tensor
        The authors have published none: `weights` must be given. Their training code pickles Theano variables; save
        these as safetensors by their names ('sens_map/conv1_1_W', …, 'reg_mos/fc2_b'), and they are taken as they are.
        The checkpoints of a PyTorch port are of another network (other slopes, other low frequencies) and do not fit.

    Raises
    ------
    WeightError
        If no weights are given, or they do not fit.
    """

    name = "deepqa"

    def __init__(self, weights: Weights | None = None) -> None:
        super().__init__()
        self.network = Network()
        load_into(self.network, self.own_weights(weights), self.spec.name, rename=from_the_authors)

    def rate(self, image: Tensor, reference: Tensor | None) -> Tensor:
        one, other = grey(image), grey(cast(Tensor, reference))
        height, width = one.shape[-2:]
        rows, columns = -(-height // SCALE) - 2 * BORDER, -(-width // SCALE) - 2 * BORDER
        cuts = list(layout(height, width, TILE, MARGIN))
        again = len(cuts) > 1 and torch.is_grad_enabled() and (one.requires_grad or other.requires_grad)

        def part(outer: Box, core: tuple[slice, slice]) -> Tensor:
            seen = self.network.seen(one[..., *outer.slices], other[..., *outer.slices])
            inside = (
                _inside(core[0], outer.top, rows),
                _inside(core[1], outer.left, columns),
            )
            return seen[..., *inside].double().sum((2, 3))

        sums = [checkpoint(part, *cut, use_reentrant=False) if again else part(*cut) for cut in cuts]
        mean = torch.stack(sums).sum(0) / (rows * columns)
        return self.network.score(mean.to(one.dtype))[:, 0]


def _inside(core: slice, start: int, length: int) -> slice:
    """What a tile that starts at a pixel adds: its core in units of the map, without the border of the picture."""
    first = max(core.start // SCALE, BORDER)
    last = min(-(-core.stop // SCALE), BORDER + length)
    return slice(first - start // SCALE, max(first, last) - start // SCALE)
