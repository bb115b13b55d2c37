"""Options that several commands share, with one help text each."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Roi = Annotated[str | None, typer.Option("--roi", help="Only this region: X,Y,WIDTH,HEIGHT in pixels.")]
Mask = Annotated[Path | None, typer.Option("--mask", help="Picture that is white where pixels must not count.")]
AutoMask = Annotated[
    bool, typer.Option("--auto-mask/--no-auto-mask", help="Leave out info bars, scale bars and burnt-in text.")
]
