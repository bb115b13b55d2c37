"""Kernels to blur training pictures with: eight families, their moments, and the convolution."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from kukkiri.optics import psf

# Largest kernel, and so the margin that a picture needs around it.
KERNEL = 97
MARGIN = KERNEL // 2


def random_kernel(random: np.random.Generator, low: float = 0.3, high: float = 12.0) -> tuple[Tensor, int]:
    """A kernel of a random family and size.

    Parameters
    ----------
    random : numpy.random.Generator
    low, high : float
        Range of sigma, px, drawn log-uniformly.

    Returns
    -------
    kernel : Tensor, (k, k), k ≤ `KERNEL`
    family : int
        Index in `blur_net.FAMILIES`, or −1: none of them.
    """
    if random.random() < 0.05:
        return psf.delta(1, 1)[0], -1
    sigma = math.exp(random.uniform(math.log(low), math.log(high * (1.3 if random.random() < 0.2 else 1))))
    angle = random.uniform(-math.pi / 2, math.pi / 2)
    kind = random.choice(len(_KINDS), p=_SHARES)
    kernel, family = _KINDS[kind](random, sigma, angle)
    return _cut(kernel[0]), family


def _gaussian(random: np.random.Generator, sigma: float, angle: float) -> tuple[Tensor, int]:
    return psf.gaussian(sigma), 0


def _disc(random: np.random.Generator, sigma: float, angle: float) -> tuple[Tensor, int]:
    return psf.disc(2 * sigma), 1


def _p_exponential(random: np.random.Generator, sigma: float, angle: float) -> tuple[Tensor, int]:
    p = math.exp(random.uniform(math.log(1.2), math.log(16)))
    return psf.p_exponential(sigma, p), 0 if 1.6 < p < 2.6 else 1 if p > 7 else -1


def _axes(random: np.random.Generator, sigma: float) -> tuple[float, float]:
    ratio = math.exp(random.uniform(math.log(1.05), math.log(3.5)))
    minor = sigma * math.sqrt(2 / (1 + ratio * ratio))
    return ratio * minor, minor


def _elliptical_gaussian(random: np.random.Generator, sigma: float, angle: float) -> tuple[Tensor, int]:
    major, minor = _axes(random, sigma)
    return psf.elliptical_gaussian(major, minor, angle), 0


def _elliptical_disc(random: np.random.Generator, sigma: float, angle: float) -> tuple[Tensor, int]:
    major, minor = _axes(random, sigma)
    return psf.elliptical_disc(2 * major, 2 * minor, angle), 1


def _motion(random: np.random.Generator, sigma: float, angle: float) -> tuple[Tensor, int]:
    length = min(sigma * math.sqrt(24), KERNEL - 4)
    kernel = psf.motion(length, angle)
    if random.random() < 0.5:  # a path is never drawn by a perfect lens
        spread = psf.enlarged(psf.gaussian(random.uniform(0.4, 0.4 + 0.3 * sigma)), _SPREAD)
        kernel = psf.blur(F.pad(kernel, (_SPREAD // 2,) * 4)[:, None], spread, "zero")[:, 0].clamp_min(0)
        kernel = kernel / kernel.sum()
    return kernel, 2


def _airy(random: np.random.Generator, sigma: float, angle: float) -> tuple[Tensor, int]:
    from kukkiri.optics.airy import defocused_airy

    # By diffraction, whose sigma depends on where the kernel ends, or by defocus, far from which it is 2·waves/cutoff.
    if sigma < 1.3 or random.random() < 0.3:
        return defocused_airy(min(0.95, 0.9 / sigma), random.uniform(0, 0.6)), -1
    waves = random.uniform(0.6, min(4.0, 0.475 * sigma))
    return defocused_airy(2 * waves / sigma, waves), -1


def _mixture(random: np.random.Generator, sigma: float, angle: float) -> tuple[Tensor, int]:
    share = random.uniform(0.5, 0.95)
    wide = psf.gaussian(min(sigma * random.uniform(1.5, 3), 16))
    core = psf.gaussian(sigma * random.uniform(0.5, 1)) if random.random() < 0.5 else psf.disc(2 * sigma)
    return psf.mixture([core, wide], [share, 1 - share]), -1


_SPREAD = 33
_Kind = Callable[[np.random.Generator, float, float], tuple[Tensor, int]]
_KINDS: tuple[_Kind, ...] = (
    _gaussian, _disc, _p_exponential, _elliptical_gaussian, _elliptical_disc, _motion, _airy, _mixture,
)  # fmt: skip
_SHARES = (0.29, 0.29, 0.03, 0.16, 0.13, 0.05, 0.03, 0.02)


def _cut(kernel: Tensor) -> Tensor:
    excess = kernel.shape[-1] - KERNEL
    if excess > 0:
        kernel = kernel[excess // 2 : excess // 2 + KERNEL, excess // 2 : excess // 2 + KERNEL]
    return kernel / kernel.sum()


class KernelBank:
    """Kernels drawn once, since drawing one takes longer than blurring with it; turned and mirrored at each use.

    Parameters
    ----------
    count : int
    seed : int
    """

    def __init__(self, count: int, seed: int) -> None:
        random = np.random.default_rng(seed)
        self.kernels, self.families = zip(*(random_kernel(random) for _ in range(count)))

    def draw(self, random: np.random.Generator) -> tuple[Tensor, int]:
        """A kernel (k, k) and its family."""
        at = int(random.integers(len(self.kernels)))
        kernel: Tensor = self.kernels[at]
        if random.random() < 0.5:
            kernel = kernel.T
        flips = [axis for axis in (0, 1) if random.random() < 0.5]
        return kernel.flip(flips) if flips else kernel, self.families[at]


def _margin(kernel: Tensor) -> int:
    """What the picture needs around it; two sizes only, so that most pictures are transformed together."""
    return 16 if kernel.shape[-1] <= 33 else MARGIN


def moments_of(kernels: Sequence[Tensor]) -> Tensor:
    """xx, yy, xy of each kernel's covariance, px², (N, 3)."""
    found = torch.cat([psf.covariance(kernel) for kernel in kernels])
    return torch.stack([found[:, 0, 0], found[:, 1, 1], found[:, 0, 1]], 1).float()


def convolved(sharp: Sequence[Tensor], kernels: Sequence[Tensor], side: int) -> Tensor:
    """Each picture with its own kernel; only what needs no border is kept. (N, side, side)."""
    result = torch.empty(len(sharp), side, side)
    margins = [_margin(kernel) for kernel in kernels]
    for margin in set(margins):
        members = [at for at, m in enumerate(margins) if m == margin]
        inset = MARGIN - margin
        wide = side + 2 * margin
        pictures = torch.stack([sharp[at][inset : inset + wide, inset : inset + wide] for at in members])
        full = torch.cat([psf.enlarged(kernels[at][None], 2 * margin + 1) for at in members])
        result[members] = psf.blur(pictures[:, None], full, "valid")[:, 0]
    return result
