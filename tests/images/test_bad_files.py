"""Whatever is in a file: a picture or an error that says what to do."""

from __future__ import annotations

import logging
import os
import struct
import subprocess
import sys
import warnings
import zlib
from dataclasses import replace
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from images.make_files import grey8, patched, png_chunk, rgb8, samples, tiff_bytes, with_chunk, write
from kukkiri.errors import KukkiriError, ReadError, SizeError
from kukkiri.images.masks import Box
from kukkiri.images.reading import load, open_image


def error_of(path: Path) -> str:
    with pytest.raises(ReadError, match="expected .*, got .*; ") as caught:
        load(path)
    return str(caught.value)


def check_picture_or_error(path: Path) -> bool:
    """Read everything; True if it is a picture."""
    try:
        with open_image(path) as file:
            for plane in range(min(file.planes, 3)):
                image = file.read(plane)
                assert image.pixels.dtype == torch.float32
                assert file.shape(plane) == tuple(image.pixels.shape)
                low, high = torch.aminmax(image.pixels)
                assert low >= -1e-4 and high <= 1 + 1e-4
                region = file.read_region(plane, Box(0, 0, min(9, image.height), min(9, image.width)))
                assert torch.equal(region, image.pixels[:, :9, :9])
        return True
    except KukkiriError as error:
        assert error.expected and error.got and error.fix
        return False


@pytest.mark.parametrize("name", samples())
def test_untouched_files_are_pictures(name: str, tmp_path: Path) -> None:
    assert check_picture_or_error(write(tmp_path, name))


@pytest.mark.parametrize("name", samples())
def test_cut_off_files(name: str, tmp_path: Path) -> None:
    """Cut in the middle there is no picture, unless the missing bytes held nothing (a further plane, an index)."""
    content = samples()[name]
    for share in (0.02, 0.1, 0.3, 0.5, 0.7):
        is_picture = check_picture_or_error(write(tmp_path, name, content[: int(len(content) * share)]))
        assert not is_picture or name in ("stack.ome.tif", "stack.imagej.tif", "rgb16.jp2"), share


