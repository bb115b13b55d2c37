"""What a run has measured so far, safe against being killed at any moment.

A small SQLite file beside the table: each batch is one transaction, so it is in there whole or not at all. A later run
takes over every file that was measured well and that, like settings and weights, is unchanged. Deleting the journal
only costs measuring again.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from kukkiri.errors import WriteError
from kukkiri.inspection.blur_view import BlurView
from kukkiri.inspection.quality_view import QualityView
from kukkiri.inspection.record import is_partly_measured, printable
from kukkiri.inspection.settings import file_fingerprint
from kukkiri.inspection.worker import Measured

SUFFIX = ".journal"
# To be raised when the tables change: an older journal is then started anew.
LAYOUT = 5
SCHEMA = (
    "CREATE TABLE IF NOT EXISTS files (source BLOB PRIMARY KEY, settings, fingerprint, has_thumbnail, failed)",
    "CREATE TABLE IF NOT EXISTS rows (source BLOB, plane INTEGER, row TEXT, thumbnail BLOB, blur TEXT, map BLOB, "
    "quality TEXT, PRIMARY KEY (source, plane))",
)


class Kept(NamedTuple):
    """What is kept of one picture.

    Parameters
    ----------
    row : dict
        As `Record.to_row` gives it.
    thumbnail : bytes or None
    blur : BlurView or None
    quality : QualityView or None
    """

    row: dict[str, Any]
    thumbnail: bytes | None
    blur: BlurView | None
    quality: QualityView | None


class Journal:
    """Rows by file.

    Parameters
    ----------
    path : Path or None
        Of the journal; None keeps it in a temporary file that goes with it.
    settings : str
        Fingerprint of the settings; rows of other settings do not count.

    Raises
    ------
    WriteError
        If another run is using it, or it cannot be written.
    """

    def __init__(self, path: Path | None, settings: str) -> None:
        self.path, self.settings = path, settings
        try:
            # '' is SQLite's private temporary database: in memory while small, then on disk.
            if path is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect("" if path is None else path, timeout=1, isolation_level=None)
            if path is not None:
                # One run at a time: two would measure everything twice and race for the table.
                self._db.execute("PRAGMA locking_mode = EXCLUSIVE")
            if self._db.execute("PRAGMA user_version").fetchone()[0] not in (0, LAYOUT):
                self._db.execute("DROP TABLE IF EXISTS files")
                self._db.execute("DROP TABLE IF EXISTS rows")
            self._db.execute("BEGIN IMMEDIATE")
            for statement in SCHEMA:
                self._db.execute(statement)
            self._db.execute(f"PRAGMA user_version = {LAYOUT}")
            self._db.execute("COMMIT")
        except (sqlite3.Error, OSError) as error:
            busy = "locked" in str(error)
            raise WriteError(
                expected=f"a journal at {path} that this run can write",
                got="another run that is using it" if busy else f"{type(error).__name__}: {error}",
                fix="wait for it to end, or choose another --out" if busy else "delete it, or choose another --out",
            ) from error

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def add(self, batch: Sequence[Measured]) -> None:
        """Store one batch, all of it or nothing.

        Raises
        ------
        WriteError
            If the disk is full, say.
        """
        by_source: dict[bytes, list[Measured]] = {}
        for measured in batch:
            by_source.setdefault(_key(measured.source), []).append(measured)
        with self._guarded():
            self._db.execute("BEGIN IMMEDIATE")
            for key, pictures in by_source.items():
                # What is partly measured is no failure: a picture that is too small for a metric will be so again.
                failures = [
                    bool(m.record.error) and not is_partly_measured(m.record.to_row(), tuple(m.record.scores))
                    for m in pictures
                ]
                failed = any(failures)
                shown = all(m.thumbnail or failure for m, failure in zip(pictures, failures, strict=True))
                self._db.execute("DELETE FROM rows WHERE source = ?", (key,))
                self._db.execute(
                    "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?)",
                    (key, self.settings, pictures[0].fingerprint, shown, failed),
                )
                self._db.executemany(
                    "INSERT INTO rows VALUES (?, ?, ?, ?, ?, ?, ?)", ((key, *_stored(m)) for m in pictures)
                )
            self._db.execute("COMMIT")

    def is_fresh(self, file: Path, *, thumbnails: bool) -> bool:
        """Whether a file has been measured well with these settings and has not changed since.

        What failed is tried again: a package may have been installed, a permission given. What is partly measured is
        not.
        """
        query = "SELECT settings, fingerprint, has_thumbnail, failed FROM files WHERE source = ?"
        with self._guarded():
            found = self._db.execute(query, (_key(file),)).fetchone()
        if found is None or found[:2] != (self.settings, file_fingerprint(file)) or found[3]:
            return False
        return bool(found[2]) or not thumbnails

    def others(self, files: Sequence[Path]) -> int:
        """How many files of earlier runs are not among these."""
        with self._guarded():
            stored = {key for (key,) in self._db.execute("SELECT source FROM files")}
        return len(stored - {_key(file) for file in files})

    def rows(self, files: Sequence[Path]) -> Iterator[Kept]:
        """What is kept of each picture of these files, in their order."""
        query = "SELECT row, thumbnail, blur, map, quality FROM rows WHERE source = ? ORDER BY plane"
        for file in files:
            with self._guarded():
                stored = self._db.execute(query, (_key(file),)).fetchall()
            for row, small, figures, cells, judged in stored:
                # The path as this run names it: the row may be from a run in another folder.
                named = json.loads(row) | {"path": printable(file)}
                blur = None if figures is None else BlurView(json.loads(figures), cells)
                yield Kept(named, small, blur, None if judged is None else QualityView(json.loads(judged)))

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            if self._db.in_transaction:
                with suppress(sqlite3.Error):
                    self._db.execute("ROLLBACK")
            raise WriteError(
                expected=f"a journal at {self.path or 'a temporary place'} that can be read and written",
                got=f"{type(error).__name__}: {error}",
                fix="make room on the disk or delete the journal, and run the same command again",
            ) from error


def journal_path(out: Path) -> Path:
    """Where the journal of a table lies: beside it."""
    return out.with_name(out.name + SUFFIX)


def _stored(measured: Measured) -> tuple[int, str, bytes | None, str | None, bytes | None, str | None]:
    blur, quality = measured.blur, measured.quality
    figures, cells = (None, None) if blur is None else (json.dumps(dict(blur.figures)), blur.map)
    judged = None if quality is None else json.dumps(dict(quality.figures))
    return measured.record.plane, json.dumps(measured.record.to_row()), measured.thumbnail, figures, cells, judged


def _key(path: Path) -> bytes:
    return os.fsencode(os.path.abspath(path))  # noqa: PTH100 (resolve() would follow links)
