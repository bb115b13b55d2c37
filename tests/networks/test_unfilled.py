"""Networks that are built without drawing their parameters."""

from __future__ import annotations

import torch
from torch import nn

from kukkiri.networks.swin import SwinBlock
from kukkiri.networks.unfilled import unfilled


def test_parameters_are_loaded_and_buffers_computed() -> None:
    """The same function as a network that was built as usual; nothing is left on the device without memory."""

    def build() -> nn.Module:
        return nn.Sequential(SwinBlock(8, 12, 3, window=4, shift=2, hidden=24), nn.BatchNorm1d(64))

    usual, bare = build().eval(), unfilled(build).eval()
    tensors = [*bare.parameters(), *bare.buffers()]
    assert tensors and all(t.device.type == "cpu" for t in tensors)
    bare.load_state_dict(usual.state_dict())
    x = torch.rand(2, 64, 12)
    assert torch.equal(bare(x), usual(x))
