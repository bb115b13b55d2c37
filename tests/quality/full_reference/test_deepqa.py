"""DeepQA: the authors' Theano graph."""

from __future__ import annotations

from copy import deepcopy
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor

import kukkiri as kk
from filling import filled, picture, spoilt, summary
from kukkiri.quality.full_reference.deepqa import (
    DeepQA,
    doubled,
    grey,
    halved,
    likeness,
    without_low_frequencies,
)
from parity import ParityContract


class TestDeepQA(ParityContract):
    """With the filling, the score is cut off at 0: the last layers and the bias before them are positive instead."""

    name = "deepqa"
    file = "deepqa.json"
    taps: ClassVar[dict[str, str]] = {
        **{name: f"network.sens_map.{name}" for name in ("conv2_1", "conv2_2", "conv3", "conv4", "conv5")},
        "sensitivity": "network.sens_map",
        "fc2_linear": "network.reg_mos.fc2",
    }

    @pytest.fixture(scope="class")
    @classmethod
    def metric(cls, golden: dict[str, Any]) -> DeepQA:
        given, names = golden["given"], golden["names"]
        state = {
            name: torch.tensor(given[name]).view(shape) if name in given else torch.from_numpy(filled(name, shape))
            for name, shape in names.items()
        }
        built = kk.metric("deepqa", weights=state)
        assert isinstance(built, DeepQA)
        return built

    def test_maps(self, metric: DeepQA, golden: dict[str, Any]) -> None:
        """What goes into the network, and what comes of it: the authors' functions."""
        for case in golden["cases"]:
            image, reference = (grey(x) for x in self.arguments(case))
            error = likeness(image, reference)
            maps = {
                "normalised": without_low_frequencies(image),
                "error": error,
                "error_small": halved(halved(error)),
                "product": metric.network.seen(image, reference),
            }
            for name, found in maps.items():
                expected, ours = case["maps"][name], summary(found.numpy())
                assert ours["shape"] == expected["shape"]
                np.testing.assert_allclose(
                    np.array(ours["values"]), expected["values"], rtol=0, atol=1e-4 * expected["rms"], err_msg=name
                )

    def test_tiles_are_the_whole(self, metric: DeepQA, monkeypatch: pytest.MonkeyPatch) -> None:
        """Tiles with their margins: the value and the gradient of the picture at once, in double precision."""
        exact = deepcopy(metric)
        exact.network.double()  # a metric as a whole stays in single precision
        image = picture("coffee", 98, 134)
        reference = torch.from_numpy(image)[None].double()
        results = []
        for side in (1024, 64, 32):
            monkeypatch.setattr("kukkiri.quality.full_reference.deepqa.TILE", side)
            x = torch.from_numpy(spoilt(image))[None].double().requires_grad_(True)
            value = exact.rate(x, reference)
            value.backward()
            results.append((value.detach(), x.grad))
        for found in results[1:]:
            torch.testing.assert_close(found, results[0], rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("size", [(6, 8), (7, 9), (5, 6)])
def test_doubled_is_the_transpose_of_halved(size: tuple[int, int]) -> None:
    """⟨halved(x), y⟩ = ⟨x, doubled(y)⟩ / 4 for even and odd sizes."""
    generator = torch.Generator().manual_seed(0)
    x: Tensor = torch.rand(1, 1, *size, generator=generator, dtype=torch.float64)
    small = halved(x)
    y = torch.rand(small.shape, generator=generator, dtype=torch.float64)
    torch.testing.assert_close((small * y).sum(), (x * doubled(y, *size)).sum() / 4)


def test_likeness_by_hand() -> None:
    """1 without a difference; 1 − ln 2 / (2 ln 255) for one level of 255; nearly 0 for black against white."""
    values = torch.tensor([0.0, 1 / 255, 1.0])
    expected = [1.0, 1 - np.log(2) / (2 * np.log(255)), 1 - np.log(1 + 255**2) / (2 * np.log(255))]
    np.testing.assert_allclose(likeness(values, torch.zeros(3)), expected, atol=1e-6)
