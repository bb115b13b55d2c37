import numpy as np
import pytest
import torch
from scipy import ndimage
from skimage import data, feature
from torch import Tensor

from contract import photograph
from kukkiri.images.canny import canny, canny_adaptive, canny_candidates, hysteresis, smooth, sobel
from kukkiri.images.colour import luma_255

PICTURES = (
    "astronaut",
    "coffee",
    "chelsea",
    "rocket",
    "camera",
    "moon",
    "coins",
    "brick",
    "text",
    "page",
    "clock",
    "cell",
)


def batch(array: np.ndarray) -> Tensor:
    return torch.from_numpy(np.array(array))[None, None]


def grey(name: str) -> np.ndarray:
    """Levels 0..255 as float64, an odd number of columns."""
    array = np.atleast_3d(getattr(data, name)())[:301, :400, :3].mean(2).round()
    return array[:, : array.shape[1] // 2 * 2 - 1]


@pytest.mark.parametrize("name", PICTURES)
def test_equals_scikit_image(name: str) -> None:
    """Every pixel, on both scales and with thresholds high and low."""
    levels = grey(name)
    for picture, low, high in ((levels, 0.1, 0.2), (levels / 255, 0.1, 0.2), (levels, 20.0, 60.0)):
        expected = feature.canny(picture, 1.0, low, high)
        assert np.array_equal(canny(batch(picture), 1.0, low, high)[0, 0].numpy(), expected), (low, high)


@pytest.mark.parametrize("sigma", [0.5, 1.4, 3.0])
def test_equals_scikit_image_at_other_scales(sigma: float) -> None:
    picture = grey("coffee") / 255
    expected = feature.canny(picture, sigma, 0.05, 0.15)
    assert expected.sum() > 1000
    assert np.array_equal(canny(batch(picture), sigma, 0.05, 0.15)[0, 0].numpy(), expected)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (2, 2), (3, 3), (5, 7), (8, 30), (9, 9), (10, 9)])
def test_pictures_smaller_than_the_kernel(shape: tuple[int, int]) -> None:
    picture = np.random.default_rng(0).random(shape)
    assert np.array_equal(canny(batch(picture))[0, 0].numpy(), feature.canny(picture))


def test_smoothing_and_sobel_equal_scipy() -> None:
    picture = grey("camera")
    inside = ndimage.gaussian_filter(np.ones_like(picture), 1.0, mode="constant")
    expected = ndimage.gaussian_filter(picture, 1.0, mode="constant") / inside
    smoothed = smooth(batch(picture), 1.0)
    np.testing.assert_allclose(smoothed[0, 0], expected, rtol=1e-12)
    for derivative, axis in zip(sobel(smoothed), (1, 0)):
        np.testing.assert_allclose(derivative[0, 0], ndimage.sobel(smoothed[0, 0].numpy(), axis), atol=1e-10)


def test_samples_do_not_touch() -> None:
    """Weak pixels are linked within their own sample only, and a batch gives what each gives alone."""
    weak = torch.zeros(3, 1, 5, 5, dtype=torch.bool)
    weak[:, :, 2] = True
    strong = torch.zeros_like(weak)
    strong[1, 0, 2, 0] = True
    assert hysteresis(weak, strong).flatten(1).sum(1).tolist() == [0, 5, 0]
    pair = luma_255(torch.cat([photograph("astronaut"), photograph("coffee")]))
    assert torch.equal(canny(pair), torch.cat([canny(pair[:1]), canny(pair[1:])]))


def test_weak_pixels_count_only_when_linked() -> None:
    """A fading line is followed down to the low threshold; an equally faint one elsewhere is not."""
    picture = np.zeros((60, 60))
    picture[5:55, 15] = np.linspace(0.4, 0.02, 50)
    picture[35:55, 45] = np.linspace(0.4, 0.02, 50)[30:]
    weak, strong = canny_candidates(batch(picture), 1.0, 0.1, 0.3)
    edges = canny(batch(picture), 1.0, 0.1, 0.3)
    left, right = (..., slice(0, 30)), (..., slice(30, 60))
    assert int(weak[right].sum()) > 10 and int(strong[right].sum()) == 0 and int(edges[right].sum()) == 0
    assert int(edges[left].sum()) == int(weak[left].sum()) > int(strong[left].sum()) > 10


OF_8 = "........ .#####.. .#...#.. .#...#.. .#...#.. .#####.. ........ ........"
OF_9 = "......... ..####... .##..##.. .#....#.. .#....#.. .##..##.. ..####... ......... ........."


@pytest.mark.parametrize("drawn", [OF_8, OF_9])
def test_adaptive_gives_matlab_results(drawn: str) -> None:
    """MATLAB's edges of a sampled Gaussian of sigma 2, 8×8 and 9×9, as the tests of GNU Octave's image package 2.14.0
    (edge.m) record them; off the centre, because the smoothing kernel has an even number of taps."""
    expected = torch.tensor([[c == "#" for c in row] for row in drawn.split()])
    x = np.arange(len(expected)) - (len(expected) - 1) / 2
    gaussian = np.exp(-(x[:, None] ** 2 + x[None, :] ** 2) / 8)
    assert torch.equal(canny_adaptive(batch(gaussian))[0, 0], expected)


def test_adaptive_ignores_gain_and_offset() -> None:
    picture = luma_255(photograph("coffee")).double()
    edges = canny_adaptive(picture)
    assert 0.02 < float(edges.double().mean()) < 0.3
    assert torch.equal(canny_adaptive(picture * 0.25 + 64), edges)


def test_flat_pictures_have_no_edges() -> None:
    for level in (0.0, 0.3, 255.0):
        flat = torch.full((1, 1, 40, 40), level)
        assert not bool(canny(flat).any()) and not bool(canny_adaptive(flat).any())
