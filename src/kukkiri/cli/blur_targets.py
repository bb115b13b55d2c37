"""Where `kukkiri blur` writes the maps and figures of several pictures: never over what it reads."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from kukkiri.cli.blur_files import Picture
from kukkiri.errors import InputError, one_line


class Targets:
    """Names of the files that are written for pictures: out.png for one, out-NAME.png or a folder for more.

    Parameters
    ----------
    out : Path
        A file, or a folder: one that exists, or a name without a suffix. In a folder the files are .png.
    inputs : iterable of Path
        What is read, and must not be written over by whatever name: a link, say.
    """

    def __init__(self, out: Path, inputs: Iterable[Path] = ()) -> None:
        self.folder = out.is_dir() or not out.suffix
        self.out, self.suffix = out, ".png" if self.folder else out.suffix
        self.inputs = {file for file in map(_identity, inputs) if file is not None}
        self.used: set[Path] = set()

    def of(self, picture: Picture, *, alone: bool) -> Path:
        """Where to write what belongs to a picture; `alone` if there is only one file.

        Raises
        ------
        InputError
            If that would be one of the inputs. Another name is not made up: in a folder of pictures the next run
            would take what was written for pictures.
        """
        plane = f"-{picture.plane}" if picture.planes > 1 else ""
        if self.folder:
            stem, folder = picture.path.stem + plane, self.out
        else:
            stem = self.out.stem + ("" if alone else f"-{picture.path.stem}") + plane
            folder = self.out.parent
        target, number = folder / f"{stem}{self.suffix}", 2
        while target in self.used:  # two folders may hold files of one name
            target, number = folder / f"{stem}-{number}{self.suffix}", number + 1
        self.used.add(self.checked(target))
        return target

    def checked(self, target: Path) -> Path:
        """A path, unless it is one of the inputs.

        Raises
        ------
        InputError
            If it is.
        """
        if _identity(target) in self.inputs:
            raise InputError(
                expected="a file to write that is not read too",
                got=f"{one_line(target)}, one of the inputs",
                fix="name another, or a folder without pictures",
            )
        return target


def _identity(path: Path) -> tuple[int, int] | None:
    """What all names of one file have in common; None of what is not there."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino


def listed(paths: Sequence[Path]) -> str:
    """The first few of some paths."""
    shown = ", ".join(one_line(p) for p in paths[:3])
    return shown + (f" and {len(paths) - 3} more" if len(paths) > 3 else "") if paths else "none"
