"""Where a slanted edge runs: which way it lies, its line, and how far its rows stray from it."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from kukkiri.errors import InputError, ShapeError
from kukkiri.sharpness.slanted_edge_spread import (
    OVERSAMPLING,
    SMOOTHING,
    Array,
    EdgeLine,
    edge_spread,
    gathered,
    peak_of,
)

# A region has at least as many rows and columns.
LEAST_SIDE = 10
# The coarse search works on no more than this many rows and columns.
COARSE = 80
# Pixels of either side that the edge must have at least.
LEAST_MARGIN = 3.0
PASSES = 10
# The highest order of the polynomial (ISO 12233:2017), and the rows that each order asks for.
HIGHEST_ORDER, ROWS_AN_ORDER = 5, 12
# A higher order must lower the variance of the rows by this many times what chance would, and by more than 0.03 px.
F_VALUE, LEAST_BEND = 15.0, 0.03


def is_upright(region: Array) -> bool:
    """Whether the strongest straight edge of a region is nearer to the vertical than to the horizontal."""
    return _coarse(region)[3] >= _coarse(region.T)[3]


def locate(region: Array, order: int | None = None) -> EdgeLine:
    """The straightest strong edge that runs down a region.

    First a coarse search: the smoothed derivative along the rows is summed along lines of all slopes up to 45°, and the
    largest sum wins. This uses all rows together, so that neither noise nor other structure in a few of them leads it
    astray. Then the edge spread function along that line is fitted to each row by least squares, one shift a row, and
    the polynomial to the shifts; and so on to convergence. The shift of a fitted shape is less noisy than the centroid
    of a windowed derivative (ISO 12233), and no window has to be centred for it.

    Parameters
    ----------
    region : ndarray, (H, W)
    order : int, 1 to 5, optional
        Of the polynomial: 1 for a straight line. Default: the lowest that the rows do not contradict.

    Returns
    -------
    EdgeLine

    Raises
    ------
    ShapeError
        If the region is too small.
    InputError
        If no edge runs down it with some pixels on either side.
    """
    height, width = region.shape
    if height < LEAST_SIDE or width < LEAST_SIDE:
        raise ShapeError(
            expected=f"a region of at least {LEAST_SIDE}×{LEAST_SIDE} pixels",
            got=f"{width}×{height}",
            fix="choose a larger one",
        )
    column, slope, polarity, strength = _coarse(region)
    # What the coarse search may be off by: the first fit must reach as far.
    width_at_first = max(2.0, max(height, width) / COARSE)
    if not strength > 0:
        raise _no_edge("one flat level")
    start = EdgeLine(np.array([slope, column]), (height - 1) / 2, 0, height, polarity, width_at_first, 0.0, 0.0)
    line = _rows_inside(start, width, LEAST_MARGIN)
    for step in range(PASSES):
        # How a line bends can only be told when the line itself is.
        line, moved = _improved(region, line, order if step > 2 else 1)
        if step > 3 and moved < 1e-3:
            break
    return line


def _coarse(region: Array) -> tuple[float, float, int, float]:
    """Column in the middle row, slope, polarity, and mean derivative along it of the strongest line that runs down."""
    height, width = region.shape
    factor = -(-max(height, width) // COARSE)
    rows, columns = height // factor, width // factor
    if min(rows, columns) < 3:
        return 0.0, 0.0, 1, 0.0
    blocks = region[: rows * factor, : columns * factor].reshape(rows, factor, columns, factor).mean((1, 3))
    slope = gaussian_filter1d(blocks, 1.5, axis=1, order=1, mode="nearest")
    u = np.arange(rows) - (rows - 1) / 2
    padded = np.pad(slope, ((0, 0), (rows // 2 + 1, rows // 2 + 1)))
    lines = np.arange(columns) + rows // 2 + 1
    best = (0.0, 0.0, 1, 0.0)
    steps = max(4, rows)
    for tilt in np.linspace(-1, 1, 2 * steps + 1):
        shift = np.rint(tilt * u).astype(np.int64)
        sums = padded[np.arange(rows)[:, None], lines[None, :] + shift[:, None]].sum(0)
        at = int(np.argmax(np.abs(sums)))
        if abs(sums[at]) > best[3] * rows * factor:
            strength = abs(float(sums[at])) / (rows * factor)
            best = (at * factor + (factor - 1) / 2, float(tilt), 1 if sums[at] > 0 else -1, strength)
    return best


def with_rows_inside(line: EdgeLine, width: int, margin: float) -> EdgeLine | None:
    """The same with the longest run of rows in which it stays `margin` pixels inside; None if that is too short."""
    x = line.at(np.arange(line.first, line.last, dtype=float))
    inside = (x >= margin) & (x <= width - 1 - margin)
    edges = np.flatnonzero(np.diff(np.concatenate(([0], inside.astype(np.int8), [0]))))
    starts, ends = edges[::2], edges[1::2]
    longest = int(np.argmax(ends - starts)) if len(edges) else 0
    if len(edges) == 0 or ends[longest] - starts[longest] < LEAST_SIDE:
        return None
    return replace(line, first=line.first + int(starts[longest]), last=line.first + int(ends[longest]))


def _rows_inside(line: EdgeLine, width: int, margin: float) -> EdgeLine:
    found = with_rows_inside(line, width, margin)
    if found is None:
        raise _no_edge(f"none that has {LEAST_SIDE} rows with {margin:g} pixels on either side")
    return found


def _improved(region: Array, line: EdgeLine, order: int | None) -> tuple[EdgeLine, float]:
    """One pass of the fit, and how far it moved the line at most."""
    height, width = region.shape
    whole = replace(line, first=0, last=height)
    margin = max(LEAST_MARGIN, min(2 * line.width, (width - 1) / 3))
    line = with_rows_inside(whole, width, margin) or _rows_inside(whole, width, LEAST_MARGIN)
    reach = min(3 * line.width + 2.0, width / 2)
    distance, spread, _ = edge_spread(region, line, reach)
    centre, found = peak_of(distance, spread, line.polarity)
    if math.isnan(found):
        raise _no_edge("none that all rows share")
    smooth = gaussian_filter1d(spread, SMOOTHING, mode="nearest")
    slope = np.gradient(smooth) * OVERSAMPLING
    values, where = gathered(region, line, reach)
    there = np.isfinite(values)
    expected = np.interp(where, distance, smooth)
    weight = np.where(there, np.interp(where, distance, slope), 0.0)
    power = (weight**2).sum(1)
    residual = np.where(there, expected - values, 0.0)
    known = power > 0.25 * np.median(power)
    shift = np.where(known, (weight * residual).sum(1) / np.maximum(power, 1e-30), 0.0)
    shift = np.clip(shift, -reach / 2, reach / 2)
    rows = np.arange(line.first, line.last) - line.middle
    # Shifts are between the rows and their mean, which need not lie where the edge is.
    columns = np.polyval(line.coefficients, rows) + (shift + centre) / line.cosine
    coefficients, kept = _robust(rows[known], columns[known], order)
    scatter = columns[known][kept] - np.polyval(coefficients, rows[known][kept])
    spare = max(1, int(kept.sum()) - len(coefficients))
    moved = float(np.abs(np.polyval(coefficients, rows) - np.polyval(line.coefficients, rows)).max())
    return replace(
        line,
        coefficients=coefficients,
        width=found,
        scatter=math.sqrt(float((scatter**2).sum()) / spare) * line.cosine,
        leverage=1 / math.sqrt(float(np.median(power[known]))),
    ), moved


def _robust(x: Array, y: Array, order: int | None) -> tuple[Array, NDArray[np.bool_]]:
    """Least squares without rows that lie far off, such as a scratch or a grain of dust."""
    kept = np.ones(len(x), bool)
    coefficients = _polynomial(x, y, order)
    for _ in range(3):
        off = np.abs(y - np.polyval(coefficients, x))
        chosen = off <= 4 * 1.4826 * float(np.median(off[kept])) + 1e-6
        if chosen.sum() < len(coefficients) + 2 or np.array_equal(chosen, kept):
            break
        kept = chosen
        coefficients = _polynomial(x[kept], y[kept], order)
    return coefficients, kept


def _polynomial(x: Array, y: Array, order: int | None) -> Array:
    """Least squares; unless told, of the lowest order that no higher one is clearly better than (F test)."""
    best = np.polyfit(x, y, order or 1)
    if order is not None:
        return np.asarray(best)
    squares = float(((y - np.polyval(best, x)) ** 2).sum())
    for higher in range(2, min(HIGHEST_ORDER, len(x) // ROWS_AN_ORDER) + 1):
        tried = np.polyfit(x, y, higher)
        left = float(((y - np.polyval(tried, x)) ** 2).sum())
        gain = (squares - left) / (higher + 1 - len(best))
        if gain > F_VALUE * left / (len(x) - higher - 1) and squares - left > len(x) * LEAST_BEND**2:
            best, squares = tried, left
    return np.asarray(best)


def _no_edge(got: str) -> InputError:
    return InputError(
        expected="a straight edge across the region", got=got, fix="choose a region that one slanted edge divides"
    )
