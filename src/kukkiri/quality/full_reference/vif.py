"""VIF: how much of the information in the reference can still be read from the picture (Sheikh and Bovik 2006).

Two forms, both the authors': over the bands of a steerable pyramid with vectors of 3 × 3 coefficients, which is the
paper's, and over four scales of pixels with scalars, its cheaper derivative (VIFp).
"""

from __future__ import annotations

import math
from typing import Literal, cast

import torch
import torch.nn.functional as F
from torch import Tensor

from kukkiri.errors import InputError
from kukkiri.images.colour import luma
from kukkiri.images.filtering import correlate_separable, gaussian_1d, pad
from kukkiri.images.steerable_pyramid import directional_bands
from kukkiri.metrics.base import Metric

LEVELS = 4
BLOCK = 3  # coefficients of 3 × 3 neighbours form one vector
STRIP = 2**17  # neighbourhoods taken at once, which bounds the memory for large pictures
EYE_NOISE = {"wavelet": 0.4, "pixel": 2.0}  # variance of the neural noise, for values up to 255
TINY = {"wavelet": 1e-15, "pixel": 1e-10}  # variances below are taken as 0


def channel(square_x: Tensor, square_y: Tensor, product: Tensor, count: int, tiny: float) -> tuple[Tensor, Tensor]:
    """Gain and residual variance of the distortion y = g·x + v in each window, from its centred sums.

    Parameters
    ----------
    square_x, square_y, product : Tensor, any shape
        Sums over a window of (x − mean)², (y − mean)² and their product; `count` is what they are divided by for v.

    Returns
    -------
    (Tensor, Tensor), gain ≥ 0 and variance ≥ tiny
        A window without variance in either, or with opposite structure, has gain 0.
    """
    square_x, square_y = square_x.clamp_min(0), square_y.clamp_min(0)
    gain = product / (square_x + tiny)
    gain = torch.where((square_x < tiny) | (square_y < tiny), 0, gain).clamp_min(0)
    return gain, ((square_y - gain * product) / count).clamp_min(tiny)


