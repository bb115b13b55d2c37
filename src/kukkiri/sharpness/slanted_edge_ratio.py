"""What a picture has lost against another one of the same edge: the ratio of their responses."""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import field as attribute
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from kukkiri.sharpness.slanted_edge_result import Channel, Sfr

Array = NDArray[np.float64]
# Below this response, or this many of its errors, the reference says nothing that could be divided by.
LEAST_RESPONSE, LEAST_ERRORS = 0.1, 4.0
# Above this error the ratio says nothing.
MOST_ERROR = 0.25
# The same edge: degrees and pixels that it may differ by.
SAME_ANGLE, SAME_PLACE = 1.0, 5.0


@dataclass(frozen=True)
class SfrRatio:
    """One channel's response over that of the reference.

    Parameters
    ----------
    channel : 'red' | 'green' | 'blue' | 'luma'
    limit : float
        Up to here the ratio means something, cycles a pixel: the first frequency at which the reference's response is
        below 0.1 or four of its standard errors, or the ratio's own error is above 0.25.
    mtf50 : float
        Where the ratio falls to 0.5, cycles a pixel; NaN if it does not below `limit`.
    reference_mtf50 : float
        Of the reference alone.
    ratio, error : ndarray, (401,)
        At the frequencies of `SfrCurve.frequency`; NaN from `limit` on. The responses of pixel and lens that both
        pictures share cancel: what is left is the blur that came between them.
    warnings : tuple of str
    """

    channel: Channel
    limit: float
    mtf50: float
    reference_mtf50: float
    ratio: Array = attribute(repr=False, compare=False)
    error: Array = attribute(repr=False, compare=False)
    warnings: tuple[str, ...] = ()

    def to_row(self) -> dict[str, Any]:
        """A JSON-ready dict; NaN is None."""
        from kukkiri.metrics.score import json_number

        row: dict[str, Any] = {
            name: json_number(getattr(self, name)) for name in ("channel", "limit", "mtf50", "reference_mtf50")
        }
        row["warnings"] = list(self.warnings)
        for name in ("ratio", "error"):
            row[name] = [json_number(float(f"{v:.5g}")) for v in getattr(self, name)]
        return row


def sfr_ratios(measured: Sfr, reference: Sfr) -> tuple[SfrRatio, ...]:
    """The ratio in each channel that both have.

    Parameters
    ----------
    measured, reference : Sfr
        Of the same region.

    Returns
    -------
    tuple of SfrRatio
    """
    others = {curve.channel: curve for curve in reference.curves}
    warnings = _warnings(measured, reference)
    found = []
    for curve in measured.curves:
        other = others.get(curve.channel)
        if other is None:
            continue
        below = np.maximum(other.sfr, 1e-9)
        ratio = curve.sfr / below
        error = np.hypot(curve.sfr_error, ratio * other.sfr_error) / below
        lost = (other.sfr < np.maximum(LEAST_RESPONSE, LEAST_ERRORS * other.sfr_error)) | (error > MOST_ERROR)
        end = int(np.argmax(lost)) if lost.any() else len(lost)
        ratio, error = (np.where(np.arange(len(lost)) < end, v, np.nan) for v in (ratio, error))
        frequency = curve.frequency
        fallen = np.flatnonzero(ratio[:end] < 0.5)
        mtf50 = float("nan")
        if len(fallen) and fallen[0] > 0:
            i = int(fallen[0])
            mtf50 = float(np.interp(0.5, ratio[[i, i - 1]], frequency[[i, i - 1]]))
        found.append(
            SfrRatio(curve.channel, float(frequency[max(0, end - 1)]), mtf50, other.mtf50, ratio, error, warnings)
        )
    return tuple(found)


def _warnings(measured: Sfr, reference: Sfr) -> tuple[str, ...]:
    found = [f"reference: {text}" for text in reference.warnings]
    turned = abs(measured.angle - reference.angle)
    ends = np.array([measured.line[i] for i in (0, -1)]) - np.array([reference.line[i] for i in (0, -1)])
    # Across the edge only: along it, rows may have been left out.
    across = ends[:, 0 if measured.orientation == "vertical" else 1]
    moved = float(np.abs(across).max())
    if turned > SAME_ANGLE or moved > SAME_PLACE:
        found.append(f"not the same edge? it is turned by {turned:.1f}° and moved by {moved:.1f} px in the reference")
    return tuple(found)
