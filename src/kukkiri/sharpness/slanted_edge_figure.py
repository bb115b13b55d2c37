"""Slanted edges as a picture: where they lie, edge and line spread function, and the spatial frequency response."""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from kukkiri.sharpness.figures import ACCENT, INK, LINE, MUTED, PAPER, STYLE, WARM

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from kukkiri.images.image import Image
    from kukkiri.sharpness.slanted_edge_result import Sfr, SfrCurve

COLOURS = {"red": "#c8553d", "green": "#3a8f5c", "blue": "#3566a8", "luma": INK}
# Frequencies beyond are not drawn unless a response is still above ½ there, cycles a pixel.
SHOWN = 0.7
# Longest side of the picture under the boxes, pixels.
PREVIEW = 800


def sfr_figure(edges: Sequence[Sfr], picture: Image | None = None) -> Figure:
    """The figure of the edges of one picture; the curves are those of the first, the others' SFR is drawn thinly.

    Parameters
    ----------
    edges : sequence of Sfr
        At least one.
    picture : Image, optional
        To show where they lie.

    Returns
    -------
    matplotlib Figure
        Drawn without a display.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    first = edges[0]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(11.2, 5.2), layout="constrained", facecolor="white")
        figure.get_layout_engine().set(w_pad=0.08, h_pad=0.06)  # type: ignore[call-arg, union-attr]
        grid = figure.add_gridspec(2, 3, width_ratios=(0.85, 0.95, 1.45))
        if picture is not None:
            _places(figure.add_subplot(grid[0, 0]), edges, picture)
        _patch(figure.add_subplot(grid[1 if picture is not None else slice(None), 0]), first)
        spread = figure.add_subplot(grid[0, 1])
        _spread(spread, first, "esf", "edge spread function (ESF)")
        _spread(figure.add_subplot(grid[1, 1], sharex=spread), first, "lsf", "line spread function (LSF), 1/px")
        _response(figure.add_subplot(grid[:, 2]), edges)
        figure.suptitle(_title(first, len(edges)), x=0.012, ha="left", fontsize=11.5, fontweight="bold")
        if remarks := remarks_of(first):
            text = "\n".join(textwrap.wrap("; ".join(remarks), 165))
            figure.supxlabel(text, x=0.012, ha="left", fontsize=8, color=WARM)
    return figure


def remarks_of(edge: Sfr) -> list[str]:
    """What casts doubt on an edge; what holds for several channels is said once, with the figure of the worst.

    Parameters
    ----------
    edge : Sfr

    Returns
    -------
    list of str
        Its own warnings, then those of its channels.
    """
    kinds: dict[str, list[tuple[str, str]]] = {}
    for curve in edge.curves:
        for text in curve.warnings:
            kind, _, rest = text.partition(": ")
            kinds.setdefault(kind, []).append((curve.channel, rest))
    said = list(edge.warnings)
    for kind, its in kinds.items():
        worst = max((rest for _, rest in its), key=lambda rest: float((re.findall(r"\d+\.?\d*", rest) or "0")[0]))
        said.append(f"{', '.join(channel for channel, _ in its)}: {kind}: {worst}")
    return said


def _title(edge: Sfr, count: int) -> str:
    luma = edge.luma
    which = f"Edge 1 of {count}: " if count > 1 else ""
    if not math.isfinite(luma.mtf50):
        return f"{which}the SFR of luma does not fall to one half below 1 cycle a pixel"
    lo, hi = luma.mtf50_interval
    mm = edge.per_mm(luma.mtf50)
    sign = "at most " if edge.upper_bound else ""
    interval = f" (90 % {lo:.3f} … {hi:.3f})" if math.isfinite(hi) else ""
    per_mm = "" if mm is None else f" = {mm:.4g} lp/mm"
    place = f"{edge.orientation} edge at {edge.angle:.1f}°"
    return f"{which}MTF50 {sign}{luma.mtf50:.3f} cycles/pixel{interval}{per_mm}, {place}"


def _places(axes: Axes, edges: Sequence[Sfr], picture: Image) -> None:
    from matplotlib.patches import Rectangle

    step = max(1, -(-max(picture.height, picture.width) // PREVIEW))
    grey = picture.pixels[:, ::step, ::step].mean(0).numpy()
    axes.imshow(grey, cmap="gray", vmin=0, vmax=1, extent=(-0.5, picture.width - 0.5, picture.height - 0.5, -0.5))
    for number, edge in reversed(list(enumerate(edges, start=1))):
        box, main = edge.box, number == 1
        colour = WARM if main else ACCENT
        axes.add_patch(
            Rectangle(
                (box.left - 0.5, box.top - 0.5), box.width, box.height, fill=False, edgecolor=colour,
                lw=1.6 if main else 1.1,
            )
        )  # fmt: skip
        if len(edges) > 1:
            where = (box.left + box.width, box.top)
            paper = {"facecolor": "white", "edgecolor": "none", "pad": 0.8, "alpha": 0.8}
            axes.annotate(str(number), where, color=colour, fontsize=7.5, fontweight="bold", bbox=paper)
    _bare(axes)
    axes.set_title("where the edges lie" if len(edges) > 1 else "where the edge lies", color=MUTED, fontsize=8.5)


def _patch(axes: Axes, edge: Sfr) -> None:
    box = edge.box
    patch = np.asarray(edge.patch)
    extent = (box.left - 0.5, box.left + box.width - 0.5, box.top + box.height - 0.5, box.top - 0.5)
    low, high = np.percentile(patch, [0.5, 99.5])
    axes.imshow(patch, cmap="gray", vmin=low, vmax=high + 1e-6, extent=extent, interpolation="nearest")
    axes.plot(*zip(*edge.line), color=WARM, lw=1.2, ls=(0, (4, 3)))
    axes.set_xlim(extent[:2])
    axes.set_ylim(extent[2:])
    _bare(axes)
    axes.set_title(f"region {box.left},{box.top},{box.width},{box.height}", color=MUTED, fontsize=8.5)


def _bare(axes: Axes) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)


def _spread(axes: Axes, edge: Sfr, name: str, title: str) -> None:
    # The outermost bins have a neighbour on one side only, so that their slope is hardly more than noise.
    inner = slice(1, -1) if name == "lsf" else slice(None)
    for curve in edge.curves:
        axes.plot(curve.distance[inner], getattr(curve, name)[inner], lw=1.3, **_line(curve))
    axes.axvline(0, color=LINE, lw=0.8, zorder=0)
    axes.set_title(title, color=MUTED, fontsize=8.5)
    if name == "lsf":
        axes.set_xlabel("distance from the edge along its normal, px")
    else:
        axes.tick_params(labelbottom=False)
    reach = max(float(curve.distance[-1]) for curve in edge.curves)
    axes.set_xlim(-reach, reach)
    _plain(axes)


def _response(axes: Axes, edges: Sequence[Sfr]) -> None:
    first = edges[0]
    for number, edge in reversed(list(enumerate(edges[1:], start=2))):
        label = f"luma of edge{'s' if len(edges) > 2 else ''} 2{f' to {len(edges)}' if len(edges) > 2 else ''}"
        axes.plot(
            edge.luma.frequency, edge.luma.sfr, color=ACCENT, lw=0.7, alpha=0.45, label=label if number == 2 else None
        )
    for curve in first.curves:
        frequency = curve.frequency
        style, sign = _line(curve), "< " if first.upper_bound else ""
        label = f"{curve.channel}: MTF50 {sign}{_figure(curve.mtf50)}"
        axes.plot(frequency, curve.sfr, lw=1.6, **style, label=label)
        half = 1.645 * curve.sfr_error
        axes.fill_between(frequency, curve.sfr - half, curve.sfr + half, color=style["color"], alpha=0.12, lw=0)
        if math.isfinite(curve.mtf50):
            axes.plot(curve.mtf50, 0.5, "o", ms=5, color=style["color"], mec="white", mew=0.7, zorder=5)
    for ratio in first.ratios:
        if ratio.channel == "luma":
            frequency = first.luma.frequency
            axes.plot(
                frequency, ratio.ratio, color=WARM, lw=1.5, ls=(0, (4, 2)),
                label=f"luma over the reference, to {ratio.limit:.2f}",
            )  # fmt: skip
            half = 1.645 * ratio.error
            axes.fill_between(frequency, ratio.ratio - half, ratio.ratio + half, color=WARM, alpha=0.12, lw=0)
    axes.axvline(0.5, color=MUTED, lw=0.9, ls=(0, (2, 2)))
    axes.annotate(
        "Nyquist", (0.5, 0.66), (-3, 0), xycoords=axes.get_xaxis_transform(), textcoords="offset points", rotation=90,
        fontsize=7.5, color=MUTED, ha="right", va="center",
    )  # fmt: skip
    for level in (0.5, 0.1):
        axes.axhline(level, color=LINE, lw=0.9, zorder=0)
    sharp = any(curve.mtf50 > 0.9 * SHOWN or math.isnan(curve.mtf50) for curve in first.curves)
    last = 1.0 if sharp else SHOWN
    shown = [curve.sfr[curve.frequency <= last] for curve in first.curves]
    shown += [r.ratio[np.isfinite(r.ratio)] for r in first.ratios]
    axes.set_xlim(0, last)
    axes.set_ylim(0, min(2.5, max(1.05, 1.08 * max(float(v.max(initial=0)) for v in shown))))
    axes.set_xlabel("spatial frequency, cycles/pixel")
    axes.set_title("spatial frequency response (SFR), with 90 % bands", color=MUTED, fontsize=8.5)
    if first.pixel_size is not None:
        scale = 1 / (first.pixel_size * 1e3)
        above = axes.secondary_xaxis(
            "top", functions=(lambda f: np.asarray(f) * scale, lambda f: np.asarray(f) / scale)
        )
        above.set_xlabel("line pairs/mm", fontsize=8, color=MUTED)
    axes.legend(loc="upper right", facecolor=PAPER, edgecolor="none", framealpha=0.9, fontsize=8)
    _plain(axes)


def _line(curve: SfrCurve) -> dict[str, Any]:
    return {"color": COLOURS[curve.channel], "zorder": 4 if curve.channel == "luma" else 3}


def _figure(value: float) -> str:
    return f"{value:.3f}" if math.isfinite(value) else "–"


def _plain(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(True, color=LINE, lw=0.5, alpha=0.5)
    axes.set_axisbelow(True)
