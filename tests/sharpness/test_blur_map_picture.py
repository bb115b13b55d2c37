"""The blur map as pixels and as a picture."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from skimage import data

from blurs import made_blur
from kukkiri.errors import InputError
from kukkiri.images.masks import Box
from kukkiri.images.reading import load, open_image
from kukkiri.sharpness.blur import Blur
from kukkiri.sharpness.blur_map_picture import map_picture, map_pixels, write_map
from kukkiri.sharpness.blur_upsampling import BetweenCells
from kukkiri.sharpness.figures import blur_colours, blur_scale


def ramp(height: int, width: int) -> torch.Tensor:
    """Cells of log2 sigma that rises by one octave each 100 px to the right, from 1 px at x = 0."""
    x = torch.arange(-(-width // 8)) * 8 + 4.0
    return (2 ** (x / 100)).expand(-(-height // 8), -1).clone()


def test_pixels_are_interpolated_in_log_sigma() -> None:
    blur = made_blur(cells=ramp(64, 200), size=(64, 200))
    pixels = map_pixels(blur, (64, 200))
    assert pixels.shape == (64, 200)
    x = torch.arange(200) + 0.5
    inner = slice(8, 190)
    torch.testing.assert_close(pixels[30, inner], 2 ** (x[inner] / 100), rtol=1e-5, atol=0)


def test_nothing_counts_outside_the_box_under_the_mask_and_without_evidence() -> None:
    cells, evidence = ramp(48, 96), torch.full((6, 12), 0.8)
    cells[:, :2] = math.nan
    evidence[4:] = 0.01
    blur = made_blur(cells=cells, evidence=evidence, size=(48, 96))
    pixels = map_pixels(blur, (100, 120), Box(10, 20, 48, 96))
    known = torch.isfinite(pixels)
    assert not known[:10].any() and not known[58:].any() and not known[:, 116:].any()
    assert not known[:, :36].any() and known[12:40, 37:116].all()
    assert not known[48:].any()
    # Next to what does not count, values come from what does.
    assert float(pixels[20, 37]) == pytest.approx(float(cells[0, 2]), rel=0.03)


def below_a_bar(bar: int = 40, left: int = 24) -> Blur:
    """As a picture of 128×128 gives whose top rows and left columns a mask covers."""
    size = (128 - bar, 128 - left)
    return replace(made_blur(cells=ramp(*size), size=size), origin=(bar, left), whole=(128, 128))


def test_a_masked_border_shifts_the_map(tmp_path: Path) -> None:
    blur, picture = below_a_bar(), np.full((128, 128), 90, np.uint8)
    pixels = map_pixels(blur, (128, 128))
    known = torch.isfinite(pixels)
    assert known[40:, 24:].all() and not known[:40].any() and not known[:, :24].any()
    torch.testing.assert_close(pixels[40:, 24:], map_pixels(replace(blur, origin=(0, 0)), blur.size))
    torch.testing.assert_close(blur.upsampled(), pixels, equal_nan=True)
    write_map(picture, blur, tmp_path / "map.tif")
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "map.tif"), pixels.numpy())
    # A box besides: the mask's border is counted from the box's.
    boxed = map_pixels(blur, (200, 300), Box(10, 50, 128, 128))
    torch.testing.assert_close(boxed[10:138, 50:178], pixels, equal_nan=True)
    assert int(torch.isfinite(boxed).sum()) == int(known.sum())
    drawn = map_picture(picture, blur).astype(int)
    margin = (drawn.shape[0] - 3 * 128) // 2
    coloured = np.ptp(drawn[margin : margin + 384, margin : margin + 384], axis=2)[1::3, 1::3] > 1
    np.testing.assert_array_equal(coloured, known.numpy())


def test_upsampled_is_interpolated_in_log_sigma_and_nothing_bleeds() -> None:
    cells = ramp(64, 200)
    cells[:, :3] = math.nan
    evidence = torch.full(cells.shape, 0.8)
    evidence[4:] = 0
    pixels = made_blur(cells=cells, evidence=evidence, size=(64, 200)).upsampled()
    assert pixels.shape == (64, 200)
    assert not torch.isfinite(pixels[:, :24]).any() and torch.isfinite(pixels[:, 24:]).all(), "needs no evidence"
    x = torch.arange(200) + 0.5
    torch.testing.assert_close(pixels[30, 28:190], 2 ** (x[28:190] / 100), rtol=1e-5, atol=0)
    torch.testing.assert_close(pixels[:, 24:28], cells[0, 3].expand(64, 4))


def test_tall_pictures_are_made_in_strips() -> None:
    blur = made_blur(cells=ramp(600, 40) * (1 + torch.arange(75)[:, None] / 75), size=(600, 40))
    whole = BetweenCells(blur).at(torch.arange(600) + 0.5, torch.arange(40) + 0.5)[0].exp2()
    torch.testing.assert_close(blur.upsampled(), whole)


def test_tiff_holds_the_pixels(tmp_path: Path) -> None:
    blur = made_blur(cells=ramp(300, 280), size=(300, 280))
    picture = np.zeros((310, 300), np.uint8)
    write_map(picture, blur, tmp_path / "map.tif", box=Box(5, 10, 300, 280))
    read = tifffile.imread(tmp_path / "map.tif")
    assert read.dtype == np.float32
    np.testing.assert_array_equal(read, map_pixels(blur, (310, 300), Box(5, 10, 300, 280)).numpy())


def test_picture_is_grey_without_evidence_and_coloured_with_it(tmp_path: Path) -> None:
    photograph = data.astronaut()
    evidence = torch.zeros(64, 64)
    evidence[:, 40:] = 1
    blur = made_blur(3.0, cells=torch.full((64, 64), 3.0), evidence=evidence, size=(512, 512))
    drawn = map_picture(photograph, blur).astype(int)
    assert drawn.shape[0] > 512 and drawn.shape[1] > 600
    margin = (drawn.shape[0] - 512) // 2
    placed = drawn[margin : margin + 512, margin : margin + 512]
    left, right = placed[:, :300], placed[:, 340:]
    assert np.ptp(left, axis=2).max() <= 1
    wanted = np.array(blur_colours()(blur_scale()(3.0))[:3])
    # The mean leans from grey towards the colour of 3 px.
    lean = right.reshape(-1, 3).mean(0) - right.mean()
    assert np.corrcoef(lean, wanted - wanted.mean())[0, 1] > 0.98 and np.abs(lean).max() > 20
    write_map(photograph, blur, tmp_path / "map.png")
    np.testing.assert_array_equal(np.moveaxis(load(tmp_path / "map.png").pixels.numpy() * 255, 0, 2).round(), drawn)


def test_one_colour_means_one_blur_on_every_picture() -> None:
    near, far = (made_blur(s, cells=torch.full((16, 16), 2.0), size=(128, 128)) for s in (2.0, 5.0))
    flat = np.full((128, 128), 128, np.uint8)
    one, other = (map_picture(flat, b) for b in (near, far))
    np.testing.assert_array_equal(one[40:200, 40:200], other[40:200, 40:200])
    assert not np.array_equal(one, other)  # the mark on the scale differs


def test_small_pictures_are_enlarged_and_large_ones_reduced(tmp_path: Path) -> None:
    small = map_picture(np.zeros((64, 64), np.uint8), made_blur(size=(64, 64)))
    assert 440 <= small.shape[0] <= 600
    large = np.tile(data.brick(), (5, 5))
    tifffile.imwrite(tmp_path / "large.tif", large, tile=(256, 256), photometric="minisblack")
    blur = made_blur(size=large.shape)
    with open_image(tmp_path / "large.tif") as source:
        from_file = map_picture(source, blur)
    assert from_file.shape[0] < 1400
    np.testing.assert_array_equal(from_file, map_picture(large, blur))


def test_abstained_picture_has_a_map_without_colour(tmp_path: Path) -> None:
    blur = made_blur(abstained="flat", size=(96, 96))
    drawn = map_picture(np.full((96, 96), 70, np.uint8), blur)
    assert np.ptp(drawn[60:400, 60:400].astype(int), axis=2).max() == 0
    with pytest.raises(InputError, match="suffixes"):
        write_map(np.zeros((96, 96), np.uint8), blur, tmp_path / "map.jpg")
