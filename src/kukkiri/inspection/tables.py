"""Rows to a file: CSV, JSON Lines or Parquet by suffix. The file appears whole or not at all."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any

from kukkiri.errors import InputError, missing_extra
from kukkiri.inspection.record import COLUMN_TYPES
from kukkiri.metrics.score import json_number
from kukkiri.replacing import replacing

FORMATS = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet", ".pq": "parquet"}
# Rows of a Parquet file that are in memory at once.
PARQUET_GROUP = 2048


def table_format(path: Path) -> str:
    """'csv', 'jsonl' or 'parquet', from the suffix.

    Raises
    ------
    InputError
        If the suffix is none of these.
    MissingExtraError
        If it is Parquet and pyarrow is not installed.
    """
    found = FORMATS.get(path.suffix.lower())
    if found is None:
        raise InputError(
            expected=f"a table with one of the suffixes {' '.join(FORMATS)}", got=path.name, fix="rename --out"
        )
    if found == "parquet" and find_spec("pyarrow") is None:
        raise missing_extra("parquet", "pyarrow", "Parquet tables")
    return found


def write_table(path: Path, rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> None:
    """Write a table.

    Parameters
    ----------
    path : Path
        The suffix decides the format.
    rows : iterable of mappings
        Taken one by one: a table of any length needs little memory.
    columns : sequence of str

    Raises
    ------
    InputError, MissingExtraError
        As `table_format`.
    WriteError
        If the file cannot be written.
    """
    writer = {"csv": _write_csv, "jsonl": _write_jsonl, "parquet": _write_parquet}[table_format(path)]
    with replacing(path) as temporary:
        writer(temporary, rows, columns)


def _write_csv(path: Path, rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        for row in rows:
            writer.writerow(["" if (v := row.get(name)) is None else v for name in columns])


def _write_jsonl(path: Path, rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> None:
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            values = {name: json_number(row.get(name)) for name in columns}
            file.write(json.dumps(values, ensure_ascii=False, allow_nan=False) + "\n")


def _write_parquet(path: Path, rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    kinds = {str: pa.string(), int: pa.int64(), float: pa.float64()}
    schema = pa.schema([(name, kinds[COLUMN_TYPES.get(name, float)]) for name in columns])
    source = iter(rows)
    with pq.ParquetWriter(path, schema) as writer:
        while group := list(islice(source, PARQUET_GROUP)):
            writer.write_table(pa.Table.from_pylist([{n: row.get(n) for n in columns} for row in group], schema))
