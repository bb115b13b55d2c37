import math

import numpy as np
import pytest
import torch

import kukkiri as kk
from contract import MetricContract, photograph
from kukkiri.images.colour import luma


class TestNormalizedVariance(MetricContract):
    name = "normalized-variance"


def test_half_black_half_white_by_hand() -> None:
    """Variance 1/4, mean 1/2."""
    x = torch.zeros(1, 1, 4, 4)
    x[..., 2:] = 1
    assert kk.metric("normalized-variance")(x).item() == pytest.approx(0.5)


def test_equals_numpy() -> None:
    grey = luma(photograph())[0, 0].double().numpy()
    assert kk.metric("normalized-variance")(photograph()).item() == pytest.approx(grey.var() / grey.mean(), rel=1e-5)


def test_bright_faint_picture_keeps_its_digits() -> None:
    """A relative contrast of 1e−4 in single precision: mean of squares minus square of mean would lose it all."""
    x = (0.9 + 1e-4 * np.random.default_rng(0).standard_normal((200, 300))).astype(np.float32)
    expected = x.astype(np.float64).var() / x.astype(np.float64).mean()
    assert kk.metric("normalized-variance")(x).item() == pytest.approx(expected, rel=1e-3)


def test_gain_scales_it() -> None:
    """Twice the light: four times the variance over twice the mean."""
    metric = kk.metric("normalized-variance")
    assert metric(photograph() / 2).item() == pytest.approx(metric(photograph()).item() / 2, rel=1e-4)


def test_black_picture_has_none() -> None:
    assert math.isnan(kk.metric("normalized-variance")(torch.zeros(1, 1, 8, 8)).item())
