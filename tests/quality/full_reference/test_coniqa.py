"""ConIQA: its code is not published, so what is tested is what the method promises, with arbitrary parameters."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

import kukkiri as kk
from contract import MetricContract, blurred, fine_grained, noisy, photograph
from kukkiri.errors import InputError, ShapeError, WeightError
from kukkiri.quality.full_reference.coniqa import ConIQANetwork, blended, coniqa_loss
from parity import filled_state


@cache
def state() -> dict[str, Tensor]:
    return filled_state({name: tuple(value.shape) for name, value in ConIQANetwork().state_dict().items()})


class TestConIQA(MetricContract):
    name = "coniqa"
    size = (96, 112)
    worsened_by = ("blur", "noise")

    @pytest.fixture(scope="class")
    @classmethod
    def metric(cls) -> Any:
        return kk.metric("coniqa", weights=state())

    def test_sixteen_bits_equal_float(self, metric: Any) -> None:
        """To 0.1 %: with arbitrary parameters, a few hardly active channels weigh as much as all others."""
        image = fine_grained(self.pictures())[:1]
        arguments = self.arguments(image)
        rounded = [np.moveaxis((a[0] * 65535).round().numpy().astype(np.uint16), 0, 2) for a in arguments]
        torch.testing.assert_close(metric(*rounded), metric(*arguments), rtol=1e-3, atol=0)


def test_identical_pictures_are_the_best() -> None:
    """By construction, whatever the parameters and the picture; anything else is below."""
    metric = kk.metric("coniqa", weights=state())
    picture = photograph("coffee", 60, 71)
    for same in (picture, torch.zeros_like(picture), torch.full_like(picture, 0.5)):
        assert float(metric(same, same)) == 1
    assert float(metric(noisy(picture, 0.02), picture)) < 1


def test_both_pictures_are_seen_alike() -> None:
    """A siamese network and a symmetric distance: exchanging the pictures changes nothing."""
    metric = kk.metric("coniqa", weights=state())
    picture = photograph("rocket", 64, 80)
    spoilt = blurred(picture, 2.0)
    assert float(metric(spoilt, picture)) == pytest.approx(float(metric(picture, spoilt)), rel=1e-5)


def test_score_by_hand() -> None:
    """The documented formula, from the features of both pictures."""
    network = ConIQANetwork()
    network.load_state_dict(state())
    r = photograph("astronaut", 48, 48)
    x = noisy(r, 0.1)
    differences = []
    a, b = 2 * x - 1, 2 * r - 1
    with torch.inference_mode():
        for stage in network.stages:
            a, b = stage(a), stage(b)
            d = np.mean((a - b).numpy() ** 2, (0, 2, 3))
            differences.append(d / (np.mean(a.numpy() ** 2, (0, 2, 3)) + np.mean(b.numpy() ** 2, (0, 2, 3)) + 1e-6))
        value = float(network(x, r))
    d = np.concatenate(differences)
    assert d.shape == (480,) and d.min() >= 0 and d.max() <= 1
    seen = np.maximum(state()["hidden.weight"].numpy() @ d, 0)
    expected = np.exp(-np.sum(np.log1p(np.exp(state()["output.weight"][0].numpy())) * seen))
    assert value == pytest.approx(expected, rel=1e-4) and 0 < value < 0.99


def test_weights(tmp_path: Any) -> None:
    with pytest.raises(WeightError, match="coniqa, of which no checkpoint is published"):
        kk.metric("coniqa")
    with pytest.raises(WeightError, match=r"1 missing: output\.weight; 1 unexpected: head"):
        kk.metric("coniqa", weights={("head" if n == "output.weight" else n): v for n, v in state().items()})
    save_file(state(), tmp_path / "mine.safetensors")
    pair = noisy(photograph("coffee", 40, 40), 0.1), photograph("coffee", 40, 40)
    from_file = kk.metric("coniqa", weights=tmp_path / "mine.safetensors")
    assert torch.equal(from_file(*pair), kk.metric("coniqa", weights=state())(*pair))


def test_climbing_the_gradient_restores() -> None:
    """As a loss: steps up the gradient raise the score, and bring the picture nearer to its reference."""
    metric = kk.metric("coniqa", weights=state())
    r = photograph("astronaut", 64, 64)
    x = noisy(r, 0.1)
    before, error = float(metric(x, r)), float((x - r).square().mean())
    for _ in range(8):
        x = x.detach().requires_grad_(True)
        (gradient,) = torch.autograd.grad(metric(x, r).sum(), x)
        x = (x.detach() + 0.004 * gradient / gradient.square().mean().sqrt()).clamp(0, 1)
    assert float(metric(x, r)) > before
    assert float((x - r).square().mean()) < error


class TestBlended:
    def test_share_and_mirror(self) -> None:
        """A quarter of the first, none of the second, which is mirrored with its reference."""
        x, r = torch.rand(2, 2, 3, 4, 5, generator=torch.Generator().manual_seed(0)).unbind(0)
        image, reference = blended(x, r, torch.tensor([0.25, 0.0]), mirrored=torch.tensor([False, True]))
        torch.testing.assert_close(image[0], 0.25 * x[0] + 0.75 * r[0])
        assert torch.equal(reference[0], r[0])
        assert torch.equal(reference[1], torch.flip(r[1], (2,))) and torch.equal(image[1], reference[1])

    def test_nothing_is_nothing(self) -> None:
        x, r = torch.rand(2, 1, 3, 4, 5).unbind(0)
        image, reference = blended(x, r, 1.0)
        assert torch.equal(image, x) and torch.equal(reference, r)

    @pytest.mark.parametrize(
        ("call", "error"),
        [
            (lambda x: blended(x, x[..., :-1], 0.5), ShapeError),
            (lambda x: blended(x[0], x[0], 0.5), ShapeError),
            (lambda x: blended(x, x, 1.5), InputError),
            (lambda x: blended(x, x, torch.tensor([0.1, 0.2, 0.3])), InputError),
        ],
    )
    def test_wrong_input(self, call: Callable[[Tensor], Any], error: type[Exception]) -> None:
        with pytest.raises(error, match="expected .*, got .*; "):
            call(torch.rand(2, 3, 4, 5))


class TestLoss:
    def test_by_hand(self) -> None:
        """Smooth L1: 0.2² / 2 and 1.5 − 0.5, their mean; targets 0.4 and 0.25·0.4 + 0.75·1, squared errors' mean."""
        loss = coniqa_loss(
            torch.tensor([0.5, 2.0]),
            torch.tensor([0.3, 0.5]),
            torch.tensor([0.4, 0.4]),
            torch.tensor([0.5, 0.8]),
            blend=torch.tensor([1.0, 0.25]),
            weight=3.0,
        )
        assert float(loss) == pytest.approx((0.02 + 1.0) / 2 + 3 * (0.1**2 + (0.8 - 0.85) ** 2) / 2, rel=1e-6)

    def test_best_score_of_another_scale(self) -> None:
        empty = torch.empty(0)
        found = coniqa_loss(empty, empty, torch.tensor([40.0]), torch.tensor([70.0]), blend=0.5, best=100.0)
        assert float(found) == 0

    def test_the_target_is_fixed(self) -> None:
        """The plain pair's score gets no gradient; the augmented one's is drawn towards it."""
        plain, changed = (torch.tensor([v], requires_grad=True) for v in (0.4, 0.6))
        empty = torch.empty(0)
        coniqa_loss(empty, empty, plain, changed).backward()
        assert plain.grad is None and changed.grad is not None
        assert float(changed.grad) == pytest.approx(2 * 0.2, rel=1e-5)

    def test_without_unlabelled_pairs(self) -> None:
        empty = torch.empty(0)
        loss = coniqa_loss(torch.tensor([0.5]), torch.tensor([0.3]), empty, empty)
        assert float(loss) == pytest.approx(0.02)

    @pytest.mark.parametrize(
        ("arguments", "options", "error"),
        [
            ((torch.rand(2), torch.rand(3), torch.rand(1), torch.rand(1)), {}, ShapeError),
            ((torch.rand(2), torch.rand(2), torch.rand(2), torch.rand(1)), {}, ShapeError),
            ((torch.rand(2, 1), torch.rand(2, 1), torch.rand(1), torch.rand(1)), {}, ShapeError),
            ((torch.rand(1),) * 4, {"weight": -1.0}, InputError),
            ((torch.rand(1),) * 4, {"blend": float("nan")}, InputError),
        ],
    )
    def test_wrong_input(self, arguments: Any, options: dict[str, Any], error: type[Exception]) -> None:
        with pytest.raises(error, match="expected .*, got .*; "):
            coniqa_loss(*arguments, **options)

    def test_a_network_learns_from_it(self) -> None:
        """Two pairs with opinions and two without: a few steps lower the loss to less than half."""
        torch.manual_seed(0)
        network = ConIQANetwork()
        r = torch.cat([photograph(name, 40, 40) for name in ("astronaut", "coffee", "rocket", "chelsea")])
        x = torch.cat([noisy(r[:2], 0.1), blurred(r[2:], 1.5)])
        opinions = torch.tensor([0.3, 0.5])
        share = torch.tensor([0.5, 1.0])
        y, s = blended(x[2:], r[2:], share, mirrored=torch.tensor([False, True]))
        optimizer = torch.optim.Adam(network.parameters(), 2e-3)
        losses = []
        for _ in range(15):
            plain = network(x, r)
            loss = coniqa_loss(plain[:2], opinions, plain[2:], network(y, s), blend=share)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(float(loss.detach()))
        assert losses[-1] < 0.5 * losses[0], losses
