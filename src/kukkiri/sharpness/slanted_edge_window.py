"""The window of a slanted edge: flat wherever the line spread function is not 0, and no wider than the sides allow."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kukkiri.sharpness.slanted_edge_spread import Array, EdgeLine, edge_spread, gathered

# Flat half of the window, in widths of the line spread function, and what is added to it, pixels.
FLAT, ROOM = 3.5, 1.0
# The window grows no further, whatever the sides of the edge look like.
FARTHEST, FARTHEST_ROOM = 8.0, 6.0
# A side counts as flat when it changes by less than this share of the step, or than noise explains.
LEVEL, ERRORS = 0.003, 4.0


class Window(NamedTuple):
    """A Tukey window about an edge, and what lies under and beside it.

    Parameters
    ----------
    flat, reach : float
        It is 1 up to `flat` pixels from the edge and 0 from `reach` on.
    left, right : float
        Levels of the sides.
    noise : float
        Standard deviation of single pixels about the edge spread function.
    """

    flat: float
    reach: float
    left: float
    right: float
    noise: float


def needed(width: float) -> float:
    """Flat half that a line spread function of this width takes, pixels."""
    return FLAT * width + ROOM


def taper(width: float) -> float:
    """How far the window falls, pixels."""
    return max(2.0, 1.5 * width)


def window_of(region: Array, line: EdgeLine, available: float) -> Window:
    """The window that an edge needs: as flat as its line spread function is wide, and on to where its sides are flat.

    Parameters
    ----------
    region : ndarray, (H, W), float64
    line : EdgeLine
    available : float
        How far the sides reach, pixels.
    """
    fall, least = taper(line.width), needed(line.width)
    distance, spread, count = edge_spread(region, line, available)
    values, where = gathered(region, line, available)
    residual = values - np.interp(where, distance, spread)
    outside = np.isfinite(residual) & (np.abs(where) >= min(least, 0.6 * available))
    noise = float(np.sqrt((residual[outside] ** 2).mean())) if outside.any() else 0.0
    span = abs(float(spread.max() - spread.min()))
    farthest = min(FARTHEST * line.width + FARTHEST_ROOM, available - fall - 1)
    flat = least
    while flat < farthest and not _is_flat(distance, spread, count, flat, fall, noise, span):
        flat += 0.5
    reach = min(flat + fall, available)
    flat = min(flat, max(reach - fall, reach / 2))
    # Where the sides are too short for the window, what is left of them is all that there is of their levels.
    start, end = (flat, min(available, reach + 2 * fall)) if flat >= least else (0.8 * reach, reach)
    sides = []
    for sign in (-1, 1):
        there = (sign * distance >= start) & (sign * distance <= end)
        weights = count[there] if count[there].sum() > 0 else np.ones(int(there.sum()))
        sides.append(float(np.average(spread[there], weights=weights)))
    return Window(flat, reach, sides[0], sides[1], noise)


def _is_flat(
    distance: Array, spread: Array, count: NDArray[np.int64], flat: float, fall: float, noise: float, span: float
) -> bool:
    """Whether both sides keep their level from `flat` on."""
    for sign in (-1, 1):
        means, errors = [], []
        for start, end in ((flat, flat + 1), (flat + 1, flat + 1 + fall)):
            there = (sign * distance >= start) & (sign * distance < end)
            pixels = int(count[there].sum())
            if pixels == 0:
                return True
            means.append(float((spread[there] * count[there]).sum() / pixels))
            errors.append(noise / math.sqrt(pixels))
        if abs(means[0] - means[1]) > max(LEVEL * span, ERRORS * math.hypot(*errors)):
            return False
    return True


def tukey(distance: Array, flat: float, reach: float) -> tuple[Array, Array]:
    """The window at these distances from the edge (pixels), and its derivative (1/pixel)."""
    phase = np.clip((np.abs(distance) - flat) / (reach - flat), 0.0, 1.0) * np.pi
    slope = -0.5 * np.sin(phase) * np.pi / (reach - flat) * np.sign(distance)
    return 0.5 * (1 + np.cos(phase)), slope
