"""Straight slanted edges with flat sides in a picture, the best first."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from kukkiri.images.masks import Box
from kukkiri.sharpness.slanted_edge_line import LEAST_MARGIN, LEAST_SIDE
from kukkiri.sharpness.slanted_edge_spread import Array, EdgeLine, edge_spread, gathered, peak_of, sides_end
from kukkiri.sharpness.slanted_edge_window import FLAT, ROOM

# Degrees from the vertical or the horizontal: what is looked for, and what ISO 12233 asks for.
ANGLES = (1.5, 30.0)
BEST_ANGLES = (2.0, 10.0)
# Rows that an edge must have, and how far its points may lie from a straight line, pixels.
LEAST_ROWS = 24
STRAIGHT = 0.75
# Smoothing of the gradient, pixels, and the deviation of its noise for white noise of 1: 1 / (√(8π)·smoothing²).
SMOOTHING = 1.5
GRADIENT_NOISE = 1 / (math.sqrt(8 * math.pi) * SMOOTHING**2)
# The step must be at least this large, and so many times as large as the noise.
LEAST_STEP, STEP_TO_NOISE = 0.06, 6.0
# A side is flat as long as its columns keep within this share of the step of its level, and are as even along the edge.
EVEN = 0.06
# A side that is not flat for as long as it should be still gives a bound if it is for so many pixels, and widths of the
# line spread function, and the step is not that of mere texture.
LEAST_NARROW, NARROW_WIDTHS, NARROW_STEP = 1.25, 1.5, 0.15
# Pixels beyond which sides are not looked at.
FARTHEST = 60


@dataclass(frozen=True)
class FoundEdge:
    """A straight edge with flat sides.

    Parameters
    ----------
    box : Box
        The region that it divides.
    upright : bool
        Nearer to the vertical than to the horizontal.
    angle : float
        Degrees from there.
    step : float
        Difference of the sides.
    side, needed : float
        Pixels from the edge that both sides are flat for, and for how many they should be.
    score : float
        The higher the better: large step, long, flat, of an angle between 2° and 10°, not clipped.
    """

    box: Box
    upright: bool
    angle: float
    step: float
    side: float
    needed: float
    score: float

    @property
    def narrow(self) -> bool:
        """Whether a side ends before the line spread function has, as that of a pen stroke does."""
        return self.side < self.needed


def find_edges(grey: Array, *, left_out: NDArray[np.bool_] | None = None, most: int = 8) -> tuple[FoundEdge, ...]:
    """Straight slanted edges of a picture that can be measured.

    Ridges of the smoothed gradient are linked, cut into straight runs, and kept if both sides are flat for as long as
    the line spread function needs.

    Parameters
    ----------
    grey : ndarray, (H, W), values in [0, 1]
    left_out : ndarray of bool, (H, W), optional
        True where pixels must not count.
    most : int
        How many are wanted.

    Returns
    -------
    tuple of FoundEdge
        The best first, none overlapping a better one by more than half; those with a narrow side only if there are no
        others.
    """
    noise = _noise(grey, left_out)
    found = []
    for upright in (True, False):
        picture = grey if upright else grey.T
        hidden = None if left_out is None else left_out if upright else left_out.T
        for line in _straight_runs(picture, hidden, noise):
            edge = _judged(picture, hidden, line, noise)
            if edge is not None:
                found.append(edge if upright else replace(edge, box=_turned(edge.box), upright=False))
    kept: list[FoundEdge] = []
    good = [edge for edge in found if not edge.narrow]
    for edge in sorted(good or found, key=lambda e: -e.score):
        if all(_overlap(edge.box, other.box) < 0.5 for other in kept):
            kept.append(edge)
    return tuple(kept[:most])


def _noise(grey: Array, left_out: NDArray[np.bool_] | None) -> float:
    import torch

    from kukkiri.images.statistics import estimate_noise

    hidden = None if left_out is None else torch.from_numpy(np.ascontiguousarray(left_out))
    found = estimate_noise(torch.from_numpy(np.ascontiguousarray(grey, np.float32)), hidden)
    return found if math.isfinite(found) else 0.0


def _straight_runs(grey: Array, hidden: NDArray[np.bool_] | None, noise: float) -> Iterator[EdgeLine]:
    """Lines along which the gradient has a ridge, all nearer to the vertical than 30°."""
    picture = np.asarray(grey, np.float32)
    across = ndimage.gaussian_filter(picture, SMOOTHING, order=(0, 1))
    down = ndimage.gaussian_filter(picture, SMOOTHING, order=(1, 0))
    size = np.abs(across)
    # 0.4 of the least step, spread over an edge of 2 px: fainter ridges are texture.
    least = max(5 * noise * GRADIENT_NOISE, 0.4 * LEAST_STEP / (math.sqrt(2 * math.pi) * math.hypot(SMOOTHING, 2.0)))
    ridge = (size > least) & (np.abs(down) <= math.tan(math.radians(ANGLES[1] + 6)) * size)
    ridge[:, 1:] &= size[:, 1:] >= size[:, :-1]
    ridge[:, :-1] &= size[:, :-1] > size[:, 1:]
    if hidden is not None:
        ridge &= ~hidden
    for polarity in (1, -1):
        labels, _ = ndimage.label(ridge & (across * polarity > 0), np.ones((3, 3)))
        for number, place in enumerate(ndimage.find_objects(labels), start=1):
            if place[0].stop - place[0].start < LEAST_ROWS:
                continue
            strength = np.where(labels[place] == number, size[place], 0)
            y = np.flatnonzero(strength.any(1))
            x = strength[y].argmax(1)
            for coefficients, first, last in _runs(y + place[0].start, _peaks(size, y, x, place), 0):
                yield EdgeLine(coefficients, 0.0, first, last, polarity, 2.0, 0.0, 0.0)


def _peaks(size: Any, y: Any, x: Any, place: Any) -> Array:
    """Columns of the ridge with fractions, by a parabola through three pixels."""
    rows, columns = y + place[0].start, np.clip(x + place[1].start, 1, size.shape[1] - 2)
    left, top, right = (size[rows, columns + k].astype(float) for k in (-1, 0, 1))
    curvature = left - 2 * top + right
    shift = np.where(curvature < 0, 0.5 * (left - right) / np.where(curvature < 0, curvature, -1.0), 0.0)
    return np.asarray(columns + np.clip(shift, -0.5, 0.5))


def _runs(y: Any, x: Any, depth: int) -> Iterator[tuple[Array, int, int]]:
    """Straight parts of a chain of points, one a row: cut where it strays farthest from its line, and again."""
    if len(y) < LEAST_ROWS or depth > 12:
        return
    coefficients = np.polyfit(y, x, 1)
    off = ndimage.median_filter(np.abs(x - np.polyval(coefficients, y)), 5, mode="nearest")
    worst = int(off.argmax())
    if off[worst] <= STRAIGHT:
        angle = math.degrees(math.atan(abs(coefficients[0])))
        if ANGLES[0] <= angle <= ANGLES[1]:
            yield np.asarray(coefficients), int(y[0]), int(y[-1]) + 1
        return
    # A chain strays farthest at its ends if it bends all along; then halves are as good a cut as any.
    cut = worst if LEAST_ROWS // 2 <= worst <= len(y) - LEAST_ROWS // 2 else len(y) // 2
    yield from _runs(y[:cut], x[:cut], depth + 1)
    yield from _runs(y[cut:], x[cut:], depth + 1)


def _judged(grey: Array, left_out: NDArray[np.bool_] | None, line: EdgeLine, noise: float) -> FoundEdge | None:
    """The region around a line, or None if nothing can be measured there."""
    ends = line.at(np.array([line.first, line.last - 1.0]))
    reach = min(FARTHEST, ends.min(), grey.shape[1] - 1 - ends.max()) * line.cosine
    if reach < LEAST_MARGIN + 1:
        return None
    distance, spread, _ = edge_spread(grey, line, reach)
    _, width = peak_of(distance, spread, line.polarity)
    if math.isnan(width):
        return None
    sides = sides_end(distance, spread, line.polarity)
    values, where = gathered(grey, line, reach)
    hidden = None if left_out is None else gathered(left_out.astype(float), line, reach)[0]
    begins = [min(2.5 * width, 0.8 * side) for side in sides]
    levels = [_level(values, where, sign, begin) for sign, begin in zip((-1, 1), begins)]
    step = line.polarity * (levels[1] - levels[0])
    if not step >= max(LEAST_STEP, STEP_TO_NOISE * noise):
        return None
    limit = max(EVEN * step, 3 * noise)
    side = min(
        min(end, _flat_for(values, where, hidden, sign, begin, level, limit))
        for sign, end, begin, level in zip((-1, 1), sides, begins, levels)
    )
    needed = FLAT * width + ROOM
    box = _box_of(line, max(side, LEAST_MARGIN + 2), grey.shape)
    if box.width < LEAST_SIDE:
        return None
    if side < needed and (side < max(LEAST_NARROW, NARROW_WIDTHS * width) or step < NARROW_STEP):
        return None
    angle = math.degrees(math.atan(line.slope))
    lo, hi = BEST_ANGLES
    # For a bound the longest stroke is the best, whatever its angle.
    fit = 1.0 if side < needed or lo <= abs(angle) <= hi else 0.5
    clipped = 0.3 if min(levels) < 0.004 or max(levels) > 0.996 else 1.0
    score = step * math.sqrt(min(line.rows, 200)) * min(1.0, side / (needed + 4)) * fit * clipped
    return FoundEdge(box, True, angle, step, side, needed, score)


def _level(values: Array, where: Array, sign: int, begin: float) -> float:
    there = (sign * where >= begin) & (sign * where < begin + 1) & np.isfinite(values)
    return float(np.median(values[there])) if there.any() else math.nan


def _flat_for(
    values: Array, where: Array, hidden: Array | None, sign: int, begin: float, level: float, limit: float
) -> float:
    """How far from the edge one side keeps its level, pixels."""
    far = float(np.abs(where).max())
    at = begin
    while at + 1 <= far:
        there = (sign * where >= at) & (sign * where < at + 1)
        pixels = values[there]
        if hidden is not None and (hidden[there] > 0).any():
            break
        off = abs(float(pixels.mean()) - level)
        if pixels.size == 0 or not (off <= limit and float(pixels.std()) <= limit + 0.5 * off):
            break
        at += 1
    return at


def _box_of(line: EdgeLine, side: float, size: tuple[int, ...]) -> Box:
    ends = line.at(np.array([line.first, line.last - 1.0]))
    room = side / line.cosine
    left, right = max(0, math.ceil(ends.min() - room)), min(size[1], math.floor(ends.max() + room) + 1)
    return Box(line.first, left, line.rows, right - left)


def _turned(box: Box) -> Box:
    return Box(box.left, box.top, box.width, box.height)


def _overlap(a: Box, b: Box) -> float:
    """Shared area over that of the smaller one."""
    height = min(a.top + a.height, b.top + b.height) - max(a.top, b.top)
    width = min(a.left + a.width, b.left + b.width) - max(a.left, b.left)
    if height <= 0 or width <= 0:
        return 0.0
    return height * width / min(a.height * a.width, b.height * b.width)
