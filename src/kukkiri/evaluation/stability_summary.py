"""From the scores of a metric before and after small changes to how far each change moves it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from kukkiri.evaluation.estimates import Reading
from kukkiri.evaluation.protocol import RobustnessProtocol
from kukkiri.evaluation.stability import CHANGES, UNCHANGED
from kukkiri.evaluation.statistics import Array, answered, median, quantile, spearman
from kukkiri.evaluation.trials import Row
from kukkiri.metrics.score import json_number
from kukkiri.metrics.spec import MetricSpec

# Interquartile range of a normal distribution of standard deviation 1.
NORMAL_RANGE = 1.349


@dataclass(frozen=True, kw_only=True)
class Movement:
    """How far one change moves a metric; all lengths in spreads of its scores. NaN where nothing was measured.

    Parameters
    ----------
    scores : int
        Pictures, sharp and damaged, that had a score before.
    median, p90 : float
        Median and 90th percentile of |after − before|.
    bias : float
        Median of after − before.
    rank : float
        Spearman between the scores before and after: 1 if the order is kept.
    silent : float
        Share of them without a score after.
    by_damage : dict
        Damage → median of |after − before| of the pictures that have it.
    """

    scores: int
    median: float
    p90: float
    bias: float
    rank: float
    silent: float
    by_damage: Mapping[str, float] = field(default_factory=dict)

    @property
    def worst(self) -> str | None:
        """The damage whose pictures move most."""
        known = {name: value for name, value in self.by_damage.items() if not math.isnan(value)}
        return max(known, key=known.__getitem__) if known else None

    def to_row(self) -> dict[str, Any]:
        """A JSON-ready dict."""
        by_damage = {name: json_number(value) for name, value in self.by_damage.items()}
        return {key: json_number(value) for key, value in vars(self).items()} | {"by_damage": by_damage}


@dataclass(frozen=True, kw_only=True)
class MetricStability:
    """How far small changes of the picture move one metric.

    Parameters
    ----------
    spec : MetricSpec
    skipped : str or None
        Why it could not be measured at all; the rest is empty then.
    slow : bool
        Whether it saw only some pictures, cut.
    pictures : int
        Different ones, each of them sharp and damaged.
    size : (int, int)
        Width and height of most of them, unchanged.
    spread : float
        Robust standard deviation of the scores of the unchanged pictures: interquartile range / 1.349.
    changes : dict
        Name → Movement.
    overall : Movement or None
        Of all changes mixed; its rank is the lowest of them.
    seconds_per_megapixel : float
        Median time of the processor, on one thread.
    scores : dict
        Columns of every score: picture, damage, change, value.
    silences : dict
        Reason → number of scores.
    """

    spec: MetricSpec
    skipped: str | None = None
    slow: bool = False
    pictures: int = 0
    size: tuple[int, int] = (0, 0)
    spread: float = math.nan
    changes: Mapping[str, Movement] = field(default_factory=dict)
    overall: Movement | None = None
    seconds_per_megapixel: float = math.nan
    scores: Mapping[str, list[Any]] = field(default_factory=dict, repr=False)
    silences: Mapping[str, int] = field(default_factory=dict)

    @property
    def worst(self) -> str | None:
        """The change of the greatest median."""
        known = {name: m.median for name, m in self.changes.items() if not math.isnan(m.median)}
        return max(known, key=known.__getitem__) if known else None

    def to_row(self, *, trials: bool = True) -> dict[str, Any]:
        """A JSON-ready dict, with every score or without."""
        row: dict[str, Any] = {"name": self.spec.name, "answers": self.spec.answers, "skipped": self.skipped}
        if self.overall is None:
            return row
        row |= {
            "slow": self.slow,
            "pictures": self.pictures,
            "size": list(self.size),
            "spread": json_number(self.spread),
            "overall": self.overall.to_row(),
            "worst": self.worst,
            "changes": {name: movement.to_row() for name, movement in self.changes.items()},
            "silences": dict(self.silences),
            "seconds_per_megapixel": json_number(self.seconds_per_megapixel),
        }
        return row | ({"scores": dict(self.scores)} if trials else {})


def spread_of(scores: ArrayLike) -> float:
    """Robust standard deviation: interquartile range / 1.349, of the scores that are finite; NaN if there are none."""
    values = np.asarray(scores, np.float64)
    values = values[np.isfinite(values)]
    return (quantile(values, 0.75) - quantile(values, 0.25)) / NORMAL_RANGE


def movement(before: ArrayLike, after: ArrayLike, spread: float, damages: Sequence[str] = ()) -> Movement:
    """How far scores move.

    Parameters
    ----------
    before, after : array, (n,)
        NaN where there is no score.
    spread : float
        What the differences are divided by; of 0, where all scores are alike, only the order is left to tell.
    damages : sequence of str, (n,), optional
        Of the pictures.

    Returns
    -------
    Movement
    """
    kinds = np.array(damages, object)[~np.isnan(np.asarray(before, np.float64))] if damages else np.array([], object)
    b, a = answered(before, after)
    moved = (a - b) / spread if spread > 0 else np.full(len(b), math.nan)
    there = ~np.isnan(a)
    return Movement(
        scores=len(b),
        median=median(np.abs(moved)),
        p90=quantile(np.abs(moved), 0.9),
        bias=median(moved),
        rank=spearman(a[there], b[there]),
        silent=1 - float(there.mean()) if len(there) else math.nan,
        by_damage={kind: median(np.abs(moved[kinds == kind])) for kind in dict.fromkeys(kinds)},
    )


def summarised(spec: MetricSpec, rows: Mapping[str, list[Row]], protocol: RobustnessProtocol) -> MetricStability:
    """All figures of one metric from its scores.

    Parameters
    ----------
    spec : MetricSpec
    rows : mapping
        Picture → rows as `kukkiri.evaluation.stability.measure` gives them.
    protocol : RobustnessProtocol

    Returns
    -------
    MetricStability
        Skipped, if it had no score of any unchanged picture.
    """
    flat = [(picture, row, Reading.from_row(row)) for picture, its in rows.items() for row in its]
    silences = Counter(reading.silence for _, _, reading in flat if reading.silence)
    by_change: dict[str, dict[tuple[str, str], float]] = {name: {} for name in (UNCHANGED, *CHANGES)}
    for picture, row, reading in flat:
        # An infinite score has no distance to another.
        value = reading.value if math.isfinite(reading.value) else math.nan
        by_change[row["change"]][picture, row["damage"]] = value
    before = by_change[UNCHANGED]
    if not any(math.isfinite(value) for value in before.values()):
        reason = silences.most_common(1)[0][0] if silences else "no picture could be read, or no score is finite"
        return MetricStability(spec=spec, skipped=reason)
    base = np.array(list(before.values()))
    spread = spread_of(base)
    after = {name: np.array([by_change[name].get(key, math.nan) for key in before]) for name in CHANGES}
    unchanged = [reading for _, row, reading in flat if row["change"] == UNCHANGED]
    damages = [damage for _, damage in before]
    found = {name: movement(base, values, spread, damages) for name, values in after.items()}
    return MetricStability(
        spec=spec,
        slow=spec.name in protocol.slow,
        pictures=len({picture for picture, _ in before}),
        size=Counter(reading.size for reading in unchanged).most_common(1)[0][0],
        spread=spread,
        changes=found,
        overall=_mixed(base, after, spread, damages, found),
        seconds_per_megapixel=median([reading.seconds for _, _, reading in flat]),
        scores={
            "picture": [picture for picture, _, _ in flat],
            "damage": [row["damage"] for _, row, _ in flat],
            "change": [row["change"] for _, row, _ in flat],
            "value": [json_number(reading.value) for _, _, reading in flat],
        },
        silences=silences,
    )


def _mixed(
    base: Array, after: Mapping[str, Array], spread: float, damages: list[str], found: Mapping[str, Movement]
) -> Movement:
    mixed = movement(np.tile(base, len(after)), np.concatenate(list(after.values())), spread, damages * len(after))
    ranks = [m.rank for m in found.values() if not math.isnan(m.rank)]
    return Movement(**(vars(mixed) | {"rank": min(ranks, default=math.nan)}))
