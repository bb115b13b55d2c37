"""The tables of stability as text cells, and all tables of a result."""

from __future__ import annotations

import math

from kukkiri.evaluation.robustness import Robustness
from kukkiri.evaluation.stability import BLUR, CHANGES, MARGIN, NOISE, QUALITY
from kukkiri.evaluation.stability_summary import MetricStability, Movement
from kukkiri.evaluation.tables import NONE, TextTable, text_tables

# Of fewer scores a quartile is rough: with this many the spread is known to a quarter, nine times of ten.
FEW = 50


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
            TextTable("Stability, each change: median / P90 of how far a score moves, in spreads", head, lengths),
            TextTable("Stability, each change: Spearman of the scores before and after", head, orders),
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
    columns = ("metric", "median", "P90", "lowest\nSpearman", "moved most", "its\nmedian", "spread", "silent", "s/Mpx")
    rows: list[tuple[str, ...]] = []
    for found in result.stability:
        whole, worst = found.overall, found.worst
        if whole is None:
            rows.append((found.spec.name, "skipped", *[""] * (len(columns) - 2)))
            continue
        rows.append(
            (
                starred(found),
                plain(whole.median),
                plain(whole.p90),
                plain(whole.rank, 3),
                _where(found),
                plain(found.changes[worst].median) if worst else NONE,
                f"{found.spread:.3g}" if not math.isnan(found.spread) else NONE,
                plain(whole.silent),
                plain(found.seconds_per_megapixel),
            )
        )
    title = "Stability: how far small changes of the picture move a score, in spreads of its scores over the pictures"
    return TextTable(title, columns, rows, _remarks(result))


def _where(found: MetricStability) -> str:
    """The change that moves a metric most, and the damage of the pictures that it moves most."""
    if found.worst is None:
        return NONE
    change = found.changes[found.worst]
    if change.worst is None:
        return found.worst
    return f"{found.worst}\n{change.worst}: {plain(change.by_damage[change.worst])}"


def _remarks(result: Robustness) -> list[str]:
    measured = [s for s in result.stability if s.overall is not None]
    fast, slow = ([s for s in measured if s.slow is flag] for flag in (False, True))
    said = [f"{_seen(s)}" for s in fast[:1]] + [f"* slow, fewer pixels: {_seen(s)}" for s in slow[:1]]
    said.append(
        f"each sharp, blurred ({BLUR:g} px), noisy ({NOISE:g}) and as JPEG {QUALITY}; {MARGIN} px around them kept for "
        "shifts; spread: interquartile range / 1.349 of the scores of all these, unchanged"
    )
    if any(s.spec.needs_reference for s in measured):
        said.append("fidelity: the damaged ones against the sharp one, the same change of both")
    if any(s.changes[name].scores < FEW for s in measured for name in list(CHANGES)[:1]):
        said.append(f"few scores: below {FEW} the spread is rough, take more --pictures")
    for found in result.stability:
        if found.overall is None:
            said.append(f"{found.spec.name} skipped: {found.skipped}")
        elif found.silences:
            reason, count = max(found.silences.items(), key=lambda item: item[1])
            said.append(f"{found.spec.name} silent {sum(found.silences.values())} times, {count} of them: {reason}")
    return said


def _seen(found: MetricStability) -> str:
    return f"{found.pictures} picture{'s' * (found.pictures > 1)}, most of {found.size[0]}×{found.size[1]} px"
