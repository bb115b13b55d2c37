"""Comparison up to a shift, as the field compares blind deblurring."""

import math

import numpy as np
import pytest
import skimage.data
from scipy.ndimage import gaussian_filter, shift
from skimage.metrics import structural_similarity

from kukkiri.errors import InputError, ShapeError
from kukkiri.evaluation.aligned import compare_aligned


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    return gaussian_filter(skimage.data.camera()[200:300, 150:270] / 255, 1.2)


def test_finds_the_shift(picture: np.ndarray) -> None:
    found = compare_aligned(shift(picture, (2.25, -3.5), order=1, mode="nearest"), picture)
    assert found.shift == pytest.approx((2.25, -3.5)) and found.psnr > 35 and found.ssim > 0.97


def test_without_a_shift_it_is_plain_psnr_and_ssim(picture: np.ndarray) -> None:
    noisy = np.clip(picture + np.random.default_rng(0).normal(0, 0.004, picture.shape), 0, 1)
    found = compare_aligned(noisy, picture)
    inner = (slice(15, -15), slice(15, -15))
    a, b = noisy[inner], picture[inner]
    assert found.shift == (0, 0)
    assert found.psnr == pytest.approx(-10 * math.log10(np.square(a - b).mean()), abs=1e-6)
    expected = structural_similarity(a, b, data_range=1, gaussian_weights=True, sigma=1.5, use_sample_covariance=False)
    assert found.ssim == pytest.approx(expected, abs=1e-4)


def test_shapes(picture: np.ndarray) -> None:
    with pytest.raises(ShapeError, match="one size"):
        compare_aligned(picture[:-1], picture)
    with pytest.raises(ShapeError, match="at least 41"):
        compare_aligned(picture[:40], picture[:40])


def test_shift_stays_within_its_limit(picture: np.ndarray) -> None:
    found = compare_aligned(np.roll(picture, 4, 0), picture, most=2)
    assert max(map(abs, found.shift)) <= 2
    with pytest.raises(InputError, match="most < border"):
        compare_aligned(picture, picture, most=5, border=5)
