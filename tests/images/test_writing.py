"""What is written is what is read again: pixels, depth, metadata."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image as PilImage
from PIL import ImageCms
from PIL.TiffImagePlugin import IFDRational

from images.make_files import exif_with_orientation, grey8, grey16, pillow_bytes, rgb8, rgb16, samples, write
from kukkiri.errors import InputError, WriteError
from kukkiri.images.image import Image, as_image
from kukkiri.images.reading import load
from kukkiri.images.writing import save

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


@pytest.mark.parametrize("suffix", [".png", ".tif", ".tiff"])
@pytest.mark.parametrize("array", [grey8(), rgb8(), grey16(), rgb16()], ids=["grey8", "rgb8", "grey16", "rgb16"])
def test_pixels_and_depth(array: np.ndarray, suffix: str, tmp_path: Path) -> None:
    source = as_image(array)
    save(source, tmp_path / f"a{suffix}")
    image = load(tmp_path / f"a{suffix}")
    assert torch.equal(image.pixels, source.pixels)
    assert image.bit_depth == source.bit_depth == array.dtype.itemsize * 8


def test_png_is_truly_sixteen_bits(tmp_path: Path) -> None:
    save(rgb16(), tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes()[24:26] == bytes([16, 2])  # IHDR: depth 16, colour type RGB


def test_float_and_bits(tmp_path: Path) -> None:
    values = torch.rand(1, 20, 30)
    save(Image(values, bit_depth=32), tmp_path / "f.tif")
    image = load(tmp_path / "f.tif")
    assert torch.equal(image.pixels, values) and image.bit_depth == 32
    flags = grey8() > 100
    for name in ("b.png", "b.tif"):
        save(flags, tmp_path / name)
        image = load(tmp_path / name)
        assert image.bit_depth == 1 and torch.equal(image.pixels[0] > 0.5, torch.from_numpy(flags))
    save(Image(values, bit_depth=1), tmp_path / "g.png")
    assert load(tmp_path / "g.png").bit_depth == 8


def test_jpeg(tmp_path: Path) -> None:
    save(rgb8(), tmp_path / "a.jpg")
    error = (load(tmp_path / "a.jpg").pixels * 255 - torch.from_numpy(np.moveaxis(rgb8(), 2, 0).copy())).abs()
    assert float(error.mean()) < 2.5
    save(rgb8(), tmp_path / "b.jpg", quality=50)
    assert (tmp_path / "b.jpg").stat().st_size < (tmp_path / "a.jpg").stat().st_size


def test_depth_is_not_lost_silently(tmp_path: Path) -> None:
    with pytest.raises(WriteError, match="bit_depth=8"):
        save(rgb16(), tmp_path / "a.jpg")
    save(rgb16(), tmp_path / "a.jpg", bit_depth=8)
    with pytest.raises(WriteError, match="write TIFF, or give bit_depth=16"):
        save(torch.rand(3, 9, 9), tmp_path / "a.png")
    save(torch.rand(3, 9, 9), tmp_path / "a.png", bit_depth=16)
    assert load(tmp_path / "a.png").bit_depth == 16


@pytest.mark.parametrize("suffix", [".png", ".tif", ".jpg"])
@pytest.mark.parametrize("pixel_size", [None, 1e-10, 1.953e-9, 1e-6, 25.4e-6, 1e-4])
def test_pixel_size_and_profile(suffix: str, pixel_size: float | None, tmp_path: Path) -> None:
    """25.4 µm is 1000 dots per inch, which would pass for a print setting: it comes back all the same."""
    source = Image(as_image(rgb8()).pixels, 8, pixel_size, None, {"icc_profile": SRGB})
    save(source, tmp_path / f"a{suffix}")
    image = load(tmp_path / f"a{suffix}")
    assert image.pixel_size == (None if pixel_size is None else pytest.approx(pixel_size, rel=1e-6))
    assert image.metadata["icc_profile"] == SRGB
    grey = as_image(grey8())
    save(grey, tmp_path / f"g{suffix}", like=source)
    assert "icc_profile" not in load(tmp_path / f"g{suffix}").metadata  # an RGB profile would be wrong


def test_other_programs_see_the_resolution(tmp_path: Path) -> None:
    source = Image(as_image(rgb8()).pixels, 8, 2e-7)
    save(source, tmp_path / "a.tif")
    with tifffile.TiffFile(tmp_path / "a.tif") as tif:
        assert tif.pages[0].get_resolution("CENTIMETER") == pytest.approx((50000, 50000))  # type: ignore[union-attr]
    save(source, tmp_path / "a.png")
    with PilImage.open(tmp_path / "a.png") as pil:
        assert pil.info["dpi"][0] == pytest.approx(5e6 * 0.0254)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif"])
@pytest.mark.parametrize("orientation", [1, 6, 8])
def test_exif_is_kept_but_the_picture_stays_upright(suffix: str, orientation: int, tmp_path: Path) -> None:
    content = pillow_bytes(rgb8(), "JPEG", exif=exif_with_orientation(orientation), quality=95)
    source = load(write(tmp_path, "phone.jpg", content))
    path = tmp_path / f"a{suffix}"
    save(source, path)
    image = load(path)
    assert image.pixels.shape == source.pixels.shape
    assert float((image.pixels - source.pixels).abs().mean()) < 0.02
    with PilImage.open(path) as pil:
        exif = pil.getexif()
        assert exif[0x010F] == "Maker" and exif.get(0x0112, 1) == 1


def test_exposure_and_place_survive_every_format(tmp_path: Path) -> None:
    """The inner directories of EXIF: JPEG → TIFF → PNG → TIFF → JPEG."""
    exif = PilImage.Exif()
    exif[0x0110] = "Model"
    exif.get_ifd(0x8769).update({0x829A: IFDRational(1, 250), 0x8827: 400, 0xA434: "Lens"})
    exif.get_ifd(0x8825).update({1: "N", 2: (35.0, 41.0, 22.0)})
    image = load(write(tmp_path, "phone.jpg", pillow_bytes(rgb8(), "JPEG", exif=exif.tobytes())))
    for name in ("a.tif", "b.png", "c.tif", "d.jpg"):
        save(image, tmp_path / name)
        image = load(tmp_path / name)
        with PilImage.open(tmp_path / name) as pil:
            found = pil.getexif()
            inner, place = found.get_ifd(0x8769), found.get_ifd(0x8825)
        assert found[0x0110] == "Model"
        assert (float(inner[0x829A]), inner[0x8827], inner[0xA434]) == (1 / 250, 400, "Lens")
        assert place[1] == "N" and tuple(float(v) for v in place[2]) == (35, 41, 22)


def test_like_gives_depth_and_metadata(tmp_path: Path) -> None:
    source = Image(as_image(rgb16()).pixels, 16, 1e-8)
    save(source.pixels * 0.5, tmp_path / "a.png", like=source)
    image = load(tmp_path / "a.png")
    assert (image.bit_depth, image.pixel_size) == (16, pytest.approx(1e-8))


@pytest.mark.parametrize("name", samples())
def test_every_input_can_be_written_back(name: str, tmp_path: Path) -> None:
    source = load(write(tmp_path, name))
    save(source, tmp_path / "copy.tif")
    copy = load(tmp_path / "copy.tif")
    assert (copy.bit_depth, copy.pixel_size) == (source.bit_depth, pytest.approx(source.pixel_size))
    step = 2.0**-source.bit_depth if source.bit_depth < 32 else 0
    torch.testing.assert_close(copy.pixels, source.pixels, rtol=0, atol=step)


def test_all_or_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If writing fails half way the old file is whole, and nothing is left lying about."""
    path = tmp_path / "a.tif"
    save(rgb8(), path)
    before = path.read_bytes()

    def fail(place: Path, *_: object, **__: object) -> None:
        Path(place).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tifffile, "imwrite", fail)
    with pytest.raises(WriteError, match="No space left"):
        save(rgb16(), path)
    assert path.read_bytes() == before and [p.name for p in tmp_path.iterdir()] == ["a.tif"]


