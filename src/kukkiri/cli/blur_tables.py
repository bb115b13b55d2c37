"""What `kukkiri blur` prints for people."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kukkiri.cli.output import number, table
from kukkiri.errors import one_line
from kukkiri.sharpness.blur import CLEAR_FAMILY, CLEAR_RATIO, SMALLEST, UNLIKE

if TYPE_CHECKING:
    from kukkiri.cli.blur_files import Picture
    from kukkiri.sharpness.blur import Blur
    from kukkiri.sharpness.field import Field, FieldCell
    from kukkiri.sharpness.focus_series import FocusSeries

SIGNS = {None: "", "below": "< ", "above": "> "}


def picture_tables(pictures: Sequence[Picture]) -> list[Any]:
    """One row a picture, names without the folder that they share."""
    folder = shared_folder([p.path for p in pictures])
    metres = any(p.blur is not None and p.blur.sigma_m is not None for p in pictures)
    beyond = any(p.calibrated is not None for p in pictures)
    columns = ["picture", "sigma, px", "90 %", *(["sigma"] if metres else []), *(["beyond, px"] if beyond else [])]
    columns += ["sharpest", "shape", "noise", "remarks"]
    rows = []
    for picture in pictures:
        blur = picture.blur
        cells = [_short(picture, folder), _sigma(blur), _interval(blur)]
        cells += [_metres(blur)] if metres else []
        cells += [_beyond(picture)] if beyond else []
        cells += ["", "", ""] if blur is None or blur.abstained else [_sharpest(blur), shape(blur), ""]
        cells[-1] = number(_round(blur.noise)) if blur is not None else ""
        rows.append((*cells, _remarks(picture)))
    right = ["sigma, px", "sigma", "beyond, px", "sharpest", "noise"]
    return [*([f"in {one_line(folder)}"] if folder else []), table(columns, rows, right=right)]


def shared_folder(paths: Sequence[Path]) -> str:
    """The folder that all of several paths share; '' for one path, or none."""
    if len(paths) < 2:
        return ""
    try:
        return os.path.commonpath([str(p.parent) for p in paths])
    except ValueError:  # of two drives, or absolute and relative
        return ""


def shape(blur: Blur) -> str:
    """Axes if they clearly differ, and the family if it is clear: '1.8 × 1.2 at 34°, motion'."""
    from kukkiri.sharpness.estimating import ratio_of

    if blur.bound is not None:
        return ""
    ratio = ratio_of(blur)
    known = f"{number(_round(blur.major))} × {number(_round(blur.minor))} at {math.degrees(blur.angle):.0f}°"
    parts = [known if ratio >= CLEAR_RATIO else "round"] if math.isfinite(ratio) else []
    family = max(blur.family, key=lambda name: blur.family[name])
    parts += [family] if blur.family[family] >= CLEAR_FAMILY else []
    return ", ".join(parts)


def length(metres: float) -> str:
    """A length with the unit that suits it."""
    for unit, size in (("m", 1.0), ("mm", 1e-3), ("µm", 1e-6), ("nm", 1e-9)):
        if metres >= size:
            return f"{metres / size:.3g} {unit}"
    return f"{metres / 1e-12:.3g} pm"


def series_tables(series: FocusSeries) -> list[Any]:
    """One row a frame, in order of position, and the statement."""
    order = sorted(range(len(series.positions)), key=lambda i: series.positions[i])
    rows = []
    for i in order:
        lo, hi = series.intervals[i]
        sigma = SIGNS[series.bounds[i]] + number(_round(series.sigma[i]))
        mark = "← best" if i == series.best else "← another minimum" if i in series.minima else ""
        remark = series.abstained[i] or mark
        rows.append((number(series.positions[i]), one_line(series.names[i]), sigma, _range(lo, hi), remark))
    position = "frame" if series.unit == "frame" else f"position, {series.unit}" if series.unit else "position"
    return [
        table([position, "file", "sigma, px", "90 %", ""], rows, right=[position, "sigma, px"]),
        series.statement[0].upper() + series.statement[1:],
    ]


def field_tables(field: Field) -> list[Any]:
    """The cells as they lie in the picture, and the statement."""
    rows, columns = field.grid
    cells = [field.cells[r * columns : (r + 1) * columns] for r in range(rows)]
    grid = table(
        ["", *(str(c + 1) for c in range(columns))],
        [(str(r + 1), *(_cell(cell) for cell in row)) for r, row in enumerate(cells)],
        right=[str(c + 1) for c in range(columns)],
    )
    colours = [
        (c.name, number(_round(c.sigma)), _range(*c.interval), number(_round(c.to_green)), _range(*c.to_green_interval))
        for c in field.channels
    ]
    parts: list[Any] = ["sigma, px (and the axes' ratio and angle where they clearly differ)", grid]
    if colours:
        right = ["sigma, px", "to green"]
        parts.append(table(["channel", "sigma, px", "90 %", "to green", "90 % (cells)"], colours, right=right))
    return [*parts, *(part[0].upper() + part[1:] for part in field.statement.split("; "))]


def _cell(cell: FieldCell) -> str:
    if not math.isfinite(cell.sigma):
        return "–"
    text = SIGNS[cell.bound] + f"{cell.sigma:.2f}"
    ratio = cell.major / cell.minor if cell.minor > 0 else math.nan
    clear = cell.bound is None and ratio >= CLEAR_RATIO
    return text + (f" {ratio:.2f}∠{math.degrees(cell.angle):.0f}°" if clear else "")


def _short(picture: Picture, folder: str) -> str:
    name = os.path.relpath(picture.path, folder) if folder else str(picture.path)
    return one_line(name) + (f" [{picture.plane}]" if picture.planes > 1 else "")


def _sigma(blur: Blur | None) -> str:
    return "–" if blur is None or blur.abstained else SIGNS[blur.bound] + number(_round(blur.sigma))


def _sharpest(blur: Blur) -> str:
    return f"< {SMALLEST}" if blur.sharpest < SMALLEST else number(_round(blur.sharpest))


def _metres(blur: Blur | None) -> str:
    if blur is None or blur.sigma_m is None or blur.abstained:
        return ""
    return SIGNS[blur.bound] + length(blur.sigma_m)


def _interval(blur: Blur | None) -> str:
    return "" if blur is None or blur.abstained else _range(*blur.interval)


def _range(lo: float, hi: float) -> str:
    if math.isnan(lo) or math.isnan(hi):
        return ""
    return f"{number(_round(lo))} … {'∞' if math.isinf(hi) else number(_round(hi))}"


def _round(value: float) -> float:
    """Three digits: no blur size is known to more."""
    return float(f"{value:.3g}")


def _beyond(picture: Picture) -> str:
    found = picture.calibrated
    if found is None or found.abstained:
        return ""
    if not found.distinguishable:
        return f"none (≤ {number(_round(found.interval[1]))})"
    return SIGNS[found.bound] + number(_round(found.beyond))


def _remarks(picture: Picture) -> str:
    blur = picture.blur
    parts = [picture.error] if picture.error else []
    if blur is not None and blur.abstained:
        parts.append(f"no estimate: {blur.abstained}")
    if blur is not None and blur.unlike_training > UNLIKE:
        parts.append("unlike anything trained on: to be doubted")
    if picture.masked:
        parts.append(f"left out: {picture.masked}")
    if picture.calibrated is not None:
        parts += picture.calibrated.notes
    return "; ".join(parts)
