import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import ndimage
from skimage import data

import kukkiri as kk
from contract import MetricContract, blurred, photograph
from kukkiri.errors import ShapeError
from kukkiri.images.canny import canny_adaptive, canny_adaptive_candidates
from kukkiri.images.colour import luma_255
from kukkiri.metrics import measure_tiled
from kukkiri.sharpness.jnb import cut_into_blocks, has_edges

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "jnb.json").read_text())["values"]


class TestJNB(MetricContract):
    name = "jnb"


def picture(name: str, height: int, width: int, sigma: float) -> np.ndarray:
    array = np.atleast_3d(getattr(data, name)())[:height, :width].astype(np.float64)
    grey = array @ (0.298936021293776, 0.587043074451121, 0.114020904255103) if array.shape[2] == 3 else array[:, :, 0]
    return (ndimage.gaussian_filter(grey.round(), sigma) if sigma else grey).round().astype(np.uint8)


@pytest.mark.parametrize("name", sorted({row[0] for row in GOLDEN}))
def test_equals_the_authors_code(name: str) -> None:
    """12 pictures, sharp and blurred, against JNBM_compute.m; provenance in golden/jnb.json."""
    rows = [row for row in GOLDEN if row[0] == name]
    assert len(rows) == 2
    for _, height, width, sigma, total, expected in rows:
        image = picture(name, height, width, sigma)
        assert int(image.sum()) == total, "not the picture that the authors' code was given"
        assert float(kk.metric("jnb")(image)) == pytest.approx(expected, rel=1e-6), (height, width, sigma)


@pytest.mark.parametrize(
    ("ramp", "width", "noticeable"),
    [
        ((0, 200), 2, 3),
        ((0, 100, 200), 2, 3),
        ((0, 40, 100, 160, 200), 4, 3),
        ((0, 10, 30, 49, 59), 4, 5),  # contrast 59
        ((0, 10, 30, 50, 60), 4, 3),  # contrast 60
    ],
)
def test_equal_blocks_by_hand(ramp: tuple[int, ...], width: int, noticeable: int) -> None:
    """Six equal blocks, one rising edge in each of their inner 62 rows: 6 / (6·62·(w / w_J)^3.6)^(1/3.6)."""
    row = np.full(64, ramp[-1])
    row[:31] = ramp[0]
    row[31 : 31 + len(ramp)] = ramp
    image = np.tile(row, (128, 3)).astype(np.uint8)
    expected = 6 / (6 * 62 * (width / noticeable) ** 3.6) ** (1 / 3.6)
    assert float(kk.metric("jnb")(image)) == pytest.approx(expected, rel=1e-6)
    # A block without edges counts as a block, and no more.
    image[64:, 128:] = 7
    expected = 6 / (5 * 62 * (width / noticeable) ** 3.6) ** (1 / 3.6)
    assert float(kk.metric("jnb")(image)) == pytest.approx(expected, rel=1e-6)


def test_grows_with_the_number_of_blocks() -> None:
    """With all blocks alike as their number to the power 1 − 1/3.6."""
    tile = photograph("coffee", 64, 64)
    one, twelve = float(kk.metric("jnb")(tile)), float(kk.metric("jnb")(tile.repeat(1, 1, 3, 4)))
    assert twelve / one == pytest.approx(12 ** (1 - 1 / 3.6), rel=1e-5)


def test_nothing_looks_beyond_its_block() -> None:
    """Blocks in any order, and pixels left over to the right and below, give the same number."""
    image = photograph("astronaut", 192, 256)
    value = float(kk.metric("jnb")(image))
    shuffled = torch.cat([image[..., 64:, :], image[..., :64, :]], 2)
    assert float(kk.metric("jnb")(shuffled)) == pytest.approx(value, rel=1e-6)
    larger = torch.nn.functional.pad(image, (0, 50, 0, 63), mode="reflect")
    assert float(kk.metric("jnb")(larger)) == value


def test_nan_without_edges() -> None:
    for level in (0, 90):
        assert math.isnan(float(kk.metric("jnb")(np.full((130, 70), level, np.uint8))))
    image = photograph("coffee", 64, 128)
    mask = torch.zeros(64, 128, dtype=torch.bool)
    mask[30, [30, 100]] = True
    assert math.isnan(float(kk.metric("jnb")(image, mask=mask)))


