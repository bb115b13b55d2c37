"""EfficientNet-Lite0: that it is the published network, and that it says so when it is given anything else."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from skimage import data
from torch import Tensor

from kukkiri.errors import InputError, ShapeError, WeightError
from kukkiri.images.resampling import imresize
from kukkiri.networks.efficientnet_lite import (
    TAP_CHANNELS,
    TAP_STRIDES,
    EfficientNetLite0,
    SameConv2d,
    efficientnet_lite0,
)
from kukkiri.weights import load_tensors

KEY = "efficientnet-lite0-imagenet"


@cache
def network() -> EfficientNetLite0:
    return efficientnet_lite0()


def batch(array: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(np.atleast_3d(array), 2, 0)))[None].float() / 255


def as_classified(name: str) -> Tensor:
    """The middle seven eighths of the shorter side, 224×224, RGB."""
    picture = batch(getattr(data, name)())
    height, width = picture.shape[-2:]
    side = int(min(height, width) * 0.875)
    top, left = (height - side) // 2, (width - side) // 2
    square = imresize(picture[..., top : top + side, left : left + side], size=(224, 224))
    return square.clamp(0, 1).expand(-1, 3, -1, -1)


def odd_sized(name: str) -> Tensor:
    return batch(getattr(data, name)()[100:301, 60:323])


@pytest.mark.parametrize(
    ("name", "classes"),
    [
        ("coffee", [967]),  # espresso
        ("chelsea", [281, 282, 285]),  # tabby, tiger cat, Egyptian cat: the three best
        ("rocket", [657]),  # missile
        ("camera", [872]),  # tripod
    ],
)
def test_real_pictures_are_recognised(name: str, classes: list[int]) -> None:
    best = network()(as_classified(name))[0].topk(len(classes)).indices
    assert sorted(best.tolist()) == classes


# Mean and standard deviation of taps 2, 5, 7 and 8, then logits of classes 0, 100, 500 and 999: the code of
# efficientnet-lite-pytorch 0.1.0 (its padding set to follow the size), run by hand with these very weights in
# float32, torch 2.13 on a CPU.
CONVERSION = {
    "astronaut": (
        [(0.228929, 9.625986), (0.393811, 7.195144), (-0.018792, 2.706058), (0.244507, 0.871179)],
        [1.4311, -1.27068, 0.18771, 0.88915],
    ),
    "coffee": (
        [(0.39956, 9.072742), (0.40237, 6.569973), (-0.037874, 2.689641), (0.140843, 0.654001)],
        [0.37614, -0.18154, 0.37209, 0.58041],
    ),
}


@pytest.mark.parametrize("name", CONVERSION)
def test_same_numbers_as_the_conversion(name: str) -> None:
    """On 263×201 px: odd sizes are padded unlike even ones."""
    picture = odd_sized(name)
    moments, logits = CONVERSION[name]
    for found, (mean, deviation) in zip(network().features(picture, (2, 5, 7, 8)), moments, strict=True):
        assert found.mean().item() == pytest.approx(mean, rel=1e-4, abs=1e-5)
        assert found.std(correction=0).item() == pytest.approx(deviation, rel=1e-5)
    assert network()(picture)[0, [0, 100, 500, 999]].tolist() == pytest.approx(logits, rel=1e-3, abs=1e-4)


def test_taps_have_their_channels_and_strides() -> None:
    picture = odd_sized("coffee")
    taps = range(len(TAP_CHANNELS))
    for tap, found in zip(taps, network().features(picture, taps), strict=True):
        rounded_up = tuple(-(-side // TAP_STRIDES[tap]) for side in (201, 263))
        assert found.shape == (1, TAP_CHANNELS[tap], *rounded_up)
    one = network().features(picture, (5,))[0]
    assert torch.equal(one, network().features(picture, (2, 5, 8))[1])


def test_padding_by_hand() -> None:
    """Sum of three at stride 2: 4 numbers get a zero on the right only, 5 numbers one on each side."""
    layer = SameConv2d(1, 1, (1, 3), (1, 2), bias=False)  # type: ignore[arg-type]
    torch.nn.init.ones_(layer.weight)
    numbers = torch.arange(1.0, 6)[None, None, None]
    assert layer(numbers[..., :4]).flatten().tolist() == [6, 7]  # 1+2+3, 3+4+0
    assert layer(numbers).flatten().tolist() == [3, 9, 9]  # 0+1+2, 2+3+4, 4+5+0


def test_gradients_reach_the_picture() -> None:
    picture = odd_sized("coffee").requires_grad_(True)
    network().features(picture, (3,))[0].square().mean().backward()
    assert picture.grad is not None and bool(torch.isfinite(picture.grad).all()) and float(picture.grad.abs().sum()) > 0


def test_file_of_another_layout_is_explained(tmp_path: Path) -> None:
    state = load_tensors(KEY)
    state["_fc.weight"] = state["_fc.weight"][:10].clone()
    state["head.weight"] = state.pop("_conv_head.weight")
    save_file(state, tmp_path / "other.safetensors")
    with pytest.raises(WeightError) as raised:
        efficientnet_lite0(tmp_path / "other.safetensors")
    message = str(raised.value)
    assert "1 missing: _conv_head.weight" in message and "1 unexpected: head.weight" in message
    assert "_fc.weight (10, 1280) instead of (1000, 1280)" in message


def test_a_file_in_single_precision_gives_the_same(tmp_path: Path) -> None:
    save_file(
        {name: v.float() if v.is_floating_point() else v for name, v in load_tensors(KEY).items()},
        tmp_path / "single.safetensors",
    )
    wide = efficientnet_lite0(tmp_path / "single.safetensors")
    assert torch.equal(wide(odd_sized("coffee")), network()(odd_sized("coffee")))
    assert not wide.training and {p.dtype for p in wide.parameters()} == {torch.float32}


@pytest.mark.parametrize("shape", [(1, 1, 64, 64), (3, 64, 64), (1, 3, 31, 64)])
def test_wrong_pictures_are_explained(shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match="expected .*, got .*; "):
        network()(torch.zeros(shape))


@pytest.mark.parametrize("taps", [(), (3, 2), (2, 2), (-1,), (9,)])
def test_wrong_taps_are_explained(taps: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="increasing taps from 0 to 8"):
        network().features(torch.zeros(1, 3, 64, 64), taps)
