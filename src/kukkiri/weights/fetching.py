"""Get a checkpoint: from the package, from the cache, or from its authors (no torch in here)."""

from __future__ import annotations

import logging
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kukkiri.errors import OfflineError, WeightError, WriteError
from kukkiri.weights import licences
from kukkiri.weights.cache import is_whole, known_sha256, path_of, present, sha256_of, take_note, verify
from kukkiri.weights.catalogue import DIGITS, WeightEntry, entry_of

log = logging.getLogger(__name__)

# Called with the bytes that are there and the size of the whole file (0: not known yet).
Report = Callable[[int, int], None]


def fetch(
    key: str,
    *,
    progress: bool | Report | None = None,
    offline: bool | None = None,
    mirror: str | None = None,
    accept_licence: bool = False,
) -> Path:
    """Get a checkpoint and check its sha256; one that is there and whole is not downloaded again.

    A download that was cut goes on where it stopped. A damaged file is deleted and replaced. Two processes that want
    the same file download it once. Of a file whose size or whole sha256 the catalogue does not know, both are noted
    beside it (`FILE.sha256`) when it has come, and hold from then on.

    Parameters
    ----------
    key : str
        Its key in the catalogue.
    progress : bool or callable, optional
        Show a bar on stderr; default: if stderr is a terminal. A callable gets (bytes there, size), the size 0 where
        it is not known yet.
    offline : bool, optional
        Never download; default: `KUKKIRI_OFFLINE` is set, and not to 0, false or no.
    mirror : str, optional
        Base address: the file is taken from `mirror/<file name>` and nowhere else. Default: `KUKKIRI_MIRROR`.
    accept_licence : bool
        Accept a licence that forbids commercial use, and remember that at once, whether or not the download succeeds.

    Returns
    -------
    Path
        Of the whole file.

    Raises
    ------
    UnknownNameError
        If there is no such key.
    LicenceError
        If the licence must be accepted first.
    OfflineError
        If it would have to be downloaded, but may not.
    WeightError
        If it cannot be downloaded, or what came is not what the catalogue says.
    WriteError
        If the cache cannot be written to.
    """
    entry = entry_of(key)
    if entry.kind == "shipped":
        return verify(key)
    licences.require(entry, accept_now=accept_licence)
    place = path_of(entry)
    if is_whole(entry):
        return place
    if _is_offline(offline):
        state = f"a damaged file at {place}" if place.exists() else f"no file at {place}"
        raise OfflineError(
            expected=f"the weights {key!r} in the cache",
            got=f"{state}, and downloads are switched off (KUKKIRI_OFFLINE, --offline)",
            fix=f"run 'kukkiri weights fetch {key}' with a network, or copy it there from {entry.address} "
            f"({entry.fingerprint})",
        )
    base = mirror or os.environ.get("KUKKIRI_MIRROR")
    url = f"{base.rstrip('/')}/{entry.file}" if base else entry.address
    try:
        return _fetch_once(entry, place, url, progress)
    except OSError as error:
        raise WriteError(
            expected=f"room to write {f'{entry.size} bytes' if entry.size else 'a file'} in {place.parent}",
            got=error.strerror or str(error),
            fix="make room, or set KUKKIRI_HOME to another folder",
        ) from error


def first_use(entry: WeightEntry) -> Path:
    """The file of a published checkpoint, downloaded if it is not there; its contents are not read."""
    if present(entry.key):
        licences.require(entry)
        return path_of(entry)
    return fetch(entry.key)


def _is_offline(offline: bool | None) -> bool:
    if offline is None:
        return os.environ.get("KUKKIRI_OFFLINE", "").strip().lower() not in ("", "0", "false", "no")
    return offline


def _fetch_once(entry: WeightEntry, place: Path, url: str, progress: bool | Report | None) -> Path:
    from kukkiri.weights.download import told_path
    from kukkiri.weights.locking import held

    # Each key has its own folder for what is unfinished, so that nothing unfinished ever bears the file's name
    # in the cache, and what a killed process has left can be cleared away.
    unfinished = place.parent / "unfinished" / entry.key
    unfinished.mkdir(parents=True, exist_ok=True)
    lock = unfinished.parent / f"{entry.key}.lock"
    with held(lock, lambda: log.warning("another process is downloading %s: waiting for it", entry.key)):
        if is_whole(entry):
            return place
        if place.exists():
            place.unlink()
            log.warning("%s was damaged (its sha256 is not %s) and has been deleted", place, known_sha256(entry))
        unfinished.mkdir(parents=True, exist_ok=True)
        part = unfinished / f"{entry.sha256[:16]}.part"
        for leftover in unfinished.iterdir():  # pooch takes up a whole file under its own name; all else is litter
            if leftover.name not in (part.name, told_path(part).name, entry.file):
                leftover.unlink()
        size = f"{entry.size} bytes" if entry.size else "size not known"
        log.info("downloading %s (%s, %s) from %s", entry.key, size, entry.licence, url)
        with _reporter(entry, progress) as report:
            _download(entry, part, url, report).replace(place)
        if not entry.exact:
            take_note(entry, sha256_of(place))
        shutil.rmtree(unfinished, ignore_errors=True)
    return place


def _download(entry: WeightEntry, part: Path, url: str, report: Report) -> Path:
    from kukkiri.weights.download import ResumingDownloader

    downloader, known = ResumingDownloader(entry, part, report), known_sha256(entry)
    while True:
        try:
            return _retrieve(url, known, part.with_name(entry.file), downloader)
        except ValueError as error:  # another sha256; the file is deleted
            if not downloader.resumed:
                size = "of the right size" if entry.size else "(or only its beginning)"
                raise WeightError(
                    expected=f"the file of {entry.key!r} with sha256 {known}{'…' * (len(known) < DIGITS)} from {url}",
                    got=f"a file {size} with another sha256, which has been deleted",
                    fix="try again; if it stays so, check the mirror (KUKKIRI_MIRROR, --mirror) or update kukkiri",
                ) from error
            log.warning("the kept part of %s was damaged and has been deleted: starting anew", entry.key)


def _retrieve(url: str, known: str, place: Path, downloader: Callable[[str, str, Any], None]) -> Path:
    """The file at `place`, taken up or downloaded; ValueError if its sha256 does not begin with `known`."""
    import pooch

    part_only = len(known) < DIGITS
    if part_only and place.is_file() and not sha256_of(place).startswith(known):
        place.unlink()
    with _quiet(pooch.get_logger()):
        pooch.retrieve(
            url,
            known_hash=None if part_only else f"sha256:{known}",
            fname=place.name,
            path=place.parent,
            downloader=downloader,
        )
    # pooch compares whole digests only.
    if part_only and not sha256_of(place).startswith(known):
        place.unlink()
        raise ValueError(f"sha256 of {place} does not begin with {known}")
    return place


@contextmanager
def _quiet(logger: logging.Logger) -> Iterator[None]:
    # pooch announces each download on stderr, where the bar is.
    before = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(before)


@contextmanager
def _reporter(entry: WeightEntry, progress: bool | Report | None) -> Iterator[Report]:
    if callable(progress):
        yield progress
        return
    if progress is False or (progress is None and not sys.stderr.isatty()):
        yield lambda _there, _size: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(entry.key, total=entry.size or None)
        yield lambda there, size: bar.update(task, completed=there, total=size or None)