def vif_wavelet(image: Tensor, reference: Tensor) -> Tensor:
    """VIF over eight bands of a steerable pyramid.

    Parameters
    ----------
    image, reference : Tensor, (N, 1, H, W), float64, values in [0, 255], sides of at least 72

    Returns
    -------
    Tensor, (N,)
        1 for identical pictures, above 1 where contrast was raised; NaN for a reference without structure.
    """
    seen = present = image.new_zeros(image.shape[0])
    bands = zip(directional_bands(image, LEVELS), directional_bands(reference, LEVELS))
    for level, (y, x) in enumerate(bands):
        radius = 2 ** (LEVELS - 1 - level)  # windows shrink from 17 to 3 coefficients
        rows, columns = (side // BLOCK * BLOCK for side in x.shape[-2:])
        x, y = x[..., :rows, :columns], y[..., :rows, :columns]
        gain, residual = distortion_channel(x, y, radius)
        strength, eigenvalues = gaussian_scale_mixture(x)
        edge = -(-radius // BLOCK)  # blocks whose window leaves the band
        gain, residual, strength = (v[..., edge:-edge, edge:-edge, None] for v in (gain, residual, strength))
        signal = strength * eigenvalues[:, :, None, None]  # (N, 2, blocks down, blocks across, 9)
        noise = EYE_NOISE["wavelet"]
        seen = seen + (gain.square() * signal / (residual + noise)).log1p().sum((1, 2, 3, 4))
        present = present + (signal / noise).log1p().sum((1, 2, 3, 4))
    return ratio(seen, present)


def distortion_channel(x: Tensor, y: Tensor, radius: int) -> tuple[Tensor, Tensor]:
    """Gain and residual variance (N, C, H / 3, W / 3) in windows of 2·radius + 1 around each block's centre."""
    size = 2 * radius + 1

    def window_mean(v: Tensor) -> Tensor:
        return F.avg_pool2d(F.avg_pool2d(v, (1, size), (1, BLOCK)), (size, 1), (BLOCK, 1))

    # Blocks' centres are coefficients 1, 4, 7 …: the first window starts one later than that of coefficient 0.
    x, y = (pad(v, (radius,) * 4, "reflect")[..., 1:, 1:] for v in (x, y))
    mean_x, mean_y, count = window_mean(x), window_mean(y), size**2
    square_x = window_mean(x.square()) - mean_x.square()
    square_y = window_mean(y.square()) - mean_y.square()
    product = window_mean(x * y) - mean_x * mean_y
    return channel(count * square_x, count * square_y, count * product, count, TINY["wavelet"])


def gaussian_scale_mixture(x: Tensor) -> tuple[Tensor, Tensor]:
    """Local strength of a band, and the eigenvalues of its neighbourhoods' covariance.

    A vector of 3 × 3 neighbours is taken as √strength times a Gaussian vector.

    Parameters
    ----------
    x : Tensor, (N, C, H, W), sides multiples of 3

    Returns
    -------
    (Tensor (N, C, H / 3, W / 3), Tensor (N, C, 9))
    """
    n, c, rows, columns = x.shape
    covariance = neighbourhood_covariance(x)
    # The pseudo-inverse equals the inverse, and is still defined for stripes and other pictures of low rank.
    inverse = torch.linalg.pinv(covariance, hermitian=True)
    blocks = x.reshape(n, c, rows // BLOCK, BLOCK, columns // BLOCK, BLOCK).permute(0, 1, 2, 4, 3, 5).flatten(4)
    strength = ((blocks @ inverse[:, :, None]) * blocks).sum(-1) / BLOCK**2
    return strength.clamp_min(0), torch.linalg.eigvalsh(covariance).clamp_min(0)


def neighbourhood_covariance(x: Tensor) -> Tensor:
    """Covariance (N, C, 9, 9) of all 3 × 3 neighbourhoods of (N, C, H, W), overlapping, summed in strips of rows."""
    rows, columns = x.shape[2] - BLOCK + 1, x.shape[3] - BLOCK + 1
    x = x - x.mean((2, 3), keepdim=True)  # or products would be large beside their covariance
    total = x.new_zeros(*x.shape[:2], BLOCK**2)
    products = total[..., None] * total[..., None, :]
    step = max(1, STRIP // columns)
    for top in range(0, rows, step):
        height = min(step, rows - top)
        shifts = [
            x[..., top + i : top + i + height, j : j + columns].flatten(2) for i in range(BLOCK) for j in range(BLOCK)
        ]
        vectors = torch.stack(shifts, 2)
        total = total + vectors.sum(-1)
        products = products + vectors @ vectors.transpose(-1, -2)
    count = rows * columns
    mean = total / count
    return products / count - mean[..., None] * mean[..., None, :]


def vif_pixel(image: Tensor, reference: Tensor) -> Tensor:
    """VIFp: VIF over four scales of pixels, with windows of 17, 9, 5 and 3 px; as `vif_wavelet` (sides from 41 px)."""
    x, y = reference, image
    noise, tiny = EYE_NOISE["pixel"], TINY["pixel"]
    seen = present = image.new_zeros(image.shape[0])
    for scale in range(LEVELS):
        radius = 2 ** (LEVELS - 1 - scale)
        window = gaussian_1d((2 * radius + 1) / 5, radius)
        if scale:
            x, y = (correlate_separable(v, window, window, "valid")[..., ::2, ::2] for v in (x, y))
        products = (x, y, x.square(), y.square(), x * y)
        mean_x, mean_y, square_x, square_y, product = (
            correlate_separable(v, window, window, "valid") for v in products
        )
        variance = (square_x - mean_x.square()).clamp_min(0)
        gain, residual = channel(variance, square_y - mean_y.square(), product - mean_x * mean_y, 1, tiny)
        seen = seen + (gain.square() * variance / (residual + noise)).log1p().sum((1, 2, 3))
        present = present + (variance / noise).log1p().sum((1, 2, 3))
    return ratio(seen, present)


def ratio(seen: Tensor, present: Tensor) -> Tensor:
    """Information seen over information present; NaN where there was none."""
    there = present > 0
    return torch.where(there, seen / torch.where(there, present, 1), math.nan)


class VIF(Metric):
    """`vif`: visual information fidelity, 1 for identical pictures, above 1 for raised contrast.

    Computed in double precision: the model inverts covariances and subtracts nearly equal moments.

    Parameters
    ----------
    domain : 'wavelet' | 'pixel'
        The steerable-pyramid form of the paper (the authors' `vifvec`), or the pixel-domain VIFp (`vifp_mscale`).

    Raises
    ------
    InputError
        If domain is neither.
    """

    name = "vif"

    def __init__(self, *, domain: Literal["wavelet", "pixel"] = "wavelet") -> None:
        super().__init__()
        if domain not in EYE_NOISE:
            raise InputError(expected="domain of 'wavelet' or 'pixel'", got=repr(domain), fix="check the spelling")
        self.domain = domain

    def score(self, image: Tensor, reference: Tensor | None, weights: Tensor) -> Tensor:
        x, y = (luma(v.double()) * 255 for v in (image, cast(Tensor, reference)))
        compute = vif_wavelet if self.domain == "wavelet" else vif_pixel
        return compute(x, y).to(image.dtype)
