"""Rings around the middle of a kernel: what a lens out of focus is made of."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor


@lru_cache(maxsize=4)
def _rings(side: int) -> tuple[Tensor, Tensor]:
    """How much each pixel belongs to each ring, (side², R), and its pseudo-inverse, float32."""
    steps = torch.arange(side, dtype=torch.float64) - (side - 1) / 2
    distance = torch.hypot(steps[:, None], steps[None]).flatten()
    inner = distance.floor().long()
    rings = torch.zeros(side * side, int(inner.max()) + 2, dtype=torch.float64)
    pixels = torch.arange(side * side)
    rings[pixels, inner] = 1 - (distance - inner)
    rings[pixels, inner + 1] += distance - inner
    rings = rings[:, rings.sum(0) > 0]
    return rings.float(), torch.linalg.pinv(rings).float()


def ring_average(kernel: Tensor) -> Tensor:
    """The rotationally symmetric kernel nearest to one: its projection on rings a pixel apart.

    A pixel belongs to the two rings on either side of its distance from the middle, by linear interpolation. The
    projection is orthogonal and keeps the sum.

    Parameters
    ----------
    kernel : Tensor, (side, side), side odd

    Returns
    -------
    Tensor, (side, side)
    """
    rings, back = (m.to(kernel) for m in _rings(kernel.shape[-1]))
    return (rings @ (back @ kernel.flatten())).view_as(kernel)


def asymmetry(kernel: Tensor) -> Tensor:
    """Squared distance of a kernel (side, side) from its rotational average, relative to its own squared norm."""
    return (kernel - ring_average(kernel)).square().sum() / kernel.square().sum()
