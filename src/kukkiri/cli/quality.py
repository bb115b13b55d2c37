"""`kukkiri quality`: a score for each picture, by itself."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kukkiri.cli.options import AutoMask, Device, MaxSide, MetricOptions, Precise, WeightFiles
from kukkiri.cli.output import Json
from kukkiri.cli.scoring import say_interrupted, scored
from kukkiri.errors import InputError
from kukkiri.metrics.table import DEFAULT_QUALITY, metric_names

if TYPE_CHECKING:
    from kukkiri.quality.pairing import Pair


def command(
    pictures: Annotated[list[Path], typer.Argument(help="Picture files.")],
    metric: Annotated[
        list[str] | None,
        typer.Option(
            "--metric",
            "-m",
            help=f"Any that needs no reference; repeat it or part by commas. Default: {DEFAULT_QUALITY}.",
        ),
    ] = None,
    auto_mask: AutoMask = True,
    max_side: MaxSide = None,
    device: Device = None,
    precision: Precise = None,
    weights: WeightFiles = None,
    option: MetricOptions = None,
    json: Json = False,
) -> None:
    """Score pictures by themselves, and say what is wrong. Whole folders: 'kukkiri measure'."""
    from kukkiri.cli.quality_tables import print_qualities
    from kukkiri.quality.building import Scoring, build_metrics, parse_options, parse_weights

    scoring = Scoring(
        auto_mask=auto_mask,
        device=device,
        max_side=max_side,
        precision=precision,
        weights=parse_weights(weights or ()),
        options=parse_options(option or ()),
    )
    metrics = build_metrics(metric_names(metric, [DEFAULT_QUALITY]), scoring, reference=False)
    pairs = [_alone(path, metric or ()) for path in pictures]
    rows, interrupted = scored("scoring", pairs, metrics, scoring, json=json)
    if not json:
        print_qualities(rows)
    if interrupted:
        say_interrupted(len(rows) // len(metrics), len(pairs))
        raise typer.Exit(130)
    raise typer.Exit(int(any(row["error"] for row in rows)))


def _alone(path: Path, metric: Sequence[str]) -> Pair:
    """A picture without a reference; of a folder, how its pictures are scored."""
    from kukkiri.quality.pairing import Pair

    if not path.is_dir():
        return Pair(path.stem, path)
    words = ["kukkiri", "measure", str(path), *(["-m", ",".join(metric)] if metric else [])]
    folder = InputError(expected="picture files", got="a folder", fix=f"for all in it: {shlex.join(words)}")
    return Pair(path.name, path, error=str(folder))
