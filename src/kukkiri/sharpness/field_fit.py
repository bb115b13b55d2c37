"""What the cells of a field have in common: tilt, and astigmatism that is the same everywhere or points to the centre.

A focus tilted against the specimen or the sensor lies on one side in front and on the other behind. Where all of the
frame is on one side of focus, blur grows from edge to edge; where focus crosses the frame, there is a sharp band, and
blur grows to both sides of it. Both are tried, and neither is claimed where it is not significant.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kukkiri.sharpness.estimating import spread_of

Array = NDArray[np.float64]

# Fewest cells that a plane and the curvature of the field, four parameters together, are fitted to.
_LEAST_CELLS = 6
_LEVEL = 0.05


class Tilt(NamedTuple):
    """How blur changes over the frame in one direction.

    Parameters
    ----------
    kind : 'plane' | 'through focus' | None
        'plane': blur grows from one edge to the opposite one. 'through focus': there is a sharp band, blur grows to
        both sides. None: no tilt is proven.
    angle : float
        Radians from +x towards +y (down): in which blur grows, in (−π, π]; of 'through focus' that across the band, in
        (−π/2, π/2].
    ratio : float
        Sigma at the more blurred end over that at the other end ('plane'), or in the band, along `angle`.
    interval : (float, float)
        90 %, of the ratio.
    offset : float
        Of the band from the centre of the frame along `angle`, in shares of its extent, −½ to ½; NaN for a plane.
    p_value : float
        Probability of as much tilt by chance (F-test); NaN if there are too few cells.
    """

    kind: Literal["plane", "through focus"] | None
    angle: float
    ratio: float
    interval: tuple[float, float]
    offset: float
    p_value: float


NO_TILT = Tilt(None, math.nan, math.nan, (math.nan, math.nan), math.nan, math.nan)


class FieldAstigmatism(NamedTuple):
    """What the axes of all cells have in common, as ratios of the principal axes.

    Parameters
    ----------
    ratio, angle : float
        Of the part that is the same everywhere: a stigmator's work, or a motion. NaN if no cell tells its axes.
    proven : bool
        Whether it differs from 1 (Hotelling's T², 5 %).
    radial : float
        Over the outer cells: axis towards the centre over the axis across. Above 1 blur is drawn out radially, below 1
        tangentially.
    radial_interval : (float, float)
        90 %.
    """

    ratio: float
    angle: float
    proven: bool
    radial: float
    radial_interval: tuple[float, float]


def fit_tilt(place: Array, value: Array, error: Array, size: tuple[int, int]) -> Tilt:
    """Tilt from the blur of the cells.

    Parameters
    ----------
    place : ndarray, (N, 2)
        x and y of the centres of the cells from the centre of the frame, pixels.
    value, error : ndarray, (N,)
        Log sigma and its standard deviation.
    size : (int, int)
        Height and width of the frame, pixels.

    Returns
    -------
    Tilt
    """
    scale = math.hypot(*size) / 2
    if len(value) < _LEAST_CELLS or np.linalg.matrix_rank(place - place.mean(0)) < 2:
        return NO_TILT
    u = place / scale
    # The curvature of the field beside the plane: a dull corner must not pass for a tilt.
    design = np.column_stack([np.ones(len(u)), u, (u**2).sum(1)]) / error[:, None]
    x, *_ = np.linalg.lstsq(design, value / error, rcond=None)
    squares = float(((design @ x - value / error) ** 2).sum())
    flat, *_ = np.linalg.lstsq(design[:, [0, 3]], value / error, rcond=None)
    flat_squares = float(((design[:, [0, 3]] @ flat - value / error) ** 2).sum())
    covariance, quantile = spread_of(design, squares, len(value), 4)
    band, band_squares = _band(u, value, error)
    constant, *_ = np.linalg.lstsq(design[:, :1], value / error, rcond=None)
    constant_squares = float(((design[:, :1] @ constant - value / error) ** 2).sum())
    if band is not None and band_squares < squares / 2:
        p = _p_value(constant_squares, band_squares, len(value), 3, 4)
        if p < _LEVEL:
            return _through_focus(band, p, u, error, band_squares, size, scale)
    p = _p_value(flat_squares, squares, len(value), 2, 4)
    gradient = x[1:3]
    angle = math.atan2(gradient[1], gradient[0])
    steepness = float(np.hypot(*gradient))
    along = gradient / max(steepness, 1e-300)
    extent = _extent(angle, size) / scale
    half = quantile * math.sqrt(max(float(along @ covariance[1:3, 1:3] @ along), 0))
    ratios = [math.exp(min(v * extent, 30)) for v in (steepness, steepness - half, steepness + half)]
    return Tilt("plane" if p < _LEVEL else None, angle, ratios[0], (ratios[1], ratios[2]), math.nan, p)


def _extent(angle: float, size: tuple[int, int]) -> float:
    """How far the frame reaches along a direction, pixels."""
    return size[1] * abs(math.cos(angle)) + size[0] * abs(math.sin(angle))


def _p_value(simple: float, full: float, count: int, more: int, parameters: int) -> float:
    """Of an F-test whether `more` parameters explain more than chance; the errors of the sizes bound the scatter."""
    from scipy.stats import f

    spare = count - parameters
    # One degree of freedom of what the single sizes are known to: cells that agree by chance prove nothing.
    scatter = (full + 1) / (spare + 1)
    return float(f.sf((simple - full) / more / scatter, more, spare + 1))


def _band(u: Array, value: Array, error: Array) -> tuple[Array | None, float]:
    """sigma² = s0² + (a + b·u)², whose band of least blur crosses the frame; log s0, a, bx, by, and its squares."""
    from scipy.optimize import least_squares

    least = float(value.min())
    steep = math.exp(float(value.max()))

    def residual(x: Array) -> Array:
        off = x[1] + u @ x[2:]
        away: Array = (np.log(np.exp(2 * x[0]) + off**2) / 2 - value) / error
        return away

    def jacobian(x: Array) -> Array:
        return _band_jacobian(x, u) / error[:, None]

    best, lowest = None, math.inf
    for turn in np.arange(4) * math.pi / 4:
        direction = np.array([math.cos(turn), math.sin(turn)])
        sharpest = float(direction @ u[np.argmin(value)])
        start = np.array([least, -steep * sharpest, *(steep * direction)])
        found = least_squares(residual, start, jac=jacobian, x_scale="jac", max_nfev=60)
        if 2 * found.cost < lowest:
            best, lowest = found.x, float(2 * found.cost)
    if best is None:
        return None, math.inf
    side = best[1] + u @ best[2:]
    # A band that no cell lies beyond is a plane.
    return (best, lowest) if (side > 0).sum() >= 2 and (side < 0).sum() >= 2 else (None, math.inf)


def _band_jacobian(x: Array, u: Array) -> Array:
    """Of log sigma by log s0, a, bx, by."""
    off = x[1] + u @ x[2:]
    variance = math.exp(2 * x[0]) + off**2
    return np.column_stack([math.exp(2 * x[0]) / variance, *(off / variance * v for v in (1, u[:, 0], u[:, 1]))])


def _through_focus(
    x: Array, p: float, u: Array, error: Array, squares: float, size: tuple[int, int], scale: float
) -> Tilt:
    steepness = float(np.hypot(*x[2:]))
    angle = math.atan2(x[3], x[2])
    offset = -float(x[1]) / steepness
    if not -math.pi / 2 < angle <= math.pi / 2:
        angle, offset = angle - math.copysign(math.pi, angle), -offset
    extent = _extent(angle, size) / scale
    farther = extent / 2 + abs(offset)
    s0 = math.exp(x[0])
    ratio = math.hypot(1, steepness * farther / s0)
    # The ratio hangs on log s0 and on the slope; so does its error.
    covariance, quantile = spread_of(_band_jacobian(x, u) / error[:, None], squares, len(u), 4)
    share = 1 - 1 / ratio**2  # d log ratio / d log(slope / s0)
    gradient = share * np.array([-1, 0, x[2] / steepness**2, x[3] / steepness**2])
    half = quantile * math.sqrt(max(float(gradient @ covariance @ gradient), 0))
    interval = (max(1.0, ratio * math.exp(-half)), ratio * math.exp(min(half, 30)))
    return Tilt("through focus", angle, ratio, interval, offset / extent, p)


def fit_astigmatism(place: Array, anisotropy: Array, error: float) -> FieldAstigmatism:
    """The common part of the axes of cells, and the part that points to the centre.

    Parameters
    ----------
    place : ndarray, (N, 2)
        x and y of the centres of the cells from the centre of the frame, pixels.
    anisotropy : ndarray, (N, 2)
        (xx − yy, 2·xy) / (xx + yy) of their PSFs.
    error : float
        Standard deviation of either component.

    Returns
    -------
    FieldAstigmatism
    """
    from scipy.stats import f, t

    nan = math.nan
    count = len(place)
    if count == 0:
        return FieldAstigmatism(nan, nan, False, nan, (nan, nan))
    mean = anisotropy.mean(0)
    away = anisotropy - mean
    # The scatter over the cells, and the error of one cell as two degrees of freedom beside it.
    covariance = (away.T @ away + 2 * error**2 * np.eye(2)) / (count - 1 + 2)
    squared = float(mean @ np.linalg.inv(covariance) @ mean) * count
    spare = count - 1 + 2
    proven = float(f.sf(squared * (spare - 1) / (2 * spare), 2, spare - 1)) < _LEVEL
    angle = math.atan2(mean[1], mean[0]) / 2
    radius = np.hypot(*place.T)
    outer = radius > 0.5 * radius.max()
    radial, interval = nan, (nan, nan)
    if outer.sum() >= 3:
        azimuth = 2 * np.arctan2(place[outer, 1], place[outer, 0])
        # What is the same everywhere has no part in it.
        along = ((anisotropy[outer] - mean) * np.stack([np.cos(azimuth), np.sin(azimuth)], 1)).sum(1)
        middle = float(along.mean())
        deviation = math.sqrt((float(((along - middle) ** 2).sum()) + error**2) / len(along))
        half = float(t.ppf(0.95, len(along))) * deviation / math.sqrt(len(along))
        radial, interval = _ratio(middle), (_ratio(middle - half), _ratio(middle + half))
    return FieldAstigmatism(
        _ratio(float(np.hypot(*mean))), math.pi / 2 if angle <= -math.pi / 2 else angle, proven, radial, interval
    )


def _ratio(anisotropy: float) -> float:
    """Of the axes, from (major² − minor²) / (major² + minor²)."""
    e = min(max(anisotropy, -0.998), 0.998)
    return math.sqrt((1 + e) / (1 - e))
