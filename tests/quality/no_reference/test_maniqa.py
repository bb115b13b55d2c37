"""MANIQA: the authors' network, its parts by hand, and the crops."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pytest
import torch

import kukkiri as kk
from filling import picture
from kukkiri.errors import KukkiriError
from kukkiri.metrics.learned import LearnedMetric
from kukkiri.networks.swin import across_the_border, from_windows, relative_places, to_windows
from kukkiri.networks.vit import VisionTransformer
from kukkiri.quality.no_reference.maniqa import MANIQA, Network, at_every_place, without_tables
from parity import ParityContract, filled_state


def small_network() -> Network:
    """The same network for crops of 64 px and tokens of 24 numbers, filled."""
    network = Network(0.8, side=64, width=24, heads=3)
    state = filled_state({name: tuple(value.shape) for name, value in network.state_dict().items()})
    for name in state:
        if ".c_q." in name:
            state[name] *= 0.001  # otherwise the softmax is saturated, and the score a staircase
    network.load_state_dict(state)
    return network.eval().requires_grad_(False)


class TestMANIQA(ParityContract):
    """One crop in the middle; five tensors times the golden file's factors, so that no softmax is saturated."""

    name = "maniqa"
    file = "maniqa.json"
    options: ClassVar[dict[str, Any]] = {"crops": 1, "scale": 0.8}
    taps: ClassVar[dict[str, str]] = {
        "vit.blocks.6": "network.vit.blocks.6",
        "vit.blocks.9": "network.vit.blocks.9",
        "tablock1.1": "network.tablock1.1",
        "swintransformer1.layers.1": "network.swintransformer1.layers.1",
        "tablock2.1": "network.tablock2.1",
        "swintransformer2.layers.1": "network.swintransformer2.layers.1",
    }

    @pytest.fixture(scope="class")
    @classmethod
    def metric(cls, golden: dict[str, Any]) -> LearnedMetric:
        state = filled_state({name: tuple(shape) for name, shape in golden["names"].items()})
        for name, factor in golden["factors"].items():
            state[name] *= factor
        built = kk.metric("maniqa", weights=state, **cls.options)
        assert isinstance(built, LearnedMetric)
        return built

    @pytest.mark.slow
    def test_gradient_batch_and_repeat(self, metric: LearnedMetric, golden: dict[str, Any]) -> None:
        super().test_gradient_batch_and_repeat(metric)


def test_tables_of_the_file_are_not_loaded() -> None:
    """The authors' files hold masks and indices that follow from the sizes; every layer of windows has its own."""
    kept = {"swintransformer1.layers.0.blocks.1.attn.qkv.weight": torch.ones(1)}
    tables = {
        "swintransformer1.layers.0.blocks.1.attn.relative_position_index": torch.ones(1),
        "swintransformer1.layers.0.blocks.1.attn_mask": torch.ones(1),
    }
    assert without_tables(kept | tables) == kept


def test_gradients_of_a_small_network() -> None:
    """Finite, not zero, and a step along them lowers or raises the score as they say."""
    network = small_network()
    crop = torch.from_numpy(picture("astronaut", 64, 64))[None].requires_grad_(True)
    value = network(crop)
    (slope,) = torch.autograd.grad(value.sum(), crop)
    assert bool(torch.isfinite(slope).all()) and float(slope.abs().sum()) > 0
    step = 1e-5 * slope / slope.norm()
    with torch.inference_mode():
        rise = float(network((crop + step).detach()) - network((crop - step).detach()))
    assert rise == pytest.approx(float(2e-5 * slope.norm()), rel=0.1)


def test_short_precision_of_the_small_network() -> None:
    """What `precision='bfloat16'` does to it: three digits are left of each product, and the score drifts a little."""
    network = small_network()
    crop = torch.from_numpy(picture("astronaut", 64, 64))[None]
    with torch.autocast("cpu", torch.bfloat16):
        short = float(network(crop))
    assert short != float(network(crop)) and short == pytest.approx(float(network(crop)), rel=0.03)


