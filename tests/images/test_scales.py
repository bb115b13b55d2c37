"""What stands for black and white where the type does not say it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from images.make_files import grey8, grey16, rgb8, tiff_bytes, write
from kukkiri.errors import ReadError
from kukkiri.images.masks import Box
from kukkiri.images.reading import load, open_image
from kukkiri.images.samples import usual_top

UNIT = (grey8() / 255).astype(np.float32)


def test_series_of_floats_stays_comparable(tmp_path: Path) -> None:
    """Half the light is half the value: on 0…255 and on 0…65535, as on 0…1."""
    for top in (255, 65535):
        counts = grey8().astype(np.float32) * (top / 255)
        for share in (1, 0.5):
            path = write(tmp_path, "f.tif", tiff_bytes(counts * np.float32(share), tile=(16, 16), compression="zlib"))
            image = load(path)
            np.testing.assert_allclose(image.numpy(), UNIT * share, atol=1e-6)
            assert f"taken as 0…{top}" in image.metadata["notes"][0]
            with open_image(path) as file:
                np.testing.assert_array_equal(file.read_region(0, Box(3, 4, 9, 9)), image.pixels[:, 3:12, 4:13])


@pytest.mark.parametrize(
    ("low", "high", "top"),
    [
        (0, 1, 1), (-1e-7, 1, 1), (0, 1.00005, 1), (-1e-3, 1, None), (0, 1.5, None), (0, 2.5, 255), (0, 255, 255),
        (0, 262, None), (0, 600, 65535), (0, 65535, 65535), (0, 65536, None), (-5, 200, None),
    ],
)  # fmt: skip
def test_scales_by_hand(low: float, high: float, top: float | None) -> None:
    assert usual_top(low, high) == top


def test_rounding_beyond_black_is_clamped(tmp_path: Path) -> None:
    array = UNIT.copy()
    array[0, 0], array[0, 1] = -1e-7, 1 + 5e-5
    image = load(write(tmp_path, "r.tif", tiff_bytes(array)))
    np.testing.assert_array_equal(image.numpy(), array.clip(0, 1))
    assert image.metadata["notes"] == []


def test_white_is_zero_in_floats_and_wide_integers(tmp_path: Path) -> None:
    wide = grey16().astype(np.uint32)
    low, high = int(wide.min()), int(wide.max())
    for array, expected in (
        (UNIT, 1 - UNIT),
        (UNIT * 2 - 3, 1 - (UNIT - UNIT.min()) / (UNIT.max() - UNIT.min())),
        (wide, 1 - (wide - low) / (high - low)),
    ):
        path = write(tmp_path, "w.tif", tiff_bytes(array, photometric="miniswhite", tile=(16, 16)))
        image = load(path)
        np.testing.assert_allclose(image.numpy(), expected, atol=1e-6)
        assert "inverted" in image.metadata["notes"][0]
        with open_image(path) as file:
            np.testing.assert_array_equal(file.read_region(0, Box(3, 4, 9, 9)), image.pixels[:, 3:12, 4:13])


def test_alpha_in_floats(tmp_path: Path) -> None:
    """NaN in it is an error; on 0…255 it means the same as on 0…1."""
    rgba = np.dstack([rgb8() / 255, UNIT]).astype(np.float32)
    options = {"photometric": "rgb", "extrasamples": ["unassalpha"]}
    unit = load(write(tmp_path, "a.tif", tiff_bytes(rgba, **options)))
    rgba[..., 3] *= 255
    image = load(write(tmp_path, "b.tif", tiff_bytes(rgba, **options)))
    np.testing.assert_allclose(image.numpy(), unit.numpy(), atol=1e-6)
    rgba[3, 3, 3] = np.nan
    with pytest.raises(ReadError, match="1 of 5400 that are NaN"):
        load(write(tmp_path, "c.tif", tiff_bytes(rgba, **options)))


@pytest.mark.parametrize("signed", [True, False])
def test_lab_of_16_bits_has_no_tint(signed: bool, tmp_path: Path) -> None:
    """a* and b* times 256; the ICC's form has L* 100 at 65280 and an offset of 32768."""
    from skimage.color import rgb2lab

    lab = rgb2lab(np.dstack([rgb8()[:, :, :1].repeat(3, 2)[:30].reshape(-1, 90, 3)]))
    coded = np.round(lab * ((65535 if signed else 65280) / 100, 256, 256)).astype(np.int64)
    coded[..., 1:] += 0 if signed else 32768
    content = tiff_bytes((coded & 65535).astype(np.uint16), photometric="cielab" if signed else "icclab")
    pixels = load(write(tmp_path, "lab.tif", content)).numpy()
    np.testing.assert_allclose(pixels, rgb8()[:30, :, :1].repeat(3, 2) / 255, atol=1e-4)


def test_palette_of_16_bits_is_16_bits_deep(tmp_path: Path) -> None:
    deep = np.random.default_rng(0).integers(0, 65536, (3, 256), dtype=np.uint16)
    assert load(write(tmp_path, "p.tif", tiff_bytes(grey8(), photometric="palette", colormap=deep))).bit_depth == 16
