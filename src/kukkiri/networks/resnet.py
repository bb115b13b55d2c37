"""ResNet-18, -34 and -50 without their classifier, with features at five depths.

He, Zhang, Ren, Sun, CVPR 2016 (arXiv:1512.03385), Table 1. Names of parameters are torchvision's (`conv1.weight`,
`layer1.0.bn1.running_mean`, `layer2.0.downsample.0.weight`, …), which most checkpoints follow.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from kukkiri.errors import InputError
from kukkiri.networks.folding import fold

Depth = Literal[18, 34, 50]
REPEATS: dict[int, tuple[int, int, int, int]] = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3)}
STEM_CHANNELS = 64
WIDTHS = (64, 128, 256, 512)
WIDENING = 4  # of a bottleneck's output
# How much smaller the feature maps of taps 0 … 4 are, each rounded up.
TAP_STRIDES = (2, 4, 8, 16, 32)


class Block(nn.Module):
    """Two convolutions of 3 × 3, added to their input (ResNet-18 and -34)."""

    def __init__(self, inputs: int, width: int, stride: int, *, bias: bool, epsilon: float) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 3, stride, 1, bias=bias)
        self.bn1: nn.Module = nn.BatchNorm2d(width, epsilon)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=bias)
        self.bn2: nn.Module = nn.BatchNorm2d(width, epsilon)
        self.downsample = _shortcut(inputs, width, stride, bias, epsilon)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C', ⌈H / stride⌉, ⌈W / stride⌉)."""
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        y = self.bn2(self.conv2(y))
        return F.relu(y.add_(x if self.downsample is None else self.downsample(x)), inplace=True)


class Bottleneck(nn.Module):
    """Narrow, filter 3 × 3, widen; added to its input (ResNet-50)."""

    def __init__(self, inputs: int, width: int, stride: int, *, bias: bool, epsilon: float, stride_first: bool) -> None:
        super().__init__()
        first, second = (stride, 1) if stride_first else (1, stride)
        self.conv1 = nn.Conv2d(inputs, width, 1, first, bias=bias)
        self.bn1: nn.Module = nn.BatchNorm2d(width, epsilon)
        self.conv2 = nn.Conv2d(width, width, 3, second, 1, bias=bias)
        self.bn2: nn.Module = nn.BatchNorm2d(width, epsilon)
        self.conv3 = nn.Conv2d(width, WIDENING * width, 1, bias=bias)
        self.bn3: nn.Module = nn.BatchNorm2d(WIDENING * width, epsilon)
        self.downsample = _shortcut(inputs, WIDENING * width, stride, bias, epsilon)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C', ⌈H / stride⌉, ⌈W / stride⌉)."""
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        y = F.relu(self.bn2(self.conv2(y)), inplace=True)
        y = self.bn3(self.conv3(y))
        return F.relu(y.add_(x if self.downsample is None else self.downsample(x)), inplace=True)


class ResNet(nn.Module):
    """The convolutions of a ResNet.

    Parameters
    ----------
    depth : 18 | 34 | 50
    stride_first : bool
        A bottleneck of stride 2 takes every second pixel in its first convolution, as the paper and Keras do, instead
        of in its 3 × 3 one, as torchvision does.
    bias : bool
        Convolutions have biases (Keras).
    epsilon : float
        Of the batch normalisations; Keras has 1.001e-5.
    """

    def __init__(
        self, depth: Depth = 50, *, stride_first: bool = False, bias: bool = False, epsilon: float = 1e-5
    ) -> None:
        super().__init__()
        if depth not in REPEATS:
            raise InputError(expected="a ResNet of depth 18, 34 or 50", got=repr(depth), fix="choose one")
        self.conv1 = nn.Conv2d(3, STEM_CHANNELS, 7, 2, 3, bias=bias)
        self.bn1: nn.Module = nn.BatchNorm2d(STEM_CHANNELS, epsilon)
        stages: list[nn.Sequential] = []
        inputs = STEM_CHANNELS
        for number, (repeats, width) in enumerate(zip(REPEATS[depth], WIDTHS, strict=True)):
            blocks: list[nn.Module] = []
            for repeat in range(repeats):
                stride = 2 if number > 0 and repeat == 0 else 1
                if depth < 50:
                    blocks.append(Block(inputs, width, stride, bias=bias, epsilon=epsilon))
                    inputs = width
                else:
                    blocks.append(
                        Bottleneck(inputs, width, stride, bias=bias, epsilon=epsilon, stride_first=stride_first)
                    )
                    inputs = WIDENING * width
            stages.append(nn.Sequential(*blocks))
        self.layer1, self.layer2, self.layer3, self.layer4 = stages
        # Channels of taps 0 … 4.
        self.channels = (STEM_CHANNELS, *(width * (1 if depth < 50 else WIDENING) for width in WIDTHS))

    def features(self, image: Tensor, taps: Sequence[int] = (4,)) -> tuple[Tensor, ...]:
        """Feature maps at several depths; nothing deeper than the deepest tap is computed.

        Parameters
        ----------
        image : Tensor, (N, 3, H, W)
            Normalised as the checkpoint wants it. Any size.
        taps : sequence of int, increasing
            0: stem after its activation, before the pooling; 1 … 4: stages.

        Returns
        -------
        tuple of Tensor, (N, C, h, w) each
            `self.channels` and `TAP_STRIDES` say C and how much smaller h and w are.

        Raises
        ------
        InputError
            If the taps are not increasing numbers from 0 to 4.
        """
        if not taps or list(taps) != sorted(set(taps)) or taps[0] < 0 or taps[-1] > 4:
            raise InputError(expected="increasing taps from 0 to 4", got=str(tuple(taps)), fix="sort them")
        x = F.relu(self.bn1(self.conv1(image)), inplace=True)
        found = [x] if taps[0] == 0 else []
        if taps[-1] > 0:
            x = F.max_pool2d(x, 3, 2, 1)
        for number, stage in enumerate((self.layer1, self.layer2, self.layer3, self.layer4), start=1):
            if number > taps[-1]:
                break
            x = stage(x)
            if number in taps:
                found.append(x)
        return tuple(found)

    def forward(self, image: Tensor) -> Tensor:
        """The deepest feature map: (N, 3, H, W), normalised, to (N, C, ⌈H / 32⌉, ⌈W / 32⌉)."""
        return self.features(image)[0]

    def fold(self) -> None:
        """Put all normalisations into the convolutions before them: the same features, faster.

        Once the parameters are loaded; afterwards nothing can be loaded any more.
        """
        self.bn1 = fold_pair(self.conv1, self.bn1)
        for block in self.modules():
            if isinstance(block, Block | Bottleneck):
                block.bn1 = fold_pair(block.conv1, block.bn1)
                block.bn2 = fold_pair(block.conv2, block.bn2)
                if isinstance(block, Bottleneck):
                    block.bn3 = fold_pair(block.conv3, block.bn3)
                if block.downsample is not None:
                    block.downsample[1] = fold_pair(block.downsample[0], block.downsample[1])


def fold_pair(convolution: nn.Module, normalisation: nn.Module) -> nn.Module:
    """`fold`, or the same module again where there is nothing left to fold."""
    if isinstance(convolution, nn.Conv2d) and isinstance(normalisation, nn.BatchNorm2d):
        return fold(convolution, normalisation)
    return normalisation


def _shortcut(inputs: int, outputs: int, stride: int, bias: bool, epsilon: float) -> nn.Sequential | None:
    if stride == 1 and inputs == outputs:
        return None
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=bias), nn.BatchNorm2d(outputs, epsilon))
