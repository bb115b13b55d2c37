"""`kukkiri quality`: a score for each picture, by itself."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kukkiri.cli.output import Json, print_scores


def command(
    pictures: Annotated[list[Path], typer.Argument(help="Picture files.")],
    metric: Annotated[
        str, typer.Option("--metric", "-m", help="Any that needs no reference; see 'kukkiri list'.")
    ] = "niqe",
    auto_mask: Annotated[
        bool, typer.Option("--auto-mask/--no-auto-mask", help="Leave out info bars, scale bars and burnt-in text.")
    ] = True,
    json: Json = False,
) -> None:
    """Score pictures by themselves. Whole folders: 'kukkiri measure'."""
    from kukkiri.quality.many import score_files

    rows = score_files(pictures, None, metric, mask="auto" if auto_mask else None)
    print_scores(rows, json)
    raise typer.Exit(int(any(row["error"] for row in rows)))
