"""Natural scene statistics: normalised luma and the generalised Gaussians fitted to it, as NIQE and BRISQUE use them.

Everything here is float64: shapes are looked up on a grid, and a rounding error that moves a value over the middle
between two grid points would move the score, differently alone and in a batch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from kukkiri.images.filtering import gaussian_1d, pad
from kukkiri.images.resampling import weighted_sum

WINDOW_RADIUS = 3
WINDOW_SIGMA = 7 / 6
# Normalised values below this are the rounding errors of a flat neighbourhood, which have no sign to be counted by:
# those of float64 where luma is in whole levels, else those of the picture's own float32.
EXACT_FLOOR, FLOAT_FLOOR = 1e-9, 5e-5
CACHED_PIXELS = 2**18


def in_chunks(function: Callable[..., Tensor], *tensors: Tensor) -> Tensor:
    """Apply a function of batches to a few pictures at a time.

    On a CPU as many as stay in its cache: a large batch takes twice as long a picture otherwise.
    """
    first = tensors[0]
    pixels = first.shape[-2] * first.shape[-1]
    samples = max(1, CACHED_PIXELS // pixels) if first.device.type == "cpu" else len(first)
    return torch.cat([function(*parts) for parts in zip(*(torch.split(t, samples) for t in tensors), strict=True)])


def local_mean(image: Tensor, sigma: float = WINDOW_SIGMA, border: str = "replicate") -> Tensor:
    """Gaussian-weighted 7×7 mean around each pixel.

    Parameters
    ----------
    image : Tensor, (N, C, H, W)
    sigma : float
        Standard deviation of the window, pixels.
    border : see `kukkiri.images.filtering.pad`

    Returns
    -------
    Tensor, (N, C, H, W)
    """
    height, width = image.shape[-2:]
    g = gaussian_1d(sigma, WINDOW_RADIUS).tolist()
    # Sums of shifted views: several times faster than conv2d in float64.
    padded = pad(image, (WINDOW_RADIUS,) * 4, border)
    columns = weighted_sum((padded[..., k : k + height, :] for k in range(len(g))), g)
    return weighted_sum((columns[..., k : k + width] for k in range(len(g))), g)


def rounding_floor(grey: Tensor) -> Tensor:
    """What counts as 0 in normalised luma, (N, 1, 1, 1), for luma (N, 1, H, W) on 0..255 at its first scale."""
    whole = (grey == grey.round()).flatten(1).all(1).view(-1, 1, 1, 1)
    return torch.where(whole, EXACT_FLOOR, FLOAT_FLOOR).to(grey)


def normalised_luma(grey: Tensor, floor: Tensor, sigma: float = WINDOW_SIGMA, border: str = "replicate") -> Tensor:
    """Mean-subtracted contrast-normalised luma (Mittal, Moorthy, Bovik 2012, eqs. 1–3).

    Parameters
    ----------
    grey : Tensor, (N, 1, H, W), float64, on 0..255
    floor : Tensor, (N, 1, 1, 1)
        See `rounding_floor`.
    sigma, border
        See `local_mean`.

    Returns
    -------
    Tensor, (N, 1, H, W)
        (x − μ) / (σ + 1); exactly 0 where the neighbourhood is flat.
    """
    mean = local_mean(grey, sigma, border)
    deviation = (local_mean(grey.square(), sigma, border) - mean.square()).abs().sqrt()
    normalised = (grey - mean) / (deviation + 1)
    return torch.where(normalised.abs() > floor, normalised, 0)


@dataclass(frozen=True)
class Moments:
    """What the fits need to know of a set of values, each (…,) float64.

    Parameters
    ----------
    left, right : Tensor
        Mean square of the negative and of the positive values; NaN where there are none.
    absolute, square : Tensor
        Mean absolute value and mean square of all values; NaN where there are none.
    """

    left: Tensor
    right: Tensor
    absolute: Tensor
    square: Tensor


def moments(values: Tensor, count: Tensor | float | None = None) -> Moments:
    """Moments over the last side.

    Parameters
    ----------
    values : Tensor, (…, K), float64
        Values to be left out are 0.
    count : Tensor (…,) or float, optional
        How many of the K values there are; default: all.
    """
    size = values.abs()
    sign = values.sign()
    # Inner products read their arguments once and make no copies.
    square = torch.linalg.vecdot(values, values)
    signed_square = torch.linalg.vecdot(values, size)
    balance, occupied = sign.sum(-1), torch.linalg.vecdot(sign, sign)
    total = values.shape[-1] if count is None else count
    return Moments(
        left=(square - signed_square) / (occupied - balance),
        right=(square + signed_square) / (occupied + balance),
        absolute=size.sum(-1) / total,
        square=square / total,
    )


@lru_cache(maxsize=4)
def shape_grid(grid: str = "decimal") -> Tensor:
    """The authors' grid of shape parameters: 0.2 to 10 in steps of 0.001, float64.

    'decimal' has it in decimal digits (their MATLAB releases), 'single' summed up in single precision, drift and all,
    without the end point (LIVE's C++ release of BRISQUE).
    """
    if grid == "decimal":
        return torch.arange(200, 10001, dtype=torch.float64) / 1000
    step, shapes = torch.tensor(0.001, dtype=torch.float32), [torch.tensor(0.2, dtype=torch.float32)]
    while shapes[-1] < 10:
        shapes.append(shapes[-1] + step)
    return torch.stack(shapes[:-1]).double()


@lru_cache(maxsize=4)
def ratio_table(grid: str = "decimal") -> Tensor:
    """Γ(2/α)² / (Γ(1/α) Γ(3/α)), the squared mean absolute value over the mean square, for each α of the grid."""
    shape = shape_grid(grid)
    return (2 * torch.lgamma(2 / shape) - torch.lgamma(1 / shape) - torch.lgamma(3 / shape)).exp()


def nearest(table: Tensor, value: Tensor) -> Tensor:
    """Index of the entry of an increasing table nearest to each value; 0 for NaN, as MATLAB's `min` answers."""
    above = torch.searchsorted(table, value.contiguous()).clamp(1, len(table) - 1)
    closer_below = value - table[above - 1] <= table[above] - value
    return torch.where(value.isnan(), torch.zeros_like(above), above - closer_below.long())


def gaussian_shape(m: Moments) -> Tensor:
    """Shape α of a zero-mean generalised Gaussian with these moments (Sharifi, Leon-Garcia 1995)."""
    # The authors compare mean square over squared mean absolute value, which decreases with α.
    table = -1 / ratio_table().to(m.square.device)
    return shape_grid().to(m.square.device)[nearest(table, -m.square / m.absolute.square())]


def asymmetric_shape(m: Moments, grid: str = "decimal") -> Tensor:
    """Shape α of a zero-mode asymmetric generalised Gaussian (Lasmar, Stitou, Berthoumieu 2009)."""
    balance = (m.left / m.right).sqrt()
    ratio = m.absolute.square() / m.square
    ratio = ratio * (balance.pow(3) + 1) * (balance + 1) / (balance.square() + 1).square()
    return shape_grid(grid).to(ratio.device)[nearest(ratio_table(grid).to(ratio.device), ratio)]


def gamma_ratio(over: float, under: float, shape: Tensor) -> Tensor:
    """Γ(over/α) / Γ(under/α)."""
    return (torch.lgamma(over / shape) - torch.lgamma(under / shape)).exp()
