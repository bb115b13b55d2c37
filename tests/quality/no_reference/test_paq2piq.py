"""PaQ-2-PiQ: the authors' network, its map of patches, and the pooling in boxes."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pytest
import torch

import kukkiri as kk
from filling import picture
from kukkiri.errors import KukkiriError
from kukkiri.networks.roi_pool import cells_of, largest_within
from kukkiri.networks.tiled import tiled_features
from kukkiri.quality.no_reference.paq2piq import REACH, STRIDE, stretch
from parity import ParityContract, golden


class TestPaQ2PiQ(ParityContract):
    """Against the authors' RoIPoolModel with torchvision's own RoI pooling."""

    name = "paq2piq"
    file = "paq2piq.json"
    differentiable_size = (64, 95)
    taps: ClassVar[dict[str, str]] = {
        "stage 1": "network.body.layer1",
        "stage 3": "network.body.layer3",
        "stage 4": "network.body.layer4",
        "normalised": "network.head.2",
        "hidden": "network.head.5",
    }

    @pytest.mark.parametrize("number", range(4))
    def test_the_map(self, metric: Any, golden: dict[str, Any], number: int, monkeypatch: pytest.MonkeyPatch) -> None:
        """All 20 × 20 patches, and 3 × 5 of them; among the sizes one whose last blocks have no feature at all."""
        case = golden["cases"][number]
        image = torch.from_numpy(picture(*case["picture"]))[None]
        scale = np.std(case["map"])
        for blocks, key in (((20, 20), "map"), ((3, 5), "coarse map")):
            monkeypatch.setattr(metric, "blocks", blocks)
            found = metric.map(image)
            assert found.shape == (1, 1, *blocks)
            np.testing.assert_allclose(found[0, 0], case[key], rtol=1e-4, atol=1e-4 * scale)

    def test_the_map_of_a_batch(self, metric: Any) -> None:
        images = torch.from_numpy(np.stack([picture(name, 130, 100) for name in ("astronaut", "coffee")]))
        both = metric.map(images)
        assert both.shape == (2, 1, 20, 20) and float((both[0] - both[1]).abs().mean()) > 0.1
        torch.testing.assert_close(both[1:], metric.map(images[1:]), rtol=1e-4, atol=1e-4)

    def test_the_map_in_short_numbers(self, metric: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        """`precision` is that of the map too."""
        image = torch.from_numpy(picture("coffee", 96, 96))[None]
        exact = metric.map(image)
        kinds = []
        handle = metric.network.body.layer4.register_forward_hook(lambda _m, _i, output: kinds.append(output.dtype))
        monkeypatch.setattr(metric, "precision", "bfloat16")
        short = metric.map(image)
        handle.remove()
        assert kinds == [torch.bfloat16] and short.dtype == torch.float32
        assert 0 < float((short - exact).abs().max()) < 0.2 * float(exact.abs().max())

    def test_a_step_up_the_gradient_raises_the_score(self, metric: Any) -> None:
        """Differentiable in earnest: one small step along the gradient, and what it promises is what it gives."""
        image = torch.from_numpy(picture("chelsea", 96, 80))[None].requires_grad_()
        before = metric(image)
        (gradient,) = torch.autograd.grad(before.sum(), image)
        step = 1e-4 * gradient / gradient.abs().max()
        with torch.no_grad():
            after = metric((image + step).clamp(0, 1))
        promised = float((gradient * step).sum())
        assert promised > 0 and 0.3 * promised < float(after - before.detach()) < 3 * promised

    def test_tiles_give_the_features_of_the_whole(self, metric: Any) -> None:
        """The reach is enough for every feature, also at ragged borders."""
        image = torch.from_numpy(picture("coffee", 330, 590))[None]
        whole = metric.network.features(image)
        tiled = tiled_features(image, metric.network.features, STRIDE, REACH, large=0, tile=192)
        assert tiled.shape == whole.shape
        torch.testing.assert_close(tiled, whole, rtol=1e-5, atol=1e-5 * float(whole.max()))

    def test_less_reach_is_seen(self, metric: Any) -> None:
        """The test above can fail: with too narrow a margin, tiles do not give the features of the whole."""
        image = torch.from_numpy(picture("coffee", 330, 590))[None]
        whole = metric.network.features(image)
        tiled = tiled_features(image, metric.network.features, STRIDE, 64, large=0, tile=192)
        assert float((tiled - whole).abs().max()) > 1e-3 * float(whole.max())


def test_stretched_scores() -> None:
    """What the lines of the authors' InferenceModel.predict give."""
    given, expected = golden("paq2piq.json")["stretched"]
    assert 0 in expected and 100 in expected
    np.testing.assert_allclose(stretch(torch.tensor(given, dtype=torch.float64)), expected, rtol=1e-12)


def test_cells_by_hand() -> None:
    """Halves are rounded away from 0, both ends belong to the box, and odd boxes have overlapping cells."""

    def cells(start: float, end: float, size: int = 16) -> list[tuple[int, int]]:
        return cells_of(torch.tensor([start]), torch.tensor([end]), size, 32, 2)

    assert cells(0, 512) == [(0, 9), (8, 16)]  # 17 features, of which there are 16: halves of 8.5
    assert cells(48, 80) == [(2, 3), (3, 4)]  # 1.5 and 2.5 features: 2 to 3
    assert cells(48, 112) == [(2, 4), (3, 5)]  # 1.5 and 3.5: 2 to 4, three features
    assert cells(0, 10) == [(0, 1), (0, 1)]  # one feature is both cells
    assert all(a >= b for a, b in cells(496, 512))  # 15.5 is rounded to 16: outside


@pytest.mark.parametrize(
    ("side", "blocks", "missing"),
    [(512, 20, 1), (640, 20, 1), (768, 20, 1), (960, 20, 1), (1024, 20, 0), (512, 32, 3), (490, 20, 0)],
)
def test_how_much_of_the_last_block_lies_past_the_last_feature(side: int, blocks: int, missing: int) -> None:
    """As the docstring says: one of a block's two cells where it begins 48 px before the end, both from 16 px on."""
    ends = torch.arange(blocks + 1) * (side / blocks)
    spans = cells_of(ends[:-1], ends[1:], -(-side // STRIDE), STRIDE, 2)
    empty = [first >= last for first, last in spans]
    assert sum(empty) == sum(empty[-3:]) == missing


def test_largest_within_by_hand() -> None:
    x = torch.arange(12.0).reshape(1, 1, 3, 4)
    found = largest_within(x, [(0, 2), (2, 3), (3, 3)], [(0, 1), (1, 4)])
    assert found.tolist() == [[[[4, 7], [8, 11], [0, 0]]]]


@pytest.mark.parametrize("blocks", [(0, 3), (3,), (2.5, 2), (True, 2)])
def test_blocks_out_of_range_are_explained(blocks: Any) -> None:
    with pytest.raises(KukkiriError, match=r"expected .*, got .*; "):
        kk.metric("paq2piq", weights={}, blocks=blocks)
