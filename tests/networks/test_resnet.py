"""ResNets against torchvision's, with and without their normalisations folded; folding and memory order."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from filling import filled, picture, summary
from kukkiri.errors import InputError
from kukkiri.networks.folding import fold
from kukkiri.networks.memory import channels_last
from kukkiri.networks.resnet import TAP_STRIDES, Bottleneck, Depth, ResNet
from parity import golden

DEPTHS: tuple[Depth, ...] = (18, 34, 50)


def network(depth: Depth, **options: Any) -> ResNet:
    """A ResNet with the parameters of `filling`, by torchvision's names."""
    built = ResNet(depth, **options)
    built.load_state_dict(
        {n: torch.from_numpy(filled(n, v.shape)) if v.is_floating_point() else v for n, v in built.state_dict().items()}
    )
    return built.eval().requires_grad_(False)


def scene(height: int, width: int) -> Tensor:
    return torch.from_numpy(picture("rocket", height, width))[None]


@pytest.mark.parametrize("depth", DEPTHS)
def test_torchvisions_features(depth: Depth) -> None:
    """All stages as torchvision's, as they are and after folding, in either order of the memory."""
    expected = golden("resnet.json")["stages"][str(depth)]
    built = network(depth)
    image = scene(65, 97)
    for step in range(2):
        if step:
            built.fold()
            channels_last(built)
        for number, found in enumerate(built.features(image, (1, 2, 3, 4)), start=1):
            ours: Any = summary(found.numpy())
            theirs = expected[str(number)]
            assert ours["shape"] == theirs["shape"] and found.shape[1] == built.channels[number]
            np.testing.assert_allclose(ours["values"], theirs["values"], rtol=0, atol=2e-5 * theirs["rms"])
    assert not [module for module in built.modules() if isinstance(module, nn.BatchNorm2d)]
    built.fold()  # a second time: nothing is left to fold
    ours = summary(built(image).numpy())
    np.testing.assert_allclose(ours["rms"], expected["4"]["rms"], rtol=1e-5)


def test_taps_and_strides() -> None:
    built = network(18)
    found = built.features(scene(71, 100), (0, 3))
    assert [tuple(f.shape[2:]) for f in found] == [
        (-(-71 // s), -(-100 // s)) for s in (TAP_STRIDES[0], TAP_STRIDES[3])
    ]
    (stem,) = built.features(scene(71, 100), (0,))
    assert torch.equal(stem, found[0])
    for wrong in ((), (2, 1), (5,), (-1, 2)):
        with pytest.raises(InputError, match=r"taps from 0 to 4"):
            built.features(scene(71, 100), wrong)


def test_stride_first_is_every_second_pixel_first() -> None:
    """A bottleneck of stride 2 whose first convolution takes the stride sees every second pixel only."""
    blocks = [Bottleneck(16, 8, 2, bias=False, epsilon=1e-5, stride_first=first).eval() for first in (True, False)]
    for block in blocks:
        block.load_state_dict(
            {n: torch.from_numpy(filled(n, v.shape)).reshape(v.shape) for n, v in block.state_dict().items()}
        )
    x = torch.from_numpy(filled("x.weight", (1, 16, 9, 10))).relu()
    moved = torch.zeros_like(x)
    moved[..., ::2, ::2] = x[..., ::2, ::2]
    with torch.inference_mode():
        paper, torchvision = ((block(x), block(moved)) for block in blocks)
    torch.testing.assert_close(*paper)
    assert paper[0].shape == torchvision[0].shape == (1, 32, 5, 5)
    assert float((torchvision[0] - torchvision[1]).abs().max()) > 1e-2


def test_keras_variant_has_its_biases_and_constant() -> None:
    built = network(50, bias=True, epsilon=1.001e-5)
    assert built.layer1[0].conv1.bias is not None and built.layer1[0].bn1.eps == 1.001e-5
    before = built(scene(64, 64))
    built.fold()
    torch.testing.assert_close(built(scene(64, 64)), before, rtol=1e-4, atol=1e-5 * float(before.max()))


def test_a_depth_that_is_not_there() -> None:
    with pytest.raises(InputError, match="18, 34 or 50"):
        ResNet(101)  # type: ignore[arg-type]


def test_folding_by_hand() -> None:
    """(3·x + 1 − 2) / √(4 + ε) · 5 + 6 with ε = 0: weight 7.5, bias 3.5."""
    convolution, normalisation = nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1, eps=0)
    with torch.no_grad():
        for parameter, value in (
            (convolution.weight, 3.0),
            (convolution.bias, 1.0),
            (normalisation.running_mean, 2.0),
            (normalisation.running_var, 4.0),
            (normalisation.weight, 5.0),
            (normalisation.bias, 6.0),
        ):
            assert parameter is not None
            parameter.fill_(value)
    assert isinstance(fold(convolution, normalisation), nn.Identity)
    assert convolution.weight.item() == 7.5 and convolution.bias is not None and convolution.bias.item() == 3.5


def test_folding_what_does_not_belong_together() -> None:
    with pytest.raises(InputError, match=r"expected .*, got .*; "):
        fold(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(3))
    with pytest.raises(InputError, match=r"expected .*, got .*; "):
        fold(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2, track_running_stats=False))


def test_order_in_memory_changes_nothing_but_the_order() -> None:
    convolution = nn.Conv2d(3, 8, 3)
    before = convolution.weight.detach().clone()
    channels_last(nn.Sequential(convolution))
    assert torch.equal(convolution.weight, before)
    assert (
        convolution.weight.is_contiguous(memory_format=torch.channels_last) and not convolution.weight.is_contiguous()
    )
