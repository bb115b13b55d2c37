import itertools
import math

import pytest
import torch

from kukkiri.networks.blur_spectrum import BANDS, EDGES, LEVELS, WINDOW, Spectrum, levels_of
from kukkiri.optics import psf


@pytest.fixture(scope="module")
def spectrum():
    return Spectrum()


def noise(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def test_equals_the_fourier_transform_of_each_window(spectrum):
    x = noise(1, 1, 160, 200)
    windows = (x - x.mean())[0, 0].unfold(0, WINDOW, WINDOW).unfold(1, WINDOW, WINDOW).reshape(-1, WINDOW, WINDOW)
    hann = 0.5 - 0.5 * torch.cos(2 * math.pi * torch.arange(WINDOW, dtype=torch.float64) / WINDOW)
    power = torch.fft.fft2(windows.double() * hann[:, None] * hann).abs().square()
    weighted = (power / power[:, :, : WINDOW // 2 + 1].sum((1, 2), keepdim=True).sqrt()).sum(0)
    fy = torch.fft.fftfreq(WINDOW, dtype=torch.float64)
    radius = torch.hypot(fy[:, None], fy[None])
    found = spectrum(x)[0, 0, :, 0]
    for band, (low, high) in enumerate(itertools.pairwise(EDGES)):
        inside = (radius >= low) & (radius < high)
        assert float(found[band]) == pytest.approx(float(weighted[inside].mean()), rel=1e-4)


def test_tiles_add_up_to_the_whole(spectrum):
    x = noise(2, 1, 320, 448)
    total = torch.zeros(2, LEVELS, BANDS, 3)
    for top, left in itertools.product(range(0, 320, 128), range(0, 448, 128)):
        rows, columns = slice(top, min(top + 128, 320)), slice(left, min(left + 128, 448))
        y, z = max(0, top - 128), max(0, left - 128)
        part = x[..., y : rows.stop + 128, z : columns.stop + 128]
        total += spectrum(part, (slice(top - y, rows.stop - y), slice(left - z, columns.stop - z)))
    torch.testing.assert_close(total, spectrum(x), rtol=1e-3, atol=1e-3)


def test_gain_offset_and_turning(spectrum):
    x = psf.blur(noise(1, 1, 192, 256), psf.gaussian(1.0))
    height, direction = levels_of(spectrum(x))
    other = levels_of(spectrum(0.1 * x + 0.4))
    torch.testing.assert_close(other[0], height, atol=0.02, rtol=0)
    torch.testing.assert_close(other[1], direction, atol=0.02, rtol=0)
    mirrored = levels_of(spectrum(x.flip(-1)))[1]
    torch.testing.assert_close(mirrored, direction * torch.tensor([1.0, -1.0]), atol=0.03, rtol=0)


@pytest.mark.parametrize("sigma", [1.0, 2.0])
def test_falls_as_the_transfer_function_of_a_gaussian(spectrum, sigma):
    """Of white noise: the ratio of two bands is that of exp(−4π²σ²f²)."""
    x = psf.blur(noise(4, 1, 512, 512), psf.gaussian(sigma), "valid")
    height = levels_of(spectrum(x))[0].mean(0)[:BANDS]
    middles = [(low + high) / 2 for low, high in itertools.pairwise(EDGES)]
    wanted = -4 * math.pi**2 * sigma**2 * (middles[2] ** 2 - middles[0] ** 2)
    assert float(height[2] - height[0]) == pytest.approx(wanted, rel=0.15)


@pytest.mark.parametrize("angle", [0.0, 0.6, -1.0])
def test_power_is_missing_along_the_long_axis(spectrum, angle):
    x = psf.blur(noise(2, 1, 256, 256), psf.elliptical_gaussian(2.0, 1.0, angle))
    along, across = levels_of(spectrum(x))[1][:, 1:5].mean((0, 1)).tolist()
    turned = math.atan2(across, along) / 2 + math.pi / 2
    assert math.sin(turned - angle) == pytest.approx(0, abs=0.1)


def test_what_is_masked_does_not_count(spectrum):
    x = psf.blur(noise(1, 1, 256, 256), psf.gaussian(1.5))
    outside = torch.zeros(256, 256, dtype=torch.bool)
    outside[100:140, 50:250] = True
    spoiled = torch.where(outside, noise(1, 1, 256, 256, seed=1), x)
    # Only the mean that is subtracted first differs.
    torch.testing.assert_close(spectrum(spoiled, outside=outside), spectrum(x, outside=outside), rtol=1e-2, atol=1e-4)
    assert not spectrum(x, outside=torch.ones(256, 256, dtype=torch.bool)).any()


def test_nothing_known_is_zero_and_small_pictures_are_extended(spectrum):
    height, direction = levels_of(torch.zeros(1, LEVELS, BANDS, 3))
    assert not height.any() and not direction.any()
    assert bool((spectrum(noise(1, 1, 32, 40))[..., 0] > 0).all())
