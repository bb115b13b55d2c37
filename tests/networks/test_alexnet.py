"""AlexNet's convolutional part: its layout, how far it looks, and the smallest picture."""

import pytest
import torch

from kukkiri.networks import alexnet
from kukkiri.networks.stages import stages
from kukkiri.weights import load_tensors
from networks.chain import reach_and_stride


def test_the_shipped_file_is_the_convolutional_part():
    """2 469 696 parameters: those of the usual checkpoint before its classifier."""
    layers = alexnet.alexnet_features()
    shapes = {name.removeprefix("features."): v.shape for name, v in load_tensors("alexnet-imagenet-features").items()}
    assert shapes == {name: v.shape for name, v in layers.state_dict().items()}
    assert sum(shape.numel() for shape in shapes.values()) == 2_469_696


def test_ends_channels_strides_and_reach():
    layers = alexnet.alexnet_features()
    assert len(layers) == alexnet.ENDS[-1]
    for end, channels, stride in zip(alexnet.ENDS, alexnet.CHANNELS, alexnet.STRIDES, strict=True):
        assert layers[end - 2].out_channels == channels
        assert reach_and_stride(layers[:end])[1] == stride
    assert reach_and_stride(layers) == (alexnet.REACH, 16)


def test_smallest_size():
    layers = alexnet.alexnet_features()
    side = alexnet.MIN_SIZE
    assert [x.shape[-1] for x in stages(layers, alexnet.ENDS, torch.rand(1, 3, side, side))] == [7, 3, 1, 1, 1]
    with pytest.raises(RuntimeError):
        list(stages(layers, alexnet.ENDS, torch.rand(1, 3, side - 1, side)))
