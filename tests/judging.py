"""Judgements that are made up, and a judge that gives them: what is built on a judgement is tested without one."""

from typing import Any

import pytest
import torch
from torch import Tensor

from kukkiri.images.image import ImageLike, as_batch
from kukkiri.metrics.base import Metric
from kukkiri.metrics.spec import MetricSpec
from kukkiri.metrics.table import all_specs
from kukkiri.quality.judgement import Judgement

GROUPS = ("blur", "noise", "compression", "exposure", "contrast", "colour", "haze")
SPEC = MetricSpec(
    name="made-judge",
    title="Mean brightness, as if that were quality",
    answers="quality",
    implementation="judging:MadeJudge",
    higher_is_better=True,
    value_range=(0.0, 100.0),
    min_size=8,
    differentiable=False,
    evidence="exact",
    judges_quality=True,
    paper="none",
)


def made_judgement(value: float = 40.0, unlike: float = 0.2, **wrong: float) -> Judgement:
    """Every group that is not named has a probability of 5 %; the interval reaches 10 to either side."""
    return Judgement(value, (value - 10, value + 10), dict.fromkeys(GROUPS, 0.05) | wrong, unlike)


class MadeJudge(Metric):
    """`made-judge`: brightness for quality, noise where it is bright, exposure where it is dark."""

    name = "made-judge"

    def score(self, image: Tensor, reference: Tensor | None, weights: Tensor) -> Tensor:
        return torch.tensor([judgement.value for judgement in self.judge(image)])

    def judge(self, image: ImageLike, *, mask: Any = None) -> list[Judgement]:
        batch, _ = self.check(as_batch(image), None)
        if mask is not None:
            batch = batch[..., ~torch.as_tensor(mask)][..., None]
        means = batch.double().mean((1, 2, 3)).tolist()
        return [made_judgement(100 * m, 0.995 if m > 0.9 else 0.2, noise=m, exposure=1 - m) for m in means]


@pytest.fixture
def judge(monkeypatch: pytest.MonkeyPatch) -> str:
    """The name under which the made judge is among the metrics."""
    monkeypatch.setitem(all_specs(), SPEC.name, SPEC)
    return SPEC.name
