"""The way to focus, in plain sentences."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kukkiri.sharpness.focus_step import FocusCandidate


def statement_of(found: tuple[FocusCandidate, ...], step: float, *, ambiguous: bool) -> str:
    """Where focus lies, and what the astigmatism is, in plain words.

    Parameters
    ----------
    found : tuple of FocusCandidate
        The likeliest first.
    step : float
        From picture a to b.
    ambiguous : bool
        Whether more than the first is to be named.
    """
    if ambiguous:
        places = " or ".join(f"{_way(c, step)} ({c.weight:.0%})" for c in found if c.weight >= 0.05)
        nearest = min(found, key=lambda c: abs(c.distance / step - 0.5)).distance
        text = f"ambiguous: focus lies {places}; take a third picture at {nearest:+.3g}, or give the slope"
    else:
        text = f"focus lies {_way(found[0], step)}"
    best = found[0]
    lo, hi = best.astigmatism_interval
    if not best.astigmatic:
        return f"{text}; no astigmatism is proven (at most {hi:.3g})"
    return (
        f"{text}; astigmatism {best.astigmatism:.3g} ({lo:.3g}…{hi:.3g}): the axis at {math.degrees(best.angle):.0f}° "
        "comes to focus that much later than the one across"
    )


def _way(candidate: FocusCandidate, step: float) -> str:
    at, (lo, hi) = candidate.distance, candidate.interval
    low, high = sorted((lo / step, hi / step))
    where = (
        "at a" if low < 0 < high < 1
        else "at b" if 0 < low < 1 < high
        else "between a and b" if 0 <= at / step <= 1
        else "beyond b" if at / step > 1
        else "away from b"
    )  # fmt: skip
    return f"{at:+.3g} ({lo:+.3g}…{hi:+.3g}) from a, {where}"
