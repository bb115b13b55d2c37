import pytest
import torch

import kukkiri as kk
from contract import MetricContract, photograph
from kukkiri.images.colour import luma


class TestBrenner(MetricContract):
    name = "brenner"


def test_single_bright_pixel_by_hand() -> None:
    """One pixel of 1 in 5×5: it is in 2 of the 15 pairs along x, and in 2 of the 15 along y."""
    x = torch.zeros(1, 1, 5, 5)
    x[0, 0, 2, 2] = 1
    assert kk.metric("brenner")(x).item() == pytest.approx(4 / 15)


def test_ramp() -> None:
    """A slope of s a pixel differs by 2s over two pixels, to the very border."""
    x = torch.linspace(0, 1, 11).expand(1, 1, 7, 11)
    assert kk.metric("brenner")(x).item() == pytest.approx(0.2**2)


def test_equals_numpy() -> None:
    grey = luma(photograph())[0, 0].double().numpy()
    expected = ((grey[:, 2:] - grey[:, :-2]) ** 2).mean() + ((grey[2:] - grey[:-2]) ** 2).mean()
    assert kk.metric("brenner")(photograph()).item() == pytest.approx(expected, rel=1e-5)
