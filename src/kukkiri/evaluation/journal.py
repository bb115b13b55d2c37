"""What an evaluation has measured so far: one line a picture, section and metric, so that a stopped run goes on."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from kukkiri.errors import WriteError

SUFFIX = ".journal"
# To be raised when rows change their meaning.
LAYOUT = 1


class Journal:
    """Rows by a key that says all that they depend on.

    Parameters
    ----------
    path : Path or None
        A text file, made when first written to; None keeps nothing. A line cut off by a kill is passed over.
    fresh : bool
        Do not take over what it has; what is added now counts later.

    Raises
    ------
    WriteError
        If it is there but cannot be read.
    """

    def __init__(self, path: Path | None, *, fresh: bool = False) -> None:
        self.path = path
        self._rows: dict[str, list[dict[str, Any]]] = {}
        if path is None or fresh or not path.exists():
            return
        try:
            lines = path.read_bytes().splitlines()
        except OSError as error:
            raise _unusable(path, error) from error
        for line in lines:
            try:
                entry = json.loads(line)
                self._rows[entry["key"]] = entry["rows"]
            except (ValueError, KeyError, TypeError):  # cut off: measured again
                continue

    def get(self, key: str) -> list[dict[str, Any]] | None:
        """The rows under a key, if there are any."""
        return self._rows.get(key)

    def add(self, key: str, rows: list[dict[str, Any]]) -> None:
        """Keep rows, on the disk before this returns.

        Raises
        ------
        WriteError
            If the disk is full, say.
        """
        if self.path is None:
            return
        # A line break first: the line before may have been cut off.
        text = "\n" + json.dumps({"key": key, "rows": rows}, ensure_ascii=False, allow_nan=False) + "\n"
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("ab") as file:
                file.write(text.encode())
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise _unusable(self.path, error) from error


def key_of(*parts: Any) -> str:
    """A key from JSON-ready values."""
    return hashlib.sha256(json.dumps([LAYOUT, *parts], sort_keys=True).encode()).hexdigest()[:32]


def journal_path(out: Path) -> Path:
    """Where the journal of a result lies: beside it."""
    return out.with_name(out.name + SUFFIX)


def _unusable(path: Path, error: OSError) -> WriteError:
    return WriteError(
        expected=f"a journal at {path} that can be read and written",
        got=error.strerror or str(error),
        fix="make room, delete it, or choose another --out",
    )
