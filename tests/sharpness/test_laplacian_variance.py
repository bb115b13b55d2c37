import pytest
import torch
from scipy import ndimage

import kukkiri as kk
from contract import MetricContract, photograph
from kukkiri.images.colour import luma


class TestLaplacianVariance(MetricContract):
    name = "laplacian-variance"


def test_single_bright_pixel_by_hand() -> None:
    """One pixel of 1 in 5×5 gives responses −4, 1, 1, 1, 1 and 0: mean 0, mean square 20/25."""
    x = torch.zeros(1, 1, 5, 5)
    x[0, 0, 2, 2] = 1
    assert kk.metric("laplacian-variance")(x).item() == pytest.approx(20 / 25)


def test_equals_scipy() -> None:
    grey = luma(photograph())[0, 0].double().numpy()
    expected = ndimage.laplace(grey, mode="nearest").var()
    assert kk.metric("laplacian-variance")(photograph().double()).item() == pytest.approx(expected, rel=1e-5)
