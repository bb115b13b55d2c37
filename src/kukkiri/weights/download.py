"""One file over HTTP that goes on where it stopped: the downloader that pooch is given."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import requests

from kukkiri.errors import WeightError
from kukkiri.weights.catalogue import WeightEntry

CHUNK = 1 << 16
TIMEOUT = (10.0, 60.0)
# Seconds before each further attempt, as long as nothing new arrives; anything new starts the row again.
PATIENCE = (0.5, 2.0, 5.0)
_BUSY = (408, 425, 429)


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
        Its size is a hard limit.
    part : Path
        The unfinished file. Only one process may use it at a time.
    report : callable
        Called with the number of bytes that are there, after each chunk.

    Attributes
    ----------
    resumed : bool
        Whether the last call used bytes that lay in `part` before it.
    """

    def __init__(self, entry: WeightEntry, part: Path, report: Callable[[int], None]) -> None:
        self.entry, self.part, self.report = entry, part, report
        self.resumed = False

    def __call__(self, url: str, output_file: str, _pooch: Any) -> None:
        """Download `url` to `output_file`. Called by pooch, which then compares the sha256.

        Raises
        ------
        WeightError
            If the server has no such file or one of another size, or cannot be reached.
        """
        if self._kept() > self.entry.size:
            self.part.unlink()
        self.resumed = self._kept() > 0
        self.report(self._kept())
        fruitless, reached = 0, False
        while self._kept() < self.entry.size:
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
        if self._kept() < self.entry.size:
            raise _InterruptedError("the connection ended early")

    def _begin(self, response: requests.Response, start: int) -> int:
        """Where in the file the body of this answer begins, or an error."""
        status = response.status_code
        if status >= 500 or status in _BUSY:
            raise _InterruptedError(f"HTTP {status} {response.reason}")
        if status == 416:  # the server's file ends before ours does: what is kept is of another file
            self.part.unlink(missing_ok=True)
            raise _InterruptedError("the server's file is shorter than what was kept")
        if status not in (200, 206):
            raise WeightError(
                expected=f"the file of {self.entry.key!r} at {response.url}",
                got=f"HTTP {status} {response.reason}",
                fix="check the mirror (KUKKIRI_MIRROR, --mirror), or update kukkiri if the file has moved",
            )
        begin = 0
        if status == 206:
            told = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
            if told is None or int(told[1]) > start:
                raise self._another(response, "a part of a file from another place than asked for")
            begin = int(told[1])
        length = response.headers.get("Content-Length", "")
        if length.isdecimal() and begin + int(length) != self.entry.size:
            raise self._another(response, f"{begin + int(length)} bytes")
        return begin

    def _write(self, response: requests.Response, begin: int) -> None:
        # Unbuffered: what has arrived survives the death of the process.
        with self.part.open("r+b" if begin else "wb", buffering=0) as file:
            file.seek(begin)
            file.truncate()
            there = begin
            for chunk in response.iter_content(CHUNK):
                there += len(chunk)
                if there > self.entry.size:
                    self.part.unlink()
                    raise self._another(response, f"at least {there} bytes")
                file.write(chunk)
                self.report(there)
            os.fsync(file.fileno())

    def _another(self, response: requests.Response, got: str) -> WeightError:
        return WeightError(
            expected=f"a file of {self.entry.size} bytes for {self.entry.key!r} (sha256 {self.entry.sha256})",
            got=f"{got} from {response.url}",
            fix="check the mirror (KUKKIRI_MIRROR, --mirror), or update kukkiri if the file has changed",
        )

    def _given_up(self, url: str, reason: str) -> WeightError:
        return WeightError(
            expected=f"the file of {self.entry.key!r} from {url}",
            got=reason,
            fix=f"run 'kukkiri weights fetch {self.entry.key}' again ({self._kept()} of {self.entry.size} bytes are "
            "kept), or set KUKKIRI_MIRROR, or put the file by hand where 'kukkiri weights list --json' says",
        )


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
