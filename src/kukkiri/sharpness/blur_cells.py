"""What the network says of a picture, cell by cell, gathered from tiles; and what each cell counts."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from kukkiri.images.colour import luma
from kukkiri.images.filtering import dilate
from kukkiri.images.statistics import estimate_noise
from kukkiri.networks.blur_net import BlurMaps, BlurNet, expectation
from kukkiri.networks.blur_picture import PictureHead, evidence_of, weight_of

# Cells within this many pixels of a masked one do not count: so far the fill in its place shows most.
REACH = 16


class Walked:
    """The maps of a picture as its tiles come in."""

    def __init__(self, height: int, width: int, stride: int, head: PictureHead) -> None:
        self.size, self.stride, self.head = (height, width), stride, head
        self.rows, self.columns = -(-height // stride), -(-width // stride)
        self.mean = self.spread = self.share = torch.empty(0)
        self.sums: Tensor | None = None
        self.spectrum: Tensor | None = None
        self.noise: list[float] = []
        self.high = self.counted = 0
        self.range = [math.inf, -math.inf]

    def add(
        self,
        top: int,
        left: int,
        core: tuple[slice, slice],
        maps: BlurMaps,
        spectrum: Tensor,
        pixels: Tensor,
        outside: Tensor | None,
    ) -> None:
        """Take over the core of one tile.

        Parameters
        ----------
        top, left : int
            Where the tile's pixels begin.
        core : (slice, slice)
            The pixels that it answers for.
        maps : BlurMaps
            Of (K, 1, H, W).
        spectrum : Tensor, (K, 3, 10, 3)
            Of the core.
        pixels : Tensor, (C, H, W)
        outside : Tensor of bool, (H, W), optional
            What does not count.
        """
        stride = self.stride
        y, x = core[0].start // stride, core[1].start // stride
        rows, columns = -(-core[0].stop // stride) - y, -(-core[1].stop // stride) - x
        y0, x0 = y - top // stride, x - left // stride
        inside = (..., slice(y0, y0 + rows), slice(x0, x0 + columns))
        mean, spread = expectation(maps.logits[inside], BlurNet.bins(maps.logits.device))
        share = _free_share(pixels.shape[-2:], outside, stride)[inside].to(mean)
        if self.mean.numel() == 0:
            shape = (len(mean), self.rows, self.columns)
            self.mean, self.spread = torch.zeros(shape), torch.zeros(shape)
            self.share = torch.zeros(1, self.rows, self.columns)
        place = (slice(None), slice(y, y + rows), slice(x, x + columns))
        self.mean[place], self.spread[place], self.share[place] = mean[:, 0].cpu(), spread[:, 0].cpu(), share.cpu()
        weight = weight_of(mean, evidence_of(spread)) * share
        held = (maps.widths, maps.certainty, maps.family, maps.features)
        sums = self.head.sums(mean, weight, *(m[inside] for m in held)).double().sum(0).cpu()
        power = spectrum.double().sum(0).cpu()
        self.sums = sums if self.sums is None else self.sums + sums
        self.spectrum = power if self.spectrum is None else self.spectrum + power
        part = inner(core, top, left)
        self._statistics(pixels[:, *part], None if outside is None else outside[part])

    def _statistics(self, pixels: Tensor, outside: Tensor | None) -> None:
        grey = luma(pixels[None])[0, 0]
        noise = estimate_noise(grey, outside)
        if not math.isnan(noise):
            self.noise.append(noise)
        counted = pixels if outside is None else pixels[:, ~outside]
        if counted.numel():
            low, high = (float(v) for v in torch.aminmax(counted))
            self.range = [min(self.range[0], low), max(self.range[1], high)]
            self.high += int((counted >= 1).sum())
            self.counted += counted.numel()

    @property
    def evidence(self) -> Tensor:
        """(K, h, w), 0 to 1."""
        return evidence_of(self.spread) * (self.share > 0)

    @property
    def weight(self) -> Tensor:
        """(K, h, w): what each cell counts in the median.

        Its evidence squared, so that wide empty places do not outvote few full ones.
        """
        return self.evidence.square() * self.share


def inner(core: tuple[slice, slice], top: int, left: int) -> tuple[slice, slice]:
    """The core in rows and columns of its tile, which begins at (top, left)."""
    rows, columns = core
    return slice(rows.start - top, rows.stop - top), slice(columns.start - left, columns.stop - left)


def weighted_quantiles(values: Tensor, weights: Tensor, levels: tuple[float, ...]) -> list[float]:
    """Values at which these shares of the weight are reached, interpolated between neighbours."""
    flat, order = values.flatten().sort()
    reached = weights.flatten()[order].double().cumsum(0)
    middle = reached - weights.flatten()[order].double() / 2
    wanted = torch.tensor(levels, dtype=torch.float64) * reached[-1]
    above = torch.searchsorted(middle, wanted).clamp(1, len(flat) - 1)
    gap = (middle[above] - middle[above - 1]).clamp_min(1e-30)
    t = ((wanted - middle[above - 1]) / gap).clamp(0, 1)
    found: list[float] = (flat[above - 1] + t * (flat[above] - flat[above - 1])).tolist()
    return found


def _free_share(size: torch.Size, outside: Tensor | None, stride: int) -> Tensor:
    """(1, rows, columns): the share of each cell that counts, 0 within reach of what does not."""
    rows, columns = (-(-n // stride) for n in size)
    free = torch.ones(1, 1, *size)
    if outside is not None:
        free = (~dilate(outside, REACH)).float()[None, None]
    padded = F.pad(free, (0, columns * stride - size[1], 0, rows * stride - size[0]))
    return F.avg_pool2d(padded, stride)[0]
