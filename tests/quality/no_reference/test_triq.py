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
from kukkiri.quality.no_reference.triq import check_window, from_keras, window_of
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
            check_window(15, 20, 1)
        with pytest.raises(KukkiriError, match="expected .*, got .*; "):
            check_window(3, 3, 4)
        for pooling in (0, 1.5):
            with pytest.raises(KukkiriError, match="expected .*, got .*; "):
                kk.metric("triq", weights={"a": torch.zeros(1)}, pooling=pooling)


def test_windows_of_all_shapes() -> None:
    """The authors' rule where its places suffice; beyond, their README's advice, to pool in larger windows."""
    assert [window_of(15, 12), window_of(16, 16), window_of(24, 32)] == [1, 2, 2]  # up to 768 × 1024 px
    assert [window_of(15, 20), window_of(94, 125), window_of(125, 188)] == [2, 8, 16]  # 480 × 640, 12 and 24 megapixels
    assert all(
        (rows // window_of(rows, columns)) * (columns // window_of(rows, columns)) <= 192
        for rows in range(1, 60)
        for columns in range(1, 60)
    )
