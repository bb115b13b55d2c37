"""A convolution kernel from noise: not negative, of sum 1 (Ren et al., CVPR 2020, "Neural Blind Deconvolution")."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class KernelNet(nn.Module):
    """One hidden layer and a softmax over the pixels of the kernel.

    Parameters
    ----------
    side : int
        Of the kernel, pixels.
    inputs, hidden : int
        200 and 1000 as published.
    """

    def __init__(self, side: int, *, inputs: int = 200, hidden: int = 1000) -> None:
        super().__init__()
        self.side = side
        self.body = nn.Sequential(nn.Linear(inputs, hidden), nn.ReLU6(), nn.Linear(hidden, side * side))

    def forward(self, x: Tensor) -> Tensor:
        """Noise (inputs,) → kernel (side, side)."""
        return torch.softmax(self.body(x), -1).view(self.side, self.side)
