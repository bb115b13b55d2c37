import pytest
import torch

import kukkiri as kk
from contract import MetricContract, noisy, photograph
from quality.full_reference.pairs import distorted, grey, picture, tensor


class TestMSSSIM(MetricContract):
    name = "ms-ssim"
    worsened_by = ("blur", "noise")
    size = (384, 400)  # a smaller one would have nothing left around a mask at the coarsest scale


def test_flat_pictures_in_closed_form() -> None:
    """Contrast and structure agree; brightness counts at the last scale alone, with exponent 0.1333."""
    a, b = 0.4, 0.6
    x, r = (torch.full((1, 1, 176, 180), v, dtype=torch.float64) for v in (a, b))
    expected = ((2 * a * b + 1e-4) / (a * a + b * b + 1e-4)) ** 0.1333
    assert kk.metric("ms-ssim")(x, r).item() == pytest.approx(expected, abs=1e-12)


def test_inverted_picture_scores_zero_with_finite_gradient() -> None:
    """Negative covariance at some scale: clamped, where a power of a negative number would be complex."""
    r = photograph("camera", 192, 192)
    x = (1 - r).requires_grad_(True)
    value = kk.metric("ms-ssim")(x, r)
    (gradient,) = torch.autograd.grad(value.sum(), x)
    assert value.item() == 0 and bool(torch.isfinite(gradient).all())


def test_colours_are_the_mean_of_their_scores() -> None:
    r = photograph("coffee", 200, 232)
    x = noisy(r, 0.06)
    metric = kk.metric("ms-ssim", luma=False)
    each = [metric(x[:, c : c + 1], r[:, c : c + 1]).item() for c in range(3)]
    assert metric(x, r).item() == pytest.approx(sum(each) / 3, abs=1e-6)
    batch = metric(torch.cat([x, r]), torch.cat([r, r]))
    assert batch.tolist() == pytest.approx([sum(each) / 3, 1.0], abs=1e-6)


def test_tiles_with_a_mask() -> None:
    metric = kk.metric("ms-ssim")
    x, r = (tensor(grey(a)).float() for a in (distorted("mosaic", "blocks"), picture("mosaic")))
    mask = torch.zeros(700, 900, dtype=torch.bool)
    mask[300:320, 200:260] = True
    mask[660:] = True
    tiled = kk.metrics.measure_tiled(metric, x, r, mask=mask, size=200)
    assert tiled == pytest.approx(metric(x, r, mask=mask).item(), abs=2e-6)


def test_a_mask_that_leaves_no_window_gives_nan() -> None:
    x = photograph("camera", 192, 192)
    mask = torch.zeros(192, 192, dtype=torch.bool)
    mask[90:100, 90:100] = True
    assert bool(kk.metric("ms-ssim")(x, x, mask=mask).isnan())
