"""`kukkiri blur`: how blurred pictures are, in pixels; over a focus series; over the frame."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kukkiri.cli.blur_files import Counting, Picture, Targets, explain, no_blur, pictures
from kukkiri.cli.output import Json, print_json, show
from kukkiri.errors import InputError, one_line

if TYPE_CHECKING:
    from collections.abc import Callable


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
    figure: Annotated[
        Path | None, typer.Option("--figure", "-f", help="Draw the series or the field: .png, .svg or .pdf.")
    ] = None,
    roi: Annotated[str | None, typer.Option("--roi", help="Only this region: X,Y,WIDTH,HEIGHT in pixels.")] = None,
    mask: Annotated[
        Path | None, typer.Option("--mask", help="Picture that is white where pixels must not count.")
    ] = None,
    auto_mask: Annotated[
        bool, typer.Option("--auto-mask/--no-auto-mask", help="Leave out info bars, scale bars and burnt-in text.")
    ] = True,
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
    _check(series, field, map_out, positions, step, unit, as_given, figure)
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
    if series:
        ordered = found if as_given else sorted(found, key=natural_key)
        failed = _series(ordered, counting, _positions(positions, step), unit, figure, json)
    elif field is not None:
        failed = _field(found, counting, field, figure, json)
    else:
        failed = _each(found, counting, map_out, json)
    raise typer.Exit(1 if failed else 0)


def _check(
    series: bool,
    field: str | None,
    map_out: Path | None,
    positions: str | None,
    step: float | None,
    unit: str | None,
    as_given: bool,
    figure: Path | None,
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
    if figure is not None and not series and field is None:
        raise InputError(expected="--series or --field with --figure", got="neither", fix="for a blur map use --map")
    if positions is not None and step is not None:
        raise InputError(expected="--positions or --step", got="both", fix="leave one out")
    if map_out is not None and not (map_out.is_dir() or not map_out.suffix):
        from kukkiri.sharpness.blur_map_picture import check_map_path

        check_map_path(map_out)
    if figure is not None and (series or not (figure.is_dir() or not figure.suffix)):
        from kukkiri.sharpness.figures import check_figure_path

        check_figure_path(figure)


def _each(files: list[Path], counting: Counting, map_out: Path | None, json: bool) -> bool:
    from kukkiri.cli.blur_tables import picture_tables

    targets = None if map_out is None else Targets(map_out)
    rows: list[Picture] = []
    with _progress("measuring", len(files)) as advance:
        for picture in pictures(files, counting):
            written, picture = _map(picture, targets, len(files) == 1)
            if json:
                print_json(picture.to_row() | ({} if targets is None else {"map": written and str(written)}))
            rows.append(_light(picture))
            advance(picture)
    if not json:
        show(*picture_tables(rows))
    failed = sum(row.error is not None for row in rows)
    silent = sum(row.blur is not None and row.blur.abstained is not None for row in rows)
    said = "1 picture" if len(rows) == 1 else f"{len(rows)} pictures"
    typer.echo(f"{said}: {len(rows) - failed - silent} measured, {silent} without an answer, {failed} failed", err=True)
    if targets is not None:
        typer.echo(f"maps: {_listed(sorted(targets.used))}", err=True)
    return failed > 0


def _map(picture: Picture, targets: Targets | None, alone: bool) -> tuple[Path | None, Picture]:
    """Write the map of a picture; what goes wrong is said in its row."""
    if targets is None or picture.blur is None:
        return None, picture
    from dataclasses import replace

    from kukkiri.images.reading import open_image
    from kukkiri.sharpness.blur_map_picture import write_map

    target = targets.of(picture, alone=alone)
    try:
        _check_target(target, picture.path)
        if picture.image is not None:
            write_map(picture.image, picture.blur, target, box=picture.box)
        else:
            with open_image(picture.path) as source:
                write_map(source, picture.blur, target, box=picture.box, plane=picture.plane)
    except Exception as error:
        targets.used.discard(target)
        return None, replace(picture, error=explain(error))
    return target, picture


def _series(
    files: list[Path],
    counting: Counting,
    places: Callable[[int], list[float]] | None,
    unit: str | None,
    figure: Path | None,
    json: bool,
) -> bool:
    from kukkiri.cli.blur_tables import series_tables, shared_folder
    from kukkiri.sharpness.figures import write_figure
    from kukkiri.sharpness.focus_series import series_of

    frames: list[Picture] = []
    with _progress("measuring", len(files)) as advance:
        for picture in pictures(files, counting):
            frames.append(_light(picture))
            advance(picture)
    folder = shared_folder([f.path for f in frames])
    names = [f.path.name if f.planes == 1 else f"{f.path.name} [{f.plane}]" for f in frames]
    blurs = [f.blur or no_blur(f"cannot be read: {f.error}") for f in frames]
    found = series_of(blurs, None if places is None else places(len(frames)), unit=unit, names=names)
    if figure is not None:
        write_figure(found.figure(), figure)
    if json:
        print_json(found.to_row() | {"folder": folder, "errors": [f.error for f in frames]})
    else:
        show(*([f"in {folder}"] if folder else []), *series_tables(found))
    _say_errors(frames)
    if figure is not None:
        typer.echo(f"figure: {figure}", err=True)
    return any(f.error for f in frames)


def _field(files: list[Path], counting: Counting, grid: str, figure: Path | None, json: bool) -> bool:
    from kukkiri.cli.blur_tables import field_tables
    from kukkiri.sharpness.field import field, parse_grid
    from kukkiri.sharpness.figures import write_figure

    cells = parse_grid(grid)
    targets = None if figure is None else Targets(figure)
    failed: list[Picture] = []
    for picture in pictures(files, counting, estimate=False):
        error = picture.error
        row: dict[str, Any] = {"path": str(picture.path), "plane": picture.plane}
        if error is None and picture.image is None:
            error = "expected a picture that can be held as a whole for --field, got a larger one; cut it with --roi"
        if error is None and picture.image is not None:
            try:
                image, left_out = _cut(picture, counting)
                with _progress(picture.path.name, None) as advance:
                    found = field(image, cells, mask=left_out, on_cell=lambda done, total, a=advance: a(done, total))
                if targets is not None:
                    target = targets.of(picture, alone=len(files) == 1)
                    _check_target(target, picture.path)
                    write_figure(found.figure(), target)
                if json:
                    print_json(row | {"error": None} | found.to_row())
                else:
                    show(picture.name, *field_tables(found), "")
            except Exception as problem:
                error = explain(problem)
        if error is not None:
            if json:
                print_json(row | {"error": error})
            failed.append(Picture(picture.path, picture.plane, picture.planes, error=error))
    _say_errors(failed)
    if targets is not None and targets.used:
        typer.echo(f"figures: {_listed(sorted(targets.used))}", err=True)
    return bool(failed)


def _cut(picture: Picture, counting: Counting) -> tuple[Any, Any]:
    """The region of a picture, and the mask within."""
    from dataclasses import replace

    image, left_out = picture.image, picture.left_out
    if counting.roi is None or image is None:
        return image, left_out
    rows, columns = counting.roi.slices
    cut = replace(image, pixels=image.pixels[:, rows, columns].contiguous())
    return cut, None if left_out is None else left_out[rows, columns]


def _positions(text: str | None, step: float | None) -> Callable[[int], list[float]] | None:
    """From a number of frames to their positions."""
    if step is not None:
        if step == 0:
            raise InputError(expected="a step that is not 0", got="0", fix="leave it out to count frames")
        return lambda count: [i * step for i in range(count)]
    if text is None:
        return None
    try:
        given = [float(part) for part in text.replace(";", ",").split(",")]
    except ValueError:
        raise InputError(
            expected="positions parted by commas", got=one_line(repr(text), 80), fix="for example --positions 0,0.5,1"
        ) from None

    def places(count: int) -> list[float]:
        if len(given) != count:
            raise InputError(
                expected=f"a position for each of {count} frames", got=str(len(given)), fix="give as many as frames"
            )
        return given

    return places


def _light(picture: Picture) -> Picture:
    """Without pixels: there may be thousands."""
    from dataclasses import replace

    return replace(picture, image=None, left_out=None)


def _check_target(target: Path, source: Path) -> None:
    if target.exists() and source.exists() and target.samefile(source):
        raise InputError(expected="another file to write", got="the picture itself", fix="name another, or a folder")


def _say_errors(rows: list[Picture]) -> None:
    for row in rows:
        if row.error:
            typer.echo(f"kukkiri: {row.name}: {row.error}", err=True)


def _listed(paths: list[Path]) -> str:
    shown = ", ".join(one_line(p) for p in paths[:3])
    return shown + (f" and {len(paths) - 3} more" if len(paths) > 3 else "") if paths else "none"


@contextmanager
def _progress(what: str, total: int | None) -> Iterator[Callable[..., None]]:
    """A bar on standard error, gone when done; counts files, or what the caller says is done of how much."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    with Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        disable=total == 1,
    ) as bar:
        task = bar.add_task(one_line(what, 40), total=total)

        def advance(done: Picture | int, of: int | None = None) -> None:
            if isinstance(done, int):
                bar.update(task, completed=done, total=of)
            elif done.plane == done.planes - 1:
                bar.advance(task)

        yield advance
