import pytest
import torch

import kukkiri as kk
from contract import MetricContract
from quality.full_reference.pairs import distorted, grey, picture, tensor


class TestGMSD(MetricContract):
    name = "gmsd"
    worsened_by = ("blur", "noise")


def test_white_square_on_black_by_hand() -> None:
    """Against black, GMS is c / (m² + c). Halved, a square of 8×8 in 16×16 has these squared Prewitt magnitudes:

    1 at the 6 pixels along each of four sides whose three neighbours all see it, inside and outside: 48; at each of
    four corners 2/9 diagonally outside, 5/9 twice beside it, 8/9 inside; 0 elsewhere.
    """
    x = torch.zeros(1, 1, 32, 32, dtype=torch.float64)
    x[..., 8:24, 8:24] = 1
    squares = [1.0] * 48 + [2 / 9] * 4 + [5 / 9] * 8 + [8 / 9] * 4 + [0.0] * 192
    c = 170 / 255**2
    similarity = torch.tensor([c / (m + c) for m in squares], dtype=torch.float64)
    expected = similarity.std().item()
    assert kk.metric("gmsd")(x, torch.zeros_like(x)).item() == pytest.approx(expected, abs=1e-12)
    assert kk.metric("gmsd")(torch.zeros_like(x), x).item() == pytest.approx(expected, abs=1e-12)


def test_tiles_of_an_odd_picture_with_a_mask() -> None:
    metric = kk.metric("gmsd")
    x, r = (tensor(grey(a)).float() for a in (distorted("grains", "blocks"), picture("grains")))
    mask = torch.zeros(r.shape[-2:], dtype=torch.bool)
    mask[50:61, 33:70] = True
    assert kk.metrics.measure_tiled(metric, x, r, size=51) == pytest.approx(metric(x, r).item(), rel=1e-6)
    tiled = kk.metrics.measure_tiled(metric, x, r, mask=mask, size=51)
    assert tiled == pytest.approx(metric(x, r, mask=mask).item(), rel=1e-6)


def test_range_is_reached_by_no_picture() -> None:
    """Half of the picture torn up, half equal: nearly the largest deviation there is, and under 0.5."""
    r = torch.zeros(1, 1, 256, 256)
    x = r.clone()
    stripes = torch.arange(256) % 8 < 4
    x[..., :128] = stripes[:, None].float()
    value = kk.metric("gmsd")(x, r).item()
    assert 0.4 < value < 0.5
