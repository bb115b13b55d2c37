"""Degraded copies of pictures with labels: what was done to each, how strongly, and with what seed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from kukkiri.errors import WriteError, one_line
from kukkiri.inspection.degrade_plan import Job, check_targets
from kukkiri.inspection.degrade_table import (
    ERROR_COLUMNS,
    ERRORS,
    TABLE,
    Labels,
    alone,
    check_errors,
    growing,
    read_labels,
    write_table,
)
from kukkiri.inspection.record import explain, printable
from kukkiri.optics.distort.mixtures import JOINT, distort_all

if TYPE_CHECKING:
    from torch import Tensor

    from kukkiri.images.image import Image

# Files, or kinds, that a note names; of the others it says how many.
NAMED = 3


@dataclass(frozen=True)
class Outcome:
    """What a run has made.

    Parameters
    ----------
    rows : tuple of dict
        The labels of the copies that are there now.
    failed : tuple of dict
        The rows of errors.csv.
    notes : tuple of str
        What a reader should know.
    made : int
        How many of the copies were made now; the others were there already.
    labelled : int
        How many rows labels.csv has, those of earlier runs among them.
    """

    rows: tuple[dict[str, str], ...] = ()
    failed: tuple[dict[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    made: int = 0
    labelled: int = 0


def degrade(
    jobs: Sequence[Job],
    *,
    device: str | None = None,
    on_done: Callable[[Job | None, str | None], None] | None = None,
) -> Outcome:
    """Make the copies and write the tables; copies that are there with the same label are not made again.

    The table grows with every copy, so that a run that is stopped can go on; columns that a user has added to it stay.
    Copies have 8 bits, or 16 where the picture has more than 8 and no kind is a codec of 8. Of a file that holds
    several pictures the first is taken: a path alone, as labels have it, names no other. What is about colour is passed
    over on grey pictures; a note says so.

    Parameters
    ----------
    jobs : sequence of Job
        As `plan` makes them, all in one folder; those of one source in a row.
    device : str, optional
        Where to compute.
    on_done : function(job, error or None), optional
        For a progress bar; the job is None where it was passed over.

    Returns
    -------
    Outcome

    Raises
    ------
    InputError
        If there is no such device, a table in the folder is not of an earlier run, or another run writes there.
    WriteError
        If the tables cannot be written.
    """
    if not jobs:
        return Outcome()
    if device is not None:
        from kukkiri.metrics.build import check_device

        check_device(device)
    out = jobs[0].target.parent
    with alone(out):
        labels = read_labels(out)
        check_errors(out)
        check_targets(jobs, labels)  # again: a run that has ended since may have written here
        return _degrade(jobs, out, labels, device, on_done)


def _degrade(
    jobs: Sequence[Job],
    out: Path,
    labels: Labels,
    device: str | None,
    on_done: Callable[[Job | None, str | None], None] | None,
) -> Outcome:
    rows: list[dict[str, str]] = []
    failed: list[dict[str, str]] = []
    passed: list[Job] = []
    made = 0
    several: dict[Path, int] = {}
    with growing(out, labels) as add:
        opened: tuple[Path, Image | str] | None = None
        for job in jobs:
            row, error = job.row(), None
            if not (labels.has(row) and job.is_stale is False):
                if opened is None or opened[0] != job.source:
                    opened = job.source, _load(job.source)
                image = opened[1]
                if isinstance(image, str):
                    error = image
                else:
                    if (planes := image.metadata.get("planes", 1)) > 1:
                        several[job.source] = planes
                    if image.channels == 1 and job.about_colour:
                        passed.append(job)
                        if on_done:
                            on_done(None, None)
                        continue
                    error = _make(job, image, device, partial(_announce, job, row, labels, add))
                    made += error is None
            if error is None:
                rows.append(row)
            else:
                failed.append({name: row[name] for name in ERROR_COLUMNS[:3]} | {"error": error})
            if on_done:
                on_done(job, error)
    labelled = _finish(out, labels, rows, failed)
    return Outcome(tuple(rows), tuple(failed), tuple(_notes(passed, several)), made, labelled)


def _load(path: Path) -> Image | str:
    from kukkiri.images.reading import load

    try:
        return load(path)
    except Exception as problem:
        return explain(problem)


def _make(job: Job, image: Image, device: str | None, before: Callable[[], None]) -> str | None:
    """What went wrong, or None."""
    from kukkiri.images.writing import save

    try:
        changed: Tensor = distort_all(image.pixels[None].to(device or "cpu"), job.kinds, job.level, job.seed)[0].cpu()
    except Exception as problem:
        return explain(problem)
    before()
    try:
        deep = image.bit_depth > 8 and not any(kind.eight_bit for kind in job.kinds)
        save(changed, job.target, like=image, bit_depth=16 if deep else 8)
    except Exception as problem:
        return explain(problem)
    return None


def _announce(job: Job, row: Mapping[str, str], labels: Labels, add: Callable[[Mapping[str, str]], None]) -> None:
    """The label comes first: a run that is killed between leaves no copy without one, and none with a wrong one."""
    try:
        if not labels.has(row):
            job.target.unlink(missing_ok=True)
        add(row)
    except OSError as error:
        raise WriteError(
            expected=f"a folder to write {TABLE} and copies in",
            got=f"{one_line(job.target)}: {error.strerror or error}",
            fix="check that you may write there and that there is room; run again to go on",
        ) from error


def _finish(out: Path, labels: Labels, rows: Sequence[dict[str, str]], failed: Sequence[dict[str, str]]) -> int:
    """The tables as they stay: labels of copies that are there, and of those that a user has added something to.

    Returns how many.
    """
    now = {row["image"]: labels.whole(row) for row in rows}
    there = {printable(path.name) for path in out.iterdir()}
    kept = [
        row
        for name, row in {**labels.rows, **now}.items()
        if name in now or name in there or labels.added(name) or (out / name).exists()
    ]
    write_table(out / TABLE, labels.columns, kept)
    if failed:
        write_table(out / ERRORS, ERROR_COLUMNS, failed)
    else:
        (out / ERRORS).unlink(missing_ok=True)
    return len(kept)


def counted(count: int, one: str, many: str) -> str:
    """A number and the word that goes with it: '1 copy', '2 copies'."""
    return f"{count} {one if count == 1 else many}"


def _notes(passed: Sequence[Job], several: Mapping[Path, int]) -> list[str]:
    notes = []
    if passed:
        grey = dict.fromkeys(one_line(job.source, 200) for job in passed)
        kinds = dict.fromkeys(JOINT.join(kind.name for kind in job.kinds) for job in passed)
        notes.append(
            f"{_listed(grey)} {'has' if len(grey) == 1 else 'have'} no colours: {_listed(kinds)} left out "
            f"({counted(len(passed), 'copy', 'copies')})"
        )
    if several:
        notes.append(
            "only the first picture of files that hold more was taken; for the others save each as a file of its own: "
            + _listed(f"{one_line(file, 200)} ({planes})" for file, planes in several.items())
        )
    return notes


def _listed(words: Iterable[str]) -> str:
    first, others = (every := list(words))[:NAMED], len(every) - NAMED
    return ", ".join(first) + (f" and {others} more" if others > 0 else "")
