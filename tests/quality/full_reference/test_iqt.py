"""IQT against the unofficial port (anse3832/IQT) with arbitrary parameters: both sizes, with and without its mask."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor

import kukkiri as kk
from filling import picture, spoilt
from kukkiri.cli.list_metrics import _weights
from kukkiri.errors import InputError, ShapeError, WeightError
from kukkiri.metrics.learned import LearnedMetric
from kukkiri.networks.iqt_transformer import Attention
from parity import ParityContract, filled_state, golden


def shapes(names: dict[str, list[int]]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(shape) for name, shape in names.items()}


def built(file: str, **options: Any) -> Any:
    """The metric with the parameters of a golden file; the backbone's are the same in all."""
    found = golden(file)
    weights, backbone = (filled_state(shapes(n)) for n in (found["names"], golden("iqt.json")["backbone"]))
    options = {"crops": found["crops"], "seed": found["seed"]} | options
    return kk.metric("iqt", weights=weights, backbone=backbone, **options)


class Contract(ParityContract):
    name = "iqt"
    taps: ClassVar[dict[str, str]] = {
        "mixed_5b": "backbone.mixed_5b",
        "block35": "backbone.repeat.9",
        "conv_enc": "regressor.conv_enc",
        "encoder": "regressor.transformer.encoder",
        "decoder": "regressor.transformer.decoder",
    }

    @pytest.fixture(scope="class")
    @classmethod
    def metric(cls, golden: dict[str, Any]) -> LearnedMetric:
        metric: LearnedMetric = built(cls.file)
        return metric

    def test_unmasked(self, metric: Any, golden: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
        """The decoder of the paper: the port without its mask gives other scores, and so does ours."""
        monkeypatch.setattr(metric, "masked", False)
        case = golden["cases"][0]
        score = float(metric(*self.arguments(case)))
        assert score == pytest.approx(case["unmasked"], rel=1e-4)
        assert score != pytest.approx(case["score"], rel=1e-2)


class TestIQT(Contract):
    file = "iqt.json"

    def test_gradient_batch_and_repeat(self, metric: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        """As for all, with one crop a picture."""
        monkeypatch.setattr(metric, "crops", 1)
        super().test_gradient_batch_and_repeat(metric)

    def test_climbing_the_gradient_raises_the_score(self, metric: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        """As a loss: three steps of a thousandth of the range on one crop."""
        monkeypatch.setattr(metric, "crops", 1)
        r = torch.from_numpy(picture("coffee", 192, 192))[None]
        x = torch.from_numpy(spoilt(r[0].numpy()))[None]
        scores = []
        for _ in range(3):
            x = x.detach().requires_grad_(True)
            score = metric(x, r)
            scores.append(float(score.detach()))
            x = (x.detach() + 1e-3 * torch.autograd.grad(score.sum(), x)[0].sign()).clamp(0, 1)
        scores.append(float(metric(x, r)))
        assert scores == sorted(scores) and scores[-1] > scores[0] + 1e-3 * abs(scores[0]), scores

    def test_its_backbone_is_fetched_apart(
        self, golden: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setenv("KUKKIRI_HOME", str(tmp_path))
        monkeypatch.setenv("KUKKIRI_OFFLINE", "1")
        with pytest.raises(WeightError, match=r"inception-resnet-v2-imagenet|inceptionresnetv2-520b38e4"):
            kk.metric("iqt", weights=filled_state(shapes(golden["names"])))

    def test_iqa_pytorch_layout(self, metric: LearnedMetric, golden: dict[str, Any]) -> None:
        """One file with transformer and backbone, the latter by timm's names: whole, with a classifier."""
        parts = {"regressor": shapes(golden["names"]), "backbone": shapes(golden["backbone"])}
        state = {f"{top}.{name}": value for top, names in parts.items() for name, value in filled_state(names).items()}
        state |= {name: torch.ones(1, 442) for name in ("enc_inputs", "dec_inputs")}
        state |= {
            "backbone.classif.weight": torch.zeros(1000, 1536),
            "backbone.mixed_6a.branch0.bn.bias": torch.zeros(384),
        }
        other = kk.metric("iqt", weights=state, crops=1)
        own = metric.state_dict()
        assert all(torch.equal(value, own[name]) for name, value in other.state_dict().items())

    def test_crops(self, golden: dict[str, Any]) -> None:
        """The score is the mean of those of the crops: by default they are regular, and `seed` takes the port's."""
        image = picture("astronaut", 192, 195)
        pair = tuple(torch.from_numpy(x)[None] for x in (spoilt(image), image))
        metric = built("iqt.json", crops=2, seed=None)
        single = [float(metric(*(x[..., left : left + 192] for x in pair))) for left in (0, 3)]
        assert float(metric(*pair)) == pytest.approx(np.mean(single), rel=1e-5)
        assert abs(single[0] - single[1]) > 1e-3 * abs(single[0])
        left = int(np.random.RandomState(9).randint(0, 3))
        metric.seed, metric.crops = 9, 1
        assert float(metric(*pair)) == pytest.approx(
            float(metric(*(x[..., left : left + 192] for x in pair))), rel=1e-6
        )

    @pytest.mark.parametrize("options", [{"crops": 0}, {"crops": 2.5}, {"seed": -1}])
    def test_impossible_options(self, options: dict[str, Any]) -> None:
        with pytest.raises(InputError, match="crops|seed"):
            kk.metric("iqt", weights={}, **options)

    def test_where_the_weights_are(self) -> None:
        with pytest.raises(WeightError, match=r"epoch40\.pth.*--weights iqt=FILE"):
            kk.metric("iqt")

    def test_lists_name_its_backbone(self) -> None:
        """What is fetched when it is built stands in its spec, beside the word that its own weights must be given."""
        spec = kk.metrics.spec_of("iqt")
        assert spec.needs_weights and spec.weights == ("inception-resnet-v2-imagenet",)
        assert any(words in _weights(spec) for words in ("your own, backbone to fetch", "your own, backbone present"))


class TestStandard(Contract):
    """The paper's network for LIVE, CSIQ and TID2013: wider, two layers each, crops of 256 px."""

    file = "iqt_standard.json"

    @pytest.mark.slow
    def test_gradient_batch_and_repeat(self, metric: Any) -> None:
        super().test_gradient_batch_and_repeat(metric)

    def test_crops_of_256_px_need_a_larger_picture(self, metric: LearnedMetric) -> None:
        with pytest.raises(ShapeError, match="at least 256 px"):
            metric(*(torch.rand(1, 3, 255, 300) for _ in range(2)))


@pytest.mark.parametrize("count", [1, 37])
def test_one_query_is_like_the_first_of_many(count: int) -> None:
    """A single query is answered without projecting the tokens: the same as when all are asked at once."""
    attention = Attention(8)
    state = filled_state({name: tuple(value.shape) for name, value in attention.state_dict().items()})
    attention.load_state_dict(state)
    generator = torch.Generator().manual_seed(0)
    tokens, queries = (torch.randn(2, n, 8, generator=generator) for n in (count, 5))

    def direct(name: str, x: Tensor) -> Tensor:
        return torch.nn.functional.linear(x, state[f"{name}.weight"], state[f"{name}.bias"]).unflatten(2, (4, 8))

    q, k, v = direct("W_Q", queries), direct("W_K", tokens), direct("W_V", tokens)
    shares = (torch.einsum("nqhw,nthw->nhqt", q, k) / 8**0.5).softmax(-1)
    found = torch.einsum("nhqt,nthw->nqhw", shares, v).flatten(2)
    expected = torch.nn.functional.linear(found, state["linear.weight"], state["linear.bias"])
    torch.testing.assert_close(attention(queries, tokens), expected, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(attention(queries[:, :1], tokens), expected[:, :1], rtol=1e-5, atol=1e-6)
