"""VGG-16: its layout, how far it looks, and that nothing is computed that is not asked for."""

import pytest
import torch

from kukkiri.errors import ShapeError
from kukkiri.networks import vgg
from kukkiri.networks.stages import stages
from kukkiri.networks.unfilled import unfilled
from kukkiri.weights import load_tensors
from networks.chain import reach_and_stride


def test_layout_of_the_whole_classifier():
    """138 357 544 parameters, as Table 2 of the paper rounds to 138 million; names of the usual checkpoint."""
    with torch.device("meta"):
        network = vgg.VGG16()
    state = network.state_dict()
    assert sum(value.numel() for value in state.values()) == 138_357_544
    names = list(state)
    assert (names[0], names[-1], len(names)) == ("features.0.weight", "classifier.6.bias", 32)
    assert state["classifier.0.weight"].shape == (4096, 25088)


def test_the_shipped_file_is_the_convolutional_part():
    shapes = {name.removeprefix("features."): v.shape for name, v in load_tensors("vgg16-imagenet-features").items()}
    assert shapes == {name: v.shape for name, v in vgg.vgg16_features().state_dict().items()}


@pytest.mark.parametrize("last", [False, True])
def test_ends_channels_strides_and_reach(last):
    layers = vgg.vgg16_features(last_pooling=last)
    assert len(layers) == 30 + last
    for end, channels, stride in zip(vgg.ENDS, vgg.CHANNELS, vgg.STRIDES, strict=True):
        assert layers[end - 2].out_channels == channels
        assert reach_and_stride(layers[:end])[1] == stride
    assert reach_and_stride(layers[:30]) == (vgg.REACH, 16)


def test_stages_are_computed_when_asked_for():
    layers, ran = vgg.vgg16_features(), []
    for number in (2, 5, 28):
        layers[number].register_forward_hook(lambda *_, number=number: ran.append(number))
    found = stages(layers, vgg.ENDS, torch.rand(1, 3, 16, 18))
    assert next(found).shape == (1, 64, 16, 18) and ran == [2]
    assert next(found).shape == (1, 128, 8, 9) and ran == [2, 5]
    assert [x.shape[1:] for x in found] == [(256, 4, 4), (512, 2, 2), (512, 1, 1)] and ran == [2, 5, 28]


def test_whole_network_takes_other_sizes_than_224():
    """Cells are averaged to 7 × 7: a picture of 32 px has 1 × 1, repeated."""
    network = unfilled(lambda: vgg.VGG16(3))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.fill_(0.001)
        network.features = torch.nn.Sequential(torch.nn.Conv2d(3, 512, 32, 32))
        assert network(torch.rand(2, 3, 32, 64)).shape == (2, 3)
    for wrong in (torch.rand(1, 3, 31, 40), torch.rand(1, 1, 64, 64), torch.rand(3, 64, 64)):
        with pytest.raises(ShapeError, match="expected a batch .*, got .*; "):
            network(wrong)


def test_normalisation_by_hand():
    """(0.5 − 0.485) / 0.229 and so on."""
    found = vgg.normalised(torch.full((1, 3, 1, 1), 0.5)).flatten()
    torch.testing.assert_close(found, torch.tensor([0.0655022, 0.1964286, 0.4177778]))
