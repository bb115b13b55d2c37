"""Correlations of two columns, and intervals for any statistic of them by the bootstrap over groups."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kukkiri.evaluation.statistics import LEVEL, Array

DRAWS = 500


def srcc(x: ArrayLike, y: ArrayLike) -> float:
    """Spearman's rank correlation, ties at their mean rank; NaN if all of one side are equal."""
    from scipy.stats import rankdata

    return pearson(rankdata(x), rankdata(y))


def krcc(x: ArrayLike, y: ArrayLike) -> float:
    """Kendall's τ-b; NaN if all of one side are equal."""
    from scipy.stats import kendalltau

    return float(kendalltau(x, y, variant="b").statistic)


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
    _, group = np.unique(np.asarray(groups), return_inverse=True)
    order = np.argsort(group, kind="stable")
    counts = np.bincount(group)
    starts = np.cumsum(counts) - counts
    values: dict[str, list[float]] = {name: [] for name in names}
    random = np.random.default_rng(seed)
    for _ in range(draws if len(counts) > 1 else 0):
        chosen = random.integers(len(counts), size=len(counts))
        lengths = counts[chosen]
        # The members of each chosen group, one group after the other.
        within = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        found = statistic(order[np.repeat(starts[chosen], lengths) + within])
        for name in names:
            values[name].append(found[name])
    return MappingProxyType({name: _percentiles(np.array(its), level) for name, its in values.items()})


def _percentiles(values: Array, level: float) -> tuple[float, float]:
    values = values[np.isfinite(values)]
    if len(values) == 0:
        return math.nan, math.nan
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
