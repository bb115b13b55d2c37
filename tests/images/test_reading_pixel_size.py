"""Pixel sizes from every maker's notes, and none from print settings."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from images.make_files import grey8, grey16, pillow_bytes, rgb8, tiff_bytes, with_chunk, write
from kukkiri.images.image import Image
from kukkiri.images.pixel_size import from_comment, from_resolution, is_print_setting, metres, to_comment
from kukkiri.images.reading import load

FEI = """[User]
User=supervisor
[Scan]
PixelWidth=1.953e-009
PixelHeight=1.953e-009
[Image]
ResolutionX=90
ResolutionY=52
[PrivateFei]
DatabarHeight=8
"""

ZEISS = "0\r\n0\r\n0\r\n9.8e-009\r\nAP_IMAGE_PIXEL_SIZE\r\nImage Pixel Size = 9.770 nm\r\nAP_WD\r\nWD = 4.5 mm\r\n"


def loaded(folder: Path, content: bytes) -> Image:
    return load(write(folder, "a.tif", content))


@pytest.mark.parametrize(("unit", "metre"), [("µm", 1e-6), ("nm", 1e-9), ("mm", 1e-3), ("Å", 1e-10), ("cm", 1e-2)])
def test_ome(unit: str, metre: float, tmp_path: Path) -> None:
    metadata = {"PhysicalSizeX": 0.65, "PhysicalSizeY": 0.65, "PhysicalSizeXUnit": unit, "PhysicalSizeYUnit": unit}
    content = tiff_bytes(grey16(), ome=True, metadata={"axes": "YX", **metadata})
    assert loaded(tmp_path, content).pixel_size == pytest.approx(0.65 * metre)


def test_ome_in_micrometres_unless_it_says_otherwise(tmp_path: Path) -> None:
    content = tiff_bytes(grey16(), ome=True, metadata={"axes": "YX", "PhysicalSizeX": 0.1, "PhysicalSizeY": 0.1})
    assert loaded(tmp_path, content).pixel_size == pytest.approx(1e-7)


def test_ome_with_oblong_pixels_has_none(tmp_path: Path) -> None:
    content = tiff_bytes(grey16(), ome=True, metadata={"axes": "YX", "PhysicalSizeX": 0.1, "PhysicalSizeY": 0.2})
    assert loaded(tmp_path, content).pixel_size is None


@pytest.mark.parametrize(
    ("unit", "size"), [("um", 5e-8), ("\\u00B5m", 5e-8), ("nm", 5e-11), ("pixel", None), ("inch", None)]
)
def test_imagej(unit: str, size: float | None, tmp_path: Path) -> None:
    content = tiff_bytes(grey16(), imagej=True, resolution=(20, 20), metadata={"unit": unit})
    assert loaded(tmp_path, content).pixel_size == (None if size is None else pytest.approx(size))


def test_fei_with_info_bar(tmp_path: Path) -> None:
    content = tiff_bytes(grey8(), extratags=[(34682, 2, 0, FEI, True)], resolution=(72, 72), resolutionunit="INCH")
    image = loaded(tmp_path, content)
    assert image.pixel_size == pytest.approx(1.953e-9)
    assert image.metadata["info_bar_rows"] == 60 - 52
    assert image.metadata["maker"]["User"]["User"] == "supervisor"


def test_fei_without_info_bar(tmp_path: Path) -> None:
    text = FEI.replace("52", "60").replace("DatabarHeight=8", "DatabarHeight=0").replace("[Scan]", "[EScan]")
    image = loaded(tmp_path, tiff_bytes(grey8(), extratags=[(34680, 2, 0, text, True)]))
    assert image.pixel_size == pytest.approx(1.953e-9) and "info_bar_rows" not in image.metadata


def test_zeiss(tmp_path: Path) -> None:
    image = loaded(tmp_path, tiff_bytes(grey8(), extratags=[(34118, 2, 0, ZEISS, True)]))
    assert image.pixel_size == pytest.approx(9.77e-9)
    assert image.metadata["maker"]["ap_wd"] == (4.5, "mm")
    unnamed = loaded(tmp_path, tiff_bytes(grey8(), extratags=[(34118, 2, 0, ZEISS[: ZEISS.index("AP_")], True)]))
    assert unnamed.pixel_size == pytest.approx(9.8e-9)


def test_olympus_sis(tmp_path: Path) -> None:
    """The structure as tifffile knows it: a header, then a table of blocks; block 1 has the calibration."""
    general = struct.pack("<10xhdd8xd2x34s32s", -6, 0.25, 0.25, 40.0, b"camera", b"type")
    plain = tiff_bytes(grey8(), metadata=None, extratags=[(33560, 4, 1, 0, True)])
    sis = struct.pack("<4s6xhhhhh6x32sH", b"SIS0", 0, 0, 1, 1, 120, b"name", 1)
    at = len(plain)
    sis += struct.pack("<hhI", 1, 1, at + len(sis) + 8)
    changed = bytearray(plain + sis + general)
    first = struct.unpack_from("<I", plain, 4)[0]
    for i in range(struct.unpack_from("<H", plain, first)[0]):
        if struct.unpack_from("<H", plain, first + 2 + 12 * i)[0] == 33560:
            struct.pack_into("<I", changed, first + 2 + 12 * i + 8, at)
    assert loaded(tmp_path, bytes(changed)).pixel_size == pytest.approx(2.5e-7)


def test_aperio(tmp_path: Path) -> None:
    content = tiff_bytes(
        rgb8(), photometric="rgb", metadata=None, description="Aperio Image\r\n1x1|AppMag = 40|MPP = 0.2520"
    )
    assert loaded(tmp_path, content).pixel_size == pytest.approx(0.252e-6)


@pytest.mark.parametrize(
    ("per_unit", "unit", "size"),
    [
        (12345.6, "CENTIMETER", 0.01 / 12345.6),
        (1e7, "CENTIMETER", 1e-9),
        (25400, "INCH", 1e-6),
        (72, "INCH", None),
        (96, "INCH", None),
        (300, "INCH", None),
        (2400, "INCH", None),
        (28, "CENTIMETER", None),
        (28.34, "CENTIMETER", None),
        (37.8, "CENTIMETER", None),
        (118, "CENTIMETER", None),
        (1, "INCH", None),
        (1e7, "NONE", None),
    ],
)
def test_tiff_resolution(per_unit: float, unit: str, size: float | None, tmp_path: Path) -> None:
    content = tiff_bytes(grey8(), metadata=None, resolution=(per_unit, per_unit), resolutionunit=unit)
    assert loaded(tmp_path, content).pixel_size == (None if size is None else pytest.approx(size, rel=1e-6))


@pytest.mark.parametrize(("per_metre", "size"), [(2835, None), (11811, None), (5_000_000, 2e-7), (0, None)])
def test_png_resolution(per_metre: int, size: float | None, tmp_path: Path) -> None:
    chunk = struct.pack(">IIB", per_metre, per_metre, 1)
    image = loaded(tmp_path, with_chunk(pillow_bytes(rgb8(), "PNG"), b"pHYs", chunk))
    assert image.pixel_size == (None if size is None else pytest.approx(size))


@pytest.mark.parametrize("dpi", [72, 96, 300])
def test_jpeg_print_settings_are_no_pixel_size(dpi: int, tmp_path: Path) -> None:
    assert loaded(tmp_path, pillow_bytes(rgb8(), "JPEG", dpi=(dpi, dpi))).pixel_size is None
    assert loaded(tmp_path, pillow_bytes(rgb8(), "BMP", dpi=(dpi, dpi))).pixel_size is None


def test_damaged_notes_do_not_cost_the_picture(tmp_path: Path) -> None:
    content = tiff_bytes(grey8(), metadata=None, description="<OME><Pixels></OME>")
    image = loaded(tmp_path, content)
    np.testing.assert_array_equal((image.pixels[0] * 255).round().numpy(), grey8())
    assert "ome metadata could not be read" in image.metadata["notes"][0]


def test_rules_by_hand() -> None:
    assert is_print_setting(300 / 0.0254) and is_print_setting(301.5 / 0.0254) and is_print_setting(599.5 / 0.0254)
    assert is_print_setting(601 / 0.0254) and not is_print_setting(601.5 / 0.0254)
    assert from_resolution(1e6, 1e6 * 1.005) == pytest.approx(1e-6, rel=0.01)
    assert from_resolution(1e6, 2e6) is None
    assert from_resolution(float("nan"), 1) is None
    assert metres("0.5", "µm") == metres(0.5, "um") == pytest.approx(5e-7)
    assert (
        metres(-1, "m") is None
        and metres("x", "m") is None
        and metres(None, "m") is None
        and metres(1, "furlong") is None
    )
    assert from_comment(to_comment(1.25e-8)) == 1.25e-8 and from_comment("no") is None
