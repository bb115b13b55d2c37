"""SqueezeNet 1.1's convolutional part: its layout, how far it looks, and the smallest picture."""

import pytest
import torch

from kukkiri.networks import squeezenet
from kukkiri.networks.stages import stages
from networks.chain import reach_and_stride


def test_layout():
    """1 235 496 parameters in the usual checkpoint, of which its classifier, 512 × 1000 and 1000, has 513 000."""
    state = squeezenet.squeezenet_features().state_dict()
    assert sum(value.numel() for value in state.values()) == 1_235_496 - 513_000
    assert state["0.weight"].shape == (64, 3, 3, 3)
    assert state["12.expand3x3.weight"].shape == (256, 64, 3, 3)


def test_ends_channels_strides_and_reach():
    layers = squeezenet.squeezenet_features()
    assert len(layers) == squeezenet.ENDS[-1]
    found = [x.shape for x in stages(layers, squeezenet.ENDS, torch.rand(1, 3, 65, 67))]
    assert tuple(shape[1] for shape in found) == squeezenet.CHANNELS
    for end, stride in zip(squeezenet.ENDS, squeezenet.STRIDES, strict=True):
        assert reach_and_stride(layers[:end])[1] == stride
    assert reach_and_stride(layers) == (squeezenet.REACH, 16)


def test_smallest_size():
    layers = squeezenet.squeezenet_features()
    side = squeezenet.MIN_SIZE
    sides = [x.shape[-1] for x in stages(layers, squeezenet.ENDS, torch.rand(1, 3, side, side))]
    assert sides == [8, 4, 2, 1, 1, 1, 1]
    with pytest.raises(RuntimeError):
        list(stages(layers, squeezenet.ENDS, torch.rand(1, 3, side - 1, side)))