def test_places_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "folder.png").mkdir()
    for place in (tmp_path / "folder.png", tmp_path / "no folder" / "a.png", tmp_path / ("x" * 300 + ".png")):
        with pytest.raises(WriteError, match="expected .*, got .*; "):
            save(rgb8(), place)
    for name in ("a.gif", "a", "a.webp"):
        with pytest.raises(WriteError, match=r"\.png, \.tif"):
            save(rgb8(), tmp_path / name)
    assert [p.name for p in tmp_path.iterdir()] == ["folder.png"]


def test_tags_survive_from_tiff_to_tiff(tmp_path: Path) -> None:
    """Also beside a pixel size that needs a line of its own in the description, twice over."""
    tags = {271: "Maker", 272: "Model X", 315: "Ann", 33432: "© Ann"}
    tifffile.imwrite(
        tmp_path / "a.tif", rgb16(), photometric="rgb", metadata=None, datetime="2026:01:02 03:04:05",
        description="specimen 7", extratags=[(tag, 2, 0, text.encode(), True) for tag, text in tags.items()],
    )  # fmt: skip
    image = load(tmp_path / "a.tif")
    image = Image(image.pixels, 16, 25.4e-6, None, image.metadata)
    for name in ("b.tif", "c.tif"):
        save(image, tmp_path / name)
        image = load(tmp_path / name)
        assert image.pixel_size == pytest.approx(25.4e-6)
        found = [image.metadata[key] for key in ("make", "model", "artist", "copyright", "date_time", "description")]
        assert found == ["Maker", "Model X", "Ann", "© Ann", "2026:01:02 03:04:05", "specimen 7"]


def test_links_and_permissions_stay(tmp_path: Path) -> None:
    save(rgb8(), tmp_path / "real.png")
    (tmp_path / "real.png").chmod(0o640)
    (tmp_path / "link.png").symlink_to("real.png")
    save(grey8(), tmp_path / "link.png")
    assert (tmp_path / "link.png").is_symlink() and load(tmp_path / "real.png").channels == 1
    assert (tmp_path / "real.png").stat().st_mode & 0o777 == 0o640
    (tmp_path / "circle.png").symlink_to("circle.png")
    with pytest.raises(WriteError, match="expected .*, got .*; "):
        save(grey8(), tmp_path / "circle.png")


def test_what_jpeg_cannot_hold(tmp_path: Path) -> None:
    with pytest.raises(WriteError, match="65500 pixels for JPEG"):
        save(np.zeros((2, 65501), np.uint8), tmp_path / "wide.jpg")
    exif = PilImage.Exif()
    exif[0x010E] = "x" * 70000
    source = Image(as_image(rgb8()).pixels, 8, None, None, {"exif": exif.tobytes()})
    with pytest.raises(WriteError, match="bytes of EXIF"):
        save(source, tmp_path / "a.jpg")
    assert list(tmp_path.iterdir()) == []


def test_wrong_arguments(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="quality"):
        save(rgb8(), tmp_path / "a.jpg", quality=0)
    with pytest.raises(InputError, match="bit depth"):
        save(rgb8(), tmp_path / "a.png", bit_depth=12)
