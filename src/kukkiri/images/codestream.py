"""JPEG 2000 and JPEG XL at their own depth, and the sizes that such streams claim."""

from __future__ import annotations

import struct
from dataclasses import replace
from pathlib import Path

from kukkiri.images.decoder import Decoded, Header, SinglePlaneDecoder, check_sides
from kukkiri.images.guard import explained
from kukkiri.images.samples import Encoding, full_range_of, to_pixels


class CodestreamDecoder(SinglePlaneDecoder):
    """A JPEG 2000 or JPEG XL file."""

    def __init__(self, path: Path, kind: str, max_pixels: int | None = None) -> None:
        super().__init__(path)
        self.format, self._max_pixels = kind, max_pixels
        self._decoded: Decoded | None = None
        self._known = kind == "JPEG 2000"  # of JPEG XL the channels are known only after decoding
        self._alpha = False
        with path.open("rb") as file:
            head = file.read(2**16)
        with explained(path, kind):
            if self._known:
                width, height, samples, self._bits, _ = jpeg2000_header(head)
                self._alpha = has_opacity(head)
                channels = _encoding(samples, self._alpha).channels
            else:
                width, height = jpegxl_sides(head)
                self._bits, channels = jpegxl_depth(head), 3
        self._header = Header(channels, height, width, _depth(self._bits))
        check_sides(width, height, path)

    def header(self, plane: int) -> Header:
        """What the file says; of JPEG XL the number of channels is known only after decoding."""
        self.check_plane(plane)
        with self._lock:
            if not self._known:
                self.check_size(self._header, self._max_pixels)
                self._decoded = super().read(plane)  # sets the header
            return self._header

    def read(self, plane: int) -> Decoded:
        """Decode it."""
        with self._lock:
            decoded, self._decoded = self._decoded, None
        return decoded if decoded is not None else super().read(plane)

    def close(self) -> None:
        """Let go of what was decoded."""
        super().close()
        self._decoded = None

    def _decode(self) -> Decoded:
        import imagecodecs

        data = self.path.read_bytes()
        if self.format == "JPEG 2000":
            array = imagecodecs.jpeg2k_decode(data)
            alpha = self._alpha
        else:
            array = imagecodecs.jpegxl_decode(data)
            array = array[0] if array.ndim == 4 else array  # the first frame
            alpha = array.ndim == 3 and array.shape[2] in (2, 4)
        array = array if array.ndim == 3 else array[:, :, None]
        encoding = _encoding(array.shape[2], alpha)
        extra = array.shape[2] - encoding.samples
        bits = min(self._bits, array.dtype.itemsize * 8)
        low, high = full_range_of(array.dtype, bits)
        encoding = replace(encoding, low=low, high=high)
        pixels, notes, metadata = to_pixels(array[:, :, : encoding.samples], encoding)
        if extra:
            notes = (f"{extra} extra channels without a meaning left out", *notes)
        if not self._known:
            depth = 32 if array.dtype.kind == "f" else _depth(bits)
            self._header = Header(encoding.channels, int(pixels.shape[1]), int(pixels.shape[2]), depth)
            self._known = True
        return pixels, notes, metadata


def _depth(bits: int) -> int:
    return 32 if bits > 16 else 16 if bits > 8 else 8


def _encoding(samples: int, alpha: bool) -> Encoding:
    """Grey or RGB; the last of an even number of channels is alpha only if the file says so."""
    if samples not in (1, 2, 3, 4):
        raise ValueError(f"{samples} channels")
    return Encoding("grey" if samples < 3 else "rgb", "straight" if alpha and samples in (2, 4) else "")


def has_opacity(head: bytes) -> bool:
    """Whether the channel definition box of a JP2 file names an opacity channel; a bare codestream has no such box."""
    at = head.find(b"cdef")
    if at < 0 or len(head) < at + 6:
        return False
    count = min(struct.unpack_from(">H", head, at + 4)[0], (len(head) - at - 6) // 6)
    return any(struct.unpack_from(">H", head, at + 8 + 6 * i)[0] in (1, 2) for i in range(count))


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


class _Bits:
    """Reads a JPEG XL header, least significant bit first (ISO/IEC 18181-1, 6.2)."""

    def __init__(self, head: bytes) -> None:
        if head[:2] != b"\xff\x0a":
            at = head.find(b"\xff\x0a", head.find(b"jxlc") if b"jxlc" in head else head.find(b"jxlp"))
            if at < 0:
                raise ValueError("no codestream in the first 64 KiB")
            head = head[at:]
        self._bits = int.from_bytes(head[2:66], "little")

    def take(self, count: int) -> int:
        """The next bits as a number."""
        value = self._bits & ((1 << count) - 1)
        self._bits >>= count
        return value

    def choice(self, *fields: tuple[int, int]) -> int:
        """A number in one of four forms, each (offset, further bits)."""
        offset, bits = fields[self.take(2)]
        return offset + self.take(bits)

    def sides(self) -> tuple[int, int]:
        """Width and height of a SizeHeader."""
        forms = ((1, 9), (1, 13), (1, 18), (1, 30))
        small = self.take(1)
        height = (self.take(5) + 1) * 8 if small else self.choice(*forms)
        ratio = self.take(3)
        if ratio:
            over, under = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))[ratio - 1]
            return height * over // under, height
        return ((self.take(5) + 1) * 8 if small else self.choice(*forms)), height

    def preview_sides(self) -> None:
        """Step over a PreviewHeader."""
        forms = ((16, 0), (32, 0), (1, 5), (33, 9)) if self.take(1) else ((1, 6), (65, 8), (321, 10), (1345, 12))
        self.choice(*forms)
        if not self.take(3):
            self.choice(*forms)

    def animation(self) -> None:
        """Step over an AnimationHeader."""
        self.choice((100, 0), (1000, 0), (1, 10), (1, 30))
        self.choice((1, 0), (1001, 0), (1, 8), (1, 10))
        self.choice((0, 0), (0, 3), (0, 16), (0, 32))
        self.take(1)


def jpegxl_sides(data: bytes) -> tuple[int, int]:
    """Width and height of a JPEG XL stream, from its SizeHeader (ISO/IEC 18181-1, D.2).

    Raises
    ------
    ValueError
        If there is none in `data`.
    """
    return _Bits(data).sides()


def jpegxl_depth(data: bytes) -> int:
    """Bits a channel of a JPEG XL stream, from its ImageMetadata (ISO/IEC 18181-1, D.3).

    Raises
    ------
    ValueError
        If there is no stream in `data`.
    """
    bits = _Bits(data)
    bits.sides()
    if bits.take(1):  # everything at its default
        return 8
    if bits.take(1):  # extra fields
        bits.take(3)  # orientation
        if bits.take(1):
            bits.sides()
        if bits.take(1):
            bits.preview_sides()
        if bits.take(1):
            bits.animation()
    if bits.take(1):  # floating point
        return bits.choice((32, 0), (16, 0), (24, 0), (1, 6))
    return bits.choice((8, 0), (10, 0), (12, 0), (1, 6))
