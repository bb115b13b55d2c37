"""What all networks share: sizes, precision, and errors that tell what to do."""

import re
from typing import Any

import pytest
import torch
from torch import nn

import kukkiri as kk
from contract import blurred, photograph
from kukkiri.errors import InputError, ShapeError
from kukkiri.metrics.learned import SingleLinear
from parity import filled_state, golden


@pytest.fixture(scope="module")
def alex() -> Any:
    return kk.metric("lpips-alex")


@pytest.fixture(scope="module")
def cnniqa_state() -> dict[str, torch.Tensor]:
    return filled_state({name: tuple(shape) for name, shape in golden("cnniqa.json")["names"].items()})


def test_max_side_keeps_the_proportions(alex, cnniqa_state):
    metric = kk.metric("lpips-alex", max_side=128)
    assert metric.measured_size(200, 400) == (64, 128) and metric.measured_size(100, 90) == (100, 90)
    assert metric.prepared(torch.rand(1, 1, 200, 400)).shape == (1, 3, 64, 128)
    for one in (metric, kk.metric("cnniqa", weights=cnniqa_state, max_side=64)):
        long = torch.rand(1, 3, 33, 500)
        with pytest.raises(InputError, match=r"leaves 500×33 sides.*, thus \d+×\d+; take a larger"):
            one(*[long, long][: 1 + one.spec.needs_reference])


@pytest.mark.parametrize("side", ["100", float("nan"), 100.5, True, 8, -1])
def test_max_side_is_a_whole_number(side):
    with pytest.raises(InputError, match="expected max_side, a whole number of at least 31 px for lpips-alex, got"):
        kk.metric("lpips-alex", max_side=side)


def test_parameters_stay_in_single_precision(alex):
    """In a module that is cast as a whole, too."""
    image, other = photograph()[..., :64, :64], blurred(photograph(), 1)[..., :64, :64]
    expected = alex(image, other)
    kinds = {name: tensor.dtype for name, tensor in (*alex.named_parameters(), *alex.named_buffers())}
    for cast in (alex.half(), alex.double(), alex.to(torch.bfloat16), nn.Sequential(alex).half()[0]):
        assert {name: t.dtype for name, t in (*cast.named_parameters(), *cast.named_buffers())} == kinds
        assert torch.equal(cast(image, other), expected)


def test_a_device_without_numbers_is_none():
    with pytest.raises(InputError, match="expected a device of this machine, got meta"):
        kk.metric("lpips-alex", device="meta")


def test_pictures_that_do_not_fit_each_other(alex):
    x = torch.rand(2, 3, 64, 70)
    for other, words in (
        (x[:1], "expected as many references as pictures, 2, got 1; give each picture its reference: reference.expand"),
        (x[..., :60], "expected a reference of 70×64 px, got 60×64 px; crop or resize one, or take --align"),
        (x[:, :1], "expected a reference of 3 channels, got 1; convert both to grey or to RGB"),
        (x[:1, :1], "2, a reference of 3 channels, got 1, 1; give each"),
    ):
        with pytest.raises(ShapeError, match=re.escape(words)):
            alex(x, other)


def test_half_precision_does_not_round_the_score(cnniqa_state):
    """Sixteen slightly different pictures have sixteen scores, which 8 bits of mantissa could not tell apart."""
    metric = kk.metric("cnniqa", weights=cnniqa_state, precision="bfloat16")
    assert any(isinstance(module, SingleLinear) for module in metric.modules())
    image = photograph()[..., :64, :64]
    scores = torch.cat([metric(blurred(image, 0.5 + k / 100)) for k in range(16)])
    assert len(set(scores.tolist())) == 16 and not torch.equal(scores, scores.bfloat16().float())


def test_gradients_of_dists_are_finite_in_half_precision():
    """Where nothing varies, too: the root in its pooling."""
    metric, reference = kk.metric("dists", precision="float16"), photograph()[..., :24, :24]
    for start in (blurred(reference, 1), torch.zeros_like(reference)):
        x = start.clone().requires_grad_(True)
        metric(x, reference).sum().backward()
        assert x.grad is not None and bool(torch.isfinite(x.grad).all())
