"""The verb `kk.evaluate`: score the pictures of a data set, and tell how well that agrees with people."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from kukkiri.errors import InputError, KukkiriError, UnknownNameError, one_line
from kukkiri.evaluation.agreement import Agreement, Judged, agreement
from kukkiri.evaluation.correlation import DRAWS
from kukkiri.evaluation.journal import Journal
from kukkiri.evaluation.opinions import Opinions, read_opinions
from kukkiri.evaluation.scoring import Outcome, build, measure
from kukkiri.evaluation.statistics import LEVEL
from kukkiri.metrics.table import all_specs
from kukkiri.replacing import replacing

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from kukkiri.metrics.base import Metric

SUFFIX = ".csv"
# Of a correlation below this the direction is most likely mistaken, not the metric.
_OPPOSED = -0.3


def evaluate(
    metric: str | Metric | ArrayLike,
    dataset: Any,
    *,
    scores: str | None = None,
    higher_is_better: bool | None = None,
    higher_is_worse: bool = False,
    device: str | None = None,
    draws: int = DRAWS,
    level: float = LEVEL,
    seed: int = 0,
    journal: Journal | None = None,
    on_start: Callable[[int], None] | None = None,
    on_done: Callable[[], None] | None = None,
) -> Agreement:
    """How well does a metric agree with people?

    Spearman's and Kendall's rank correlation are of the scores as they are; Pearson's correlation and the root of the
    mean squared error are given for the best straight line and after the logistic curves of four and five parameters.
    Correlations are signed: + agrees, whatever the directions of score and opinion. Nothing is masked, resized or
    tuned: the pictures are measured as they are.

    Parameters
    ----------
    metric : str, Metric, or array of scores (n,)
        A name, a metric, or numbers from any other tool, one a picture. With `scores`, only a name for them.
    dataset : path, table, list, or array of opinions (n,)
        A CSV file `image,mos[,reference]`, the same as columns, a list of (image, mos[, reference]); see
        `opinions.read_opinions`. Beside an array of scores also a plain array of opinions.
    scores : str, optional
        Judge this column of the data set instead of measuring.
    higher_is_better : bool, optional
        Of the score; default: what the metric says, True for numbers of unknown origin.
    higher_is_worse : bool
        Of the opinions: True for most DMOS (LIVE, CSIQ), not for KADID-10k.
    device : str, optional
        Where a metric that is named is computed; default: the CPU.
    draws, level, seed
        Of the bootstrap; see `agreement.agreement`. Pictures of one reference are drawn together.
    journal : Journal, optional
        What an earlier run has measured is taken over; only for metrics that are named.
    on_start : function(pictures), on_done : function(), optional
        For a progress bar.

    Returns
    -------
    Agreement
        Its `rows` say which pictures failed, and why.

    Raises
    ------
    InputError
        If the data set lacks a column, or fewer than three pictures can be judged.
    KukkiriError
        If the metric cannot be had, or the data set cannot be read.
    """
    from kukkiri.metrics.base import Metric

    options: dict[str, Any] = {"higher_is_worse": higher_is_worse, "draws": draws, "level": level, "seed": seed}
    if not isinstance(metric, (str, Metric)):
        better = higher_is_better is not False
        return _of_numbers(metric, dataset, better, options)
    opinions = read_opinions(dataset, scores=scores)
    name = metric if isinstance(metric, str) else metric.spec.name
    if scores is not None:
        outcomes = [Outcome(row.score) for row in opinions.rows]
    else:
        built = {name: build(metric, device)}
        if on_start:
            on_start(len(opinions.rows))
        kept = journal if isinstance(metric, str) else None
        outcomes = measure(built, opinions, journal=kept, on_done=on_done)[name]
    return judge(name, outcomes, opinions, higher_is_better=higher_is_better, **options)


def evaluate_all(
    metrics: Sequence[str],
    opinions: Opinions,
    *,
    columns: Mapping[str, Opinions] = MappingProxyType({}),
    device: str | None = None,
    journal: Journal | None = None,
    on_start: Callable[[int], None] | None = None,
    on_done: Callable[[], None] | None = None,
    **judging: Any,
) -> tuple[list[Agreement], dict[str, str]]:
    """Several metrics on one data set, each picture read once; a metric that cannot be had does not stop the others.

    Parameters
    ----------
    metrics : sequence of str
        Names of metrics.
    opinions : Opinions
    columns : mapping
        Heading → the same data set with that column as its scores.
    device, journal, on_start, on_done
        As for `evaluate`.
    **judging
        The options of `judge`; `higher_is_better` holds for the columns alone.

    Returns
    -------
    list of Agreement
        Metrics first, in order.
    dict
        Metric or column → why there is no agreement.

    Raises
    ------
    KukkiriError
        If the journal cannot be written.
    """
    better = judging.pop("higher_is_better", None)
    failed: dict[str, str] = {}
    built: dict[str, Metric] = {}
    for name in metrics:
        try:
            built[name] = build(name, device)
        except UnknownNameError:
            raise
        except KukkiriError as error:
            failed[name] = str(error)
    if on_start and built:
        on_start(len(opinions.rows))
    outcomes = measure(built, opinions, journal=journal, on_done=on_done) if built else {}
    found: list[Agreement] = []
    jobs = [(name, its, opinions, None) for name, its in outcomes.items()]
    jobs += [(name, [Outcome(row.score) for row in read.rows], read, better) for name, read in columns.items()]
    for name, its, read, direction in jobs:
        try:
            found.append(judge(name, its, read, higher_is_better=direction, **judging))
        except InputError as error:
            failed[name] = str(error)
    return found, failed


def judge(
    name: str,
    outcomes: Sequence[Outcome],
    opinions: Opinions,
    *,
    higher_is_better: bool | None = None,
    higher_is_worse: bool = False,
    draws: int = DRAWS,
    level: float = LEVEL,
    seed: int = 0,
) -> Agreement:
    """The agreement of scores that are there with the opinions of a data set.

    Parameters
    ----------
    name : str
        Of the metric; one that Kukkiri knows tells its own direction.
    outcomes : sequence of Outcome
        One a row.
    opinions : Opinions
    higher_is_better, higher_is_worse, draws, level, seed
        As for `evaluate`.

    Raises
    ------
    InputError
        If fewer than three pictures can be judged.
    """
    rows = opinions.rows
    if higher_is_better is None:
        higher_is_better = all_specs()[name].higher_is_better if name in all_specs() else True
    groups = [row.reference_name or row.name for row in rows] if any(row.reference_name for row in rows) else None
    errors = [row.error or outcome.error for row, outcome in zip(rows, outcomes, strict=True)]
    found = [np.nan if e or o.score is None else o.score for e, o in zip(errors, outcomes, strict=True)]
    values = [np.nan if row.value is None else row.value for row in rows]
    try:
        result = agreement(
            found,
            values,
            metric=name,
            groups=groups,
            higher_is_better=higher_is_better,
            higher_is_worse=higher_is_worse,
            draws=draws,
            level=level,
            seed=seed,
        )
    except InputError as error:
        first = next((f"{row.name}: {e}" for row, e in zip(rows, errors, strict=True) if e), None)
        raise (
            error
            if first is None
            else InputError(
                expected=error.expected, got=error.got, fix=one_line(f"the first that failed: {first}", 600)
            )
        ) from error
    curve = result.curves.get("logistic-4") or result.curves.get("linear")
    expected = [None if curve is None or not np.isfinite(x) else float(curve(x)) for x in found]
    doubtful = opinions.heading.lower() == "dmos" and not higher_is_worse
    cautions = [*result.cautions, *["dmos"] * doubtful, *["opposed"] * (result.srcc < _OPPOSED)]
    return replace(
        result,
        cautions=tuple(cautions),
        rows=tuple(
            Judged(row.name, row.value, row.reference_name, None if np.isnan(x) else float(x), e, error)
            for row, x, e, error in zip(rows, found, expected, errors, strict=True)
        ),
    )


def check_out(path: Path, dataset: Path) -> None:
    """Raise unless a table of scores can be written there, before anything is measured.

    Raises
    ------
    InputError
        If the suffix is not .csv, or it is the data set itself.
    WriteError
        If the place cannot be written to.
    """
    if path.suffix.lower() != SUFFIX:
        raise InputError(expected=f"a table with the suffix {SUFFIX}", got=path.name, fix="rename --out")
    if path.exists() and dataset.exists() and path.samefile(dataset):
        raise InputError(expected="a table beside the data", got="the data themselves", fix="choose another --out")
    with replacing(path, keep=False) as probe:
        probe.touch()


def write_scores(path: Path, agreements: Sequence[Agreement]) -> None:
    """Write one row a picture: image, mos, reference, a column of scores a metric, and what went wrong.

    Raises
    ------
    WriteError
        If it cannot be written.
    """
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["image", "mos", "reference", *(result.metric for result in agreements), "error"])
        for judged in zip(*(result.rows for result in agreements), strict=True):
            first = judged[0]
            errors = dict.fromkeys(row.error for row in judged if row.error)
            cells = ["" if v is None else f"{v:.9g}" for v in (first.opinion, *(row.score for row in judged))]
            table.writerow([first.image, cells[0], first.reference or "", *cells[1:], "; ".join(errors)])


def _of_numbers(numbers: Any, dataset: Any, higher_is_better: bool, options: Mapping[str, Any]) -> Agreement:
    """Scores of another tool, against plain opinions or those of a data set in the same order."""
    scores = _array(numbers)
    if scores is None:
        raise InputError(
            expected="the name of a metric, a Metric, or an array of scores",
            got=one_line(repr(numbers), 80),
            fix="see help",
        )
    opinions = None if isinstance(dataset, (str, Path, Mapping)) else _array(dataset)
    if opinions is not None:
        return agreement(scores, opinions, higher_is_better=higher_is_better, **options)
    read = read_opinions(dataset)
    if len(read.rows) != len(scores):
        raise InputError(
            expected=f"one score for each of {len(read.rows)} pictures", got=str(len(scores)), fix="give them in order"
        )
    outcomes = [Outcome(None if np.isnan(v) else float(v)) for v in scores]
    return judge("scores", outcomes, read, higher_is_better=higher_is_better, **options)


def _array(values: Any) -> np.ndarray | None:
    """Values as an array (n,) of numbers, or None if they are none."""
    try:
        found = np.asarray(values, np.float64)
    except (TypeError, ValueError):
        return None
    return found if found.ndim == 1 else None
