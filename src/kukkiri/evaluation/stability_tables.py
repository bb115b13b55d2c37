"""The tables of stability as text cells, and all tables of a result."""

from __future__ import annotations

import math

from kukkiri.evaluation.robustness import Robustness
from kukkiri.evaluation.stability import BLUR, CHANGES, MARGIN, NOISE, QUALITY
from kukkiri.evaluation.stability_summary import MetricStability, Movement
from kukkiri.evaluation.tables import NONE, TextTable, text_tables

# Of fewer scores a quartile is rough: with this many the spread is known to a quarter, nine times of ten.
FEW = 50
# What a reader must know of the columns.
LEGEND = (
    "moved by: |score after − before| in spreads, of all pictures and changes, the median and the 90th percentile; "
    "below 0.1 it is lost among the pictures, from 1 on the change says as much as the picture does",
    "spread: interquartile range / 1.349 of the scores of the unchanged pictures, in the unit of the score",
    "lowest Spearman: of the scores before and after the change that disorders them most; 1: the order of the pictures "
    "is kept, 0: nothing of it",
    "moved most by: the change of the greatest median, and below it the pictures that it moves most; s/Mpx: seconds of "
    "one processor core a megapixel; ↓ lower is better, ↑ higher is better",
)
OF_DAMAGE = {"sharp": "sharp ones", "blur": "blurred ones", "noise": "noisy ones", "jpeg": "JPEGs"}


def all_tables(result: Robustness) -> list[TextTable]:
    """The tables of a result, those of blur only if a metric of sharpness is in it.

    Parameters
    ----------
    result : Robustness

    Returns
    -------
    list of TextTable
    """
    return [*(text_tables(result) if result.metrics else []), *stability_tables(result)]


def stability_tables(result: Robustness) -> list[TextTable]:
    """How far small changes move the scores: overall, then each change; none if nothing was asked.

    Parameters
    ----------
    result : Robustness

    Returns
    -------
    list of TextTable
        Lengths are in spreads of the metric's scores over the pictures.
    """
    if not result.stability:
        return []
    tables = [_overall(result)]
    measured = [s for s in result.stability if s.overall is not None]
    if measured:
        head = ("change", *(starred(s).replace("-", "\n") for s in measured))
        lengths = [(name, *(moved(s.changes[name]) for s in measured)) for name in CHANGES]
        orders = [(name, *(plain(s.changes[name].rank, 3) for s in measured)) for name in CHANGES]
        tables += [
            TextTable(
                "Each change: how far it moves a score, in spreads, median / P90 (lower is steadier)", head, lengths
            ),
            TextTable("Each change: Spearman of the scores before and after (1: the order is kept)", head, orders),
        ]
    return tables


def plain(value: float, digits: int = 2) -> str:
    """A figure, or a dash; one that is not 0 but rounds to it is given as below."""
    if math.isnan(value):
        return NONE
    least = 10.0**-digits
    return f"<{least:.{digits}f}" if 0 < abs(value) < least / 2 else f"{value:z.{digits}f}"


def moved(movement: Movement) -> str:
    """Median and 90th percentile."""
    return NONE if math.isnan(movement.median) else f"{plain(movement.median)} / {plain(movement.p90)}"


def starred(found: MetricStability) -> str:
    """The name, with a star if the metric is slow and saw fewer pixels."""
    return found.spec.name + (" *" if found.slow else "")


def _overall(result: Robustness) -> TextTable:
    columns = (
        *(
            "metric",
            "spread",
            "moved by\nmedian ↓",
            "moved by\nP90 ↓",
            "lowest\nSpearman ↑",
            "moved most by",
            "median ↓",
        ),
        *("no\nscore ↓", "s/Mpx ↓"),
    )
    rows: list[tuple[str, ...]] = []
    for found in result.stability:
        whole = found.overall
        if whole is None:
            rows.append((found.spec.name, "skipped", *[""] * (len(columns) - 2)))
            continue
        rows.append(
            (
                starred(found),
                f"{found.spread:.3g} {found.spec.unit or ''}".rstrip() if not math.isnan(found.spread) else NONE,
                plain(whole.median),
                plain(whole.p90),
                plain(whole.rank, 3),
                *_where(found),
                _percent(whole.silent),
                plain(found.seconds_per_megapixel),
            )
        )
    title = (
        "Stability: how far a score moves when its picture hardly changes, in spreads of its scores over the pictures"
    )
    return TextTable(title, columns, rows, _remarks(result))


def _where(found: MetricStability) -> tuple[str, str]:
    """The change that moves a metric most and how far, and below it the same of the pictures that it moves most."""
    if found.worst is None:
        return NONE, NONE
    change = found.changes[found.worst]
    if change.worst is None:
        return found.worst, plain(change.median)
    which = OF_DAMAGE.get(change.worst, change.worst)
    return f"{found.worst}\n– {which}", f"{plain(change.median)}\n{plain(change.by_damage[change.worst])}"


def _percent(share: float) -> str:
    if math.isnan(share):
        return NONE
    return f"{plain(100 * share, 0)} %"


def _remarks(result: Robustness) -> list[str]:
    measured = [s for s in result.stability if s.overall is not None]
    fast, slow = ([s for s in measured if s.slow is flag] for flag in (False, True))
    said = [f"{_seen(s)}" for s in fast[:1]] + [f"* slow, fewer pixels: {_seen(s)}" for s in slow[:1]]
    said.append(
        f"each sharp, blurred ({BLUR:g} px), noisy ({NOISE:g}) and as JPEG {QUALITY}; {MARGIN} px around them kept for "
        "shifts"
    )
    if any(s.spec.needs_reference for s in measured):
        said.append("fidelity: the damaged ones against the sharp one, the same change of both")
    said += LEGEND
    if any(s.changes[name].scores < FEW for s in measured for name in list(CHANGES)[:1]):
        said.append(f"few scores: below {FEW} the spread is rough, take more --pictures")
    for found in result.stability:
        if found.overall is None:
            said.append(f"{found.spec.name} skipped: {found.skipped}")
    # One line a reason: what a file cannot hold is the same for all metrics.
    for reason in dict.fromkeys(reason for found in measured for reason in found.silences):
        counts = (f"{s.spec.name} {s.silences[reason]}×" for s in measured if reason in s.silences)
        said.append(f"no score ({', '.join(counts)}): {reason}")
    return said


def _seen(found: MetricStability) -> str:
    return f"{found.pictures} picture{'s' * (found.pictures > 1)}, most of {found.size[0]}×{found.size[1]} px"
