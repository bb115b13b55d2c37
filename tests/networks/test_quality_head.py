"""How unlike the training a picture is: the share that is nearer, rounded down."""

import pytest
import torch

from kukkiri.networks.quality_head import QualityHead
from kukkiri.quality.judgement import UNLIKE


def of_distances(distances: torch.Tensor, seen: torch.Tensor) -> torch.Tensor:
    """What the head says where distances are these, and where those of the training were `seen`."""
    head = QualityHead(4)
    head.distances.copy_(torch.quantile(seen, torch.linspace(0, 1, 101)))
    head.distance = lambda features: distances  # type: ignore[method-assign]
    return head.unlike_training(torch.zeros(len(distances), 4))


def test_one_in_a_hundred_like_the_training_is_flagged() -> None:
    seen = torch.randn(20000, generator=torch.Generator().manual_seed(0)).square()
    assert float((of_distances(seen, seen) >= UNLIKE).float().mean()) == pytest.approx(0.01, abs=0.001)


def test_the_share_is_rounded_down() -> None:
    seen = torch.arange(1001.0)
    found = of_distances(torch.tensor([-5.0, 0, 5, 15, 981, 989, 991, 1000, 5000]), seen)
    assert found.tolist() == pytest.approx([0, 0, 0, 0.01, 0.98, 0.98, 0.99, 0.99, 1])
    assert (found >= UNLIKE).tolist() == [False] * 6 + [True] * 3
