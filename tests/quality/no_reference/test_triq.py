"""TRIQ: the authors' Keras model, its names, and pictures of all shapes."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pytest
import torch

import kukkiri as kk
from filling import picture
from kukkiri.errors import KukkiriError
from kukkiri.metrics.learned import LearnedMetric
from kukkiri.quality.no_reference.triq import TRIQ, check_windows, from_keras, window_of
from parity import ParityContract, filled_state


def state_of(golden: dict[str, Any]) -> dict[str, torch.Tensor]:
    """By our names; the projection times the golden file's factor, so that no softmax is saturated."""
    state = filled_state({name: tuple(shape) for name, shape in golden["names"].items()})
    for name, factor in golden["factors"].items():
        state[name] *= factor
    return state


class TestTRIQ(ParityContract):
    """A small picture, an odd-sized one, and one with so many rows that its features are pooled."""

    name = "triq"
    file = "triq.json"
    taps: ClassVar[dict[str, str]] = {
        "conv2": "network.resnet.layer1",
        "conv4": "network.resnet.layer3",
        "conv5": "network.resnet.layer4",
        "feature_proj_conv": "network.feature_proj_conv",
        "enc_layers.0": "network.enc_layers.0",
        "enc_layers.1": "network.enc_layers.1",
    }

    @pytest.fixture(scope="class")
    @classmethod
    def metric(cls, golden: dict[str, Any]) -> LearnedMetric:
        built = kk.metric("triq", weights=state_of(golden))
        assert isinstance(built, LearnedMetric)
        return built

    def test_shares_of_the_levels(self, metric: LearnedMetric, golden: dict[str, Any]) -> None:
        """All five of the authors' numbers, not only their mean."""
        case = golden["cases"][0]
        with torch.inference_mode():
            shares = metric.network(torch.from_numpy(picture(*case["picture"]))[None])
        np.testing.assert_allclose(shares[0], case["shares"], rtol=1e-3)

    def test_keras_names_and_axes(self, golden: dict[str, Any]) -> None:
        """The arrays of the authors' `model.weights`, with the groups of a file before their names, become ours."""
        ours = filled_state({name: tuple(shape) for name, shape in golden["names"].items()})
        keras = {}
        for name, layout in golden["keras"].items():
            axes = [int(axis) for axis in layout["axes"]]
            value = ours[layout["name"]]
            keras[f"model/{name}"] = value.permute(*np.argsort(axes).tolist()) if axes else value
        found = from_keras(keras)
        assert set(found) == set(ours)
        assert all(torch.equal(found[name], ours[name]) for name in ours)
        assert from_keras(ours) is ours

    def test_an_unknown_keras_layer_is_named(self, golden: dict[str, Any]) -> None:
        with pytest.raises(KukkiriError, match="fc1000/kernel"):
            from_keras({"fc1000/kernel:0": torch.zeros(2048, 1000)})

    def test_what_has_no_positions_is_refused(self, metric: LearnedMetric) -> None:
        with pytest.raises(KukkiriError, match="expected .*, got .*; "):
            check_windows(15, 20, 1)
        with pytest.raises(KukkiriError, match="expected .*, got .*; "):
            check_windows(3, 3, 4)
        for pooling in (0, 1.5):
            with pytest.raises(KukkiriError, match="expected .*, got .*; "):
                kk.metric("triq", weights={"a": torch.zeros(1)}, pooling=pooling)


def test_windows_of_all_shapes() -> None:
    """The authors' rule where its places suffice; beyond, their README's advice, to pool in larger windows."""
    assert [window_of(15, 12), window_of(16, 16), window_of(24, 32)] == [1, 2, 2]  # up to 768 × 1024 px
    assert [window_of(15, 20), window_of(94, 125), window_of(125, 188)] == [2, 8, 16]  # 480 × 640, 12 and 24 megapixels
    assert all(
        places(rows, columns, window_of(rows, columns)) <= 192 for rows in range(1, 60) for columns in range(1, 60)
    )


def places(rows: int, columns: int, pooling: int | None = None) -> int:
    """How many places are left when features of this size are pooled."""
    features = torch.zeros(1, 1, rows, columns)
    return torch.nn.functional.max_pool2d(features, check_windows(rows, columns, pooling)).numel()


def test_strips_are_pooled_along_their_length() -> None:
    """A side that is narrower than a window is one place: 32 × 7000 px are 1 × 219 features, thus 1 × 109 places."""
    assert check_windows(1, 219, None) == (1, 2) and check_windows(219, 1, None) == (2, 1)
    for rows, columns in ((1, 219), (2, 6250), (6250, 2), (3, 900), (1, 100_000)):
        assert 1 <= places(rows, columns) <= 192


class TooLate(Exception):
    pass


def test_what_is_refused_is_refused_before_the_network_runs() -> None:
    class Slow(torch.nn.Module):
        pooling: int | None = 1

        def forward(self, image: torch.Tensor) -> torch.Tensor:
            raise TooLate

    metric = object.__new__(TRIQ)
    torch.nn.Module.__init__(metric)
    metric.network = Slow()  # type: ignore[assignment]
    with pytest.raises(KukkiriError, match="leave pooling out, which then is 2"):
        metric.rate(torch.zeros(1, 3, 400, 2000), None)
    with pytest.raises(TooLate):
        metric.rate(torch.zeros(1, 3, 400, 300), None)
    metric.network.pooling = None
    with pytest.raises(TooLate):
        metric.rate(torch.zeros(1, 3, 32, 7000), None)
