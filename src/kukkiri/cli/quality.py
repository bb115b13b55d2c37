"""`kukkiri quality`: a score for each picture, by itself."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kukkiri.cli.options import AutoMask, Device, MaxSide, MetricOptions, Precise, WeightFiles
from kukkiri.cli.output import Json, print_json
from kukkiri.metrics.table import DEFAULT_QUALITY, metric_names


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
    from kukkiri.quality.many import score_pairs
    from kukkiri.quality.pairing import Pair

    scoring = Scoring(
        auto_mask=auto_mask,
        device=device,
        max_side=max_side,
        precision=precision,
        weights=parse_weights(weights or ()),
        options=parse_options(option or ()),
    )
    metrics = build_metrics(metric_names(metric, [DEFAULT_QUALITY]), scoring, reference=False)
    pairs = [Pair(path.stem, path) for path in pictures]
    rows = [row for part in score_pairs(pairs, metrics, scoring) for row in part]
    if json:
        for row in rows:
            print_json(row)
    else:
        print_qualities(rows)
    raise typer.Exit(int(any(row["error"] for row in rows)))
