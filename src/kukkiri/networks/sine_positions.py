"""Positions as sines and cosines, in two dimensions (Carion et al., ECCV 2020, arXiv:2005.12872, appendix A.4)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

# Keeps the last row and column from being exactly one period.
_STABILITY = 1e-6


def sine_positions(channels: int, height: int, width: int, temperature: float = 10000.0) -> Tensor:
    """What is added to a feature map so that a transformer knows where each value lies.

    The first half of the channels tells the row, the second the column; even channels are sines, odd ones cosines of
    the same angle. Rows and columns are counted from 1 and scaled so that the last one is at 2π.

    Parameters
    ----------
    channels : int
        A multiple of 4.
    height, width : int
    temperature : float
        The longest period is this many times the shortest.

    Returns
    -------
    Tensor, (channels, height, width), float32, values in [−1, 1]
    """
    half = channels // 2
    pair = torch.arange(half).div(2, rounding_mode="floor").float()
    period = temperature ** (2 * pair / half)

    def angles(count: int) -> Tensor:
        place = torch.arange(1, count + 1, dtype=torch.float32)
        place = place / (count + _STABILITY) * (2 * math.pi)
        angle = place[:, None] / period
        return torch.stack((angle[:, 0::2].sin(), angle[:, 1::2].cos()), 2).flatten(1)  # (count, half)

    rows = angles(height).T[:, :, None].expand(half, height, width)
    columns = angles(width).T[:, None, :].expand(half, height, width)
    return torch.cat((rows, columns))
