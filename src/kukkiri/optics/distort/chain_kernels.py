"""The kernels of the random chains: generalised Gaussians, plateaus, and the rings of an ideal low-pass."""

from __future__ import annotations

import math

import torch
from torch import Tensor

# A narrower kernel is the one that changes nothing.
LEAST_SIGMA = 0.005


def generalised_gaussian(
    major: float, minor: float, angle: float, *, power: float = 1.0, plateau: bool = False, side: int = 25
) -> Tensor:
    """exp(−q^p / 2), or 1 / (1 + q^p) with a plateau; q is the squared distance in standard deviations.

    Source: Wang et al., arXiv 2107.10833, section 3.1, after Liu, Sun, Tan, Chi, Zhu, CVPR 2020 (arXiv 1909.03742).

    Parameters
    ----------
    major, minor : float ≥ 0
        Standard deviations along and across `angle`, pixels, for p = 1; 0 changes nothing.
    angle : float
        Of the major axis, radians from +x towards +y.
    power : float > 0
        p: above 1 flat with steep flanks, below 1 peaked with long tails.
    plateau : bool
    side : int, odd
        Of the square that the kernel is cut to, pixels.

    Returns
    -------
    Tensor, (side, side), of sum 1
    """
    y, x = _grid(side)
    cos, sin = math.cos(angle), math.sin(angle)
    along, across = (cos * x + sin * y) / max(major, LEAST_SIGMA), (cos * y - sin * x) / max(minor, LEAST_SIGMA)
    q = along.square() + across.square()
    kernel = 1 / (1 + q**power) if plateau else torch.exp(-(q**power) / 2)
    return kernel / kernel.sum()


def sinc(cutoff: float, side: int, strength: float = 1.0) -> Tensor:
    """The ideal low-pass filter of a round passband, ω J₁(ω r) / (2π r), cut to a square.

    Source: Wang et al., arXiv 2107.10833, eq. 6.

    Parameters
    ----------
    cutoff : float in (0, π]
        ω, radians a pixel.
    side : int, odd
    strength : float ≥ 0
        Share of the filter; the rest is the picture itself.

    Returns
    -------
    Tensor, (side, side), of sum 1
    """
    y, x = _grid(side)
    r = (x.square() + y.square()).sqrt()
    safe = r.clamp_min(1e-9)
    kernel = torch.where(
        r > 0, cutoff * torch.special.bessel_j1(cutoff * safe) / (2 * math.pi * safe), cutoff**2 / (4 * math.pi)
    )
    kernel = strength * kernel / kernel.sum()
    kernel[side // 2, side // 2] += 1 - strength
    return kernel


def _grid(side: int) -> tuple[Tensor, Tensor]:
    at = torch.arange(side, dtype=torch.float64) - side // 2
    y, x = torch.meshgrid(at, at, indexing="ij")
    return y, x
