"""Licences that forbid commercial use: shown, accepted once, remembered (no torch in here)."""

from __future__ import annotations

import os

from kukkiri.errors import LicenceError, WriteError
from kukkiri.weights.cache import cache_dir
from kukkiri.weights.catalogue import WeightEntry


def accepted(entry: WeightEntry) -> bool:
    """Whether the licence of this checkpoint needs no acceptance, or has it (remembered, or in the environment)."""
    if entry.commercial_use:
        return True
    if entry.key in os.environ.get("KUKKIRI_ACCEPT_LICENCE", "").replace(" ", "").split(","):
        return True
    try:
        return (cache_dir() / "accepted" / entry.key).read_text(encoding="utf-8") == _text(entry)
    except (OSError, UnicodeDecodeError):
        return False


def accept(entry: WeightEntry) -> None:
    """Remember that the licence is accepted. A licence that changes later must be accepted anew."""
    note = cache_dir() / "accepted" / entry.key
    try:
        note.parent.mkdir(parents=True, exist_ok=True)
        note.write_text(_text(entry), encoding="utf-8")
    except OSError as error:
        raise WriteError(
            expected=f"a folder to write to at {note.parent}",
            got=str(error.strerror),
            fix="set KUKKIRI_HOME to another folder",
        ) from error


def forget(entry: WeightEntry) -> bool:
    """Take an acceptance back, if one is remembered: the file stays, but is not used until it is accepted again.

    Returns
    -------
    bool
        Whether one was remembered. What the environment accepts is not touched.

    Raises
    ------
    WriteError
        If it is remembered in a folder that cannot be written to.
    """
    note = cache_dir() / "accepted" / entry.key
    try:
        note.unlink()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise WriteError(
            expected=f"a folder to write to at {note.parent}", got=str(error.strerror), fix=f"delete {note} yourself"
        ) from error
    return True


def require(entry: WeightEntry, *, accept_now: bool = False) -> None:
    """Raise LicenceError unless the licence is accepted, now or before."""
    if accepted(entry):
        return
    if accept_now:
        accept(entry)
        return
    raise LicenceError(
        expected=f"that the licence of {entry.key!r} is accepted: {entry.licence}, no commercial use, {entry.terms}",
        got="no acceptance",
        fix=f"if it suits your use, run 'kukkiri weights fetch {entry.key} --accept-licence', "
        f"or set KUKKIRI_ACCEPT_LICENCE={entry.key}",
    )


def _text(entry: WeightEntry) -> str:
    return f"{entry.licence}\n{entry.terms}\n"
