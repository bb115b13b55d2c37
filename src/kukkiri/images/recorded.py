"""What tells a recorded picture from a drawn one: many levels and small steps against plateaus and steep steps."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Planes = NDArray[np.float32]  # (C, H, W), values in [0, 1]
Flags = NDArray[np.bool_]

LEVEL = 1 / 255


def distance(planes: Planes, level: NDArray[np.float32]) -> NDArray[np.float32]:
    """How far each pixel (…) of (C, …) is from a colour: the largest difference over the channels."""
    result: NDArray[np.float32] = np.abs(planes[0] - level[0])
    for channel in range(1, planes.shape[0]):
        np.maximum(result, np.abs(planes[channel] - level[channel]), out=result)
    return result


def natural_share(planes: Planes, exact: float) -> float:
    """How much of what is not constant looks recorded rather than drawn, 0..1.

    Drawn things are plateaus of a level with steep steps between; recorded ones have many levels, or small steps.
    Row segments of 33 px are judged one by one; 0 if fewer than one in a hundred holds anything.
    """
    height, width = planes.shape[1:]
    if height < 8 or width < 64:
        return 0.0
    plane = planes[min(1, planes.shape[0] - 1)][:: max(1, height // 48)]
    starts = np.linspace(0, width - 33, min(16, width // 33)).astype(int)
    segments = np.concatenate([plane[:, s : s + 33] for s in starts])
    steps = np.abs(np.diff(segments, axis=1))
    moved = np.count_nonzero(steps > exact, axis=1)
    active = moved >= 3
    count = int(np.count_nonzero(active))
    if count < 0.01 * len(segments):
        return 0.0
    segments, steps, moved = segments[active], steps[active], moved[active]
    small = np.count_nonzero((steps > exact) & (steps <= 16 * LEVEL), axis=1) >= 0.7 * moved
    middle = np.partition(segments, 16, axis=1)[:, 16:17]
    varied = np.count_nonzero(np.abs(segments - middle) <= 6 * LEVEL, axis=1) <= 16
    # Clipped noise has a plateau too, but does not stay on it.
    rough = np.count_nonzero(steps > 6 * LEVEL, axis=1) >= 18
    return float((small | varied | rough).mean())


def small_step_share(planes: Planes, exact: float) -> float:
    """Share of all differences between neighbours in a row that are small, 0..1.

    Fit for pictures that are mostly constant, such as a few particles on clipped black, where `natural_share` sees
    little but outlines. Screens and drawings reach 0.51, clipped micrographs have 0.6 and more.
    """
    plane = planes[min(1, planes.shape[0] - 1)][:: max(1, planes.shape[1] // 48)]
    steps = np.abs(np.diff(plane, axis=1))
    moved = np.count_nonzero(steps > exact)
    return np.count_nonzero((steps > exact) & (steps <= 16 * LEVEL)) / moved if moved >= 100 else 0.0
