import pytest
import torch
from scipy import ndimage
from skimage import data

import kukkiri as kk
from contract import MetricContract, photograph
from kukkiri.images.colour import luma


class TestTenengrad(MetricContract):
    name = "tenengrad"


def test_single_bright_pixel_by_hand() -> None:
    """One pixel of 1 in 5×5 meets every weight of both kernels once: 2·(1 + 4 + 1 + 1 + 4 + 1)/25."""
    x = torch.zeros(1, 1, 5, 5)
    x[0, 0, 2, 2] = 1
    assert kk.metric("tenengrad")(x).item() == pytest.approx(24 / 25)


def test_greatest_value_of_a_pixel() -> None:
    """The corner pattern that gives Gx = 4 and Gy = 2: the bound of 20 that the spec states is reached."""
    x = torch.tensor([[0.0, 0, 1], [0, 0, 1], [0, 1, 1]])[None, None]
    mask = torch.ones(3, 3, dtype=torch.bool)
    mask[1, 1] = False
    metric = kk.metric("tenengrad")
    value = metric.value((metric.statistics(x, None, (~mask).float()[None, None], (), (3, 3)),))
    assert value.item() == pytest.approx(20)


def test_equals_scipy() -> None:
    grey = luma(photograph())[0, 0].double().numpy()
    expected = sum(ndimage.sobel(grey, axis, mode="nearest") ** 2 for axis in (0, 1)).mean()
    assert kk.metric("tenengrad")(photograph().double()).item() == pytest.approx(expected, rel=1e-6)
    assert kk.metric("tenengrad")(photograph()).item() == pytest.approx(expected, rel=1e-5)


def test_opencv_number() -> None:
    """OpenCV 5.0.0: mean of Sobel(CV_64F, ksize=3, BORDER_REPLICATE)² along x and y, on scikit-image's camera / 255."""
    assert kk.metric("tenengrad")(data.camera()).item() == pytest.approx(0.15393812978143923, rel=1e-5)
