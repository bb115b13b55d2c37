"""Every format and kind of pixel: the numbers of the file, nothing squeezed, nothing guessed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image as PilImage

import kukkiri as kk
from images.make_files import (
    dicom_bytes,
    dng_bytes,
    exif_with_orientation,
    grey8,
    grey16,
    pillow_bytes,
    rgb8,
    rgb16,
    samples,
    tiff_bytes,
    with_chunk,
    write,
)
from kukkiri.errors import InputError, MissingExtraError, ReadError, ShapeError
from kukkiri.images.image import Image, as_image
from kukkiri.images.masks import Box
from kukkiri.images.pillow import from_pillow
from kukkiri.images.reading import load, open_image


def levels(image: Image, top: int) -> NDArray[np.int64]:
    """Pixels as integers (H, W[, 3]); they must lie on the grid exactly."""
    values = image.numpy().astype(np.float64) * top
    assert np.abs(values - values.round()).max() < 0.02
    return values.round().astype(np.int64)


def loaded(folder: Path, name: str, content: bytes | None = None, **options: Any) -> Image:
    return load(write(folder, name, content), **options)


@pytest.mark.parametrize("name", ["rgb.png", "rgb.bmp", "strips.tif"])
def test_eight_bits_are_exact(name: str, tmp_path: Path) -> None:
    image = loaded(tmp_path, name)
    assert image.bit_depth == 8
    np.testing.assert_array_equal(levels(image, 255), rgb8())


@pytest.mark.parametrize("name", ["rgb16.png", "grey16.png", "tiles.tif", "big.tif", "rgb16.jp2", "rgb16.jxl"])
def test_sixteen_bits_are_exact(name: str, tmp_path: Path) -> None:
    image = loaded(tmp_path, name)
    expected = rgb16() if image.channels == 3 else grey16()
    assert image.bit_depth == 16
    np.testing.assert_array_equal(levels(image, 65535), expected)


@pytest.mark.parametrize(
    "name", ["rgb.jpg", "grey.jpg", "progressive.jpg", "lossy.webp", "rgb.gif", "palette.bmp", "rgb.avif"]
)
def test_eight_bit_formats_equal_pillow(name: str, tmp_path: Path) -> None:
    path = write(tmp_path, name)
    with PilImage.open(path) as pil:
        expected = np.asarray(pil if pil.mode == "L" else pil.convert("RGB"))
        turned = np.rot90(expected, -1) if name == "rgb.jpg" else expected
    np.testing.assert_array_equal(levels(load(path), 255), turned)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation(orientation: int, tmp_path: Path) -> None:
    """All eight, against Pillow's own turning, in PNG, JPEG and TIFF, whole and in parts."""
    exif = exif_with_orientation(orientation)
    from PIL import ImageOps

    with PilImage.open(write(tmp_path, "o.jpg", pillow_bytes(rgb8(), "JPEG", exif=exif, quality=95))) as pil:
        jpeg = np.asarray(ImageOps.exif_transpose(pil))
        upright = np.asarray(ImageOps.exif_transpose(_tagged(rgb8(), exif)))
    image = load(tmp_path / "o.jpg")
    np.testing.assert_array_equal(levels(image, 255), jpeg)
    assert image.metadata.get("orientation", 1) == orientation
    files = {
        "o.png": with_chunk(pillow_bytes(rgb8(), "PNG"), b"eXIf", exif[6:]),
        "o.tif": tiff_bytes(rgb8(), photometric="rgb", tile=(16, 16), extratags=[(274, 3, 1, orientation, True)]),
    }
    for name, content in files.items():
        with open_image(write(tmp_path, name, content)) as file:
            assert file.shape() == (3, *upright.shape[:2])
            np.testing.assert_array_equal(levels(file.read(), 255), upright)
            part = file.read_region(0, Box(11, 23, 31, 17))
            assert torch.equal(part, file.read().pixels[:, 11:42, 23:40])


