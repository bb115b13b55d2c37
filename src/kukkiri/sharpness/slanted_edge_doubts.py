"""What casts doubt on a slanted edge: what is warned of, what is left out, and which regions are refused."""

from __future__ import annotations

import math

from kukkiri.errors import InputError
from kukkiri.sharpness.slanted_edge_curve import EdgeCurve, crossing, crossing_error
from kukkiri.sharpness.slanted_edge_finding import BEST_ANGLES, LEAST_STEP
from kukkiri.sharpness.slanted_edge_result import Sfr
from kukkiri.sharpness.slanted_edge_spread import EdgeLine

# What is warned of: rows, what unevenness adds to the variance of the line spread function (half of it is what MTF50
# loses), and by what share distances along one normal are off where an edge turns.
SHORT, UNEVEN, TURNED = 50, 0.04, 0.02
# An edge that is more uneven, more peaked (its sides are no sides) or less sure is left out where it was found; one
# that is more uneven, less sure or turns more is refused where its region was named.
MOST_UNEVEN, MOST_PEAKED, LEAST_SURE, MOST_TURNED = 0.2, 2.5, 0.25, 0.1
# Noise, as a share of the step, of which an edge no longer stands out pixel by pixel.
MOST_NOISE = 0.5
# MTF50 times the mean width of the window. A ramp, whose line spread function is one level, has 0.603 (sinc is 0.5
# there); an edge that ends within the window 1.6 and more, one that the region cuts short at 2.5 deviations 1.
LEAST_SHAPE = 0.65
# MTF50 of a Gaussian is so much over its deviation.
GAUSSIAN = 0.1874


def check_edge(curve: EdgeCurve, line: EdgeLine, order: int | None) -> None:
    """Refuse a named region that no edge divides, or that says nothing of one.

    Parameters
    ----------
    curve : EdgeCurve
        Of luma.
    line : EdgeLine
    order : int, optional
        That was asked for: then an edge may be as uneven about it as it likes.

    Raises
    ------
    InputError
        If the noise is half the step, or MTF50 uncertain by a quarter; if the rows stray from one line, or turn from
        one direction; or if the levels change beside the edge as they do across it.
    """
    step = curve.high - curve.low
    mtf50 = crossing(curve.sfr, 0.5)
    if curve.noise >= MOST_NOISE * step:
        raise _no_edge(f"noise or texture of {curve.noise:.2g} in a step of {step:.2g}")
    if math.isfinite(mtf50):
        error = crossing_error(curve.replicates, 0.5)
        if error >= LEAST_SURE * mtf50:
            raise _no_edge(f"an MTF50 of {mtf50:.3f} with a standard error of {error:.2g}")
        if order is None and too_uneven(line.unevenness(curve.noise), mtf50):
            raise _no_edge(f"rows that stray by {line.unevenness(curve.noise):.2g} px from one line")
        if mtf50 * (curve.flat + curve.reach) < LEAST_SHAPE:
            raise _no_edge(f"a ramp: levels change {curve.reach:.0f} px from its middle as they do there")
    if line.turning >= MOST_TURNED:
        raise _no_edge(f"an outline that turns: distances along one normal are off by {line.turning:.0%}")


def _no_edge(got: str) -> InputError:
    return InputError(
        expected="a region that one edge divides", got=got, fix="choose a region with one straight edge and flat sides"
    )


def is_usable(edge: Sfr) -> bool:
    """Whether an edge that was found turned out to be one."""
    luma = edge.luma
    sure = luma.mtf50_error < LEAST_SURE * luma.mtf50
    return sure and luma.peak < MOST_PEAKED and not too_uneven(edge.unevenness, luma.mtf50)


def too_uneven(unevenness: float, mtf50: float) -> bool:
    """Whether straying rows make up too much of the line spread function."""
    return (unevenness * mtf50) ** 2 >= MOST_UNEVEN * GAUSSIAN**2


def warnings_of(curve: EdgeCurve, line: EdgeLine, uneven: float, step: float) -> tuple[str, ...]:
    """What casts doubt on all channels of an edge.

    Parameters
    ----------
    curve : EdgeCurve
    line : EdgeLine
    uneven : float
        How far rows stray beyond noise, pixels.
    step : float
        Of the values as they are, before any OECF.
    """
    found = []
    angle = abs(math.degrees(math.atan(line.slope)))
    lo, hi = BEST_ANGLES
    if not lo - 0.05 <= angle <= hi + 0.05:
        found.append(f"angle {angle:.1f}°: ISO 12233 asks for {lo:g}° to {hi:g}°")
    if curve.cycles < 1:
        found.append("the edge does not cross one whole column of pixels: the SFR may be aliased")
    if line.rows < SHORT:
        found.append(f"short edge: {line.rows} rows; 100 and more give a steady value")
    if curve.short:
        found.append(
            f"narrow sides: flat for {curve.flat:.1f} px from the edge; the SFR reads too high and is an upper bound"
        )
    if step < LEAST_STEP:
        found.append(f"faint: a step of {step:.2g} of the full range, below {LEAST_STEP:g}: is it an edge?")
    if line.order > 1:
        found.append(f"not straight: bent by {line.bend:.2f} px, followed as a polynomial of order {line.order}")
    if line.turning > TURNED:
        found.append(f"turns: its direction changes so much that MTF50 is off by about {line.turning:.0%}")
    if uneven**2 > UNEVEN * line.width**2:
        lost = 50 * (uneven / line.width) ** 2
        found.append(f"uneven: rows stray by {uneven:.2f} px, which lowers MTF50 by about {lost:.0f} %")
    return tuple(found)
