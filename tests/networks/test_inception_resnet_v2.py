"""Inception-ResNet-v2: depths, layouts and sizes. That it is the published network, `test_koncept512` proves."""

from __future__ import annotations

from functools import cache

import pytest
import torch
from torch import Tensor, nn

from kukkiri.errors import InputError, ShapeError, WeightError
from kukkiri.networks.inception_resnet_v2 import (
    MIN_SIZE_OF_REPEAT,
    STAGES,
    InceptionResNetV2,
    inception_resnet_v2,
)
from parity import filled_state

TAPS = ("conv2d_2b", "mixed_5b", "repeat.1", "repeat.9")


@cache
def state() -> dict[str, Tensor]:
    """Parameters of the first stages, with what else is in a whole file."""
    with torch.device("meta"):
        shapes = {name: tuple(value.shape) for name, value in InceptionResNetV2("repeat").state_dict().items()}
    floats = {name: shape for name, shape in shapes.items() if not name.endswith("num_batches_tracked")}
    deeper = {"repeat_1.0.conv2d.bias": (1088,), "mixed_6a.branch0.bn.bias": (384,), "block8.conv2d.bias": (2080,)}
    return filled_state(floats | deeper)


@cache
def network() -> InceptionResNetV2:
    return inception_resnet_v2(state(), last="repeat")


def image(height: int = 35, width: int = 43) -> Tensor:
    return torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("classifier", ["last_linear", "classif"])
def test_what_lies_deeper_is_left_alone(classifier: str) -> None:
    """Cadene's and timm's files differ in the classifier's name and classes: neither is wanted."""
    whole = state() | {f"{classifier}.weight": torch.zeros(1000, 1536), f"{classifier}.bias": torch.zeros(1000)}
    loaded = inception_resnet_v2(whole, last="repeat")
    assert all(torch.equal(value, loaded.state_dict()[name]) for name, value in network().state_dict().items())
    with pytest.raises(WeightError, match="unexpected"):
        inception_resnet_v2(state() | {"conv2d_9.conv.weight": torch.zeros(1)}, last="repeat")


def test_folding_changes_nothing_but_speed() -> None:
    plain = InceptionResNetV2("repeat")
    plain.load_state_dict({name: state()[name] for name in plain.state_dict() if name in state()}, strict=False)
    plain.eval()
    assert any(isinstance(module, nn.BatchNorm2d) for module in plain.modules())
    assert not any(isinstance(module, nn.BatchNorm2d) for module in network().modules())
    with torch.inference_mode():
        for expected, found in zip(plain.features(image(), TAPS), network().features(image(), TAPS), strict=True):
            torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_taps_are_what_the_stages_give() -> None:
    """Each tap is the output of its module, and nothing deeper than the last is computed."""
    seen: dict[str, Tensor] = {}
    handles = [
        network().get_submodule(name).register_forward_hook(lambda _m, _i, out, name=name: seen.update({name: out}))
        for name in (*TAPS, "repeat.2")
    ]
    with torch.inference_mode():
        found = network().features(image(), TAPS[:3])
    for handle in handles:
        handle.remove()
    assert set(seen) == set(TAPS[:3])
    assert all(torch.equal(seen[tap], value) for tap, value in zip(TAPS, found, strict=False))
    assert [tuple(value.shape[1:]) for value in found] == [(64, 15, 19), (320, 2, 3), (320, 2, 3)]


def test_first_layer_by_hand() -> None:
    """Pixels in [0, 1] are taken to [−1, 1]: a grey of one half is 0, so the first layer gives its bias, rectified."""
    s = {name.removeprefix("conv2d_1a.bn."): value for name, value in state().items() if "conv2d_1a.bn." in name}
    expected = (s["bias"] - s["running_mean"] * s["weight"] / (s["running_var"] + 1e-3).sqrt()).clamp(min=0)
    found = network().features(torch.full((1, 3, 27, 27), 0.5), ("conv2d_1a",))[0]
    torch.testing.assert_close(found[0], expected[:, None, None].expand(-1, 13, 13), rtol=1e-4, atol=1e-6)


def test_sizes() -> None:
    side = MIN_SIZE_OF_REPEAT
    assert network().features(image(side, side), ("repeat.9",))[0].shape == (2, 320, 1, 1)
    for wrong in (image(side - 1, 50), image()[:, :1], image()[0]):
        with pytest.raises(ShapeError, match=f"at least {side} px"):
            network().features(wrong, ("repeat.9",))


def test_taps_that_are_not_there() -> None:
    with pytest.raises(InputError, match="taps"):
        network().features(image(), ("repeat.1", "mixed_5b"))
    with pytest.raises(ShapeError, match="at least 75 px"):
        network().features(image(), ("conv2d_7b",))
    with pytest.raises(InputError, match="taps"):
        network().features(image(80, 80), ("conv2d_7b",))
    with pytest.raises(InputError, match="a stage"):
        InceptionResNetV2("logits")


def test_all_stages_in_order() -> None:
    """The smallest picture that the deepest features take leaves one value of each (Szegedy et al., Figure 15)."""
    with torch.device("meta"):
        deep = InceptionResNetV2().eval()
        shapes = [tuple(deep.features(torch.empty(1, 3, side, side))[0].shape) for side in (75, 299)]
    assert [name for name, _ in deep.named_children()] == list(STAGES)
    assert shapes == [(1, 1536, 1, 1), (1, 1536, 8, 8)]
