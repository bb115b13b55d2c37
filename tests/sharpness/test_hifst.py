import math
from typing import ClassVar

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import fft, ndimage
from skimage import data
from torch import Tensor

import kukkiri as kk
from contract import MetricContract, blurred, fine_grained, photograph
from kukkiri.errors import InputError, ShapeError
from kukkiri.images.colour import luma
from kukkiri.sharpness import hifst
from kukkiri.sharpness.hifst import local_entropy

Array = NDArray[np.float64]


class TestHiFST(MetricContract):
    name = "hifst"
    # The value is relative to the sharpest place of the same picture, so that blur all over need not lower it:
    # `test_value_falls_as_blur_spreads` has what it does follow. At a stride of 4 the contract takes seconds.
    worsened_by = ()
    options: ClassVar = {"stride": 4}
    size = (112, 128)
    # Rounding to 16 bits already moves the smallest of 2660 coefficients, the levels of the entropy with them, and the
    # value by 1 to 2.6 %.
    loose = 3e-2


def gradient_magnitude(image: Array) -> Array:
    smooth = ndimage.gaussian_filter(image, 0.5, mode="nearest", radius=1, axes=(0, 1))
    grey = luma(torch.from_numpy(np.moveaxis(smooth, 2, 0))[None])[0, 0].numpy()
    return np.hypot(*(ndimage.sobel(grey, axis, mode="nearest") for axis in (0, 1)))


def stretch(x: Array) -> Array:
    return (x - x.min()) / (x.max() - x.min())


def slow_detail(gradient: Array, stride: int) -> Array:
    """Straight from the paper's formulas: every patch of every place by itself."""
    padded = np.pad(gradient, 31)
    places = [range(0, n, stride) for n in gradient.shape]
    sorted_layers = np.empty((*map(len, places), 117))
    for i, y in enumerate(places[0]):
        for j, x in enumerate(places[1]):
            found = []
            for size in (7, 15, 31, 63):
                half = size // 2
                patch = padded[y + 31 - half : y + 32 + half, x + 31 - half : x + 32 + half]
                coefficients = fft.dctn(patch, norm="ortho")
                found += [coefficients[u, v] for u in range(size) for v in range(size - 1 - u, size)]
            sorted_layers[i, j] = np.sort(np.abs(found))[:117]
    strongest = stretch(np.max([stretch(layer) for layer in np.moveaxis(sorted_layers, 2, 0)], 0))
    levels = np.pad(np.floor(strongest * 255 + 0.5), 3, mode="symmetric")
    entropy = np.empty_like(strongest)
    for y, x in np.ndindex(entropy.shape):
        share = np.unique(levels[y : y + 7, x : x + 7], return_counts=True)[1] / 49
        entropy[y, x] = -(share * np.log2(share)).sum()
    return entropy * strongest


@pytest.mark.parametrize("stride", [2, 5])
def test_equals_the_formulas(stride: int) -> None:
    """A picture between the levels of 8 bits, on which nothing is rounded."""
    image = fine_grained(photograph("astronaut", 66, 70)).double()
    expected = slow_detail(gradient_magnitude(image[0].permute(1, 2, 0).numpy() * 255), stride)
    metric = kk.metric("hifst", stride=stride)
    np.testing.assert_allclose(metric.detail_map(image)[0].numpy(), expected, atol=1e-9)
    assert float(metric(image)) == pytest.approx(np.median(stretch(expected)), abs=1e-9)
    # Single precision moves it as little as rounding the picture to 16 bits does, or less.
    assert float(metric(image.float())) == pytest.approx(np.median(stretch(expected)), rel=2e-2)


@pytest.mark.parametrize(
    ("what", "name", "top", "left", "height", "width", "expected"),
    [
        ("mean", "astronaut", 100, 200, 64, 80, 2.7718200701),
        ("score", "coffee", 150, 250, 72, 64, 0.4881665521),
    ],
)
def test_equals_the_authors_code(
    what: str, name: str, top: int, left: int, height: int, width: int, expected: float
) -> None:
    """Mean of the final map, and score, of HiFST.m (github.com/isalirezag/HiFST, d49a5cc) under Octave 2.14's image.

    With imgaussfilt, imgradient and dctmtx, which that lacks, from their definitions. On the authors' own picture
    motion0138.jpg their mean of 0.1809 comes out as 0.18093, and their map to half a level of its 8 bits.
    """
    crop = getattr(data, name)()[top : top + height, left : left + width, :3]
    image = torch.from_numpy(crop).permute(2, 0, 1)[None].double() / 255
    metric = kk.metric("hifst")
    value = metric.sharpness_map(image).mean() if what == "mean" else metric(image)
    assert float(value) == pytest.approx(expected, abs=1e-8)


