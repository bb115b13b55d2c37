"""The table of `kukkiri quality`: scores, and what is wrong in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import typer

from kukkiri.cli.output import direction, number, show, table
from kukkiri.errors import one_line

UNLIKE = "unlike most pictures of its training"


def print_qualities(rows: Sequence[Mapping[str, Any]]) -> None:
    """Scores of pictures, one row each, as `kukkiri.quality.many.score_pairs` has them.

    What failed stands on standard error; where nothing was scored there is no table.
    """
    if any(row["value"] is not None for row in rows):
        _print_scores(rows)
    for line in dict.fromkeys(f"{one_line(row['path'], 200)}: {row['error']}" for row in rows if row["error"]):
        typer.echo(f"kukkiri: {line}", err=True)


def _print_scores(rows: Sequence[Mapping[str, Any]]) -> None:
    columns = ["picture", "metric", "value"]
    judged = any("wrong" in row for row in rows)
    columns += ["90 %", "what is wrong"] if judged else []
    masked = any(row.get("masked") for row in rows)
    columns += ["left out"] if masked else []
    cells = []
    for row in rows:
        unit = f" {row['unit']}" if row.get("unit") else ""
        value = "–" if row["value"] is None else _figure(row["value"], row) + unit
        cell = [row["path"], row["metric"], value]
        cell += [_interval(row), _wrong(row)] if judged else []
        cell += [f"{row['masked']:.1%}" if row.get("masked") else ""] if masked else []
        cells.append(cell)
    doubts = [f"{row['path']}: {row['metric']}: {UNLIKE}" for row in rows if row.get("is_unlike_training")]
    ways: dict[bool, dict[str, None]] = {}
    for row in rows:
        ways.setdefault(row["higher_is_better"], {})[row["metric"]] = None
    said = [f"{direction(higher)}: {', '.join(names)}" for higher, names in ways.items()]
    show(table(columns, cells, right=["value"]), *said, *doubts)


def wrong_words(named: Sequence[tuple[str, float]]) -> str:
    """Groups of damage with their probabilities: 'noise 93 %, blur 61 %'; 'clean' for none."""
    return ", ".join(f"{name} {100 * probability:.0f} %" for name, probability in named) or "clean"


def wrong_column(text: str | None) -> str:
    """The same from the column `wrong` of a record; '–' where the picture could not be judged."""
    if text is None:
        return "–"
    pairs = [part.rpartition(" ") for part in text.split("; ") if part]
    return wrong_words([(name, float(probability)) for name, _, probability in pairs])


def _interval(row: Mapping[str, Any]) -> str:
    if row.get("interval") is None:
        return ""
    low, high = row["interval"]
    return f"{_figure(low, row)} … {_figure(high, row)}"


def _figure(value: Any, row: Mapping[str, Any]) -> str:
    """Whole of a metric that judges, whose interval is tens wide: more digits would say nothing."""
    return f"{value:.0f}" if "wrong" in row else number(value)


def _wrong(row: Mapping[str, Any]) -> str:
    if row.get("wrong") is None:
        return ""
    return wrong_words([(name, row["wrong"][name]) for name in row["named"]])
