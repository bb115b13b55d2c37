"""What the commands share in printing."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.table import Table

Json = Annotated[bool, typer.Option("--json", help="Print JSON: one object a picture, each on a line of its own.")]
JsonArray = Annotated[bool, typer.Option("--json", help="Print JSON: one array.")]


def print_json(value: Any) -> None:
    """One JSON value on one line of standard output."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, allow_nan=False) + "\n")


def number(value: Any) -> str:
    """A figure for people: four significant digits, '–' for none."""
    if value is None or value != value:
        return "–"
    if value == "Infinity":
        return "∞"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, right: Sequence[str] = ()) -> Table:
    """A table; columns named in `right` are aligned to the right."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    grid = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in columns:
        grid.add_column(name, justify="right" if name in right else "left", overflow="fold")
    for row in rows:
        grid.add_row(*(cell if isinstance(cell, Text) else Text(str(cell)) for cell in row))
    return grid


def show(*parts: Any) -> None:
    """Print for people, on standard output."""
    from rich.console import Console

    # Not a terminal: no line may break, however long its path, since something will read it.
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 10_000)
    for part in parts:
        console.print(part)


def direction(higher_is_better: bool) -> str:
    """An arrow, and words."""
    return "↑ higher is better" if higher_is_better else "↓ lower is better"
