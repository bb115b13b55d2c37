"""Degraded copies of pictures with labels: what was done to each, how strongly, and with what seed."""

from __future__ import annotations

import csv
import os
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from kukkiri.errors import InputError, one_line
from kukkiri.inspection.record import explain, printable
from kukkiri.optics.distort.kind import Kind, checked_level
from kukkiri.optics.distort.mixtures import JOINT, distort_all, draw_mixture
from kukkiri.replacing import replacing

if TYPE_CHECKING:
    from kukkiri.images.image import Image

TABLE, ERRORS = "labels.csv", "errors.csv"
COLUMNS = ("image", "reference", "kind", "group", "level", "seed", "parameters")
ERROR_COLUMNS = ("reference", "kind", "level", "error")
# What holds a picture without loss; a JPEG would bring a distortion of its own.
LOSSLESS = (".png", ".tif", ".tiff")


@dataclass(frozen=True)
class Job:
    """One copy to make.

    Parameters
    ----------
    source : Path
    target : Path
    kinds : tuple of Kind
        One, or those of a mixture in order.
    level : float
    seed : int
        As `distort_all` takes it.
    """

    source: Path
    target: Path
    kinds: tuple[Kind, ...]
    level: float
    seed: int

    def row(self) -> dict[str, str]:
        """The row of the table of labels; `image` and `reference` are relative to its folder."""
        mixed = len(self.kinds) > 1
        values = [
            f"{kind.name + '.' if mixed else ''}{name}={value:.6g}"
            for kind in self.kinds
            for name, value in kind.ladder.at(self.level).items()
        ]
        return {
            "image": printable(self.target.name),
            "reference": printable(relative(self.source, self.target.parent)),
            "kind": JOINT.join(kind.name for kind in self.kinds),
            "group": JOINT.join(kind.group or "none" for kind in self.kinds),
            "level": f"{self.level:g}",
            "seed": str(self.seed),
            "parameters": " ".join(values),
        }


def relative(path: Path, folder: Path) -> str:
    """A path as seen from a folder; absolute where there is no way (another drive)."""
    try:
        return Path(os.path.relpath(path, folder)).as_posix()
    except ValueError:
        return path.absolute().as_posix()


def plan(
    files: Sequence[Path],
    out: Path,
    kinds: Sequence[Kind],
    levels: Sequence[float],
    *,
    seed: int = 0,
    mixture: int = 1,
    form: Literal["png", "tif", "keep"] = "png",
) -> list[Job]:
    """What there is to make: every kind at every level of every picture, or one mixture a level of each.

    A copy's own seed is made of the given one, the picture's name and the kinds, not of the level: the damage grows
    from level to level, and is another one on the next picture.

    Parameters
    ----------
    files : sequence of Path
        Copies that the table in `out` names are left out.
    out : Path
    kinds : sequence of Kind
    levels : sequence of float, in (0, 5]
    seed : int ≥ 0
    mixture : int
        How many kinds, of different groups, each copy gets; drawn from `kinds` where it is above 1.
    form : 'png' | 'tif' | 'keep'
        'keep' stays with PNG or TIFF and makes PNG of all else.

    Returns
    -------
    list of Job

    Raises
    ------
    InputError
        If an option makes no sense, or an input would be overwritten.
    """
    for level in levels:
        if checked_level(level) == 0:
            raise InputError(expected="levels above 0", got="0", fix="level 0 is the picture itself: leave it out")
    if seed < 0:
        raise InputError(expected="a seed of 0 or more", got=str(seed), fix="give 0")
    if mixture > 1:
        draw_mixture(kinds, mixture, seed)  # or fail before anything is made
    known = read_table(out)
    made = {os.path.abspath(out / name) for name in known}  # noqa: PTH100 (resolve() would follow links)
    sources = [file for file in files if os.path.abspath(file) not in made]  # noqa: PTH100
    if not sources:
        raise InputError(
            expected="pictures", got="none but copies made before", fix="name the originals, or another --out"
        )
    names = _Names(known, out)
    jobs = []
    for source in sources:
        name = names.of(source)
        suffix = source.suffix.lower() if form == "keep" and source.suffix.lower() in LOSSLESS else ".png"
        suffix = ".tif" if form == "tif" else suffix
        for chosen, level in _chosen(kinds, levels, mixture, seed, source.name):
            called = JOINT.join(kind.name for kind in chosen)
            target = out / f"{name}-{called}-{level:g}{suffix}"
            jobs.append(Job(source, target, chosen, level, zlib.crc32(f"{seed} {source.name} {called}".encode())))
    taken = {os.path.abspath(file) for file in sources}  # noqa: PTH100
    if clash := next((job.target for job in jobs if os.path.abspath(job.target) in taken), None):  # noqa: PTH100
        raise InputError(
            expected="a folder for copies", got=f"{one_line(clash)}, which is an input", fix="name another --out"
        )
    return jobs


