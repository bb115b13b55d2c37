"""Moments of sampled kernels: how wide they are, in which direction."""

from __future__ import annotations

import torch
from torch import Tensor

# What is less, relative to half the trace, is the rounding of a kernel's float32.
_ROUND = 1e-6


def covariance(kernel: Tensor) -> Tensor:
    """Second central moments of sampled kernels, px².

    Parameters
    ----------
    kernel : Tensor, (N, h, w) or (h, w), not negative
        Need not sum to 1.

    Returns
    -------
    Tensor, (N, 2, 2), float64
        [[xx, xy], [xy, yy]].
    """
    k = kernel.double()[None] if kernel.ndim == 2 else kernel.double()
    k = k / k.sum((1, 2), keepdim=True)
    y = torch.arange(k.shape[1], dtype=k.dtype, device=k.device)[:, None]
    x = torch.arange(k.shape[2], dtype=k.dtype, device=k.device)[None, :]

    def mean(values: Tensor) -> Tensor:
        return (k * values).sum((1, 2))

    mx, my = mean(x), mean(y)
    xx, yy, xy = mean(x * x) - mx * mx, mean(y * y) - my * my, mean(x * y) - mx * my
    return torch.stack([torch.stack([xx, xy], -1), torch.stack([xy, yy], -1)], -2)


def sigma_of(kernel: Tensor) -> Tensor:
    """The blur size of sampled kernels: half the trace of the covariance, square-rooted.

    Parameters
    ----------
    kernel : Tensor, (N, h, w) or (h, w)

    Returns
    -------
    Tensor, (N,), float64
        Pixels.
    """
    moments = covariance(kernel)
    return ((moments[:, 0, 0] + moments[:, 1, 1]) / 2).clamp_min(0).sqrt()


def principal_axes(kernel: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Principal standard deviations and the angle of the major one.

    Parameters
    ----------
    kernel : Tensor, (N, h, w) or (h, w)

    Returns
    -------
    major, minor : Tensor, (N,), float64
        Pixels, major ≥ minor; sigma² = (major² + minor²) / 2.
    angle : Tensor, (N,), float64
        Of the major axis, radians from +x towards +y, in (−π/2, π/2]; 0 for a round kernel.
    """
    moments = covariance(kernel)
    half_trace = (moments[:, 0, 0] + moments[:, 1, 1]) / 2
    difference = (moments[:, 0, 0] - moments[:, 1, 1]) / 2
    spread = torch.hypot(difference, moments[:, 0, 1])
    rounding, zero = _ROUND * half_trace, torch.zeros_like(spread)
    # The sign of what is 0 but for rounding would decide between −π/2 and π/2, two names of one direction.
    mixed = torch.where(moments[:, 0, 1].abs() <= rounding, zero, moments[:, 0, 1])
    angle = torch.where(spread <= rounding, zero, torch.atan2(mixed, difference) / 2)
    return (half_trace + spread).sqrt(), (half_trace - spread).clamp_min(0).sqrt(), angle
