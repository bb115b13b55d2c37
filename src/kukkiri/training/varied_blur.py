"""Blur that varies over a picture: objects at different depths, abrupt and soft changes, slopes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from kukkiri.optics.varying import blur_by_map
from kukkiri.training.blur_kernels import MARGIN, KernelBank, convolved, moments_of
from kukkiri.training.sharp_material import Material


def layered(
    sharp: Tensor,
    own: Tensor,
    kernel: Tensor,
    material: Material,
    bank: KernelBank,
    side: int,
    random: np.random.Generator,
) -> tuple[Tensor, Tensor]:
    """Objects before a background, each with its own blur; a blurred object spreads over what is behind it."""
    wide = sharp.shape[-1]
    mask = _mask(wide, random, softness=1e-3)
    behind, _ = bank.draw(random)
    front, front_own = material.cut(wide, random)
    seen, covered = convolved([mask * front, mask], [kernel, kernel], side)
    (background,) = convolved([sharp], [behind], side)
    inner = mask[MARGIN:-MARGIN, MARGIN:-MARGIN]
    moments = _mixed(inner, kernel, behind)
    moments[:2] += inner * front_own[MARGIN:-MARGIN, MARGIN:-MARGIN] + (1 - inner) * own
    return seen + (1 - covered) * background, moments


def swapped(
    sharp: Tensor,
    own: Tensor,
    kernel: Tensor,
    material: Material,
    bank: KernelBank,
    side: int,
    random: np.random.Generator,
) -> tuple[Tensor, Tensor]:
    """One picture under two kernels that change places, abruptly or softly."""
    other, _ = bank.draw(random)
    mask = _mask(side, random, softness=10 ** random.uniform(-2.5, 0))
    first, second = convolved([sharp, sharp], [kernel, other], side)
    moments = _mixed(mask, kernel, other)
    moments[:2] += own
    return mask * first + (1 - mask) * second, moments


def graded(
    sharp: Tensor,
    own: Tensor,
    kernel: Tensor,
    material: Material,
    bank: KernelBank,
    side: int,
    random: np.random.Generator,
) -> tuple[Tensor, Tensor]:
    """A blur that grows steadily, as on a tilted specimen or a floor."""
    low = math.exp(random.uniform(math.log(0.4), math.log(5)))
    octaves = random.uniform(0.3, 2)
    margin = 24
    wide = side + 2 * margin
    height = _height(wide, random)
    height = (height - height.min()) / (height.max() - height.min())
    sigma = torch.from_numpy((low * 2 ** (octaves * height)).astype(np.float32))[None, None]
    inset = MARGIN - margin
    picture = sharp[inset : inset + wide, inset : inset + wide][None, None]
    family: Literal["gaussian", "disc"] = "gaussian" if random.random() < 0.5 else "disc"
    seen = blur_by_map(picture, sigma, family, levels=10)[0, 0, margin:-margin, margin:-margin]
    square = sigma[0, 0, margin:-margin, margin:-margin].square() + own
    return seen, torch.stack([square, square, torch.zeros_like(square)])


_Vary = Callable[
    [Tensor, Tensor, Tensor, Material, KernelBank, int, np.random.Generator],
    tuple[Tensor, Tensor],
]
VARIED: tuple[_Vary, ...] = (layered, swapped, graded)
SHARES = (0.15, 0.10, 0.08)


def _mixed(mask: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """Moments (3, H, W): a mixture of kernels has the mixture of their moments."""
    both = moments_of([first, second])[:, :, None, None]
    return mask * both[0] + (1 - mask) * both[1]


def _height(side: int, random: np.random.Generator) -> NDArray[np.float32]:
    """A landscape: a slope, or hills of a random breadth."""
    y, x = np.mgrid[:side, :side].astype(np.float32) / side - 0.5
    if random.random() < 0.4:
        angle = random.uniform(0, 2 * math.pi)
        slope: NDArray[np.float32] = x * math.cos(angle) + y * math.sin(angle) + random.uniform(-0.3, 0.3)
        return slope
    hills = int(random.integers(3, 12))
    coarse = torch.from_numpy(random.standard_normal((1, 1, hills, hills)).astype(np.float32))
    landscape: NDArray[np.float32] = F.interpolate(coarse, size=(side, side), mode="bicubic")[0, 0].numpy()
    return landscape


def _mask(side: int, random: np.random.Generator, *, softness: float) -> Tensor:
    """Where the first kernel holds, 0 to 1: what lies high in a landscape."""
    height = _height(side, random)
    return torch.from_numpy(1 / (1 + np.exp(-np.clip(height / softness, -30, 30))))
