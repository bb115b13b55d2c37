"""Steps of known blur: what measures of blur at edges are tried on."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from kukkiri.optics import psf

# Samples a pixel side, averaged: an area-sampled picture.
FINE = 8
# Slopes against the pixel grid, degrees: every phase of the grid is met along each edge.
ANGLES = (5, 20, 45, 63)


def _across(angle: float, size: int) -> Tensor:
    """Distance from a line through the middle at this angle (degrees), of every fine sample, pixels."""
    places = (torch.arange(size * FINE, dtype=torch.float64) + 0.5) / FINE - size / 2
    turn = math.radians(angle)
    across: Tensor = places * math.cos(turn) + places[:, None] * math.sin(turn)
    return across


def _seen(fine: Tensor, contrast: float) -> Tensor:
    return 0.5 + contrast * (F.avg_pool2d(fine[None, None], FINE) - 0.5)


def step(sigma: float, *, angle: float = 5, contrast: float = 0.6, noise: float = 0.0, size: int = 96) -> Tensor:
    """An area-sampled step, blurred by a sampled Gaussian, with white noise: (1, 1, size, size), float64."""
    sharp = _seen((_across(angle, size) > 0).double(), contrast)
    blurred = psf.blur(sharp, psf.gaussian(sigma).double(), border="replicate")
    return blurred + noise * torch.randn(blurred.shape, generator=torch.Generator().manual_seed(0)).double()


def smooth_step(sigma: float, *, angle: float = 20, contrast: float = 0.6, size: int = 96) -> Tensor:
    """A step whose profile is the integral of a Gaussian at every pixel's middle: no pixel's area in it."""
    places = torch.arange(size, dtype=torch.float64) + 0.5 - size / 2
    turn = math.radians(angle)
    across = places * math.cos(turn) + places[:, None] * math.sin(turn)
    profile: Tensor = torch.special.ndtr(across / sigma)
    return (0.5 + contrast * (profile - 0.5))[None, None]


def stripes(size: int = 192, width: float = 24.0, angle: float = 20, contrast: float = 0.6) -> Tensor:
    """Sharp, tilted, area-sampled stripes of this width, pixels: (1, 1, size, size), float64."""
    return _seen((_across(angle, size) / width).floor().remainder(2), contrast)


def two_depths(near: float, far: float) -> Tensor:
    """Stripes, the left half blurred by `near`, the right half by `far`."""
    sharp = stripes()
    left, right = (psf.blur(sharp, psf.gaussian(s).double(), border="symmetric") for s in (near, far))
    return torch.cat([left[..., :96], right[..., 96:]], -1)
