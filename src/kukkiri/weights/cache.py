"""Where checkpoints lie, whether they are there, and whether they are whole (no torch in here)."""

from __future__ import annotations

import hashlib
import os
from functools import lru_cache
from pathlib import Path

from kukkiri.errors import WeightError
from kukkiri.weights.catalogue import WeightEntry, entry_of

SHIPPED = Path(__file__).with_name("shipped")


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
    import pooch

    return Path(pooch.os_cache("kukkiri")) / "weights"


def path_of(entry: WeightEntry) -> Path:
    """Where the file of this entry lies, or will lie."""
    return (SHIPPED if entry.kind == "shipped" else cache_dir()) / entry.file


def present(key: str) -> bool:
    """Whether the checkpoint is there with its full size. Costs one look at the file system.

    Raises
    ------
    UnknownNameError
        If there is no such key.
    """
    entry = entry_of(key)
    try:
        return path_of(entry).stat().st_size == entry.size
    except OSError:
        return False


def verify(key: str) -> Path:
    """Read the whole checkpoint and compare its sha256 with the catalogue's.

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
    found = sha256_of(path)
    if found != entry.sha256:
        raise damaged(entry, found)
    return path


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
    found = _digest(path, facts.st_size, facts.st_mtime_ns, facts.st_ino)
    if found != entry.sha256:
        raise damaged(entry, found)
    return path


@lru_cache(maxsize=256)
def _digest(path: Path, _size: int, _changed: int, _inode: int) -> str:
    # A file of another size, time or inode is another file to the memory of this function.
    return sha256_of(path)


def missing(entry: WeightEntry) -> WeightError:
    """The error for a checkpoint that is not there."""
    if entry.kind == "shipped":
        return WeightError(
            expected=f"the weights {entry.key!r} in the package ({path_of(entry)})",
            got="no such file",
            fix="install kukkiri again",
        )
    return WeightError(
        expected=f"the weights {entry.key!r} at {path_of(entry)}",
        got="no such file",
        fix=f"run 'kukkiri weights fetch {entry.key}' (from {entry.address}, sha256 {entry.sha256})",
    )


def damaged(entry: WeightEntry, found: str) -> WeightError:
    """The error for a checkpoint whose sha256 is not the catalogue's."""
    again = "install kukkiri again" if entry.kind == "shipped" else f"run 'kukkiri weights fetch {entry.key}'"
    return WeightError(
        expected=f"the weights {entry.key!r} with sha256 {entry.sha256}",
        got=f"{found} in {path_of(entry)}: the file is damaged",
        fix=f"{again}, which replaces it",
    )
