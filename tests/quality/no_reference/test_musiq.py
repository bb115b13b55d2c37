"""MUSIQ against the authors' own JAX model and TensorFlow preprocessing."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
import torch

import kukkiri as kk
from filling import picture
from kukkiri.errors import InputError, WeightError
from kukkiri.metrics.learned import LearnedMetric
from kukkiri.networks import musiq as network
from kukkiri.quality.no_reference.musiq import longer_side
from parity import ParityContract, filled_state, golden

_ENCODER = "network.transformer_encoder"
TAPS = {
    "tokens": f"{_ENCODER}.scaleembed_input",
    "encoderblock_0": f"{_ENCODER}.transformer.encoderblock_0",
    "encoderblock_6": f"{_ENCODER}.transformer.encoderblock_6",
    "encoderblock_12": f"{_ENCODER}.transformer.encoderblock_12",
    "encoder_norm": f"{_ENCODER}.encoder_norm",
}


class TestMUSIQKonIQ(ParityContract):
    name = "musiq-koniq"
    file = "musiq.json"
    taps: ClassVar[dict[str, str]] = TAPS

    def test_cut_as_the_authors_do(self, metric: Any, golden: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
        """`max_seq_len_from_original_res` = 40: the first rows of the picture at its own size."""
        cut = golden["cut"]
        monkeypatch.setattr(metric, "max_patches", cut["patches"])
        image = torch.from_numpy(picture(*cut["picture"]))[None]
        with torch.inference_mode():
            assert float(metric(image)) == pytest.approx(cut["score"], rel=1e-4)
            # What lies below the patches that are read counts in the smaller pictures alone.
            monkeypatch.setattr(metric, "max_patches", 0)
            without = float(metric(image))
        assert without != pytest.approx(cut["score"], rel=1e-3)

    def test_patches_in_parts_are_patches_at_once(self, metric: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        x = torch.from_numpy(picture("coffee", 64, 70))[None]
        with torch.inference_mode():
            whole = metric(x)
            monkeypatch.setattr(network, "TOGETHER", 7)
            torch.testing.assert_close(metric(x), whole, rtol=1e-5, atol=0)

    def test_a_step_uphill_improves_the_score(self, metric: Any) -> None:
        """The metric as a loss: a third of a grey level."""
        x = torch.from_numpy(picture("coffee", 40, 40))[None].requires_grad_(True)
        before = metric(x)
        (gradient,) = torch.autograd.grad(before.sum(), x)
        with torch.inference_mode():
            assert float(metric((x + gradient.sign() * 0.3 / 255).clamp(0, 1))) > float(before.detach())

    def test_short_numbers_drift_little(self, metric: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        """bfloat16 has three digits; the score keeps more steps than that, because the last layer does not use it."""
        x = torch.from_numpy(picture("coffee", 40, 40))[None]
        with torch.inference_mode():
            whole = float(metric(x))
            monkeypatch.setattr(metric, "precision", "bfloat16")
            drifted = float(metric(x))
        assert drifted == pytest.approx(whole, abs=0.05) and drifted != float(torch.tensor(drifted).bfloat16())

    def test_a_sliver_is_measured(self, metric: Any) -> None:
        """The shorter side would be rounded to 0 px where the longer is brought to 224."""
        with torch.inference_mode():
            assert bool(torch.isfinite(metric(torch.full((1, 3, 32, 15000), 0.5))).all())


class TestMUSIQAVA(ParityContract):
    name = "musiq-ava"
    file = "musiq_ava.json"
    taps: ClassVar[dict[str, str]] = TAPS

    @pytest.mark.slow
    def test_gradient_batch_and_repeat(self, metric: LearnedMetric) -> None:
        super().test_gradient_batch_and_repeat(metric)


def test_the_three_scores_share_one_network() -> None:
    """The checkpoints differ, the layout does not; the aesthetic one has ten outputs and is refused."""
    shapes = {name: tuple(shape) for name, shape in golden("musiq.json")["names"].items()}
    state = filled_state(shapes)
    x = torch.from_numpy(picture("coffee", 32, 32))[None]
    with torch.inference_mode():
        values = [kk.metric(name, weights=state)(x) for name in ("musiq-koniq", "musiq-spaq", "musiq-paq2piq")]
    assert torch.equal(values[0], values[1]) and torch.equal(values[0], values[2])
    with pytest.raises(WeightError, match=r"head\.0"):
        kk.metric("musiq-ava", weights=state)


def test_places_of_patches() -> None:
    """Entries that the authors' TensorFlow graph gives for grids of patches."""
    for size, expected in golden("musiq.json")["positions"].items():
        assert network.hashed_places(*map(int, size.split("x"))).tolist() == expected


def test_patches_are_completed_evenly() -> None:
    """33 px across: 31 columns of zeros, 15 on the left and 16 on the right."""
    cut = network.patches(torch.ones(1, 3, 32, 33))
    assert cut.shape == (1, 2, 32, 32, 3)
    assert float(cut[0, 0, 0, 14, 0]) == 0 and float(cut[0, 0, 0, 15, 0]) == 1
    assert float(cut[0, 1, 0, 15, 0]) == 1 and float(cut[0, 1, 0, 16, 0]) == 0


def test_the_longer_side() -> None:
    assert longer_side(torch.zeros(1, 3, 301, 405), 224).shape[-2:] == (166, 224)
    # 384 · 37 / 1024 = 13.875, and 384 · 60 / 1024 = 22.5: halves go to the even number.
    assert longer_side(torch.zeros(1, 1, 37, 1024), 384).shape[-2:] == (14, 384)
    assert longer_side(torch.zeros(1, 1, 1024, 60), 384).shape[-2:] == (384, 22)


@pytest.mark.parametrize("wrong", [-1, True, 1.5, "a"])
def test_a_wrong_bound_is_explained(wrong: Any) -> None:
    with pytest.raises(InputError, match="max_patches"):
        kk.metric("musiq-koniq", weights={}, max_patches=wrong)
