"""`kukkiri quality`: a score for each picture, by itself."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kukkiri.cli.options import AutoMask
from kukkiri.cli.output import Json, print_scores
from kukkiri.metrics.table import metric_names


def command(
    pictures: Annotated[list[Path], typer.Argument(help="Picture files.")],
    metric: Annotated[
        list[str] | None,
        typer.Option("--metric", "-m", help="Any that needs no reference; repeat it or part by commas. Default: niqe."),
    ] = None,
    auto_mask: AutoMask = True,
    json: Json = False,
) -> None:
    """Score pictures by themselves. Whole folders: 'kukkiri measure'."""
    from kukkiri.quality.many import score_files

    rows = list(score_files(pictures, None, metric_names(metric, ["niqe"]), auto_mask=auto_mask))
    print_scores(rows, json)
    raise typer.Exit(int(any(row["error"] for row in rows)))
