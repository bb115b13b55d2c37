"""How a run is getting on: a live line on a terminal, plain lines where something else reads them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn

# Seconds between movements of the bar.
_PAUSE = 0.2


@dataclass(frozen=True)
class Standing:
    """Where a run stands.

    Parameters
    ----------
    step : int
        Steps done.
    fraction : float, 0–1
        Of the budget.
    minutes, minutes_left : float
        Trained, and about to come; the latter NaN while unknown.
    loss, rate, speed : float
        Of the last interval: mean loss; learning rate; samples a second.
    best : float or None
        Best validation score so far.
    """

    step: int
    fraction: float
    minutes: float
    minutes_left: float
    loss: float
    rate: float
    speed: float
    best: float | None


class Reporter:
    """Shows standings on standard error."""

    def __init__(self, console: Console | None, progress: Progress | None, task: TaskID | None) -> None:
        self._console, self._progress, self._task = console, progress, task
        self._moved = 0.0

    def is_due(self) -> bool:
        """Whether there is a bar, and it has not moved for a while."""
        return self._progress is not None and time.monotonic() - self._moved > _PAUSE

    def live(self, standing: Standing) -> None:
        """Move the bar, if there is one."""
        self._moved = time.monotonic()
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, completed=standing.fraction, text=_words(standing))

    def line(self, standing: Standing) -> None:
        """For every so many steps: a line, if there is no bar."""
        if self._console is not None and self._progress is None:
            self.say(f"{standing.fraction:4.0%} {standing.minutes:.1f} min {_words(standing)} lr {standing.rate:.2e}")

    def say(self, text: str) -> None:
        """An event: a validation, a stop."""
        if self._console is not None:
            self._console.print(text, markup=False, highlight=False, soft_wrap=True)


@contextmanager
def reporting(shown: bool, title: str) -> Iterator[Reporter]:
    """A reporter while a run goes on; one that says nothing if not `shown`."""
    if not shown:
        yield Reporter(None, None, None)
        return
    console = Console(stderr=True)
    if not console.is_terminal:
        yield Reporter(console, None, None)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TextColumn("{task.fields[text]}"))
    with Progress(*columns, console=console, transient=True) as progress:
        yield Reporter(console, progress, progress.add_task(title, total=1.0, text=""))


def duration(minutes: float) -> str:
    """Minutes for people: '42 s', '12 min', '3 h 05 min', '?' for NaN."""
    if minutes != minutes:
        return "?"
    if minutes < 1.5:
        return f"{60 * minutes:.0f} s"
    whole = round(minutes)
    return f"{whole} min" if whole < 60 else f"{whole // 60} h {whole % 60:02d} min"


def _words(standing: Standing) -> str:
    best = "–" if standing.best is None else f"{standing.best:.4g}"
    return (
        f"step {standing.step} {standing.speed:.3g} samples/s loss {standing.loss:.4g} best {best} "
        f"left {duration(standing.minutes_left)}"
    )
