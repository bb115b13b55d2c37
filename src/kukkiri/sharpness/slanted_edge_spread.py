"""The line of a slanted edge, and the edge spread function along its normal."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

Array = NDArray[np.float64]

# Bins of the edge spread function a pixel (ISO 12233).
OVERSAMPLING = 4
# Smoothing of the edge spread function where its width and its sides are looked for, bins: half a pixel.
SMOOTHING = 2.0


@dataclass(frozen=True)
class EdgeLine:
    """The line of an edge that runs down a region, x = polynomial(y − middle row).

    Parameters
    ----------
    coefficients : ndarray, (order + 1,)
        Of the polynomial, highest power first; pixels.
    middle : float
        Row from which y is counted.
    first, last : int
        The rows that are used: first … last − 1.
    polarity : 1 or −1
        1 if it is brighter on the right.
    width : float
        Standard deviation of a Gaussian of the same width at half maximum as the line spread function, pixels.
    scatter : float
        Standard deviation of the single rows about the line, pixels.
    leverage : float
        Scatter of the rows for noise of 1 in each pixel, pixels.
    """

    coefficients: Array
    middle: float
    first: int
    last: int
    polarity: int
    width: float
    scatter: float
    leverage: float

    @property
    def rows(self) -> int:
        """Number of rows."""
        return self.last - self.first

    @property
    def slope(self) -> float:
        """Mean slope: columns a row."""
        ends = np.polyval(self.coefficients, np.array([self.first, self.last - 1.0]) - self.middle)
        return float(ends[1] - ends[0]) / max(1, self.rows - 1)

    @property
    def cosine(self) -> float:
        """By which distances along a row become distances along the normal."""
        return 1 / math.hypot(1.0, self.slope)

    @property
    def order(self) -> int:
        """Of the polynomial; 1 for a straight line."""
        return len(self.coefficients) - 1

    @property
    def bend(self) -> float:
        """The farthest that the polynomial strays from a straight line, pixels along the normal."""
        rows = np.arange(self.first, self.last, dtype=float)
        straight = np.polyval(np.polyfit(rows, self.at(rows), 1), rows)
        return float(np.abs(self.at(rows) - straight).max()) * self.cosine

    @property
    def turning(self) -> float:
        """By what share distances along the mean normal are off, in the mean over the rows; 0 if it is straight."""
        rows = np.arange(self.first, self.last, dtype=float)
        slopes = np.polyval(np.polyder(self.coefficients), rows - self.middle)
        return float(np.abs(1 / np.hypot(1.0, slopes) / self.cosine - 1).mean()) if self.order > 1 else 0.0

    @property
    def cycles(self) -> float:
        """How many columns of pixels it crosses."""
        return float(np.ptp(self.at(np.arange(self.first, self.last, dtype=float)))) * self.rows / max(1, self.rows - 1)

    def at(self, rows: Array) -> Array:
        """Columns at which the edge crosses some rows."""
        return np.asarray(np.polyval(self.coefficients, rows - self.middle))

    def moved(self, distance: float) -> EdgeLine:
        """The same, so many pixels further to the right along the normal."""
        coefficients = self.coefficients.copy()
        coefficients[-1] += distance / self.cosine
        return replace(self, coefficients=coefficients)

    def unevenness(self, noise: float) -> float:
        """Standard deviation of the rows about the line beyond what noise of this deviation explains, pixels.

        0 unless the scatter is larger than that of the noise by three of its own standard errors.
        """
        explained = noise * self.leverage
        if self.scatter <= explained * (1 + 3 / math.sqrt(2 * self.rows)):
            return 0.0
        return math.sqrt(self.scatter**2 - explained**2)


def edge_spread(
    region: Array, line: EdgeLine, reach: float, fill: bool = True
) -> tuple[Array, Array, NDArray[np.int64]]:
    """The mean of all pixels in bins of a quarter of a pixel of their distance from the edge, along its normal.

    Parameters
    ----------
    region : ndarray, (H, W)
    line : EdgeLine
    reach : float
        Of the distances, pixels to either side.
    fill : bool
        Interpolate bins that hold no pixel; else they are NaN.

    Returns
    -------
    (ndarray, ndarray, ndarray), each (M,)
        Distances of the bins' centres (pixels, positive on the right), means, numbers of pixels.
    """
    values, distance = gathered(region, line, reach)
    half = round(reach * OVERSAMPLING)
    index = np.floor(distance * OVERSAMPLING + 0.5).astype(np.int64) + half
    inside = (index >= 0) & (index <= 2 * half) & np.isfinite(values)
    count = np.bincount(index[inside], minlength=2 * half + 1)
    total = np.bincount(index[inside], values[inside], minlength=2 * half + 1)
    centres = np.arange(-half, half + 1) / OVERSAMPLING
    known = count > 0
    means = np.full(len(count), np.nan)
    means[known] = total[known] / count[known]
    if fill and not known.all() and known.any():
        means = np.interp(centres, centres[known], means[known])
    return centres, means, count


def gathered(region: Array, line: EdgeLine, reach: float) -> tuple[Array, Array]:
    """The pixels of each row near the edge, and their distances from it.

    Returns
    -------
    (ndarray, ndarray), each (rows, K)
        Values (NaN outside the region) and signed distances along the normal, pixels.
    """
    start, columns = columns_near(line, reach)
    rows = np.arange(line.first, line.last)
    index = start[:, None] + columns
    values = region[rows[:, None], np.clip(index, 0, region.shape[1] - 1)]
    values = np.where((index >= 0) & (index < region.shape[1]), values, np.nan)
    return values, (index - line.at(rows.astype(float))[:, None]) * line.cosine


def columns_near(line: EdgeLine, reach: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First column of each row within `reach` of the edge, and the numbers 0 … K − 1 to count on from there."""
    half = reach / line.cosine
    start = np.ceil(line.at(np.arange(line.first, line.last, dtype=float)) - half).astype(np.int64)
    return start, np.arange(math.floor(2 * half) + 1)


