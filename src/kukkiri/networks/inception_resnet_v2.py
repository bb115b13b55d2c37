"""Inception-ResNet-v2 without its classifier, with features at any depth.

Szegedy, Ioffe, Vanhoucke, Alemi, AAAI 2017 (arXiv:1602.07261), with the constants of the TensorFlow release: the
residuals are scaled by 0.17, 0.10 and 0.20. Names of parameters are those of Cadene's checkpoint in PyTorch's form
(`conv2d_1a.conv.weight`, `repeat.0.branch1.1.bn.running_mean`, …); timm's are the same but for the classifier.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kukkiri.errors import InputError, ShapeError
from kukkiri.networks.folding import fold
from kukkiri.networks.memory import channels_last
from kukkiri.weights import Weights, load_into

# TensorFlow's constant in batch normalisation.
EPSILON = 1e-3
# The classifier in Cadene's file and in timm's: nothing here is computed from it.
CLASSIFIER = ("last_linear.", "classif.")
STAGES = (
    "conv2d_1a",
    "conv2d_2a",
    "conv2d_2b",
    "maxpool_3a",
    "conv2d_3b",
    "conv2d_4a",
    "maxpool_5a",
    "mixed_5b",
    "repeat",
    "mixed_6a",
    "repeat_1",
    "mixed_7a",
    "repeat_2",
    "block8",
    "conv2d_7b",
)
# The smallest side that leaves one value of the deepest features, and of those up to `repeat`.
MIN_SIZE, MIN_SIZE_OF_REPEAT = 75, 27
CHANNELS = 1536  # of the deepest features

Side = int | tuple[int, int]


class Unit(nn.Module):
    """A convolution, its normalisation, and ReLU."""

    def __init__(self, inputs: int, outputs: int, side: Side = 1, stride: int = 1, padding: Side = 0) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, side, stride, padding, bias=False)
        self.bn: nn.Module = nn.BatchNorm2d(outputs, EPSILON)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C', H', W')."""
        return F.relu(self.bn(self.conv(x)), inplace=True)

    def fold(self) -> None:
        """Put the normalisation into the convolution, once the parameters are loaded."""
        if isinstance(self.bn, nn.BatchNorm2d):
            self.bn = fold(self.conv, self.bn)


class Mixed(nn.Module):
    """Branches side by side, their channels one after the other."""

    def __init__(self, *branches: nn.Module) -> None:
        super().__init__()
        self.count = len(branches)
        for number, branch in enumerate(branches):
            self.add_module(f"branch{number}", branch)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C', H', W')."""
        return torch.cat([self.get_submodule(f"branch{number}")(x) for number in range(self.count)], 1)


