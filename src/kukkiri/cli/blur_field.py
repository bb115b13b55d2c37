"""`kukkiri blur --field`: blur over the frame of each picture."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import typer

from kukkiri.cli.blur_files import Counting, Picture, pictures
from kukkiri.cli.blur_progress import progress, say_errors
from kukkiri.cli.blur_targets import Targets, check_target, listed
from kukkiri.cli.output import print_json, show
from kukkiri.inspection.record import explain


def run_field(files: list[Path], counting: Counting, grid: str, figure: Path | None, json: bool) -> bool:
    """Measure, print and draw; whether a picture could not be measured."""
    from kukkiri.cli.blur_tables import field_tables
    from kukkiri.inspection.record import printable
    from kukkiri.sharpness.field import field, parse_grid
    from kukkiri.sharpness.figures import write_figure

    cells = parse_grid(grid)
    targets = None if figure is None else Targets(figure)
    failed: list[Picture] = []
    for picture in pictures(files, counting, estimate=False):
        error = picture.error
        row: dict[str, Any] = {"path": printable(picture.path), "plane": picture.plane}
        if error is None and picture.image is None:
            error = "expected a picture that can be held as a whole for --field, got a larger one; cut out a part of it"
        if error is None and picture.image is not None:
            try:
                image, left_out = _cut(picture, counting)
                with progress(picture.path.name, None) as advance:
                    found = field(image, cells, mask=left_out, on_cell=advance)
                if targets is not None:
                    target = targets.of(picture, alone=len(files) == 1)
                    check_target(target, picture.path)
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
    say_errors(failed)
    if targets is not None and targets.used:
        typer.echo(f"figures: {listed(sorted(targets.used))}", err=True)
    return bool(failed)


def _cut(picture: Picture, counting: Counting) -> tuple[Any, Any]:
    """The region of a picture, and the mask within."""
    image, left_out = picture.image, picture.left_out
    if image is not None and counting.pixel_size is not None:
        image = replace(image, pixel_size=counting.pixel_size)
    if counting.roi is None or image is None:
        return image, left_out
    rows, columns = counting.roi.slices
    return replace(image, pixels=image.pixels[:, rows, columns].contiguous()), None if left_out is None else left_out[
        rows, columns
    ]
