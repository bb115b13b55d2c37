"""One file over HTTP that goes on where it stopped: the downloader that pooch is given.

Where the catalogue does not know a file's size, the server's word for it (Content-Length) and the mark of its version
(ETag) are kept beside the unfinished file: a later call goes on only if both are still the same.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import requests

from kukkiri.errors import WeightError, one_line
from kukkiri.weights.catalogue import WeightEntry

CHUNK = 1 << 16
TIMEOUT = (10.0, 60.0)
# Seconds before each further attempt, as long as nothing new arrives; anything new starts the row again.
PATIENCE = (0.5, 2.0, 5.0)
_BUSY = (408, 425, 429)
# Bytes that a file may have whose size neither the catalogue nor the server tells.
LARGEST = 1 << 33


class _InterruptedError(Exception):
    """The connection was cut, or the server is busy: worth another attempt if the server has answered at all."""

    def __init__(self, reason: str, *, answered: bool = True) -> None:
        super().__init__(reason)
        self.answered = answered


class ResumingDownloader:
    """A downloader for pooch that keeps what has come in a `.part` file and asks only for the rest.

    Parameters
    ----------
    entry : WeightEntry
        Its size is a hard limit; if it is 0, the size is what the server says.
    part : Path
        The unfinished file. Only one process may use it at a time. What the server said lies beside it, in `told`.
    report : callable
        Called with the number of bytes that are there and those of the whole file (0: not known yet), after each chunk.

    Attributes
    ----------
    resumed : bool
        Whether the last call used bytes that lay in `part` before it.
    """

    def __init__(self, entry: WeightEntry, part: Path, report: Callable[[int, int], None]) -> None:
        self.entry, self.part, self.report = entry, part, report
        self.told = told_path(part)
        self.resumed = False
        self._size, self._version = entry.size, ""
        self._ended = False  # a body without a length has come to its end

    def __call__(self, url: str, output_file: str, _pooch: Any) -> None:
        """Download `url` to `output_file`. Called by pooch, which then compares the sha256.

        Raises
        ------
        WeightError
            If the server has no such file or one of another size, or cannot be reached.
        """
        self._recall()
        if self._kept() > self._size:
            self._drop()
        self.resumed = self._kept() > 0
        self.report(self._kept(), self._size)
        fruitless, reached = 0, False
        while not self._complete():
            before = self._kept()
            try:
                self._go_on(url)
            except _InterruptedError as cut:
                fruitless = 0 if self._kept() > before else fruitless + 1
                reached = reached or cut.answered
                # A server that has never answered is most likely out of reach: say so at once.
                if fruitless > len(PATIENCE) or not reached:
                    raise self._given_up(url, str(cut)) from cut.__cause__
                time.sleep(PATIENCE[max(fruitless - 1, 0)])
        self.part.replace(output_file)
        self.told.unlink(missing_ok=True)

    def _complete(self) -> bool:
        return self._ended or (self._size > 0 and self._kept() == self._size)

    def _recall(self) -> None:
        """What the server said in an earlier call. Without it, a file of unknown size is begun anew."""
        self._size, self._version, self._ended = self.entry.size, "", False
        if self.entry.size:
            return
        try:
            size, version = json.loads(self.told.read_text(encoding="utf-8"))
            self._size, self._version = int(size), str(version)
        except (OSError, ValueError, TypeError):
            self._drop()

    def _drop(self) -> None:
        """Forget what has come, and of a file of unknown size also what the server said."""
        self.part.unlink(missing_ok=True)
        self.told.unlink(missing_ok=True)
        self._size, self._version = self.entry.size, ""
        self.resumed = False

    def _kept(self) -> int:
        try:
            return self.part.stat().st_size
        except FileNotFoundError:
            return 0

    def _go_on(self, url: str) -> None:
        """One request for what is still missing."""
        start = self._kept()
        # A compressed answer would count other bytes than the file's.
        headers = {"Accept-Encoding": "identity"}
        if start:
            headers["Range"] = f"bytes={start}-"
        try:
            response = requests.get(url, headers=headers, stream=True, timeout=TIMEOUT)
        except ValueError as error:  # requests: not an address, or not one of HTTP
            raise WeightError(
                expected="an address that begins with https:// or http://", got=url, fix="correct the mirror's address"
            ) from error
        except requests.exceptions.RequestException as error:
            raise _InterruptedError(_reason(error), answered=False) from error
        with response:
            begin = self._begin(response, start)
            try:
                self._write(response, begin)
            except requests.exceptions.RequestException as error:
                raise _InterruptedError(_reason(error)) from error
        if self._size and self._kept() < self._size:
            raise _InterruptedError("the connection ended early")
        # Without any word of the size the end of the body is the end of the file; its digits tell whether that is so.
        self._ended = True

    def _begin(self, response: requests.Response, start: int) -> int:
        """Where in the file the body of this answer begins, or an error."""
        status = response.status_code
        if status >= 500 or status in _BUSY:
            raise _InterruptedError(f"HTTP {status} {response.reason}")
        if status == 416:  # the server's file ends before ours does: what is kept is of another file
            self._drop()
            raise _InterruptedError("the server's file is shorter than what was kept")
        if status not in (200, 206):
            raise WeightError(
                expected=f"the file of {self.entry.key!r} at {response.url}",
                got=f"HTTP {status} {response.reason}",
                fix="check the mirror (KUKKIRI_MIRROR, --mirror), or update kukkiri if the file has moved",
            )
        begin, size = 0, 0
        if status == 206:
            told = re.match(r"bytes (\d+)-\d*(?:/(\d+))?", response.headers.get("Content-Range", ""))
            if told is None or int(told[1]) > start:
                raise self._another(response, "a part of a file from another place than asked for")
            begin, size = int(told[1]), int(told[2] or 0)
        length = response.headers.get("Content-Length", "")
        if length.isdecimal():
            size = begin + int(length)
        if self.entry.size:
            if size not in (0, self.entry.size):
                raise self._another(response, f"{size} bytes")
        else:
            self._learn(size, response.headers.get("ETag", ""), begin)
        return begin

    def _learn(self, size: int, version: str, begin: int) -> None:
        """Keep the server's word for a file of unknown size; what is kept of another file is dropped."""
        if begin and (size, version) != (self._size, self._version):
            self._drop()
            raise _InterruptedError("the server's file has changed")
        if size > LARGEST:
            raise self._too_large(size)
        self._size, self._version = size, version
        if size:
            self.told.write_text(json.dumps([size, version]), encoding="utf-8")
        else:  # a cut could not be told from the end
            self.told.unlink(missing_ok=True)

    def _write(self, response: requests.Response, begin: int) -> None:
        # Unbuffered: what has arrived survives the death of the process.
        with self.part.open("r+b" if begin else "wb", buffering=0) as file:
            file.seek(begin)
            file.truncate()
            there = begin
            for chunk in response.iter_content(CHUNK):
                there += len(chunk)
                if there > (self._size or LARGEST):
                    error = self._another(response, f"at least {there} bytes") if self._size else self._too_large(there)
                    self._drop()
                    raise error
                file.write(chunk)
                self.report(there, self._size)
            os.fsync(file.fileno())

    def _another(self, response: requests.Response, got: str) -> WeightError:
        return WeightError(
            expected=f"{f'a file of {self._size} bytes' if self._size else 'the file'} for {self.entry.key!r} "
            f"({self.entry.fingerprint})",
            got=f"{got} from {response.url}",
            fix="check the mirror (KUKKIRI_MIRROR, --mirror), or update kukkiri if the file has changed",
        )

    def _too_large(self, got: int) -> WeightError:
        return WeightError(
            expected=f"a file of at most {LARGEST} bytes for {self.entry.key!r}, as its size is not in the catalogue",
            got=f"{got} bytes",
            fix="check the mirror (KUKKIRI_MIRROR, --mirror)",
        )

    def _given_up(self, url: str, reason: str) -> WeightError:
        kept = f"{self._kept()} of {self._size} bytes are kept" if self._size else "nothing is kept"
        return WeightError(
            expected=f"the file of {self.entry.key!r} from {url}",
            got=reason,
            fix=f"run 'kukkiri weights fetch {self.entry.key}' again ({kept}), or set KUKKIRI_MIRROR, "
            "or put the file by hand where 'kukkiri weights list --json' says",
        )


def told_path(part: Path) -> Path:
    """Where the server's word for an unfinished file lies."""
    return part.with_suffix(".told")


def _reason(error: Exception) -> str:
    """What lies at the bottom of a chain of errors: 'Name or service not known' rather than three wrappings of it."""
    cause: BaseException = error
    while (below := cause.__cause__ or cause.__context__) is not None:
        cause = below
    text = cause.strerror if isinstance(cause, OSError) and cause.strerror else str(cause)
    return f"{type(error).__name__} ({one_line(text, 120)})"
