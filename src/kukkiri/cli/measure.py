"""`kukkiri measure`: the main job."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kukkiri.cli.options import AutoMask, Mask, Roi
from kukkiri.cli.output import Json, number, print_json, show, table
from kukkiri.errors import one_line
from kukkiri.metrics.score import json_number
from kukkiri.metrics.table import DEFAULT_METRICS, metric_names, spec_of

if TYPE_CHECKING:
    from kukkiri.inspection.run import Outcome

# Rows that are printed when no table is asked for; more would only scroll by.
PRINTED = 50
# Failed rows that are named, with their reasons, besides those in a printed table.
NAMED = 3
# Characters of such a reason: where every metric fails, each says why.
REASON = 240
# Heading of what the judge of quality says.
WRONG = "what is wrong"


def command(
    paths: Annotated[
        list[str], typer.Argument(help="Files, folders, patterns, or '-' for a list of names on standard input.")
    ],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Table to write: .csv, .jsonl or .parquet. Run again to go on.")
    ] = None,
    report: Annotated[Path | None, typer.Option("--report", "-r", help="Report to write: one .html file.")] = None,
    metric: Annotated[
        list[str] | None,
        typer.Option(
            "--metric",
            "-m",
            help=f"Metric; repeat it or part by commas. Default: {', '.join(DEFAULT_METRICS)}. See 'kukkiri list'.",
        ),
    ] = None,
    fail_if: Annotated[
        list[str] | None,
        typer.Option("--fail-if", help="Gate such as 'clipped_high > 0.05 or quality_hi < 40': exit 1 if it holds."),
    ] = None,
    roi: Roi = None,
    mask: Mask = None,
    auto_mask: AutoMask = True,
    title: Annotated[str | None, typer.Option("--title", help="Heading of the report.")] = None,
    language: Annotated[
        str | None, typer.Option("--language", help="Of the report: en or ja. Default: the locale's.")
    ] = None,
    workers: Annotated[int | None, typer.Option("--workers", "-j", help="Processes. Default: one a core.")] = None,
    device: Annotated[str, typer.Option("--device", help="Where to compute: cpu or cuda.")] = "cpu",
    engine: Annotated[str, typer.Option("--engine", help="What runs the work: local.")] = "local",
    max_whole: Annotated[
        int, typer.Option("--max-whole", min=1, help="Megapixels; larger pictures are measured tile by tile.")
    ] = 67,
    fresh: Annotated[bool, typer.Option("--fresh", help="Measure everything anew.")] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace files that are not from an earlier run.")
    ] = False,
    json: Json = False,
) -> None:
    """Measure pictures: one row each, a table, and a report to look at."""
    import sys

    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from kukkiri.inspection.run import inspect
    from kukkiri.inspection.settings import Settings, parse_roi
    from kukkiri.inspection.sources import find_files

    settings = Settings(
        metrics=metric_names(metric),
        roi=parse_roi(roi) if roi else None,
        mask=mask,
        auto_mask=auto_mask,
        whole_limit=max_whole * 1_000_000,
        device=device,
    )
    files = find_files(paths, stdin=sys.stdin.buffer)
    rows: list[dict[str, Any]] = []
    failures: list[dict[str, Any]] = []
    noticed: list[dict[str, Any]] = []
    listed = out is None and not json

    def on_row(row: dict[str, Any]) -> None:
        if json:
            print_json({name: json_number(value) for name, value in row.items()})
        elif listed and len(rows) < PRINTED:
            rows.append(row)
        if row["error"] and len(failures) < NAMED and not (listed and row is rows[-1]):
            failures.append(row)
        if row["notice"] and not noticed:
            noticed.append(row)

    try:
        with Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
            # Standard output is data, perhaps in a file: it must not go through the console of the bar.
            redirect_stdout=False,
            redirect_stderr=False,
        ) as progress:
            task = progress.add_task("measuring", total=len(files), rate="")

            def on_start(_: int, reused: int) -> None:
                progress.update(task, completed=reused)

            def on_batch(count: int) -> None:
                progress.advance(task, count)
                speed = progress.tasks[0].finished_speed or progress.tasks[0].speed
                progress.update(task, rate=f"{speed:.1f} pictures/s" if speed else "")

            outcome = inspect(
                files,
                settings,
                out=out,
                report=report,
                fail_if=fail_if or (),
                title=title,
                language=language,
                engine=engine,
                workers=workers,
                fresh=fresh,
                overwrite=overwrite,
                on_start=on_start,
                on_batch=on_batch,
                on_row=on_row,
            )
    except KeyboardInterrupt:
        kept = f"; what is measured is kept beside {out}, and the same command goes on from there" if out else ""
        typer.echo(f"kukkiri: interrupted{kept}", err=True)
        raise typer.Exit(130) from None
    if listed:
        show(*_listing(rows, settings.metrics))
        if outcome.pictures > len(rows):
            typer.echo(f"… and {outcome.pictures - len(rows)} more: write them all with --out FILE.csv", err=True)
    printed = sum(bool(row["error"]) for row in rows)
    _summary(outcome, failures, noticed, json=json, printed=printed)
    raise typer.Exit(outcome.exit_code)


def _listing(rows: list[dict[str, Any]], metrics: tuple[str, ...]) -> list[Any]:
    """A table of values, names without the folder that they share, and below it what was masked and what failed."""
    import os

    from kukkiri.cli.quality_tables import UNLIKE, wrong_column

    # What fills sigma would say the same twice.
    source = next((name for name in metrics if spec_of(name).estimates_blur), None)
    judge = next((name for name in metrics if spec_of(name).judges_quality), None)
    names = [*(["sigma"] if source else []), *(name for name in metrics if name != source), "noise"]
    if judge:
        names.insert(names.index(judge) + 1, WRONG)
    planes = any(r["plane"] for r in rows)
    folder = os.path.commonpath([str(Path(r["path"]).parent) for r in rows])

    def short(row: dict[str, Any]) -> str:
        name = os.path.relpath(row["path"], folder) if folder else row["path"]
        return name + (f" [{row['plane']}]" if planes else "")

    def cell(row: dict[str, Any], name: str) -> str:
        if name == WRONG:
            return wrong_column(row["wrong"])
        if name == judge and row[name] is not None:
            return f"{row[name]:.0f}"  # of 100: more digits would say nothing
        said = (row.get("sigma_note") or "") if name == "sigma" else ""
        return ("< " if "bound: below" in said else "> " if "bound: above" in said else "") + number(row[name])

    parts: list[Any] = [f"in {folder}"] if folder else []
    parts.append(
        table(
            ["picture", *names],
            [(short(row), *(cell(row, name) for name in names)) for row in rows],
            right=[name for name in names if name != WRONG],
        )
    )
    parts += [f"{short(row)}: masked {row['masked']}" for row in rows if row["masked"]]
    for row in rows:
        notes = [note for note in (row.get("sigma_note") or "").split("; ") if note and not note.startswith("bound")]
        parts += [f"{short(row)}: sigma {'; '.join(notes)}"] if notes else []
    parts += [f"{short(row)}: {judge} {UNLIKE}" for row in rows if row.get("quality_note")]
    parts += [f"{short(row)}: {row['error']}" for row in rows if row["error"]]
    return parts


def _place(row: dict[str, Any]) -> str:
    return f"{row['path']} [{row['plane']}]" if row["plane"] else str(row["path"])


def _summary(
    outcome: Outcome, failures: list[dict[str, Any]], noticed: list[dict[str, Any]], *, json: bool, printed: int
) -> None:
    """Counts, the first failures and places on standard error, so that standard output stays data."""

    def say(text: str) -> None:
        typer.echo(text, err=True)

    reused = f", {outcome.reused} taken over from the run before" if outcome.reused else ""
    pictures = "1 picture" if outcome.pictures == 1 else f"{outcome.pictures} pictures"
    planes = f" of {outcome.files} files" if outcome.pictures != outcome.files else ""
    partly = f", {outcome.partly} partly measured" if outcome.partly else ""
    say(f"{pictures}{planes}, {outcome.failed} failed{partly}{reused}")
    for row in failures:
        say(f"  {_place(row)}: {one_line(row['error'], REASON)}")
    rest = outcome.failed + outcome.partly - len(failures) - printed
    if failures and rest:
        say(f"  … and {rest} more: see {'error in the rows' if json else 'the column error of the table'}")
    for row in noticed:
        where = " (column notice)" if outcome.out else ""
        others = f" and {outcome.noticed - 1} more{where}" if outcome.noticed > 1 else ""
        say(f"notice for {_place(row)}{others}: {row['notice']}")
    if outcome.left_out:
        say(f"{outcome.left_out} files of earlier runs were not named this time: they are not in the table any more")
    for text, paths in outcome.gate_failures.items():
        verdict = f"holds for {len(paths)}, first {paths[0]}" if paths else "holds for none"
        say(f"gate '{text}': {verdict}")
    for text, paths in outcome.gate_unknown.items():
        if paths:
            say(f"gate '{text}': cannot be judged for {len(paths)}, first {paths[0]}: a column is empty")
    if outcome.out:
        say(f"table:  {outcome.out}")
    if outcome.report:
        say(f"report: {outcome.report}")
