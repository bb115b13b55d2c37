"""EfficientNet-Lite0: a small ImageNet classifier without squeeze-and-excitation, all activations ReLU6.

Tan and Le, ICML 2019 (arXiv:1905.11946), in the Lite variant of the TensorFlow TPU models (2020). Names of parameters
are those of the checkpoint in PyTorch's form (`_conv_stem.weight`, `_blocks.0._depthwise_conv.weight`, …).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch.nn.functional as F
from torch import Tensor, nn

from kukkiri.errors import InputError, ShapeError
from kukkiri.weights import check_layout, load_tensors

# The first layers read pixels as (255·value − 127) / 128.
CENTRE, HALF_RANGE = 127.0, 128.0
# TensorFlow's constant in batch normalisation, ten times PyTorch's own.
EPSILON = 1e-3


@dataclass(frozen=True)
class Stage:
    """Blocks of one width, as Table 1 of the paper lists them.

    Parameters
    ----------
    repeats, kernel, stride, expansion, channels : int
        Number of blocks, side of the depthwise kernel, stride of the first block, widening inside a block, and
        channels of the output.
    """

    repeats: int
    kernel: int
    stride: int
    expansion: int
    channels: int


STAGES = (
    Stage(1, 3, 1, 1, 16),
    Stage(2, 3, 2, 6, 24),
    Stage(2, 5, 2, 6, 40),
    Stage(3, 3, 2, 6, 80),
    Stage(3, 5, 1, 6, 112),
    Stage(4, 5, 2, 6, 192),
    Stage(1, 3, 1, 6, 320),
)
STEM_CHANNELS, HEAD_CHANNELS, CLASSES = 32, 1280, 1000

# Channels and stride of every tap: 0 is the stem, 1 … 7 the stages, 8 the head.
TAP_CHANNELS = (STEM_CHANNELS, *(stage.channels for stage in STAGES), HEAD_CHANNELS)
TAP_STRIDES = (2, 2, 4, 8, 16, 16, 32, 32, 32)


class SameConv2d(nn.Conv2d):
    """A convolution with TensorFlow's 'same' padding: ⌈size / stride⌉ outputs, and zeros evenly on both sides.

    Where the number of zeros is odd, the one more is right and below: with stride 2, even sizes are thus padded
    unlike odd ones.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C', ⌈H / stride⌉, ⌈W / stride⌉)."""
        amounts: list[int] = []
        for axis in (1, 0):  # F.pad wants the last axis first
            size, stride, kernel = x.shape[2 + axis], self.stride[axis], self.kernel_size[axis]
            total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
            amounts += [total // 2, total - total // 2]
        padded = F.pad(x, amounts) if any(amounts) else x
        return F.conv2d(padded, self.weight, self.bias, self.stride, groups=self.groups)


class Block(nn.Module):
    """Inverted bottleneck: widen, filter each channel, narrow; added to its input where the shapes agree."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = inputs * expansion
        self.expands = expansion != 1
        if self.expands:
            self._expand_conv = SameConv2d(inputs, wide, 1, bias=False)
            self._bn0 = nn.BatchNorm2d(wide, EPSILON)
        self._depthwise_conv = SameConv2d(wide, wide, kernel, stride, groups=wide, bias=False)
        self._bn1 = nn.BatchNorm2d(wide, EPSILON)
        self._project_conv = SameConv2d(wide, outputs, 1, bias=False)
        self._bn2 = nn.BatchNorm2d(outputs, EPSILON)
        self.adds = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C', ⌈H / stride⌉, ⌈W / stride⌉)."""
        y: Tensor = F.relu6(self._bn0(self._expand_conv(x))) if self.expands else x
        y = F.relu6(self._bn1(self._depthwise_conv(y)))
        y = self._bn2(self._project_conv(y))  # no activation at the narrow end
        return x + y if self.adds else y


class EfficientNetLite0(nn.Module):
    """The whole classifier, with its features at nine depths.

    Made for RGB pictures of 224×224 px; any size of at least 32 px works. Build it with `efficientnet_lite0()` to have
    the published weights.
    """

    def __init__(self) -> None:
        super().__init__()
        self._conv_stem = SameConv2d(3, STEM_CHANNELS, 3, 2, bias=False)
        self._bn0 = nn.BatchNorm2d(STEM_CHANNELS, EPSILON)
        blocks: list[Block] = []
        # Block number after which each stage ends.
        self._ends: list[int] = []
        width = STEM_CHANNELS
        for stage in STAGES:
            for repeat in range(stage.repeats):
                stride = stage.stride if repeat == 0 else 1
                blocks.append(Block(width, stage.channels, stage.kernel, stride, stage.expansion))
                width = stage.channels
            self._ends.append(len(blocks))
        self._blocks = nn.ModuleList(blocks)
        self._conv_head = SameConv2d(width, HEAD_CHANNELS, 1, bias=False)
        self._bn1 = nn.BatchNorm2d(HEAD_CHANNELS, EPSILON)
        self._fc = nn.Linear(HEAD_CHANNELS, CLASSES)

    def features(self, image: Tensor, taps: Sequence[int] = (8,)) -> tuple[Tensor, ...]:
        """Feature maps at several depths; nothing deeper than the deepest tap is computed.

        Parameters
        ----------
        image : Tensor, (N, 3, H, W), values in [0, 1]
        taps : sequence of int, increasing
            0: stem after its activation, 1 … 7: stages (no activation at their ends), 8: head after its activation.

        Returns
        -------
        tuple of Tensor, (N, C, h, w) each
            `TAP_CHANNELS` and `TAP_STRIDES` say C and how much smaller h and w are (each rounded up).

        Raises
        ------
        ShapeError
            If the picture is not RGB or a side is under 32 px.
        InputError
            If the taps are not increasing numbers from 0 to 8.
        """
        if image.ndim != 4 or image.shape[1] != 3 or min(image.shape[-2:]) < 32:
            raise ShapeError(
                expected="a batch (N, 3, H, W) with sides of at least 32 px",
                got=str(tuple(image.shape)),
                fix="repeat a grey channel three times, or take a larger picture",
            )
        last = len(TAP_CHANNELS) - 1
        if not taps or list(taps) != sorted(set(taps)) or taps[0] < 0 or taps[-1] > last:
            raise InputError(expected=f"increasing taps from 0 to {last}", got=str(tuple(taps)), fix="sort them")
        found = []
        x = F.relu6(self._bn0(self._conv_stem((image * 255 - CENTRE) / HALF_RANGE)))
        if taps[0] == 0:
            found.append(x)
        first = 0
        for number, end in enumerate(self._ends, start=1):
            if number > taps[-1]:
                return tuple(found)
            for block in self._blocks[first:end]:
                x = block(x)
            first = end
            if number in taps:
                found.append(x)
        if taps[-1] == last:
            found.append(F.relu6(self._bn1(self._conv_head(x))))
        return tuple(found)

    def forward(self, image: Tensor) -> Tensor:
        """Logits of the 1000 classes of ImageNet.

        Parameters
        ----------
        image : Tensor, (N, 3, H, W), values in [0, 1]

        Returns
        -------
        Tensor, (N, 1000)
            In the usual order of ImageNet's 2012 challenge: 0 is the tench, 999 toilet tissue.
        """
        logits: Tensor = self._fc(self.features(image)[0].mean((2, 3)))
        return logits


def efficientnet_lite0(weights: str | Path = "efficientnet-lite0-imagenet") -> EfficientNetLite0:
    """EfficientNet-Lite0 with published weights, in evaluation mode, float32.

    Parameters
    ----------
    weights : str or Path
        Key in the catalogue, or path of a file in the same layout; half precision is widened.

    Returns
    -------
    EfficientNetLite0

    Raises
    ------
    WeightError
        If the file cannot be had or does not fit: which names are missing, unexpected or of another shape.
    """
    state = load_tensors(weights)
    network = EfficientNetLite0()
    check_layout(
        state, {name: tuple(value.shape) for name, value in network.state_dict().items()}, "EfficientNet-Lite0"
    )
    network.load_state_dict({name: v.float() if v.is_floating_point() else v for name, v in state.items()})
    return network.eval().requires_grad_(False)
