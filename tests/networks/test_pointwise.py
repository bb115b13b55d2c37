"""Fast convolutions of 1 × 1 against PyTorch's own."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from kukkiri.networks.pointwise import Pointwise, with_pointwise


def chain() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(8, 16, 1, 2, bias=False),
        nn.ReLU(),
        nn.Sequential(nn.Conv2d(16, 16, 3, padding=1), nn.Conv2d(16, 12, 1, groups=4)),
        nn.Conv2d(12, 5, 1, padding=1),
    ).eval()


def gradients(network: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
    x = x.clone().requires_grad_(True)
    y = network(x)
    (slope,) = torch.autograd.grad(y.square().sum(), x)
    return y, slope


@pytest.mark.parametrize("order", [torch.contiguous_format, torch.channels_last])
def test_same_values_and_gradients(order: torch.memory_format) -> None:
    network = chain()
    x = torch.rand(2, 8, 9, 7).contiguous(memory_format=order)
    expected = gradients(network, x)
    parameters = {name: id(value) for name, value in network.named_parameters()}
    with_pointwise(network)
    # The last one has a border, and is left alone.
    assert [type(m) is Pointwise for m in network.modules() if isinstance(m, nn.Conv2d)] == [True, False, True, False]
    assert {name: id(value) for name, value in network.named_parameters()} == parameters
    for ours, theirs in zip(gradients(network, x), expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


def test_other_precisions_go_pytorchs_way() -> None:
    network = chain()
    x = torch.rand(2, 8, 9, 7, dtype=torch.float64)
    expected = network.double()(x)
    with torch.autocast("cpu", torch.bfloat16):
        short = network.float()(x.float())
    with_pointwise(network)
    torch.testing.assert_close(network.double()(x), expected)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(network.float()(x.float()), short)
