"""One picture of stability: a map of metrics and changes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kukkiri.evaluation import figure as blur_figure
from kukkiri.evaluation.robustness import Robustness
from kukkiri.sharpness.figures import INK, check_figure_path, save_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Inches.
CELL = (0.62, 0.34)
# Spreads: a score that moves as far as this says as much of the change as of the picture.
MOST = 1.0
TITLE = "How far a small change moves a score (median), in spreads of its scores over the pictures"
LEGEND = "0: not at all; 0.1: lost among the pictures; 1: the change says as much as the picture does. Lower is better."


def write_figures(result: Robustness, path: Path) -> None:
    """Draw a result: that of the blur, or where it has no metric of sharpness that of stability.

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
    steady = [s for s in result.stability if s.overall is not None]
    if result.metrics or not steady:
        blur_figure.write_figure(result, path)
        return
    names = [s.spec.name + (" *" if s.slow else "") for s in steady]
    changes = list(steady[0].changes)
    write_map(path, names, changes, [[s.changes[c].median for c in changes] for s in steady])


def write_map(path: Path, names: Sequence[str], changes: Sequence[str], medians: Sequence[Sequence[float]]) -> None:
    """Draw how far each change moves each metric, as numbers on colours.

    Parameters
    ----------
    path : Path
        .png, .svg or .pdf.
    names, changes : sequence of str
        Of the rows, which are metrics, and of the columns.
    medians : sequence of sequences of float
        A row a metric, in spreads; NaN where there is none.

    Raises
    ------
    InputError
        If the suffix is none of these.
    WriteError
        If it cannot be written.
    """
    check_figure_path(path)
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(blur_figure.STYLE):
        size = (CELL[0] * len(changes) + 1.8, CELL[1] * len(names) + 2.0)
        figure = Figure(figsize=size, layout="constrained", facecolor="white")
        figure.suptitle(TITLE, x=0.01, ha="left", fontsize=12, fontweight="bold")
        axes = figure.subplots()
        axes.set_title(LEGEND, loc="left", fontsize=9)
        _draw(axes, names, changes, np.array(medians, np.float64))
        save_figure(figure, path)


def _draw(axes: Axes, names: Sequence[str], changes: Sequence[str], medians: Any) -> None:
    import matplotlib as mpl

    colours = mpl.colormaps["YlOrRd"].with_extremes(bad="#f0f2f4")
    axes.pcolormesh(np.ma.masked_invalid(medians), cmap=colours, vmin=0, vmax=MOST, edgecolors="white", linewidth=1)
    for row, column in np.ndindex(*medians.shape):
        value = medians[row, column]
        if np.isfinite(value):
            ink = "white" if value > 0.6 * MOST else INK
            axes.text(column + 0.5, row + 0.5, f"{value:.2f}", ha="center", va="center", fontsize=8, color=ink)
    axes.set_xticks(np.arange(len(changes)) + 0.5, changes, rotation=40, ha="right", rotation_mode="anchor")
    axes.set_yticks(np.arange(len(names)) + 0.5, names)
    axes.invert_yaxis()
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
