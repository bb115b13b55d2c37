"""The measurement report: rows and thumbnails gathered on disk, then one page around them."""

from __future__ import annotations

from codecs import getincrementaldecoder
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import IO, Any

from kukkiri.pages.embedding import base64_picture, json_ready, json_text
from kukkiri.pages.language import texts
from kukkiri.pages.page import render, write_page, writing

BLOCK = 64  # rows in one <script> block: what the browser decodes at once to show one thumbnail
_IN_MEMORY = 4 << 20  # bytes of rows, and of thumbnails, that stay in memory before they go to disk
_PIECE = 1 << 16
_ROWS, _ROWS_END = '<script type="application/json" class="rows">[', "]</script>\n"
_THUMBNAILS, _THUMBNAILS_END = '<script type="text/plain" class="thumbnails">', "</script>\n"


@dataclass(frozen=True, kw_only=True)
class Column:
    """One numeric column of the report. Its title and explanation come from the texts where `title` is ''.

    Parameters
    ----------
    key : str
        Key in the rows, and the heading of a metric.
    kind : 'number' | 'score' | 'fraction' | 'pixels' | 'length' | 'count'
        How values are written: plain; 0 to 100 without decimals; 0 to 1 as per cent; a length in pixels; a length in
        metres; an integer.
    higher_is_better : bool or None
        None where there is no better end.
    answers : str
        'sharpness', 'quality', 'fidelity' or '' (a property of the picture, no judgement).
    title, unit, paper : str
    metric : str
        Name of the metric that fills the column, where the key is not that name.
    value_range : (float or None, float or None)
        None where there is no bound.
    interval : (str, str) or None
        Keys in the rows of the ends of its 90 % interval, where it has one.
    judges : bool
        What is wrong with a picture is told beside it.
    shown : bool
        In the table from the start.
    """

    key: str
    kind: str = "number"
    higher_is_better: bool | None = None
    answers: str = ""
    title: str = ""
    unit: str = ""
    paper: str = ""
    metric: str = ""
    value_range: tuple[float | None, float | None] = (None, None)
    interval: tuple[str, str] | None = None
    judges: bool = False
    shown: bool = False


class Gathered:
    """Rows and thumbnails on their way into a report; a context manager that removes its temporary files.

    Parameters
    ----------
    keys : sequence of str
        The keys of a record that get a place in every row; others are kept by name.
    path : path
        Of the report: temporary files go beside it when they outgrow the memory. Its folder is made if it is missing.
    scores : sequence of str
        Keys of the metrics: a failure in which one of them has a value is a picture that is partly measured.

    Raises
    ------
    WriteError
        Here and from `add`, if there is no folder or no room.
    """

    def __init__(self, keys: Sequence[str], path: str | Path, scores: Sequence[str] = ()) -> None:
        self.keys, self.path, self.scores = tuple(keys), Path(path), tuple(scores)
        self.count = self.failures = self.partly = self.gate_failures = 0
        with writing(path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
        self._rows, self._thumbnails = (_temporary(self.path.parent) for _ in range(2))

    def __enter__(self) -> Gathered:
        return self

    def __exit__(self, *_: object) -> None:
        self._rows.close()
        self._thumbnails.close()

    def add(
        self,
        record: Mapping[str, Any],
        thumbnail: bytes | None,
        gate_failed: bool,
        blur: Mapping[str, Any] | None = None,
        blur_map: bytes | None = None,
        quality: Mapping[str, Any] | None = None,
    ) -> None:
        """Take one row.

        Parameters
        ----------
        record : mapping
            A non-empty `error` marks a failure, or a picture that is partly measured.
        thumbnail : bytes or None
            A WebP, JPEG or PNG file.
        gate_failed : bool
        blur : mapping, optional
            JSON-ready: what the panel shows of the blur.
        blur_map : bytes, optional
            A WebP or PNG file.
        quality : mapping, optional
            JSON-ready: what table and panel show of what is wrong.
        """
        others = {k: v for k, v in record.items() if k not in self.keys and v is not None}
        row = json_text(
            [*(record.get(key) for key in self.keys), int(gate_failed), others or 0, blur or 0, quality or 0]
        )
        picture = base64_picture(thumbnail) if thumbnail else ""
        # The map beside its picture: a comma is no letter of base64.
        picture += f",{base64_picture(blur_map)}" if blur_map else ""
        starts, ends = self.count % BLOCK == 0, self.count % BLOCK == BLOCK - 1
        row = (_ROWS if starts else ",\n") + row + (_ROWS_END if ends else "")
        picture = (_THUMBNAILS if starts else "\n") + picture + (_THUMBNAILS_END if ends else "")
        with writing(self.path):
            self._rows.write(row.encode())
            self._thumbnails.write(picture.encode())
        self.count += 1
        error = bool(record.get("error"))
        partly = error and any(record.get(key) is not None for key in self.scores)
        self.partly += partly
        self.failures += error and not partly
        self.gate_failures += bool(gate_failed)

    def rows(self) -> Iterator[str]:
        """The `<script>` blocks of all rows, in pieces."""
        yield from _pieces(self._rows)
        if self.count % BLOCK:
            yield _ROWS_END

    def thumbnails(self) -> Iterator[str]:
        """The `<script>` blocks of all thumbnails, in pieces; one line a row."""
        yield from _pieces(self._thumbnails)
        if self.count % BLOCK:
            yield _THUMBNAILS_END


def _temporary(folder: Path) -> IO[bytes]:
    return SpooledTemporaryFile(_IN_MEMORY, dir=str(folder))


def _pieces(file: IO[bytes]) -> Iterator[str]:
    decoder = getincrementaldecoder("utf-8")()  # a piece may end within a character
    file.seek(0)
    while piece := file.read(_PIECE):
        yield decoder.decode(piece)


def write_report_page(
    path: str | Path,
    gathered: Gathered,
    *,
    columns: Sequence[Column],
    title: str | None,
    language: str,
    settings: Mapping[str, str],
    version: str,
    gate: str | None,
    when: datetime,
) -> Path:
    """Write the report of what was gathered.

    Parameters
    ----------
    path : path
    gathered : Gathered
    columns : sequence of Column
        Numeric columns, in the order of the table.
    title : str or None
        None for the default of the language.
    language : 'en' | 'ja'
    settings : mapping of str to str
        Shown as they are.
    version : str
        Of Kukkiri.
    gate : str or None
        The condition under which a picture fails, shown as it is.
    when : datetime
        With its time zone.

    Raises
    ------
    WriteError
        If it cannot be written.
    """
    from markupsafe import Markup

    t = texts(language)
    described = [
        {
            **{k: v for k, v in vars(column).items() if v not in ("", None)},
            "value_range": json_ready(column.value_range),
            "higher_is_better": column.higher_is_better,
        }
        for column in columns
    ]
    pieces = render(
        "report.html.j2",
        language=language,
        styles=("theme.css", "components.css", "report.css"),
        entry="report.js",
        title=title or t["report.title"],
        when=when,
        version=version,
        settings=settings,
        gate=gate,
        count=gathered.count,
        failures=gathered.failures,
        partly=gathered.partly,
        gate_failures=gathered.gate_failures,
        config={
            "language": language,
            "texts": dict(t),
            "keys": gathered.keys,
            "columns": described,
            "block": BLOCK,
            "count": gathered.count,
            "gate": gate is not None,
        },
        rows=(Markup(piece) for piece in gathered.rows()),
        thumbnails=(Markup(piece) for piece in gathered.thumbnails()),
    )
    return write_page(path, pieces)
