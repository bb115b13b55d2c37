from typing import Any, ClassVar

import pytest
import torch
from skimage.metrics import structural_similarity

import kukkiri as kk
from contract import MetricContract, blurred, noisy, photograph
from kukkiri.images.colour import luma
from kukkiri.images.structural_similarity import similarity_maps
from quality.full_reference.pairs import distorted, grey, picture, tensor


class TestSSIM(MetricContract):
    name = "ssim"
    worsened_by = ("blur", "noise")


class TestSSIMDownsampled(MetricContract):
    name = "ssim"
    worsened_by = ("blur", "noise")
    size = (392, 401)  # decimated by 2, with a pixel over


class TestSSIMOfColours(MetricContract):
    name = "ssim"
    worsened_by = ("blur", "noise")
    options: ClassVar[dict[str, Any]] = {"downsample": False, "luma": False, "crop": 3}


def test_flat_pictures_in_closed_form() -> None:
    """Without structure only equation 6 is left: (2ab + C₁) / (a² + b² + C₁)."""
    a, b = 0.4, 0.6
    x, r = (torch.full((1, 1, 32, 32), v, dtype=torch.float64) for v in (a, b))
    expected = (2 * a * b + 1e-4) / (a * a + b * b + 1e-4)
    assert kk.metric("ssim")(x, r).item() == pytest.approx(expected, abs=1e-12)


def test_inverted_contrast_is_negative_by_hand() -> None:
    """x and 1 − x around 0.5: covariance −v, so (−2v + C₂) / (2v + C₂) with the window's own v."""
    x = torch.full((1, 1, 11, 11), 0.5, dtype=torch.float64)
    x[..., 5, 5] = 0.9
    # One pixel off by 0.4 under the window's central weight w: mean 0.4 w, variance 0.16 (w − w²).
    g = torch.exp(-(torch.arange(-5, 6, dtype=torch.float64) ** 2) / 4.5)
    w = float((g[5] / g.sum()) ** 2)
    variance, a, b = 0.16 * (w - w * w), 0.5 + 0.4 * w, 0.5 - 0.4 * w
    expected = (2 * a * b + 1e-4) / (a * a + b * b + 1e-4) * (-2 * variance + 9e-4) / (2 * variance + 9e-4)
    assert expected < 0
    assert kk.metric("ssim")(x, 1 - x).item() == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize("degrade", [lambda x: noisy(x, 0.08), lambda x: blurred(x, 1.7)])
def test_equals_scikit_image(degrade: Any) -> None:
    """Its Gaussian mode is this definition at full resolution; it crops the same border of 5 px."""
    r = photograph("coffee").double()
    x = degrade(r)
    settings = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 1}
    expected = structural_similarity(luma(x)[0, 0].numpy(), luma(r)[0, 0].numpy(), **settings)
    assert kk.metric("ssim", downsample=False)(x, r).item() == pytest.approx(expected, abs=1e-10)
    expected = structural_similarity(x[0].numpy(), r[0].numpy(), channel_axis=0, **settings)
    assert kk.metric("ssim", downsample=False, luma=False)(x, r).item() == pytest.approx(expected, abs=1e-10)


def test_mask_averages_the_map_over_what_is_left() -> None:
    """A pixel counts if no masked one lies in its window; without downsampling that is a square of 11."""
    x, r = noisy(photograph("camera"), 0.05).double(), photograph("camera").double()
    mask = torch.zeros(224, 256, dtype=torch.bool)
    mask[40:60, 30:90] = True
    keep = torch.ones(224, 256, dtype=torch.bool)
    keep[35:65, 25:95] = False
    whole, _ = similarity_maps(x, r)
    expected = whole[0, 0][keep[5:-5, 5:-5]].mean()
    assert kk.metric("ssim")(x, r, mask=mask).item() == pytest.approx(expected.item(), abs=1e-12)


@pytest.mark.parametrize("size", [256, 300])
def test_tiles_of_a_picture_decimated_by_three(size: int) -> None:
    metric = kk.metric("ssim")
    x, r = (tensor(grey(a)).float() for a in (distorted("mosaic", "blur"), picture("mosaic")))
    assert metric.grid(700, 900) == 3
    assert kk.metrics.measure_tiled(metric, x, r, size=size) == pytest.approx(metric(x, r).item(), abs=2e-6)
    mask = torch.zeros(700, 900, dtype=torch.bool)
    mask[300:340, 200:420] = True
    mask[660:] = True
    tiled = kk.metrics.measure_tiled(metric, x, r, mask=mask, size=size)
    assert tiled == pytest.approx(metric(x, r, mask=mask).item(), abs=2e-6)


def test_a_last_tile_narrower_than_the_window() -> None:
    x, r = noisy(photograph("camera", 129, 131), 0.05), photograph("camera", 129, 131)
    metric = kk.metric("ssim")
    assert kk.metrics.measure_tiled(metric, x, r, size=64) == pytest.approx(metric(x, r).item(), abs=1e-6)


def test_never_above_one() -> None:
    """Nearly equal pictures in single precision, where rounding could lift a ratio over 1."""
    r = photograph("coffee")
    for step in (0.0, 1e-7, 1e-6, 1e-5):
        assert kk.metric("ssim")((r + step).clamp(0, 1), r).item() <= 1
