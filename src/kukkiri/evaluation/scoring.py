"""Scores of the pictures of a data set, one after the other, so that a stopped run goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kukkiri.errors import one_line
from kukkiri.evaluation.journal import Journal, key_of
from kukkiri.evaluation.opinions import Opinion, Opinions
from kukkiri.evaluation.pictures import Picture
from kukkiri.evaluation.running import version_of
from kukkiri.inspection.record import explain
from kukkiri.metrics.score import json_number

if TYPE_CHECKING:
    from kukkiri.images.image import Image
    from kukkiri.metrics.base import Metric


@dataclass(frozen=True)
class Outcome:
    """What one metric said of one picture: a score, or why there is none."""

    score: float | None = None
    error: str | None = None


@contextmanager
def progress_bar(shown: bool = True) -> Iterator[tuple[Callable[[int], None], Callable[[], None]]]:
    """A bar on standard error.

    Yields
    ------
    tuple of function(total) and function()
        To be called at the start, and after each step.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=not shown) as progress:
        task = progress.add_task("scoring", total=None)
        yield lambda total: progress.update(task, total=total), lambda: progress.advance(task)


def build(metric: str | Metric, device: str | None = None) -> Metric:
    """A metric by its name, or the one that is given."""
    from kukkiri.metrics.build import metric as by_name

    return by_name(metric, device=device) if isinstance(metric, str) else metric


def measure(
    metrics: Mapping[str, Metric],
    opinions: Opinions,
    *,
    journal: Journal | None = None,
    on_done: Callable[[], None] | None = None,
) -> dict[str, list[Outcome]]:
    """Score every picture by every metric; what goes wrong with one picture is its own error, and stops nothing.

    Parameters
    ----------
    metrics : mapping
        Name → metric.
    opinions : Opinions
    journal : Journal, optional
        Of files only, and of metrics as `kk.metric(name)` builds them.
    on_done : function(), optional
        Called after each picture.

    Returns
    -------
    dict
        Name → one outcome a row.

    Raises
    ------
    WriteError
        If the journal cannot be written.
    """
    found: dict[str, list[Outcome]] = {name: [] for name in metrics}
    pair = _Pair()
    for row in opinions.rows:
        for name, metric in metrics.items():
            found[name].append(Outcome(error=row.error) if row.error else _measured(metric, name, row, pair, journal))
        if on_done:
            on_done()
    return found


class _Pair:
    """The picture at hand and its reference, each read once; pictures of one reference mostly follow each other."""

    def __init__(self) -> None:
        self._images: dict[bool, tuple[Any, Image]] = {}
        self._digests: dict[bool, tuple[Any, str]] = {}

    def image(self, row: Opinion, *, reference: bool) -> Image:
        from kukkiri.images.image import as_image

        source: Any = row.reference if reference else row.image
        if reference not in self._images or not _same(self._images[reference][0], source):
            self._images[reference] = (source, as_image(source))
        return self._images[reference][1]

    def digest(self, row: Opinion, *, reference: bool) -> str:
        source: Any = row.reference if reference else row.image
        if reference not in self._digests or not _same(self._digests[reference][0], source):
            self._digests[reference] = (source, Picture(row.name, source).sha256())
        return self._digests[reference][1]


def _same(one: Any, other: Any) -> bool:
    # Arrays are compared by identity: '==' would compare their pixels.
    return one is other or (isinstance(one, (str, Path)) and isinstance(other, (str, Path)) and one == other)


def _measured(metric: Metric, name: str, row: Opinion, pair: _Pair, journal: Journal | None) -> Outcome:
    paired = metric.spec.needs_reference
    if paired and row.reference is None:
        return Outcome(error=f"expected a reference for {name}, got none; add a column 'reference'")
    sources = (row.image, row.reference) if paired else (row.image,)
    # Said here, so that it reads the same with a journal and without.
    for source in sources:
        if isinstance(source, (str, Path)) and not Path(source).is_file():
            return Outcome(error=f"expected a picture file, got no file {one_line(source)}; check the path")
    try:
        key = None
        if journal is not None and all(isinstance(s, (str, Path)) for s in sources):
            digests = [pair.digest(row, reference=False), *([pair.digest(row, reference=True)] if paired else [])]
            key = key_of("scores", name, version_of(metric.spec), digests)
            if kept := journal.get(key):
                return Outcome(float(kept[0]["score"]))
        image = pair.image(row, reference=False)
        value = float(metric(image, pair.image(row, reference=True) if paired else None))
    except Exception as error:
        return Outcome(error=explain(error))
    if value != value:
        return Outcome(error=f"expected a picture that {name} can measure, got one that tells it nothing; leave it out")
    if journal is not None and key is not None:
        journal.add(key, [{"score": json_number(value)}])
    return Outcome(value)