def _tagged(array: NDArray[Any], exif: bytes) -> PilImage.Image:
    picture = PilImage.fromarray(array)
    picture.getexif().load(exif)
    return picture


def test_one_bit_and_packed_depths(tmp_path: Path) -> None:
    flags = grey8() > 100
    for name, content in (
        ("bits.png", samples()["bits.png"]),
        ("bits.tif", tiff_bytes(flags, photometric="minisblack")),
        ("fax.tif", pillow_bytes(PilImage.fromarray(flags), "TIFF", compression="group4")),
    ):
        image = loaded(tmp_path, name, content)
        assert image.bit_depth == 1
        np.testing.assert_array_equal(levels(image, 1), flags)
    twelve = (grey16() >> 4).astype(np.uint16)
    packed = tiff_bytes(twelve, bitspersample=12, rowsperstrip=60)
    image = loaded(tmp_path, "twelve.tif", packed)
    assert image.bit_depth == 16
    np.testing.assert_array_equal(levels(image, 4095), twelve)


def test_palettes(tmp_path: Path) -> None:
    quantised = PilImage.fromarray(rgb8()).quantize(16)
    expected = np.asarray(quantised.convert("RGB"))
    for kind in ("PNG", "GIF", "TIFF", "BMP"):
        image = loaded(tmp_path, f"p.{kind.lower()}", pillow_bytes(quantised, kind))
        np.testing.assert_array_equal(levels(image, 255), expected)
    deep = np.random.default_rng(0).integers(0, 65536, (3, 256), dtype=np.uint16)
    image = loaded(tmp_path, "deep.tif", tiff_bytes(grey8(), photometric="palette", colormap=deep))
    np.testing.assert_array_equal(levels(image, 65535), deep.T[grey8()])


