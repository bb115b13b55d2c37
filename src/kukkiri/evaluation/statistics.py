"""Statistics of scores against the truth: order, error, coverage, interval scores. Pure functions of arrays."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
# Pairs that are all counted; of more, a sample of this many is drawn.
ALL_PAIRS = 5_000_000
# Of every interval in here, unless said otherwise.
LEVEL = 0.9


def spearman(score: ArrayLike, truth: ArrayLike, *, higher_is_better: bool = False) -> float:
    """Spearman's rank correlation of a score with the true blur, signed so that +1 is right for every metric.

    Parameters
    ----------
    score, truth : array, (n,)
        Pairs whose score is NaN are left out.
    higher_is_better : bool
        Of the score, which should then fall where blur grows.

    Returns
    -------
    float
        In [−1, 1]; NaN of fewer than three scores or of scores that are all equal.
    """
    from scipy.stats import rankdata

    s, t = answered(score, truth)
    a, b = rankdata(s), rankdata(t)
    if len(s) < 3 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return math.nan
    found = float(np.corrcoef(a, b)[0, 1])
    return -found if higher_is_better else found


def pairwise_accuracy(
    score: ArrayLike, truth: ArrayLike, *, higher_is_better: bool = False, seed: int = 0, all_pairs: int = ALL_PAIRS
) -> float:
    """Share of pairs of pictures that the score puts in the right order.

    Parameters
    ----------
    score, truth : array, (n,)
        What has no score is left out; pairs of equal truth are too; equal scores of different truths count one half.
    higher_is_better : bool
        Of the score.
    seed : int
        Of the sample of `all_pairs` pairs that is drawn if there are more.
    all_pairs : int

    Returns
    -------
    float
        In [0, 1], 0.5 is chance; NaN if there is no pair.
    """
    s, t = answered(score, truth)
    n = len(s)
    if n * (n - 1) // 2 > all_pairs:
        random = np.random.default_rng(seed)
        first = random.integers(n, size=all_pairs)
        second = (first + random.integers(1, n, size=all_pairs)) % n
        right, counted = _agreement(s[first], s[second], t[first], t[second])
    else:
        # One picture against all after it: no n × n table is held.
        parts = [_agreement(s[i], s[i + 1 :], t[i], t[i + 1 :]) for i in range(n - 1)]
        right, counted = sum(p[0] for p in parts), sum(p[1] for p in parts)
    if counted == 0:
        return math.nan
    return 1 - right / counted if higher_is_better else right / counted


def _agreement(s0: ArrayLike, s1: Array, t0: ArrayLike, t1: Array) -> tuple[float, int]:
    """Pairs ordered alike, and pairs that count. Signs, not differences: two infinite scores are equal."""
    by_score = np.greater(s1, s0).astype(np.int8) - np.less(s1, s0).astype(np.int8)
    by_truth = np.greater(t1, t0).astype(np.int8) - np.less(t1, t0).astype(np.int8)
    return float(((by_score * by_truth + 1) / 2)[by_truth != 0].sum()), int(np.count_nonzero(by_truth))


def relative_error(estimate: ArrayLike, truth: ArrayLike) -> Array:
    """Signed relative errors, estimate/truth − 1, of those that have an estimate."""
    e, t = answered(estimate, truth)
    return np.asarray(e / t - 1)


def covered(low: ArrayLike, high: ArrayLike, truth: ArrayLike) -> NDArray[np.bool_]:
    """Whether each truth lies in its interval, ends included; an end may be 0 or infinite."""
    lo, hi, t = (np.asarray(v, np.float64) for v in (low, high, truth))
    return np.asarray((lo <= t) & (t <= hi))


def interval_scores(low: ArrayLike, high: ArrayLike, truth: ArrayLike, *, level: float = LEVEL) -> Array:
    """Interval scores: the width, plus 2/(1 − level) times what the truth lies outside. Smaller is better.

    The score is proper: it is least, on average, for the true quantiles (Gneiting, Raftery, JASA 102, 2007, eq. 43;
    Winkler, JASA 67, 1972). Give logarithms to score intervals of a size.

    Parameters
    ----------
    low, high, truth : array, (n,)
    level : float
        Nominal coverage.

    Returns
    -------
    array, (n,)
    """
    lo, hi, t = (np.asarray(v, np.float64) for v in (low, high, truth))
    return np.asarray((hi - lo) + 2 / (1 - level) * (np.maximum(lo - t, 0) + np.maximum(t - hi, 0)))


def constant_width_scores(estimate: ArrayLike, truth: ArrayLike, groups: ArrayLike, *, level: float = LEVEL) -> Array:
    """Interval scores of the best interval that is estimate + constants: what any interval of a model must beat.

    The constants are split-conformal quantiles of truth − estimate over all other groups (Lei et al., JASA 113, 2018,
    §2.2): one of the absolute residual, or one at each end, whichever scores better over everything.

    Parameters
    ----------
    estimate, truth : array, (n,)
        Logarithms, to have constant ratios of a size.
    groups : array, (n,)
        A group (a picture) never sets its own constants.
    level : float

    Returns
    -------
    array, (n,)
        NaN if there is but one group.
    """
    e, t = np.asarray(estimate, np.float64), np.asarray(truth, np.float64)
    labels = np.asarray(groups)
    both = np.full((2, len(e)), np.nan)
    for group in np.unique(labels):
        own = labels == group
        others = np.sort(t[~own] - e[~own])
        if len(others) == 0:
            continue
        width = conformal_quantile(np.sort(np.abs(others)), level)
        # The lower end is the upper one of the mirrored residuals.
        low = -conformal_quantile(np.sort(-others), (1 + level) / 2)
        high = conformal_quantile(others, (1 + level) / 2)
        both[0, own] = interval_scores(e[own] - width, e[own] + width, t[own], level=level)
        both[1, own] = interval_scores(e[own] + low, e[own] + high, t[own], level=level)
    return np.asarray(both[int(both[1].mean() < both[0].mean())])


def conformal_quantile(residuals: Array, level: float) -> float:
    """The ⌈(n + 1)·level⌉-th smallest of sorted residuals, the largest if there are too few."""
    rank = math.ceil((len(residuals) + 1) * level - 1e-9)
    return float(residuals[min(rank, len(residuals)) - 1])


def bootstrap_interval(
    statistic: Callable[[NDArray[np.int64]], float],
    groups: ArrayLike,
    *,
    seed: int = 0,
    draws: int = 200,
    level: float = LEVEL,
) -> tuple[float, float]:
    """Percentile interval of a statistic when whole groups are drawn anew: trials of one picture are not independent.

    Parameters
    ----------
    statistic : function(indices) -> float
        Of the trials with these indices, some of them more than once.
    groups : array, (n,)
        Which picture each trial is of.
    seed, draws : int
    level : float

    Returns
    -------
    (float, float)
        NaN if there are fewer than two groups.
    """
    labels = np.asarray(groups)
    members = [np.flatnonzero(labels == group) for group in np.unique(labels)]
    if len(members) < 2:
        return math.nan, math.nan
    random = np.random.default_rng(seed)
    chosen = random.integers(len(members), size=(draws, len(members)))
    values = np.array([statistic(np.concatenate([members[i] for i in row])) for row in chosen])
    values = values[np.isfinite(values)]
    if len(values) == 0:
        return math.nan, math.nan
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def answered(score: ArrayLike, *others: ArrayLike) -> tuple[Array, ...]:
    """Score and columns beside it, without the rows whose score is NaN."""
    s = np.asarray(score, np.float64)
    there = ~np.isnan(s)
    return s[there], *(np.asarray(o, np.float64)[there] for o in others)


def median(values: ArrayLike) -> float:
    """Median of the values that are not NaN; NaN if there are none."""
    return quantile(values, 0.5)


def quantile(values: ArrayLike, level: float) -> float:
    """Quantile of the values that are not NaN; NaN if there are none."""
    (v,) = answered(values)
    return float(np.quantile(v, level)) if len(v) else math.nan


def mean(values: ArrayLike) -> float:
    """Mean of the values that are not NaN; NaN if there are none."""
    (v,) = answered(values)
    return float(v.mean()) if len(v) else math.nan
