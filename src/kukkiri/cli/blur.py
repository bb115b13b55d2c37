"""`kukkiri blur`: how blurred pictures are, in pixels; over a focus series; over the frame; across slanted edges."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from kukkiri.cli.blur_field import run_field
from kukkiri.cli.blur_files import Counting, Picture, pictures
from kukkiri.cli.blur_progress import progress
from kukkiri.cli.blur_series import places_from, run_series
from kukkiri.cli.blur_sfr import SfrOptions, run_sfr
from kukkiri.cli.blur_targets import Targets, listed
from kukkiri.cli.options import AutoMask, Mask, Roi
from kukkiri.cli.output import Json, print_json, show
from kukkiri.errors import InputError
from kukkiri.inspection.record import printable


def command(
    files: Annotated[
        list[str], typer.Argument(help="Files, folders, patterns, or '-' for a list of names on standard input.")
    ],
    map_out: Annotated[
        Path | None,
        typer.Option(
            "--map",
            help="Blur map to write: .png to look at, .tif with sigma in pixels. Of several pictures OUT-NAME.png, "
            "or NAME.png in a folder.",
        ),
    ] = None,
    series: Annotated[
        bool, typer.Option("--series", help="The files are one focus series: its best frame and its optimum.")
    ] = False,
    positions: Annotated[
        str | None, typer.Option("--positions", help="Focus positions of the frames: '0,0.5,1'. Default: 0, 1, 2, …")
    ] = None,
    step: Annotated[float | None, typer.Option("--step", help="Or their distance, if it is always the same.")] = None,
    unit: Annotated[str | None, typer.Option("--unit", help="Of positions and step: 'um', say.")] = None,
    as_given: Annotated[
        bool,
        typer.Option("--as-given", help="Frames in the order of the arguments, not of the numbers in their names."),
    ] = False,
    field: Annotated[
        str | None, typer.Option("--field", help="Blur over the frame: COLUMNSxROWS cells, such as 5x5.")
    ] = None,
    sfr: Annotated[
        bool,
        typer.Option("--sfr", help="MTF50 and the curve across slanted edges (ISO 12233): found, or the one in --roi."),
    ] = False,
    oecf: Annotated[
        str | None,
        typer.Option("--oecf", help="From values to light: 'srgb', or a table of digital value and luminance."),
    ] = None,
    reference: Annotated[
        Path | None, typer.Option("--reference", help="The same edge taken sharper: the SFR over that one's.")
    ] = None,
    edges: Annotated[int | None, typer.Option("--edges", min=1, help="The most edges to measure. Default: 8.")] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Table of the SFR, a line a frequency: .csv, .jsonl, .parquet.")
    ] = None,
    figure: Annotated[
        Path | None, typer.Option("--figure", "-f", help="Draw the series, the field or the SFR: .png, .svg or .pdf.")
    ] = None,
    roi: Roi = None,
    mask: Mask = None,
    auto_mask: AutoMask = True,
    pixel_size: Annotated[
        str | None,
        typer.Option("--pixel-size", help="'1.3 nm', '0.65um', or metres: 1.3e-9. Default: what the files say."),
    ] = None,
    calibration: Annotated[
        Path | None,
        typer.Option("--calibration", help="Of the instrument, from 'kukkiri calibrate': tell the blur beyond it."),
    ] = None,
    json: Json = False,
) -> None:
    """Tell how blurred pictures are: sigma in pixels with its 90 % interval, axes, kind and noise.

    Sigma is the standard deviation of the point-spread function; half of the radius of a disc. '<' and '>' mark bounds
    of what can be told. Angles are those of the major axis, from right towards down. A picture that says nothing of its
    blur gets no number but the reason: that is an answer, and no error.

    Exit 1 if a file cannot be read.
    """
    _check_sfr(sfr, {"--oecf": oecf, "--reference": reference, "--edges": edges, "--out": out}, {
        "--series": series or None, "--field": field, "--map": map_out, "--calibration": calibration,
    })  # fmt: skip
    if sfr and roi:
        _check_region({"--mask": mask, "--edges": edges})
    _check(series, field, sfr, map_out, positions, step, unit, as_given, figure, pixel_size, calibration)
    from kukkiri.images.reading import load
    from kukkiri.inspection.settings import parse_roi
    from kukkiri.inspection.sources import find_files, natural_key
    from kukkiri.sharpness.calibration import Calibration
    from kukkiri.sharpness.references import checked_pixel_size

    counting = Counting(
        mask=None if mask is None else load(mask),
        auto_mask=auto_mask,
        roi=parse_roi(roi) if roi else None,
        pixel_size=checked_pixel_size(pixel_size),
        calibration=None if calibration is None else Calibration.load(calibration),
    )
    found = find_files(files, stdin=sys.stdin.buffer)
    drawn = figure or map_out
    read = [*found, *(file for file in (mask, calibration, reference) if file is not None)]
    read += [] if oecf in (None, "srgb") else [Path(str(oecf))]
    targets = None if drawn is None else Targets(drawn, read)
    if series:
        ordered = found if as_given else sorted(found, key=natural_key)
        failed = run_series(ordered, counting, places_from(positions, step), unit, targets, json)
    elif sfr:
        if out is not None:
            Targets(out, read).checked(out)
        failed = run_sfr(found, counting, SfrOptions(oecf, reference, edges or 8, out), targets, json)
    elif field is not None:
        failed = run_field(found, counting, field, targets, json)
    else:
        failed = _each(found, counting, targets, json)
    raise typer.Exit(1 if failed else 0)


def _check(
    series: bool,
    field: str | None,
    sfr: bool,
    map_out: Path | None,
    positions: str | None,
    step: float | None,
    unit: str | None,
    as_given: bool,
    figure: Path | None,
    pixel_size: str | None,
    calibration: Path | None,
) -> None:
    """Refuse options that would have no effect, before anything is measured."""
    only_series = {"--positions": positions, "--step": step, "--unit": unit, "--as-given": as_given or None}
    wrong = [name for name, value in only_series.items() if value is not None and not series]
    if wrong:
        raise InputError(expected="--series", got=f"{wrong[0]} without it", fix="add --series, or leave it out")
    if series and field is not None:
        raise InputError(expected="--series or --field", got="both", fix="run the command twice")
    if map_out is not None and (series or field is not None):
        raise InputError(expected="--map of single pictures", got="it with --series or --field", fix="use --figure")
    if calibration is not None and (series or field is not None):
        raise InputError(
            expected="--calibration of single pictures", got="it with --series or --field", fix="leave it out"
        )
    if pixel_size is not None and series:
        raise InputError(
            expected="--pixel-size without --series", got="both", fix="the curve is in pixels, leave it out"
        )
    if figure is not None and not series and field is None and not sfr:
        raise InputError(
            expected="--series, --field or --sfr with --figure", got="none of them", fix="for a blur map use --map"
        )
    if positions is not None and step is not None:
        raise InputError(expected="--positions or --step", got="both", fix="leave one out")
    if map_out is not None and not (map_out.is_dir() or not map_out.suffix):
        from kukkiri.sharpness.blur_map_picture import check_map_path

        check_map_path(map_out)
    if figure is not None and (series or not (figure.is_dir() or not figure.suffix)):
        from kukkiri.sharpness.figures import check_figure_path

        check_figure_path(figure)


def _check_sfr(sfr: bool, only: dict[str, object], never: dict[str, object]) -> None:
    """Refuse what belongs to --sfr without it, and what does not with it."""
    wrong = [name for name, value in (never if sfr else only).items() if value is not None]
    if wrong:
        raise InputError(
            expected=f"--sfr {'without' if sfr else 'with'} {wrong[0]}",
            got="both" if sfr else f"{wrong[0]} without it",
            fix="run the command twice" if sfr else "add --sfr, or leave it out",
        )


def _check_region(never: dict[str, object]) -> None:
    """Refuse what has no effect where the region of an edge is named."""
    for name, value in never.items():
        if value is not None:
            raise InputError(
                expected=f"--roi without {name} with --sfr",
                got="both",
                fix="leave one out: a region that is named has one edge, and all its pixels count",
            )


def _each(files: list[Path], counting: Counting, targets: Targets | None, json: bool) -> bool:
    from kukkiri.cli.blur_tables import picture_tables

    rows: list[Picture] = []
    with progress("measuring", len(files)) as advance:
        for picture in pictures(files, counting):
            written, picture = _map(picture, targets, len(files) == 1)
            if json:
                row = picture.to_row(calibrated=counting.calibration is not None)
                print_json(row | ({} if targets is None else {"map": written and printable(written)}))
            rows.append(picture.without_pixels())
            advance(picture)
    if not json:
        show(*picture_tables(rows))
    failed = sum(row.error is not None for row in rows)
    silent = sum(row.error is None and row.blur is not None and row.blur.abstained is not None for row in rows)
    said = "1 picture" if len(rows) == 1 else f"{len(rows)} pictures"
    typer.echo(f"{said}: {len(rows) - failed - silent} measured, {silent} without an answer, {failed} failed", err=True)
    if targets is not None:
        typer.echo(f"maps: {listed(sorted(targets.used))}", err=True)
    return failed > 0


def _map(picture: Picture, targets: Targets | None, alone: bool) -> tuple[Path | None, Picture]:
    """Write the map of a picture; what goes wrong is said in its row."""
    if targets is None or picture.blur is None:
        return None, picture
    from kukkiri.images.reading import open_image
    from kukkiri.sharpness.blur_map_picture import write_map

    target: Path | None = None
    try:
        target = targets.of(picture, alone=alone)
        if picture.image is not None:
            write_map(picture.image, picture.blur, target, box=picture.box)
        else:
            with open_image(picture.path) as source:
                write_map(source, picture.blur, target, box=picture.box, plane=picture.plane)
    except Exception as error:
        if target is not None:
            targets.used.discard(target)
        return None, picture.with_error(error)
    return target, picture
