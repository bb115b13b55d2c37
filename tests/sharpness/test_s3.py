import json
import math
from pathlib import Path

import pytest
import torch
from skimage import data

import kukkiri as kk
from contract import MetricContract
from kukkiri.sharpness.s3 import polar_average, s3_map, spatial_sharpness

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "s3.json").read_text(encoding="utf-8"))["pictures"]


class TestS3(MetricContract):
    name = "s3"
    loose = 1e-4  # the gate moves blocks of hardly any contrast only, far from the sharpest hundredth


@pytest.mark.parametrize("name", GOLDEN)
def test_authors_numbers(name: str) -> None:
    """The authors' code in Octave: both maps and the score, to 1e−6; sides that are no multiples of 8."""
    top, left, height, width = GOLDEN[name]["crop"]
    picture = getattr(data, name)()[top : top + height, left : left + width]
    x = torch.from_numpy(picture).double().reshape(height, width, -1).permute(2, 0, 1)[None] / 255
    s1, s2 = s3_map(x)
    assert s1.mean().item() == pytest.approx(GOLDEN[name]["s1"], abs=1e-8)
    assert s2.mean().item() == pytest.approx(GOLDEN[name]["s2"], abs=1e-8)
    assert (s1 * s2).sqrt().mean().item() == pytest.approx(GOLDEN[name]["s3"], abs=1e-8)
    assert kk.metric("s3")(picture).item() == pytest.approx(GOLDEN[name]["score"], abs=2e-6)


def test_single_bright_pixel_by_hand() -> None:
    """Its amplitude spectrum is flat, slope 0: S1 = 1 − 1/(1 + e^6). Three of six differences are 1: S2 = 3/4."""
    x = torch.zeros(1, 1, 64, 72, dtype=torch.float64)
    x[0, 0, 30, 37] = 1
    expected = math.sqrt((1 - 1 / (1 + math.exp(6))) * 3 / 4)
    assert kk.metric("s3")(x).item() == pytest.approx(expected, rel=1e-9)


def test_checkerboard_has_the_greatest_total_variation() -> None:
    """Black and white pixels in turn: four of six differences are 1, over 4."""
    board = (torch.arange(40)[:, None] + torch.arange(48)).remainder(2).double()[None, None] * 255
    assert torch.equal(spatial_sharpness(board, 4).amin((1, 2)), torch.ones(1, dtype=torch.float64))


def test_polar_average_has_weights_of_sum_one() -> None:
    torch.testing.assert_close(polar_average(32).sum(0), torch.ones(16, dtype=torch.float64))


def test_dark_and_faint_blocks_do_not_count() -> None:
    """Luminance range up to 5, or mean up to 2: S1 is 0, however rough; and there the gradient is finite."""
    noise = torch.rand(1, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    for faint in (noise * 0.02 + 0.3, noise * 0.05):
        x = faint.clone().requires_grad_(True)
        value = kk.metric("s3")(x)
        value.sum().backward()
        assert value.item() == 0 and x.grad is not None and bool(torch.isfinite(x.grad).all())
    assert kk.metric("s3")(noise).item() > 0.8
