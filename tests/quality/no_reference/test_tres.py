"""TReS: the authors' network, its pooling, and the positions of its tokens."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from filling import picture, summary
from kukkiri.networks.sine_positions import sine_positions
from kukkiri.quality.no_reference.tres import UNUSED, L2Pooling
from kukkiri.weights import entry_of
from parity import ParityContract, golden


class TestTReS(ParityContract):
    """Two crops where torchvision's RandomCrop has them after `torch.manual_seed(11)`."""

    name = "tres"
    file = "tres.json"
    options: ClassVar[dict[str, Any]] = {"crops": 2, "seed": 11}
    differentiable_size = (224, 224)
    taps: ClassVar[dict[str, str]] = {
        "stage 1": "network.model.layer1",
        "stage 4": "network.model.layer4",
        "pooled 1": "network.pooling.0",
        "pooled 3": "network.pooling.2",
        "pooled 4": "network.pooling.3",
        "attention 1": "network.transformer.encoder.layers.0.self_attn",
        "layer 1": "network.transformer.encoder.layers.0",
        "encoder": "network.transformer.encoder",
        "whole": "network.fc2",
    }

    def test_the_transformer_sees_the_picture(self, golden: dict[str, Any]) -> None:
        """The deepest features outweigh the encoder in the score, so that its taps must tell the pictures apart."""
        for tap in ("layer 1", "encoder", "whole"):
            first, second = (np.array(case["taps"][tap]["values"]) for case in golden["cases"])
            assert np.sqrt(np.mean((first - second) ** 2)) > 0.01 * golden["cases"][0]["taps"][tap]["rms"], tap

    def test_a_step_up_the_gradient_raises_the_score(self, metric: Any) -> None:
        """Differentiable in earnest: one small step along the gradient, and what it promises is what it gives."""
        image = torch.from_numpy(picture("chelsea", 224, 224))[None].requires_grad_()
        before = metric(image)
        (gradient,) = torch.autograd.grad(before.sum(), image)
        step = 1e-4 * gradient / gradient.abs().max()
        with torch.no_grad():
            after = metric((image + step).clamp(0, 1))
        promised = float((gradient * step).sum())
        assert promised > 0 and 0.3 * promised < float(after - before.detach()) < 3 * promised

    def test_the_windows_in_the_file_are_left_out(self, golden: dict[str, Any]) -> None:
        """The official file also holds the fixed windows of the pooling and a classifier; nothing needs them."""
        assert golden["kept"] and all(name.startswith(UNUSED) for name in golden["kept"])
        assert any(name.startswith(UNUSED) for name in golden["names"])


def test_positions_are_the_authors() -> None:
    """What PositionEmbeddingSine of the authors' code gives for 3840 channels of 7 × 7."""
    expected = golden("tres.json")["positions"]
    ours: Any = summary(sine_positions(3840, 7, 7).numpy(), 200)
    assert ours["shape"] == expected["shape"]
    np.testing.assert_allclose(ours["values"], expected["values"], atol=2e-6)


def test_positions_by_hand() -> None:
    """Four channels of one row and two columns: sin and cos of 2π (one row only), then of π and 2π."""
    expected = [[0.0, 0.0], [1.0, 1.0], [0.0, 0.0], [-1.0, 1.0]]
    np.testing.assert_allclose(sine_positions(4, 1, 2)[:, 0], expected, atol=1e-5)


def test_pooling_by_hand() -> None:
    """One channel is normalised to 1 everywhere: in the middle the window sums to 1, on the border to 3/4."""
    pooled = L2Pooling(1)(torch.full((1, 1, 7, 7), 5.0))[0, 0]
    expected = torch.full((7, 7), 1.0)
    edge = torch.tensor([0.75, 1, 1, 1, 1, 1, 0.75])
    torch.testing.assert_close(pooled, (expected * edge[:, None] * edge).sqrt())
    # 14 × 14 of two channels: their shares of the energy, then means of 2 × 2.
    both = L2Pooling(2)(torch.tensor([3.0, 4.0])[None, :, None, None].expand(1, 2, 14, 14))
    torch.testing.assert_close(both[0, :, 3, 3], torch.tensor([0.6, 0.8]))
    alone = L2Pooling(1)(F.pad(torch.ones(1, 1, 14, 14), (0, 14, 0, 14)))
    assert alone.shape == (1, 1, 7, 7)


@pytest.mark.parametrize("key", ["tres-koniq", "tres-flive"])
def test_both_checkpoints_ask_for_their_licence(key: str) -> None:
    """The authors' licence allows non-commercial research only."""
    entry = entry_of(key)
    assert not entry.commercial_use and entry.terms
