"""SaTQA: the authors' network, its parts by hand, and the crops."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
import torch
import torch.nn.functional as F

import kukkiri as kk
from kukkiri.errors import KukkiriError
from kukkiri.metrics.learned import LearnedMetric
from kukkiri.networks.deformable import DeformableConv2d
from kukkiri.quality.no_reference.crops import torch_places
from kukkiri.quality.no_reference.satqa import MultiStream, Narrowed, SaTQA
from parity import ParityContract, filled_state


class TestSaTQA(ParityContract):
    """One crop in the middle; some tensors times the golden file's factors, so that no softmax is saturated."""

    name = "satqa"
    file = "satqa.json"
    options: ClassVar[dict[str, Any]] = {"crops": 1}
    taps: ClassVar[dict[str, str]] = {
        "vit.blocks.6": "network.vit.blocks.6",
        "block.0.0.dconv": "network.block.0.0.dconv",
        "block.0.0": "network.block.0.0",
        "block.2.4": "network.block.2.4",
        "block.4.2": "network.block.4.2",
        "fea_proj": "network.fea_proj",
        "W_Q": "network.W_Q",
    }

    @pytest.fixture(scope="class")
    @classmethod
    def metric(cls, golden: dict[str, Any]) -> LearnedMetric:
        state = filled_state({name: tuple(shape) for name, shape in golden["names"].items()})
        for name, factor in golden["factors"].items():
            state[name] *= factor
        built = kk.metric("satqa", weights=state, **cls.options)
        assert isinstance(built, LearnedMetric)
        return built

    @pytest.mark.slow
    def test_gradient_batch_and_repeat(self, metric: LearnedMetric, golden: dict[str, Any]) -> None:
        super().test_gradient_batch_and_repeat(metric)


def filled_block(side: int) -> MultiStream:
    block = MultiStream(side, (16, 16, 32))
    block.load_state_dict(filled_state({name: tuple(value.shape) for name, value in block.state_dict().items()}))
    return block.requires_grad_(False)


@pytest.mark.parametrize("side", [6, 7])
def test_gradients_of_a_block(side: int) -> None:
    """Of even and of odd sides: finite, and what a small step along them changes."""
    block = filled_block(side).double()
    x = torch.rand(2, side**2, 64, dtype=torch.float64, generator=torch.Generator().manual_seed(1)).requires_grad_(True)
    weights = torch.rand(2, side**2, 64, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    (slope,) = torch.autograd.grad((block(x) * weights).sum(), x)
    assert bool(torch.isfinite(slope).all())
    step = 1e-6 * slope / slope.norm()
    with torch.inference_mode():
        rise = float(((block((x + step).detach()) - block((x - step).detach())) * weights).sum())
    assert rise == pytest.approx(float(2e-6 * slope.norm()), rel=1e-2)


def test_short_precision_of_a_block() -> None:
    """The deformable convolution takes places in single precision also where `precision='bfloat16'`."""
    block = filled_block(7)
    x = torch.rand(2, 49, 64, generator=torch.Generator().manual_seed(1))
    with torch.autocast("cpu", torch.bfloat16):
        short = block(x)
    expected = block(x)
    assert not torch.equal(short, expected)
    assert float((short - expected).square().mean().sqrt()) < 0.02 * float(expected.square().mean().sqrt())


def test_a_batch_of_blocks_is_one_by_one() -> None:
    block = filled_block(6)
    x = torch.rand(3, 36, 64)
    torch.testing.assert_close(block(x), torch.cat([block(x[i : i + 1]) for i in range(3)]))


def test_an_unmoved_deformable_convolution_is_a_plain_one() -> None:
    deformable = DeformableConv2d(3, 5).requires_grad_(False)
    deformable.p_conv.weight.zero_()
    deformable.p_conv.bias.zero_()
    x = torch.rand(2, 3, 8, 11)
    torch.testing.assert_close(deformable(x), F.conv2d(x, deformable.conv.weight, padding=1))


def test_a_deformable_convolution_moved_by_whole_and_half_pixels() -> None:
    """All places two rows down, and half a column to the right: the shifted input, 0 where nothing is."""
    deformable = DeformableConv2d(1, 1).requires_grad_(False)
    deformable.p_conv.weight.zero_()
    deformable.p_conv.bias[:9] = 2
    deformable.p_conv.bias[9:] = 0.5
    x = torch.rand(1, 1, 9, 10)
    shifted = F.pad(x[:, :, 2:], (0, 0, 0, 2))
    between = (shifted + F.pad(shifted[..., 1:], (0, 1))) / 2
    expected = F.conv2d(between, deformable.conv.weight, padding=1)
    # At the border, plain padding is 0 where the moved places still see the picture: compare inside.
    torch.testing.assert_close(deformable(x)[..., 1:-1, 1:-1], expected[..., 1:-1, 1:-1])


def test_the_mean_first_is_the_same() -> None:
    """The authors average over 7 × 7 cells after the convolution of single places."""
    narrowed = Narrowed(6)
    x = torch.rand(1, 6, 14, 14)
    torch.testing.assert_close(narrowed(x), F.adaptive_avg_pool2d(narrowed.conv(x), 7))


def test_crops_of_a_seed() -> None:
    """torchvision's RandomCrop: the first row, then the first column, each from torch.randint(0, free + 1)."""
    torch.manual_seed(3)
    expected = [
        (int(torch.randint(0, 300 - 224 + 1, (1,))), int(torch.randint(0, 400 - 224 + 1, (1,)))) for _ in range(8)
    ]
    assert list(torch_places(300, 400, 224, 8, 3)) == expected


def test_the_authors_resizing() -> None:
    """`resize=(512, 384)` first, whatever the shape: the crops then lie in that picture."""
    metric = SaTQA.__new__(SaTQA)
    torch.nn.Module.__init__(metric)
    seen: list[torch.Tensor] = []
    metric.network = lambda crops: seen.append(crops) or crops.mean((1, 2, 3))  # type: ignore
    metric.crops, metric.seed, metric.resize = 1, None, (512, 384)
    image = torch.rand(1, 3, 300, 500, generator=torch.Generator().manual_seed(0))
    metric.rate(image, None)
    expected = F.interpolate(image, (512, 384), mode="bilinear", antialias=True)
    assert torch.equal(seen[0][0], expected[0, :, 144 : 144 + 224, 80 : 80 + 224])


def test_without_weights_and_with_impossible_options() -> None:
    with pytest.raises(KukkiriError, match=r"expected weights for satqa.*weights="):
        SaTQA()
    with pytest.raises(KukkiriError, match="expected .*, got .*; "):
        kk.metric("satqa", weights={"a": torch.zeros(1)}, crops=0)
