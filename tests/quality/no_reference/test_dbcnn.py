"""DB-CNN: the authors' two networks, their bilinear pooling, and large pictures in tiles."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import kukkiri as kk
from filling import picture
from kukkiri.errors import InputError
from kukkiri.metrics.table import spec_of
from kukkiri.networks import scnn, vgg
from kukkiri.networks.tiled import tiled_features
from kukkiri.quality.no_reference.dbcnn import DBCNN, BilinearPooling
from kukkiri.weights import entry_of
from parity import ParityContract, golden


class TestDBCNN(ParityContract):
    """Against the authors' DBCNN; two of the pictures leave the networks' features unequally fine."""

    name = "dbcnn"
    file = "dbcnn.json"
    differentiable_size = (48, 61)
    taps: ClassVar[dict[str, str]] = {
        "vgg 2": "network.features1.9",
        "vgg 5": "network.features1.29",
        "scnn 4": "network.features2.11",
        "scnn 9": "network.features2.26",
        "pooled": "network.pooling",
    }

    def test_features_are_unequally_fine(self, golden: dict[str, Any]) -> None:
        """What the taps prove: S-CNN rounds the size up, VGG-16 down, and pooling makes them equal."""
        sizes = [(case["taps"]["vgg 5"]["shape"][2:], case["taps"]["scnn 9"]["shape"][2:]) for case in golden["cases"]]
        assert any(a != b for a, b in sizes) and any(a == b for a, b in sizes)

    def test_a_step_up_the_gradient_raises_the_score(self, metric: Any) -> None:
        """Differentiable in earnest: one small step along the gradient, and what it promises is what it gives."""
        image = torch.from_numpy(picture("chelsea", 64, 80))[None].requires_grad_()
        before = metric(image)
        (gradient,) = torch.autograd.grad(before.sum(), image)
        step = 1e-3 * gradient / gradient.abs().max()
        with torch.no_grad():
            after = metric((image + step).clamp(0, 1))
        promised = float((gradient * step).sum())
        assert promised > 0 and 0.3 * promised < float(after - before.detach()) < 3 * promised

    @pytest.mark.parametrize(
        ("branch", "stride", "reach"),
        [("features1", vgg.STRIDES[-1], vgg.REACH), ("features2", scnn.STRIDE, scnn.REACH)],
    )
    def test_tiles_give_the_features_of_the_whole(self, metric: Any, branch: str, stride: int, reach: int) -> None:
        """Sizes that are no multiples of 16, with tiles whose margins are cut by no border but their own."""
        image = vgg.normalised(torch.from_numpy(picture("coffee", 121, 269))[None])
        network = metric.network.get_submodule(branch)
        whole = network(image)
        tiled = tiled_features(image, network, stride, reach, large=0, tile=96)
        assert tiled.shape == whole.shape
        torch.testing.assert_close(tiled, whole, rtol=1e-4, atol=1e-5 * float(whole.max()))
        narrow = tiled_features(image, network, stride, reach // 2, large=0, tile=96)
        assert float((narrow - whole).abs().max()) > 1e-3 * float(whole.max())


@pytest.mark.parametrize("key", ["dbcnn-live", "dbcnn-csiq"])
def test_the_direction_of_differential_opinions_is_asked_for(key: str) -> None:
    """LIVE and CSIQ have high opinions of bad pictures: nothing is called better before anyone has said so."""
    with pytest.raises(InputError, match=f"expected higher_is_better= with {key}.*blurred copy"):
        kk.metric("dbcnn", weights=key)


@pytest.mark.parametrize(("given", "direction"), [(None, True), (True, True), (False, False)])
def test_the_direction_that_is_given_is_the_specs(
    given: bool | None, direction: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = "kukkiri.quality.no_reference.dbcnn"
    monkeypatch.setattr(f"{module}.load_into", lambda *_, **__: None)
    assert DBCNN({}, higher_is_better=given).spec.higher_is_better is direction
    assert spec_of("dbcnn").higher_is_better


@pytest.mark.parametrize(("large", "together"), [(10_000, [3]), (900, [2, 1]), (500, [1, 1, 1])])
def test_a_batch_is_bounded_as_a_picture_is(large: int, together: list[int]) -> None:
    """Samples count too: three pictures of 20 × 20 px are 1200."""
    seen = []

    def features(part: torch.Tensor) -> torch.Tensor:
        seen.append(len(part))
        return F.avg_pool2d(part, 4)

    image = torch.rand(3, 1, 20, 20)
    torch.testing.assert_close(tiled_features(image, features, 4, 0, large=large), F.avg_pool2d(image, 4))
    assert seen == together


def test_a_batch_of_large_pictures_goes_in_tiles_one_by_one() -> None:
    seen = []

    def features(part: torch.Tensor) -> torch.Tensor:
        seen.append(tuple(part.shape))
        return F.avg_pool2d(part, 4)

    image = torch.rand(2, 1, 20, 28)
    found = tiled_features(image, features, 4, 4, large=100, tile=8)
    torch.testing.assert_close(found, F.avg_pool2d(image, 4))
    assert all(shape[0] == 1 and max(shape[2:]) <= 16 for shape in seen)


def test_pooling_by_hand() -> None:
    """Two places: mean products 1·2/2 + 3·0 = 1, and so on; then roots, and length 1."""
    first = torch.tensor([[[[1.0, 3.0]], [[0.0, 1.0]]]])  # (1, 2, 1, 2)
    second = torch.tensor([[[[2.0, 0.0]], [[1.0, 1.0]]]])
    products = [1.0, 2.0, 0.0, 0.5]
    expected = torch.tensor([[math.sqrt(p / sum(products)) for p in products]])
    torch.testing.assert_close(BilinearPooling()(first, second), expected, rtol=1e-5, atol=1e-4)


def test_pooling_stretches_from_corner_to_corner() -> None:
    """Three features become two: the first and the last, not means of neighbours."""
    first = torch.eye(2)[None, :, None]  # one feature a place
    second = torch.tensor([[[[1.0, 100.0, 4.0]]]])
    found = BilinearPooling()(first, second)
    torch.testing.assert_close(found, torch.tensor([[1.0, 2.0]]) / math.sqrt(5), rtol=1e-5, atol=1e-5)


def test_scnns_reach_and_stride() -> None:
    """From its layers: each looks one place of its own input to either side."""
    stride, reach = 1, 0
    for _, step in scnn.LAYERS:
        reach += stride
        stride *= step
    assert (stride, reach) == (scnn.STRIDE, scnn.REACH)


def test_all_checkpoints_are_told_apart() -> None:
    entries = [entry_of(key) for key in spec_of("dbcnn").weights]
    assert len({entry.sha256 for entry in entries}) == len(entries) >= 5


def test_the_score_moves_with_the_pooled_features() -> None:
    """The last bias is most of the score with these parameters: what is left of it differs by far more than 1 %."""
    from filling import filled

    bias = float(filled("fc.bias", (1,))[0])
    rest = np.array([case["score"] for case in golden("dbcnn.json")["cases"]]) - bias
    assert abs(rest[0] - rest[1]) > 0.01 * abs(rest[0])
