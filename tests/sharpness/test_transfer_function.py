import math

import numpy as np
import pytest
import torch

from kukkiri.errors import InputError
from kukkiri.optics import psf
from kukkiri.sharpness.transfer_function import SHAPES, Shape, mtf, mtf50


def spectrum_along_x(kernel: torch.Tensor, frequency: float) -> float:
    """|Σ k(x, y)·exp(−2πi·f·x)| of a sampled kernel, at (f, 0)."""
    row = kernel[0].double().sum(0).numpy()
    x = np.arange(len(row)) - len(row) // 2
    return float(abs((row * np.exp(-2j * math.pi * frequency * x)).sum()))


@pytest.mark.parametrize("frequency", [0.01, 0.03, 0.06, 0.1])
def test_equals_the_spectrum_of_the_kernels(frequency: float) -> None:
    sigma = 4.0
    kernels = {"gaussian": psf.gaussian(sigma), "disc": psf.disc(2 * sigma), "motion": psf.motion(24**0.5 * sigma, 0.0)}
    for shape in SHAPES:
        assert mtf(shape, sigma, frequency) == pytest.approx(spectrum_along_x(kernels[shape], frequency), abs=0.01)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("sigma", [0.4, 1.0, 7.0])
def test_falls_to_one_half_first_where_mtf50_says(shape: Shape, sigma: float) -> None:
    half = mtf50(shape, sigma)
    assert mtf(shape, sigma, half) == pytest.approx(0.5, abs=1e-6)
    assert all(mtf(shape, sigma, half * k / 50) > 0.5 for k in range(50))


def test_gaussian_by_hand() -> None:
    assert mtf("gaussian", 1.0, 0.25) == pytest.approx(math.exp(-(math.pi**2) / 8))


@pytest.mark.parametrize("shape", ["gaussian", "disc"])
def test_all_round_shapes_lose_alike_at_low_frequencies(shape: Shape) -> None:
    """1 − 2π²σ²f²: the second moment alone. A motion has all of it, twice, along itself."""
    loss = 2 * (math.pi * 2.0 * 0.002) ** 2
    assert 1 - mtf(shape, 2.0, 0.002) == pytest.approx(loss, rel=1e-3)
    assert 1 - mtf("motion", 2.0, 0.002) == pytest.approx(2 * loss, rel=1e-3)


@pytest.mark.parametrize("shape", SHAPES)
def test_ends(shape: Shape) -> None:
    assert mtf(shape, 0.0, 0.3) == 1 and mtf(shape, 3.0, 0.0) == 1 and mtf(shape, 1e-12, 0.5) == pytest.approx(1)
    assert mtf(shape, math.inf, 0.1) == 0 and math.isnan(mtf(shape, math.nan, 0.1))
    assert mtf50(shape, 0.0) == math.inf and mtf50(shape, math.inf) == 0 and math.isnan(mtf50(shape, math.nan))
    for wrong in (-0.1, math.nan, math.inf):
        with pytest.raises(InputError, match="frequency of 0 or more"):
            mtf(shape, 1.0, wrong)
