"""A whole run: measure what is not measured yet, then write the table and the report, and judge the gates."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kukkiri.errors import InputError
from kukkiri.inspection.gates import Gate, parse_gate
from kukkiri.inspection.journal import Journal, journal_path
from kukkiri.inspection.measuring import BATCH, batches, engine_of, worker_count
from kukkiri.inspection.record import columns, is_partly_measured, numeric_columns
from kukkiri.inspection.settings import Settings
from kukkiri.inspection.tables import table_format, write_table
from kukkiri.pages.language import check_language
from kukkiri.replacing import replacing

log = logging.getLogger("kukkiri")

Row = dict[str, Any]


@dataclass
class Outcome:
    """What a run came to.

    Parameters
    ----------
    files, pictures, failed, partly : int
        Files named; rows; rows with an error and without a score; rows with an error and with a score.
    noticed : int
        Rows with a notice: their values are to be doubted.
    reused : int
        Files whose rows were taken over from an earlier run.
    left_out : int
        Files of earlier runs with the same table that this one does not name: not in the table any more.
    gate_failures : dict
        Gate → paths of the rows for which it holds (that is, that fail).
    gate_unknown : dict
        Gate → paths of the rows that did not fail but whose columns are empty, so that it cannot be judged.
    out, report : Path or None
        What was written.
    """

    files: int = 0
    pictures: int = 0
    failed: int = 0
    partly: int = 0
    noticed: int = 0
    reused: int = 0
    left_out: int = 0
    gate_failures: dict[str, list[str]] = field(default_factory=dict)
    gate_unknown: dict[str, list[str]] = field(default_factory=dict)
    out: Path | None = None
    report: Path | None = None

    @property
    def exit_code(self) -> int:
        """0 if all went well, 1 if some input failed or a gate was not met."""
        gates = [*self.gate_failures.values(), *self.gate_unknown.values()]
        return 1 if self.failed or self.partly or any(gates) else 0


def inspect(
    files: Sequence[Path],
    settings: Settings,
    *,
    out: Path | None = None,
    report: Path | None = None,
    fail_if: Sequence[str] = (),
    title: str | None = None,
    language: str | None = None,
    engine: str = "local",
    workers: int | None = None,
    fresh: bool = False,
    overwrite: bool = False,
    on_start: Callable[[int, int], None] | None = None,
    on_batch: Callable[[int], None] | None = None,
    on_row: Callable[[Row], None] | None = None,
) -> Outcome:
    """Measure files, write a table and a report.

    Parameters
    ----------
    files : sequence of Path
        As `find_files` gives them.
    settings : Settings
    out : Path, optional
        Table: .csv, .jsonl or .parquet. Its journal lies beside it, and a later run with the same `out` goes on.
    report : Path, optional
        One self-contained HTML file.
    fail_if : sequence of str
        Gates, such as 'niqe > 6'.
    title, language : str, optional
        Of the report; language 'en' or 'ja', default by locale.
    engine, workers
        As `kk.measure`.
    fresh : bool
        Measure everything anew.
    overwrite : bool
        Replace an `out` that has no journal, that is, that may not be ours.
    on_start : function(files, reused), on_batch : function(files), on_row : function(row), optional
        Called when the work is known, after each batch, and with each row in order at the end.

    Returns
    -------
    Outcome

    Raises
    ------
    KukkiriError
        Before anything is measured, if something asked for is wrong or a file cannot be written.
    """
    names = columns(settings.metrics)
    gates = [parse_gate(text, numeric_columns(settings.metrics)) for text in fail_if]
    run, count = engine_of(engine), worker_count(workers)
    if language is not None:
        check_language(language)
    _check_outputs(out, report, overwrite)
    journal = Journal(None if out is None else journal_path(out), settings.fingerprint())
    try:
        outcome = Outcome(files=len(files), out=out, report=report)

        def is_due(file: Path) -> bool:
            return fresh or not journal.is_fresh(file, thumbnails=report is not None)

        # Batches are those of the whole list less what is taken over: one that was not begun stays as it was.
        todo = [batch for whole in batches(files, BATCH) if (batch := tuple(f for f in whole if is_due(f)))]
        outcome.reused = len(files) - sum(map(len, todo))
        outcome.left_out = journal.others(files)
        if on_start:
            on_start(len(files), outcome.reused)
        results = run(todo, settings, workers=count, thumbnails=report is not None)
        with closing(results):
            for batch, measured in zip(todo, results):
                journal.add(measured)
                if on_batch:
                    on_batch(len(batch))
        _judge(journal, files, settings.metrics, gates, outcome, on_row)
        if out is not None:
            write_table(out, (kept.row for kept in journal.rows(files)), names)
        if report is not None:
            _write_report(report, journal, files, settings, gates, title, language)
        return outcome
    finally:
        journal.close()


def _check_outputs(out: Path | None, report: Path | None, overwrite: bool) -> None:
    if report is not None:
        if report.suffix.lower() not in (".html", ".htm"):
            raise InputError(expected="a report with the suffix .html", got=report.name, fix="rename --report")
        _refuse_foreign(report, _is_our_report, overwrite)
    if out is not None:
        table_format(out)
        _refuse_foreign(out, lambda path: journal_path(path).exists(), overwrite)
    for path in (out, report):
        if path is not None:
            with replacing(path, keep=False) as probe:
                probe.touch()


def _refuse_foreign(path: Path, is_ours: Callable[[Path], bool], overwrite: bool) -> None:
    if path.exists() and not overwrite and not is_ours(path):
        raise InputError(
            expected="a file that is new, or from an earlier run",
            got=f"{path}, which may be somebody else's",
            fix="choose another name, or pass --overwrite",
        )


def _is_our_report(path: Path) -> bool:
    with path.open("rb") as file:
        return b"Kukkiri" in file.read(4096)


def _judge(
    journal: Journal,
    files: Sequence[Path],
    metrics: Sequence[str],
    gates: Sequence[Gate],
    outcome: Outcome,
    on_row: Callable[[Row], None] | None,
) -> None:
    outcome.gate_failures = {g.text: [] for g in gates}
    outcome.gate_unknown = {g.text: [] for g in gates}
    for row, *_ in journal.rows(files):
        outcome.pictures += 1
        partly = is_partly_measured(row, metrics)
        outcome.partly += partly
        outcome.failed += row["error"] is not None and not partly
        outcome.noticed += bool(row["notice"])
        for gate in gates:
            verdict = gate(row)
            if verdict:
                outcome.gate_failures[gate.text].append(row["path"])
            elif verdict is None and row["error"] is None:  # a failed picture is counted as such already
                outcome.gate_unknown[gate.text].append(row["path"])
        if on_row:
            on_row(row)


def _unmet(gates: Sequence[Gate], row: Row) -> bool:
    """Whether a gate holds for a row, or cannot be judged for a reason other than a failure."""
    verdicts = [gate(row) for gate in gates]
    return True in verdicts or (None in verdicts and row["error"] is None)


def _write_report(
    path: Path,
    journal: Journal,
    files: Sequence[Path],
    settings: Settings,
    gates: Sequence[Gate],
    title: str | None,
    language: str | None,
) -> None:
    from kukkiri.inspection.report import ReportRow, write_report

    def rows() -> Iterator[ReportRow]:
        for row, small, blur, quality in journal.rows(files):
            yield ReportRow(row, small, _unmet(gates, row), blur, quality)

    write_report(
        path,
        rows(),
        metrics=settings.specs,
        title=title,
        language=language,
        settings=settings.describe(),
        version=settings.version,
        gate="; ".join(g.text for g in gates) or None,
    )
