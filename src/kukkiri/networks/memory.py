"""How parameters lie in memory."""

from __future__ import annotations

import torch
from torch import nn


def channels_last(network: nn.Module) -> None:
    """Let the kernels of all convolutions lie with their channels together: the order processors work fastest in.

    Pictures in the same order (`x.contiguous(memory_format=torch.channels_last)`) keep it throughout the network.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            weight = module.weight.detach().contiguous(memory_format=torch.channels_last)
            module.weight = nn.Parameter(weight, requires_grad=module.weight.requires_grad)
