"""Bayes' rule for two pictures a focus step apart: the posterior of focus, astigmatism, slope and baseline.

Everything here is in units of the step: a lies at 0 and b at 1. The model is that of `kukkiri.sharpness.focus_step`.
What is known beforehand is weak. Slopes and, unless it is given, the blur in focus are equally likely on a logarithmic
scale; the line foci are anything from far less than a step to a few steps apart (a broad log-normal distribution).
Focus has a Cauchy distribution about the middle of the step, of a half-width of half a step: of all such, this one
finds the two explanations of two sizes equally likely, since it stays the same when one is put for the other
(m − ½ → 1/4 (m − ½)). What then tells them apart is the data.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kukkiri.sharpness.blur import SMALLEST
from kukkiri.sharpness.estimating import HALF_90, LogSigma, anisotropy_of, log_sigma

if TYPE_CHECKING:
    from kukkiri.sharpness.blur import Blur
    from kukkiri.sharpness.focus_step import FocusCandidate

Array = NDArray[np.float64]

PARTICLES, SWEEPS = 4000, 4
# Half-width of the distribution of focus about the middle of the step, in steps: see above.
_REACH = 0.5
# Median distance between the line foci, in steps, and the standard deviation of its natural logarithm.
_APART, _APART_SPREAD = 0.05, 2.0
# Two heaps of the posterior are two candidates if the density between them falls to this share of the lower one.
_VALLEY = 0.5
# Candidates below this share are not mentioned.
_LEAST_WEIGHT = 0.02


class Readings(NamedTuple):
    """What two pictures say.

    Parameters
    ----------
    sizes : (LogSigma, LogSigma)
    anisotropy : tuple of (ndarray, (2,)) or None
        Of either PSF, as `anisotropy_of` gives it; None outside the measurable range.
    anisotropy_error : float
    """

    sizes: tuple[LogSigma, LogSigma]
    anisotropy: tuple[Array | None, Array | None]
    anisotropy_error: float

    @classmethod
    def of(cls, blur_a: Blur, blur_b: Blur, anisotropy_error: float) -> Readings:
        """From two blurs."""
        axes = [_anisotropy(blur) for blur in (blur_a, blur_b)]
        return cls((log_sigma(blur_a), log_sigma(blur_b)), (axes[0], axes[1]), anisotropy_error)


class Particles(NamedTuple):
    """Draws from the posterior, in units of the step; astigmatism as d·(cos 2φ, sin 2φ)."""

    focus: Array
    astigmatism: Array
    slope: Array
    baseline: Array

    def those(self, index: NDArray[np.bool_]) -> Particles:
        """Some of them."""
        return Particles(self.focus[index], self.astigmatism[index], self.slope[index], self.baseline[index])


def sample(
    readings: Readings,
    baseline: tuple[float, float] | None,
    slope: tuple[float, float] | None,
    seed: int,
    count: int = PARTICLES,
) -> Particles:
    """Draws from the posterior, by tempering from what was known beforehand.

    Parameters
    ----------
    readings : Readings
    baseline : (float, float) or None
        90 % interval, pixels.
    slope : (float, float) or None
        90 % interval, pixels a step.
    seed : int
    count : int

    Returns
    -------
    Particles
        All of one weight.
    """
    random = np.random.default_rng(seed)
    known = [s.value for s in readings.sizes]
    middle = float(np.mean(known))
    # Nothing is sharper in focus than can be told, but for a little; nothing more blurred than the sharper picture.
    least, most = SMALLEST / 2, 1.5 * math.exp(min(known))

    def unfold(x: Array) -> Particles:
        """From independent standard normals to parameters that are distributed as known beforehand."""
        from scipy.special import ndtr

        focus = 0.5 + _REACH * np.tan(np.pi * (ndtr(x[:, 0]) - 0.5))
        apart = _APART * np.exp(_APART_SPREAD * x[:, 3])
        angle = np.arctan2(x[:, 2], x[:, 1])
        astigmatism = apart[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1)
        k = np.exp(_log_normal(slope, x[:, 4])) if slope else np.exp(middle + 9 * (2 * ndtr(x[:, 4]) - 1))
        s0 = np.exp(_log_normal(baseline, x[:, 5])) if baseline else least * (most / least) ** ndtr(x[:, 5])
        return Particles(focus, astigmatism, k, s0)

    return unfold(_temper(lambda x: log_likelihood(unfold(x), readings), random, count))


def _log_normal(interval: tuple[float, float], x: Array) -> Array:
    low, high = (math.log(v) for v in interval)
    return (low + high) / 2 + (high - low) / 2 / HALF_90 * x


def log_likelihood(theta: Particles, readings: Readings) -> Array:
    """How well parameters explain both pictures.

    Parameters
    ----------
    theta : Particles, N of them
    readings : Readings

    Returns
    -------
    ndarray, (N,)
    """
    from scipy.special import log_ndtr

    total = np.zeros(len(theta.focus))
    spread = (theta.astigmatism**2).sum(1) / 4
    for place, size, seen in zip((0.0, 1.0), readings.sizes, readings.anisotropy):
        away = place - theta.focus
        variance = theta.baseline**2 + theta.slope**2 * (away**2 + spread)
        off = np.log(variance) / 2 - size.value
        if math.isinf(size.above):
            total += log_ndtr(off / size.below)
        elif math.isinf(size.below):
            total += log_ndtr(-off / size.above)
        else:
            # The true value above the estimate is what the upper half of the interval speaks of.
            total -= (off / np.where(off > 0, size.above, size.below)) ** 2 / 2
        if seen is not None:
            turned = -(theta.slope**2 * away / variance)[:, None] * theta.astigmatism
            total -= ((turned - seen) ** 2).sum(1) / (2 * readings.anisotropy_error**2)
    return total


def _anisotropy(blur: Blur) -> Array | None:
    axes = np.array(anisotropy_of(blur))
    return axes if np.isfinite(axes).all() else None


def _temper(likelihood: Callable[[Array], Array], random: np.random.Generator, count: int) -> Array:
    """Sequential Monte Carlo: from standard normals to the posterior, half of the particles' worth at a time.

    Particles move by differences of two others (differential evolution), which knows the shape of every heap.
    Ter Braak, Statistics and Computing 16, 2006, doi:10.1007/s11222-006-8769-1.
    """
    dimensions = 6
    x = random.standard_normal((count, dimensions))
    fit = likelihood(x)
    heat = 0.0
    while heat < 1:
        gain = _next(fit, 1 - heat)
        heat = min(1.0, heat + gain)
        weight = np.exp(gain * (fit - fit.max()))
        x, fit = _resampled(x, fit, weight, random)
        for _ in range(SWEEPS * (4 if heat == 1 else 1)):
            a, b = random.integers(count, size=(2, count))
            stride = 2.38 / math.sqrt(2 * dimensions) * random.choice([0.1, 0.3, 0.6, 1.0], size=(count, 1))
            moved = x + stride * (x[a] - x[b]) + 0.01 * random.standard_normal(x.shape)
            its = likelihood(moved)
            odds = heat * (its - fit) + ((x**2).sum(1) - (moved**2).sum(1)) / 2
            taken = np.log(random.random(count)) < odds
            x[taken], fit[taken] = moved[taken], its[taken]
    return x


def _next(fit: Array, most: float) -> float:
    """By how much to cool, so that half of the particles' worth is left."""

    def left(gain: float) -> float:
        weight = np.exp(gain * (fit - fit.max()))
        return float(weight.sum() ** 2 / (weight**2).sum() / len(fit))

    if left(most) >= 0.5:
        return most
    low, high = 0.0, most
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if left(middle) >= 0.5 else (low, middle)
    return max(low, 1e-4)


