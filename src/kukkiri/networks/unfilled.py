"""A network whose parameters come from a file: built without drawing random ones first."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import nn

Network = TypeVar("Network", bound=nn.Module)


def unfilled(build: Callable[[], Network]) -> Network:
    """Build a network whose parameters hold whatever was in memory; load them all before anything is computed.

    Drawing initial values takes longer than reading a large checkpoint.

    Parameters
    ----------
    build : function() -> nn.Module
        Buffers that no file holds must be made with `device="cpu"`, so that they are computed.

    Returns
    -------
    nn.Module
        On the CPU, float32.
    """
    with torch.device("meta"):
        network = build()
    for module in network.modules():
        for name, parameter in module.named_parameters(recurse=False):
            setattr(module, name, nn.Parameter(torch.empty_like(parameter, device="cpu"), parameter.requires_grad))
        for name, buffer in module.named_buffers(recurse=False):
            if buffer.is_meta:
                setattr(module, name, torch.zeros_like(buffer, device="cpu"))
    return network