def test_a_batch_of_the_small_network_is_one_by_one() -> None:
    network = small_network()
    crops = torch.stack([torch.from_numpy(picture(name, 64, 64)) for name in ("astronaut", "coffee", "rocket")])
    single = torch.cat([network(crops[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(network(crops), single, rtol=1e-4, atol=1e-6)
    assert float(single.std()) > 0.01 * float(single.mean())


def test_the_mean_over_crops(monkeypatch: pytest.MonkeyPatch) -> None:
    """Regular crops reach all four corners; with a seed they lie where the authors' script has them."""
    seen: list[torch.Tensor] = []

    def rate(crops: torch.Tensor) -> torch.Tensor:
        seen.append(crops)
        return crops[:, 0, 0, 0]

    metric = MANIQA.__new__(MANIQA)
    torch.nn.Module.__init__(metric)
    metric.network = rate  # type: ignore[assignment]
    rows, columns = torch.meshgrid(torch.arange(300.0), torch.arange(400.0), indexing="ij")
    where = torch.stack([rows, columns, rows])[None] / 512
    metric.crops, metric.seed = 20, None
    metric.rate(where, None)
    corners = {(int(c[0, 0, 0] * 512), int(c[1, 0, 0] * 512)) for part in seen for c in part}
    assert len(corners) == 20 and {(0, 0), (0, 176), (76, 0), (76, 176)} <= corners
    seen.clear()
    metric.seed = 20
    value = metric.rate(where, None)
    numpy = np.random.RandomState(20)  # the stream of numpy.random.seed(20)
    expected = [(numpy.randint(0, 300 - 224), numpy.randint(0, 400 - 224)) for _ in range(20)]
    assert [(int(c[0, 0, 0] * 512), int(c[1, 0, 0] * 512)) for part in seen for c in part] == expected
    assert float(value) == pytest.approx(np.mean([top for top, _ in expected]) / 512)


def test_impossible_options_are_explained() -> None:
    for options in (
        {"crops": 0},
        {"crops": 2.5},
        {"seed": -1},
        {"scale": 0},
        {"scale": float("nan")},
        {"scale": "0.8"},
    ):
        with pytest.raises(KukkiriError, match="expected .*, got .*; "):
            kk.metric("maniqa", weights={"a": torch.zeros(1)}, **options)


@pytest.mark.parametrize("weights", [{}, "koniq.pt"])
def test_ones_own_weights_want_their_scale(weights: Any) -> None:
    """0.13 with the authors' files of KonIQ-10k would be another score, and no file tells."""
    with pytest.raises(KukkiriError, match=r"expected scale=.*scale=0\.13 for weights trained on PIPAL, 0\.8"):
        kk.metric("maniqa", weights=weights)


def test_windows_there_and_back() -> None:
    x = torch.arange(2 * 8 * 8 * 3.0).view(2, 8, 8, 3)
    windows = to_windows(x, 4)
    assert windows.shape == (2, 4, 16, 3)
    assert torch.equal(windows[1, 1], x[1, :4, 4:].reshape(16, 3))
    assert torch.equal(from_windows(windows, 8), x)


def test_relative_places_by_hand() -> None:
    """Windows of 2 × 2: displacements (−1 … 1)² stand in a table of 3 × 3, rows first (Swin, Section 3.2)."""
    assert relative_places(2).tolist() == [[4, 3, 1, 0], [5, 4, 2, 1], [7, 6, 4, 3], [8, 7, 5, 4]]


def test_what_the_shift_brought_together_is_kept_apart() -> None:
    """8 × 8 tokens, windows of 4 shifted by 2: the first is whole, in the last all four quarters are strangers."""
    mask = across_the_border(8, 4, 2)
    assert mask.shape == (4, 1, 16, 16) and not mask[0].any()
    quarter = torch.tensor([[0, 0, 1, 1]] * 2 + [[2, 2, 3, 3]] * 2).flatten()
    assert torch.equal(mask[3, 0] == 0, quarter[:, None] == quarter)
    assert torch.equal(mask[1, 0] == 0, (quarter % 2)[:, None] == quarter % 2)


def test_a_convolution_of_one_place_as_a_product() -> None:
    convolution = torch.nn.Conv2d(5, 3, 1)
    x = torch.rand(2, 5, 12)
    expected = convolution(x[..., None])[..., 0].transpose(1, 2)
    torch.testing.assert_close(at_every_place(convolution, x), expected)


def test_the_transformer_refuses_another_size() -> None:
    transformer = VisionTransformer(32, 8, width=12, heads=3, depth=2)
    assert [t.shape for t in transformer.tokens(torch.zeros(2, 3, 32, 32), (0, 1))] == [(2, 17, 12)] * 2
    with pytest.raises(KukkiriError, match="expected .*, got .*; "):
        transformer.tokens(torch.zeros(2, 3, 40, 32), (0, 1))
    with pytest.raises(KukkiriError, match="expected .*, got .*; "):
        transformer.tokens(torch.zeros(2, 3, 32, 32), (1, 2))
