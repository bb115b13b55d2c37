"""Noise as a function of signal, from simulated sensors whose noise is known."""

import numpy as np
import pytest
import torch
from torch import Tensor

from contract import photograph
from kukkiri.images.colour import luma
from kukkiri.images.filtering import gaussian_blur
from kukkiri.optics.noise import sensor_noise
from kukkiri.sharpness import photon_transfer
from kukkiri.sharpness.photon_transfer import CELL, fit_transfer, flat_cells


def scene(name: str, size: int = 400) -> Tensor:
    return 0.05 + 0.9 * gaussian_blur(luma(photograph(name, size, size)), 1.0)


@pytest.mark.parametrize(("gain", "read"), [(1 / 500, 0.01), (1 / 2000, 0.005), (1 / 100, 0.02)])
def test_gain_and_read_noise_of_a_sensor_are_found_in_photographs(gain: float, read: float) -> None:
    """EMVA 1288: variance = gain · signal + read² (+ 1/12 level²). Within 8 %, three photographs."""
    names = ("astronaut", "coffee", "camera")
    pictures = [sensor_noise(scene(name), gain, read, bits=12, seed=i) for i, name in enumerate(names)]
    found = fit_transfer([flat_cells(picture[0, 0]) for picture in pictures])
    assert found is not None
    assert found.slope == pytest.approx(gain, rel=0.08)
    assert abs(found.slope - gain) < 4 * found.slope_error and found.slope_error < 0.1 * gain
    assert found.deviation(0.5) == pytest.approx((gain / 2 + read**2) ** 0.5, rel=0.05)
    assert 0 < found.low < 0.3 and 0.6 < found.high < 1


def test_noise_that_does_not_depend_on_the_signal_has_a_slope_of_none() -> None:
    noise = torch.from_numpy(np.random.default_rng(0).normal(0, 0.02, (1, 1, 400, 400))).float()
    found = fit_transfer([flat_cells((scene("coffee") + noise)[0, 0])])
    assert found is not None
    assert abs(found.slope) < 4 * found.slope_error and abs(found.slope) < 0.1 * 0.02**2 / 0.1
    assert found.offset == pytest.approx(0.02**2, rel=0.1)


def test_flat_cells_are_unbiased_and_nearly_all_are_kept() -> None:
    noise = np.random.default_rng(0).normal(0, 0.01, (40 * CELL, 40 * CELL))
    cells = flat_cells(torch.from_numpy(0.5 + noise).float())
    assert len(cells) > 0.99 * 1600
    assert cells[:, 1].mean() == pytest.approx(1e-4, rel=0.02)
    ramp = torch.linspace(0.2, 0.8, 40 * CELL)[None, :] + torch.from_numpy(noise).float()
    assert len(flat_cells(ramp)) > 0.99 * 1600  # a ramp is no structure


def test_structure_is_not_taken_for_noise() -> None:
    assert len(flat_cells(scene("astronaut")[0, 0])) < 0.02 * 625
    stripes = 0.5 + 0.2 * torch.sin(torch.arange(400) / 3.0)[None, :].expand(400, 400)
    assert len(flat_cells(stripes)) == 0


def test_clipped_and_masked_places_do_not_count() -> None:
    noise = torch.from_numpy(np.random.default_rng(0).normal(0, 0.02, (320, 320))).float()
    assert len(flat_cells((0.01 + noise).clamp(0, 1))) == 0
    assert len(flat_cells((0.99 + noise).clamp(0, 1))) == 0
    left_out = torch.zeros(320, 320, dtype=torch.bool)
    left_out[:, 160:] = True
    assert 0.98 * 200 < len(flat_cells(0.5 + noise, left_out)) <= 200


def test_of_a_large_picture_every_so_many_cells_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    noise = torch.from_numpy(np.random.default_rng(0).normal(0, 0.02, (323, 330))).float()
    left_out = torch.zeros(323, 330, dtype=torch.bool)
    left_out[40:60, 100:200] = True
    monkeypatch.setattr(photon_transfer, "_FLAT", 100.0)  # no cell is lost to chance
    every = flat_cells(0.5 + noise, left_out)
    whole = len(every)
    monkeypatch.setattr(photon_transfer, "_MOST", whole // 3 + 1)
    few = flat_cells(0.5 + noise, left_out)
    assert whole > 370 and len(few) <= whole // 3 + 1
    np.testing.assert_array_equal(few, every[::3])


def test_too_few_signals_give_no_curve() -> None:
    noise = torch.from_numpy(np.random.default_rng(0).normal(0, 0.005, (320, 320))).float()
    assert fit_transfer([flat_cells(0.5 + noise)]) is None
    assert fit_transfer([flat_cells(torch.zeros(8, 8))]) is None
    assert fit_transfer([]) is None
    assert fit_transfer([flat_cells(torch.full((320, 320), 0.5))]) is None
