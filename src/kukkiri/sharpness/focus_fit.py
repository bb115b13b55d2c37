"""Where along a focus series the blur is least: valleys of the curve, and the optimum between the frames.

Near focus the variance of the point-spread function grows with the square of the defocus, on top of what is left in
focus: sigma²(z) = sigma0² + k² (z − z0)². It holds for the blur of a thin lens, whose circle of confusion is linear in
defocus, and for an electron probe of a given convergence angle, both added in quadrature to all other blur.
"""

from __future__ import annotations

import math
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kukkiri.sharpness.estimating import spread_of

Array = NDArray[np.float64]
Model = Literal["hyperbola", "parabola"]

# Frames up to this many times as blurred as the best one shape the optimum.
NEAR = 2.5
# So sure must it be that both flanks differ, and so much must they, before they are taken to.
_ASYMMETRY_LEVEL, _ASYMMETRY = 0.01, math.log(1.3)
# From so many frames their scatter is told, and it is never taken to be smaller than this.
_SCATTER_FRAMES, _LEAST_SCATTER = 7, 0.01
# Frames of the local parabola.
_LOCAL = 5


class Optimum(NamedTuple):
    """The position of least blur.

    Parameters
    ----------
    position : float
    interval : (float, float)
        90 %.
    model : 'hyperbola' | 'parabola'
        sigma² = floor² + slope² (z − position)²; or log sigma = log floor + slope² (z − position)² / 2, near the
        best frame only.
    floor : float
        Least sigma, pixels.
    slope : float
        Pixels a unit of position (hyperbola), or the root of the curvature of log sigma (parabola).
    """

    position: float
    interval: tuple[float, float]
    model: Model
    floor: float
    slope: float

    def sigma(self, position: Array) -> Array:
        """The curve that was fitted, pixels."""
        away = (position - self.position) * self.slope
        if self.model == "parabola":
            return self.floor * np.exp(away**2 / 2)
        return np.hypot(self.floor, away)


def valleys(low: Array, high: Array) -> list[tuple[int, int]]:
    """Separate minima of a curve that is known up to intervals.

    Two minima are separate if somewhere between them the curve is above both, beyond the intervals of all three.

    Parameters
    ----------
    low, high : ndarray, (N,)
        Of each point; both infinite for one that is above all others, (−infinity, infinity) for one that says nothing.

    Returns
    -------
    list of (int, int)
        First and last index of each valley, in order; the ridges between belong to neither in particular.
    """
    found: list[tuple[int, int]] = []
    start, floor, top = 0, math.inf, -math.inf
    climbing = False
    for i, (lo, hi) in enumerate(zip(low.tolist(), high.tolist())):
        if climbing:
            top = max(top, lo)
            if hi < top:
                climbing, start, floor = False, i, hi
        else:
            floor = min(floor, hi)
            if lo > floor:
                found.append((start, i))
                climbing, top = True, lo
    if not climbing:
        found.append((start, len(low) - 1))
    return found


def comparable(value: Array, error: Array) -> Array:
    """By how much the blur sizes of the frames of one series may be off against each other.

    What their intervals allow for is for the most part common to all frames, since all show one scene, and does not
    change which of them is sharper. What is not common shows as scatter of neighbours about a straight line.

    Parameters
    ----------
    value, error : ndarray, (N,)
        Log sigma of the measured frames in order of position, and its standard deviation.

    Returns
    -------
    ndarray, (N,)
        Standard deviations, none above `error`; with fewer than seven frames `error` itself.
    """
    if len(value) < _SCATTER_FRAMES:
        return error
    # The curvature of the curve counts as scatter too, which errs on the safe side; twice it, for neighbours err alike.
    bend = value[:-2] - 2 * value[1:-1] + value[2:]
    scatter = 1.4826 * float(np.median(np.abs(bend))) / math.sqrt(6)
    return np.minimum(error, max(2 * scatter, _LEAST_SCATTER))


def fit_optimum(position: Array, value: Array, error: Array, below: NDArray[np.bool_]) -> Optimum | None:
    """The optimum between frames, from those near it.

    Parameters
    ----------
    position : ndarray, (N,), ascending
    value : ndarray, (N,)
        Log sigma.
    error : ndarray, (N,)
        Standard deviation of `value`.
    below : ndarray of bool, (N,)
        `value` is an upper bound only.

    Returns
    -------
    Optimum or None
        None if fewer than three frames, or all at one position.

    Notes
    -----
    Errors of the frames of one series have much in common, since all show one scene; what is common does not move the
    optimum. The interval is therefore scaled by the scatter about the curve, with the errors of the single frames as
    prior information of one degree of freedom, by Student's t.
    """
    if len(position) < 3 or np.ptp(position) == 0:
        return None
    near = _near(position, value)
    z, y, e, b = position[near], value[near], error[near], below[near]
    if len(z) < 3 or np.ptp(z) == 0:
        return None
    centre, scale = float(z[np.argmin(y)]), float(np.ptp(z)) / 2
    u = (z - centre) / scale
    fit = _hyperbola(u, y, e, b, sides=1)
    if len(z) >= 7 and not b.any():
        local = _parabola(u, y, e) if _asymmetric(u, y, e, b, fit) else None
        if local is not None:
            return _scaled(local, centre, scale)
    x, cost = fit.x, 2 * fit.fun_cost
    covariance, quantile = spread_of(fit.jacobian, cost, len(z), 3)
    half = quantile * math.sqrt(max(covariance[0, 0], 0))
    found = Optimum(float(x[0]), (x[0] - half, x[0] + half), "hyperbola", math.exp(x[1]), math.exp(x[2]))
    return _scaled(found, centre, scale)


