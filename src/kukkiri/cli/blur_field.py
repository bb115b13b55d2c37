"""`kukkiri blur --field`: blur over the frame of each picture."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import typer

from kukkiri.cli.blur_files import Counting, Picture, pictures
from kukkiri.cli.blur_progress import progress, say_errors
from kukkiri.cli.blur_targets import Targets, listed
from kukkiri.cli.output import print_json, show
from kukkiri.inspection.record import explain


def run_field(files: list[Path], counting: Counting, grid: str, targets: Targets | None, json: bool) -> bool:
    """Measure, print and draw; whether a picture could not be measured."""
    from kukkiri.cli.blur_tables import field_tables
    from kukkiri.inspection.record import printable
    from kukkiri.sharpness.field import field, parse_grid
    from kukkiri.sharpness.figures import write_figure

    cells = parse_grid(grid)
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
                    write_figure(found.figure(), targets.of(picture, alone=len(files) == 1))
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
    from kukkiri.sharpness.references import cut

    image = picture.image
    if image is None:
        return None, picture.left_out
    if counting.pixel_size is not None:
        image = replace(image, pixel_size=counting.pixel_size)
    return cut(image, picture.left_out, counting.roi)
