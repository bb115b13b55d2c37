"""Encoder and decoder with narrow skips, whose structure alone is a prior of pictures (deep image prior).

Ulyanov, Vedaldi, Lempitsky, CVPR 2018, "Deep Image Prior"; with non-local blocks as in Ren et al., CVPR 2020,
"Neural Blind Deconvolution Using Deep Priors". Nothing is learned beforehand: it is fitted to one picture.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SLOPE = 0.2


class NonLocal(nn.Module):
    """Each place plus a mean of all places, weighted by the dot product of their embeddings (Wang et al., CVPR 2018).

    The dot product is divided by the number of places, so that the sum over places can be taken first: the cost grows
    with their number, not with its square.

    Parameters
    ----------
    channels : int
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        inner = max(1, channels // 2)
        self.value, self.query, self.key = (nn.Conv2d(channels, inner, 1) for _ in range(3))
        self.out = nn.Conv2d(inner, channels, 1)
        self.norm = nn.BatchNorm2d(channels)
        # At first the block changes nothing.
        nn.init.zeros_(self.norm.weight)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) → the same shape."""
        value, query, key = (f(x).flatten(2) for f in (self.value, self.query, self.key))
        mixed = (value @ key.mT) @ query / value.shape[2]
        found: Tensor = x + self.norm(self.out(mixed.unflatten(2, x.shape[2:])))
        return found


class _Convolution(nn.Sequential):
    """3×3 or 1×1 with mirrored borders, normalised over the picture, leaky."""

    def __init__(self, inputs: int, outputs: int, size: int, stride: int = 1) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, size, stride, size // 2, padding_mode="reflect"),
            nn.BatchNorm2d(outputs),
            nn.LeakyReLU(SLOPE),
        )


class _Level(nn.Module):
    """Half the size, what is `below`, back to full size, and a narrow way around."""

    def __init__(self, inputs: int, channels: int, skip: int, non_local: bool, below: nn.Module) -> None:
        super().__init__()
        self.skip = _Convolution(inputs, skip, 1)
        self.down = nn.Sequential(
            _Convolution(inputs, channels, 3, 2),
            NonLocal(channels) if non_local else nn.Identity(),
            _Convolution(channels, channels, 3),
        )
        self.below = below
        self.norm = nn.BatchNorm2d(channels + skip)
        self.up = nn.Sequential(_Convolution(channels + skip, channels, 3), _Convolution(channels, channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        deep = F.interpolate(self.below(self.down(x)), size=x.shape[2:], mode="bilinear", align_corners=False)
        found: Tensor = self.up(self.norm(torch.cat([self.skip(x), deep], 1)))
        return found


class SkipNet(nn.Module):
    """A picture from noise: see the module.

    Parameters
    ----------
    inputs, outputs : int
        Channels in and out.
    channels : int
        On every level; 128 as published.
    skip : int
        Channels of the ways around; 16 as published.
    levels : int
        Halvings of the size.
    """

    def __init__(self, inputs: int, outputs: int, *, channels: int = 128, skip: int = 16, levels: int = 5) -> None:
        super().__init__()
        net: nn.Module = nn.Identity()
        for level in reversed(range(levels)):
            net = _Level(inputs if level == 0 else channels, channels, skip, level > 1, net)
        self.body = net
        self.last = nn.Conv2d(channels, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Noise (N, inputs, H, W) → picture (N, outputs, H, W), values in (0, 1)."""
        return self.picture(self.features(x))

    def features(self, x: Tensor) -> Tensor:
        """Noise (N, inputs, H, W) → what the picture is made of, (N, channels, H, W)."""
        found: Tensor = self.body(x)
        return found

    def picture(self, features: Tensor) -> Tensor:
        """The last step, (N, channels, H, W) → (N, outputs, H, W), values in (0, 1)."""
        return torch.sigmoid(self.last(features))
