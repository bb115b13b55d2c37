"""The progress bar of `kukkiri blur`, and what it says of failures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import typer

from kukkiri.cli.blur_files import Picture
from kukkiri.errors import one_line


@contextmanager
def progress(what: str, total: int | None) -> Iterator[Callable[..., None]]:
    """A bar on standard error, gone when done; counts files, or what the caller says is done of how much."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    with Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        # Standard output is data, perhaps in a file: it must not go through the console of the bar.
        redirect_stdout=False,
        redirect_stderr=False,
        disable=total == 1 or not console.is_terminal,
    ) as bar:
        task = bar.add_task(one_line(what, 40), total=total)

        def advance(done: Picture | int, of: int | None = None) -> None:
            if isinstance(done, int):
                bar.update(task, completed=done, total=of)
            elif done.plane == done.planes - 1:
                bar.advance(task)

        yield advance


def say_errors(rows: Sequence[Picture]) -> None:
    """One line on standard error for each picture that failed."""
    for row in rows:
        if row.error:
            typer.echo(f"kukkiri: {row.name}: {row.error}", err=True)
