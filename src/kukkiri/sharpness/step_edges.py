"""Steps in a picture, found at several scales above its noise: what blur sizes are read from.

A step of contrast A under a Gaussian blur of variance s² has, after a Gaussian of σ, a profile of variance v = s² + σ²:
its gradient peaks at A / √(2πv), and its second derivative at ±√v with A / (√(2πe)·v). Both measures of blur at edges,
the ratio of gradients and the width between Laplacian extrema, start here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from kukkiri.images.canny import ridge
from kukkiri.images.colour import luma, on_8bit_grid
from kukkiri.images.filtering import correlate, gaussian_1d, gaussian_blur
from kukkiri.images.statistics import estimate_noise

# An edge's gradient exceeds that of noise by this factor: in a megapixel of noise alone no pixel does.
ABOVE_NOISE = 6.0
# No picture is taken for cleaner than this share of its own standard deviation.
CLEANEST = 1e-3
# On 8 bits a slow gradation is a staircase of single levels; an edge has more of them.
FEWEST_LEVELS = 3
# An edge may bend by this much of its length within one σ: at corners the gradient falls faster than blur makes it.
BEND = 0.3
# Below this standard deviation (a fraction of one 16-bit level) there is nothing but rounding.
FLAT = 1e-6
# σ of the derivative kernels, pixels: the smallest that sampling does not distort. Coarser scales are smoothed before.
FINEST = 1.0


class Derivatives(NamedTuple):
    """Gaussian derivatives of a picture at one scale, each (H, W); x to the right, y down."""

    x: Tensor
    y: Tensor
    xx: Tensor
    xy: Tensor
    yy: Tensor


class ScaleSpace:
    """A grey picture of mean 0 and variance 1 with its derivatives at any scale, computed once each.

    Parameters
    ----------
    grey : Tensor, (1, 1, H, W)
        Not flat. Gain and offset are taken off.
    noise : float
        Standard deviation of its white noise, in the same units.
    least_contrast : float
        Of an edge, in the same units.
    """

    def __init__(self, grey: Tensor, noise: float, least_contrast: float = 0.0) -> None:
        spread = float(grey.double().std(correction=0))
        self.noise, self.least_contrast = noise / spread, least_contrast / spread
        self._smooth = {0.0: ((grey.double() - grey.double().mean()) / spread).float()}
        self._derivatives: dict[float, Derivatives] = {}

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        height, width = self._smooth[0.0].shape[-2:]
        return int(height), int(width)

    def at(self, sigma: float) -> Derivatives:
        """Derivatives of the picture under a Gaussian of `sigma` ≥ 1 px; borders are replicated."""
        if sigma not in self._derivatives:
            self._derivatives[sigma] = _derivatives(self._smoothed(sigma**2 - FINEST**2))
        return self._derivatives[sigma]

    def _smoothed(self, variance: float) -> Tensor:
        # From the nearest finer picture, if what is missing is a Gaussian that sampling does not distort.
        if variance in self._smooth:
            return self._smooth[variance]
        base = max(v for v in self._smooth if v == 0 or variance - v > FINEST**2 - 1e-9)
        sigma = math.sqrt(variance - base)
        found = gaussian_blur(self._smooth[base], sigma, math.ceil(4 * sigma))
        self._smooth[variance] = found
        return found


def _derivatives(image: Tensor) -> Derivatives:
    x = torch.arange(-4, 5, dtype=torch.float64)
    mean = gaussian_1d(FINEST, 4)
    # Normalised on a ramp and on a parabola, whose derivatives they then give exactly.
    first = x * mean / (x.square() * mean).sum()
    second = (x.square() - 1) * mean
    second -= mean * second.sum()
    second *= 2 / (x.square() * second).sum()
    a, b, c = (correlate(image, k[None, :]) for k in (mean, first, second))

    def down(rows: Tensor, kernel: Tensor) -> Tensor:
        return correlate(rows, kernel[:, None])[0, 0]

    return Derivatives(down(b, mean), down(a, first), down(c, mean), down(b, first), down(a, second))


def scale_space(image: Tensor) -> ScaleSpace | None:
    """The scale space of a picture's luma; None if it is flat.

    Parameters
    ----------
    image : Tensor, (1, C, H, W), values in [0, 1]
        Noise is estimated from it. One that came from 8 bits has at least that of their rounding.
    """
    grey = luma(image)
    spread = float(grey.double().std(correction=0))
    if not spread > FLAT:
        return None
    step = 1 / 255 if bool(on_8bit_grid(image)) else 0.0
    noise = max(estimate_noise(grey[0, 0].float()), step / math.sqrt(12), CLEANEST * spread)
    return ScaleSpace(grey, noise, FEWEST_LEVELS * step)


def gradient_noise(sigma: float) -> float:
    """Standard deviation of a derivative at scale σ under white noise of variance 1: 1 / (√(8π)·σ²)."""
    return 1 / (math.sqrt(8 * math.pi) * sigma**2)


def laplacian_noise(sigma: float) -> float:
    """The same of the Laplacian: 1 / (√(2π)·σ³)."""
    return 1 / (math.sqrt(2 * math.pi) * sigma**3)


@dataclass(frozen=True)
class Edges:
    """Edge pixels of a picture.

    Parameters
    ----------
    rows, columns : Tensor, (P,), int64
    right, down : Tensor, (P,)
        Unit vector across the edge, towards the brighter side.
    """

    rows: Tensor
    columns: Tensor
    right: Tensor
    down: Tensor

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, chosen: Tensor) -> Edges:
        return Edges(self.rows[chosen], self.columns[chosen], self.right[chosen], self.down[chosen])

    def slope(self, d: Derivatives) -> Tensor:
        """First derivative across each edge, (P,)."""
        x, y = (v[self.rows, self.columns] for v in (d.x, d.y))
        return self.right * x + self.down * y

    def bend(self, d: Derivatives) -> tuple[Tensor, Tensor]:
        """Second derivatives across and along each edge, (P,) each."""
        xx, xy, yy = (v[self.rows, self.columns] for v in (d.xx, d.xy, d.yy))
        across = self.right.square() * xx + 2 * self.right * self.down * xy + self.down.square() * yy
        return across, xx + yy - across


def find_edges(space: ScaleSpace, sigma: float) -> Edges:
    """Ridges of the gradient at a scale that stand out of the noise and are nearly straight.

    Parameters
    ----------
    space : ScaleSpace
    sigma : float
        Scale, pixels. Nothing is looked for within that of the border.
    """
    d = space.at(sigma)
    magnitude = torch.hypot(d.x, d.y)
    least = max(
        ABOVE_NOISE * space.noise * gradient_noise(sigma), space.least_contrast / (math.sqrt(2 * math.pi) * sigma)
    )
    found = ridge(magnitude, d.x, d.y) & (magnitude > least)
    margin = math.ceil(sigma)
    inside = torch.zeros_like(found)
    inside[margin:-margin, margin:-margin] = True
    rows, columns = (found & inside).nonzero(as_tuple=True)
    height = magnitude[rows, columns]
    edges = Edges(rows, columns, d.x[rows, columns] / height, d.y[rows, columns] / height)
    return edges[edges.bend(d)[1].abs() * sigma < BEND * height]
