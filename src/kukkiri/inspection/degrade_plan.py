"""Which degraded copies there are to make, under which names, and with which seeds."""

from __future__ import annotations

import os
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from kukkiri.errors import InputError, one_line
from kukkiri.inspection.degrade_table import TABLE, Labels, check_errors, read_labels
from kukkiri.inspection.record import printable
from kukkiri.optics.distort.kind import Kind, checked_level
from kukkiri.optics.distort.mixtures import JOINT, draw_mixture

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

    @property
    def is_stale(self) -> bool | None:
        """Whether the copy is older than its source; None if one of them is not there."""
        try:
            return self.target.stat().st_mtime_ns < _changed(self.source)
        except OSError:
            return None

    @property
    def about_colour(self) -> bool:
        """Whether it has no meaning for a grey picture."""
        return any(kind.needs_colour for kind in self.kinds)

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
            "reference": printable(_relative(self.source, self.target.parent)),
            "kind": JOINT.join(kind.name for kind in self.kinds),
            "group": JOINT.join(kind.group or "none" for kind in self.kinds),
            "level": f"{self.level:g}",
            "seed": str(self.seed),
            "parameters": " ".join(values),
        }


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

    A copy's own seed is made of the given one, the name that its picture has in `out` and the kinds, not of the level:
    the damage grows from level to level, and is another one on the next picture.

    Parameters
    ----------
    files : sequence of Path
        Copies that the table in `out` names are left out.
    out : Path
    kinds : sequence of Kind
    levels : sequence of float, in (0, 5]
        Taken to six digits, as labels have them.
    seed : int ≥ 0
    mixture : int
        How many kinds, of different groups, each copy gets; drawn from `kinds` where it is above 1, for a grey picture
        from those that are not about colour if they are of enough groups.
    form : 'png' | 'tif' | 'keep'
        'keep' stays with PNG or TIFF and makes PNG of all else.

    Returns
    -------
    list of Job

    Raises
    ------
    InputError
        If an option makes no sense, or a file would be overwritten that an earlier run has not made.
    ReadError
        If the table in `out` cannot be read.
    """
    steps = _steps(levels)
    if seed < 0:
        raise InputError(expected="a seed of 0 or more", got=str(seed), fix="give 0")
    if mixture > 1:
        draw_mixture(kinds, mixture, seed)  # or fail before anything is made
    labels = read_labels(out)
    check_errors(out)
    # Labels hold names as text, which stands for the bytes of names that are no UTF-8.
    made = {printable(_real(out / name)) for name in labels.rows}
    sources = [file for file in files if printable(_real(file)) not in made]
    if not sources:
        raise InputError(
            expected="pictures", got="none but copies made before", fix="name the originals, or another --out"
        )
    names = _Names(labels.rows, out)
    jobs = []
    for source in sources:
        name = names.of(source)
        suffix = source.suffix.lower() if form == "keep" and source.suffix.lower() in LOSSLESS else ".png"
        suffix = ".tif" if form == "tif" else suffix
        for chosen, level in _chosen(source, kinds, steps, mixture, f"{seed} {name}"):
            called = JOINT.join(kind.name for kind in chosen)
            target = out / f"{name}-{called}-{level:g}{suffix}"
            own = zlib.crc32(f"{seed} {name} {called}".encode(errors="surrogateescape"))
            jobs.append(Job(source, target, chosen, level, own))
    check_targets(jobs, labels)
    return jobs


def _steps(levels: Sequence[float]) -> list[float]:
    """The levels as labels have them."""
    for level in levels:
        if checked_level(level) == 0:
            raise InputError(expected="levels above 0", got="0", fix="level 0 is the picture itself: leave it out")
    written = Counter(f"{level:g}" for level in levels)
    if twice := [level for level, count in written.items() if count > 1]:
        raise InputError(
            expected="different levels", got=f"{twice[0]} more than once", fix="name each once; six digits count"
        )
    return [float(level) for level in written]


def _chosen(
    source: Path, kinds: Sequence[Kind], levels: Sequence[float], mixture: int, own: str
) -> Iterator[tuple[tuple[Kind, ...], float]]:
    if mixture == 1:
        yield from (((kind,), level) for kind in kinds for level in levels)
        return
    fitting = [kind for kind in kinds if not kind.needs_colour]
    # Of too few groups, colour stays among them, and the picture fails where it is drawn.
    enough = len({kind.group for kind in fitting}) >= mixture
    drawn = fitting if enough and len(fitting) < len(kinds) and _is_grey(source) else kinds
    for level in levels:
        yield draw_mixture(drawn, mixture, zlib.crc32(f"{own} {level:g}".encode(errors="surrogateescape"))), level


def _is_grey(path: Path) -> bool:
    """By its header; False of what cannot be read, which fails later and is told then."""
    from kukkiri.images.reading import open_image

    try:
        with open_image(path) as file:
            return file.channels == 1
    except Exception:
        return False


def check_targets(jobs: Sequence[Job], labels: Labels) -> None:
    """Raise where a copy would replace anything but a copy of the same picture, or take over what was said of another.

    Parameters
    ----------
    jobs : sequence of Job
        All in one folder.
    labels : Labels
        What the folder holds now.

    Raises
    ------
    InputError
    """
    sources = {_real(file) for file in {job.source for job in jobs}}
    count = Counter(job.target for job in jobs)
    for job in jobs:
        shown, row = one_line(job.target), job.row()
        if _real(job.target) in sources:
            raise InputError(
                expected="a folder for copies", got=f"{shown}, which is an input", fix="name another --out"
            )
        if count[job.target] > 1:
            raise InputError(
                expected="copies of different names",
                got=f"{shown} twice",
                fix="name each kind once, or rename pictures",
            )
        if (known := labels.rows.get(row["image"])) is not None and known["reference"] != row["reference"]:
            raise InputError(
                expected="a name for each picture that no other one has",
                got=f"{shown}, which is a copy of {one_line(_from_here(known['reference'], job.target.parent))}",
                fix="run again if another run has just written here; else name another --out, or rename the picture",
            )
        if known is None and os.path.lexists(job.target):
            raise InputError(
                expected="a folder without other files of the names of copies",
                got=f"{shown}, which its {TABLE} does not name",
                fix="name another --out, or move that file",
            )
        added = labels.added(row["image"])
        if added and not labels.has(row):
            raise InputError(
                expected="the options with which the copies were made that have entries of yours",
                got=f"others for {shown}, which has {', '.join(added)}",
                fix="name another --out, or take those entries out of its row",
            )
        if added and job.is_stale:
            raise InputError(
                expected="the pictures of which the copies were made that have entries of yours",
                got=f"a later {one_line(job.source)} than {shown}, which has {', '.join(added)}",
                fix="name another --out, or take those entries out of its row; "
                "if only the file's date is another one, set that of the copy to now",
            )


def _changed(path: Path) -> int:
    """When a file came to be what it is, nanoseconds: an older one that was moved here counts from then on."""
    states = (path.stat(), path.lstat())
    return max(max(state.st_mtime_ns, state.st_ctime_ns) for state in states)


class _Names:
    """A name for each source that no other source has, the same as in runs before."""

    def __init__(self, known: Mapping[str, Mapping[str, str]], out: Path) -> None:
        self.out = out
        self.owner: dict[str, str] = {}
        for row in known.values():
            tail = f"-{row['kind']}-{row['level']}"
            self.owner[Path(row["image"]).name.rpartition(tail)[0]] = row["reference"]

    def of(self, source: Path) -> str:
        mine = printable(_relative(source, self.out))
        name, number = source.stem, 2
        while self.owner.setdefault(printable(name), mine) != mine:
            name, number = f"{source.stem}-{number}", number + 1
        return name


def _real(path: Path) -> str:
    """One name of a file, whatever link leads to it."""
    return os.path.realpath(path)


def _from_here(reference: str, folder: Path) -> str:
    """What `_relative` made, as a path that a user would type."""
    return os.path.normpath(folder / reference)


def _relative(path: Path, folder: Path) -> str:
    """A path as seen from a folder; absolute where there is no way (another drive)."""
    try:
        return Path(os.path.relpath(path, folder)).as_posix()
    except ValueError:
        return path.absolute().as_posix()
