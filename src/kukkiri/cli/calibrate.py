"""`kukkiri calibrate`: an instrument's own blur, noise and repeatability, from its pictures in focus."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from kukkiri.cli.blur_tables import length
from kukkiri.cli.blur_targets import Targets
from kukkiri.cli.options import AutoMask, Mask, Roi
from kukkiri.cli.output import number, print_json, show, table
from kukkiri.errors import InputError, one_line
from kukkiri.replacing import replacing

if TYPE_CHECKING:
    from kukkiri.sharpness.calibration import Calibration

# Below this ratio the way of the major axis says nothing.
NEARLY_ROUND = 1.05


def command(
    pictures: Annotated[
        list[str],
        typer.Argument(help="In focus and of one magnification: files, folders, patterns. Ten are better than three."),
    ],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="File to write (.json), for 'kukkiri blur --calibration'.")
    ] = None,
    pixel_size: Annotated[
        str | None,
        typer.Option("--pixel-size", help="'1.3 nm', '0.65um', or metres: 1.3e-9. Default: what the files say."),
    ] = None,
    fields: Annotated[
        Literal["different", "same", "folder"],
        typer.Option("--fields", help="Fields of view: all different, all the same, or the same within each folder."),
    ] = "different",
    roi: Roi = None,
    mask: Mask = None,
    auto_mask: AutoMask = True,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file that is there already.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON: one object.")] = False,
) -> None:
    """Learn an instrument's own blur, noise and repeatability from its pictures in focus."""
    from kukkiri.images.reading import load
    from kukkiri.inspection.settings import parse_roi
    from kukkiri.inspection.sources import find_files
    from kukkiri.sharpness.calibration import calibrate

    if out is not None:
        if out.exists() and not overwrite:
            raise InputError(
                expected="a new file", got=f"{one_line(out)}, which exists", fix="name another, or pass --overwrite"
            )
        with replacing(out, keep=False) as trial:  # better now than after minutes of measuring
            trial.touch()
    files = find_files(pictures, stdin=sys.stdin.buffer)
    if out is not None:
        Targets(out, [*files, *([mask] if mask else [])]).checked(out)
    found = calibrate(
        _with_progress(files),
        pixel_size=pixel_size,
        mask=(*(["auto"] if auto_mask else []), *([load(mask)] if mask else [])),
        roi=parse_roi(roi) if roi else None,
        fields=fields,
    )
    if out is not None:
        found.save(out)
    if json:
        print_json(found.to_row())
        return
    show(*_tables(found))
    for note in found.notes:
        typer.echo(f"note: {note}", err=True)
    if out is not None:
        typer.echo(f"written to {one_line(out)}", err=True)


def _with_progress(files: list[Path]) -> Iterator[Path]:
    from rich.console import Console
    from rich.progress import track

    return iter(track(files, "measuring", console=Console(stderr=True), transient=True))


def _tables(found: Calibration) -> list[Any]:
    spread, transfer = found.repeatability, found.photon_transfer
    sign = "≤ " if found.bound else ""

    def metric(pixels: float | None) -> str:
        return "" if pixels is None or found.pixel_size is None else length(pixels * found.pixel_size)

    ratio = found.major / found.minor
    way = "nearly round" if ratio < NEARLY_ROUND else f"{ratio:.2f} : 1, major at {math.degrees(found.angle):.0f}°"
    rows: list[tuple[str, str, str]] = [
        ("baseline blur", f"{sign}{number(found.sigma)} px", metric(found.sigma)),
        ("  90 % interval", f"{number(found.interval[0])} … {number(found.interval[1])} px", ""),
        ("  axes", f"{number(found.major)}, {number(found.minor)} px", way),
    ]
    if spread:
        rows += [
            ("repeatability", f"± {number(spread.deviation)} px", f"between {spread.between}"),
            ("smallest detectable change", f"{number(spread.smallest_change)} px", metric(spread.smallest_change)),
        ]
        if spread.within is not None and spread.between == "fields":
            rows.insert(-1, ("  within a field", f"± {number(spread.within)} px", ""))
    rows.append(("noise", number(found.noise), "of full range"))
    if transfer:
        rows.append(
            (
                "  variance for each unit of signal",
                f"{number(transfer.slope)} ± {number(transfer.slope_error)}",
                f"signals {transfer.low:.2f} … {transfer.high:.2f}",
            )
        )
    rows.append(("pixel", "not known" if found.pixel_size is None else length(found.pixel_size), ""))
    rows.append(("pictures", f"{len(found.used)} of {len(found.pictures)}", ""))
    pictures = [
        (p.name, number(p.sigma), "" if p.interval is None else f"{number(p.interval[0])} … {_end(p.interval[1])}",
         number(p.noise), p.left_out or "")
        for p in found.pictures
    ]  # fmt: skip
    return [
        table(["picture", "sigma, px", "90 %", "noise", "left out because"], pictures, right=["sigma, px", "noise"]),
        table(["instrument", "", ""], rows),
    ]


def _end(value: float | None) -> str:
    return "∞" if value is None else number(value)