class Block(Mixed):
    """Branches side by side, brought back to the channels of the input and added to it."""

    def __init__(self, *branches: nn.Module, widths: int, channels: int, scale: float, activated: bool = True) -> None:
        super().__init__(*branches)
        self.conv2d = nn.Conv2d(widths, channels, 1)
        self.scale, self.activated = scale, activated

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the same shape."""
        y = torch.add(x, self.conv2d(super().forward(x)), alpha=self.scale)
        return F.relu(y, inplace=True) if self.activated else y


class InceptionResNetV2(nn.Module):
    """The convolutions of Inception-ResNet-v2.

    Parameters
    ----------
    last : str
        The deepest stage that is built, one of `STAGES`.

    Raises
    ------
    InputError
        If there is no such stage.
    """

    def __init__(self, last: str = STAGES[-1]) -> None:
        super().__init__()
        if last not in STAGES:
            raise InputError(expected=f"a stage: {', '.join(STAGES)}", got=repr(last), fix="choose one")
        for name in STAGES[: STAGES.index(last) + 1]:
            self.add_module(name, _stage(name))
        self._layout = torch.contiguous_format

    def fold(self) -> None:
        """Make the network faster, once the parameters are loaded: the same function, but names change by that.

        Every normalisation becomes part of its convolution, and channels lie innermost in memory.
        """
        for module in list(self.modules()):
            if isinstance(module, Unit):
                module.fold()
        channels_last(self)
        self._layout = torch.channels_last

    def features(self, image: Tensor, taps: Sequence[str] = (STAGES[-1],)) -> tuple[Tensor, ...]:
        """Feature maps at several depths; nothing deeper than the deepest tap is computed.

        Parameters
        ----------
        image : Tensor, (N, 3, H, W), values in [0, 1]
            Taken to [−1, 1] here, as all published checkpoints want it.
        taps : sequence of str, in the order of the network
            Stages ('mixed_5b'), and of `repeat`, `repeat_1` and `repeat_2` their blocks, counted from 0 ('repeat.1').

        Returns
        -------
        tuple of Tensor, (N, C, h, w) each

        Raises
        ------
        ShapeError
            If the picture is not RGB or too small.
        InputError
            If a tap is not there or out of order.
        """
        deep = not taps or taps[-1].split(".")[0] not in STAGES[: STAGES.index("repeat") + 1]
        side = MIN_SIZE if deep else MIN_SIZE_OF_REPEAT
        if image.ndim != 4 or image.shape[1] != 3 or min(image.shape[-2:]) < side:
            raise ShapeError(
                expected=f"a batch (N, 3, H, W) with sides of at least {side} px",
                got=str(tuple(image.shape)),
                fix="repeat a grey channel three times, or take a larger picture",
            )
        found: list[Tensor] = []
        x = (image * 2 - 1).contiguous(memory_format=self._layout)
        for name, step in self._steps():
            x = step(x)
            if len(found) < len(taps) and name == taps[len(found)]:
                found.append(x)
            if len(found) == len(taps):
                return tuple(found)
        raise InputError(
            expected="taps of this network in its order",
            got=", ".join(taps) or "none",
            fix="name stages such as 'mixed_5b', or blocks such as 'repeat.1', from the first to the last",
        )

    def _steps(self) -> Iterator[tuple[str, nn.Module]]:
        for name, stage in self.named_children():
            if isinstance(stage, nn.Sequential):
                yield from ((f"{name}.{number}", block) for number, block in enumerate(stage))
            else:
                yield name, stage


def inception_resnet_v2(
    weights: Weights = "inception-resnet-v2-imagenet", *, last: str = STAGES[-1]
) -> InceptionResNetV2:
    """Inception-ResNet-v2 with published weights, folded, in evaluation mode, float32.

    Parameters
    ----------
    weights : str, path, or mapping of Tensor
        Key in the catalogue, path of a file in Cadene's or timm's layout, or its tensors. What lies deeper than `last`
        is left alone.
    last : str
        The deepest stage that is built, one of `STAGES`.

    Returns
    -------
    InceptionResNetV2

    Raises
    ------
    WeightError
        If it cannot be had or does not fit.
    InputError
        If there is no such stage.
    """
    network = InceptionResNetV2(last)
    deeper = tuple(f"{name}." for name in STAGES[STAGES.index(last) + 1 :])
    load_into(network, weights, "Inception-ResNet-v2", inside=("state_dict",), unused=(*deeper, *CLASSIFIER))
    network.fold()
    return network


def _stage(name: str) -> nn.Module:
    """A stage by its name, with random parameters."""
    match name:
        case "conv2d_1a":
            return Unit(3, 32, 3, 2)
        case "conv2d_2a":
            return Unit(32, 32, 3)
        case "conv2d_2b":
            return Unit(32, 64, 3, padding=1)
        case "conv2d_3b":
            return Unit(64, 80)
        case "conv2d_4a":
            return Unit(80, 192, 3)
        case "mixed_5b":
            return Mixed(
                Unit(192, 96),
                _chain(Unit(192, 48), Unit(48, 64, 5, padding=2)),
                _chain(Unit(192, 64), Unit(64, 96, 3, padding=1), Unit(96, 96, 3, padding=1)),
                _chain(nn.AvgPool2d(3, 1, 1, count_include_pad=False), Unit(192, 64)),
            )
        case "repeat":
            return _chain(*(_block35() for _ in range(10)))
        case "mixed_6a":
            return Mixed(
                Unit(320, 384, 3, 2),
                _chain(Unit(320, 256), Unit(256, 256, 3, padding=1), Unit(256, 384, 3, 2)),
                nn.MaxPool2d(3, 2),
            )
        case "repeat_1":
            return _chain(*(_block17() for _ in range(20)))
        case "mixed_7a":
            return Mixed(
                _chain(Unit(1088, 256), Unit(256, 384, 3, 2)),
                _chain(Unit(1088, 256), Unit(256, 288, 3, 2)),
                _chain(Unit(1088, 256), Unit(256, 288, 3, padding=1), Unit(288, 320, 3, 2)),
                nn.MaxPool2d(3, 2),
            )
        case "repeat_2":
            return _chain(*(_block8(0.2) for _ in range(9)))
        case "block8":
            return _block8(1.0, activated=False)
        case "conv2d_7b":
            return Unit(2080, CHANNELS)
        case _:
            return nn.MaxPool2d(3, 2)


def _chain(*layers: nn.Module) -> nn.Sequential:
    return nn.Sequential(*layers)


def _block35() -> Block:
    return Block(
        Unit(320, 32),
        _chain(Unit(320, 32), Unit(32, 32, 3, padding=1)),
        _chain(Unit(320, 32), Unit(32, 48, 3, padding=1), Unit(48, 64, 3, padding=1)),
        widths=128,
        channels=320,
        scale=0.17,
    )


def _block17() -> Block:
    return Block(
        Unit(1088, 192),
        _chain(Unit(1088, 128), Unit(128, 160, (1, 7), padding=(0, 3)), Unit(160, 192, (7, 1), padding=(3, 0))),
        widths=384,
        channels=1088,
        scale=0.1,
    )


def _block8(scale: float, *, activated: bool = True) -> Block:
    return Block(
        Unit(2080, 192),
        _chain(Unit(2080, 192), Unit(192, 224, (1, 3), padding=(0, 1)), Unit(224, 256, (3, 1), padding=(1, 0))),
        widths=448,
        channels=2080,
        scale=scale,
        activated=activated,
    )
