"""Convolutions of 1 × 1 that are fast on one processor thread too."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

_ONEDNN: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]


class Pointwise(nn.Conv2d):
    """A convolution of 1 × 1, the same function as PyTorch's.

    On a single thread PyTorch chooses a slower way for these than on several (by a tenth of a whole ResNet-50); this
    one takes oneDNN always where it can.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C', ⌈H / stride⌉, ⌈W / stride⌉)."""
        same = x.device.type == "cpu" and x.dtype == self.weight.dtype == torch.float32
        if not same or torch.is_autocast_enabled("cpu") or not _ONEDNN:
            return super().forward(x)
        y = torch.ops.aten.mkldnn_convolution(
            x, self.weight, self.bias, self.padding, self.stride, self.dilation, self.groups
        )
        return cast(Tensor, y)


def with_pointwise(network: nn.Module) -> None:
    """Replace all convolutions of 1 × 1 in a network; their parameters stay the same objects."""
    for module in list(network.modules()):
        for name, child in module.named_children():
            if type(child) is nn.Conv2d and child.kernel_size == (1, 1) and child.padding == (0, 0):
                fast = Pointwise(
                    child.in_channels,
                    child.out_channels,
                    1,
                    cast(tuple[int, int], child.stride),
                    groups=child.groups,
                    bias=child.bias is not None,
                    device="meta",
                )
                fast.weight, fast.bias = child.weight, child.bias
                setattr(module, name, fast.train(child.training))
