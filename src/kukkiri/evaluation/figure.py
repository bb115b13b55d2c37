"""One picture of a robustness result: score against true blur for each metric, and a map of metrics and days."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kukkiri.errors import InputError
from kukkiri.evaluation.estimates import gives_sigma
from kukkiri.evaluation.robustness import Robustness
from kukkiri.evaluation.summary import MetricRobustness
from kukkiri.sharpness.figures import INK, LINE, MUTED, check_figure_path, save_figure
from kukkiri.sharpness.figures import STYLE as SHARED_STYLE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS = 4
# Inches.
PANEL, CELL = 2.7, 0.34
TICKS = tuple(m * 10**e for e in (-2, -1, 0, 1) for m in (1, 2, 3, 5))
STYLE: Any = SHARED_STYLE | {"axes.titlelocation": "center", "xtick.color": MUTED, "ytick.color": MUTED}


def write_figure(result: Robustness, path: Path) -> None:
    """Draw a result: small multiples of score against true sigma, a colour a day; and Spearman a metric and day.

    Parameters
    ----------
    result : Robustness
    path : Path
        .png, .svg or .pdf.

    Raises
    ------
    InputError
        If the suffix is none of these, or no metric was measured.
    WriteError
        If it cannot be written.
    """
    check_figure_path(path)
    measured = [r for r in result.metrics if r.mixed is not None and r.trials is not None]
    if not measured:
        raise InputError(expected="a metric that was measured", got="none", fix="name metrics that can be had")
    import matplotlib as mpl

    with mpl.rc_context(STYLE):
        save_figure(_drawn(result, measured), path)


def _drawn(result: Robustness, measured: list[MetricRobustness]) -> Figure:
    from matplotlib.figure import Figure

    days = result.protocol.days
    colours = dict(zip(days, _palette(len(days)), strict=True))
    columns = min(COLUMNS, len(measured))
    rows = math.ceil(len(measured) / columns)
    width = max(COLUMNS * PANEL, 0.55 * len(days) + 4)
    heights = [PANEL * 0.95 * rows, CELL * len(measured) + 1.6]
    figure = Figure(figsize=(width, sum(heights) + 1.0), layout="constrained", facecolor="white")
    scatter, heat = np.asarray(figure.subfigures(2, 1, height_ratios=heights, hspace=0.04))
    p = result.protocol
    few = f" (* {next(r.pictures for r in measured if r.slow)})" if any(r.slow for r in measured) else ""
    most = max(r.pictures for r in measured)
    scatter.suptitle(
        f"Score against true blur: {most} pictures{few}, {len(p.psfs)} PSFs, {len(days)} days",
        x=0.01,
        ha="left",
        fontsize=12,
        fontweight="bold",
    )
    axes = scatter.subplots(rows, columns, squeeze=False)
    for panel, one in zip(axes.flat, measured, strict=False):
        _scatter(panel, one, result, colours)
    for panel in list(axes.flat)[len(measured) :]:
        panel.set_axis_off()
    handles, labels = axes.flat[0].get_legend_handles_labels()
    legend = scatter.legend(
        handles,
        labels,
        loc="outside lower left",
        ncols=min(len(days), 10),
        frameon=False,
        markerscale=3,
        fontsize=8.5,
        handletextpad=0,
        columnspacing=1,
    )
    for handle in legend.legend_handles:
        if handle is not None:
            handle.set_alpha(1)
    columns_of_map = [*days, "mixed"]
    values = [[r.by_day[d].spearman for d in days] + [r.mixed.spearman if r.mixed else np.nan] for r in measured]
    spearman_map(heat.subplots(), [r.spec.name + (" *" if r.slow else "") for r in measured], columns_of_map, values)
    heat.suptitle("Spearman, each day", x=0.01, ha="left", fontsize=12, fontweight="bold")
    return figure


def _palette(count: int) -> list[Any]:
    import matplotlib as mpl

    listed = mpl.colormaps["tab10"] if count <= 10 else mpl.colormaps["tab20"]
    return [listed(i % listed.N) for i in range(count)]


def _scatter(axes: Axes, one: MetricRobustness, result: Robustness, colours: dict[str, Any]) -> None:
    if one.trials is None or one.mixed is None:
        return
    from matplotlib.ticker import FixedLocator, NullFormatter, NullLocator

    values, sigma = one.trials.column("value"), one.trials.sigma
    shown = np.isfinite(values)
    for day, colour in colours.items():
        its = shown & (one.trials.day == day)
        size = 5 if its.sum() > 100 else 8
        axes.scatter(
            sigma[its], values[its], s=size, color=colour, alpha=0.65, linewidths=0, label=day, rasterized=True
        )
    axes.set_xscale("log")
    # Scores with a sign, or that reach 0, have no logarithm.
    if shown.any() and values[shown].min() > 0 and values[shown].max() > 4 * values[shown].min():
        axes.set_yscale("log")
        if values[shown].max() < 50 * values[shown].min():
            ticks = [t for t in TICKS if values[shown].min() < t < values[shown].max()]
            if len(ticks) > 1:
                axes.yaxis.set_major_locator(FixedLocator(ticks))
                axes.yaxis.set_minor_locator(NullLocator())
                axes.yaxis.set_major_formatter(lambda v, _: f"{v:g}")
    low, high = result.protocol.sigma
    if gives_sigma(one.spec):
        axes.plot([low, high], [low, high], color=INK, lw=0.8, ls="--", zorder=3)
    ticks = [t for t in TICKS if low * 0.9 <= t <= high * 1.1]
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_major_formatter(lambda v, _: f"{v:g}")
    axes.set_xlim(low / 1.12, high * 1.12)
    axes.set_title(f"{one.spec.name}{' *' if one.slow else ''}", loc="left", color=INK, fontweight="bold", pad=4)
    axes.set_title(f"{one.mixed.spearman:.3f}", loc="right", color=MUTED, pad=4)
    axes.set_xlabel("true sigma, px", fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(True, color=LINE, lw=0.5, alpha=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(which="both", color=LINE, length=2.5)


def spearman_map(axes: Axes, names: Sequence[str], columns: Sequence[str], spearman: Sequence[Sequence[float]]) -> None:
    """Draw rank correlations as a table in colours; the last column, over everything, stands apart.

    Parameters
    ----------
    axes : Axes
    names, columns : sequence of str
        Of the rows, which are metrics, and of the columns.
    spearman : sequence of sequences of float
        A row a metric; NaN where there is none.
    """
    import matplotlib as mpl

    values = np.array(spearman, np.float64)
    # Below 0 a metric is worse than none: no shades are spent on it.
    colours = mpl.colormaps["viridis"].with_extremes(bad="#f0f2f4")
    axes.pcolormesh(
        np.arange(len(columns) + 1),
        np.arange(len(names) + 1),
        values,
        cmap=colours,
        vmin=0,
        vmax=1,
        edgecolors="white",
        lw=1.5,
    )
    axes.axvline(len(columns) - 1, color="white", lw=6)
    for (row, column), value in np.ndenumerate(values):
        text = "–" if np.isnan(value) else f"{value:z.2f}" if value < 0.995 else f"{value:.3f}"
        colour = INK if np.isnan(value) or value > 0.6 else "white"
        axes.text(column + 0.5, row + 0.5, text, ha="center", va="center", fontsize=8, color=colour)
    axes.invert_yaxis()
    axes.set_xticks(np.arange(len(columns)) + 0.5, columns, rotation=30, ha="right", rotation_mode="anchor")
    axes.set_yticks(np.arange(len(names)) + 0.5, names)
    axes.tick_params(length=0, labelcolor=INK)
    axes.spines[:].set_visible(False)
