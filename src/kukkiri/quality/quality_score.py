"""The score of a metric that also says what is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from kukkiri.metrics.score import Score
from kukkiri.quality.judgement import Probabilities

if TYPE_CHECKING:
    from kukkiri.metrics.estimating import QualityJudgement
    from kukkiri.metrics.spec import MetricSpec

# What a row of a judged picture has beyond that of a `Score`.
JUDGED_KEYS = ("wrong", "named", "unlike_training", "is_unlike_training")


@dataclass(frozen=True)
class QualityScore(Score):
    """A score, and what is wrong with the picture.

    Parameters
    ----------
    value, metric, higher_is_better, interval, unit, masked
        As of `Score`; the interval is of 90 %.
    wrong : mapping of str to float
        Probability, 0 to 1, that there is damage of each group (blur, noise, compression, exposure, contrast, colour,
        haze), the most probable first. Read-only.
    named : tuple of str
        The groups that are more probable than not, the most probable first; empty for a clean picture.
    unlike_training : float
        0 to 1: share of pictures like those of the training that are nearer to its middle.
    is_unlike_training : bool
        Whether the picture is unlike most of the training, from 0.99 on: doubt all that is said of it.
    """

    wrong: Mapping[str, float] = field(default_factory=Probabilities)
    named: tuple[str, ...] = ()
    unlike_training: float = 0.0
    is_unlike_training: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "wrong", Probabilities(self.wrong))

    def to_row(self) -> dict[str, Any]:
        """A JSON-ready dict: that of a `Score`, and all that is said of the damage."""
        plain = Score(**{each.name: getattr(self, each.name) for each in fields(Score)}).to_row()
        said = (dict(self.wrong), list(self.named), self.unlike_training, self.is_unlike_training)
        return plain | dict(zip(JUDGED_KEYS, said, strict=True))


def quality_score(judgement: QualityJudgement, spec: MetricSpec, masked: float = 0.0) -> QualityScore:
    """The score that a judgement is.

    Parameters
    ----------
    judgement : QualityJudgement
    spec : MetricSpec
        Of the metric that judged.
    masked : float
        Fraction of the picture that did not count, 0 to 1.
    """
    return QualityScore(
        value=judgement.value,
        metric=spec.name,
        higher_is_better=spec.higher_is_better,
        interval=judgement.interval,
        unit=spec.unit,
        masked=masked,
        wrong=judgement.wrong,
        named=judgement.named,
        unlike_training=judgement.unlike_training,
        is_unlike_training=judgement.is_unlike_training,
    )
