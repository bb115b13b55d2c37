"""Agreement of scores with people: rank and linear correlation, error on the scale of opinions, with intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from kukkiri.errors import InputError
from kukkiri.evaluation.agreement_statistics import cautions_of, fitted, intervals_of, statistics_of
from kukkiri.evaluation.correlation import DRAWS, check_bootstrap
from kukkiri.evaluation.logistic import Curve
from kukkiri.evaluation.statistics import LEVEL
from kukkiri.metrics.score import json_number
from kukkiri.pages.language import texts

LEAST = 3
# References below which intervals are too narrow: simulated, 80 % instead of 90 % with three, 90 % from five on.
ENOUGH = 5
# Of fewer contents there is no interval: two may even give one of no width.
DRAWN = 4


@dataclass(frozen=True)
class Judged:
    """One picture, its opinion and its score.

    Parameters
    ----------
    image : str
        Path or name, as it was given.
    opinion : float or None
        As it was given.
    reference : str or None
    score : float or None
    expected : float or None
        The opinion that the four-parameter curve (or the line, where there is none) reads off the score.
    error : str or None
        Why there is no score, or no opinion.
    """

    image: str
    opinion: float | None = None
    reference: str | None = None
    score: float | None = None
    expected: float | None = None
    error: str | None = None

    def to_row(self) -> dict[str, Any]:
        """A JSON-ready dict."""
        return {name: json_number(value) for name, value in vars(self).items()}


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """How well a metric agrees with people.

    Every correlation is signed: **+ means that the metric agrees**, whatever its direction and that of the opinions.
    A curve turns every score the right way, so that after one the sign is that of
    Spearman's correlation of the finite scores.

    Parameters
    ----------
    metric : str
        Its name.
    n : int
        Pictures that count.
    failed : int
        Pictures without a score or an opinion.
    infinite : int
        Of the n, those whose score is infinite: they count for `srcc` and `krcc` alone.
    contents : int
        What was drawn anew for the intervals: references where they are known, else pictures.
    by_reference : bool
        Whether contents are references.
    higher_is_better : bool
        Of the score.
    higher_is_worse : bool
        Of the opinions: True for most DMOS.
    srcc : float
        Spearman's rank correlation, of the scores as they are.
    krcc : float
        Kendall's τ-b, of the scores as they are.
    plcc, rmse : float
        Pearson's correlation of the scores as they are, and what the best straight line leaves of the opinions, in
        their unit: the square root of the mean squared residual.
    plcc_logistic4, rmse_logistic4, plcc_logistic5, rmse_logistic5 : float
        The same after the logistic of four and of five parameters; see `logistic.fit`.
    intervals : mapping
        Statistic → percentile interval of the bootstrap; each draw has its own curves. NaN of fewer than four contents.
    curves : mapping
        'linear', 'logistic-4', 'logistic-5' → `Curve` from scores to opinions.
    level : float
        Nominal coverage of the intervals.
    draws, seed : int
    cautions : tuple of str
        What to know before the numbers are used, in one word each; `notes` says it in full.
    rows : tuple of Judged
        Every picture; empty where only arrays were given.
    """

    metric: str
    n: int
    failed: int
    infinite: int
    contents: int
    by_reference: bool
    higher_is_better: bool
    higher_is_worse: bool
    srcc: float
    krcc: float
    plcc: float
    rmse: float
    plcc_logistic4: float
    rmse_logistic4: float
    plcc_logistic5: float
    rmse_logistic5: float
    intervals: Mapping[str, tuple[float, float]]
    curves: Mapping[str, Curve] = field(default_factory=lambda: MappingProxyType({}))
    level: float = LEVEL
    draws: int = DRAWS
    seed: int = 0
    cautions: tuple[str, ...] = ()
    rows: tuple[Judged, ...] = field(default=(), repr=False)

    @property
    def notes(self) -> tuple[str, ...]:
        """What to know before the numbers are used."""
        return tuple(texts("en")[f"agreement.note_{name}"] for name in self.cautions)

    def to_row(self, *, pictures: bool = False) -> dict[str, Any]:
        """A JSON-ready dict, with every picture if asked for; what is not known is None."""
        row = {name: json_number(value) for name, value in vars(self).items() if name not in _NESTED}
        row["intervals"] = {name: [json_number(v) for v in ends] for name, ends in self.intervals.items()}
        row["curves"] = {
            name: {
                "parameters": [json_number(v) for v in curve.parameters],
                "straight": curve.straight,
                "monotone": curve.monotone,
            }
            for name, curve in self.curves.items()
        }
        row["notes"] = list(self.notes)
        return row | ({"pictures": [judged.to_row() for judged in self.rows]} if pictures else {})


_NESTED = ("intervals", "curves", "cautions", "rows")


def agreement(
    scores: ArrayLike,
    opinions: ArrayLike,
    *,
    metric: str = "scores",
    groups: Sequence[str] | None = None,
    by_reference: bool = True,
    higher_is_better: bool = True,
    higher_is_worse: bool = False,
    draws: int = DRAWS,
    level: float = LEVEL,
    seed: int = 0,
) -> Agreement:
    """Statistics of scores against opinions.

    Parameters
    ----------
    scores, opinions : array, (n,)
        NaN where one is missing: such a picture counts as failed. Scores may be infinite.
    metric : str
        A name for the scores.
    groups : sequence of str, optional
        The content that each picture shows: pictures of one reference are drawn together in the bootstrap, since they
        are not independent.
    by_reference : bool
        Whether groups are references; else they are pictures, some of them more than once.
    higher_is_better : bool
        Of the score.
    higher_is_worse : bool
        Of the opinions.
    draws : int
        Of the bootstrap; 0 for no intervals.
    level : float
        Coverage of the intervals, in (0, 1).
    seed : int
        At least 0.

    Returns
    -------
    Agreement

    Raises
    ------
    InputError
        If the lengths differ, an opinion is infinite, fewer than three pictures are left, or an option is out of range.
    """
    check_bootstrap(draws, level, seed)
    x, y = np.asarray(scores, np.float64), np.asarray(opinions, np.float64)
    if x.ndim != 1 or x.shape != y.shape or (groups is not None and len(groups) != len(x)):
        raise InputError(
            expected="one score, one opinion and one group a picture",
            got=f"shapes {x.shape} and {y.shape}" + ("" if groups is None else f", {len(groups)} groups"),
            fix="give arrays of one length",
        )
    if np.isinf(y).any():
        raise InputError(expected="finite opinions", got="an infinite one", fix="correct it, or leave the picture out")
    there = ~(np.isnan(x) | np.isnan(y))
    if int(there.sum()) < LEAST:
        raise InputError(
            expected=f"at least {LEAST} pictures with a score and an opinion",
            got=f"{int(there.sum())} of {len(x)}",
            fix="see the errors of the others",
        )
    by_reference = by_reference and groups is not None
    labels = np.arange(int(there.sum())) if groups is None else np.asarray(groups)[there]
    x, y = x[there], y[there]
    contents = len(np.unique(labels))
    sign = 1.0 if higher_is_better != higher_is_worse else -1.0
    curves = fitted(x, y)
    values = statistics_of(x, y, sign, curves)
    cautions = cautions_of(x, y, curves)
    found = dict.fromkeys(values, (math.nan, math.nan))
    if draws and "equal" not in cautions:
        if contents >= DRAWN:
            found = intervals_of(x, y, sign, curves, labels, draws=draws, level=level, seed=seed)
        if contents < ENOUGH:
            cautions += ("contents" if contents >= DRAWN else "no_intervals",)
    return Agreement(
        metric=metric,
        n=len(x),
        failed=int((~there).sum()),
        infinite=int(np.isinf(x).sum()),
        contents=contents,
        by_reference=by_reference,
        higher_is_better=higher_is_better,
        higher_is_worse=higher_is_worse,
        srcc=values["srcc"],
        krcc=values["krcc"],
        plcc=values["plcc"],
        rmse=values["rmse"],
        plcc_logistic4=values["plcc_logistic4"],
        rmse_logistic4=values["rmse_logistic4"],
        plcc_logistic5=values["plcc_logistic5"],
        rmse_logistic5=values["rmse_logistic5"],
        intervals=MappingProxyType(found),
        curves=MappingProxyType(curves),
        level=level,
        draws=draws,
        seed=seed,
        cautions=cautions,
    )
