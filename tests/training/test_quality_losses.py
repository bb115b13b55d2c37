import math

import pytest
import torch

from kukkiri.training.quality_losses import most_probable, pinball, ranking


def test_the_hinge_wants_the_order_of_a_ladder_alone() -> None:
    """By hand: three neighbours of one series, the second step not seen by teachers, the third a large one."""
    series = torch.tensor([0.0, 0, 0, 0, 1, -1])
    truth = torch.tensor([[1.0, 0.6, 0.6, -2.0, 2.0, -2.0]])
    # Ahead by half of what the teachers say, by half a point, and by no more than half of 25.
    assert float(ranking(torch.tensor([[0.9, 0.7, 0.68, 0.18, 9.0, 8.0]]), series, truth)) == pytest.approx(0, abs=1e-6)
    # Behind by 0.1 where it should be ahead by half of 0.4; behind by 0.3; level.
    found = float(ranking(torch.tensor([[0.4, 0.5, 0.8, 0.8, 9.0, 8.0]]), series, truth))
    assert found == pytest.approx((0.3 + 0.32 + 0.5) / 3)
    assert float(ranking(torch.rand(1, 2), torch.tensor([0.0, 1.0]), torch.rand(1, 2))) == 0


def test_the_pinball_is_least_at_its_quantile() -> None:
    truth = torch.arange(101.0)
    losses = torch.stack([pinball(truth - end, 0.05) for end in truth])
    assert int(losses.argmin()) == 5


def test_causes_share_what_is_most_probable() -> None:
    """By hand: one cause, two causes, mild damage at half weight, none, and one whose groups are not known."""
    target = torch.tensor([[1.0, 0, 0], [1, 1, 0], [0, 0.5, 0], [0, 0, 0], [0, 0, 1]])
    named = torch.tensor([1.0, 1, 1, 1, 0])
    alike = torch.zeros(2, 5, 3)
    assert float(most_probable(alike, target.expand(2, -1, -1), named)) == pytest.approx(math.log(3))
    sure = torch.where(target > 0, 20.0, -20.0).expand(2, -1, -1)
    # Two causes are best at half each: log 2, of a weight of 1 in 2.5.
    assert float(most_probable(sure, target.expand(2, -1, -1), named)) == pytest.approx(0.6931 / 2.5, abs=1e-3)
    assert float(most_probable(sure, torch.zeros(2, 5, 3), named)) == 0
