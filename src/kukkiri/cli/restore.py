"""`kukkiri restore`: make pictures clear, and show what was done."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from kukkiri.cli.blur_files import Counting, Picture, pictures
from kukkiri.cli.blur_progress import progress, say_errors
from kukkiri.cli.blur_targets import Targets
from kukkiri.cli.options import AutoMask, Mask, Roi
from kukkiri.cli.output import Json, number, print_json, show, table
from kukkiri.errors import InputError, WriteError, one_line
from kukkiri.inspection.record import explain, printable
from kukkiri.replacing import replacing

if TYPE_CHECKING:
    from kukkiri.restoration.restoration import Restoration

KEPT = (".png", ".tif", ".tiff")


def command(
    files: Annotated[list[str], typer.Argument(help="Pictures: files, folders, patterns.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to write to.")],
    task: Annotated[Literal["deblur", "dehaze"], typer.Option("--task", help="What to undo.")] = "deblur",
    method: Annotated[
        Literal["self-deblur", "self-deblur-defocus", "dark-channel"] | None,
        typer.Option(
            "--method",
            help="Deblur: fitted to each picture alone, to any kernel (the default) or to one that is round. "
            "Dehaze: the dark channel prior.",
        ),
    ] = None,
    omega: Annotated[
        float | None, typer.Option("--omega", help="Share of the haze to take out, 0 to 1. Default: 0.95.")
    ] = None,
    kernel: Annotated[
        Path | None, typer.Option("--kernel", help="The point-spread function as a picture, if it is known.")
    ] = None,
    kernel_size: Annotated[
        int | None,
        typer.Option("--kernel-size", help="Side that the kernel must fit in, odd. Default: from the measured blur."),
    ] = None,
    noise: Annotated[
        float | None, typer.Option("--noise", help="Standard deviation of the noise on [0, 1]. Default: estimated.")
    ] = None,
    steps: Annotated[
        int | None, typer.Option("--steps", min=1, help="The most steps of the fit. Default: 1500, out of focus 600.")
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="Where the fit begins. Default: 0.")] = None,
    roi: Roi = None,
    mask: Mask = None,
    auto_mask: AutoMask = True,
    device: Annotated[str | None, typer.Option("--device", help="cpu, cuda, …")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that are there already.")] = False,
    json: Json = False,
) -> None:
    """Make pictures clear. To deblur takes minutes each on a CPU, a megapixel at most; to dehaze seconds.

    Writes NAME-restored (depth and pixel size kept), NAME-kernel.tif if there is a kernel, and NAME-figure.png with
    before, after, kernel. What is masked does not count and stays as it was.
    """
    from kukkiri.images.reading import load
    from kukkiri.inspection.settings import parse_roi
    from kukkiri.inspection.sources import find_files
    from kukkiri.restoration.restore import checked

    fit = {"--kernel": kernel, "--kernel-size": kernel_size, "--noise": noise, "--steps": steps, "--seed": seed}
    others: dict[str, Any] = {"--omega": omega} if task == "deblur" else fit
    for flag in (flag for flag, value in others.items() if value is not None):
        other = "dehaze" if task == "deblur" else "deblur"
        raise InputError(expected=f"no {flag} to {task}", got=flag, fix=f"leave it out; it belongs to --task {other}")
    if out.exists() and not out.is_dir():
        raise InputError(expected="a folder for --out", got=f"{one_line(out)}, a file", fix="name a folder")
    counting = Counting(
        mask=None if mask is None else load(mask), auto_mask=auto_mask, roi=parse_roi(roi) if roi else None
    )
    found = find_files(files, stdin=sys.stdin.buffer)
    known = None if kernel is None else load(kernel).pixels.mean(0)
    options: dict[str, Any] = {"kernel": known, "noise": noise, "steps": steps, "seed": seed or 0, "device": device}
    if kernel_size is not None:
        options["kernel_size"] = kernel_size
    if omega is not None:
        options["omega"] = omega
    checked(task, method, **options)
    # A folder that cannot be written is told before the work, not after it.
    with _told_of(out), _staging(out):
        pass
    places = _Places(out, [*found, *(file for file in (mask, kernel) if file is not None)], overwrite)
    rows: list[tuple[str, ...]] = []
    failed: list[Picture] = []
    warned: list[tuple[str, str]] = []
    for picture in pictures(found, counting, estimate=False):
        row: dict[str, Any] = {"path": printable(picture.path), "plane": picture.plane, "error": picture.error}
        if picture.error is None:
            try:
                restored, files_written = _restored(picture, task, method, options, places, roi is not None)
                row |= dict(restored.report) | {"files": [printable(file) for file in files_written]}
                warned += [(picture.name, text) for text in restored.report["warnings"]]
                rows.append(_line(picture, restored, files_written))
            except KeyboardInterrupt:
                typer.echo("kukkiri: interrupted; of this picture nothing is written", err=True)
                raise
            except Exception as problem:
                row["error"] = explain(problem)
        if row["error"] is not None:
            failed.append(replace(picture.without_pixels(), error=row["error"]))
        if json:
            print_json({k: None if v != v else v for k, v in row.items()})
    if rows and not json:
        columns = COLUMNS[task]
        show(table(["picture", *columns, "written"], rows, right=list(columns)))
    for name, said in warned:
        typer.echo(f"kukkiri: {name}: {said}", err=True)
    say_errors(failed)
    raise typer.Exit(1 if failed else 0)


COLUMNS = {
    "deblur": ("kernel", "noise", "residual", "steps", "time"),
    "dehaze": ("air", "light that arrives", "omega", "time"),
}


class _Places:
    """Where things go; nothing that is there is touched unless wanted, and nothing that is read at all."""

    def __init__(self, out: Path, inputs: list[Path], overwrite: bool) -> None:
        self.out, self.overwrite, self.inputs = out, overwrite, Targets(out, inputs)
        self.used: set[str] = set()

    def of(self, picture: Picture) -> tuple[Path, Path, Path]:
        stem = picture.path.stem + (f"-{picture.plane}" if picture.planes > 1 else "")
        name, number_of = stem, 2
        while name in self.used:  # two folders may hold files of one name
            name, number_of = f"{stem}-{number_of}", number_of + 1
        self.used.add(name)
        suffix = picture.path.suffix.lower()
        depth = picture.image.bit_depth if picture.image is not None else 8
        kind = suffix if suffix in KEPT else ".png" if depth <= 16 else ".tif"
        places = tuple(self.out / f"{name}-{what}" for what in (f"restored{kind}", "kernel.tif", "figure.png"))
        for place in map(self.inputs.checked, places):
            if place.exists() and not self.overwrite:
                raise InputError(
                    expected="a folder without this result",
                    got=f"{one_line(place)}, which exists",
                    fix="name another, or pass --overwrite",
                )
        return places[0], places[1], places[2]


def _restored(
    picture: Picture, task: str, method: str | None, options: dict[str, Any], places: _Places, only_box: bool
) -> tuple[Restoration, list[Path]]:
    from kukkiri.images.masks import Box
    from kukkiri.images.writing import save
    from kukkiri.restoration.figure import restoration_figure
    from kukkiri.restoration.part import put_back
    from kukkiri.restoration.restore import restore

    image = picture.image
    if image is None:
        raise InputError(
            expected="a picture that can be held as a whole", got="a larger one", fix="cut out a part of it"
        )
    written = places.of(picture)
    box = picture.box or Box(0, 0, image.height, image.width)
    inside = replace(image, pixels=image.pixels[(slice(None), *box.slices)])
    left_out = None if picture.left_out is None else picture.left_out[box.slices]
    left_out = left_out if left_out is not None and bool(left_out.any()) else None
    with progress(picture.name, 0) as advance:
        restored = restore(inside, task, method=method, mask=left_out, progress=advance, **options)
    whole = put_back(image, restored.image, box, left_out)
    if only_box:
        whole = replace(whole, pixels=whole.pixels[(slice(None), *box.slices)])
    kernel = restored.kernel
    files = [file for file in written if kernel is not None or file != written[1]]
    with _all_or_none(files) as staged:
        save(whole, staged / written[0].name, like=image)
        if kernel is not None:
            save(kernel / kernel.max(), staged / written[1].name, bit_depth=32)
        restoration_figure(inside, restored, staged / written[2].name)
    return restored, files


@contextmanager
def _all_or_none(files: list[Path]) -> Iterator[Path]:
    """A folder to write files of these names to, that take their places together when the block ends well."""
    folder = files[0].parent
    with _told_of(folder), ExitStack() as places, _staging(folder) as staged:
        yield staged
        for file in files:
            shutil.move(staged / file.name, places.enter_context(replacing(file)))


@contextmanager
def _staging(folder: Path) -> Iterator[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".kukkiri-", dir=folder) as staged:
        yield Path(staged)


@contextmanager
def _told_of(folder: Path) -> Iterator[None]:
    """What the system says against writing there, as an error that names the folder, not the picture."""
    try:
        yield
    except OSError as error:
        raise WriteError(
            expected="a folder to write results in",
            got=f"{one_line(folder)}: {error.strerror or error}",
            fix="check that it is a folder that you may write to and that has room",
        ) from error


def _line(picture: Picture, restored: Restoration, written: list[Path]) -> tuple[str, ...]:
    report = restored.report
    seconds = float(report["seconds"])
    took = f"{seconds / 60:.1f} min" if seconds >= 60 else f"{seconds:.0f} s"
    if report["task"] == "dehaze":
        air = " ".join(f"{value:.2f}" for value in report["airlight"])
        arrives = f"{report['mean_transmission']:.0%}"
        return picture.name, air, arrives, number(report["omega"]), took, one_line(written[0])
    return (
        picture.name,
        f"sigma {number(report['kernel_sigma'])} px",
        number(report["noise"]),
        number(report["residual"]),
        str(report["steps"]),
        took,
        one_line(written[0]),
    )
