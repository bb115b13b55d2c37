"""Correlations of two columns, and intervals for any statistic of them by the bootstrap over groups."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kukkiri.errors import InputError, one_line
from kukkiri.evaluation.statistics import LEVEL

DRAWS = 500
# Of a rank correlation: a perfect order is 1, not 0.9999999999999999.
_DIGITS = 14


def srcc(x: ArrayLike, y: ArrayLike) -> float:
    """Spearman's rank correlation, ties at their mean rank; NaN if all of one side are equal."""
    from scipy.stats import rankdata

    return round(pearson(rankdata(x), rankdata(y)), _DIGITS)


def krcc(x: ArrayLike, y: ArrayLike) -> float:
    """Kendall's τ-b; NaN if all of one side are equal."""
    from scipy.stats import kendalltau

    return round(float(kendalltau(x, y, variant="b").statistic), _DIGITS)


def pearson(x: ArrayLike, y: ArrayLike) -> float:
    """Pearson's linear correlation; NaN if all of one side are equal."""
    first, second = np.asarray(x, np.float64), np.asarray(y, np.float64)
    a, b = first - first.mean(), second - second.mean()
    scale = math.sqrt(float(a @ a) * float(b @ b))
    return min(1.0, max(-1.0, float(a @ b) / scale)) if scale > 0 else math.nan


def intervals(
    statistic: Callable[[NDArray[np.int64]], Mapping[str, float]],
    groups: ArrayLike,
    names: Sequence[str],
    *,
    draws: int = DRAWS,
    level: float = LEVEL,
    seed: int = 0,
) -> Mapping[str, tuple[float, float]]:
    """Percentile intervals of several statistics when whole groups are drawn anew, the same draws for all.

    Parameters
    ----------
    statistic : function(indices) -> mapping
        Of the pictures with these indices, some of them more than once.
    groups : array, (n,)
    names : sequence of str
        The statistics that it gives.
    draws, level, seed
        As for `agreement`.

    Returns
    -------
    mapping
        NaN where there are fewer than two groups, or no draws.
    """
    values: dict[str, list[float]] = {name: [] for name in names}
    for indices in resampled(groups, draws, seed):
        found = statistic(indices)
        for name in names:
            values[name].append(found[name])
    return MappingProxyType({name: percentiles(its, level) for name, its in values.items()})


def resampled(groups: ArrayLike, draws: int, seed: int) -> Iterator[NDArray[np.int64]]:
    """The indices of each draw: whole groups, drawn with replacement; none of fewer than two groups."""
    _, group = np.unique(np.asarray(groups), return_inverse=True)
    order = np.argsort(group, kind="stable")
    counts = np.bincount(group)
    starts = np.cumsum(counts) - counts
    random = np.random.default_rng(seed)
    for _ in range(draws if len(counts) > 1 else 0):
        chosen = random.integers(len(counts), size=len(counts))
        lengths = counts[chosen]
        # The members of each chosen group, one group after the other.
        within = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        yield order[np.repeat(starts[chosen], lengths) + within]


def check_bootstrap(draws: Any, level: Any, seed: Any) -> None:
    """Raise InputError unless these can be options of a bootstrap.

    To be asked before anything is measured, which may take hours.
    """
    whole = all(isinstance(v, (int, np.integer)) and v >= 0 for v in (draws, seed))
    if not (whole and isinstance(level, (int, float, np.floating)) and 0 < level < 1):
        raise InputError(
            expected="whole draws and seed of at least 0, and a level between 0 and 1",
            got=one_line(f"draws {draws!r}, seed {seed!r}, level {level!r}", 200),
            fix="correct them; 90 % is level 0.9",
        )


def percentiles(values: ArrayLike, level: float) -> tuple[float, float]:
    """Ends of the interval that holds this part of the finite values, as much below as above; NaN of none."""
    given = np.asarray(values, np.float64)
    finite = given[np.isfinite(given)]
    if len(finite) == 0:
        return math.nan, math.nan
    low, high = np.quantile(finite, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
