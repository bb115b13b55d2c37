"""SqueezeNet 1.1's convolutional part: a convolution and eight fire modules.

Iandola et al., arXiv:1602.07360 (2016), in the smaller version 1.1. Names of parameters are those of the checkpoint
that everybody has (`features.0.weight`, `features.3.squeeze.weight`, `features.3.expand1x1.weight`, …).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# After relu1, fire 3, 5, 6, 7, 8 and 9: how many layers of `features` lie before, channels and stride.
ENDS = (2, 5, 8, 10, 11, 12, 13)
CHANNELS = (64, 128, 256, 384, 384, 512, 512)
STRIDES = (2, 4, 8, 16, 16, 16, 16)
# A value of the last fire module is a function of the pixels at most this far from the first of its 16.
REACH = 118
# Smallest side that leaves the last fire module a value.
MIN_SIZE = 17


class Fire(nn.Module):
    """Squeeze to few channels, then expand by 1×1 and by 3×3 convolutions side by side.

    Parameters
    ----------
    inputs, narrow, wide : int
        Channels that come in, after the squeeze, and of each of the two expansions.
    """

    def __init__(self, inputs: int, narrow: int, wide: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(inputs, narrow, 1)
        self.expand1x1 = nn.Conv2d(narrow, wide, 1)
        self.expand3x3 = nn.Conv2d(narrow, wide, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) to (N, 2 · wide, H, W)."""
        x = F.relu_(self.squeeze(x))
        return torch.cat((F.relu_(self.expand1x1(x)), F.relu_(self.expand3x3(x))), 1)


def squeezenet_features() -> nn.Sequential:
    """SqueezeNet 1.1's layers 0 to 12 by the usual numbers.

    Returns
    -------
    nn.Sequential
        Not initialised in any useful way: load a checkpoint. The activations work in place.
    """

    def pooling() -> nn.Module:
        return nn.MaxPool2d(3, 2, ceil_mode=True)

    return nn.Sequential(
        nn.Conv2d(3, 64, 3, stride=2),
        nn.ReLU(inplace=True),
        pooling(),
        Fire(64, 16, 64),
        Fire(128, 16, 64),
        pooling(),
        Fire(128, 32, 128),
        Fire(256, 32, 128),
        pooling(),
        Fire(256, 48, 192),
        Fire(384, 48, 192),
        Fire(384, 64, 256),
        Fire(512, 64, 256),
    )
