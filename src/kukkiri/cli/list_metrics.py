"""`kukkiri list`: all metrics and what they promise."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from kukkiri.cli.output import JsonArray, print_json, show, table

if TYPE_CHECKING:
    from kukkiri.metrics.spec import MetricSpec


def command(
    answers: Annotated[
        Literal["sharpness", "quality", "fidelity"] | None,
        typer.Option("--answers", help="Only metrics that answer this."),
    ] = None,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Also what of a picture counts, and the smallest side in pixels.")
    ] = False,
    json: JsonArray = False,
) -> None:
    """List the metrics: question answered, direction, range, licence, weights."""
    from kukkiri.metrics.table import metrics

    specs = [s for s in metrics() if answers in (None, s.answers)]
    if json:
        print_json([s.to_row() | {"weights_present": _weights(s) in ("", "present")} for s in specs])
        return

    def bound(value: float) -> str:
        return "∞" if value == math.inf else "−∞" if value == -math.inf else f"{value:g}"

    show(
        table(
            [
                *("metric", "title", "answers", "reference", "better", "range", "evidence", "weights", "licence"),
                *(("sees", "min. side", "tileable") if verbose else ()),
            ],
            [
                (
                    s.name,
                    s.title,
                    s.answers,
                    "yes" if s.needs_reference else "",
                    "higher ↑" if s.higher_is_better else "lower ↓",
                    f"{bound(s.value_range[0])} … {bound(s.value_range[1])}" + (f" {s.unit}" if s.unit else ""),
                    # Without another author there is nothing to agree with.
                    "own" if s.paper.startswith("Kukkiri") else s.evidence,
                    _weights(s),
                    s.licence,
                    *((s.sees, f"{s.min_size} px", "yes" if s.tileable else "") if verbose else ()),
                )
                for s in specs
            ],
        )
    )


def _weights(spec: MetricSpec) -> str:
    from kukkiri.weights import present

    fetched = "" if not spec.weights else "present" if all(map(present, spec.weights)) else "to fetch"
    if spec.needs_weights:
        return "your own" + (f", backbone {fetched}" if fetched else "")
    return fetched
