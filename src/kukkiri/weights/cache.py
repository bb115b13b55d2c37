"""Where checkpoints lie, whether they are there, and whether they are whole (no torch in here).

Of some published files the catalogue knows neither the size nor more than the first digits of the sha256. What their
first download had of both is noted beside them (`FILE.sha256`, in the format of sha256sum), and every later check
compares with all of it.
"""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from kukkiri.errors import WeightError
from kukkiri.weights.catalogue import DIGITS, WeightEntry, entry_of

SHIPPED = Path(__file__).with_name("shipped")


@dataclass(frozen=True)
class Note:
    """What the first download of a file had.

    Parameters
    ----------
    sha256 : str
        All 64 digits.
    size : int
        Bytes.
    """

    sha256: str
    size: int


def cache_dir() -> Path:
    """The folder of downloaded checkpoints: `weights` in `KUKKIRI_HOME`, or else in the platform's cache.

    Returns
    -------
    Path
        Made when something is first put there.
    """
    home = os.environ.get("KUKKIRI_HOME")
    if home:
        return Path(home).expanduser() / "weights"
    # What pooch.os_cache asks, without the time that importing pooch takes.
    from platformdirs import user_cache_dir

    return Path(user_cache_dir("kukkiri")) / "weights"


def path_of(entry: WeightEntry) -> Path:
    """Where the file of this entry lies, or will lie."""
    return (SHIPPED if entry.kind == "shipped" else cache_dir()) / entry.file


def note_path(entry: WeightEntry) -> Path:
    """Where the note of this entry's file lies, if its catalogue entry is not exact."""
    return path_of(entry).with_name(f"{entry.file}.sha256")


def note_of(entry: WeightEntry) -> Note | None:
    """What was noted of this entry's file; None if nothing was, or if that contradicts the catalogue."""
    if entry.exact:
        return None
    try:
        text = note_path(entry).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    found = re.fullmatch(rf"# (\d+) bytes\n([0-9a-f]{{{DIGITS}}})  {re.escape(entry.file)}\n", text)
    if found is None or not found[2].startswith(entry.sha256) or entry.size not in (0, int(found[1])):
        return None
    return Note(sha256=found[2], size=int(found[1]))


def take_note(entry: WeightEntry, sha256: str) -> None:
    """Note the whole sha256 and the size of a file that agrees with all that is known; nothing for an exact entry."""
    if entry.exact:
        return
    size = path_of(entry).stat().st_size
    if note_of(entry) == Note(sha256, size):
        return
    text = f"# {size} bytes\n{sha256}  {entry.file}\n"
    own = note_path(entry).with_suffix(f".{os.getpid()}")
    try:
        own.write_text(text, encoding="utf-8", newline="\n")
        own.replace(note_path(entry))
    except OSError:  # a cache that is only read: the file is compared with what the catalogue knows, each time
        own.unlink(missing_ok=True)


def known_sha256(entry: WeightEntry) -> str:
    """All the digits that are known: the catalogue's, or those of the note."""
    note = note_of(entry)
    return entry.sha256 if note is None else note.sha256


def present(key: str) -> bool:
    """Whether the checkpoint is there with its full size. Costs one look at the file system.

    Where the catalogue does not know the size: whether it is there as it was when it was first checked.

    Raises
    ------
    UnknownNameError
        If there is no such key.
    """
    entry = entry_of(key)
    try:
        found = path_of(entry).stat().st_size
    except OSError:
        return False
    if entry.size:
        return found == entry.size
    note = note_of(entry)
    return note is not None and found == note.size


def verify(key: str) -> Path:
    """Read the whole checkpoint and compare its sha256 with the catalogue's.

    Where the catalogue knows only its first digits, the others are noted now, or compared if they were noted before.

    Returns
    -------
    Path
        Of the file, which is whole.

    Raises
    ------
    WeightError
        If it is missing or damaged.
    UnknownNameError
        If there is no such key.
    """
    entry = entry_of(key)
    path = path_of(entry)
    if not path.is_file():
        raise missing(entry)
    return _checked(entry, sha256_of(path))


def is_whole(entry: WeightEntry) -> bool:
    """Whether the file is there and agrees with all that is known of it; its contents are read."""
    try:
        verify(entry.key)
    except (WeightError, OSError):
        return False
    return True


def sha256_of(path: Path) -> str:
    """The sha256 of a file's contents, 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def require_whole(entry: WeightEntry) -> Path:
    """As `verify`, but a file that has not changed since this process read it is not read again."""
    path = path_of(entry)
    try:
        facts = path.stat()
    except OSError:
        raise missing(entry) from None
    return _checked(entry, _digest(path, facts.st_size, facts.st_mtime_ns, facts.st_ino))


@lru_cache(maxsize=256)
def _digest(path: Path, _size: int, _changed: int, _inode: int) -> str:
    # A file of another size, time or inode is another file to the memory of this function.
    return sha256_of(path)


def _checked(entry: WeightEntry, found: str) -> Path:
    path = path_of(entry)
    if not found.startswith(known_sha256(entry)) or entry.size not in (0, path.stat().st_size):
        raise damaged(entry, found)
    take_note(entry, found)
    return path


def missing(entry: WeightEntry) -> WeightError:
    """The error for a checkpoint that is not there, or not as it should be."""
    path = path_of(entry)
    if entry.kind == "shipped":
        return WeightError(
            expected=f"the weights {entry.key!r} in the package ({path})",
            got="no such file",
            fix="install kukkiri again",
        )
    if path.is_file():
        return WeightError(
            expected=f"the weights {entry.key!r} at {path}, whole and checked",
            got=f"a file of {path.stat().st_size} bytes that is not",
            fix=f"run 'kukkiri weights verify {entry.key}'",
        )
    return WeightError(
        expected=f"the weights {entry.key!r} at {path}",
        got="no such file",
        fix=f"run 'kukkiri weights fetch {entry.key}' (from {entry.address}, {entry.fingerprint})",
    )


def damaged(entry: WeightEntry, found: str) -> WeightError:
    """The error for a checkpoint whose sha256 is not the one that is known."""
    note = note_of(entry)
    expected = entry.fingerprint if note is None else f"sha256 {note.sha256} (as in {note_path(entry)})"
    again = "install kukkiri again" if entry.kind == "shipped" else f"run 'kukkiri weights fetch {entry.key}'"
    return WeightError(
        expected=f"the weights {entry.key!r} with {expected}",
        got=f"{found} in {path_of(entry)}: the file is damaged",
        fix=f"{again}, which replaces it",
    )
