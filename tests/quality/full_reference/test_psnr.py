import math
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio

import kukkiri as kk
from contract import MetricContract, noisy, photograph
from kukkiri.errors import KukkiriError


class TestPSNR(MetricContract):
    name = "psnr"
    worsened_by = ("blur", "noise")


class TestPSNROfStudioLuma(MetricContract):
    name = "psnr"
    worsened_by = ("blur", "noise")
    options: ClassVar[dict[str, Any]] = {"crop": 4, "luma": "y-studio"}


def test_constant_shift_by_hand() -> None:
    """A shift of 0.1 everywhere has a mean squared error of 0.01: 20 dB."""
    x = torch.full((1, 3, 16, 16), 0.4, dtype=torch.float64)
    assert kk.metric("psnr")(x + 0.1, x).item() == pytest.approx(20.0, abs=1e-10)


def test_one_level_of_eight_bits() -> None:
    """The number of every codec paper: an error of one level everywhere is 48.13 dB."""
    x = np.full((16, 16), 100, np.uint8)
    assert kk.metric("psnr")(x + np.uint8(1), x).item() == pytest.approx(48.1308, abs=1e-3)


def test_identical_is_infinite_with_gradient_zero() -> None:
    x = photograph().clone().requires_grad_(True)
    value = kk.metric("psnr")(x, x.detach())
    (gradient,) = torch.autograd.grad(value.sum(), x)
    assert value.item() == math.inf and not bool(gradient.any())


def test_equals_scikit_image() -> None:
    x, r = noisy(photograph(), 0.05).double(), photograph().double()
    expected = peak_signal_noise_ratio(r.numpy(), x.numpy(), data_range=1)
    assert kk.metric("psnr")(x, r).item() == pytest.approx(expected, abs=1e-9)


def test_crop_is_the_cropped_picture() -> None:
    x, r = noisy(photograph(), 0.05), photograph()
    cropped = (v[..., 4:-4, 4:-4] for v in (x, r))
    assert kk.metric("psnr", crop=4)(x, r).item() == pytest.approx(kk.metric("psnr")(*cropped).item(), abs=1e-6)


def test_crop_is_cut_from_what_the_mask_leaves() -> None:
    """A picture with an info bar equals the picture without it, whatever is cropped."""
    x, r = noisy(photograph(), 0.05), photograph()
    mask = torch.zeros(224, 256, dtype=torch.bool)
    mask[:, 100:] = True
    expected = kk.metric("psnr")(x[..., 4:-4, 4:96], r[..., 4:-4, 4:96]).item()
    assert kk.metric("psnr", crop=4)(x, r, mask=mask).item() == pytest.approx(expected, abs=1e-5)
    tiled = kk.metrics.measure_tiled(kk.metric("psnr", crop=4), x, r, mask=mask, size=50)
    assert tiled == pytest.approx(expected, abs=1e-5)


def test_studio_luma_reads_more_by_the_share_of_its_range() -> None:
    """219 of 255 levels: 20 log10(255 / 219) = 1.322 dB."""
    x, r = (v.mean(1, keepdim=True) for v in (noisy(photograph(), 0.05), photograph()))
    values = [kk.metric("psnr", luma=luma)(x, r).item() for luma in (True, "y-studio")]
    assert values[1] - values[0] == pytest.approx(20 * math.log10(255 / 219), abs=1e-4)


def test_studio_luma_of_primaries() -> None:
    """BT.601: black is 16, white 235, pure red 16 + 65.481."""
    from kukkiri.quality.full_reference.channels import measured_channels

    colours = torch.tensor([[0.0, 0, 0], [1, 1, 1], [1, 0, 0]], dtype=torch.float64).view(3, 3, 1, 1)
    levels = (255 * measured_channels(colours, "y-studio")).flatten().tolist()
    assert levels == pytest.approx([16, 235, 81.481])


@pytest.mark.parametrize("options", [{"crop": -1}, {"crop": 1.5}, {"luma": "rgb"}, {"luma": 1}])
def test_wrong_options_are_explained(options: dict[str, Any]) -> None:
    with pytest.raises(KukkiriError, match="expected .*, got .*; "):
        kk.metric("psnr", **options)


def test_crop_that_leaves_nothing_is_explained() -> None:
    with pytest.raises(KukkiriError, match="cut or mask less"):
        kk.metric("psnr", crop=112)(photograph(), photograph())
