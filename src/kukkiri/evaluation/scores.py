"""The verb `kk.evaluate`: score the pictures of a data set, and tell how well that agrees with people."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from kukkiri.errors import InputError, KukkiriError, UnknownNameError, one_line
from kukkiri.evaluation.agreement import Agreement, Judged, agreement
from kukkiri.evaluation.correlation import DRAWS, check_bootstrap
from kukkiri.evaluation.journal import Journal
from kukkiri.evaluation.opinions import Opinions, read_opinions
from kukkiri.evaluation.scores_table import COLUMNS
from kukkiri.evaluation.scoring import Outcome, build, measure, progress_bar
from kukkiri.evaluation.statistics import LEVEL
from kukkiri.metrics.table import all_specs

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from kukkiri.metrics.base import Metric

_EQUAL = "the same one for all pictures, so that no statistic can be computed; give other data"
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
    progress: bool = False,
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
        Of the score; default: what the metric says, True for numbers of unknown origin and for a column.
    higher_is_worse : bool
        Of the opinions: True for most DMOS (LIVE, CSIQ), not for KADID-10k.
    device : str, optional
        Where a metric that is named is computed; default: the CPU.
    draws, level, seed
        Of the bootstrap; see `agreement.agreement`. Pictures of one reference are drawn together.
    journal : Journal, optional
        What an earlier run has measured is taken over; only for metrics that are named.
    progress : bool
        Show a progress bar on standard error: a network takes seconds a picture on a CPU.
    on_start : function(pictures), on_done : function(), optional
        For a progress bar of your own.

    Returns
    -------
    Agreement
        Its `rows` say which pictures failed, and why.

    Raises
    ------
    InputError
        If an option is out of range, the data set lacks a column, or fewer than three pictures can be judged.
    KukkiriError
        If the metric cannot be had, or the data set cannot be read.
    """
    from kukkiri.metrics.base import Metric

    check_bootstrap(draws, level, seed)
    options: dict[str, Any] = {"higher_is_worse": higher_is_worse, "draws": draws, "level": level, "seed": seed}
    if not isinstance(metric, (str, Metric)):
        better = higher_is_better is not False
        return _of_numbers(metric, dataset, better, options)
    opinions = read_opinions(dataset, scores=scores)
    name = metric if isinstance(metric, str) else metric.spec.name
    if scores is not None:
        # A column is any tool's, whatever its heading.
        outcomes, higher_is_better = [Outcome(row.score) for row in opinions.rows], higher_is_better is not False
    else:
        built = {name: build(metric, device)}
        kept = journal if isinstance(metric, str) else None
        with progress_bar(progress) as (start, done):
            start(len(opinions.rows))
            if on_start:
                on_start(len(opinions.rows))

            def step() -> None:
                done()
                if on_done:
                    on_done()

            outcomes = measure(built, opinions, journal=kept, on_done=step)[name]
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
        As for `evaluate`; judging a metric is a step, too.
    **judging
        The options of `judge`; `higher_is_better` holds for the columns alone, and is True unless it is given.

    Returns
    -------
    list of Agreement
        Metrics first, in order.
    dict
        Metric or column → why there is no agreement, or no statistic in it.

    Raises
    ------
    InputError
        If an option is out of range, before anything is measured.
    KukkiriError
        If the journal cannot be written.
    """
    better = judging.pop("higher_is_better", None) is not False
    options = {"draws": DRAWS, "level": LEVEL, "seed": 0} | judging
    check_bootstrap(options["draws"], options["level"], options["seed"])
    failed: dict[str, str] = {}
    built: dict[str, Metric] = {}
    for name in metrics:
        try:
            built[name] = build(name, device)
        except UnknownNameError:
            raise
        except KukkiriError as error:
            failed[name] = str(error)
    if on_start:
        on_start(bool(built) * len(opinions.rows) + len(built) + len(columns))
    outcomes = measure(built, opinions, journal=journal, on_done=on_done) if built else {}
    found: list[Agreement] = []
    jobs: list[tuple[str, list[Outcome], Opinions, bool | None]] = [
        (name, its, opinions, None) for name, its in outcomes.items()
    ]
    for heading, read in columns.items():
        # Beside the metric of that name, or in a table that has such a column anyway.
        name = f"{heading} (column)" if heading in (*metrics, *COLUMNS) else heading
        jobs.append((name, [Outcome(row.score) for row in read.rows], read, better))
    for name, its, read, direction in jobs:
        try:
            found.append(judge(name, its, read, higher_is_better=direction, **judging))
            if np.isnan(found[-1].srcc):
                failed[name] = "expected scores and opinions that differ, got " + _EQUAL
        except InputError as error:
            failed[name] = str(error)
        if on_done:
            on_done()
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
    by_reference = any(row.reference_name for row in rows)
    names = [row.name for row in rows if row.value is not None]
    repeated = len(set(names)) < len(names)
    # A picture that is listed twice is no second one.
    groups = [row.reference_name or row.name for row in rows] if by_reference or repeated else None
    errors = [row.error or outcome.error for row, outcome in zip(rows, outcomes, strict=True)]
    found = [np.nan if e or o.score is None else o.score for e, o in zip(errors, outcomes, strict=True)]
    values = [np.nan if row.value is None else row.value for row in rows]
    try:
        result = agreement(
            found,
            values,
            metric=name,
            groups=groups,
            by_reference=by_reference,
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
    more = {"repeated": repeated, "dmos": doubtful, "opposed": result.srcc < _OPPOSED}
    cautions = [*result.cautions, *(name for name, holds in more.items() if holds)]
    return replace(
        result,
        cautions=tuple(cautions),
        rows=tuple(
            Judged(row.name, row.value, row.reference_name, None if np.isnan(x) else float(x), e, error)
            for row, x, e, error in zip(rows, found, expected, errors, strict=True)
        ),
    )


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
