"""Which picture belongs to which reference, where folders hold many of both: those of one name, and never by order."""

from __future__ import annotations

import difflib
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from kukkiri.errors import one_line

# How alike two names are that may be meant for one, 0 to 1: of 'img_001' and 'img_002' it is 0.86.
NEAR = 0.7


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


def bare(path: Path) -> Path:
    """A path without its suffix; '.ome.tif' is one suffix."""
    stem = path.with_suffix("")
    double = path.suffix.lower() in (".tif", ".tiff") and stem.suffix.lower() == ".ome"
    return stem.with_suffix("") if double else stem


def _by_name(files: Sequence[Path], folder: Path) -> dict[str, list[Path]]:
    named: defaultdict[str, list[Path]] = defaultdict(list)
    for file in files:
        inner = file.relative_to(folder) if file.is_relative_to(folder) else Path(file.name)
        # One letter may be written in two ways in Unicode, and file systems differ in which they keep.
        named[unicodedata.normalize("NFC", bare(inner).as_posix())].append(file)
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
    return f"expected one {what} named '{one_line(name, 120)}', got {len(many)}: {listed}; rename or move the others"


def _missing(name: str, what: str, there: dict[str, list[Path]], folder: Path) -> str:
    near = _near(name, there)
    hint = f"there is '{one_line(near, 120)}'; rename one" if near else "add it, or take the other one away"
    named = f"'{one_line(name, 120)}' (any picture suffix)"
    return f"expected a {what} {named} in {one_line(folder, 200)}, got none; {hint}"


def _near(name: str, there: Iterable[str]) -> str | None:
    """The name that was most likely meant: the same but for case, one that goes on where the other ends, or alike."""
    folded = {other.casefold(): other for other in there}
    wanted = name.casefold()
    if wanted in folded:
        return folded[wanted]
    longer = [other for other in folded if _goes_on(other, wanted) or _goes_on(wanted, other)]
    if longer:
        return folded[min(longer, key=lambda other: abs(len(other) - len(wanted)))]
    near = difflib.get_close_matches(wanted, folded, n=1, cutoff=NEAR)
    return folded[near[0]] if near else None


def _goes_on(longer: str, shorter: str) -> bool:
    """Whether a name is the other with something appended: 'a_restored' and 'a', but not '12' and '1'."""
    rest = longer.removeprefix(shorter)
    return bool(shorter) and rest != longer and rest != "" and not rest[0].isalnum() and "/" not in rest