class _Fit(NamedTuple):
    x: Array
    fun_cost: float
    jacobian: Array


def _scaled(found: Optimum, centre: float, scale: float) -> Optimum:
    lo, hi = (float(centre + v * scale) for v in found.interval)
    return found._replace(
        position=centre + found.position * scale, interval=(min(lo, hi), max(lo, hi)), slope=found.slope / scale
    )


def _near(position: Array, value: Array) -> NDArray[np.bool_]:
    """Frames around the best one without a gap: up to `NEAR` times its blur, and two on each side at least."""
    best = int(np.argmin(value))
    far = value > value[best] + math.log(NEAR)
    left = np.flatnonzero(far[:best])
    right = np.flatnonzero(far[best + 1 :])
    first = int(left[-1]) + 1 if len(left) else 0
    last = best + int(right[0]) if len(right) else len(value) - 1
    index = np.arange(len(value))
    near: NDArray[np.bool_] = (index >= min(first, best - 2)) & (index <= max(last, best + 2))
    return near


def _hyperbola(u: Array, y: Array, e: Array, below: NDArray[np.bool_], sides: int) -> _Fit:
    """Robust least squares in log sigma; parameters z0, log sigma0, log k (left and right, if there are two sides)."""
    from scipy.optimize import least_squares

    least = float(y.min())
    rise = np.sqrt(np.maximum(np.exp(2 * y) - math.exp(2 * least), 0))
    away = np.abs(u - u[np.argmin(y)])
    steep = float(np.median(rise[away > 0] / away[away > 0])) if (away > 0).any() else 1.0
    start = np.array([u[np.argmin(y)], least - 0.1, *[math.log(max(steep, 1e-3 * math.exp(least)))] * sides])
    lowest = np.array([u.min() - 4, least - 4, *[least - 9] * sides])
    highest = np.array([u.max() + 4, least + 0.5, *[least + 9] * sides])

    def residual(x: Array, scale: float) -> Any:
        slope = np.where(u < x[0], x[2], x[-1])
        model = np.logaddexp(2 * x[1], 2 * (slope + np.log(np.abs(u - x[0]) + 1e-12))) / 2
        away = (model - y) / (e * scale)
        return np.where(below, np.maximum(away, 0), away)

    # The first pass tells how far the frames scatter, the second which of them lie outside that.
    scale = 1.0
    for _ in range(2):
        found = least_squares(
            residual, start, bounds=(lowest, highest), loss="soft_l1", f_scale=1.5, x_scale="jac", args=(scale,)
        )
        start = np.clip(found.x, lowest + 1e-9, highest - 1e-9)
        if scale == 1.0:
            spare = max(len(u) - len(start), 1)
            scale = max(1.4826 * float(np.median(np.abs(found.fun))) * math.sqrt(len(u) / spare), 0.02)
    return _Fit(found.x, float(found.cost) * scale**2, np.asarray(found.jac) * scale)


def _asymmetric(u: Array, y: Array, e: Array, below: NDArray[np.bool_], one: _Fit) -> bool:
    """Whether flanks of different slopes fit better than by chance (F-test)."""
    from scipy.stats import f

    two = _hyperbola(u, y, e, below, sides=2)
    spare = len(u) - 4
    better = (one.fun_cost - two.fun_cost) / max(two.fun_cost / spare, 1e-12)
    return abs(float(two.x[3] - two.x[2])) > _ASYMMETRY and better > float(f.ppf(1 - _ASYMMETRY_LEVEL, 1, spare))


def _parabola(u: Array, y: Array, e: Array) -> Optimum | None:
    """Vertex of a parabola through log sigma of the frames nearest to the best one; None if it has none there."""
    best = int(np.argmin(y))
    first = min(max(best - _LOCAL // 2, 0), len(u) - _LOCAL)
    u, y, e = (v[first : first + _LOCAL] for v in (u, y, e))
    design = np.stack([np.ones_like(u), u, u**2], 1) / e[:, None]
    x, *_ = np.linalg.lstsq(design, y / e, rcond=None)
    if x[2] <= 0:
        return None
    vertex = -x[1] / (2 * x[2])
    if not u[0] <= vertex <= u[-1]:
        return None
    squares = float(((design @ x - y / e) ** 2).sum())
    covariance, quantile = spread_of(design, squares, len(u), 3)
    gradient = np.array([0.0, -1 / (2 * x[2]), x[1] / (2 * x[2] ** 2)])
    # What curve the flanks follow is not known, so the interval reaches one frame to either side at least.
    half = max(quantile * math.sqrt(max(float(gradient @ covariance @ gradient), 0)), float(np.median(np.diff(u))))
    floor = math.exp(x[0] - x[1] ** 2 / (4 * x[2]))
    return Optimum(float(vertex), (vertex - half, vertex + half), "parabola", floor, math.sqrt(2 * x[2]))
