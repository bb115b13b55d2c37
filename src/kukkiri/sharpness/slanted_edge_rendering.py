"""A slanted edge whose spatial frequency response is known: what the measurement of real ones is checked with."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from kukkiri.errors import InputError


def render_slanted_edge(
    size: tuple[int, int] = (100, 100),
    *,
    angle: float = 5.0,
    sigma: float = 1.0,
    low: float = 0.25,
    high: float = 0.75,
    offset: float = 0.0,
    noise: float = 0.0,
    seed: int = 0,
) -> NDArray[np.float64]:
    """A straight edge blurred by a Gaussian and integrated exactly over the area of each pixel.

    Across the edge the light is Φ(d/σ), d the distance along its normal. The integral over a unit square whose sides
    are slanted against the edge is the second difference of the second antiderivative of Φ(d/σ), taken at the four
    corners: no sampling, no approximation. Along the normal the transfer function is
    exp(−2π²σ²f²) · sinc(f cos θ) · sinc(f sin θ), with sinc(x) = sin(πx) / πx; up to 10° the product of the two pixel
    terms is sinc(f) to within 0.1 % at f = 0.5.

    Parameters
    ----------
    size : (int, int)
        Height and width, pixels.
    angle : float
        Degrees of the edge from the vertical, 0 < |angle| ≤ 45; positive: it moves to the right going down.
    sigma : float, > 0
        Of the Gaussian, pixels.
    low, high : float
        Levels left and right of the edge, in [0, 1]; `low` may be the higher one.
    offset : float
        Where the edge crosses the middle row, pixels right of the centre of the picture.
    noise : float
        Standard deviation of white Gaussian noise, added without clipping.
    seed : int
        Of the noise.

    Returns
    -------
    ndarray, float64, size

    Raises
    ------
    InputError
        If angle or sigma are out of range.
    """
    if not 0 < abs(angle) <= 45:
        raise InputError(expected="an angle of more than 0° and up to 45°", got=f"{angle:g}", fix="give another")
    if not sigma > 0:
        raise InputError(expected="a sigma above 0", got=f"{sigma:g}", fix="0.05 px is as good as sharp")
    height, width = size
    theta = math.radians(angle)
    across, along = math.cos(theta), -math.sin(theta)
    x = np.arange(width + 1) - width / 2 - offset
    y = np.arange(height + 1) - height / 2
    corners = _twice_integrated(across * x[None, :] + along * y[:, None], sigma)
    share = np.diff(np.diff(corners, axis=0), axis=1) / (across * along)
    picture = low + (high - low) * share
    if noise > 0:
        picture = picture + noise * np.random.default_rng(seed).standard_normal(size)
    return np.asarray(picture)


def gaussian_pixel_sfr(frequency: NDArray[np.float64], sigma: float) -> NDArray[np.float64]:
    """exp(−2π²σ²f²) · sinc(f): a Gaussian of `sigma` pixels seen by square pixels; `frequency` in cycles a pixel."""
    return np.asarray(np.exp(-2 * (np.pi * sigma * frequency) ** 2) * np.sinc(frequency))


def gaussian_pixel_mtf50(sigma: float, level: float = 0.5) -> float:
    """The frequency, cycles a pixel, at which `gaussian_pixel_sfr` falls to `level`."""
    from scipy.optimize import brentq

    # Below 1 cycle a pixel it falls from 1 to 0 and nowhere rises.
    return float(brentq(lambda f: float(gaussian_pixel_sfr(np.array([f]), sigma)[0]) - level, 0.0, 1.0))


def _twice_integrated(t: NDArray[np.float64], sigma: float) -> NDArray[np.float64]:
    """The second antiderivative of Φ(t/σ)."""
    density = np.exp(-0.5 * (t / sigma) ** 2) / math.sqrt(2 * math.pi)
    return np.asarray(0.5 * ((t * t + sigma * sigma) * ndtr(t / sigma) + sigma * t * density))
