"""From the trials of a metric to its figures: over everything mixed, each day, each PSF, each range of sigma."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kukkiri.evaluation.estimates import gives_sigma
from kukkiri.evaluation.protocol import RobustnessProtocol
from kukkiri.evaluation.statistics import (
    Array,
    bootstrap_interval,
    constant_width_scores,
    covered,
    interval_scores,
    mean,
    median,
    pairwise_accuracy,
    quantile,
    relative_error,
    spearman,
)
from kukkiri.evaluation.trials import Trials
from kukkiri.metrics.score import json_number
from kukkiri.metrics.spec import MetricSpec


@dataclass(frozen=True, kw_only=True)
class Statistics:
    """A metric's figures over some trials. NaN where a figure is not defined for the metric.

    Parameters
    ----------
    trials : int
    silent : float
        Share of trials without a value; all else is of those with one. NaN where there is no trial.
    spearman, pairwise : float
        Order against the true sigma: rank correlation, +1 is right; share of pairs in the right order.
    median_error, p90_error, bias : float
        Of a metric that gives sigma: median and 90th percentile of |estimate/truth − 1|, median of estimate/truth − 1;
        a censored answer counts with the bound that it names.
    censored : float
        Of a metric that gives intervals: share of answers that only say below or above its range.
    coverage : float
        Share of intervals that hold the truth (90 % is nominal); a censored one is open on its side.
    width : float
        Median high/low of those that are not censored.
    interval_score, constant_width_score : float
        Mean interval score of log sigma of those, and what the best interval of constant ratio would score.
    """

    trials: int
    silent: float
    spearman: float
    pairwise: float
    median_error: float
    p90_error: float
    bias: float
    censored: float
    coverage: float
    width: float
    interval_score: float
    constant_width_score: float

    def to_row(self) -> dict[str, Any]:
        """A JSON-ready dict."""
        return {key: json_number(value) for key, value in vars(self).items()}


@dataclass(frozen=True, kw_only=True)
class MetricRobustness:
    """How one metric did.

    Parameters
    ----------
    spec : MetricSpec
    skipped : str or None
        Why it could not be measured at all; the rest is None or empty then.
    slow : bool
        Whether it saw only some pictures, cut.
    pictures : int
    size : (int, int)
        Width and height that most pictures had when it saw them.
    mixed : Statistics or None
        Over everything.
    spearman_interval : (float, float)
        90 % interval of the Spearman over everything: pictures drawn anew 200 times.
    by_day, by_psf, by_sigma, by_psf_and_day : dict
        Name, or (PSF, day) → Statistics. Ranges of true sigma are named as '1-2', in pixels.
    seconds_per_megapixel : float
        Median time of the processor, on one thread.
    trials : Trials or None
    silences : dict
        Reason → number of trials.
    """

    spec: MetricSpec
    skipped: str | None = None
    slow: bool = False
    pictures: int = 0
    size: tuple[int, int] = (0, 0)
    mixed: Statistics | None = None
    spearman_interval: tuple[float, float] = (np.nan, np.nan)
    by_day: Mapping[str, Statistics] = field(default_factory=dict)
    by_psf: Mapping[str, Statistics] = field(default_factory=dict)
    by_sigma: Mapping[str, Statistics] = field(default_factory=dict)
    by_psf_and_day: Mapping[tuple[str, str], Statistics] = field(default_factory=dict)
    seconds_per_megapixel: float = np.nan
    trials: Trials | None = None
    silences: Mapping[str, int] = field(default_factory=dict)

    @property
    def worst_day(self) -> str | None:
        """The day of the lowest Spearman."""
        known = {day: s.spearman for day, s in self.by_day.items() if not np.isnan(s.spearman)}
        return min(known, key=known.__getitem__) if known else None

    def to_row(self, *, trials: bool = True) -> dict[str, Any]:
        """A JSON-ready dict, with every trial or without."""
        row: dict[str, Any] = {
            "name": self.spec.name,
            "unit": self.spec.unit,
            "higher_is_better": self.spec.higher_is_better,
            "skipped": self.skipped,
        }
        if self.mixed is None:
            return row
        cells = [{"psf": p, "day": d} | s.to_row() for (p, d), s in self.by_psf_and_day.items()]
        row |= {
            "slow": self.slow,
            "pictures": self.pictures,
            "size": list(self.size),
            "mixed": self.mixed.to_row(),
            "spearman_interval": [json_number(v) for v in self.spearman_interval],
            "worst_day": self.worst_day,
            "by_day": {key: s.to_row() for key, s in self.by_day.items()},
            "by_psf": {key: s.to_row() for key, s in self.by_psf.items()},
            "by_sigma": {key: s.to_row() for key, s in self.by_sigma.items()},
            "by_psf_and_day": cells,
            "silences": dict(self.silences),
            "seconds_per_megapixel": json_number(self.seconds_per_megapixel),
        }
        return row | ({"trials": self.trials.to_row()} if trials and self.trials is not None else {})


def summarised(spec: MetricSpec, trials: Trials, protocol: RobustnessProtocol) -> MetricRobustness:
    """All figures of one metric from its trials.

    Parameters
    ----------
    spec : MetricSpec
    trials : Trials
    protocol : RobustnessProtocol

    Returns
    -------
    MetricRobustness
        Skipped, if it was silent in every trial.
    """
    silences = Counter(reading.silence for reading in trials.readings if reading.silence)
    if silences.total() == len(trials.readings):
        reason = silences.most_common(1)[0][0] if silences else "no picture could be read"
        return MetricRobustness(spec=spec, skipped=reason)
    values, higher = trials.column("value"), spec.higher_is_better
    scores = _interval_scores(trials)

    def part(chosen: NDArray[np.bool_]) -> Statistics:
        return _statistics(spec, trials, scores, np.flatnonzero(chosen), protocol.seed)

    def resampled(indices: NDArray[np.int64]) -> float:
        return spearman(values[indices], trials.sigma[indices], higher_is_better=higher)

    return MetricRobustness(
        spec=spec,
        slow=spec.name in protocol.slow,
        pictures=len(set(trials.picture)),
        size=Counter(reading.size for reading in trials.readings).most_common(1)[0][0],
        mixed=part(trials.sigma > 0),
        spearman_interval=bootstrap_interval(resampled, trials.picture.astype(str), seed=protocol.seed),
        by_day={day: part(trials.day == day) for day in protocol.days},
        by_psf={psf: part(trials.psf == psf) for psf in protocol.psfs},
        by_sigma={
            name: part((trials.sigma >= low) & (trials.sigma < high))
            for name, low, high in sigma_ranges(*protocol.sigma)
        },
        by_psf_and_day={
            (psf, day): part((trials.psf == psf) & (trials.day == day))
            for psf in protocol.psfs
            for day in protocol.days
        },
        seconds_per_megapixel=median(trials.column("seconds")),
        trials=trials,
        silences=silences,
    )


def sigma_ranges(low: float, high: float) -> list[tuple[str, float, float]]:
    """A range of blur sizes parted at the powers of two within it, but for slivers at its ends.

    Parameters
    ----------
    low, high : float
        Pixels, 0 < low < high.

    Returns
    -------
    list of (str, float, float)
        Name, such as '1-2', and ends; the outermost ends are 0 and infinity, so that each trial is in one range even
        where a kernel could not have quite the size that was drawn.
    """
    first, last = math.ceil(math.log2(1.25 * low)), math.floor(math.log2(high / 1.25))
    inner = [2.0**k for k in range(first, last + 1)]
    named, ends = [low, *inner, high], [0.0, *inner, math.inf]
    return [(f"{named[i]:g}-{named[i + 1]:g}", ends[i], ends[i + 1]) for i in range(len(inner) + 1)]


def _interval_scores(trials: Trials) -> tuple[Array, Array]:
    """Interval scores of log sigma, of the metric's own intervals and of the best constant ratio; NaN where none."""
    value, low, high = (trials.column(name) for name in ("value", "low", "high"))
    closed = np.array([reading.bound is None for reading in trials.readings])
    usable = closed & (value > 0) & (low > 0) & (high >= low) & np.isfinite(high)
    own, constant = np.full((2, len(value)), np.nan)
    if usable.any():
        log_value, log_low, log_high, truth = (np.log(v[usable]) for v in (value, low, high, trials.sigma))
        own[usable] = interval_scores(log_low, log_high, truth)
        # One constant for everything: calibrated on all other pictures, on all days and under all PSFs.
        constant[usable] = constant_width_scores(log_value, truth, trials.picture[usable].astype(str))
    return own, constant


