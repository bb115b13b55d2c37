"""The wall around decoder libraries: whatever they raise or log becomes one `ReadError`, or a note."""

from __future__ import annotations

import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kukkiri.errors import KukkiriError, ReadError, SizeError, one_line


@contextmanager
def explained(path: Path | None, kind: str) -> Iterator[None]:
    """Turn any exception of a decoder into a `ReadError` that names the file.

    Parameters
    ----------
    path : Path or None
    kind : str
        The format, for the message.
    """
    try:
        yield
    except KukkiriError:
        raise
    except Exception as error:
        raise _as_read_error(error, one_line(path) if path is not None else "the picture", kind) from error


def _as_read_error(error: Exception, name: str, kind: str) -> ReadError:
    if isinstance(error, MemoryError):
        return SizeError(
            expected=f"a {kind} picture that fits into memory",
            got=f"{name}, for which memory ran out",
            fix="read it tile by tile with kukkiri.images.reading.open_image, or shrink it",
        )
    if isinstance(error, FileNotFoundError):
        return ReadError(expected="a file", got=f"{name}, which is not there any more", fix="check the path")
    if isinstance(error, OSError):
        return ReadError(
            expected=f"a readable {kind} file",
            got=f"{name}: {one_line(error.strerror or error or type(error).__name__)}",
            fix="the file is damaged or cut off: copy or export it again",
        )
    return ReadError(
        expected=f"a sound {kind} file",
        got=f"{name}: {type(error).__name__}: {one_line(error, 160)}",
        fix="the file is damaged or of a kind that is not supported: export it again as PNG or plain TIFF",
    )


class _Collector(logging.Filter):
    """Keeps what a library logs on this thread while somebody listens; lets everything else pass."""

    def __init__(self) -> None:
        super().__init__()
        self.local = threading.local()

    def filter(self, record: logging.LogRecord) -> bool:
        heard: list[str] | None = getattr(self.local, "heard", None)
        if heard is None:
            return True
        if len(heard) < 8:  # a damaged file can log thousands of lines
            heard.append(one_line(record.getMessage(), 200))
        return False


_collector = _Collector()


@contextmanager
def logged(library: str) -> Iterator[list[str]]:
    """Collect what a library logs, instead of letting it through to the terminal.

    Parameters
    ----------
    library : str
        Name of its logger.

    Yields
    ------
    list of str
        Up to eight messages.
    """
    logger = logging.getLogger(library)
    if _collector not in logger.filters:
        logger.addFilter(_collector)
    outer: list[str] | None = getattr(_collector.local, "heard", None)
    heard: list[str] = []
    _collector.local.heard = heard
    try:
        yield heard
    finally:
        _collector.local.heard = outer


# Changing the list of warning filters is not safe in threads: whoever needs it takes turns.
_warning_lock = threading.RLock()


@contextmanager
def quiet_warnings() -> Iterator[None]:
    """Silence warnings; for libraries that warn about damaged files. One thread at a time, so keep it short."""
    with _warning_lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
