"""Pictures and what people think of them: from a CSV file, a table in memory, or a list."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kukkiri.errors import InputError, ReadError, one_line
from kukkiri.images.image import ImageLike

# Headings that mean the same, best first; compared in lower case, with '_' for spaces and hyphens.
IMAGE = ("image", "dist_img", "image_name", "dist_name", "filename", "file_name", "file", "path", "image_path", "name")
OPINION = ("mos", "dmos", "score", "mean_opinion_score", "opinion")
REFERENCE = ("reference", "ref_img", "ref", "ref_name", "reference_image", "ref_path")
_DELIMITERS = ",;\t"


@dataclass(frozen=True)
class Opinion:
    """One row of a data set.

    Parameters
    ----------
    name : str
        Of the picture, as it was given.
    image, reference : image-like or None
        A path that is not absolute is below the folder of the CSV file.
    reference_name : str or None
    value : float or None
        The opinion.
    score : float or None
        A score that the data set brings with it.
    error : str or None
        What is wrong with the row.
    rated : bool
        False where the cell of the opinion is empty; that is an error too.
    """

    name: str
    image: ImageLike | None = None
    value: float | None = None
    reference: ImageLike | None = None
    reference_name: str | None = None
    score: float | None = None
    error: str | None = None
    rated: bool = True


@dataclass(frozen=True)
class Opinions:
    """A data set.

    Parameters
    ----------
    source : str
        Where it is from, for people.
    heading : str
        Of the column of opinions.
    rows : tuple of Opinion
    """

    source: str
    heading: str
    rows: tuple[Opinion, ...]


def read_opinions(dataset: Any, *, scores: str | None = None) -> Opinions:
    """A data set from anything that holds one.

    Parameters
    ----------
    dataset : path, mapping of columns, DataFrame, or sequence
        A CSV file with the columns image, mos and, for fidelity metrics, reference (other headings: `IMAGE`, `OPINION`,
        `REFERENCE`), parted by commas, semicolons or tabulators, in UTF-8 or UTF-16; the same as columns; or a list of
        (image, mos) or (image, mos, reference), where an image is a path or anything image-like.
    scores : str, optional
        A column of scores to judge in place of a metric's. Pictures need not be there then.

    Returns
    -------
    Opinions
        Rows that cannot be used have an error; nothing is read from the pictures yet.

    Raises
    ------
    InputError
        If a column is missing or there is no row.
    ReadError
        If the file cannot be read.
    """
    if isinstance(dataset, (str, Path)):
        path = Path(dataset).expanduser()
        header, lines = _table(path)
        return _from_rows(str(dataset), header, lines, path.parent, scores)
    if hasattr(dataset, "columns") and hasattr(dataset, "to_dict"):  # a DataFrame, without importing pandas
        dataset = dataset.to_dict("list")
    if isinstance(dataset, Mapping):
        columns = {str(name): list(values) for name, values in dataset.items()}
        if len({len(values) for values in columns.values()}) > 1:
            raise InputError(expected="columns of one length", got="different lengths", fix="fill the gaps")
        return _from_rows("table", list(columns), zip(*columns.values(), strict=True), Path(), scores)
    rows = dataset if isinstance(dataset, Sequence) and scores is None else ()
    if rows and all(isinstance(row, (tuple, list)) and len(row) in (2, 3) for row in rows):
        return Opinions("list", "mos", tuple(_of_tuple(*row, number=i) for i, row in enumerate(rows, 1)))
    raise InputError(
        expected="a CSV file, a table with the columns image and mos, or a list of (image, mos[, reference])",
        got=one_line(repr(dataset), 80),
        fix="see 'kukkiri evaluate scores --help'",
    )


def _of_tuple(image: Any, opinion: Any, reference: Any = None, *, number: int) -> Opinion:
    def name(picture: Any) -> str:
        return str(picture) if isinstance(picture, (str, Path)) else f"picture {number}"

    value, error = _number(opinion, "mos")
    return Opinion(name(image), image, value, reference, None if reference is None else name(reference), error=error)


def _table(path: Path) -> tuple[list[str], Iterator[list[str]]]:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ReadError(
            expected="a CSV file with the columns image and mos",
            got=f"{one_line(path)}: {error.strerror}",
            fix="check the path and the permissions",
        ) from error
    try:
        text = data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise ReadError(
            expected="a CSV file in UTF-8", got=f"{one_line(path)} in another encoding", fix="save it as 'CSV UTF-8'"
        ) from error
    first = next((line for line in text.splitlines() if line.strip()), "")
    delimiter = max(_DELIMITERS, key=first.count)
    lines = (
        [cell.strip() for cell in line]
        for line in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True)
        if any(cell.strip() for cell in line)
    )
    try:
        header = next(lines, [])
        # A comma is free for decimals where it parts no cells.
        return header, (line if delimiter == "," else _with_points(line, header) for line in list(lines))
    except csv.Error as error:
        raise ReadError(expected="a CSV file", got=f"{one_line(path)}: {error}", fix="save it anew") from error


def _with_points(line: list[str], header: list[str]) -> list[str]:
    """Decimal commas as points, in all but the columns of names."""
    names = {index for index, heading in enumerate(header) if _plain(heading) in (*IMAGE, *REFERENCE)}
    return [cell if i in names else cell.replace(",", ".") for i, cell in enumerate(line)]


def _from_rows(source: str, header: list[str], lines: Any, folder: Path, scores: str | None) -> Opinions:
    image, opinion = _column(header, IMAGE, source), _column(header, OPINION, source)
    reference = _column(header, REFERENCE, source, needed=False)
    score = None if scores is None else _column(header, (scores,), source)
    rows = []
    for number, line in enumerate(lines, 2):
        cells = [*line, *[""] * (len(header) - len(line))]
        name = "" if cells[image] is None else str(cells[image])
        value, error = _number(cells[opinion], header[opinion])
        found = None
        if score is not None:
            found, wrong = _number(cells[score], header[score], finite=False)
            error = error or wrong
        if not name:
            name, error = f"row {number}", "expected the name of a picture, got an empty cell; fill it in"
        elif len(line) > len(header):
            error = f"expected {len(header)} cells, got {len(line)}; put names that hold the delimiter in quotes"
        paired = str(cells[reference] or "") if reference is not None else ""
        rows.append(
            Opinion(
                name,
                _place(folder, name),
                value,
                _place(folder, paired) if paired else None,
                paired or None,
                found,
                error,
                rated=cells[opinion] not in (None, ""),
            )
        )
    if not rows:
        raise InputError(expected=f"pictures in {one_line(source)}", got="a heading only", fix="add one row a picture")
    return Opinions(source, header[opinion], tuple(rows))


def _place(folder: Path, name: str) -> Path:
    """Where a picture is; a table written on Windows parts folders by backslashes."""
    place = folder / name
    if "\\" in name and not place.exists():
        other = folder / name.replace("\\", "/")
        return other if other.exists() else place
    return place


def _column(header: list[str], names: Sequence[str], source: str, *, needed: bool = True) -> Any:
    """The place of the first of these headings that is there; None if none is, and need not be."""
    plain = [_plain(heading) for heading in header]
    for name in names:
        if plain.count(_plain(name)) > 1:
            raise InputError(
                expected="each column once", got=f"{name!r} twice in {one_line(source)}", fix="rename one of them"
            )
        if _plain(name) in plain:
            return plain.index(_plain(name))
    if not needed:
        return None
    raise InputError(
        expected=f"a column {' or '.join(repr(n) for n in names[:3])} in {one_line(source)}",
        got=", ".join(repr(heading) for heading in header) or "no heading",
        fix="name the columns in the first line: image,mos or image,mos,reference",
    )


def _plain(heading: str) -> str:
    return heading.strip().lower().replace(" ", "_").replace("-", "_")


def _number(cell: Any, heading: str, *, finite: bool = True) -> tuple[float | None, str | None]:
    """A cell as a number, or what is wrong with it."""
    try:
        value = float(cell)
    except (TypeError, ValueError):
        value = math.nan
    if math.isnan(value) or (finite and math.isinf(value)):
        got = "an empty cell; fill it in" if cell in (None, "") else f"{str(cell)!r}; correct it"
        return None, one_line(f"expected a number in column {heading!r}, got {got}", 200)
    return value, None
