"""JPEG 2000 and JPEG XL at their own depth, and the sizes that such streams claim."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

from torch import Tensor

from kukkiri.errors import ReadError, one_line
from kukkiri.images.decoder import Decoder, Header, check_sides
from kukkiri.images.guard import explained
from kukkiri.images.samples import Encoding, full_range_of, to_pixels

Decoded: TypeAlias = tuple[Tensor, tuple[str, ...], Mapping[str, Any]]


class CodestreamDecoder(Decoder):
    """A JPEG 2000 or JPEG XL file."""

    # Both can hold a flat picture of any size in a few bytes.
    pixels_per_byte = 65536.0

    def __init__(self, path: Path, kind: str, max_pixels: int | None = None) -> None:
        super().__init__(path)
        self.format, self._max_pixels = kind, max_pixels
        self._decoded: Decoded | None = None
        with path.open("rb") as file:
            head = file.read(2**16)
        with explained(path, kind):
            if kind == "JPEG 2000":
                width, height, samples, self._bits, signed = jpeg2000_header(head)
                self._kind = "i" if signed else "u"
                self._encoding = _encoding(samples)
                self._header: Header | None = Header(
                    self._encoding.channels, height, width, 16 if self._bits > 8 else 8
                )
            else:
                width, height = jpegxl_sides(head)
                self._header = None
                self._sides = (width, height)
        check_sides(width, height, path)

    @property
    def planes(self) -> int:
        """Always 1."""
        return 1

    def header(self, plane: int) -> Header:
        """What the file says; of JPEG XL the depth is known only after decoding."""
        self.check_plane(plane)
        if self._header is None:
            width, height = self._sides
            self.check_size(Header(3, height, width, 8), self._max_pixels)
            self._decoded = self._decode()  # sets the header
        if self._header is None:
            raise ReadError(expected="a sound JPEG XL file", got=one_line(self.path), fix="export it again")
        return self._header

    def read(self, plane: int) -> Decoded:
        """Decode it."""
        self.check_plane(plane)
        decoded, self._decoded = self._decoded, None
        return decoded if decoded is not None else self._decode()

    def close(self) -> None:
        """Let go of what was decoded."""
        super().close()
        self._decoded = None

    def _decode(self) -> Decoded:
        import imagecodecs

        with explained(self.path, self.format):
            data = self.path.read_bytes()
            if self.format == "JPEG 2000":
                array, bits = imagecodecs.jpeg2k_decode(data), self._bits
            else:
                array = imagecodecs.jpegxl_decode(data)
                bits = array.dtype.itemsize * 8
                array = array[0] if array.ndim == 4 else array  # the first frame
            array = array if array.ndim == 3 else array[:, :, None]
            encoding = _encoding(array.shape[2])
            low, high = full_range_of(array.dtype, min(bits, array.dtype.itemsize * 8))
            encoding = Encoding(encoding.colour, encoding.alpha, low, high)
            pixels, notes, metadata = to_pixels(array, encoding)
        depth = 32 if array.dtype.kind == "f" or bits > 16 else 16 if bits > 8 else 8
        if self._header is None:
            self._header = Header(encoding.channels, int(pixels.shape[1]), int(pixels.shape[2]), depth)
        return pixels, notes, metadata


def _encoding(samples: int) -> Encoding:
    if samples not in (1, 2, 3, 4):
        raise ValueError(f"{samples} channels")
    return Encoding("grey" if samples < 3 else "rgb", "straight" if samples in (2, 4) else "")


def inner_sides(data: bytes) -> tuple[int, int] | None:
    """Width and height that a JPEG 2000, JPEG XL, PNG or JPEG stream claims; None for any other bytes."""
    try:
        if data[:4] == b"\xff\x4f\xff\x51" or data[4:8] == b"jP  ":
            return jpeg2000_header(data)[:2]
        if data[:2] == b"\xff\x0a" or data[4:8] == b"JXL ":
            return jpegxl_sides(data)
        if data[:8] == b"\x89PNG\r\n\x1a\n":
            width, height = struct.unpack_from(">II", data, 16)
            return width, height
        if data[:3] == b"\xff\xd8\xff":
            return jpeg_sides(data)
    except (struct.error, ValueError, IndexError):
        pass
    return None


def jpeg_sides(data: bytes) -> tuple[int, int] | None:
    """Width and height of a JPEG stream's frame header."""
    at = 2
    while at + 9 < len(data) and data[at] == 0xFF:
        marker, length = data[at + 1], struct.unpack_from(">H", data, at + 2)[0]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack_from(">HH", data, at + 5)
            return width, height
        at += 2 + length
    return None


def jpeg2000_header(data: bytes) -> tuple[int, int, int, int, bool]:
    """Width, height, components, bits and sign of a JPEG 2000 stream, from its SIZ marker.

    Raises
    ------
    ValueError, struct.error
        If there is none in `data`.
    """
    at = data.find(b"\xff\x4f\xff\x51")
    if at < 0:
        raise ValueError("no codestream in the first 64 KiB")
    x1, y1, x0, y0 = struct.unpack_from(">IIII", data, at + 8)
    components = struct.unpack_from(">H", data, at + 40)[0]
    precision = data[at + 42]
    return x1 - x0, y1 - y0, components, (precision & 0x7F) + 1, bool(precision & 0x80)


def jpegxl_sides(data: bytes) -> tuple[int, int]:
    """Width and height of a JPEG XL stream, from its SizeHeader (ISO/IEC 18181-1, D.2).

    Raises
    ------
    ValueError
        If there is none in `data`.
    """
    if data[:2] != b"\xff\x0a":
        at = data.find(b"\xff\x0a", data.find(b"jxlc") if b"jxlc" in data else data.find(b"jxlp"))
        if at < 0:
            raise ValueError("no codestream in the first 64 KiB")
        data = data[at:]
    bits = int.from_bytes(data[2:18], "little")

    def take(count: int) -> int:
        nonlocal bits
        value = bits & ((1 << count) - 1)
        bits >>= count
        return value

    def side() -> int:
        return 1 + take((9, 13, 18, 30)[take(2)])

    small = take(1)
    height = (take(5) + 1) * 8 if small else side()
    ratio = take(3)
    if ratio:
        over, under = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))[ratio - 1]
        return height * over // under, height
    return ((take(5) + 1) * 8 if small else side()), height