def peak_of(distance: Array, spread: Array, polarity: int) -> tuple[float, float]:
    """Where the line spread function has its peak, and how wide it is.

    Returns
    -------
    (float, float)
        The middle between the two points of half the maximum, pixels, and the deviation of the Gaussian that is as wide
        there. NaN if there is no peak.
    """
    slope = polarity * gaussian_filter1d(spread, SMOOTHING, order=1, mode="nearest")
    # The line was put where the edge is: another one in the region must not be taken for it.
    near = np.abs(distance) <= max(2.0, distance[-1] / 2)
    top = int(np.argmax(np.where(near, slope, -np.inf)))
    if not slope[top] > 0:
        return math.nan, math.nan
    sides = []
    for part in (slope[top::-1], slope[top:]):
        below = np.flatnonzero(part < slope[top] / 2)
        i = int(below[0]) if len(below) else len(part)
        fraction = (slope[top] / 2 - part[i]) / (part[i - 1] - part[i]) if len(below) else 0.0
        sides.append((i - fraction) / OVERSAMPLING)
    deviation = sum(sides) / 2.3548
    width = math.sqrt(max(deviation**2 - (SMOOTHING / OVERSAMPLING) ** 2, 0.04))
    return float(distance[top]) + (sides[1] - sides[0]) / 2, width


def sides_end(distance: Array, spread: Array, polarity: int) -> tuple[float, float]:
    """How far from the edge the sides go on before another edge takes them back, pixels left and right.

    A side ends where the edge spread function falls back by 40 % of what it has risen since the edge: more than the
    overshoot of a sharpened edge, and less than the far border of a bar or a stroke.
    """
    smooth = polarity * gaussian_filter1d(spread, SMOOTHING, mode="nearest")
    middle = len(distance) // 2
    found = []
    for side in (-smooth[middle::-1], smooth[middle:]):
        top = np.maximum.accumulate(side)
        back = np.flatnonzero(top - side > 0.4 * (top - side[0]) + 1e-12)
        if len(back) == 0:
            found.append(float(distance[-1]))
            continue
        turn = int(back[0])
        level = top[turn] - 0.1 * (top[turn] - side[0])
        found.append(float(np.flatnonzero(side[:turn] >= level)[-1]) / OVERSAMPLING)
    return found[0], found[1]