def _resampled(x: Array, fit: Array, weight: Array, random: np.random.Generator) -> tuple[Array, Array]:
    steps = (np.arange(len(x)) + random.random()) / len(x)
    index = np.searchsorted(np.cumsum(weight / weight.sum()), steps).clip(max=len(x) - 1)
    return x[index].copy(), fit[index].copy()


def candidates(particles: Particles, step: float) -> tuple[FocusCandidate, ...]:
    """The heaps of the posterior of focus, the heaviest first.

    Parameters
    ----------
    particles : Particles
        In units of the step.
    step : float

    Returns
    -------
    tuple of FocusCandidate
    """
    place = np.arcsinh(2 * (particles.focus - 0.5))
    edges = [-math.inf, *_valleys_of(place), math.inf]
    found = []
    for low, high in pairwise(edges):
        its = (place >= low) & (place < high)
        if its.mean() >= _LEAST_WEIGHT:
            found.append(_candidate(particles.those(its), float(its.mean()), step))
    return tuple(sorted(found, key=lambda c: -c.weight))


def _valleys_of(place: Array) -> list[float]:
    """Where the density of places falls well below both sides."""
    grid = np.linspace(place.min() - 0.5, place.max() + 0.5, 512)
    counts, _ = np.histogram(place, bins=grid)
    from scipy.ndimage import gaussian_filter1d

    # As wide as a tenth of the middle half of the particles, but never finer than the eye could part.
    width = max(0.04, 0.1 * float(np.subtract(*np.percentile(place, [75, 25])))) / (grid[1] - grid[0])
    density = gaussian_filter1d(counts.astype(float), width)
    peaks = [i for i in range(1, len(density) - 1) if density[i - 1] < density[i] >= density[i + 1]]
    cuts: list[int] = []
    last = -1
    for peak in peaks:
        if density[peak] < 0.01 * density.max():
            continue
        if last >= 0:
            low = last + int(np.argmin(density[last : peak + 1]))
            if density[low] < _VALLEY * min(density[last], density[peak]):
                cuts.append(low)
            elif density[peak] < density[last]:
                continue
        last = peak
    return [float((grid[i] + grid[i + 1]) / 2) for i in cuts]


def _candidate(its: Particles, weight: float, step: float) -> FocusCandidate:
    from kukkiri.sharpness.focus_step import FocusCandidate

    def summary(values: Array) -> tuple[float, tuple[float, float]]:
        lo, middle, hi = (float(v) for v in np.percentile(values, [5, 50, 95]))
        return middle, (lo, hi)

    distance, reach = summary(its.focus * step)
    vector = its.astigmatism * step
    mean = np.median(vector, axis=0)
    direction = mean / max(float(np.hypot(*mean)), 1e-300)
    along, held = summary(vector @ direction)
    angle = math.atan2(direction[1], direction[0]) / 2
    slope, slopes = summary(its.slope / abs(step))
    baseline, baselines = summary(its.baseline)
    return FocusCandidate(
        weight=weight,
        distance=distance,
        interval=reach,
        astigmatism=max(along, 0.0),
        astigmatism_interval=held,
        angle=math.pi / 2 if angle <= -math.pi / 2 else angle,
        slope=slope,
        slope_interval=slopes,
        baseline=baseline,
        baseline_interval=baselines,
    )