def test_blocks_that_a_mask_touches_do_not_count() -> None:
    image = photograph("coffee", 128, 192)
    mask = torch.zeros(128, 192, dtype=torch.bool)
    mask[10, 63] = True
    kept = cut_into_blocks(luma_255(image))[0, 1:] / 255
    expected = float(kk.metric("jnb")(torch.cat(list(kept), 1)[None, None]))
    assert float(kk.metric("jnb")(image, mask=mask)) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("name", ["page", "text", "moon", "clock"])
def test_edge_blocks_are_canny_counts(name: str) -> None:
    block = cut_into_blocks(torch.from_numpy(picture(name, 170, 330, 0)).float()[None, None])[0][:, None]
    assert torch.equal(has_edges(block), canny_adaptive(block).sum((1, 2, 3)) > 8)


def test_faint_pixels_make_an_edge_block_only_when_linked() -> None:
    """A bright corner makes the thresholds high; a step that fades downwards is then an edge as a whole if its upper
    end alone is strong, and not at all if nothing of it is."""
    block = torch.zeros(2, 1, 64, 64)
    block[:, 0, 0, 0] = 250
    for i, (top, bottom) in enumerate([(2.9, 1.5), (2.4, 1.5)]):
        block[i, 0, :, 40:] = torch.linspace(top, bottom, 64)[:, None]
    weak, strong = (pixels.sum((1, 2, 3)).tolist() for pixels in canny_adaptive_candidates(block))
    assert 0 < strong[0] <= 8 and strong[1] == 0 and min(weak) > 40
    assert canny_adaptive(block).sum((1, 2, 3)).tolist() == [weak[0], 0]
    assert has_edges(block).tolist() == [True, False]


def test_tiles_of_a_picture_of_odd_size() -> None:
    image = photograph("astronaut", 301, 333)
    assert measure_tiled(kk.metric("jnb"), image, size=128) == pytest.approx(float(kk.metric("jnb")(image)), rel=1e-6)


def test_sixteen_bits_of_eight() -> None:
    eight = (photograph("coffee")[0] * 255).byte().permute(1, 2, 0).numpy()
    assert float(kk.metric("jnb")(eight.astype(np.uint16) * 257)) == float(kk.metric("jnb")(eight))


def test_block_maps_hold_the_value() -> None:
    """The pooled map is the value, picture by picture; blocks lie row by row."""
    images = torch.cat([photograph("astronaut", 200, 256), photograph("coffee", 200, 256)])
    maps = kk.metric("jnb").block_maps(images)
    assert maps.distortion.shape == maps.edge_width.shape == (2, 3, 4)
    pooled = 12 / maps.distortion.pow(3.6).sum((1, 2)).pow(1 / 3.6)
    torch.testing.assert_close(kk.metric("jnb")(images), pooled.float(), rtol=1e-6, atol=0)
    block = kk.metric("jnb").block_maps(images[1:, :, 64:128, 128:192])
    assert float(block.distortion) == float(maps.distortion[1, 1, 2])


def test_block_maps_by_hand() -> None:
    """One edge of 2, then 4 px in each of 62 rows; a block without edges has no width."""
    row = np.full(192, 100)
    row[31:] = 200
    row[96:101] = (200, 160, 100, 40, 0)
    row[101:] = 0
    maps = kk.metric("jnb").block_maps(torch.from_numpy(np.tile(row, (64, 1)))[None, None].float() / 255)
    assert maps.edge_width[0, 0, :2].tolist() == [2, 4] and bool(maps.edge_width[0, 0, 2].isnan())
    expected = [62 ** (1 / 3.6) * width / 3 for width in (2, 4, 0)]
    assert maps.distortion[0, 0].tolist() == pytest.approx(expected)


def test_block_maps_show_where_the_blur_is() -> None:
    image = photograph("coffee", 192, 256)
    image[..., :128] = blurred(image, 2.0)[..., :128]
    width = kk.metric("jnb").block_maps(image).edge_width[0]
    assert float(width[:, :2].nanmean()) > 1.5 * float(width[:, 2:].nanmean())


def test_block_maps_of_anything_that_holds_a_picture() -> None:
    image = photograph("coffee", 128, 192)
    array = (image[0] * 255).round().byte().permute(1, 2, 0).numpy()
    assert torch.equal(kk.metric("jnb").block_maps(array).distortion, kk.metric("jnb").block_maps(image).distortion)
    with pytest.raises(ShapeError, match="at least 64 px"):
        kk.metric("jnb").block_maps(image[..., :60])
