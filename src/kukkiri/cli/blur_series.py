"""`kukkiri blur --series`: focus over a series of frames."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import typer

from kukkiri.cli.blur_files import Counting, Picture, pictures
from kukkiri.cli.blur_progress import progress, say_errors
from kukkiri.cli.blur_targets import Targets
from kukkiri.cli.output import print_json, show
from kukkiri.errors import InputError, one_line


def run_series(
    files: list[Path],
    counting: Counting,
    places: Callable[[int], list[float]] | None,
    unit: str | None,
    targets: Targets | None,
    json: bool,
) -> bool:
    """Measure, print and draw; whether a frame could not be read."""
    from kukkiri.cli.blur_tables import series_tables, shared_folder
    from kukkiri.inspection.record import printable
    from kukkiri.sharpness.figures import write_figure
    from kukkiri.sharpness.focus_series import series_of

    figure = None if targets is None else targets.checked(targets.out)
    where = None if places is None else places(sum(map(_planes, files)))
    frames: list[Picture] = []
    with progress("measuring", len(files)) as advance:
        for picture in pictures(files, counting):
            frames.append(picture.without_pixels())
            advance(picture)
    say_errors(frames)
    # A frame that cannot be read is no frame; the others keep their numbers and positions.
    read = [(number, frame, frame.blur) for number, frame in enumerate(frames) if frame.blur is not None]
    if not read:
        return True
    folder = shared_folder([frame.path for _, frame, _ in read])
    found = series_of(
        [blur for _, _, blur in read],
        [float(number) if where is None else where[number] for number, _, _ in read],
        unit=unit or ("frame" if where is None else None),
        names=[printable(f.path.name) + (f" [{f.plane}]" if f.planes > 1 else "") for _, f, _ in read],
    )
    if figure is not None:
        write_figure(found.figure(), figure)
    if json:
        failed = [{"path": printable(f.path), "plane": f.plane, "error": f.error} for f in frames if f.error]
        print_json(found.to_row() | {"folder": printable(folder), "failed": failed})
    else:
        show(*([f"in {one_line(folder)}"] if folder else []), *series_tables(found))
    if figure is not None:
        typer.echo(f"figure: {one_line(figure)}", err=True)
    return any(f.error for f in frames)


def _planes(file: Path) -> int:
    """How many frames a file will give; one that cannot be read gives one, which says so."""
    from kukkiri.sharpness.frames import count_planes

    try:
        return count_planes(file)
    except Exception:
        return 1


def places_from(text: str | None, step: float | None) -> Callable[[int], list[float]] | None:
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
