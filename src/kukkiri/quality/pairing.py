"""Which picture belongs to which reference, where folders hold many of both: those of one name, and never by order."""

from __future__ import annotations

import difflib
import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kukkiri.errors import one_line


@dataclass(frozen=True)
class Pair:
    """A picture and what it is compared with.

    Parameters
    ----------
    name : str
        The path in the folder without its suffix, '/' between its parts; of a single file its stem.
    picture, reference : Path or None
        None where a partner is missing; a reference also where none is needed.
    error : str or None
        Why they cannot be compared: no partner, or more than one.
    """

    name: str
    picture: Path | None
    reference: Path | None = None
    error: str | None = None


def pair_by_name(
    pictures: Sequence[Path],
    folder: Path,
    references: Sequence[Path],
    reference_folder: Path,
    *,
    both_ways: bool = True,
) -> list[Pair]:
    """Pairs of equal relative paths, whatever their suffixes.

    Parameters
    ----------
    pictures, references : sequence of Path
        Files in the folders.
    folder, reference_folder : Path
        What their paths are relative to.
    both_ways : bool
        Whether a reference without a picture is an error too.

    Returns
    -------
    list of Pair
        Each picture once, in order, then the references that are left over. A picture without a reference, and names
        that several files of a folder share, are errors: 'a.png' and 'a.jpg' against 'a.tif' are not two pairs.
    """
    ours, theirs = _by_name(pictures, folder), _by_name(references, reference_folder)
    pairs = []
    for name, found in ours.items():
        partners = theirs.get(name, [])
        if len(found) == 1 and len(partners) == 1:
            pairs.append(Pair(name, found[0], partners[0]))
            continue
        exact = {path: _exact(path, folder, partners, reference_folder) for path in found}
        for path in found:
            # The very same name decides, if only one file has it and the other names have partners of their own.
            if all(exact.values()) and len(found) == len(partners):
                pairs.append(Pair(name, path, exact[path]))
            else:
                pairs.append(Pair(name, path, None, _why(name, found, partners, theirs, reference_folder)))
    if both_ways:
        for name, partners in theirs.items():
            if name not in ours:
                message = _missing(name, "picture", ours, folder)
                pairs += [Pair(name, None, partner, message) for partner in partners]
    return pairs


def _by_name(files: Sequence[Path], folder: Path) -> dict[str, list[Path]]:
    named: defaultdict[str, list[Path]] = defaultdict(list)
    for file in files:
        inner = file.relative_to(folder) if file.is_relative_to(folder) else Path(file.name)
        # One letter may be written in two ways in Unicode, and file systems differ in which they keep.
        named[unicodedata.normalize("NFC", inner.with_suffix("").as_posix())].append(file)
    return dict(named)


def _exact(path: Path, folder: Path, partners: Sequence[Path], reference_folder: Path) -> Path | None:
    inner = path.relative_to(folder) if path.is_relative_to(folder) else Path(path.name)
    return next((p for p in partners if p == reference_folder / inner), None)


def _why(
    name: str, found: Sequence[Path], partners: Sequence[Path], theirs: dict[str, list[Path]], folder: Path
) -> str:
    if not partners:
        return _missing(name, "reference", theirs, folder)
    many, what = (found, "picture") if len(found) > 1 else (partners, "reference")
    listed = ", ".join(one_line(path.name, 60) for path in many[:4])
    return f"expected one {what} named {one_line(name, 120)}, got {len(many)}: {listed}; rename or move the others"


def _missing(name: str, what: str, there: dict[str, list[Path]], folder: Path) -> str:
    near = difflib.get_close_matches(name, there, n=1, cutoff=0.8)
    hint = f"there is {one_line(near[0], 120)}; rename one" if near else "add it, or take the other one away"
    return f"expected a {what} named {one_line(name, 120)} in {one_line(folder, 200)}, got none; {hint}"
