"""`kukkiri evaluate scores`: how well metrics agree with people."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kukkiri.cli.output import number, print_json, show, table
from kukkiri.metrics.table import metric_names

if TYPE_CHECKING:
    from kukkiri.evaluation.agreement import Agreement

# Pictures whose failure is told; all of them are in --out and --report.
TOLD = 20


def command(
    metric: Annotated[
        list[str] | None, typer.Argument(metavar="[METRIC]...", help="Metrics; 'kukkiri list' shows them.")
    ] = None,
    data: Annotated[
        Path, typer.Option("--data", "-d", help="CSV file: image,mos[,reference]; paths are relative to it.")
    ] = ...,  # type: ignore[assignment]  # typer's mark of an option that must be given
    scores: Annotated[
        list[str] | None, typer.Option("--scores", "-s", help="Also judge this column of --data: any tool's numbers.")
    ] = None,
    lower_is_better: Annotated[
        bool, typer.Option("--lower-is-better", help="Of the columns that --scores names.")
    ] = False,
    higher_is_worse: Annotated[
        bool, typer.Option("--higher-is-worse", help="Of the opinions: most DMOS (LIVE, CSIQ), not KADID-10k's.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write every score: one .csv file. Run again to go on.")
    ] = None,
    report: Annotated[Path | None, typer.Option("--report", "-r", help="Page to write: one .html file.")] = None,
    title: Annotated[str | None, typer.Option("--title", help="Heading of the page.")] = None,
    language: Annotated[
        str | None, typer.Option("--language", help="Of the page: en or ja. Default: the locale's.")
    ] = None,
    device: Annotated[str, typer.Option("--device", help="Where to compute: cpu or cuda.")] = "cpu",
    draws: Annotated[int, typer.Option("--draws", min=0, help="Of the bootstrap; 0: no intervals.")] = 500,
    level: Annotated[float, typer.Option("--level", help="Coverage of the intervals.")] = 0.9,
    seed: Annotated[int, typer.Option("--seed", help="Of the bootstrap.")] = 0,
    fresh: Annotated[bool, typer.Option("--fresh", help="Measure everything anew.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON: one object, with every picture.")] = False,
) -> None:
    """Do scores agree with what people think of the pictures?

    Correlations are signed: + agrees, whatever the directions of score and opinion.

    Exit 1 if a picture or a metric fails; the others are judged all the same.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from kukkiri.errors import InputError
    from kukkiri.evaluation.agreement_page import write_page
    from kukkiri.evaluation.journal import Journal, journal_path
    from kukkiri.evaluation.opinions import read_opinions
    from kukkiri.evaluation.scores import check_out, evaluate_all, write_scores
    from kukkiri.pages.language import check_language
    from kukkiri.replacing import replacing

    names, columns = metric_names(metric, ()), metric_names(scores, ())
    if not (names or columns):
        raise InputError(
            expected="metrics, or a column named by --scores", got="neither", fix="'kukkiri list' shows the metrics"
        )
    check_language(language)
    opinions = read_opinions(data)
    read = {name: read_opinions(data, scores=name) for name in columns}
    if out is not None:
        check_out(out, data)
    if report is not None:
        with replacing(report, keep=False) as probe:
            probe.touch()
    try:
        with Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
        ) as progress:
            task = progress.add_task("scoring", total=None)
            found, failed = evaluate_all(
                names,
                opinions,
                columns=read,
                device=None if device == "cpu" else device,
                journal=Journal(None if out is None else journal_path(out), fresh=fresh),
                higher_is_better=not lower_is_better if lower_is_better else None,
                higher_is_worse=higher_is_worse,
                draws=draws,
                level=level,
                seed=seed,
                on_start=lambda total: progress.update(task, total=total),
                on_done=lambda: progress.advance(task),
            )
    except KeyboardInterrupt:
        kept = f"; what is measured is kept beside {out}, and the same command goes on from there" if out else ""
        typer.echo(f"kukkiri: interrupted{kept}", err=True)
        raise typer.Exit(130) from None
    if found and out is not None:
        write_scores(out, found)
    if found and report is not None:
        write_page(report, found, opinions, language=language, title=title)
    if json:
        print_json(
            {
                "data": str(data),
                "agreements": [result.to_row(pictures=True) for result in found],
                "failed": failed,
            }
        )
    elif found:
        _print(found)
    for what, path in (("scores", out), ("page", report)):
        if found and path is not None:
            typer.echo(f"{what}: {path}", err=True)
    raise typer.Exit(int(_tell_failures(found, failed)))


def _print(found: list[Agreement]) -> None:
    from kukkiri.evaluation.agreement import STATISTICS

    rows = []
    for result in found:
        for name, curve in STATISTICS.items():
            low, high = result.intervals[name]
            interval = f"{number(low)} … {number(high)}" if low == low else "–"
            count = f"{result.n}" + (f" ({result.infinite} infinite)" if result.infinite else "")
            first = (result.metric, count) if name == "srcc" else ("", "")
            rows.append((*first, name.partition("_")[0].upper(), curve, number(getattr(result, name)), interval))
    level = f"{100 * found[0].level:.4g} % interval"
    show(table(["metric", "pictures", "statistic", "after", "value", level], rows, right=["pictures", "value", level]))
    for result in found:
        for note in result.notes:
            show(f"{result.metric}: {note}")


def _tell_failures(found: list[Agreement], failed: dict[str, str]) -> bool:
    """Whether anything failed; said on standard error."""
    errors = dict.fromkeys(f"{row.image}: {row.error}" for result in found for row in result.rows if row.error)
    lines = list(errors)
    for line in [*lines[:TOLD], *(f"{name}: {why}" for name, why in failed.items())]:
        typer.echo(f"kukkiri: {line}", err=True)
    if len(lines) > TOLD:
        typer.echo(f"kukkiri: and {len(lines) - TOLD} more pictures; --out and --report tell all", err=True)
    return bool(lines or failed)
