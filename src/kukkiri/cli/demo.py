"""`kukkiri demo`: measure real pictures and spoilt copies of them, and write a report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kukkiri.cli.output import Json, print_json


def command(
    folder: Annotated[Path, typer.Option("--out", "-o", help="Folder to write to.")] = Path("demo"),
    language: Annotated[
        str | None, typer.Option("--language", help="Of the report: en or ja. Default: the locale's.")
    ] = None,
    json: Json = False,
) -> None:
    """Measure real pictures, and spoilt copies of them, and write a table and a report to look at."""
    from rich.console import Console

    from kukkiri.inspection.demo import make_pictures
    from kukkiri.inspection.run import inspect
    from kukkiri.inspection.settings import Settings

    console = Console(stderr=True)
    with console.status("making pictures"):
        files = make_pictures(folder / "pictures")
    table, report = folder / "results.csv", folder / "report.html"
    with console.status(f"measuring {len(files)} pictures"):
        outcome = inspect(files, Settings(), out=table, report=report, language=language, overwrite=True)
    if json:
        print_json({"pictures": outcome.pictures, "failed": outcome.failed, "table": str(table), "report": str(report)})
    else:
        typer.echo(f"Measured {outcome.pictures} pictures, {outcome.failed} failed.")
        typer.echo(f"Report: {report.resolve().as_uri()}")
        typer.echo(f"Table:  {table}")
        typer.echo(
            "Open the report in a browser. Your own pictures: kukkiri measure FOLDER --out t.csv --report r.html"
        )
    raise typer.Exit(outcome.exit_code)