def half_blurred(share: float, sigma: float = 3.0) -> Tensor:
    """The leftmost share of the picture out of focus."""
    image = photograph("astronaut", 192, 256)
    columns = round(share * 256)
    image[..., :columns] = blurred(image, sigma)[..., :columns]
    return image


def test_value_falls_as_blur_spreads() -> None:
    metric = kk.metric("hifst", stride=4)
    values = [float(metric(half_blurred(share))) for share in (0, 0.35, 0.7, 0.9)]
    assert values == sorted(values, reverse=True) and values[-1] < 0.5 * values[0], values


def test_the_stride_changes_the_value() -> None:
    """It is part of what is measured, not only of how long that takes."""
    image = photograph("coffee", 96, 112)
    values = [float(kk.metric("hifst", stride=stride)(image)) for stride in (1, 4)]
    assert values == pytest.approx([0.185, 0.224], abs=5e-4)


def test_map_is_high_where_the_picture_is_sharp() -> None:
    sharpness = kk.metric("hifst", stride=4).sharpness_map(half_blurred(0.5))
    assert sharpness.shape == (1, 48, 64)
    left, right = sharpness[0, :, 4:28], sharpness[0, :, 36:60]
    assert float(right.median()) > 3 * float(left.median())
    assert float(left.quantile(0.95)) < float(right.median())


def test_gain_and_offset_do_not_matter() -> None:
    image = fine_grained(photograph("coffee", 96, 96)).double()
    metric = kk.metric("hifst", stride=4)
    torch.testing.assert_close(metric.detail_map(image * 0.3 + 0.2), metric.detail_map(image), rtol=0, atol=1e-6)


def test_batch_of_one_size_and_odd_stride() -> None:
    images = torch.cat([photograph("astronaut", 65, 67), photograph("coffee", 65, 67)])
    metric = kk.metric("hifst", stride=7)
    assert metric.sharpness_map(images).shape == (2, 10, 10)
    torch.testing.assert_close(metric.sharpness_map(images)[1:], metric.sharpness_map(images[1:]))


def test_layers_that_are_not_kept_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Larger pictures are gone over twice; tiles do not show."""
    image, metric = photograph("astronaut", 140, 150), kk.metric("hifst", stride=4)
    kept = metric.detail_map(image)
    monkeypatch.setattr(hifst, "KEPT", 0)
    assert torch.equal(metric.detail_map(image), kept)
    monkeypatch.setattr(hifst, "TILE", 10)
    torch.testing.assert_close(metric.detail_map(image), kept, rtol=0, atol=0.02)


def test_entropy_by_hand() -> None:
    """Two levels in halves: in the middle 28 pixels of 49 to 21; far away none."""
    values = torch.zeros(9, 20)
    values[:, 10:] = 1
    entropy = local_entropy(values)
    share = 28 / 49
    assert float(entropy[4, 9]) == pytest.approx(-share * math.log2(share) - (1 - share) * math.log2(1 - share))
    assert float(entropy[4, 3]) == pytest.approx(0, abs=1e-6) and float(entropy[0, 0]) == pytest.approx(0, abs=1e-6)
    every = (torch.arange(49).view(7, 7) / 255).double()
    assert float(local_entropy(every)[3, 3]) == pytest.approx(math.log2(49))


def test_flat_pictures_have_none() -> None:
    assert math.isnan(float(kk.metric("hifst", stride=8)(np.full((64, 64), 90, np.uint8))))


def test_wrong_stride_is_explained() -> None:
    with pytest.raises(InputError, match="stride"):
        kk.metric("hifst", stride=0)


def test_maps_of_anything_that_holds_a_picture() -> None:
    image, metric = photograph("coffee", 64, 80), kk.metric("hifst", stride=8)
    array = (image[0] * 255).round().byte().permute(1, 2, 0).numpy()
    assert torch.equal(metric.sharpness_map(array), metric.sharpness_map(image))
    assert torch.equal(metric.detail_map(array), metric.detail_map(image))
    with pytest.raises(ShapeError, match="at least 64 px"):
        metric.sharpness_map(image[..., :60])
