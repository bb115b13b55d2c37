"""A lock between processes that the system takes back when its holder dies."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

_PAUSE = 0.1

if sys.platform == "win32":
    import msvcrt

    def _try_lock(file: BinaryIO) -> bool:
        file.seek(0)
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
else:
    import fcntl

    def _try_lock(file: BinaryIO) -> bool:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


@contextmanager
def held(path: Path, waiting: Callable[[], None]) -> Iterator[None]:
    """Hold the lock on the file `path`, which is made and stays.

    Parameters
    ----------
    path : Path
        Never deleted: another process may be waiting for this very file.
    waiting : callable
        Called once if another process holds the lock.
    """
    with path.open("ab") as file:  # closing it gives the lock back, and so does the death of the process
        told = False
        while not _try_lock(file):
            if not told:
                waiting()
                told = True
            time.sleep(_PAUSE)
        yield
