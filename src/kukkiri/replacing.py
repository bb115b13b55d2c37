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
def replacing(path: str | Path, *, keep: bool = True, make_folder: bool = True) -> Iterator[Path]:
    """A temporary file beside `path` that takes its place when the block ends well, and vanishes when it does not.

    Parameters
    ----------
    path : path
        If it is a link, what it points to is replaced; the permissions of a
        file that is replaced are kept.
    keep : bool
        False only tries whether writing would work.
    make_folder : bool
        Make its folder where it is missing.

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
    temporary: Path | None = None
    try:
        target = named.resolve() if named.is_symlink() else named
        temporary = target.with_name(f".kukkiri-{secrets.token_hex(8)}.part")
        if make_folder:
            target.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        if keep:
            _settle(temporary, target)
            temporary.replace(target)
    except (OSError, RuntimeError) as error:  # RuntimeError: a link that leads to itself
        if isinstance(error, RuntimeError) and temporary is not None:
            raise  # from the block, not from here
        raise WriteError(
            expected=f"a place to write {one_line(named.name)}",
            got=f"{one_line(named)}: {getattr(error, 'strerror', None) or error}",
            fix=f"check that {one_line(named.parent)} is a folder that you may write to and that has room",
        ) from error
    finally:
        if temporary is not None:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)


def _settle(temporary: Path, target: Path) -> None:
    """Bring a finished file to the disk, with the permissions of the one that it will replace."""
    handle = os.open(temporary, os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
    with suppress(OSError):  # there is none, or it is another user's
        temporary.chmod(stat.S_IMODE(target.stat().st_mode))
