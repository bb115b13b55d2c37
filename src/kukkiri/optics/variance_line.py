"""The variance of a level as a line of its mean, where noise may have been cut off at black and white.

Electrons counted give a variance that grows with the mean, EMVA 1288 (release 4.0, section 2). What is near black or
white has lost part of its noise and would tilt the line.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from kukkiri.errors import InputError

# Noise is cut off where black or white is nearer than so many standard deviations, or than this share of the range.
CLEARANCE, BLACK, WHITE = 4.0, 0.005, 0.98
# Signals are sorted into so many bins; one counts from so many pixels.
BINS, FEWEST = 64, 200


def variance_line(signals: list[Tensor], squares: list[Tensor], ends: tuple[float, float]) -> tuple[float, float]:
    """Offset and slope of the line through variances in bins of like signal, weighted by how well each is known.

    Parameters
    ----------
    signals, squares : list of Tensor
        Signals, and at each an estimate of the variance that is right in the mean: many, and rough.
    ends : (float, float)
        Black and white, where values are cut off.

    Returns
    -------
    (float, float)

    Raises
    ------
    InputError
        If fewer than two bins are clear of black and white, or the variance does not grow.
    """
    signal, square = (torch.cat([each.flatten() for each in parts]) for parts in (signals, squares))
    low, high = ends
    inside = (signal > low + BLACK) & (signal < high - (1 - WHITE))
    signal, square = signal[inside], square[inside]
    bins = ((signal - low) / (high - low) * BINS).long().clamp(0, BINS - 1)
    count = torch.bincount(bins, minlength=BINS).double()
    there = count >= FEWEST
    x, y = (torch.bincount(bins, v, minlength=BINS)[there] / count[there] for v in (signal, square))
    known, least = count[there], float(y.max()) * 1e-3 if len(y) else 0.0
    # Where noise was cut off the variance is too small: first by what is seen, then by what the line says.
    expected, used = y, torch.ones_like(y, dtype=torch.bool)
    for _ in range(BINS):
        reach = CLEARANCE * torch.maximum(expected, y).clamp_min(0).sqrt()
        clear = used & (x - low > reach) & (high - x > reach)
        if int(clear.sum()) < 2:
            raise InputError(
                expected="exposures with dark and bright places",
                got=f"{int(clear.sum())} brightness with {FEWEST} or more pixels and noise that is not cut off",
                fix="add pairs of other exposures",
            )
        offset, slope, error = _fitted(x[clear], y[clear], known[clear], least)
        expected = offset + slope * x
        if bool((clear == used).all()):
            break
        used = clear
    if not slope > 2 * error:
        raise InputError(
            expected="noise that grows with the light",
            got=f"a slope of {slope:.3g} ± {error:.1g}",
            fix="use linear frames (raw, no tone curve, no denoising) with dark and bright places",
        )
    return offset, slope


def _fitted(x: Tensor, y: Tensor, count: Tensor, least: float) -> tuple[float, float, float]:
    """Offset, slope, and the slope's standard error."""
    expected = y.clamp_min(least)
    # The square of a normal number has twice its squared variance as variance. Again, for the weights need the line.
    for _ in range(10):
        weight = count / expected.square()
        total = weight.sum()
        mean_x, mean_y = (weight * x).sum() / total, (weight * y).sum() / total
        spread = (weight * (x - mean_x).square()).sum()
        slope = (weight * (x - mean_x) * (y - mean_y)).sum() / spread
        offset = mean_y - slope * mean_x
        expected = (offset + slope * x).clamp_min(least)
    return float(offset), float(slope), math.sqrt(2) / math.sqrt(float(spread))
