"""Where `kukkiri blur` writes the maps and figures of several pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from kukkiri.cli.blur_files import Picture
from kukkiri.errors import InputError, one_line


class Targets:
    """Names of the files that are written for pictures: out.png for one, out-NAME.png or a folder for more.

    Parameters
    ----------
    out : Path
        A file, or a folder: one that exists, or a name without a suffix.
    suffix : str
        In a folder, of the files.
    """

    def __init__(self, out: Path, suffix: str = ".png") -> None:
        self.folder = out.is_dir() or not out.suffix
        self.out, self.suffix = out, suffix if self.folder else out.suffix
        self.used: set[Path] = set()

    def of(self, picture: Picture, *, alone: bool) -> Path:
        """Where to write what belongs to a picture; `alone` if there is only one file."""
        plane = f"-{picture.plane}" if picture.planes > 1 else ""
        if self.folder:
            stem, folder = picture.path.stem + plane, self.out
        else:
            stem = self.out.stem + ("" if alone else f"-{picture.path.stem}") + plane
            folder = self.out.parent
        target, number = folder / f"{stem}{self.suffix}", 2
        while target in self.used:  # two folders may hold files of one name
            target, number = folder / f"{stem}-{number}{self.suffix}", number + 1
        self.used.add(target)
        return target


def check_target(target: Path, source: Path) -> None:
    """Raise InputError if a picture would be written over."""
    if target.exists() and source.exists() and target.samefile(source):
        raise InputError(expected="another file to write", got="the picture itself", fix="name another, or a folder")


def listed(paths: Sequence[Path]) -> str:
    """The first few of some paths."""
    shown = ", ".join(one_line(p) for p in paths[:3])
    return shown + (f" and {len(paths) - 3} more" if len(paths) > 3 else "") if paths else "none"
