"""Blur over the frame as a picture: a heat map with the axes of each cell, and sigma against the field height."""

from __future__ import annotations

import math
import textwrap
from typing import TYPE_CHECKING, Any

import numpy as np

from kukkiri.sharpness.figures import (
    INK,
    LINE,
    MUTED,
    STYLE,
    blur_colours,
    blur_scale,
    limits_of,
    ticks_within,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from kukkiri.sharpness.field import Field, FieldCell

CHANNEL_COLOURS = {"red": "#c8553d", "green": "#3a8f5c", "blue": "#3566a8"}


def field_figure(field: Field) -> Figure:
    """The figure of a field.

    Parameters
    ----------
    field : Field

    Returns
    -------
    matplotlib Figure
        Drawn without a display.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    height, width = field.size
    aspect = min(max(height / width, 0.5), 1.4)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(10.4, 5.4 * aspect + 1.2), layout="constrained", facecolor="white")
        figure.get_layout_engine().set(w_pad=0.08)  # type: ignore[call-arg, union-attr]
        heat, profile = figure.subplots(1, 2, width_ratios=(1.45, 1))
        known = [cell.sigma for cell in field.cells if math.isfinite(cell.sigma)]
        limits = limits_of(known, least_span=1.5)
        _heat(figure, heat, field, limits)
        _profile(profile, field)
        head, _, rest = field.statement.partition("; ")
        figure.suptitle(head[0].upper() + head[1:], x=0.012, ha="left", fontsize=11.5, fontweight="bold")
        if rest:
            figure.supxlabel("\n".join(textwrap.wrap(rest, 150)), x=0.012, ha="left", fontsize=8.5, color=MUTED)
    return figure


def _heat(figure: Figure, axes: Axes, field: Field, limits: tuple[float, float]) -> None:
    from matplotlib.patches import Rectangle

    height, width = field.size
    preview = np.asarray(field.preview)
    low, high = np.percentile(preview, [0.5, 99.5])
    axes.imshow(
        preview, cmap="gray", vmin=low, vmax=high + 1e-6, extent=(0, width, height, 0), interpolation="bilinear"
    )
    colours, scale = blur_colours(), blur_scale(limits)
    for cell in field.cells:
        box = cell.box
        known = math.isfinite(cell.sigma)
        face = colours(scale(cell.sigma)) if known else (0.94, 0.95, 0.96, 1.0)
        axes.add_patch(
            Rectangle(
                (box.left, box.top), box.width, box.height, facecolor=face, alpha=0.78 if known else 0.55,
                edgecolor="white", lw=1.2, hatch=None if known else "////",
            )
        )  # fmt: skip
        _cell(axes, cell, _ink(face) if known else INK)
    _tilt(axes, field)
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)
    axes.set_aspect("equal")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    axes.set_title("sigma of each cell, px; ellipse: shape of the blur, drawn larger", color=MUTED, fontsize=8.5)
    import matplotlib as mpl

    bar = figure.colorbar(
        mpl.cm.ScalarMappable(scale, colours), ax=axes, location="left", fraction=0.035, pad=0.02, aspect=32
    )
    bar.set_ticks(ticks_within(*limits))
    bar.ax.yaxis.set_major_formatter(lambda v, _: f"{v:g}")
    bar.ax.yaxis.set_minor_locator(mpl.ticker.NullLocator())
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=0)
    bar.ax.set_title("px", fontsize=8, color=MUTED, loc="center")
    bar.ax.invert_yaxis()  # sharp on top


def _cell(axes: Axes, cell: FieldCell, ink: str) -> None:
    """Number and ellipse. Ellipses are drawn to one size: the colour tells how large the blur is, they what shape."""
    from matplotlib.patches import Ellipse

    from kukkiri.sharpness.blur import CLEAR_RATIO

    box = cell.box
    x = box.left + box.width / 2
    sign = {"below": "<", "above": ">", None: ""}[cell.bound]
    text = f"{sign}{cell.sigma:#.3g}" if math.isfinite(cell.sigma) else "–"
    axes.text(
        x,
        box.top + 0.8 * box.height,
        text,
        ha="center",
        va="center",
        fontsize=8,
        color=ink,
        fontweight="bold",
        zorder=6,
    )
    if not cell.minor > 0 or cell.bound is not None:
        return
    # Half the mean side; what exceeds round is doubled, for a ratio of 1.2 is hardly seen.
    side = 0.19 * min(box.width, box.height)
    stretch = cell.major / cell.minor
    clear = stretch >= CLEAR_RATIO
    degrees = math.degrees(cell.angle)
    centre = (x, box.top + 0.42 * box.height)
    axes.add_patch(
        Ellipse(
            centre, 2 * side * stretch, 2 * side / stretch, angle=degrees, facecolor="none",
            edgecolor=ink, lw=1.6 if clear else 0.9, alpha=1.0 if clear else 0.6,
        )
    )  # fmt: skip
    if clear:
        dx, dy = side * stretch * math.cos(cell.angle), side * stretch * math.sin(cell.angle)
        axes.plot([centre[0] - dx, centre[0] + dx], [centre[1] - dy, centre[1] + dy], color=ink, lw=1.2)


def _tilt(axes: Axes, field: Field) -> None:
    """An arrow to where blur grows, or the line on which focus crosses the frame."""
    from matplotlib.patheffects import AbstractPathEffect, withStroke

    if field.tilt.kind is None:
        return
    height, width = field.size
    dx, dy = math.cos(field.tilt.angle), math.sin(field.tilt.angle)
    extent = width * abs(dx) + height * abs(dy)
    effects: list[AbstractPathEffect] = [withStroke(linewidth=4, foreground="white")]
    if field.tilt.kind == "plane":
        start, end = ((width / 2 + s * extent * dx, height / 2 + s * extent * dy) for s in (-0.12, 0.12))
        arrow = axes.annotate("", end, start, arrowprops={"arrowstyle": "-|>", "color": INK, "lw": 1.8})
        if arrow.arrow_patch is not None:
            arrow.arrow_patch.set_path_effects(effects)
        return
    x, y = width / 2 + field.tilt.offset * extent * dx, height / 2 + field.tilt.offset * extent * dy
    far = width + height
    axes.plot(
        [x - far * dy, x + far * dy], [y + far * dx, y - far * dx], color=INK, lw=1.6, ls=(0, (5, 3)),
        path_effects=effects, scalex=False, scaley=False,
    )  # fmt: skip


def _ink(face: Any) -> str:
    red, green, blue = (float(v) for v in face[:3])
    return "#ffffff" if 0.3 * red + 0.59 * green + 0.11 * blue < 0.5 else INK


def _profile(axes: Axes, field: Field) -> None:
    height, width = field.size
    half = math.hypot(height, width) / 2
    radius = np.array(
        [
            math.hypot(c.box.left + c.box.width / 2 - width / 2, c.box.top + c.box.height / 2 - height / 2) / half
            for c in field.cells
        ]
    )
    sigma = np.array([c.sigma for c in field.cells])
    lo, hi = np.array([c.interval for c in field.cells]).T
    known = np.isfinite(sigma)
    shown = [*sigma[known], *lo[known & (lo > 0)], *hi[known & np.isfinite(hi)]]
    every = [v for channel in field.channels for row in channel.cells for v in row if math.isfinite(v)]
    bottom, top = limits_of([*shown, *every], least_span=1.5)
    # Intervals without end, or nearly so, must not crush the points.
    bottom = max(bottom, min([*sigma[known], *every], default=1.0) / 2)
    top = min(top, 2 * max([*sigma[known], *every], default=12.0))
    axes.set_yscale("log")
    axes.set_ylim(bottom, top)
    axes.vlines(radius[known], np.maximum(lo[known], bottom), np.minimum(hi[known], top), color=INK, lw=1.2, alpha=0.22)
    axes.plot(radius[known], sigma[known], "o", ms=4.5, color=INK, mec="white", mew=0.6, label="luma", zorder=4)
    # In a tilted field, distance from the centre explains nothing.
    trend = field.tilt.kind is None
    if trend:
        _trend(axes, radius[known], sigma[known], INK)
    for channel in field.channels:
        values = np.array(channel.cells).ravel()
        its = np.isfinite(values)
        colour = CHANNEL_COLOURS.get(channel.name, MUTED)
        axes.plot(radius[its], values[its], "o", ms=2.6, color=colour, alpha=0.75, label=channel.name, zorder=3)
        if trend:
            _trend(axes, radius[its], values[its], colour)
    axes.set_title("from the centre to the corners, 90 % intervals", color=MUTED, fontsize=8.5)
    axes.set_xlabel("distance from the centre (corner = 1)")
    axes.set_ylabel("blur size sigma, px")
    from matplotlib.ticker import FixedLocator, NullLocator

    axes.yaxis.set_major_locator(FixedLocator(ticks_within(bottom, top)))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(lambda v, _: f"{v:g}")
    axes.set_xlim(-0.03, 1.0)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(True, color=LINE, lw=0.5, alpha=0.7)
    axes.set_axisbelow(True)
    if field.channels:
        axes.legend(loc="upper left", ncols=4, frameon=False, fontsize=8, handletextpad=0.1, columnspacing=0.9)


def _trend(axes: Axes, radius: Any, sigma: Any, colour: str) -> None:
    """Log sigma as a parabola of the distance; only with points enough to bear one."""
    if len(radius) < 6 or np.ptp(radius) == 0:
        return
    factors = np.polyfit(radius**2, np.log(sigma), 1)
    fine = np.linspace(radius.min(), radius.max(), 100)
    axes.plot(fine, np.exp(np.polyval(factors, fine**2)), color=colour, lw=1.1, alpha=0.8, zorder=2)