@pytest.mark.parametrize("kind", ["PNG", "GIF", "TIFF", "BMP"])
def test_palette_of_greys_is_grey(kind: str, tmp_path: Path) -> None:
    """Electron microscopes write 8-bit grey with a palette; that is not colour."""
    picture = PilImage.fromarray(255 - grey8())
    picture = picture.convert("P") if kind == "GIF" else picture
    picture.putpalette([255 - i // 3 for i in range(768)])
    image = loaded(tmp_path, f"g.{kind.lower()}", pillow_bytes(picture, kind))
    assert image.channels == 1
    np.testing.assert_array_equal(levels(image, 255), grey8())


def test_transparency(tmp_path: Path) -> None:
    """A picture on nothing: the ground becomes its own mean edge colour, and the notes say so."""
    rgba = np.zeros((20, 30, 4), np.uint8)
    rgba[5:15, 8:22] = (200, 100, 50, 255)
    for name, content in (
        ("a.png", pillow_bytes(rgba, "PNG")),
        ("a.webp", pillow_bytes(rgba, "WEBP", lossless=True)),
        ("a.tif", tiff_bytes(rgba, photometric="rgb", extrasamples=["unassalpha"])),
        ("b.tif", tiff_bytes(rgba, photometric="rgb", extrasamples=["assocalpha"], tile=(16, 16))),
        ("a16.png", bytes(imagecodecs.png_encode(rgba.astype(np.uint16) * 257))),
    ):
        path = write(tmp_path, name, content)
        image = load(path)
        np.testing.assert_array_equal(levels(image, 255), np.broadcast_to((200, 100, 50), (20, 30, 3)))
        assert "edge-mean colour" in image.metadata["alpha"] and "edge-mean" in " ".join(image.metadata["notes"])
        with open_image(path) as file:
            assert torch.equal(file.read_region(0, Box(2, 3, 9, 9)), image.pixels[:, 2:11, 3:12])
    rgba[..., 3] = 255
    opaque = loaded(tmp_path, "opaque.png", pillow_bytes(rgba, "PNG"))
    np.testing.assert_array_equal(levels(opaque, 255), rgba[..., :3])
    assert "alpha" not in opaque.metadata


def test_grey_with_alpha(tmp_path: Path) -> None:
    both = np.dstack([grey8(), np.full_like(grey8(), 255)])
    for name, content in (
        ("la.png", bytes(imagecodecs.png_encode(both))),
        ("la.tif", tiff_bytes(both, photometric="minisblack", planarconfig="contig", extrasamples=["unassalpha"])),
    ):
        image = loaded(tmp_path, name, content)
        assert image.channels == 1
        np.testing.assert_array_equal(levels(image, 255), grey8())


def test_cmyk(tmp_path: Path) -> None:
    """(1 − C)(1 − K), by hand, at 8 and at 16 bits; JPEG stores CMYK inverted, as Adobe does."""
    cmyk = np.dstack([rgb8(), grey8()])
    expected = (1 - rgb8() / 255) * (1 - grey8()[:, :, None] / 255)
    for factor, depth in ((1, np.uint8), (257, np.uint16)):
        content = tiff_bytes(cmyk.astype(depth) * depth(factor), photometric="separated", planarconfig="contig")
        image = loaded(tmp_path, "c.tif", content)
        np.testing.assert_allclose(image.numpy(), expected, atol=1e-6)
        assert "CMYK" in image.metadata["notes"][-1]
    flat = PilImage.new("CMYK", (16, 16), (255, 0, 0, 0))
    np.testing.assert_allclose(
        loaded(tmp_path, "c.jpg", pillow_bytes(flat, "JPEG")).numpy()[8, 8], (0, 1, 1), atol=0.02
    )


def test_lab(tmp_path: Path) -> None:
    """L* 50 is sRGB 119 (Y 0.1842); a pure a* of +60 is reddish."""
    lab = np.zeros((8, 8, 3), np.int8)
    lab[..., 0] = 127  # as unsigned 127: L* 49.8
    content = tiff_bytes(lab.view(np.uint8), photometric="cielab", planarconfig="contig")
    assert levels_near(loaded(tmp_path, "lab.tif", content)) == (118, 118, 118)
    lab[..., 1] = 60
    content = tiff_bytes(lab.view(np.uint8), photometric="cielab", planarconfig="contig")
    red, green, blue = levels_near(loaded(tmp_path, "lab.tif", content))
    assert red > 190 and green < 80 and 100 < blue < 140


def levels_near(image: Image) -> tuple[int, ...]:
    return tuple(int(v) for v in (image.numpy()[4, 4] * 255).round())


def test_white_is_zero(tmp_path: Path) -> None:
    for array, top in ((grey8(), 255), (grey16(), 65535)):
        image = loaded(tmp_path, "w.tif", tiff_bytes(array, photometric="miniswhite"))
        np.testing.assert_array_equal(levels(image, top), top - array.astype(int))
        assert "inverted" in image.metadata["notes"][0]


def test_floats(tmp_path: Path) -> None:
    unit = (grey16() / 65535).astype(np.float32)
    for dtype, tolerance in ((np.float16, 5e-4), (np.float32, 0), (np.float64, 0)):
        image = loaded(tmp_path, "unit.tif", tiff_bytes(unit.astype(dtype)))
        np.testing.assert_allclose(image.numpy(), unit, atol=tolerance)
        assert image.bit_depth == 32 and image.metadata["notes"] == []
    counts = unit.astype(np.float64) * 4000 - 500
    for options in ({}, {"tile": (32, 32), "compression": "zlib", "predictor": 3}):
        image = loaded(tmp_path, "counts.tif", tiff_bytes(counts.astype(np.float32), **options))
        expected = (counts - counts.min()) / (counts.max() - counts.min())
        np.testing.assert_allclose(image.numpy(), expected, atol=1e-6)
        assert image.metadata["notes"][0].startswith("float values -") and "scaled to 0…1" in image.metadata["notes"][0]
    flat = loaded(tmp_path, "flat.tif", tiff_bytes(np.full((4, 5), -7.5, np.float32)))
    assert float(flat.pixels.abs().max()) == 0


def test_signed_and_wide_integers(tmp_path: Path) -> None:
    signed = (grey16().astype(np.int32) - 32768).astype(np.int16)
    image = loaded(tmp_path, "i16.tif", tiff_bytes(signed))
    np.testing.assert_array_equal(levels(image, 65535), grey16())
    assert "shifted" in image.metadata["notes"][0]
    for dtype in (np.uint32, np.int32):
        wide = grey16().astype(dtype) * 3
        image = loaded(tmp_path, "wide.tif", tiff_bytes(wide))
        low, high = int(wide.min()), int(wide.max())
        np.testing.assert_allclose(image.numpy(), (wide - low) / (high - low), atol=1e-7)
        assert image.bit_depth == 32 and "integer values" in image.metadata["notes"][0]


def test_planes(tmp_path: Path) -> None:
    for name in ("stack.ome.tif", "stack.imagej.tif", "scan.dcm"):
        with open_image(write(tmp_path, name)) as file:
            assert (file.planes, file.channels, file.bit_depth) == (3, 1, 16)
            np.testing.assert_array_equal(levels(file.read(0), 65535), grey16())
            np.testing.assert_array_equal(levels(file.read(1), 65535), grey16()[::-1])
            np.testing.assert_array_equal(levels(file.read(2), 65535), grey16()[:, ::-1])
            assert file.read(2).metadata["plane"] == 2 and file.metadata["planes"] == 3
            for plane in (3, -1):
                with pytest.raises(ReadError, match="plane from 0 to 2"):
                    file.read(plane)
    assert loaded(tmp_path, "stack.ome.tif", None, plane=1).metadata["labels"] == "Z=1"


def test_stack_without_directories(tmp_path: Path) -> None:
    """ImageJ writes one directory for a large stack; the other planes lie behind the first."""
    stack = np.stack([grey16(), grey16()[::-1], grey16()[:, ::-1]])
    for options in ({"imagej": True}, {"shaped": True}):
        path = tmp_path / "long.tif"
        import tifffile

        if "imagej" in options:
            content = bytearray(tiff_bytes(stack, imagej=True))
            with tifffile.TiffFile(write(tmp_path, "all.tif", bytes(content))) as tif:
                page = tif.pages[0]
                link = page.offset + 2 + 12 * len(page.tags)
                assert page.is_contiguous
            content[link : link + 4] = bytes(4)
            path.write_bytes(content)
        else:
            tifffile.imwrite(path, stack, photometric="minisblack", metadata={"truncate": True}, contiguous=True)
        with open_image(path) as file:
            assert file.planes == 3
            np.testing.assert_array_equal(levels(file.read(2), 65535), grey16()[:, ::-1])


def test_hyperstack_labels(tmp_path: Path) -> None:
    stack = np.stack([grey16()] * 6).reshape(1, 2, 3, *grey16().shape)
    for name, options in (("h.tif", {"imagej": True}), ("h.ome.tif", {"ome": True})):
        content = tiff_bytes(stack, metadata={"axes": "TZCYX"}, **options)
        with open_image(write(tmp_path, name, content)) as file:
            found = [file.read(plane).metadata["labels"] for plane in range(6)]
        assert [set(label.split()) for label in found] == [{f"Z={z}", f"C={c}"} for z in range(2) for c in range(3)]


def test_colour_only_if_the_file_says_so(tmp_path: Path) -> None:
    """Three channels of a microscope are three planes; three channels called RGB are one picture."""
    channels = np.moveaxis(rgb8(), 2, 0)
    for options in ({"planarconfig": "separate"}, {"metadata": {"axes": "CYX"}, "ome": True}):
        with open_image(write(tmp_path, "c.tif", tiff_bytes(channels, photometric="minisblack", **options))) as file:
            assert (file.planes, file.channels) == (3, 1)
            np.testing.assert_array_equal(levels(file.read(1), 255), grey8())
    for options in ({"planarconfig": "separate"}, {"planarconfig": "separate", "tile": (16, 16)}):
        image = loaded(tmp_path, "rgb.tif", tiff_bytes(channels, photometric="rgb", **options))
        np.testing.assert_array_equal(levels(image, 255), rgb8())


def test_thumbnails_and_pyramids_are_not_planes(tmp_path: Path) -> None:
    import tifffile

    path = tmp_path / "pyramid.tif"
    with tifffile.TiffWriter(path) as tif:
        tif.write(rgb8(), photometric="rgb", metadata=None)
        tif.write(rgb8()[::2, ::2].copy(), photometric="rgb", subfiletype=1, metadata=None)
    with open_image(path) as file:
        assert file.planes == 1 and "1 thumbnails" in file.metadata["notes"][0]


def test_moving_pictures_give_the_first_frame(tmp_path: Path) -> None:
    frames = [PilImage.fromarray(rgb8()), PilImage.fromarray(rgb8()[::-1].copy())]
    for kind, options in (("PNG", {}), ("WEBP", {"lossless": True}), ("GIF", {})):
        content = pillow_bytes(frames[0], kind, save_all=True, append_images=frames[1:], **options)
        image = loaded(tmp_path, f"moving.{kind.lower()}", content)
        assert any("first frame" in note for note in image.metadata["notes"])
        tolerance = 0.2 if kind == "GIF" else 1e-6
        np.testing.assert_allclose(image.numpy(), rgb8() / 255, atol=tolerance)


class TestDicom:
    def test_monochrome1_is_inverted(self, tmp_path: Path) -> None:
        image = loaded(tmp_path, "m.dcm", dicom_bytes(grey16(), PhotometricInterpretation="MONOCHROME1"))
        np.testing.assert_array_equal(levels(image, 65535), 65535 - grey16().astype(int))

    def test_stored_bits_are_the_range(self, tmp_path: Path) -> None:
        image = loaded(tmp_path, "b.dcm", dicom_bytes((grey16() >> 4).astype(np.uint16), BitsStored=12, HighBit=11))
        np.testing.assert_array_equal(levels(image, 4095), grey16() >> 4)

    def test_signed_with_rescale(self, tmp_path: Path) -> None:
        values = (grey16().astype(np.int32) - 32768).astype(np.int16)
        image = loaded(tmp_path, "ct.dcm", dicom_bytes(values, RescaleSlope=2, RescaleIntercept=-1024, Modality="CT"))
        np.testing.assert_array_equal(levels(image, 65535), grey16())
        assert image.metadata["rescale"] == (2, -1024) and image.metadata["maker"]["Modality"] == "CT"
        image = loaded(tmp_path, "ct.dcm", dicom_bytes(values, RescaleSlope=-2))
        np.testing.assert_array_equal(levels(image, 65535), 65535 - grey16().astype(int))

    def test_colour(self, tmp_path: Path) -> None:
        np.testing.assert_array_equal(levels(loaded(tmp_path, "c.dcm", dicom_bytes(rgb8())), 255), rgb8())

    def test_pixel_spacing(self, tmp_path: Path) -> None:
        assert loaded(tmp_path, "scan.dcm").pixel_size == pytest.approx(5e-4)


class TestRaw:
    def test_linear_sixteen_bits(self, tmp_path: Path) -> None:
        """A grey ramp, white balance 1: what the sensor saw over its white level, up to demosaicking."""
        image = loaded(tmp_path, "camera.dng")
        assert (image.channels, image.height, image.width, image.bit_depth) == (3, 128, 160, 16)
        y, x = np.mgrid[:128, :160]
        expected = (2000 + 300 * y + 100 * x) / 65535
        np.testing.assert_allclose(image.numpy()[8:-8, 8:-8, 1], expected[8:-8, 8:-8], atol=0.002)
        assert "linear" in image.metadata["notes"][0]

    def test_mosaic_under_another_name_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(ReadError, match="mosaic"):
            loaded(tmp_path, "camera.tif", dng_bytes())


@pytest.mark.parametrize(
    ("name", "module", "extra"), [("camera.dng", "rawpy", "raw"), ("scan.dcm", "pydicom", "dicom")]
)
def test_missing_extra_is_named(
    name: str, module: str, extra: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path, name)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match=rf"pip install 'kukkiri\[{extra}\]'"):
        load(path)


class TestPillowImages:
    @pytest.mark.parametrize(
        "mode", ["1", "L", "P", "RGB", "RGBA", "LA", "CMYK", "YCbCr", "HSV", "LAB", "I", "F", "I;16"]
    )
    def test_modes(self, mode: str) -> None:
        source = PilImage.fromarray(rgb8())
        if mode == "I;16":
            pil = PilImage.fromarray(grey16())
        elif mode == "LAB":
            from PIL import ImageCms

            srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
            pil = ImageCms.profileToProfile(source, srgb, lab, outputMode="LAB")
        elif mode == "F":
            pil = PilImage.fromarray((grey8() / 255).astype(np.float32))
        elif mode == "I":
            pil = PilImage.fromarray(grey16().astype(np.int32))
        else:
            pil = source.convert(mode)
        image = as_image(pil)
        grey = mode in ("1", "L", "LA", "I", "F", "I;16")
        expected = grey16() / 65535 if "I" in mode else grey8() / 255 if mode == "F" else rgb8() / 255
        if mode in ("L", "LA"):
            expected = np.asarray(source.convert("L")) / 255
        if mode == "1":
            expected = np.asarray(pil).astype(float)
        assert image.channels == (1 if grey else 3)
        tolerance = {"P": 0.35, "YCbCr": 0.02, "HSV": 0.04, "LAB": 0.08, "CMYK": 0.02}.get(mode, 1e-6)
        np.testing.assert_allclose(image.numpy(), expected, atol=tolerance)

    def test_orientation_and_nan(self) -> None:
        pil = PilImage.fromarray(rgb8())
        pil.info["exif"] = exif_with_orientation(3)
        np.testing.assert_array_equal(levels(from_pillow(pil), 255), rgb8()[::-1, ::-1])
        with pytest.raises(ReadError, match="NaN"):
            from_pillow(PilImage.fromarray(np.full((3, 3), np.nan, np.float32)))


def test_open_file_has_a_header_without_decoding(tmp_path: Path) -> None:
    for name in samples():
        with open_image(write(tmp_path, name)) as file:
            image = file.read()
            assert file.shape() == tuple(image.pixels.shape) == (file.channels, file.height, file.width)
            assert (file.bit_depth, file.pixel_size) == (image.bit_depth, image.pixel_size)
            assert file.metadata["format"] == image.metadata["format"]
        with pytest.raises(InputError, match="closed"):
            file.read()


def test_region_outside_is_an_error(tmp_path: Path) -> None:
    with open_image(write(tmp_path, "rgb.png")) as file:
        for box in (Box(0, 0, 61, 5), Box(-1, 0, 5, 5), Box(0, 0, 0, 5), Box(0, 88, 5, 3)):
            with pytest.raises(ShapeError, match="inside 90×60"):
                file.read_region(0, box)


def test_wrong_kinds_of_argument() -> None:
    with pytest.raises(InputError, match="path"):
        kk.load(3)  # type: ignore[arg-type]


def test_heavy_libraries_wait_until_needed() -> None:
    code = (
        "import sys, kukkiri.images.reading\n"
        "print([m for m in ('tifffile', 'imagecodecs', 'rawpy', 'pydicom', 'PIL', 'skimage') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
