"""A-FINE against the authors' own code, with the authors' curves and everything else filled."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

import kukkiri as kk
from filling import filled, picture, spoilt, summary
from kukkiri.errors import ShapeError, WeightError
from kukkiri.metrics.learned import LearnedMetric
from kukkiri.networks.clip_image import normalised
from kukkiri.quality.full_reference.a_fine import PARTS, UNUSED, Adapter, Curve, Fidelity, flat, joint_moments
from parity import ParityContract

_BLOCKS = "network.finetuned_clip.visual.transformer.resblocks"


class TestAFINE(ParityContract):
    name = "a-fine"
    file = "a_fine.json"
    taps: ClassVar[dict[str, str]] = {
        **{f"block_{i}": f"{_BLOCKS}.{i}" for i in (0, 5, 11)},
        "natural": "network.natural",
        "fidelity": "network.fidelity",
    }

    @pytest.fixture(scope="class")
    @classmethod
    def metric(cls, golden: dict[str, Any]) -> LearnedMetric:
        """Curves and `k` as the authors set them: filled ones are at their ends. The text tower, unused, is zero."""
        state = {}
        for name, shape in golden["names"].items():
            if name in golden["constants"]:
                state[name] = torch.tensor(golden["constants"][name]).reshape(shape)
            else:
                skipped = name.startswith(UNUSED)
                state[name] = torch.zeros(shape) if skipped else torch.from_numpy(filled(name, shape))
        built = kk.metric(cls.name, weights=state)
        assert isinstance(built, LearnedMetric)
        return built

    def test_terms_and_order(self, metric: Any, golden: dict[str, Any]) -> None:
        """The authors' values of every term, and of the pair the other way round, which are others."""
        case = golden["cases"][1]
        image, reference = self.arguments(case)
        with torch.inference_mode():
            terms = metric.terms(image, reference)
            swapped = float(metric(reference, image))
        for term, expected in case["terms"].items():
            assert float(getattr(terms, term)) == pytest.approx(expected, rel=1e-4), term
        assert swapped == pytest.approx(case["swapped"], rel=1e-4)
        assert abs(swapped - case["score"]) > 1

    def test_a_step_downhill_improves_the_score(self, metric: Any) -> None:
        """The metric as a loss: a third of a grey level."""
        clean = picture("coffee", 64, 66)
        reference = torch.from_numpy(clean)[None]
        x = torch.from_numpy(spoilt(clean))[None].requires_grad_(True)
        before = metric(x, reference)
        (gradient,) = torch.autograd.grad(before.sum(), x)
        with torch.inference_mode():
            assert float(metric((x - gradient.sign() * 0.3 / 255).clamp(0, 1), reference)) < float(before.detach())

    def test_embedding_of_the_tower(self, metric: Any, golden: dict[str, Any]) -> None:
        """CLIP's own output, which A-FINE leaves out, at the size that CLIP was trained on; other sizes are refused."""
        case = golden["cases"][0]
        tower = metric.network.finetuned_clip["visual"]
        with torch.inference_mode():
            ours: Any = summary(tower(normalised(self.arguments(case)[0])).numpy())
        np.testing.assert_allclose(ours["values"], case["embedding"]["values"], atol=1e-4 * case["embedding"]["rms"])
        with pytest.raises(ShapeError, match="224×224"):
            tower(torch.zeros(1, 3, 224, 256))


def test_parts_of_the_file(tmp_path: Path) -> None:
    """The checkpoint is a dict of six dicts; the same tensors come from the file, the nested and the flat mapping."""
    nested = {part: {"a.b": torch.full((2,), float(i)), "k": torch.tensor(1.0)} for i, part in enumerate(PARTS)}
    torch.save(nested, tmp_path / "afine.pth")
    read = flat(tmp_path / "afine.pth")
    assert sorted(read) == sorted(f"{part}.{name}" for part in PARTS for name in ("a.b", "k"))
    save_file(read, tmp_path / "flat.safetensors")
    for other in (flat(nested), flat(read), flat(tmp_path / "flat.safetensors")):
        assert all(torch.equal(read[name], other[name]) for name in read) and len(other) == len(read)
    torch.save({"natural": nested["natural"]}, tmp_path / "part.pth")
    with pytest.raises(WeightError, match="none of finetuned_clip"):
        flat(tmp_path / "part.pth")


def test_the_file_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.save({part: {"k": torch.tensor(1.0)} for part in PARTS}, tmp_path / "afine.pth")
    read, times = torch.load, []
    monkeypatch.setattr(torch, "load", lambda *given, **options: times.append(given) or read(*given, **options))
    flat(tmp_path / "afine.pth")
    assert len(times) == 1


def test_without_weights_both_ways_are_told() -> None:
    with pytest.raises(WeightError, match=r"weights= \(or --weights a-fine=FILE"):
        kk.metric("a-fine")


def test_a_picture_may_be_better_than_its_reference() -> None:
    """The combination by hand, k = 5: less unnatural than the reference, so that it beats the reference itself."""
    better, worse, fidelity = (torch.tensor([v]) for v in (-1.0, -0.5, 0.2))
    adapter = Adapter().requires_grad_(False)
    value = adapter(better, worse, fidelity)
    assert float(value) == pytest.approx(0.2 - np.exp(0.5 * np.log1p(np.exp(5))), rel=1e-5)
    assert float(value) < float(adapter(worse, worse, torch.tensor([0.0])))


def test_bounds_of_the_curves() -> None:
    """The authors keep the fidelity's middle in [0.05, 0.95] and its slope in [0.01, 0.7]; overflow is no NaN."""
    curve = Curve((0.05, 0.95), (0.01, 0.70))
    with torch.no_grad():
        curve.yita3.fill_(2.0)
        curve.yita4.fill_(3.0)
        assert float(curve(torch.tensor([0.95]))) == pytest.approx(0, abs=1e-6)
        assert float(curve(torch.tensor([1.65]))) == pytest.approx(4 / (1 + np.exp(-1)) - 2, rel=1e-5)
        assert curve(torch.tensor([-1e30, 1e30])).tolist() == [-2, 2]


def test_equal_pictures_have_no_distance() -> None:
    """Exact, even where a channel does not vary at all."""
    one = torch.from_numpy(picture("coffee", 16, 16)).flatten(1).T
    other = torch.from_numpy(spoilt(picture("coffee", 16, 16))).flatten(1).T

    def distance(a: Tensor, b: Tensor) -> float:
        pair = torch.stack([a, b])
        wide = torch.cat([pair, torch.zeros(2, 256, 765)], 2)
        with torch.no_grad():
            return float(Fidelity()([joint_moments([pair]), *[joint_moments([wide])] * 12]))

    assert abs(distance(one, one)) < 1e-6
    assert distance(one, other) > 1e-4
