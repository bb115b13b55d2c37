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


def test_whitening_is_folded_into_the_first_layers() -> None:
    torch.manual_seed(0)
    head = QualityHead(20, 7).eval()
    features, turned = torch.randn(6, 20), torch.randn(20, 20) / 4
    plain = head(features)
    head.whitening = turned
    assert "whitening" not in head.state_dict()
    with torch.inference_mode():
        before = head(features)
    assert not torch.allclose(before.score, plain.score)
    head.fold()
    assert head.whitening is None
    after = head(features)
    for one, other in zip(before, after, strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)
    head.fold()
    torch.testing.assert_close(head(features).score, after.score)
