"""What the kinds share: strengths that fit a batch, and numbers drawn on the CPU."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def column(values: Tensor, image: Tensor) -> Tensor:
    """One value a sample, (N,), as (N, 1, 1, 1) beside a picture: its type, its device."""
    return values.to(image).reshape(-1, 1, 1, 1)


def normal(shape: tuple[int, ...], like: Tensor, generator: torch.Generator) -> Tensor:
    """Standard normal numbers, of the type and on the device of `like`."""
    return torch.randn(shape, generator=generator, dtype=like.dtype).to(like.device)


def uniform(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Numbers in [0, 1), float32, on the CPU."""
    return torch.rand(shape, generator=generator)


def angles(count: int, generator: torch.Generator) -> Tensor:
    """Directions in [0, 2π), (count,)."""
    return uniform((count,), generator) * (2 * math.pi)


def signs(count: int, generator: torch.Generator) -> Tensor:
    """−1 or 1, (count,)."""
    return torch.where(uniform((count,), generator) < 0.5, -1.0, 1.0)


def generators(count: int, generator: torch.Generator) -> list[torch.Generator]:
    """One a sample, so that how much one draws does not change what the next one gets."""
    seeds = torch.randint(2**62, (count,), generator=generator).tolist()
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def moved(image: Tensor, dx: Tensor, dy: Tensor, mode: str = "bilinear") -> Tensor:
    """Every pixel taken from (x + dx, y + dy), mirrored beyond the border.

    Parameters
    ----------
    image : Tensor, (N, C, H, W)
    dx, dy : Tensor, (N, 1, 1) or (N, H, W)
        Pixels.
    mode : 'bilinear' | 'bicubic'

    Returns
    -------
    Tensor, (N, C, H, W)
    """
    n, _, h, w = image.shape
    x = torch.arange(w, device=image.device, dtype=image.dtype) + dx.to(image)
    y = torch.arange(h, device=image.device, dtype=image.dtype)[:, None] + dy.to(image)
    # In grid_sample's own coordinates −1 and 1 are the outer edges of the picture.
    grid = torch.stack([((2 * x + 1) / w - 1).expand(n, h, w), ((2 * y + 1) / h - 1).expand(n, h, w)], -1)
    return F.grid_sample(image, grid, mode=mode, padding_mode="reflection", align_corners=False)
