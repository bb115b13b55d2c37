"""`kukkiri compare`: how near pictures are to a reference."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kukkiri.cli.options import AutoMask
from kukkiri.cli.output import Json, print_scores
from kukkiri.metrics.table import metric_names


def command(
    distorted: Annotated[list[Path], typer.Argument(help="Pictures to compare with the reference.")],
    reference: Annotated[Path, typer.Option("--reference", help="The picture that they should look like.")],
    metric: Annotated[
        list[str] | None,
        typer.Option(
            "--metric", "-m", help="Any that needs a reference; repeat it or part by commas. Default: psnr, ssim."
        ),
    ] = None,
    auto_mask: AutoMask = True,
    json: Json = False,
) -> None:
    """Compare pictures with a reference of the same size."""
    from kukkiri.quality.many import score_files

    rows = list(score_files(distorted, reference, metric_names(metric, ["psnr", "ssim"]), auto_mask=auto_mask))
    print_scores(rows, json)
    raise typer.Exit(int(any(row["error"] for row in rows)))
