"""A focus curve as a picture."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from kukkiri.sharpness.blur import LARGEST
from kukkiri.sharpness.figures import ACCENT, INK, LINE, MUTED, STYLE, WARM, limits_of, ticks_within

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.ticker import FixedLocator

    from kukkiri.sharpness.focus_series import FocusSeries


def series_figure(series: FocusSeries) -> Figure:
    """Sigma against position with intervals; frames without an answer lie on top, as the most blurred.

    Parameters
    ----------
    series : FocusSeries

    Returns
    -------
    matplotlib Figure
        Drawn without a display.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7.2, 4.1), layout="constrained", facecolor="white")
        axes = figure.subplots()
        _curve(axes, series)
        _title(figure, series)
    return figure


def _title(figure: Figure, series: FocusSeries) -> None:
    import textwrap

    head, _, rest = series.statement.partition("; best ")
    figure.suptitle(
        "\n".join(textwrap.wrap(head[0].upper() + head[1:], 88)), x=0.012, ha="left", fontsize=11, fontweight="bold"
    )
    if rest:
        figure.supxlabel("\n".join(textwrap.wrap(f"Best: {rest}", 120)), x=0.012, ha="left", fontsize=8, color=MUTED)


def _curve(axes: Axes, series: FocusSeries) -> None:
    order = np.argsort(series.positions, kind="stable")
    z = np.array(series.positions)[order]
    sigma, lo, hi = (np.array(v)[order] for v in (series.sigma, *zip(*series.intervals)))
    above = np.array([series.bounds[i] == "above" for i in order])
    below = np.array([series.bounds[i] == "below" for i in order])
    silent = ~np.isfinite(sigma)
    known = ~silent & ~above
    shown = [*sigma[known], *lo[known & (lo > 0)], *hi[known & np.isfinite(hi)]]
    bottom, top = limits_of(shown or [1.0, LARGEST])
    # Intervals without end, or nearly so, must not crush the curve.
    bottom, top = max(bottom, min(sigma[known], default=1.0) / 3), min(top, 3 * max(sigma[known], default=LARGEST))
    axes.set_yscale("log")
    axes.set_ylim(bottom, top)
    if known.any():
        axes.plot(z[known], sigma[known], color=ACCENT, lw=1.0, alpha=0.45, zorder=2)
        axes.vlines(
            z[known], np.maximum(lo[known], bottom), np.minimum(hi[known], top), color=ACCENT, lw=1.6, alpha=0.4
        )
        axes.plot(z[known], sigma[known], "o", ms=4.5, color=ACCENT, mec="white", mew=0.7, zorder=3)
        axes.plot(z[below], sigma[below], "v", ms=6, color=ACCENT, mec="white", mew=0.7, zorder=4)
    edge = axes.get_xaxis_transform()
    for where, marker, label in ((above, "^", "more blurred than can be told"), (silent, "x", "no blur size")):
        if where.any():
            axes.plot(
                z[where], np.full(where.sum(), 0.965), marker, ms=6, color=WARM, transform=edge, label=label, ls="none"
            )
    _optimum(axes, series, z)
    _marks(axes, series)
    span = float(np.ptp(z)) or 1.0
    axes.set_xlim(z[0] - 0.03 * span, z[-1] + 0.03 * span)
    axes.set_xlabel("frame" if series.unit == "frame" else f"focus position{f', {series.unit}' if series.unit else ''}")
    axes.set_ylabel("blur size sigma, px")
    axes.yaxis.set_major_locator(_fixed(ticks_within(bottom, top)))
    axes.yaxis.set_minor_locator(_fixed([]))
    axes.yaxis.set_major_formatter(lambda v, _: f"{v:g}")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(True, color=LINE, lw=0.5, alpha=0.7)
    axes.set_axisbelow(True)
    handles, _ = axes.get_legend_handles_labels()
    if handles:
        axes.legend(
            loc="lower right",
            bbox_to_anchor=(1, 1),
            ncols=len(handles),
            frameon=False,
            fontsize=8,
            borderaxespad=0.1,
            handlelength=1.6,
            handletextpad=0.5,
            columnspacing=1.3,
        )


def _optimum(axes: Axes, series: FocusSeries, z: np.ndarray) -> None:
    if not math.isfinite(series.optimum):
        return
    lo, hi = series.optimum_interval
    axes.axvspan(lo, hi, color=WARM, alpha=0.14, lw=0)
    axes.axvline(series.optimum, color=WARM, lw=1.1, label="optimum, 90 %")
    fit = series.fit
    if fit is not None and math.isfinite(fit.slope):
        fine = np.linspace(z[0], z[-1], 600)
        curve = fit.sigma(fine)
        near = curve < (1.6 if fit.model == "parabola" else 3.0) * fit.floor
        axes.plot(fine[near], curve[near], color=INK, lw=0.9, ls=(0, (4, 3)), zorder=2.5, label=f"fit ({fit.model})")


def _marks(axes: Axes, series: FocusSeries) -> None:
    others = [i for i in series.minima if i != series.best]
    for index, label in ((series.best, "best frame"), *((i, "another minimum") for i in others)):
        if index is not None:
            first = index == series.best or index == others[0]
            axes.plot(
                series.positions[index],
                series.sigma[index],
                "o",
                ms=10,
                mfc="none",
                mec=INK if index == series.best else WARM,
                mew=1.4,
                zorder=5,
                label=label if first else None,
                ls="none",
            )


def _fixed(ticks: list[float]) -> FixedLocator:
    from matplotlib.ticker import FixedLocator

    return FixedLocator(ticks)
