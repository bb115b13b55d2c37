import pytest
import torch

import kukkiri as kk
from contract import MetricContract, noisy, photograph
from kukkiri.quality.full_reference.fsim import YIQ


class TestFSIM(MetricContract):
    name = "fsim"
    worsened_by = ("blur", "noise")


def test_constant_chroma_shift_in_closed_form() -> None:
    """With luma untouched only the chroma factor of FSIMc is left, one number for the whole picture:

    a grey reference has chroma 0, so each similarity is 200 / (shift² + 200), to the power 0.03.
    """
    shift = torch.tensor([0.0, 20.0, -12.0], dtype=torch.float64) / 255
    rgb = torch.linalg.solve(torch.tensor(YIQ, dtype=torch.float64), shift)
    r = photograph("camera").double().expand(-1, 3, -1, -1) * 0.6 + 0.2
    x = r + rgb.view(1, 3, 1, 1)
    expected = (200 / (20**2 + 200) * 200 / (12**2 + 200)) ** 0.03
    assert kk.metric("fsim")(x, r).item() == pytest.approx(expected, abs=1e-9)
    assert kk.metric("fsim", chromatic=False)(x, r).item() == pytest.approx(1, abs=1e-9)


def test_grey_pictures_have_one_score() -> None:
    r = photograph("camera")
    x = noisy(r, 0.05)
    assert torch.equal(kk.metric("fsim")(x, r), kk.metric("fsim", chromatic=False)(x, r))


def test_flat_pictures_hold_nothing_to_measure() -> None:
    x, r = torch.full((2, 3, 64, 64), 0.4), torch.full((2, 3, 64, 64), 0.6)
    x[1, :, 20:40, 20:40] = 0.9
    values = kk.metric("fsim")(x, r)
    assert bool(values[0].isnan()) and 0 < values[1].item() < 1


def test_opposite_chroma_takes_the_real_part() -> None:
    """The authors raise a negative product to 0.03 and keep the real part: a factor of cos(0.03 π)."""
    from kukkiri.quality.full_reference.fsim import real_power

    base = torch.tensor([-0.5, 0.5, 0.0], dtype=torch.float64, requires_grad=True)
    power = real_power(base, 0.03)
    assert power.tolist() == pytest.approx([((-0.5 + 0j) ** 0.03).real, 0.5**0.03, 0])
    (gradient,) = torch.autograd.grad(power.sum(), base)
    assert bool(torch.isfinite(gradient).all())
