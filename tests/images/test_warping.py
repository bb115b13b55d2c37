"""Warping by a matrix, and the curve between tones."""

import numpy as np
import pytest
import torch
from skimage import data

from kukkiri.images.image import Image
from kukkiri.images.tone_curve import ToneCurve, fit_tones
from kukkiri.images.warping import scale_at, scaling, transformed, warp, warp_mask


def photograph() -> Image:
    return Image(torch.from_numpy(data.camera()[100:260, 80:280].astype(np.float32) / 255)[None])


def shifted(x: float, y: float) -> np.ndarray:
    return np.array([[1, 0, x], [0, 1, y], [0, 0, 1.0]])


def test_whole_pixels_are_copied() -> None:
    picture = photograph()
    moved, valid = warp(picture, shifted(7, -3), (160, 200))
    assert torch.allclose(moved[:, 3:, :193], picture.pixels[:, :157, 7:], atol=1e-5)
    assert valid[3:, :193].all() and not valid[:3].any() and not valid[:, 193:].any()


def test_there_and_back_loses_next_to_nothing() -> None:
    """Half a pixel each way: a cubic convolution (a = −1/2) loses five times as much of this photograph."""
    picture = photograph()
    there, _ = warp(picture, shifted(0.5, 0.5), (160, 200))
    back, _ = warp(Image(there), shifted(-0.5, -0.5), (160, 200))
    inner = (slice(None), slice(10, -10), slice(10, -10))
    lost = float((back - picture.pixels)[inner].square().mean().sqrt())
    taps = torch.tensor([-1, 9, 9, -1]) / 16.0
    cubic = picture.pixels
    for side in (1, 2):
        for _ in range(2):
            parts = cubic.unfold(side, 4, 1)
            cubic = (parts * taps).sum(-1)
    cubic_lost = float((cubic - picture.pixels[:, 3:-3, 3:-3])[:, 7:-7, 7:-7].square().mean().sqrt())
    assert lost < 0.012 and lost < cubic_lost / 1.5


def test_what_a_coarser_grid_cannot_hold_is_gone() -> None:
    """Stripes of one pixel seen at a third of the resolution are grey, not a beat."""
    stripes = torch.zeros(1, 120, 120)
    stripes[:, :, ::2] = 1
    coarse = np.diag([2.9, 2.9, 1.0])
    seen, _ = warp(Image(stripes), coarse, (38, 38))
    assert float((seen[:, 3:-3, 3:-3] - 0.5).abs().max()) < 0.05


def test_sizes_share_their_outer_edges() -> None:
    matrix = scaling((100, 60), (50, 30))
    x, y = transformed(matrix, np.array([-0.5, 59.5]), np.array([-0.5, 99.5]))
    assert x == pytest.approx([-0.5, 29.5]) and y == pytest.approx([-0.5, 49.5])
    assert scale_at(matrix, 0, 0) == pytest.approx(0.5)
    assert np.isnan(scale_at(np.diag([-1.0, 1.0, 1.0]), 0, 0))


def test_nothing_is_seen_behind_the_horizon() -> None:
    tilted = np.array([[1, 0, 0], [0, 1, 0], [-0.02, 0, 1.0]])
    _, valid = warp(photograph(), tilted, (160, 200))
    assert not valid[:, 50:].any() and valid[:, :20].any()


def test_a_mask_moves_with_its_picture() -> None:
    mask = torch.zeros(40, 50, dtype=torch.bool)
    mask[10:20, 10:20] = True
    moved = warp_mask(mask, shifted(2.5, 0.0), (40, 50))
    assert moved[10:20, 7:18].all() and int(moved.sum()) == 10 * 11  # columns 7.5 … 17.5, and all that they touch


def test_tones_are_found_with_clipping_and_outliers() -> None:
    rng = np.random.default_rng(1)
    source = torch.from_numpy(rng.uniform(0, 1, 4000))
    target = ToneCurve(1.2, -0.05, 0.7)(source)
    target[::40] = 0.5
    found = fit_tones(target, source)
    assert (found.gain, found.offset, found.gamma) == pytest.approx((1.2, -0.05, 0.7), abs=0.02)


def test_tones_of_what_has_none() -> None:
    flat = fit_tones(torch.full((500,), 0.4), torch.full((500,), 0.6))
    assert float(flat(torch.tensor(0.6))) == pytest.approx(0.4, abs=1e-6)
    assert fit_tones(torch.ones(500), torch.rand(500)) == ToneCurve()  # all is clipped
    assert fit_tones(1 - torch.linspace(0.1, 0.9, 500), torch.linspace(0.1, 0.9, 500)).gain == 0
