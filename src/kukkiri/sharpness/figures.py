"""What the figures of this folder share: colours of blur, fonts, and how they are written."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kukkiri.errors import InputError
from kukkiri.replacing import replacing
from kukkiri.sharpness.blur import LARGEST, SMALLEST

if TYPE_CHECKING:
    from matplotlib.colors import Colormap, LogNorm
    from matplotlib.figure import Figure

FORMATS = (".png", ".svg", ".pdf")
INK, MUTED, LINE, PAPER = "#1f2933", "#667380", "#d5dbe1", "#ffffff"
ACCENT, WARM = "#1f6f8b", "#c8553d"
TICKS = (0.25, 0.35, 0.5, 0.7, 1.0, 1.4, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0)
STYLE: Any = {
    "font.family": "sans-serif",
    "font.size": 9,
    "text.color": INK,
    "axes.labelcolor": MUTED,
    "axes.edgecolor": LINE,
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "xtick.color": LINE,
    "ytick.color": LINE,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "svg.fonttype": "none",
    "svg.hashsalt": "kukkiri",
}


def blur_colours() -> Colormap:
    """Perceptually uniform: sharp is bright yellow, as on any map of focus; blurred is dark blue.

    Nothing between is grey like the picture below. The report's maps have the same colours (pages/static/blur.js).
    """
    import matplotlib as mpl

    return mpl.colormaps["plasma_r"].with_extremes(bad=(0.5, 0.5, 0.5, 0.0))


def blur_scale(limits: tuple[float, float] | None = None) -> LogNorm:
    """Sigma in pixels on a logarithmic scale.

    Parameters
    ----------
    limits : (float, float), optional
        Default: the measurable range, so that one colour means one blur on every picture.
    """
    from matplotlib.colors import LogNorm

    low, high = limits or (SMALLEST, LARGEST)
    return LogNorm(low, high, clip=True)


def limits_of(values: Sequence[float], least_span: float = 2.0) -> tuple[float, float]:
    """A range that shows these sizes with some room around them, and no less than a factor of `least_span`."""
    known = [v for v in values if math.isfinite(v) and v > 0]
    if not known:
        return SMALLEST, LARGEST
    low, high = min(known) / 1.06, max(known) * 1.06
    widen = math.sqrt(max(1.0, least_span * low / high))
    return low / widen, high * widen


def ticks_within(low: float, high: float) -> list[float]:
    """Round values in a range, for a logarithmic axis in pixels; finer ones where the range is narrow."""
    found = [t for t in TICKS if low <= t <= high]
    for digits in (1, 2):
        if len(found) >= 3:
            break
        step = 10.0**-digits
        first, last = math.ceil(low / step), math.floor(high / step)
        stride = max(1, (last - first) // 5)
        found = [round(i * step, digits) for i in range(first, last + 1, stride)]
    return found


def check_figure_path(path: Path) -> None:
    """Raise InputError unless a figure can have this suffix."""
    if path.suffix.lower() not in FORMATS:
        raise InputError(
            expected=f"a figure with one of the suffixes {' '.join(FORMATS)}", got=path.name, fix="rename --figure"
        )


def write_figure(figure: Figure, path: Path, dpi: int = 160) -> None:
    """Write a figure as .png, .svg or .pdf, whole or not at all.

    Raises
    ------
    InputError
        If the suffix is none of these.
    WriteError
        If it cannot be written.
    """
    import matplotlib as mpl

    with mpl.rc_context(STYLE):
        save_figure(figure, path, dpi)


def save_figure(figure: Figure, path: Path, dpi: int = 160) -> None:
    """The same in the style that is set already.

    Raises
    ------
    InputError, WriteError
        As `write_figure`.
    """
    check_figure_path(path)
    kind = path.suffix[1:].lower()
    # Without a date the same result gives the same file.
    undated: dict[str, Any] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind, {})
    with replacing(path) as temporary:
        figure.savefig(temporary, format=kind, dpi=dpi, metadata=undated)
