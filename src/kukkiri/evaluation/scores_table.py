"""The table of scores of a data set: where it may be written, and one row a picture."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from kukkiri.errors import InputError, one_line
from kukkiri.evaluation.agreement import Agreement
from kukkiri.metrics.score import json_number
from kukkiri.replacing import replacing

SUFFIXES = (".csv", ".json", ".jsonl")
PAGES = (".html", ".htm")
# Of every table; scores stand between the last two.
COLUMNS = ("image", "mos", "reference", "error")


def check_places(dataset: Path, *, out: Path | None = None, report: Path | None = None) -> None:
    """Raise unless the table and the page can be written, and hit neither the data nor each other.

    To be asked before anything is measured.

    Raises
    ------
    InputError
        If a suffix is another kind of file's, or two of the three are one file.
    WriteError
        If a place cannot be written to.
    """
    for option, path, suffixes in (("--out", out, SUFFIXES), ("--report", report, PAGES)):
        if path is None:
            continue
        if path.suffix.lower() not in suffixes:
            raise InputError(
                expected=f"{option} with one of the suffixes {' '.join(suffixes)}",
                got=one_line(path.name),
                fix=f"rename {option}",
            )
        if _same(path, dataset):
            raise InputError(
                expected=f"{option} beside the data", got="the data themselves", fix=f"choose another {option}"
            )
    if out is not None and report is not None and _same(out, report):
        raise InputError(expected="two files", got="one for --out and --report", fix="choose another --report")
    for path in (out, report):
        if path is not None:
            with replacing(path, keep=False) as probe:
                probe.touch()


def _same(one: Path, other: Path) -> bool:
    """Whether two paths are one file, also through links and where neither is there yet."""
    if one.exists() and other.exists():
        return one.samefile(other)
    return one.expanduser().resolve() == other.expanduser().resolve()


def write_scores(path: Path, agreements: Sequence[Agreement]) -> None:
    """Write one row a picture: image, mos, reference, a column of scores a metric, and what went wrong.

    Parameters
    ----------
    path : path
        Its suffix, one of `SUFFIXES`, says the format.
    agreements : sequence of Agreement
        Of one data set.

    Raises
    ------
    WriteError
        If it cannot be written.
    """
    kind = path.suffix.lower()
    rows = _rows(agreements)
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        if kind == ".csv":
            table = csv.writer(file, lineterminator="\n")
            table.writerow([*COLUMNS[:-1], *(result.metric for result in agreements), COLUMNS[-1]])
            table.writerows([_cell(value) for value in row.values()] for row in rows)
            return
        lines = (
            json.dumps({name: json_number(v) for name, v in row.items()}, ensure_ascii=False, allow_nan=False)
            for row in rows
        )
        file.write("[\n" + ",\n".join(lines) + "\n]\n" if kind == ".json" else "".join(f"{x}\n" for x in lines))


def failures(agreements: Sequence[Agreement]) -> Iterator[tuple[str, str]]:
    """Each picture that failed, and why; by which metric, where it did not fail by all alike."""
    for row in _rows(agreements):
        if row["error"]:
            yield row["image"], row["error"]


def _rows(agreements: Sequence[Agreement]) -> Iterator[dict[str, Any]]:
    names = [result.metric for result in agreements]
    for judged in zip(*(result.rows for result in agreements), strict=True):
        first = judged[0]
        errors = {name: row.error for name, row in zip(names, judged, strict=True) if row.error}
        alike = len(set(errors.values())) == 1 and len(errors) == len(names)
        told = first.error if alike else "; ".join(f"{name}: {error}" for name, error in errors.items())
        scores = {name: row.score for name, row in zip(names, judged, strict=True)}
        row = {"image": first.image, "mos": first.opinion, "reference": first.reference}
        yield row | scores | {"error": told or None}


def _cell(value: Any) -> str:
    return "" if value is None else f"{value:.9g}" if isinstance(value, float) else str(value)
