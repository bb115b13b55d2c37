"""DIQaM-FR and WaDIQaM-FR: the authors' chainer models, two PyTorch ports, and where patches lie."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor

import kukkiri as kk
from filling import picture, spoilt
from kukkiri.errors import KukkiriError
from kukkiri.networks.wadiqam import AUTHORS_FLOOR, PORT_FLOOR, PatchQuality
from kukkiri.quality.full_reference.wadiqam import patch_places
from parity import ParityContract, filled_state, golden


class TestDIQaMFR(ParityContract):
    """The authors' chainer model in their layout: pixels 0 … 255, features as difference, picture, reference."""

    name = "diqam-fr"
    file = "diqam_fr.json"
    taps: ClassVar[dict[str, str]] = {
        "conv2": "network.features.3",
        "conv6": "network.features.13",
        "conv10": "network.features.23",
        "features": "network.features.24",
        "quality": "network.fc_q",
    }


class TestWaDIQaMFR(ParityContract):
    """As above, with weights. They are all cut off at 0 (tap: before), so that `test_ports` proves the weighted sum."""

    name = "wadiqam-fr"
    file = "wadiqam_fr.json"
    taps: ClassVar[dict[str, str]] = {**TestDIQaMFR.taps, "weight": "network.fc_w"}


def both(name: str, case: dict[str, Any]) -> tuple[Tensor, ...]:
    """The pictures of a case; the distorted one from 8 bits, as both ports read files."""
    image = picture(*case["picture"])
    distorted = spoilt(image)
    if case.get("eight bits"):
        distorted = (distorted * 255).round() / np.float32(255)
    arrays = (distorted, image) if name.endswith("-fr") else (image,)
    return tuple(torch.from_numpy(array)[None] for array in arrays)


@pytest.mark.parametrize("port", sorted(golden("wadiqam_ports.json")))
def test_ports(port: str) -> None:
    """Two PyTorch ports with their own names and order of features; their grid, and the first one's random patches."""
    found = golden("wadiqam_ports.json")[port]
    weights = filled_state({name: tuple(shape) for name, shape in found["names"].items()})
    assert len({round(case["score"], 5) for case in found["cases"]}) == len(found["cases"])
    for case in found["cases"]:
        options = {"drop_last": True} if case["crops"] is None else {"crops": case["crops"], "seed": case["seed"]}
        metric: Any = kk.metric(found["metric"], weights=weights, **options)
        assert metric.network.floor == (PORT_FLOOR if port.startswith("iqa") else AUTHORS_FLOOR)
        with torch.inference_mode():
            score = float(metric(*both(found["metric"], case)))
        assert score == pytest.approx(case["score"], rel=1e-4), case


def test_patches_of_the_grid() -> None:
    """All whole patches by default, as the authors cut them; the ports' range ends before the last of 64."""
    assert patch_places(64, 95).tolist() == [[0, 0], [0, 32], [32, 0], [32, 32]]
    assert patch_places(64, 95, drop_last=True).tolist() == [[0, 0], [0, 32]]
    assert patch_places(65, 64, drop_last=True).tolist() == [[0, 0], [32, 0]]


def test_layouts_are_one_network() -> None:
    """A checkpoint of this network's own names, written in the authors' layout, gives the same scores."""
    own = PatchQuality(reference=True, weighted=True).eval()
    written: dict[str, Tensor] = {}
    numbers = iter(range(1, 11))
    for name, value in own.state_dict().items():
        layer, _, kind = name.rpartition(".")
        if layer.startswith("features") and kind == "weight":
            number = next(numbers)
        theirs = {"fc_q.0": "fc1", "fc_q.3": "fc2", "fc_w.0": "fc1_a", "fc_w.3": "fc2_a"}.get(layer)
        new = f"{theirs or f'conv{number}'}/{'W' if kind == 'weight' else 'b'}"
        if new == "conv1/W":
            value = value / 255
        if new in ("fc1/W", "fc1_a/W"):
            reference, picture_, difference = value.chunk(3, 1)
            value = torch.cat((difference, picture_, reference), 1)
        written[new] = value
    pictures = both("-fr", {"picture": ["astronaut", 64, 70]})
    mine: Any = kk.metric("wadiqam-fr", weights=own.state_dict())
    theirs_: Any = kk.metric("wadiqam-fr", weights=written)
    # The constant beside the weights is each layout's own: 1e-8 and 1e-6 of weights near 1e-2.
    torch.testing.assert_close(theirs_(*pictures), mine(*pictures), rtol=1e-4, atol=1e-6)


def test_weights_that_are_not_used_are_left_out() -> None:
    """A weighted checkpoint serves DIQaM too: the plain mean of the same qualities."""
    state = PatchQuality(reference=True, weighted=True).state_dict()
    pictures = both("-fr", {"picture": ["coffee", 64, 64]})
    weighted: Any = kk.metric("wadiqam-fr", weights=state)
    mean: Any = kk.metric("diqam-fr", weights=state)
    places = [(0, 0), (0, 32), (32, 0), (32, 32)]
    one_by_one = [weighted(*(p[..., y : y + 32, x : x + 32] for p in pictures)) for y, x in places]
    torch.testing.assert_close(mean(*pictures)[0], torch.cat(one_by_one).mean(), rtol=1e-5, atol=1e-6)


def test_many_patches_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three patches at a time give the value and the gradient of all at once."""
    state = PatchQuality(reference=True, weighted=True).state_dict()
    metric: Any = kk.metric("wadiqam-fr", weights=state)
    distorted, reference = both("-fr", {"picture": ["coffee", 70, 130]})
    results = []
    for at_once in (100, 3):
        monkeypatch.setattr("kukkiri.quality.full_reference.wadiqam.AT_ONCE", at_once)
        x = distorted.clone().requires_grad_(True)
        value = metric(x, reference)
        value.backward()
        results.append((value.detach(), x.grad))
    torch.testing.assert_close(results[0], results[1], rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("options", [{"crops": 0}, {"crops": 4, "seed": -1}, {"crops": 2.5}])
def test_impossible_options(options: dict[str, Any]) -> None:
    state = PatchQuality(reference=True, weighted=True).state_dict()
    with pytest.raises(KukkiriError, match="expected .*, got .*; "):
        kk.metric("wadiqam-fr", weights=state, **options)


def test_a_picture_without_any_patch() -> None:
    """The ports find no patch in a picture of 32 px; here that is an error, not a division by zero."""
    state = PatchQuality(reference=True, weighted=True).state_dict()
    metric = kk.metric("wadiqam-fr", weights=state, drop_last=True)
    with pytest.raises(KukkiriError, match="expected .*, got 40×32; "):
        metric(*both("-fr", {"picture": ["coffee", 32, 40]}))
