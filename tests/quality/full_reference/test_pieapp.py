"""PieAPP: the authors' network and their script's patches."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
import torch

import kukkiri as kk
from filling import picture, spoilt
from kukkiri.errors import KukkiriError
from kukkiri.quality.full_reference.pieapp import STRIDES, patch_starts, with_a_matrix
from parity import ParityContract


class TestPieAPP(ParityContract):
    """Sparse sampling, for speed, with pictures whose weighted errors do not cancel."""

    name = "pieapp"
    file = "pieapp.json"
    options: ClassVar[dict[str, Any]] = {"sampling": "sparse"}
    taps: ClassVar[dict[str, str]] = {
        name: f"network.{name}"
        for name in ("conv3", "conv7", "conv11", "fc1_score", "fc2_score", "fc1_weight", "fc2_weight")
    }

    @pytest.fixture(autouse=True)
    @staticmethod
    def nine_together(monkeypatch: pytest.MonkeyPatch) -> None:
        """The taps are of up to nine patches: they must not come in two parts."""
        monkeypatch.setattr("kukkiri.quality.full_reference.pieapp.TOGETHER", 9)

    def test_places_of_the_script(self, golden: dict[str, Any]) -> None:
        """Where the authors' loop had its patches, for sides of many lengths."""
        for stride, lengths in golden["places"].items():
            for length, expected in lengths.items():
                assert patch_starts(int(length), int(stride)) == expected, (length, stride)

    def test_dense(self, metric: Any, golden: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
        """The same network with a patch every 6 px."""
        monkeypatch.setattr(metric, "stride", STRIDES["dense"])
        for case in golden["dense"]:
            with torch.inference_mode():
                score = float(metric(*self.arguments(case)))
            assert score == pytest.approx(case["score"], rel=1e-4)

    def test_in_parts(self, metric: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        """Two patches at a time give the value and the gradient of all at once."""
        reference = torch.from_numpy(picture("coffee", 64, 118))[None]
        results = []
        for at_once in (9, 2):
            monkeypatch.setattr("kukkiri.quality.full_reference.pieapp.AT_ONCE", at_once)
            x = torch.from_numpy(spoilt(reference[0].numpy()))[None].requires_grad_(True)
            value = metric(x, reference)
            value.backward()
            results.append((value.detach(), x.grad))
        torch.testing.assert_close(results[0], results[1], rtol=1e-4, atol=1e-7)

    def test_a_picture_beside_itself(self, metric: Any) -> None:
        """No difference, so that only biases are left: the same for every picture."""
        one, other = (torch.from_numpy(picture(name, 64, 64))[None] for name in ("astronaut", "coffee"))
        assert float(metric(one, one)) == pytest.approx(float(metric(other, other)), rel=1e-6)

    def test_a_factor_as_a_vector(self) -> None:
        """IQA-PyTorch's network holds `ref_score_subtract.weight` as (1,) instead of (1, 1)."""
        name, bias = "ref_score_subtract.weight", torch.ones(1)
        for shape in ((1,), (1, 1)):
            found = with_a_matrix({name: torch.full(shape, 3.0), "ref_score_subtract.bias": bias})
            assert found[name].tolist() == [[3.0]] and found["ref_score_subtract.bias"] is bias

    def test_unknown_sampling(self) -> None:
        with pytest.raises(KukkiriError, match="expected .*'dense' or 'sparse', got 'some'; "):
            kk.metric("pieapp", sampling="some")
