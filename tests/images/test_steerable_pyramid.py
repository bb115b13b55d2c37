import math

import pytest
import torch

from contract import photograph
from kukkiri.images.steerable_pyramid import directional_bands, kernels


def test_transposed_picture_exchanges_the_bands() -> None:
    picture = photograph("camera", 120, 90).double()
    bands, exchanged = directional_bands(picture, 3), directional_bands(picture.mT, 3)
    assert [tuple(b.shape) for b in bands] == [(1, 2, 120, 90), (1, 2, 60, 45), (1, 2, 30, 23)]
    for a, b in zip(bands, exchanged):
        torch.testing.assert_close(a, b.flip(1).mT)


def test_no_band_sees_the_mean() -> None:
    for band in directional_bands(torch.full((1, 1, 72, 72), 0.7, dtype=torch.float64), 4):
        assert float(band.abs().max()) < 1e-6


def test_kernels_have_their_symmetries_and_gains() -> None:
    initial, lowpass, band = kernels()
    for kernel, gain in ((initial, 1), (lowpass, 2)):
        assert (
            torch.equal(kernel, kernel.T)
            and torch.equal(kernel, kernel.flip(0))
            and torch.equal(kernel, kernel.flip(1))
        )
        assert float(kernel.sum()) == pytest.approx(gain, abs=1e-3)
    assert torch.equal(band, -band.flip(1)) and torch.equal(band, band.flip(0))


def test_waves_are_seen_by_the_band_across_them() -> None:
    """A vertical grating at a quarter of the sampling frequency: finest level, derivative along x."""
    grating = torch.sin(torch.arange(96, dtype=torch.float64) * math.pi / 2 + 0.3).expand(1, 1, 96, 96)
    inner = [b[..., 8:-8, 8:-8].square().mean((0, 2, 3)) for b in directional_bands(grating, 2)]
    assert float(inner[0][1]) < 1e-12 and float(inner[0][0]) > 100 * float(inner[1][0])
