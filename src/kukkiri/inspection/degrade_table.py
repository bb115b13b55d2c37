"""The tables beside degraded copies: labels.csv, which a user may add columns to, and errors.csv."""

from __future__ import annotations

import csv
import errno
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kukkiri.errors import InputError, ReadError, WriteError, one_line
from kukkiri.replacing import replacing
from kukkiri.weights.locking import held

TABLE, ERRORS = "labels.csv", "errors.csv"
LOCK = ".kukkiri-degrade.lock"
# What file systems say that know no locks.
_LOCKLESS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP}
COLUMNS = ("image", "reference", "kind", "group", "level", "seed", "parameters")
ERROR_COLUMNS = ("reference", "kind", "level", "error")

Row = Mapping[str, str]


@dataclass(frozen=True)
class Labels:
    """What a labels.csv holds.

    Parameters
    ----------
    columns : tuple of str
        All of them in the order of the file: `COLUMNS`, and what a user has added.
    rows : mapping
        Image → its row, a value for each column.
    """

    columns: tuple[str, ...]
    rows: Mapping[str, Row]

    def has(self, row: Row) -> bool:
        """Whether a picture has the very label of `row`, whatever was added to it."""
        known = self.rows.get(row["image"])
        return known is not None and all(known[name] == row[name] for name in COLUMNS)

    def added(self, image: str) -> dict[str, str]:
        """What a user has added to a picture's row; columns without an entry are left out."""
        row = self.rows.get(image, {})
        return {name: value for name, value in row.items() if name not in COLUMNS and value}

    def whole(self, row: Row) -> dict[str, str]:
        """A row with what was added to the one of this picture before."""
        before = self.rows.get(row["image"], {})
        return {name: row.get(name, before.get(name, "")) for name in self.columns}


def read_labels(out: Path) -> Labels:
    """The labels that a folder holds; none where there is no table.

    Of a run that was killed the last row may be cut off: it is left out.

    Parameters
    ----------
    out : Path

    Returns
    -------
    Labels

    Raises
    ------
    InputError
        If its labels.csv is no table of labels, so that nothing of it is lost by writing over it.
    ReadError
        If it cannot be read.
    """
    path = out / TABLE
    if not path.is_file():
        return Labels(COLUMNS, {})
    try:
        text = path.read_bytes().decode("utf-8-sig")
        lines = list(csv.reader(io.StringIO(text, newline="")))
    except OSError as error:
        raise ReadError(
            expected="a table of labels", got=f"{one_line(path)}: {error.strerror}", fix="check its permissions"
        ) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise _foreign(path, f"a file that is no CSV in UTF-8 ({one_line(error, 80)})") from error
    if not text.strip():
        return Labels(COLUMNS, {})
    header, *below = lines
    if missing := [name for name in COLUMNS if name not in header]:
        raise _foreign(path, f"a table without {', '.join(missing)}")
    if len(set(header)) < len(header):
        raise _foreign(path, "a table with two columns of one name")
    rows: dict[str, Row] = {}
    labels = Labels(tuple(header), rows)
    needed = 1 + max(header.index(name) for name in COLUMNS)
    for number, cells in enumerate(below, 2):
        if not cells:
            continue
        if not needed <= len(cells) <= len(header):
            if number == len(lines) and len(cells) < needed and not any("\n" in cell for cell in cells):
                break  # cut off
            raise _foreign(path, f"{len(cells)} values in row {number}, and {len(header)} columns")
        row = dict(zip(header, cells + [""] * (len(header) - len(cells)), strict=True))
        before = labels.added(row["image"])
        rows[row["image"]] = row
        if before and before != labels.added(row["image"]):
            raise _foreign(path, f"two rows of {one_line(row['image'], 80)} with different entries")
    return labels


def check_errors(out: Path) -> None:
    """Raise unless a folder's errors.csv, if it has one, was written here: a run writes or deletes it.

    Raises
    ------
    InputError
    """
    path = out / ERRORS
    try:
        with path.open("rb") as file:
            first = file.readline(200)
    except OSError:
        return
    if first.decode("utf-8-sig", "replace").rstrip() != ",".join(ERROR_COLUMNS):
        raise InputError(
            expected=f"no {ERRORS} but that of an earlier run",
            got=f"{one_line(path)} with other columns",
            fix="name another --out, or move that file",
        )


@contextmanager
def alone(out: Path) -> Iterator[None]:
    """Be the only run that writes to a folder, which is made; a hidden file stays there, empty.

    Where the file system knows no locks, nothing is held.

    Raises
    ------
    InputError
        If another run writes there.
    WriteError
        If nothing can be written there.
    """

    def busy() -> None:
        raise InputError(
            expected="a folder that no other run writes to",
            got=f"{one_line(out)}, and another run writes here",
            fix="wait until that one ends, or name another --out",
        )

    with ExitStack() as lock:
        try:
            out.mkdir(parents=True, exist_ok=True)
            lock.enter_context(held(out / LOCK, busy))
        except OSError as error:
            if error.errno not in _LOCKLESS:
                raise WriteError(
                    expected="a folder to write copies in",
                    got=f"{one_line(out)}: {error.strerror or error}",
                    fix="check that you may write there and that there is room",
                ) from error
        yield


@contextmanager
def growing(out: Path, labels: Labels) -> Iterator[Callable[[Row], None]]:
    """Begin labels.csv with what is known; what is added is in the file at once.

    Raises
    ------
    WriteError
        If the table cannot be written.
    """
    write_table(out / TABLE, labels.columns, list(labels.rows.values()))
    with (out / TABLE).open("a", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, labels.columns, lineterminator="\n")

        def add(row: Row) -> None:
            table.writerow(labels.whole(row))
            file.flush()

        yield add


def write_table(path: Path, columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> None:
    """Write a table, whole or not at all.

    Raises
    ------
    WriteError
        If it cannot be written.
    """
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, columns, lineterminator="\n")
        table.writeheader()
        table.writerows(rows)


def _foreign(path: Path, got: str) -> InputError:
    return InputError(
        expected=f"{one_line(path)} to be a table of labels, with {', '.join(COLUMNS)} and perhaps more columns",
        got=got,
        fix="name another --out, or mend or move that file; nothing was changed",
    )
