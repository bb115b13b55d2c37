"""From what a user names (files, folders, patterns, a list on standard input) to files, in order, each once."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from kukkiri.errors import InputError, one_line

# What is looked for in folders and by patterns with no suffix; a file named on its own is always taken.
SUFFIXES = frozenset(
    ".png .jpg .jpeg .jpe .jfif .webp .bmp .dib .gif .tif .tiff .btf .tf8 .ome.tif .pgm .ppm .pbm .pnm "
    ".jp2 .j2k .jxl .avif .dcm .dicom .dng .nef .cr2 .cr3 .arw .raf .rw2 .orf .pef .srw".split()
)
PATTERN = re.compile(r"[*?\[]")


def find_files(paths: str | Path | Iterable[str | Path], *, stdin: BinaryIO | None = None) -> list[Path]:
    """All files that `paths` name.

    Parameters
    ----------
    paths : path or iterable of paths
        A file is taken as it is (even one that does not exist: it gets a row that says so). A folder is searched with
        all its sub-folders for picture suffixes, hidden files left out. A pattern such as 'scan_*/*.tif' is expanded
        ('**' descends). '-' reads names from `stdin`, one a line, or separated by NUL if there is one.
    stdin : binary file, optional

    Returns
    -------
    list of Path
        Each file once, in the order of the arguments; inside a folder or pattern in natural order (2 before 10).

    Raises
    ------
    InputError
        If nothing is found at all.
    """
    named = [paths] if isinstance(paths, (str, Path)) else list(paths)
    if wrong := [n for n in named if not isinstance(n, (str, os.PathLike))]:
        raise InputError(
            expected="paths of files or folders",
            got=type(wrong[0]).__name__,
            fix="for pictures in memory use kk.quality(image) or kk.metric(name)(image)",
        )
    found: dict[str, Path] = {}
    for name in named:
        for file in _expand(os.fspath(name), stdin):
            found.setdefault(os.path.abspath(file), file)  # noqa: PTH100 (resolve() would follow links)
    if not found:
        raise InputError(
            expected="pictures",
            got=f"none in {one_line(', '.join(map(str, named[:3])) or 'an empty list')}",
            fix="name files, or folders that hold .png, .jpg, .tif or other pictures",
        )
    return list(found.values())


def natural_key(path: Path) -> list[tuple[int, int | str]]:
    """Sort key that puts frame2 before frame10."""
    parts = re.split(r"(\d+)", str(path))
    # isdecimal, not isdigit: int() knows no superscripts.
    return [(0, int(p)) if p.isdecimal() else (1, p) for p in parts if p]


def _expand(name: str, stdin: BinaryIO | None) -> Iterator[Path]:
    if name == "-":
        if stdin is None:
            raise InputError(expected="a list of names on standard input for '-'", got="none", fix="pipe one in")
        data = stdin.read()
        for line in data.split(b"\0" if b"\0" in data else b"\n"):
            line = line.rstrip(b"\r\n")
            if line:
                yield from _expand(os.fsdecode(line), None) if line != b"-" else ()
        return
    path = Path(name)
    if path.is_dir():
        yield from sorted(_walk(path), key=natural_key)
    elif not path.exists() and PATTERN.search(name):
        # A pattern that matches nothing stays as it is, and gets a row that says so.
        matches = [Path(m) for m in glob.glob(name, recursive=True)] or [path]  # noqa: PTH207 (absolute patterns too)
        if not path.suffix:  # 'scans/*' means the pictures in there, as a folder does
            matches = [m for m in matches if m.is_dir() or m == path or m.suffix.lower() in SUFFIXES]
        files = [f for m in matches for f in (_walk(m) if m.is_dir() and "**" not in name else [m])]
        yield from sorted((f for f in files if not f.is_dir()), key=natural_key)
    else:
        yield path


def _walk(folder: Path) -> Iterator[Path]:
    unreadable: list[Path] = []

    def remember(error: OSError) -> None:
        unreadable.append(Path(os.fsdecode(error.filename)))

    for where, folders, names in os.walk(folder, onerror=remember):
        folders[:] = sorted(f for f in folders if not f.startswith("."))
        for name in names:
            if not name.startswith(".") and Path(name).suffix.lower() in SUFFIXES:
                yield Path(where) / name
    yield from unreadable  # each gets a row that says that it cannot be read