@pytest.mark.parametrize(
    "name", ["rgb.jpg", "progressive.jpg", "rgb.png", "rgb.gif", "lossy.webp", "rgb.avif", "big.tif", "rgb16.jxl"]
)
def test_last_tenth_missing(name: str, tmp_path: Path) -> None:
    """No grey filler: what is not there is an error."""
    content = samples()[name]
    error_of(write(tmp_path, name, content[: len(content) * 9 // 10]))


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.parametrize("name", samples())
@given(
    changes=st.lists(st.tuples(st.floats(0, 0.9999), st.integers(0, 255)), min_size=1, max_size=8), head=st.booleans()
)
def test_flipped_bytes(name: str, changes: list[tuple[float, int]], head: bool, tmp_path: Path) -> None:
    content = bytearray(samples()[name])
    reach = min(len(content), 400) if head else len(content)
    for place, value in changes:
        content[int(place * reach)] = value
    check_picture_or_error(write(tmp_path, name, bytes(content)))


def test_nothing_of_the_kind(tmp_path: Path) -> None:
    for name, content, said in (
        ("zero.png", b"", "0 bytes"),
        ("zeros.tif", bytes(1000), "zeros only"),
        ("text.jpg", b"not a picture\n", "a text file"),
        ("page.jpg", b"<!DOCTYPE html><html>", "a web page"),
        ("drawing.png", b"<?xml version='1.0'?><svg/>", "XML or SVG"),
        ("paper.png", b"%PDF-1.7\n\xff", "a PDF"),
        ("phone.jpg", b"\0\0\0\x18ftypheic\0\0\0\0mif1", "HEIC"),
        ("one byte.bmp", b"B", "a text file"),
        ("bm.bmp", b"BM", "BMP"),
        ("new\nline 🎈.png", b"", r"new\nline"),
    ):
        assert said in error_of(write(tmp_path, name, content)), name
    assert "folder" in error_of(tmp_path)
    assert "no file" in error_of(tmp_path / "missing.png")
    assert "permission" in error_of(locked(tmp_path)) or os.geteuid() == 0
    os.mkfifo(tmp_path / "pipe.png")
    assert "pipe" in error_of(tmp_path / "pipe.png")
    assert "device" in error_of(Path("/dev/zero"))
    assert error_of(Path("a\0b.png"))
    assert error_of(Path("x" * 5000))


def locked(folder: Path) -> Path:
    path = write(folder, "rgb.png")
    path.chmod(0)
    if os.geteuid() == 0:  # root may read anything
        path.unlink()
    return path


def test_empty_and_absurd_sides(tmp_path: Path) -> None:
    png = bytearray(samples()["rgb.png"])

    def with_sides(width: int, height: int) -> bytes:
        body = struct.pack(">II", width, height) + bytes(png[24:29])
        return bytes(png[:8]) + png_chunk(b"IHDR", body) + bytes(png[33:])

    error_of(write(tmp_path, "a.png", with_sides(0, 60)))
    error_of(write(tmp_path, "b.png", with_sides(90, 0)))
    error_of(write(tmp_path, "c.png", with_sides(91, 60)))
    assert "convert it to a tiled TIFF" in error_of(write(tmp_path, "d.png", with_sides(2**31 - 1, 2**31 - 1)))
    assert "max_pixels" in error_of(write(tmp_path, "e.png", with_sides(30000, 30000)))
    assert "bomb" in error_of(write(tmp_path, "f.png", with_sides(16384, 16000)))


def test_sides_claimed_by_codestreams(tmp_path: Path) -> None:
    """A JPEG XL header of 2¹⁴ × 2¹⁴ in 12 bytes, a JPEG 2000 header patched to the same: refused before decoding."""
    side = 2**14 - 1  # stored less 1, after the two bits that choose a field of 18
    bits = 0 | 2 << 1 | side << 3 | 1 << 21  # not small, height, ratio 1:1
    error = error_of(write(tmp_path, "a.jxl", b"\xff\x0a" + bits.to_bytes(10, "little")))
    assert "16384×16384" in error and "bomb" in error
    content = bytearray(samples()["rgb16.jp2"])
    at = content.index(b"\xff\x4f\xff\x51")
    struct.pack_into(">II", content, at + 8, 2**16, 2**16)
    assert "65536×65536" in error_of(write(tmp_path, "a.jp2", bytes(content)))


def test_one_pixel_is_a_picture(tmp_path: Path) -> None:
    path = write(tmp_path, "one.tif", tiff_bytes(np.array([[7]], np.uint8)))
    assert load(path).pixels.tolist() == [[[pytest.approx(7 / 255)]]]


def test_limits_can_be_raised_and_lowered(tmp_path: Path) -> None:
    path = write(tmp_path, "rgb.png")
    with pytest.raises(SizeError, match="max_pixels"):
        load(path, max_pixels=5399)
    assert load(path, max_pixels=5400).width == 90


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_not_finite_says_how_many(bad: float, tmp_path: Path) -> None:
    array = grey8().astype(np.float32)
    array[3, 4:7] = bad
    for options in ({}, {"tile": (16, 16), "compression": "zlib"}):
        path = write(tmp_path, "nan.tif", tiff_bytes(array, **options))
        assert "3 of 5400 that are NaN or infinite" in error_of(path) and "nan_to_num" in error_of(path)
        with open_image(path) as file, pytest.raises(ReadError, match="NaN"):
            file.read_region(0, Box(0, 0, 4, 4))


@pytest.mark.parametrize(
    ("tag", "value"),
    [(256, 2**31), (257, 2**31), (322, 2**30), (323, 2**30), (325, 2**31), (324, 2**31), (277, 60000), (258, 4096)],
)
def test_absurd_tiff_headers(tag: int, value: int, tmp_path: Path) -> None:
    content = tiff_bytes(grey8(), tile=(64, 96), compression="zlib", metadata=None)
    error_of(write(tmp_path, "absurd.tif", patched(content, tag, value)))


def test_strips_beyond_the_end(tmp_path: Path) -> None:
    content = tiff_bytes(grey8(), metadata=None)
    assert "cut off" in error_of(write(tmp_path, "beyond.tif", patched(content, 279, 2**30)))


def test_circle_of_pages(tmp_path: Path) -> None:
    content = bytearray(tiff_bytes(grey8(), metadata=None))
    at = struct.unpack_from("<I", content, 4)[0]
    count = struct.unpack_from("<H", content, at)[0]
    struct.pack_into("<I", content, at + 2 + 12 * count, at)
    assert "circle" in error_of(write(tmp_path, "circle.tif", bytes(content)))


def test_profile_and_text_bombs_are_left_out(tmp_path: Path) -> None:
    bomb = zlib.compress(bytes(2**26))
    content = with_chunk(samples()["rgb.png"], b"iCCP", b"x\0\0" + bomb)
    content = with_chunk(content, b"zTXt", b"Comment\0\0" + bomb)
    image = load(write(tmp_path, "bomb.png", content))
    assert "icc_profile" not in image.metadata and "profile" in image.metadata["notes"][0]


def test_wrong_suffix_is_read_and_noted(tmp_path: Path) -> None:
    image = load(write(tmp_path, "really.jpg", samples()["rgb.png"]))
    assert image.metadata["format"] == "PNG" and "named .jpg but is PNG" in image.metadata["notes"]
    assert load(write(tmp_path, "no suffix", samples()["rgb.png"])).metadata["notes"] == []


def test_no_noise_on_the_terminal(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """Neither warnings nor log lines of the libraries get through, for good files and for bad ones."""
    with warnings.catch_warnings(), caplog.at_level(logging.INFO):
        warnings.simplefilter("error")
        for name, content in samples().items():
            if name == "camera.dng":
                continue  # LibRaw writes one line about a damaged file itself, and has no switch for it
            for cut in (len(content), len(content) * 2 // 3, 60):
                check_picture_or_error(write(tmp_path, name, content[:cut]))
    assert caplog.records == []
    assert capfd.readouterr() == ("", "")


def test_memory_stays_small(tmp_path: Path) -> None:
    """Bombs and lies of all sorts in one process that may have 2 GiB in all, torch and decoders included."""
    flat = zlib.compress(bytes(2**27), 9)
    lines = struct.pack(">IIBBBBB", 2**15, 2**15, 8, 0, 0, 0, 0)
    bombs = {
        "flat.png": b"\x89PNG\r\n\x1a\n"
        + png_chunk(b"IHDR", lines)
        + png_chunk(b"IDAT", flat)
        + png_chunk(b"IEND", b""),
        "tile.tif": patched(
            patched(tiff_bytes(grey8(), tile=(64, 96), compression="zlib", metadata=None), 322, 30000), 323, 30000
        ),
        "wide.tif": patched(tiff_bytes(rgb8(), photometric="rgb", compression="zlib", metadata=None), 256, 2**24),
        "sides.webp": b"RIFF\x1e\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0\xff\x3f\0\xff\x3f\0VP8L\0\0\0\0",
    }
    for name, content in bombs.items():
        write(tmp_path, name, content)
    code = (
        "import sys, resource\nfrom pathlib import Path\nfrom kukkiri.images.reading import load\n"
        "from kukkiri.errors import KukkiriError\nimport torch, tifffile, imagecodecs, PIL.Image\n"
        "load(sys.argv[1] + '/fine.tif')\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "for path in sorted(Path(sys.argv[1]).iterdir()):\n"
        "    try:\n        load(path)\n        assert path.name == 'fine.tif', path\n"
        "    except KukkiriError:\n        pass\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    write(tmp_path, "fine.tif", tiff_bytes(grey8()))
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert int(done.stdout) * (1 if sys.platform == "linux" else 1 / 1024) < 100_000, done.stdout  # KiB


def png_of(width: int, height: int, colour: int, *, noise: int = 0) -> bytes:
    """A white PNG of 8 bits, with some incompressible bytes in a chunk that nobody needs."""
    channels = {0: 1, 2: 3}[colour]
    deflater, data = zlib.compressobj(1), b""
    rows = (b"\0" + b"\xff" * (width * channels)) * 50
    for _ in range(height // 50):
        data += deflater.compress(rows)
    data += deflater.flush()
    head = struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + png_chunk(b"IHDR", head)
        + png_chunk(b"IDAT", data)
        + png_chunk(b"xxxx", bytes(noise))
        + png_chunk(b"IEND", b"")
    )


def test_bytes_are_bounded_not_only_pixels(tmp_path: Path) -> None:
    """A flat RGB picture of 6000 × 5000 is under any bound on pixels, and yet 340 MB: refused unless asked for.

    With the same pixels in a file of a two hundredth of their bytes the header is believed; above 2 GiB as single
    precision nothing is decoded in one piece.
    """
    flat = write(tmp_path, "flat.png", png_of(6000, 5000, 2))
    assert "bomb" in error_of(flat)
    with open_image(flat, max_pixels=6000 * 5000) as file:
        file.decoder.check_size(file.header(), 6000 * 5000)
    padded = write(tmp_path, "padded.png", png_of(6000, 5000, 2, noise=6000 * 5000 * 3 // 200))
    with open_image(padded) as file:
        file.decoder.check_size(file.header(), None)
        huge = replace(file.header(), width=15000, height=15000)
        file.decoder.file_size = 2**40
        with pytest.raises(SizeError, match="bytes in one piece"):
            file.decoder.check_size(huge, None)
        file.decoder.check_size(replace(huge, channels=1), None)


def test_blank_scan_is_a_picture(tmp_path: Path) -> None:
    """4096 × 3072 blank pixels of 16 bits shrink a thousand times; that is no bomb, in PNG as in TIFF."""
    blank = np.full((3072, 4096), 60000, np.uint16)
    for name, content in (
        ("b.png", bytes(imagecodecs.png_encode(blank, level=9))),
        ("b.tif", tiff_bytes(blank, compression="zlib", rowsperstrip=3072)),
    ):
        assert len(content) < blank.nbytes / 500
        assert float(load(write(tmp_path, name, content)).pixels[0, 5, 5]) == pytest.approx(60000 / 65535)


def test_tiles_of_many_wide_samples_are_bombs_too(tmp_path: Path) -> None:
    """One tile of 2048 × 2048 × 3 doubles is 100 MB; four of them wide and 400 kB small it is refused."""
    deflater = zlib.compressobj(1)
    tile = b"".join(deflater.compress(bytes(2**20)) for _ in range(4096 * 2048 * 3 * 8 // 2**20)) + deflater.flush()
    path = tmp_path / "deep.tif"
    tifffile.imwrite(
        path, iter([tile]), shape=(2048, 4096, 3), dtype="f8", tile=(2048, 4096), photometric="rgb",
        compression="zlib", metadata=None,
    )  # fmt: skip
    assert "fits its" in error_of(path) and "max_pixels" in error_of(path)
