"""What `quality` and `compare` do alike: score one after the other, under a bar, until done or interrupted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import typer

from kukkiri.cli.output import print_json

if TYPE_CHECKING:
    from kukkiri.metrics.base import Metric
    from kukkiri.quality.building import Scoring, Unbuilt
    from kukkiri.quality.pairing import Pair


def scored(
    what: str, pairs: Sequence[Pair], metrics: Sequence[Metric | Unbuilt], scoring: Scoring, *, json: bool
) -> tuple[list[dict[str, Any]], bool]:
    """Rows as `score_pairs` has them, printed as they come if `json`, and whether Ctrl-C ended it before all were."""
    from kukkiri.cli.blur_progress import progress
    from kukkiri.quality.many import score_pairs

    rows: list[dict[str, Any]] = []
    with progress(what, len(pairs)) as advance:
        try:
            for done, part in enumerate(score_pairs(pairs, metrics, scoring), 1):
                rows += part
                advance(done, len(pairs))
                for row in part if json else ():
                    print_json(row)
        except KeyboardInterrupt:
            return rows, True  # what is scored is kept
    return rows, False


def say_interrupted(pictures: int, of: int, kept: str = "") -> None:
    """How far an interrupted run came, on standard error."""
    typer.echo(f"kukkiri: interrupted after {pictures} of {of} pictures{kept}", err=True)
