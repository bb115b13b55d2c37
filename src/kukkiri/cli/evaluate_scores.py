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
        bool,
        typer.Option("--lower-is-better/--higher-is-better", help="Of the columns that --scores names."),
    ] = False,
    higher_is_worse: Annotated[
        bool, typer.Option("--higher-is-worse", help="Of the opinions: most DMOS (LIVE, CSIQ), not KADID-10k's.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write every score: .csv, .json or .jsonl. Run again to go on.")
    ] = None,
    report: Annotated[Path | None, typer.Option("--report", "-r", help="Page to write: one .html file.")] = None,
    title: Annotated[str | None, typer.Option("--title", help="Heading of the page.")] = None,
    language: Annotated[
        str | None, typer.Option("--language", help="Of the page: en or ja. Default: the locale's.")
    ] = None,
    device: Annotated[str, typer.Option("--device", help="Where to compute: cpu or cuda.")] = "cpu",
    draws: Annotated[int, typer.Option("--draws", min=0, help="Of the bootstrap; 0: no intervals.")] = 500,
    level: Annotated[float, typer.Option("--level", min=0.01, max=0.999, help="Coverage of the intervals.")] = 0.9,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the bootstrap.")] = 0,
    fresh: Annotated[bool, typer.Option("--fresh", help="Measure everything anew.")] = False,
    everything: Annotated[
        bool, typer.Option("--all", help="Print every statistic: also without a curve, and after the logistic of five.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON: one object, with every picture.")] = False,
) -> None:
    """Do scores agree with what people think of the pictures?

    Correlations are signed: + agrees, whatever the directions of score and opinion.

    Exit 1 if a picture or a metric fails; the others are judged all the same.
    """
    from kukkiri.errors import InputError
    from kukkiri.evaluation.agreement_page import write_page
    from kukkiri.evaluation.journal import Journal, journal_path
    from kukkiri.evaluation.opinions import read_opinions
    from kukkiri.evaluation.scores import evaluate_all
    from kukkiri.evaluation.scores_table import check_places, write_scores
    from kukkiri.evaluation.scoring import progress_bar
    from kukkiri.pages.language import check_language

    names, columns = metric_names(metric, ()), metric_names(scores, ())
    if not (names or columns):
        raise InputError(
            expected="metrics, or a column named by --scores", got="neither", fix="'kukkiri list' shows the metrics"
        )
    check_language(language)
    opinions = read_opinions(data)
    read = {name: read_opinions(data, scores=name) for name in columns}
    check_places(data, out=out, report=report)
    try:
        with progress_bar() as (start, step):
            found, failed = evaluate_all(
                names,
                opinions,
                columns=read,
                device=None if device == "cpu" else device,
                journal=Journal(None if out is None else journal_path(out), fresh=fresh),
                higher_is_better=not lower_is_better,
                higher_is_worse=higher_is_worse,
                draws=draws,
                level=level,
                seed=seed,
                on_start=start,
                on_done=step,
            )
    except KeyboardInterrupt:
        kept = f"; what is measured is kept beside {out}, and the same command goes on from there" if out else ""
        typer.echo(f"kukkiri: interrupted{kept}", err=True)
        raise typer.Exit(130) from None
    if found and out is not None:
        write_scores(out, found)
    if found and report is not None:
        write_page(report, found, opinions, failed=failed, language=language, title=title)
    if json:
        print_json(
            {
                "data": str(data),
                "agreements": [result.to_row(pictures=True) for result in found],
                "failed": failed,
            }
        )
    elif found:
        (_print_all if everything else _print)(found)
        _print_notes(found)
    for what, path in (("scores", out), ("page", report)):
        if found and path is not None:
            typer.echo(f"{what}: {path}", err=True)
    raise typer.Exit(int(_tell_failures(found, failed)))


# What papers quote: ranks, and the rest after the logistic of four parameters.
QUOTED = ("srcc", "krcc", "plcc_logistic4", "rmse_logistic4")


def _print(found: list[Agreement]) -> None:
    names = ("SRCC", "KRCC", "PLCC logistic-4", "RMSE logistic-4")
    rows = [
        (
            result.metric,
            _count(result),
            *(f"{number(getattr(result, name))} {_interval(result, name)}" for name in QUOTED),
        )
        for result in found
    ]
    show(table(["metric", "pictures", *names], rows, right=["pictures"]))
    if any(_interval(result, "srcc") for result in found):
        show(f"in brackets: {100 * found[0].level:.4g} % intervals")


def _print_all(found: list[Agreement]) -> None:
    from kukkiri.evaluation.agreement_statistics import STATISTICS

    rows = []
    for result in found:
        for name, curve in STATISTICS.items():
            first = (result.metric, _count(result)) if name == "srcc" else ("", "")
            value, interval = number(getattr(result, name)), _interval(result, name) or "–"
            rows.append((*first, name.partition("_")[0].upper(), curve, value, interval.strip("()")))
    level = f"{100 * found[0].level:.4g} % interval"
    show(table(["metric", "pictures", "statistic", "after", "value", level], rows, right=["pictures", "value", level]))


def _count(result: Agreement) -> str:
    return f"{result.n}" + (f" ({result.infinite} infinite)" if result.infinite else "")


def _interval(result: Agreement, name: str) -> str:
    low, high = result.intervals[name]
    return f"({number(low)} … {number(high)})" if low == low else ""


def _print_notes(found: list[Agreement]) -> None:
    for result in found:
        for note in result.notes:
            show(f"{result.metric}: {note}")


def _tell_failures(found: list[Agreement], failed: dict[str, str]) -> bool:
    """Whether anything failed; said on standard error."""
    from kukkiri.evaluation.scores_table import failures

    lines = list(dict.fromkeys(f"{image}: {error}" for image, error in failures(found)))
    for line in [*lines[:TOLD], *(f"{name}: {why}" for name, why in failed.items())]:
        typer.echo(f"kukkiri: {line}", err=True)
    if len(lines) > TOLD:
        typer.echo(f"kukkiri: and {len(lines) - TOLD} more pictures; --out and --report tell all", err=True)
    return bool(lines or failed)
