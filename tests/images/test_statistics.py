import math

import numpy as np
import pytest
import torch

from contract import photograph
from kukkiri.images.colour import luma
from kukkiri.images.statistics import estimate_noise, statistics


def test_by_hand() -> None:
    """Half black, half a quarter bright: mean 1/8, standard deviation 1/8, half of it clipped low."""
    picture = torch.zeros(1, 4, 8)
    picture[..., 4:] = 0.25
    found = statistics(picture)
    assert (found.mean, found.contrast, found.clipped_low, found.clipped_high) == pytest.approx((0.125, 0.125, 0.5, 0))


def test_mask_leaves_out() -> None:
    picture = torch.full((3, 20, 20), 0.5)
    picture[:, 15:] = 1.0
    mask = torch.zeros(20, 20, dtype=torch.bool)
    mask[15:] = True
    found = statistics(picture, mask)
    assert (found.mean, found.contrast, found.clipped_high, found.noise) == pytest.approx((0.5, 0, 0, 0), abs=1e-6)
    assert math.isnan(statistics(picture, torch.ones(20, 20, dtype=torch.bool)).mean)


@pytest.mark.parametrize("size", [(64, 96), (700, 900)])
@pytest.mark.parametrize("sigma", [0.002, 0.02, 0.1])
def test_white_noise_is_recovered(size: tuple[int, int], sigma: float) -> None:
    noise = torch.from_numpy(np.random.default_rng(1).normal(0.5, sigma, size)).float()
    assert estimate_noise(noise) == pytest.approx(sigma, rel=0.03)


def test_noise_on_a_photograph() -> None:
    """Within 15 % once the noise stands above the texture."""
    grey = luma(photograph("chelsea", 300, 450))[0, 0]
    added = torch.from_numpy(np.random.default_rng(2).normal(0, 0.05, tuple(grey.shape))).float()
    assert estimate_noise(grey + added) == pytest.approx(0.05, rel=0.15)
    assert estimate_noise(grey) < 0.02


def test_noise_below_a_level_of_eight_bits() -> None:
    """Rounding to 8 bits must not turn a scale of noise into steps."""
    generator = np.random.default_rng(3)
    for sigma in (0.004, 0.005, 0.006):
        levels = np.round(generator.normal(0.5, sigma, (300, 300)) * 255) / 255
        rounded = np.hypot(sigma, 1 / 255 / np.sqrt(12))
        assert estimate_noise(torch.from_numpy(levels).float()) == pytest.approx(rounded, rel=0.05)


def test_too_small_for_noise() -> None:
    assert math.isnan(statistics(torch.rand(1, 2, 9)).noise)
