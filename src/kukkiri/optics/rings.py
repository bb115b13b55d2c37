"""Rings around the middle of a kernel: what a lens out of focus is made of."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor


@lru_cache(maxsize=16)
def ring_average(side: int) -> Tensor:
    """The matrix that makes a kernel rotationally symmetric: its projection on rings, of a pixel's width each.

    A pixel belongs to the two rings on either side of its distance from the middle, by linear interpolation. The
    projection is orthogonal, and keeps the sum within what the corners' incomplete rings allow.

    Parameters
    ----------
    side : int, odd
        Of the kernel, pixels.

    Returns
    -------
    Tensor, (side², side²), float32
    """
    steps = torch.arange(side, dtype=torch.float64) - (side - 1) / 2
    distance = torch.hypot(steps[:, None], steps[None]).flatten()
    inner = distance.floor().long()
    rings = torch.zeros(side * side, int(inner.max()) + 2, dtype=torch.float64)
    pixels = torch.arange(side * side)
    rings[pixels, inner] = 1 - (distance - inner)
    rings[pixels, inner + 1] += distance - inner
    rings = rings[:, rings.sum(0) > 0]
    projection: Tensor = rings @ torch.linalg.pinv(rings)
    return projection.float()


def asymmetry(kernel: Tensor) -> Tensor:
    """Squared distance of a kernel (side, side) from its rotational average, relative to its own squared norm."""
    flat = kernel.flatten()
    average = ring_average(kernel.shape[-1]).to(kernel) @ flat
    return (flat - average).square().sum() / flat.square().sum()


def symmetric(kernel: Tensor) -> Tensor:
    """A kernel (side, side) averaged over its rings: not negative, sum 1."""
    flat = (ring_average(kernel.shape[-1]).to(kernel) @ kernel.flatten()).clamp_min(0)
    return (flat / flat.sum()).view_as(kernel)


def disc_radius(kernel: Tensor) -> float:
    """Radius of the disc that has a kernel's second moments, pixels: twice its sigma.

    Parameters
    ----------
    kernel : Tensor, (side, side), not negative
    """
    from kukkiri.optics.moments import sigma_of

    return 2 * float(sigma_of(kernel)[0])
