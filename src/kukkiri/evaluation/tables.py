"""The tables of a robustness result as text cells: for a person to read at a glance."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from kukkiri.evaluation.astigmatism import ELLIPTICAL
from kukkiri.evaluation.increment import MULTIPLES
from kukkiri.evaluation.invariances import TRANSFORMS
from kukkiri.evaluation.robustness import Robustness
from kukkiri.evaluation.summary import MetricRobustness, Statistics

NONE = "–"
# Of fewer trials a rank correlation is rough: with this many one of 0.8 has a 90 % interval from 0.69 to 0.87.
FEW = 50


def _plain(value: float, digits: int) -> str:
    return NONE if math.isnan(value) else f"{value:z.{digits}f}"


def _percent(value: float, *, signed: bool = False) -> str:
    if math.isnan(value):
        return NONE
    digits = 1 if abs(value) < 10 else 0
    return f"{value * 100:{'+' if signed else ''}.{digits}f} %"


def _number(value: float | None) -> float:
    return math.nan if value is None else value


# What is shown of statistics, in this order.
FIGURES: dict[str, Callable[[Statistics], str]] = {
    "Spearman": lambda s: _plain(s.spearman, 3),
    "pairs right": lambda s: _percent(s.pairwise),
    "error": lambda s: _percent(s.median_error),
    "P90": lambda s: _percent(s.p90_error),
    "bias": lambda s: _percent(s.bias, signed=True),
    "coverage": lambda s: _percent(s.coverage),
    "high/low": lambda s: _plain(s.width, 2),
    "censored": lambda s: _percent(s.censored),
    "silent": lambda s: _percent(s.silent),
}


@dataclass(frozen=True)
class TextTable:
    """A heading, columns, rows of text, and remarks below.

    Parameters
    ----------
    title : str
    columns : tuple of str
    rows : list of tuples of str
    remarks : list of str
    names : int
        So many columns, the first ones, hold names and are aligned to the left; the others hold figures.
    """

    title: str
    columns: tuple[str, ...]
    rows: list[tuple[str, ...]]
    remarks: list[str] = field(default_factory=list)
    names: int = 1


def text_tables(result: Robustness) -> list[TextTable]:
    """All tables of a result, those without content left out.

    Parameters
    ----------
    result : Robustness

    Returns
    -------
    list of TextTable
        Overall; Spearman of each day and PSF; Spearman and error in each range of true sigma; all figures of each day
        and PSF for each metric that gives sigma; and the extra sections.
    """
    measured = [r for r in result.metrics if r.mixed is not None]
    tables = [_overall(result)]
    if measured:
        tables += [_spearman(measured), _sizes(measured)]
    tables += [_figures(r) for r in measured if r.mixed and not math.isnan(r.mixed.median_error)]
    return tables + [t for t in (_invariances(result), _increment(result), _astigmatism(result)) if t.rows]


def _overall(result: Robustness) -> TextTable:
    columns = ["metric", *FIGURES, "worst day", "s/Mpx"]
    rows = []
    for r in result.metrics:
        if r.mixed is None:
            rows.append([r.spec.name, "skipped", *[""] * (len(columns) - 2)])
            continue
        worst = NONE if r.worst_day is None else f"{r.worst_day} {_plain(r.by_day[r.worst_day].spearman, 2)}"
        figures = [figure(r.mixed) for figure in FIGURES.values()]
        rows.append([_starred(r), *figures, worst, _seconds(r.seconds_per_megapixel)])
    # What no metric has needs no column: bare scores have no error.
    used = [i for i in range(len(columns)) if any(row[i] not in ("", NONE) for row in rows)]
    return TextTable(
        "Over everything mixed, best first",
        tuple(columns[i] for i in used),
        [tuple(row[i] for i in used) for row in rows],
        _remarks(result),
    )


def _remarks(result: Robustness) -> list[str]:
    p = result.protocol
    whole = [r for r in result.metrics if r.mixed is not None and not r.slow]
    few = [r for r in result.metrics if r.mixed is not None and r.slow]
    each = f"{len(p.psfs)} PSFs ({', '.join(p.psfs)}) × {len(p.days)} days"
    said = [f"{_seen(r)}, {each} = {r.mixed.trials} trials" for r in whole[:1] if r.mixed]
    said += [f"* slow, fewer pixels: {_seen(r)} = {r.mixed.trials} trials" for r in few[:1] if r.mixed]
    said.append(
        f"sigma {p.sigma[0]:g} to {p.sigma[1]:g} px, log-uniform, truth of the kernel applied; pictures reduced "
        f"{p.reduce}× by area, borders mirrored, 8 bits; seed {p.seed}"
    )
    if p.reduce < 2:
        said.append("pictures were not reduced: their own blur is not in the true sigma")
    said += _warnings([*whole[:1], *few[:1]])
    for r in result.metrics:
        if r.mixed is None:
            said.append(f"{r.spec.name} skipped: {r.skipped}")
        elif r.silences and r.mixed.silent > 0:
            reason, count = max(r.silences.items(), key=lambda item: item[1])
            total = sum(r.silences.values())
            which = f"{count} of them: {reason}" if count < total else reason
            said.append(f"{r.spec.name} silent in {total} trial{'s' if total > 1 else ''}: {which}")
    for r in result.metrics:
        m = r.mixed
        if m is not None and not math.isnan(m.interval_score):
            said.append(
                f"{r.spec.name}: interval score {m.interval_score:.3f}, best constant ratio "
                f"{m.constant_width_score:.3f} (smaller is better)"
            )
    if any(r.mixed and r.mixed.censored > 0 for r in result.metrics):
        said.append("censored: share of answers that only say below or above the metric's range; counted by that bound")
    return said


def _warnings(results: Sequence[MetricRobustness]) -> list[str]:
    said = []
    for r in results:
        if r.pictures < 2:
            said.append(f"one picture{' for the slow ones' if r.slow else ''} says nothing of others")
        least = min((s.trials for s in [*r.by_day.values(), *r.by_psf.values()]), default=FEW)
        if least < FEW:
            said.append(
                f"few trials: {least} in a day or PSF{' for the slow ones' if r.slow else ''}; below {FEW} the figures "
                "of one day are rough, take more --pictures"
            )
    return said


def _seen(result: MetricRobustness) -> str:
    count = "1 picture" if result.pictures == 1 else f"{result.pictures} pictures"
    return f"{count}, most of {result.size[0]}×{result.size[1]} px"


def _spearman(results: Sequence[MetricRobustness]) -> TextTable:
    groups = {**results[0].by_day, **results[0].by_psf}
    rows = [(_starred(r), *(_plain({**r.by_day, **r.by_psf}[name].spearman, 3) for name in groups)) for r in results]
    return TextTable("Spearman, each day and each PSF", ("metric", *map(_stacked, groups)), rows)


def _sizes(results: Sequence[MetricRobustness]) -> TextTable:
    ranges = list(results[0].by_sigma)
    columns = ("metric", *(f"Spearman\n{name} px" for name in ranges), *(f"error\n{name} px" for name in ranges))
    rows = []
    for r in results:
        its = [r.by_sigma[name] for name in ranges]
        rows.append((_starred(r), *(_plain(s.spearman, 3) for s in its), *(_percent(s.median_error) for s in its)))
    return TextTable("Each range of true sigma", columns, rows)


def _figures(result: MetricRobustness) -> TextTable:
    groups = {**result.by_day, **result.by_psf}
    rows = [(name, *(figure(s) for s in groups.values())) for name, figure in FIGURES.items()]
    shown = [row for row in rows if any(cell != NONE for cell in row[1:])]
    return TextTable(f"{_starred(result)}, each day and each PSF", ("figure", *map(_stacked, groups)), shown)


def _stacked(name: str) -> str:
    """A long name on several lines, for the head of a narrow column."""
    return name.replace("-", "\n")


def _starred(result: MetricRobustness) -> str:
    return result.spec.name + (" *" if result.slow else "")


def _invariances(result: Robustness) -> TextTable:
    rows = []
    for transform in TRANSFORMS:
        cells = [found.get(transform) for found in result.invariances.values()]
        if any(cells):
            rows.append((transform, *(NONE if c is None else _percent(_number(c["change"])) for c in cells)))
    return TextTable("Median change of sigma", ("transform", *result.invariances), rows)


def _increment(result: Robustness) -> TextTable:
    rows = []
    for name, lines in result.increment.items():
        for line in lines:
            deviations = (_percent(_number(line["deviations"].get(f"{m:g}")), signed=True) for m in MULTIPLES)
            rows.append((name, line["picture"], line["psf"], _plain(_number(line["base"]), 2), *deviations))
    columns = ("metric", "picture", "PSF", "sigma(0)", *(f"s = {m:g}·sigma(0)" for m in MULTIPLES))
    return TextTable("Added blur: (sigma(s)² − sigma(0)²)/s² − 1", columns, rows, names=3)


def _astigmatism(result: Robustness) -> TextTable:
    rows: list[tuple[str, ...]] = []
    for name, families in result.astigmatism.items():
        for family, found in families.items():
            if family in ELLIPTICAL:
                angle = _number(found["angle_error"])
                cells = (_percent(_number(found["ratio_error"])), NONE if math.isnan(angle) else f"{angle:.1f}°", "")
            else:
                cells = ("", "", _percent(_number(found["false_ratio"])))
            rows.append((name, family, *cells, _percent(found["silent"])))
    columns = ("metric", "PSF", "error of ratio", "error of angle", "ratio > 1.2 though round", "silent")
    return TextTable("Astigmatism", columns, rows, names=2)


def _seconds(value: float) -> str:
    return f"{value:.3f}" if value < 0.1 else f"{value:.2g}"
