import math
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import kukkiri as kk
from contract import MetricContract, blurred, noisy, photograph
from kukkiri.errors import InputError
from kukkiri.images.colour import luma


class TestSpectralSlope(MetricContract):
    name = "spectral-slope"


@cache
def white_noise(height: int, width: int, seed: int) -> NDArray[np.complex128]:
    return np.fft.fft2(np.random.default_rng(seed).standard_normal((height, width)))


def power_law_field(exponent: float, height: int, width: int, seed: int) -> torch.Tensor:
    """A Gaussian random field of power f^−exponent on [0, 1], cut from a larger one so that it does not wrap round."""
    shape = (2 * height, 2 * width)
    frequency = np.hypot(np.fft.fftfreq(shape[0])[:, None], np.fft.fftfreq(shape[1]))
    frequency[0, 0] = np.inf
    field = np.fft.ifft2(white_noise(*shape, seed) * frequency ** (-exponent / 2)).real[:height, :width]
    return torch.from_numpy((field - field.min()) / np.ptp(field))[None, None]


@pytest.mark.parametrize("size", [(384, 384), (255, 301)])
@pytest.mark.parametrize("exponent", [0, 1, 2, 3, 4, 5])
def test_power_law_is_recovered(exponent: float, size: tuple[int, int]) -> None:
    """To 0.1 for one field, to 0.05 for the mean of four: what is left is the chance in a finite field."""
    metric = kk.metric("spectral-slope")
    slopes = [metric(power_law_field(exponent, *size, seed)).item() for seed in range(4)]
    assert slopes == pytest.approx([-exponent] * 4, abs=0.1)
    assert np.mean(slopes) == pytest.approx(-exponent, abs=0.05)


def test_small_pictures_are_less_certain() -> None:
    """Sides of 64 px: to 0.4 up to f^−3, whose steep foot the window begins to smear."""
    metric = kk.metric("spectral-slope")
    for exponent in (0, 1, 2, 3):
        slopes = [metric(power_law_field(exponent, 64, 64, seed)).item() for seed in range(6)]
        assert slopes == pytest.approx([-exponent] * 6, abs=0.4)


@pytest.mark.parametrize("size", [(224, 256), (151, 200), (65, 256)])
def test_equals_numpy(size: tuple[int, int]) -> None:
    """The same rings from the whole frequency plane, straight from the definition."""
    picture = photograph(height=size[0], width=size[1])
    grey = luma(picture)[0, 0].double().numpy()
    window = np.outer(*(np.hanning(n + 2)[1:-1] for n in size))
    power = np.abs(np.fft.fft2((grey - (grey * window).sum() / window.sum()) * window)) ** 2
    frequency = np.hypot(np.fft.fftfreq(size[0])[:, None], np.fft.fftfreq(size[1]))
    edges = 2 ** np.linspace(-5, -1, 9) - 1e-10
    edges[-1] = 0.5 + 1e-10
    rings = [(frequency >= low) & (frequency < high) for low, high in pairwise(edges)]
    x = [np.log(frequency[ring]).mean() for ring in rings]
    y = [np.log(power[ring].mean()) for ring in rings]
    assert kk.metric("spectral-slope")(picture.double()).item() == pytest.approx(np.polyfit(x, y, 1)[0], rel=1e-6)


def test_gain_offset_and_transposition_do_not_matter() -> None:
    metric = kk.metric("spectral-slope")
    value = metric(photograph()).item()
    assert metric(photograph() * 0.25 + 0.6).item() == pytest.approx(value, abs=1e-3)
    assert metric(photograph().transpose(2, 3)).item() == pytest.approx(value, abs=1e-4)


def test_blur_steepens_and_noise_flattens() -> None:
    metric = kk.metric("spectral-slope")
    slopes = [metric(blurred(photograph(), sigma)).item() for sigma in (0.5, 1, 1.5, 2, 3)]
    assert slopes == sorted(slopes, reverse=True)
    assert metric(noisy(photograph(), 0.04)).item() > metric(photograph()).item()


def test_band_is_an_option() -> None:
    field = power_law_field(2, 400, 300, 0)
    assert kk.metric("spectral-slope", band=(0.05, 0.4))(field).item() == pytest.approx(-2, abs=0.15)
    for band in ((0.1, 0.15), (0.0, 0.5), (0.1, 0.6)):
        with pytest.raises(InputError, match="octave"):
            kk.metric("spectral-slope", band=band)


def test_flat_picture_has_none() -> None:
    batch = torch.cat([torch.full((1, 1, 80, 90), 0.3), photograph("camera", 80, 90)])
    values = kk.metric("spectral-slope")(batch)
    assert math.isnan(values[0].item()) and math.isfinite(values[1].item())
