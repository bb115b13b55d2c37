"""What a field shows, in plain sentences."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from kukkiri.sharpness.field_fit import FieldAstigmatism, Tilt

if TYPE_CHECKING:
    from kukkiri.sharpness.field import ChannelField, FieldCell

# Ratios nearer to 1 are not worth a word, however sure.
LEAST = 1.02


def statement_of(
    cells: list[FieldCell],
    corners: float,
    interval: tuple[float, float],
    tilt: Tilt,
    astigmatism: FieldAstigmatism,
    channels: tuple[ChannelField, ...],
) -> str:
    """What a field shows, in plain sentences; only what its intervals bear out."""
    known = [c.sigma for c in cells if math.isfinite(c.sigma)]
    if not known:
        return "no cell gives a blur size"
    parts = [f"sigma {min(known):.3g}…{max(known):.3g} px over {len(known)} of {len(cells)} cells"]
    if math.isfinite(corners):
        same = interval[0] <= 1 <= interval[1]
        text = "corners as blurred as the centre within error" if same else f"corners {corners:.3g}× the centre"
        parts.append(f"{text} ({interval[0]:.3g}…{interval[1]:.3g})")
    lo, hi = tilt.interval
    if tilt.kind == "plane":
        parts.append(f"blur grows {tilt.ratio:.3g}× ({lo:.3g}…{hi:.3g}) from edge to edge, {heading(tilt.angle)}")
    elif tilt.kind == "through focus":
        parts.append(
            f"a sharp band, and blur grows {tilt.ratio:.3g}× ({lo:.3g}…{hi:.3g}) across it, "
            f"along {math.degrees(tilt.angle):.0f}°: focus crosses the frame"
        )
    elif math.isfinite(tilt.p_value):
        parts.append("no tilt is proven")
    if astigmatism.proven and astigmatism.ratio >= LEAST:
        parts.append(f"everywhere drawn out {astigmatism.ratio:.3g}× along {math.degrees(astigmatism.angle):.0f}°")
    low, high = astigmatism.radial_interval
    if low > 1 or high < 1:
        way, ratio = ("radially", astigmatism.radial) if low > 1 else ("tangentially", 1 / astigmatism.radial)
        if ratio >= LEAST:
            parts.append(f"outer cells drawn out {way} {ratio:.3g}×")
    for channel in channels:
        low, high = channel.to_green_interval
        if (low > 1 or high < 1) and not 1 / LEAST < channel.to_green < LEAST:
            parts.append(f"{channel.name} {channel.to_green:.3g}× as blurred as green ({low:.3g}…{high:.3g})")
    return "; ".join(parts)


def heading(angle: float) -> str:
    """A direction in words: 'towards the lower right (35°)'."""
    names = ("right", "lower right", "bottom", "lower left", "left", "upper left", "top", "upper right")
    return f"towards the {names[round(angle / (math.pi / 4)) % 8]} ({math.degrees(angle):.0f}°)"
