"""KonCept512 against the PyTorch port (koniq-PyTorch) with arbitrary parameters, and what it does with sizes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn

import kukkiri as kk
from filling import picture
from kukkiri.errors import InputError, ShapeError, WeightError
from kukkiri.images.resampling import imresize
from kukkiri.metrics.learned import LearnedMetric
from parity import ParityContract


@contextmanager
def options(metric: LearnedMetric, **values: Any) -> Iterator[None]:
    """The metric with other options for a while: it is expensive to build."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in values.items():
            patch.setattr(metric, name, value)
        yield


def seen(metric: LearnedMetric, image: Tensor) -> Tensor:
    """What the network is given for a picture."""
    given: list[Tensor] = []

    def keep(_module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        given.append(inputs[0])
        raise StopIteration

    handle = metric.get_submodule("network").register_forward_pre_hook(keep)
    with pytest.raises(StopIteration):
        metric(image)
    handle.remove()
    return given[0]


class TestKonCept512(ParityContract):
    name = "koncept512"
    file = "koncept512.json"
    taps: ClassVar[dict[str, str]] = {
        "mixed_5b": "network.base.mixed_5b",
        "block35": "network.base.repeat",
        "block17": "network.base.repeat_1",
        "block8": "network.base.block8",
        "hidden": "network.fc.8",
    }

    def tapped(self, metric: LearnedMetric, tap: str) -> nn.Module:
        module = super().tapped(metric, tap)
        return module[-1] if isinstance(module, nn.Sequential) else module  # of a chain, its end

    def test_gradient_batch_and_repeat(self, metric: LearnedMetric) -> None:
        """As for all, but in the picture's own small size."""
        with options(metric, resize=False, pooling="mean"):
            super().test_gradient_batch_and_repeat(metric)

    def test_climbing_the_gradient_raises_the_score(self, metric: LearnedMetric) -> None:
        """As a loss: three steps of a thousandth of the range, in the picture's own small size."""
        x = torch.from_numpy(picture("coffee", 76, 90))[None]
        with options(metric, resize=False, pooling="mean"):
            scores = []
            for _ in range(3):
                x = x.detach().requires_grad_(True)
                score = metric(x)
                scores.append(float(score.detach()))
                x = (x.detach() + 1e-3 * torch.autograd.grad(score.sum(), x)[0].sign()).clamp(0, 1)
            scores.append(float(metric(x)))
        assert scores == sorted(scores) and scores[-1] > scores[0] + 1e-3 * abs(scores[0]), scores

    @pytest.mark.slow
    def test_gradient_batch_and_repeat_resized(self, metric: LearnedMetric) -> None:
        super().test_gradient_batch_and_repeat(metric)

    def test_sizes_that_the_network_sees(self, metric: LearnedMetric) -> None:
        """512 × 384 px as it is; else resized to it, portraits standing (the authors' set has landscapes only)."""
        exact = torch.from_numpy(picture("coffee", 384, 512))[None]
        assert torch.equal(seen(metric, exact), exact)
        for height, width, size in ((399, 501, (384, 512)), (300, 299, (512, 384)), (150, 150, (384, 512))):
            image = torch.from_numpy(picture("astronaut", height, width))[None]
            expected = imresize(image, size=size).clamp(0, 1)
            torch.testing.assert_close(seen(metric, image), expected, rtol=0, atol=0)
            with options(metric, resize=False, pooling="mean"):
                assert torch.equal(seen(metric, image), image)

    def test_pooling(self, metric: LearnedMetric) -> None:
        """What only the mean over all positions sees: features (10 × 14) beyond the first 8 × 8 of the port."""
        features = torch.rand(1, 2080, 10, 14, generator=torch.Generator().manual_seed(0))
        other = features.clone()
        other[..., 8:, :] += 1
        other[..., 8:] += 1
        network: Any = metric.get_submodule("network")
        values = {}
        for key, deep in (("one", features), ("other", other)):
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(network.base, "features", lambda _image, _taps, deep=deep: (deep,))
                for pooling in ("corner", "mean"):
                    values[pooling, key] = float(network(features, pooling))
        assert values["corner", "one"] == values["corner", "other"]
        assert values["mean", "one"] != pytest.approx(values["mean", "other"], rel=1e-3)
        # The mean over all positions, by hand.
        pooled = network.base.conv2d_7b(features).flatten(2).mean(2)
        assert values["mean", "one"] == pytest.approx(float(network.fc(pooled)), rel=1e-5)

    def test_one_side_may_be_too_small_for_the_features(self, metric: LearnedMetric) -> None:
        with pytest.raises(ShapeError, match="at least 75 px"):
            metric(torch.rand(1, 3, 74, 200))

    @pytest.mark.parametrize("given", [{"pooling": "max"}, {"resize": False, "pooling": "corner"}])
    def test_impossible_options(self, given: dict[str, Any]) -> None:
        with pytest.raises(InputError, match="pooling"):
            kk.metric("koncept512", weights={"base": torch.zeros(1)}, **given)

    def test_where_the_weights_are(self) -> None:
        with pytest.raises(WeightError, match=r"koniq-PyTorch"):
            kk.metric("koncept512")

    def test_stages_by_their_names(self, golden: dict[str, Any]) -> None:
        """Both layouts lead to the same tensors: a file whose stages bear names is taken as well."""
        from kukkiri.quality.no_reference.koncept512 import KonCept, _named

        with torch.device("meta"):
            own = KonCept().state_dict()
        shapes = {name: tuple(shape) for name, shape in golden["names"].items()}
        empty = {name: torch.empty(shape, device="meta") for name, shape in shapes.items()}
        renamed = _named(empty)
        floats = {name: tuple(value.shape) for name, value in own.items() if value.is_floating_point()}
        assert {name: tuple(value.shape) for name, value in renamed.items()} == floats
        assert list(_named(renamed)) == list(renamed)
