"""How far the blur sizes of pictures that should be alike lie apart, and which change one new picture can show.

A new picture of the unchanged instrument is drawn from the same population as the n references, so that its distance
from their mean, over its own standard deviation √(1 + 1/n)·r, follows Student's t with n − 1 degrees of freedom. The
smallest detectable change is the half-width of that 95 % prediction interval:

    d = t(0.975, n − 1) · r · √(1 + 1/n)

(Hahn and Meeker, Statistical Intervals, 1991, ch. 4: one future observation.) It is a limit of decision: of pictures
of the unchanged instrument, 1 in 40 lies further up and 1 in 40 further down. A true change of just d passes it every
second time; one of about 2·d passes it nearly always (Currie, Analytical Chemistry 40(3), 1968,
doi:10.1021/ac60259a007: decision is not detection).

Where some fields were taken more than once, the spread has two parts, between fields and within them. They are told
apart by the analysis of variance of unweighted means (Burdick and Graybill, Confidence Intervals on Variance
Components, 1992), and the degrees of freedom of their sum follow Satterthwaite, Biometrics Bulletin 2(6), 1946,
doi:10.2307/3002019. With one picture a field this is the formula above. Of only two fields, the 5 % may be 7 %.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

# Fewer tell nothing of a spread; fewer still cannot show one of theirs to be an outlier.
FEWEST, FEWEST_TO_JUDGE = 3, 5
# Chance that a set without outliers loses one.
OUTLIER_LEVEL = 0.01
# Of the smallest detectable change, and of intervals.
CHANGE_LEVEL, INTERVAL_LEVEL = 0.95, 0.9

Between = Literal["fields", "pictures of one field"]


@dataclass(frozen=True)
class Repeatability:
    """The spread of blur sizes that should be alike.

    Parameters
    ----------
    centre : float
        Pixels: the mean, every field counting once.
    deviation : float
        Pixels: standard deviation of single pictures about the centre, 'between' as told.
    within : float or None
        Pixels: standard deviation of pictures of one and the same field; None if none was taken twice.
    between : 'fields' | 'pictures of one field'
        What `deviation` is over.
    half_width : float
        Pixels: the centre ± this holds the mean of the population with 90 %.
    smallest_change : float
        Pixels: how much further from the centre one new picture must lie, at 95 %.
    """

    centre: float
    deviation: float
    within: float | None
    between: Between
    half_width: float
    smallest_change: float


def repeatability(values: Sequence[float], fields: Sequence[Hashable] | None = None) -> Repeatability | None:
    """The spread of values that should be alike.

    Parameters
    ----------
    values : sequence of float
        Pixels, without outliers.
    fields : sequence, optional
        One label a value: equal labels, the same field of view. Default: all are different.

    Returns
    -------
    Repeatability or None
        None of fewer than three values.
    """
    x = np.asarray(values, dtype=np.float64)
    if len(x) < FEWEST:
        return None
    labels = list(range(len(x))) if fields is None else list(fields)
    groups = [x[[label == one for label in labels]] for one in dict.fromkeys(labels)]
    count, freedom = len(groups), len(x) - len(groups)
    within = sum(float(((g - g.mean()) ** 2).sum()) for g in groups) / freedom if freedom else 0.0
    if count == 1:
        centre, variance, predicted = float(x.mean()), within, within * (1 + 1 / len(x))
        of_mean, of_predicted, standard_error = freedom, float(freedom), math.sqrt(within / len(x))
    else:
        means = np.array([g.mean() for g in groups])
        centre, among = float(means.mean()), float(means.var(ddof=1))
        # Means of k pictures hide all but a k-th of the spread within fields; a single new picture shows it all.
        hidden = within * (1 - sum(1 / len(g) for g in groups) / count)
        variance, predicted = among + hidden, among * (1 + 1 / count) + hidden
        of_mean, standard_error = count - 1, math.sqrt(among / count)
        of_predicted = _satterthwaite([(among * (1 + 1 / count), count - 1), (hidden, freedom)])
    return Repeatability(
        centre=centre,
        deviation=math.sqrt(variance),
        within=math.sqrt(within) if freedom else None,
        between="fields" if count > 1 else "pictures of one field",
        half_width=student(0.5 + INTERVAL_LEVEL / 2, of_mean) * standard_error,
        smallest_change=student(0.5 + CHANGE_LEVEL / 2, of_predicted) * math.sqrt(predicted),
    )


def outliers(values: Sequence[float], fields: Sequence[Hashable] | None = None) -> list[int]:
    """Which values do not belong to the others.

    The generalised extreme Studentised deviate test at 1 %, for at most a quarter of the values: Rosner, Technometrics
    25(2), 1983, doi:10.1080/00401706.1983.10487848. Unlike one Grubbs test after another, it finds several outliers
    that hide each other. Where fields were taken more than once, their means are tested, and then the pictures of
    every field of three or more against its mean: fields that differ are no outliers.

    Parameters
    ----------
    values : sequence of float
    fields : sequence, optional
        As in `repeatability`.

    Returns
    -------
    list of int
        Their places, in order; none of fewer than five values.
    """
    x = np.asarray(values, dtype=np.float64)
    labels = list(range(len(x))) if fields is None else list(fields)
    groups = [[i for i, label in enumerate(labels) if label == one] for one in dict.fromkeys(labels)]
    if len(groups) == len(x):
        groups = [list(range(len(x)))]
    strange: set[int] = set()
    if len(groups) > 1:
        means = np.array([x[g].mean() for g in groups])
        strange = {i for g in _extreme(means, [list(range(len(means)))]) for i in groups[g]}
    return sorted(strange.union(_extreme(x, [g for g in groups if strange.isdisjoint(g)])))


def _extreme(x: NDArray[np.float64], groups: list[list[int]]) -> list[int]:
    """Places of values that lie too far from the mean of their group; groups share one spread."""
    # Of a pair nobody can tell which one is wrong.
    left = [list(g) for g in groups if len(g) >= FEWEST]
    count = sum(map(len, left))
    removed: list[int] = []
    found = 0
    for _ in range(max(1, count // 4) if count >= FEWEST_TO_JUDGE else 0):
        freedom = sum(len(g) - 1 for g in left)
        squares = sum(float(((x[g] - x[g].mean()) ** 2).sum()) for g in left)
        spread = math.sqrt(squares / freedom) if freedom > 1 else 0.0
        candidates = [(i, g) for g in left if len(g) >= FEWEST for i in g]
        if not candidates or spread <= 1e-9 * max(1.0, float(np.abs(x).max())):
            break
        # A value pulls the mean of its group towards itself; for one group this is the distance of Grubbs and Rosner.
        apart = [abs(float(x[i] - x[g].mean())) / (spread * math.sqrt(1 - 1 / len(g))) for i, g in candidates]
        worst = int(np.argmax(apart))
        t = student(1 - OUTLIER_LEVEL / (2 * len(candidates)), freedom - 1)
        limit = t * math.sqrt(freedom / (freedom - 1 + t * t))
        place, group = candidates[worst]
        group.remove(place)
        removed.append(place)
        if apart[worst] > limit:
            found = len(removed)
    return removed[:found]


def spatial_median(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """The point with the least sum of distances to all others: the median of vectors, whatever way the axes point.

    Parameters
    ----------
    points : (N, D)

    Returns
    -------
    (D,)
        By Weiszfeld's iteration, Tôhoku Mathematical Journal 43, 1937.
    """
    middle: NDArray[np.float64] = np.median(points, axis=0)
    for _ in range(200):
        distance = np.linalg.norm(points - middle, axis=1).clip(1e-9)
        moved = (points / distance[:, None]).sum(0) / (1 / distance).sum()
        done = float(np.linalg.norm(moved - middle)) < 1e-9
        middle = moved
        if done:
            break
    return middle


def student(share: float, freedom: float) -> float:
    """Quantile of Student's t."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, share))


def _satterthwaite(parts: Sequence[tuple[float, int]]) -> float:
    """Degrees of freedom of a sum of independent estimates of variance, each with its own."""
    counted = [(variance, freedom) for variance, freedom in parts if freedom]
    total = sum(variance for variance, _ in counted)
    if total <= 0:
        return float(counted[0][1])
    return total**2 / sum(variance**2 / freedom for variance, freedom in counted)