def _chosen(
    kinds: Sequence[Kind], levels: Sequence[float], mixture: int, seed: int, name: str
) -> Iterator[tuple[tuple[Kind, ...], float]]:
    if mixture == 1:
        yield from (((kind,), level) for kind in kinds for level in levels)
        return
    for level in levels:
        yield draw_mixture(kinds, mixture, zlib.crc32(f"{seed} {name} {level:g}".encode())), level


def degrade(
    jobs: Sequence[Job],
    *,
    device: str | None = None,
    skip_colour: bool = False,
    on_done: Callable[[Job | None, str | None], None] | None = None,
) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """Make the copies and write the tables; copies that are there with the same label are not made again.

    The table grows with every copy, so that a run that is stopped can go on. Copies of 8 bits, or of 16 where the
    picture has more than 8 and no kind is a codec of 8.

    Parameters
    ----------
    jobs : sequence of Job
        As `plan` makes them, all in one folder; those of one source in a row.
    device : str, optional
        Where to compute.
    skip_colour : bool
        Pass over kinds about colour on grey pictures, in place of counting them as errors.
    on_done : function(job, error or None), optional
        For a progress bar; the job is None where it was passed over.

    Returns
    -------
    list of dict
        The rows of these jobs.
    list of dict
        What failed, the rows of errors.csv.

    Raises
    ------
    WriteError
        If the tables cannot be written.
    """
    if not jobs:
        return [], []
    out = jobs[0].target.parent
    known = read_table(out)
    rows: list[dict[str, str]] = []
    failed: list[dict[str, str]] = []
    with _growing(out / TABLE, known) as add:
        opened: tuple[Path, Image | str] | None = None
        for job in jobs:
            row, error = job.row(), None
            if not _is_there(job, known.get(row["image"]), row):
                if opened is None or opened[0] != job.source:
                    opened = job.source, _load(job.source)
                image = opened[1]
                if not isinstance(image, str) and image.channels == 1 and skip_colour and _about_colour(job):
                    if on_done:
                        on_done(None, None)
                    continue
                error = image if isinstance(image, str) else _make(job, image, device)
                if error is None:
                    add(row)
            if error is None:
                rows.append(row)
            else:
                failed.append({name: row[name] for name in ERROR_COLUMNS[:3]} | {"error": error})
            if on_done:
                on_done(job, error)
    everything = known | {row["image"]: row for row in rows}
    _write(out / TABLE, COLUMNS, [row for row in everything.values() if (out / row["image"]).exists()])
    if failed:
        _write(out / ERRORS, ERROR_COLUMNS, failed)
    else:
        (out / ERRORS).unlink(missing_ok=True)
    return rows, failed


def read_table(out: Path) -> dict[str, dict[str, str]]:
    """Rows of labels that a folder holds, by image; empty where there is no table. Broken rows are left out."""
    path = out / TABLE
    if not path.is_file():
        return {}
    with path.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if set(row) == set(COLUMNS) and None not in row.values()]
    return {row["image"]: row for row in rows}


def _is_there(job: Job, known: Mapping[str, str] | None, row: Mapping[str, str]) -> bool:
    try:
        newer = job.target.stat().st_mtime_ns >= job.source.stat().st_mtime_ns
    except OSError:
        return False
    return newer and known == row


def _about_colour(job: Job) -> bool:
    return any(kind.needs_colour for kind in job.kinds)


def _load(path: Path) -> Image | str:
    from kukkiri.images.reading import load

    try:
        return load(path)
    except Exception as problem:
        return explain(problem)


def _make(job: Job, image: Image, device: str | None) -> str | None:
    """What went wrong, or None."""
    from kukkiri.images.writing import save

    try:
        changed = distort_all(image.pixels[None].to(device or "cpu"), job.kinds, job.level, job.seed)[0].cpu()
        deep = image.bit_depth > 8 and not any(kind.eight_bit for kind in job.kinds)
        save(changed, job.target, like=image, bit_depth=16 if deep else 8)
    except Exception as problem:
        return explain(problem)
    return None


class _Names:
    """A name for each source that no other source has, the same as in runs before."""

    def __init__(self, known: Mapping[str, Mapping[str, str]], out: Path) -> None:
        self.out = out
        self.owner: dict[str, str] = {}
        for row in known.values():
            tail = f"-{row['kind']}-{row['level']}"
            self.owner[Path(row["image"]).name.rpartition(tail)[0]] = row["reference"]

    def of(self, source: Path) -> str:
        mine = printable(relative(source, self.out))
        name, number = source.stem, 2
        while self.owner.setdefault(name, mine) != mine:
            name, number = f"{source.stem}-{number}", number + 1
        return name


@contextmanager
def _growing(path: Path, known: Mapping[str, Mapping[str, str]]) -> Iterator[Callable[[Mapping[str, str]], None]]:
    """Begin the table with what is known; what is added is in the file at once."""
    _write(path, COLUMNS, list(known.values()))
    with path.open("a", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, COLUMNS, lineterminator="\n")

        def add(row: Mapping[str, str]) -> None:
            table.writerow(row)
            file.flush()

        yield add


def _write(path: Path, columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> None:
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, columns, lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
