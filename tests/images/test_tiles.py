"""Tiles cover a picture exactly once; a mosaic of them is the picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from images.make_files import rgb16, samples, tiff_bytes, write
from kukkiri.errors import InputError, ShapeError
from kukkiri.images import tiff
from kukkiri.images.image import as_image
from kukkiri.images.masks import Box
from kukkiri.images.reading import load, open_image
from kukkiri.images.tiles import Mosaic, picture_size, ramp, tiles


def picture(height: int = 60, width: int = 90) -> torch.Tensor:
    return torch.rand(3, height, width, generator=torch.Generator().manual_seed(0))


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 70), st.integers(1, 70), st.integers(10, 80), st.integers(0, 20))
def test_cores_partition_and_mosaic_is_the_picture(height: int, width: int, size: int, overlap: int) -> None:
    whole = picture(height, width)
    seen = torch.zeros(height, width)
    mosaic = Mosaic(height, width)
    for tile in tiles(whole, size=size, overlap=overlap):
        seen[tile.core] += 1
        h, w = tile.pixels.shape[1:]
        assert torch.equal(tile.pixels, whole[:, tile.top : tile.top + h, tile.left : tile.left + w])
        rows, columns = tile.core
        assert rows.start - tile.top == min(overlap, rows.start)
        assert tile.left + w - columns.stop == min(overlap, width - columns.stop)
        mosaic.add(tile, tile.pixels)
    assert bool((seen == 1).all())
    assert float((mosaic.picture() - whole).abs().max()) <= 1e-6


def test_box_is_treated_as_the_whole() -> None:
    whole = picture()
    box = Box(10, 20, 33, 41)
    mosaic = Mosaic(33, 41)
    for tile in tiles(whole, size=16, overlap=4, box=box):
        mosaic.add(tile, tile.pixels)
    torch.testing.assert_close(mosaic.picture(), whole[:, 10:43, 20:61], rtol=0, atol=1e-6)


def test_feather_by_hand() -> None:
    """Two tiles of 8 px with margins of 2: a step from 0 to 1 becomes 1/8, 3/8, 5/8, 7/8 over the shared 4 px."""
    mosaic = Mosaic(1, 16)
    for value, tile in enumerate(tiles(torch.zeros(1, 1, 16), size=8, overlap=2)):
        mosaic.add(tile, torch.full_like(tile.pixels, float(value)))
    expected = [0.0] * 6 + [1 / 8, 3 / 8, 5 / 8, 7 / 8] + [1.0] * 6
    np.testing.assert_allclose(mosaic.picture()[0, 0].numpy(), expected, atol=1e-7)
    assert ramp(8, 2, 2).tolist() == [0.125, 0.375, 0.625, 0.875, 0.875, 0.625, 0.375, 0.125]


def test_result_may_have_other_channels() -> None:
    mosaic = Mosaic(60, 90)
    for tile in tiles(picture(), size=32, overlap=8):
        mosaic.add(tile, tile.pixels.mean(0))
    torch.testing.assert_close(mosaic.picture()[0], picture().mean(0), rtol=0, atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int32, torch.bool])
def test_integer_results_are_blended_in_floats(dtype: torch.dtype) -> None:
    """Where tiles agree a mosaic of integers or Booleans is exact, in the shared bands too."""
    whole = (picture() * 200).to(dtype) if dtype is not torch.bool else picture() > 0.5
    mosaic = Mosaic(60, 90)
    for tile in tiles(torch.zeros(3, 60, 90), size=16, overlap=4):
        h, w = tile.pixels.shape[1:]
        mosaic.add(tile, whole[:, tile.top : tile.top + h, tile.left : tile.left + w])
    torch.testing.assert_close(mosaic.picture(), whole.to(torch.float32), rtol=1e-6, atol=1e-6)


def test_mosaic_refuses_what_does_not_fit() -> None:
    mosaic = Mosaic(60, 90)
    first, second, *_ = tiles(picture(), size=32, overlap=8)
    with pytest.raises(InputError, match="5400 pixels under none"):
        mosaic.picture()
    mosaic.add(first, first.pixels)
    with pytest.raises(ShapeError, match="margin"):
        mosaic.add(second, second.pixels[:, 1:])
    with pytest.raises(ShapeError, match="channels"):
        mosaic.add(second, second.pixels[:1])
    with pytest.raises(InputError, match="under none"):
        mosaic.picture()


def test_files_and_paths_are_walked_lazily(tmp_path: Path) -> None:
    content = tiff_bytes(rgb16(), photometric="rgb", tile=(16, 16), compression="zlib")
    path = write(tmp_path, "a.tif", content)
    whole = load(path).pixels
    with open_image(path) as file:
        walk = tiles(file, size=16, overlap=0)
        assert torch.equal(next(walk).pixels, whole[:, :16, :16])
        assert file.decoder.decoded_segments == 1  # type: ignore[attr-defined]
        assert picture_size(file) == picture_size(path) == picture_size(whole) == (60, 90)
    for source in (path, str(path), load(path)):
        mosaic = Mosaic(60, 90)
        for tile in tiles(source, size=25, overlap=5):
            mosaic.add(tile, tile.pixels)
        torch.testing.assert_close(mosaic.picture(), whole, rtol=0, atol=1e-6)


def test_plane_of_a_stack(tmp_path: Path) -> None:
    path = write(tmp_path, "stack.ome.tif", samples()["stack.ome.tif"])
    tile = next(tiles(path, size=100, overlap=0, plane=2))
    assert torch.equal(tile.pixels, load(path, plane=2).pixels)


@pytest.mark.parametrize("extra", ["unassalpha", "assocalpha"])
def test_transparent_file_over_the_limit_is_walked(extra: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The ground that bands give is that of the whole plane, up to the rounding of its sums."""
    y, x = np.mgrid[:60, :90]
    alpha = (np.hypot(y - 25, x - 50) * 6).clip(0, 255).astype(np.uint16)
    rgba = np.dstack([rgb16() // 2, 65535 - alpha * 257])
    path = write(
        tmp_path, "a.tif", tiff_bytes(rgba, photometric="rgb", extrasamples=[extra], rowsperstrip=4, compression="zlib")
    )
    whole = load(path).pixels
    monkeypatch.setattr(tiff, "_bands", lambda page: ((top, min(7, 60 - top)) for top in range(0, 60, 7)))
    with open_image(path, max_pixels=1000) as file:
        for tile in tiles(file, size=25, overlap=3):
            h, w = tile.pixels.shape[1:]
            expected = whole[:, tile.top : tile.top + h, tile.left : tile.left + w]
            torch.testing.assert_close(tile.pixels, expected, rtol=0, atol=1e-6)


def test_wrong_arguments() -> None:
    image = as_image(picture())
    for options in ({"size": 0}, {"overlap": -1}):
        with pytest.raises(InputError, match="size"):
            tiles(image, **options)
    with pytest.raises(ShapeError, match="inside 90×60"):
        tiles(image, box=Box(0, 0, 61, 90))
    assert list(tiles(image, box=Box(3, 3, 0, 0))) == []
