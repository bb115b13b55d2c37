import math

import pytest
import torch

from kukkiri.networks.blur_net import (
    BlurNet,
    expectation,
    gradient_direction,
    standardise,
)


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(0)
    net = BlurNet()
    for parameter in net.parameters():  # blocks start as the identity: give them something to do
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.05)
    return net.eval()


def picture(*shape, seed=0):
    coarse = torch.rand(*shape[:2], 12, 12, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.interpolate(coarse, size=shape[2:], mode="bicubic").clamp(0, 1)


@pytest.mark.parametrize(("height", "width"), [(32, 32), (64, 96), (70, 45), (33, 200)])
def test_maps_lie_at_an_eighth(net, height, width):
    with torch.inference_mode():
        maps = net(picture(2, 1, height, width))
    rows, columns = 4 * math.ceil(height / 32), 4 * math.ceil(width / 32)
    assert maps.logits.shape == (2, net.count, rows, columns)
    assert maps.widths.shape == maps.certainty.shape == (2, 4, rows, columns)
    assert maps.family.shape == (2, 3, rows, columns)


@pytest.mark.parametrize(("gain", "offset"), [(0.25, 0.0), (0.05, 0.6), (3.0, -1.0)])
def test_gain_and_offset_cancel_before_any_weight(net, gain, offset):
    x = picture(1, 1, 96, 128)
    with torch.inference_mode():
        a, b = net(x), net(gain * x + offset)
    assert torch.allclose(a.logits, b.logits, atol=2e-3 * float(a.logits.abs().max()))


def test_a_batch_is_its_members(net):
    x = picture(3, 1, 64, 64)
    with torch.inference_mode():
        together, alone = net(x).logits, torch.cat([net(one[None]).logits for one in x])
    assert torch.allclose(together, alone, atol=1e-4)


def test_parameters_stay_within_the_budget(net):
    assert sum(p.numel() for p in net.parameters()) < 2_000_000


def test_standardised_means_zero_mean_and_unit_deviation_nearly_everywhere():
    x = picture(1, 1, 128, 128) + torch.linspace(0, 5, 128)
    standard, deviation = standardise(x + 0.05 * torch.randn(x.shape, generator=torch.Generator().manual_seed(1)))
    assert abs(float(standard.mean())) < 0.1
    assert float(standard.std()) == pytest.approx(1, abs=0.15)
    assert bool((deviation > 0).all())


def test_a_flat_picture_is_standardised_to_nothing():
    standard, _ = standardise(torch.full((1, 1, 64, 64), 0.5))
    assert float(standard.abs().max()) < 1


@pytest.mark.parametrize("angle", [0.0, 0.4, math.pi / 2, -0.9])
def test_gradients_point_across_the_lines_of_a_grating(angle):
    y, x = torch.meshgrid(torch.arange(96.0), torch.arange(96.0), indexing="ij")
    grating = torch.sin(0.5 * (x * math.cos(angle) + y * math.sin(angle)))[None, None]
    along, across = gradient_direction(grating).mean((2, 3))[0].tolist()
    assert math.hypot(along, across) > 0.9
    assert math.sin(math.atan2(across, along) / 2 - angle) == pytest.approx(0, abs=0.03)


def test_expectation():
    centres = torch.tensor([0.0, 1.0, 2.0])
    logits = torch.tensor([0.0, math.log(2), 0.0])[None, :, None, None]
    mean, spread = expectation(logits, centres)
    assert mean.item() == pytest.approx(1)
    assert spread.item() == pytest.approx(math.sqrt(0.5))
