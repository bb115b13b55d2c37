"""Write a file so that it appears whole or not at all."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from kukkiri.errors import WriteError, one_line


@contextmanager
def replacing(path: str | Path, *, keep: bool = True) -> Iterator[Path]:
    """A temporary file beside `path` that takes its place when the block ends well, and vanishes when it does not.

    Parameters
    ----------
    path : path
        Its folder is made where it is missing. If it is a link, what it points to is replaced; the permissions of a
        file that is replaced are kept.
    keep : bool
        False only tries whether writing would work.

    Yields
    ------
    Path
        Where to write.

    Raises
    ------
    WriteError
        If the folder or the file cannot be written.
    """
    named = Path(path)
    target = named.resolve()
    temporary = target.with_name(f".{target.name[:100]}.{secrets.token_hex(4)}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        if keep:
            _settle(temporary, target)
            temporary.replace(target)
    except OSError as error:
        raise WriteError(
            expected=f"a place to write {one_line(named.name)}",
            got=error.strerror or str(error),
            fix=f"check that {one_line(target.parent)} is a folder that you may write to and that has room",
        ) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def _settle(temporary: Path, target: Path) -> None:
    """Bring a finished file to the disk, with the permissions of the one that it will replace."""
    handle = os.open(temporary, os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
    if target.exists():
        temporary.chmod(stat.S_IMODE(target.stat().st_mode))