def _statistics(
    spec: MetricSpec, trials: Trials, scores: tuple[Array, Array], chosen: NDArray[np.int64], seed: int
) -> Statistics:
    value, low, high = (trials.column(name)[chosen] for name in ("value", "low", "high"))
    truth, there = trials.sigma[chosen], ~np.isnan(value)
    bounds = [trials.readings[i].bound for i, t in zip(chosen, there, strict=True) if t]
    below, above = (np.array([b == side for b in bounds], bool) for side in ("below", "above"))
    error = relative_error(value, truth) if gives_sigma(spec) else np.array([])
    # A censored interval is open on its side, whatever number stands there.
    low, high = np.where(below, 0, low[there]), np.where(above, np.inf, high[there])
    has_interval = ~np.isnan(low) & ~np.isnan(high)
    closed = has_interval & ~below & ~above & (low > 0)
    own, constant = (s[chosen] for s in scores)
    with_intervals = bool(has_interval.any())
    return Statistics(
        trials=len(chosen),
        silent=1 - float(there.mean()) if len(there) else np.nan,
        spearman=spearman(value, truth, higher_is_better=spec.higher_is_better),
        pairwise=pairwise_accuracy(value, truth, higher_is_better=spec.higher_is_better, seed=seed),
        median_error=median(np.abs(error)),
        p90_error=quantile(np.abs(error), 0.9),
        bias=median(error),
        censored=float((below | above).mean()) if with_intervals else np.nan,
        coverage=mean(covered(low, high, truth[there])[has_interval]) if with_intervals else np.nan,
        width=median(high[closed] / low[closed]) if closed.any() else np.nan,
        interval_score=mean(own),
        constant_width_score=mean(constant),
    )
