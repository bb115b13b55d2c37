"""Options that several commands share, with one help text each."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

Roi = Annotated[str | None, typer.Option("--roi", help="Only this region: X,Y,WIDTH,HEIGHT in pixels.")]
Mask = Annotated[Path | None, typer.Option("--mask", help="Picture that is white where pixels must not count.")]
AutoMask = Annotated[
    bool, typer.Option("--auto-mask/--no-auto-mask", help="Leave out info bars, scale bars and burnt-in text.")
]
Device = Annotated[str | None, typer.Option("--device", help="Where to compute: cpu or cuda. Default: cpu.")]
MaxSide = Annotated[
    int | None,
    typer.Option("--max-side", min=1, help="Of networks: reduce larger pictures to this side first, pixels."),
]
Precise = Annotated[
    Literal["float32", "bfloat16", "float16"] | None,
    typer.Option("--precision", help="Of networks; the short ones are for GPUs. Default: float32."),
]
WeightFiles = Annotated[
    list[str] | None,
    typer.Option("--weights", metavar="METRIC=FILE", help="A metric's own checkpoint; repeat it."),
]
MetricOptions = Annotated[
    list[str] | None,
    typer.Option("--option", metavar="METRIC.NAME=VALUE", help="An option of a metric's own; repeat it."),
]
