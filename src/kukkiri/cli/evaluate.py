"""`kukkiri evaluate`: how far a metric can be trusted."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kukkiri.cli import evaluate_scores
from kukkiri.cli.output import print_json, show, table
from kukkiri.errors import InputError
from kukkiri.metrics.table import metric_names, metrics, spec_of

if TYPE_CHECKING:
    from kukkiri.evaluation.pictures import Picture
    from kukkiri.evaluation.robustness import Robustness

app = typer.Typer(name="evaluate", help="How far a metric can be trusted.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """How far a metric can be trusted."""


app.command("scores")(evaluate_scores.command)


@app.command()
def robustness(
    metric: Annotated[
        list[str],
        typer.Argument(
            metavar="METRIC...",
            help="Of sharpness, quality or fidelity; 'all': every sharpness metric; 'stability': those of quality and "
            "fidelity that docs/stability.md compares.",
        ),
    ],
    data: Annotated[
        list[str],
        typer.Option("--data", "-d", help="Folder or file of sharp pictures; 'scikit-image': five of its textures."),
    ],
    pictures: Annotated[
        int | None, typer.Option("--pictures", min=1, help="So many, spread over all that are there.")
    ] = None,
    size: Annotated[
        int | None, typer.Option("--size", help="Cut to the middle, at most so many pixels a side.")
    ] = None,
    reduce: Annotated[
        int, typer.Option("--reduce", help="Average squares of this side first: the pictures' own blur goes.")
    ] = 2,
    sigma: Annotated[tuple[float, float], typer.Option("--sigma", help="Least and greatest blur, pixels.")] = (0.55, 6),
    psf: Annotated[
        list[str] | None,
        typer.Option(
            "--psf", help="gaussian, disc, p-exponential, airy, elliptical-gaussian, motion. Default: the first two."
        ),
    ] = None,
    days: Annotated[list[str] | None, typer.Option("--days", help="Parted by commas. Default: all ten.")] = None,
    slow: Annotated[
        list[str] | None, typer.Option("--slow", help="Metrics that see fewer pixels. Default: see above.")
    ] = None,
    slow_size: Annotated[int, typer.Option("--slow-size", help="Most pixels a side for these.")] = 256,
    slow_pictures: Annotated[int, typer.Option("--slow-pictures", help="Most pictures for these.")] = 12,
    invariances: Annotated[
        bool, typer.Option("--invariances", help="Also: sigma under flip, rotation, gain, crop, resizing, …")
    ] = False,
    increment: Annotated[
        list[str] | None,
        typer.Option("--increment", help="Also: added blur, on pictures with their own; 'scikit-image': four of its."),
    ] = None,
    astigmatism: Annotated[
        bool, typer.Option("--astigmatism", help="Also: ratio and angle of elliptical PSFs.")
    ] = False,
    stability: Annotated[
        bool, typer.Option("--stability", help="Also of sharpness metrics: how far small changes move them.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write all of it: one .json file. Run again to go on.")
    ] = None,
    figure: Annotated[Path | None, typer.Option("--figure", "-f", help="Draw it: .png, .svg or .pdf.")] = None,
    seed: Annotated[int, typer.Option("--seed", help="Another one draws other blurs and noise.")] = 0,
    jobs: Annotated[int | None, typer.Option("--jobs", "-j", help="Processes. Default: one a core.")] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Measure everything anew, even what the same code has measured.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON: one object, without the single trials.")] = False,
) -> None:
    """Does a score follow the blur, and nothing but the blur, through other light, noise, formats and PSFs?

    Of a metric of quality or fidelity: how far does it move when its picture hardly changes (shifted by a pixel,
    flipped, saved again, gain, gamma, cropped, resized), beside its spread over pictures, sharp and damaged?

    Slow: lpc-si, s3, hifst, spectral-sigma, zhuo-sim, log-edge-width, prior-evidence, just-noticeable-defocus.

    Exit 1 if a picture cannot be read, or a metric that was named cannot be measured.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from kukkiri.evaluation.journal import Journal, journal_path
    from kukkiri.evaluation.pictures import BLURRED, TEXTURES, spread
    from kukkiri.evaluation.protocol import SLOW, RobustnessProtocol
    from kukkiri.evaluation.robustness import check_out, write_json
    from kukkiri.evaluation.robustness import robustness as evaluate
    from kukkiri.evaluation.stability import compared
    from kukkiri.evaluation.stability_figure import write_figures
    from kukkiri.inspection.measuring import worker_count
    from kukkiri.optics.days import DAYS
    from kukkiri.sharpness.figures import check_figure_path

    protocol = RobustnessProtocol(
        reduce=reduce,
        size=size,
        sigma=sigma,
        psfs=metric_names(psf, ("gaussian", "disc")),
        days=metric_names(days, DAYS),
        slow=metric_names(slow, SLOW),
        slow_size=slow_size,
        slow_pictures=slow_pictures,
        seed=seed,
    )
    if out is not None:
        check_out(out)
    if figure is not None:
        check_figure_path(figure)
    named = metric_names(metric)
    every = tuple(s.name for s in metrics() if s.answers == "sharpness" and not s.needs_reference)
    groups = {"all": every, "stability": compared()}
    names = tuple(dict.fromkeys(n for name in named for n in groups.get(name, (name,))))
    blurring = {
        "--sigma": tuple(sigma) != RobustnessProtocol().sigma,
        "--psf": psf is not None,
        "--days": days is not None,
        "--invariances": invariances,
        "--increment": bool(increment),
        "--astigmatism": astigmatism,
    }
    asked = [flag for flag, given in blurring.items() if given]
    if asked and not any(s.answers == "sharpness" and not s.needs_reference for s in map(spec_of, names)):
        raise InputError(
            expected=f"a metric of sharpness for {', '.join(asked)}",
            got=f"only {', '.join(names)}",
            fix="leave the option out, or name a metric of sharpness too",
        )
    journal = Journal(None if out is None else journal_path(out), fresh=fresh)
    processes = worker_count(jobs)
    try:
        with Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
        ) as progress:
            task = progress.add_task("evaluating", total=None)
            result = evaluate(
                names,
                spread(_pictures(data, TEXTURES), pictures),
                protocol=protocol,
                invariances=invariances,
                increment=_pictures(increment or [], BLURRED),
                astigmatism=astigmatism,
                stability=stability,
                processes=processes,
                journal=journal,
                on_start=lambda total: progress.update(task, total=total),
                on_done=lambda _: progress.advance(task),
            )
    except KeyboardInterrupt:
        kept = f"; what is measured is kept beside {out}, and the same command goes on from there" if out else ""
        typer.echo(f"kukkiri: interrupted{kept}", err=True)
        raise typer.Exit(130) from None
    if out is not None:
        write_json(result, out)
    if json:
        print_json(result.to_row(trials=False))
    else:
        _print(result)
    if figure is not None:
        write_figures(result, figure)
    for what, path in (("result", out), ("figure", figure)):
        if path is not None:
            typer.echo(f"{what}: {path}", err=True)
    for failed in result.failed:
        typer.echo(f"kukkiri: {failed['name']}: {failed['error']}", err=True)
    raise typer.Exit(1 if result.failed or result.unmet.intersection(named) else 0)


def _pictures(named: list[str], bundled_names: tuple[str, ...]) -> list[Picture]:
    from kukkiri.evaluation.pictures import BUNDLED, bundled, from_files
    from kukkiri.inspection.sources import find_files

    files = [name for name in named if name != BUNDLED]
    found = from_files(find_files(files)) if files else []
    return found + (bundled(bundled_names) if BUNDLED in named else [])


def _print(result: Robustness) -> None:
    from rich.text import Text

    from kukkiri.evaluation.stability_tables import all_tables

    for part in all_tables(result):
        cells: list[tuple[Any, ...]] = [
            (Text(row[0], style="bold" if index == 0 else ""), *row[1:]) for index, row in enumerate(part.rows)
        ]
        show(Text(part.title, style="bold"), table(part.columns, cells, right=part.columns[part.names :]))
        for remark in part.remarks:
            show(Text(remark, style="dim"))
        if part.remarks:
            show("")
