"""The power spectrum of a picture, in bands of frequency and by direction: what shows the PSF of a whole picture best.

A single place sees an edge or two; the spectrum sees all of them together. A blur multiplies it by the square of its
transfer function: how it falls tells the size, where it has its zeros the family, and in which direction it falls
faster the axes. What is photographed has a spectrum of its own, and noise a floor: who reads this has learned both.

Welch's method: windows of 32×32 under a Hann window at three levels of a pyramid, power averaged over windows. All of
it is convolutions, so that it runs wherever the network does.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kukkiri.images.filtering import pad

WINDOW = 32
# Steps from window to window at each level, pixels of the level: half a window, but where there are plenty.
STEPS = (32, 16, 16)
LEVELS = len(STEPS)
# Edges of the bands, cycles a pixel of the level. Below them lies what the mean leaks under a Hann window.
EDGES = (0.0625, 0.09, 0.125, 0.16, 0.2, 0.245, 0.29, 0.335, 0.38, 0.43, 0.5)
BANDS = len(EDGES) - 1
# Rows of windows that are transformed at a time.
_STRIP = 24
# Side of the smallest picture that has a window at every level, px.
SMALLEST = WINDOW << (LEVELS - 1)


class Spectrum(nn.Module):
    """Sums of power over the windows of pictures. Nothing in it is learned."""

    along: Tensor
    across: Tensor
    bands: Tensor

    def __init__(self) -> None:
        super().__init__()
        place = torch.arange(WINDOW, dtype=torch.float64)
        hann = 0.5 - 0.5 * torch.cos(2 * math.pi * place / WINDOW)
        half = WINDOW // 2 + 1
        phase = 2 * math.pi * place[:, None] * place[None] / WINDOW
        cosine, sine = torch.cos(phase) * hann, torch.sin(phase) * hann
        self.register_buffer("along", torch.cat([cosine[:half], sine[:half]])[:, None, None].float(), persistent=False)
        columns = torch.cat([cosine, sine])[:, None, :, None].repeat(2 * half, 1, 1, 1)
        self.register_buffer("across", columns.float(), persistent=False)
        self.register_buffer("bands", _bands().float(), persistent=False)

    def forward(self, image: Tensor, core: tuple[slice, slice] | None = None, outside: Tensor | None = None) -> Tensor:
        """Power of pictures or of parts of one.

        Parameters
        ----------
        image : Tensor, (N, 1, H, W)
            Any range. Sides under 128 px are extended by the mirror image.
        core : (slice, slice), optional
            Only windows that begin in these rows and columns: the sums of all tiles are then those of the whole
            picture, if tiles and cores begin at multiples of 64 px and reach 96 px beyond.
        outside : Tensor of bool, (H, W), optional
            Windows that touch this do not count.

        Returns
        -------
        Tensor, (N, 3, 10, 3)
            At each level and band: power, and power times cos 2θ and sin 2θ of the direction θ of its frequency. Each
            window's power is divided by its root: strong edges do not outvote all else, faint noise does not either.
        """
        height, width = image.shape[-2:]
        if core is None and min(height, width) < SMALLEST:
            core = slice(0, height), slice(0, width)
        extended = (0, max(0, SMALLEST - width), 0, max(0, SMALLEST - height))
        # Offset is nothing to a spectrum, but much to the rounding of single precision.
        x = pad(image - image.mean((2, 3), keepdim=True), extended, "symmetric")
        free = None if outside is None else (~outside).to(image)[None, None]
        if free is not None:
            free = pad(free, extended, "symmetric")
        found = []
        for level, step in enumerate(STEPS):
            counted = None
            if free is not None:
                counted = (F.avg_pool2d(free, WINDOW, step) > 1 - 1e-4).to(x)
                free = F.avg_pool2d(free, 2)
            if core is not None:
                counted = _begin_within(core, x.shape[-2:], step, level).to(x) * (1 if counted is None else counted)
            found.append(self._sums(x, step, counted))
            if level < LEVELS - 1:
                x = F.avg_pool2d(x, 2)
        return torch.stack(found, 1)

    def _sums(self, x: Tensor, step: int, counted: Tensor | None) -> Tensor:
        """Sums over the windows of a level, (N, 10, 3); strip by strip: transforms of a large picture are many."""
        height = (x.shape[-2] - WINDOW) // step + 1
        total: Tensor | None = None
        for first in range(0, height, _STRIP):
            last = min(first + _STRIP, height) - 1
            strip = x if height <= _STRIP else x[..., first * step : last * step + WINDOW, :]
            power = self._power(strip, step)
            weight = 1 / (power.sum(1, keepdim=True) + 1e-20).sqrt()
            if counted is not None:
                weight = weight * counted[..., first : last + 1, :]
            found = torch.einsum("nfhw,bcf->nbc", power * weight, self.bands)
            total = found if total is None else total + found
        return x.new_zeros(len(x), BANDS, 3) if total is None else total

    def _power(self, x: Tensor, step: int) -> Tensor:
        """Power at each frequency of each window, (N, 32·17, h, w)."""
        half = WINDOW // 2 + 1
        rows = F.conv2d(x, self.along, stride=(1, step))
        # Of each of the 2·17 row transforms the cosine and the sine transform down the columns.
        both = F.conv2d(rows, self.across, stride=(step, 1), groups=2 * half)
        count, _, height, width = both.shape
        parts = both.reshape(count, 2, half, 2, WINDOW, height, width)
        real = parts[:, 0, :, 0] - parts[:, 1, :, 1]
        imaginary = parts[:, 0, :, 1] + parts[:, 1, :, 0]
        return (real.square() + imaginary.square()).flatten(1, 2)


def _bands() -> Tensor:
    """(10, 3, 17·32): mean over the frequencies of a band, plain and times cos 2θ, sin 2θ."""
    half = WINDOW // 2 + 1
    fx = (torch.arange(half, dtype=torch.float64) / WINDOW)[:, None].expand(half, WINDOW)
    down = torch.arange(WINDOW, dtype=torch.float64)
    fy = (torch.where(down < half, down, down - WINDOW) / WINDOW)[None].expand(half, WINDOW)
    radius, angle = torch.hypot(fx, fy), torch.atan2(fy, fx)
    # Of a real picture's spectrum half is stored; what lies on the axis is there in full.
    twice = torch.where((fx == 0) | (fx == 0.5), 1.0, 2.0)
    found = []
    for low, high in pairwise(EDGES):
        inside = ((radius >= low) & (radius < high)) * twice
        found.append(torch.stack([inside, inside * torch.cos(2 * angle), inside * torch.sin(2 * angle)]) / inside.sum())
    return torch.stack(found).flatten(2)


def _begin_within(core: tuple[slice, slice], size: torch.Size, step: int, level: int) -> Tensor:
    """Which windows of a level begin in the core, (1, 1, h, w)."""
    inside = []
    for part, side in zip(core, size):
        begin = torch.arange((side - WINDOW) // step + 1) * (step << level)
        inside.append((begin >= part.start) & (begin < part.stop))
    both: Tensor = inside[0][:, None] & inside[1]
    return both[None, None]


def levels_of(sums: Tensor) -> tuple[Tensor, Tensor]:
    """What the network is told of a spectrum.

    Parameters
    ----------
    sums : Tensor, (N, 3, 10, 3)
        See `Spectrum`. All 0: nothing is known.

    Returns
    -------
    height : Tensor, (N, 30)
        log of the power in each band, relative to the whole of the coarsest level: gain cancels.
    direction : Tensor, (N, 30, 2)
        Mean of (cos 2θ, sin 2θ) over the power of each band.
    """
    power = sums[..., 0]
    reference = power[:, -1].sum(1)
    known = (reference > 0)[:, None, None]
    height = ((power + 1e-20).log() - (reference + 1e-20).log()[:, None, None]).clamp(-20, 20) * known
    direction = sums[..., 1:] / (power[..., None] + 1e-20)
    return height.flatten(1), direction.flatten(1, 2)
