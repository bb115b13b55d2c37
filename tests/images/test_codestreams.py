"""JPEG 2000, JPEG XL and AVIF: values over the range of the file's own depth, alpha only where the file says so."""

from __future__ import annotations

from pathlib import Path

import imagecodecs
import numpy as np
import pytest

from images.make_files import grey8, grey16, pillow_bytes, rgb8, rgb16, write
from kukkiri.errors import ReadError
from kukkiri.images.codestream import jpegxl_depth, jpegxl_sides
from kukkiri.images.reading import load, open_image


@pytest.mark.parametrize("bits", [9, 10, 12, 14, 16])
def test_jpeg_xl_of_any_depth(bits: int, tmp_path: Path) -> None:
    for array in (rgb16() >> (16 - bits), grey16() >> (16 - bits)):
        content = bytes(imagecodecs.jpegxl_encode(array, lossless=True, bitspersample=bits))
        assert jpegxl_depth(content) == bits and jpegxl_sides(content) == (90, 60)
        with open_image(write(tmp_path, "a.jxl", content)) as file:
            assert file.bit_depth == 16
            np.testing.assert_allclose(file.read().numpy(), array / (2**bits - 1), atol=1e-6)


def test_jpeg_xl_depth_by_hand() -> None:
    """A small square header (8 × 8), then: all default; not default with 10 bits; with extra fields and 12 bits."""
    for bits, depth in (("1", 8), ("0" + "0" + "0" + "01", 10), ("0" + "1" + "000000" + "0" + "10", 12)):
        # Fields of more than one bit are written most significant bit first here, and stored the other way round.
        stream = "1" + "00000" + "100" + (bits[:-2] + bits[:-3:-1] if len(bits) > 1 else bits)
        value = int(stream[::-1], 2)
        head = b"\xff\x0a" + value.to_bytes(8, "little")
        assert (jpegxl_sides(head), jpegxl_depth(head)) == ((8, 8), depth)


@pytest.mark.parametrize("bits", [10, 12])
def test_avif_keeps_its_depth(bits: int, tmp_path: Path) -> None:
    """Pillow makes 8 bits of it; the levels of the decoder itself are the reference."""
    content = bytes(imagecodecs.avif_encode(rgb16() >> (16 - bits), level=100, bitspersample=bits))
    expected = imagecodecs.avif_decode(content) / (2**bits - 1)
    with open_image(write(tmp_path, "a.avif", content)) as file:
        assert (file.bit_depth, file.shape()) == (16, (3, 60, 90))
        image = file.read()
    np.testing.assert_allclose(image.numpy(), expected, atol=1e-6)
    assert len(np.unique(image.numpy())) > 500


def test_avif_without_its_codec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = bytes(imagecodecs.avif_encode(rgb16() >> 6, level=100, bitspersample=10))
    path = write(tmp_path, "a.avif", content)
    monkeypatch.setattr(imagecodecs.AVIF, "available", False)
    with pytest.raises(ReadError, match="10 bits.*wheel"):
        load(path)
    assert load(write(tmp_path, "b.avif", pillow_bytes(rgb8(), "AVIF"))).bit_depth == 8


@pytest.mark.parametrize("channels", [2, 4])
def test_bare_jpeg_2000_has_no_alpha(channels: int, tmp_path: Path) -> None:
    """A codestream without boxes does not say that its last channel is opacity: it is left out, and noted."""
    colour = grey8()[:, :, None] if channels == 2 else rgb8()
    array = np.dstack([colour, grey8() // 2])
    content = bytes(imagecodecs.jpeg2k_encode(array, codecformat="j2k", level=0, reversible=True))
    image = load(write(tmp_path, "a.j2k", content))
    np.testing.assert_allclose(image.numpy().reshape(colour.shape), colour / 255, atol=1e-6)
    assert "alpha" not in image.metadata and "1 extra channels" in image.metadata["notes"][0]


def test_jp2_with_opacity_is_composited(tmp_path: Path) -> None:
    """Pillow writes the channel definition box."""
    rgba = np.zeros((32, 40, 4), np.uint8)
    rgba[8:24, 8:32] = (200, 100, 50, 255)
    content = pillow_bytes(rgba, "JPEG2000", irreversible=False)
    content = content if b"cdef" in content else with_channel_definitions(content)
    image = load(write(tmp_path, "a.jp2", content))
    np.testing.assert_allclose(image.numpy() * 255, np.broadcast_to((200, 100, 50), (32, 40, 3)), atol=0.01)


def with_channel_definitions(content: bytes) -> bytes:
    """A JP2 file whose fourth channel is said to be opacity."""
    entries = b"".join(np.array(e, ">u2").tobytes() for e in ((0, 0, 1), (1, 0, 2), (2, 0, 3), (3, 1, 0)))
    box = (8 + 2 + len(entries)).to_bytes(4, "big") + b"cdef" + b"\0\4" + entries
    at = content.index(b"jp2h") - 4
    length = int.from_bytes(content[at : at + 4], "big")
    end = at + length
    return content[:at] + (length + len(box)).to_bytes(4, "big") + content[at + 4 : end] + box + content[end:]
