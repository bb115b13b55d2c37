"""What `kukkiri compare` prints and writes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kukkiri.cli.output import direction, number, show, table
from kukkiri.errors import InputError, one_line

FORMATS = (".csv", ".json", ".jsonl")
# Rows that are printed when no table is asked for; more would only scroll by.
PRINTED = 100
COLUMNS = ("name", "path", "reference", "metric", "value", "unit", "higher_is_better", "masked", "error")
ALIGNMENT = ("motion", "overlap", "correlation", "misfit", "residual", "scale", "turn", "matrix")


def check_suffix(path: Path) -> None:
    """Raise InputError unless a table can have this suffix."""
    if path.suffix.lower() not in FORMATS:
        raise InputError(
            expected=f"a table with one of the suffixes {' '.join(FORMATS)}",
            got=one_line(path.name),
            fix="rename --out",
        )


def check_places(out: Path | None, maps: Path | None) -> None:
    """Raise WriteError unless the table and maps can be written: better before hours of scoring than after."""
    from kukkiri.replacing import replacing

    for place in (out, None if maps is None else maps / "map.png"):
        if place is not None:
            with replacing(place, keep=False) as probe:
                probe.touch()


def write_rows(path: Path, rows: Sequence[Mapping[str, Any]], *, aligned: bool, mapped: bool) -> None:
    """Write all rows, one a picture and metric: CSV with the alignment in columns, or JSON as it is.

    Raises
    ------
    WriteError
        If the file cannot be written.
    """
    from kukkiri.inspection.tables import write_table
    from kukkiri.replacing import replacing

    kind = path.suffix.lower()
    if kind == ".csv":
        columns = COLUMNS + (ALIGNMENT if aligned else ()) + (("map",) if mapped else ())
        write_table(path, (dict(row) | _flat(row) for row in rows), columns)
        return
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        lines = [json.dumps(row, ensure_ascii=False, allow_nan=False) for row in rows]
        file.write("[\n" + ",\n".join(lines) + "\n]\n" if kind == ".json" else "".join(f"{line}\n" for line in lines))


def _flat(row: Mapping[str, Any]) -> dict[str, Any]:
    alignment = row.get("alignment") or {}
    flat = {name: alignment.get(name) for name in ALIGNMENT}
    return flat | {"matrix": json.dumps(flat["matrix"]) if flat["matrix"] else None}


def print_rows(rows: Sequence[Mapping[str, Any]], *, listed: bool) -> None:
    """A table, how pictures were aligned, and what failed.

    Parameters
    ----------
    rows : sequence of dict
    listed : bool
        False: what failed only; the table is in a file.
    """
    shown = rows[:PRINTED] if listed else []
    parts: list[Any] = []
    if shown:
        parts.append(
            table(
                ["picture", "metric", "value", "", "left out"],
                [
                    (
                        row["path"] or row["name"],
                        row["metric"],
                        number(row["value"]) + (f" {row['unit']}" if row["unit"] and row["value"] is not None else ""),
                        direction(row["higher_is_better"]),
                        f"{row['masked']:.1%}" if row["masked"] else "",
                    )
                    for row in shown
                ],
                right=["value"],
            )
        )
    parts += dict.fromkeys(
        f"{one_line(row['name'])}: {_alignment(row['alignment'])}" for row in shown if row.get("alignment")
    )
    if listed and len(rows) > PRINTED:
        parts.append(f"… and {len(rows) - PRINTED} more: write them all with --out FILE.csv")
    parts += dict.fromkeys(f"{one_line(row['path'] or row['name'])}: {row['error']}" for row in rows if row["error"])
    if parts:
        show(*parts)


def _alignment(found: Mapping[str, Any]) -> str:
    """Motion, residual and overlap on one line."""
    misfit = "unknown" if found["misfit"] is None else f"{found['misfit']:.2f} px"
    (a, b, x), (c, d, y), (p, q, _) = found["matrix"]
    lines = f"[{a:.5f} {b:.5f} {x:.3f}; {c:.5f} {d:.5f} {y:.3f}; {p:.3g} {q:.3g} 1]"
    tones = ", ".join(
        f"{g:.3f}·v^{e:.3f}{o:+.3f}" for g, e, o in zip(found["gain"], found["gamma"], found["offset"], strict=True)
    )
    return (
        f"{found['motion']}, scale {found['scale']:.4f}, turned {found['turn']:.3f}°, {lines}; "
        f"parts off by {misfit}, residual {found['residual']:.4f}, correlation {found['correlation']:.3f}, "
        f"overlap {found['overlap']:.1%}; tones {'' if found['tones_applied'] else 'found, not applied: '}{tones}"
    )


def summary_lines(summaries: Sequence[Mapping[str, Any]], pictures: int) -> list[str]:
    """One line a metric: mean and median with the direction, how many are infinite and how many failed."""
    lines = []
    for found in summaries:
        unit = f" {found['unit']}" if found["unit"] else ""
        failed = f", {found['failed']} failed" if found["failed"] else ""
        endless = f", {found['infinite']} of them infinite and left out" if found["infinite"] else ""
        values = f"mean {number(found['mean'])}{unit}, median {number(found['median'])}{unit}"
        lines.append(
            f"{found['metric']}: {values} of {found['count']}{endless}{failed} ({direction(found['higher_is_better'])})"
        )
    return lines if pictures > 1 else []
