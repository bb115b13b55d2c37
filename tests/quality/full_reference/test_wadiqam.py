"""DIQaM-FR and WaDIQaM-FR: the authors' chainer models, two PyTorch ports, and where patches lie."""

from __future__ import annotations

import logging
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor

import kukkiri as kk
from filling import picture, spoilt, summary
from kukkiri.errors import KukkiriError
from kukkiri.networks.wadiqam import AUTHORS_FLOOR, PORT_FLOOR, PatchQuality
from kukkiri.quality.full_reference import wadiqam as full_reference
from kukkiri.quality.full_reference.wadiqam import patch_places
from parity import ParityContract, filled_state, golden, keeper


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
    """As above, with weights. The filling makes them all negative, so that they are cut off at 0 (tap: before).

    The scores are therefore those of `diqam-fr`: what is proven here is where the weights come from, and that patches
    without any weight count alike. `test_weights_above_zero` and `test_ports` prove the weighted sum.
    """

    name = "wadiqam-fr"
    file = "wadiqam_fr.json"
    taps: ClassVar[dict[str, str]] = {**TestDIQaMFR.taps, "weight": "network.fc_w"}


def test_weights_above_zero() -> None:
    """The authors' chainer model where every patch counts, each as much as its weight says: not the plain mean."""
    found = golden("wadiqam_fr_positive.json")
    state = filled_state({name: tuple(shape) for name, shape in found["names"].items()})
    metric: Any = kk.metric("wadiqam-fr", weights=state | {name: state[name].abs() for name in found["absolute"]})
    for case in found["cases"]:
        seen: dict[str, Any] = {}
        handle = metric.network.fc_w.register_forward_hook(keeper(seen, "weight"))
        with torch.inference_mode():
            score = float(metric(*both("-fr", case)))
        handle.remove()
        assert score == pytest.approx(case["score"], rel=1e-4)
        assert abs(score - case["mean"]) > 0.01 * abs(score) and seen["weight"].min() > 0
        ours: Any = summary(seen["weight"])
        np.testing.assert_allclose(ours["values"], case["taps"]["weight"]["values"], rtol=1e-3)


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


@pytest.mark.parametrize(
    "options",
    [
        {"crops": 0, "seed": 0},
        {"crops": 4, "seed": -1},
        {"crops": 2.5, "seed": 0},
        {"crops": 4},
        {"seed": True},
        {"higher_is_better": "no"},
    ],
)
def test_impossible_options(options: dict[str, Any]) -> None:
    state = PatchQuality(reference=True, weighted=True).state_dict()
    with pytest.raises(KukkiriError, match="expected .*, got .*; "):
        kk.metric("wadiqam-fr", weights=state, **options)


def test_a_picture_without_any_patch() -> None:
    """The ports find no patch in a picture of 32 px; here that is an error, not a division by zero."""
    state = PatchQuality(reference=True, weighted=True).state_dict()
    metric = kk.metric("wadiqam-fr", weights=state, drop_last=True)
    with pytest.raises(
        KukkiriError, match="expected more than 32 px a side with drop_last, got 40×32; leave drop_last"
    ):
        metric(*both("-fr", {"picture": ["coffee", 32, 40]}))


def test_a_seed_draws_patches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a seed the grid; with one the paper's number of patches (here 3, for speed), or what `crops` says."""
    assert full_reference.CROPS == 32
    monkeypatch.setattr(full_reference, "CROPS", 3)
    state = PatchQuality(reference=True, weighted=True).state_dict()
    pictures = both("-fr", {"picture": ["coffee", 64, 70]})
    options: dict[str, dict[str, Any]] = {
        "grid": {},
        "grid too": {"seed": None},
        "0": {"seed": 0},
        "0 too": {"seed": 0, "crops": 3},
        "1": {"seed": 1},
    }
    metrics = {name: kk.metric("diqam-fr", weights=state, **given) for name, given in options.items()}
    scores = {name: float(metric(*pictures)) for name, metric in metrics.items()}
    assert scores["grid"] == scores["grid too"] and scores["0"] == scores["0 too"]
    assert len(set(scores.values())) == 3


def test_the_direction_is_the_checkpoints(caplog: pytest.LogCaptureFixture) -> None:
    """A score's direction can be told, and must be where a layout is also that of differential opinions."""
    own = PatchQuality(reference=True, weighted=True).state_dict()
    theirs = filled_state({name: tuple(shape) for name, shape in golden("diqam_fr.json")["names"].items()})
    with caplog.at_level(logging.WARNING, "kukkiri"):
        assert kk.metric("wadiqam-fr", weights=own).spec.higher_is_better
        turned = kk.metric("diqam-fr", weights=theirs, higher_is_better=False)
        assert not turned.spec.higher_is_better and kk.metrics.spec_of("diqam-fr").higher_is_better
        assert not caplog.records
        kk.metric("diqam-fr", weights=theirs)
    assert "higher_is_better" in caplog.text
    image, reference = (p[0].permute(1, 2, 0).numpy() for p in both("-fr", {"picture": ["coffee", 64, 64]}))
    assert not kk.compare(image, reference, turned).higher_is_better


@pytest.mark.parametrize(("file", "lost"), [("diqam_fr.json", "conv1/W"), ("diqam_fr.json", "fc2/b")])
def test_one_lost_tensor_is_one_missing_name(file: str, lost: str) -> None:
    """The layout is told by all names, not by one: the message is about what is missing alone."""
    state = filled_state({name: tuple(shape) for name, shape in golden(file)["names"].items() if name != lost})
    with pytest.raises(KukkiriError, match="got 1 missing: [^;]*; pass"):
        kk.metric("diqam-fr", weights=state)
