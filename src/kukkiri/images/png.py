"""PNG at its own depth: chunks are walked here, pixels are decoded by libpng, 16 bits stay 16 bits."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from kukkiri.errors import ReadError, one_line
from kukkiri.images.decoder import Decoded, Header, SinglePlaneDecoder, check_sides
from kukkiri.images.guard import explained
from kukkiri.images.orientation import find_orientation, orient
from kukkiri.images.pixel_size import from_comment, from_resolution
from kukkiri.images.samples import Encoding, to_pixels

# A colour profile or comment that inflates to more than this is a bomb, and is left out.
MAX_TEXT = 2**24

SIGNATURE = b"\x89PNG\r\n\x1a\n"
# What pixels depend on. Adjacent chunks are read in one go, so the list stays short however many there are.
NEEDED = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")


class PngDecoder(SinglePlaneDecoder):
    """A PNG file; of an animated one the first picture."""

    format = "PNG"

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        with explained(path, "PNG"), path.open("rb") as file:
            self._chunks, self._needed = _walk(file, self.file_size, path)
            self._header, self._encoding, self._orientation = self._parse()
            check_sides(self._header.width, self._header.height, path)

    def _parse(self) -> tuple[Header, Encoding, int]:
        width, height, bits, colour, *_ = struct.unpack(">IIBBBBB", self._chunks["IHDR"])
        notes: list[str] = []
        metadata: dict[str, Any] = {}
        palette = np.frombuffer(self._chunks.get("PLTE", b""), np.uint8)
        grey = colour in (0, 4)
        if colour == 3 and len(palette) and len(palette) % 3 == 0:
            rgb = palette.reshape(-1, 3)
            grey = bool((rgb == rgb[:, :1]).all())
        clear = colour in (4, 6) or "tRNS" in self._chunks
        # The decoder gives whole bytes: fewer bits are spread over 0…255, which divides out.
        encoding = Encoding("grey" if grey else "rgb", "straight" if clear else "", 0, 65535 if bits == 16 else 255)
        if "iCCP" in self._chunks:
            profile = _inflated(self._chunks["iCCP"].partition(b"\0")[2][1:])
            if profile is None:
                notes.append("the colour profile is damaged or far too large, left out")
            else:
                metadata["icc_profile"] = profile
        orientation = 1
        if self._chunks.get("eXIf"):
            metadata["exif"] = self._chunks["eXIf"]
            orientation = find_orientation(metadata["exif"])[0]
            if orientation > 1:
                metadata["orientation"] = orientation
                notes.append(f"turned upright from EXIF orientation {orientation}")
        if "sBIT" in self._chunks:
            metadata["significant_bits"] = tuple(self._chunks["sBIT"])
        if "acTL" in self._chunks:
            notes.append("moving picture: the first frame")
        pixel_size = from_comment(self._chunks.get("tEXt", b""))
        if pixel_size is None and len(self._chunks.get("pHYs", b"")) == 9:
            x, y, unit = struct.unpack(">IIB", self._chunks["pHYs"])
            pixel_size = from_resolution(x, y) if unit == 1 else None
        if orientation >= 5:
            width, height = height, width
        depth = 8 if colour == 3 else bits if bits in (1, 16) else 8
        return (
            Header(encoding.channels, height, width, depth, pixel_size, metadata, tuple(notes)),
            encoding,
            orientation,
        )

    def _pixel_stream(self) -> bytes:
        """The file without what pixels do not depend on: libpng would print about damage in it."""
        parts = [SIGNATURE]
        with self.path.open("rb") as file:
            for start, length in self._needed:
                file.seek(start)
                parts.append(file.read(length))
        return b"".join(parts)

    def _decode(self) -> Decoded:
        import imagecodecs

        array = imagecodecs.png_decode(self._pixel_stream())
        array = array if array.ndim == 3 else array[:, :, None]
        stored = (
            (self._header.width, self._header.height)
            if self._orientation >= 5
            else (self._header.height, self._header.width)
        )
        if array.shape[:2] != stored:
            raise ValueError(f"header says {stored}, decoded {array.shape[:2]}")
        colours = array.shape[2] - (array.shape[2] in (2, 4))
        has_alpha = array.shape[2] in (2, 4)
        if self._encoding.colour == "grey" and colours == 3:  # a palette of greys
            array = array[:, :, [0, 3]] if has_alpha else array[:, :, :1]
        pixels, notes, metadata = to_pixels(np.ascontiguousarray(array), self._encoding)
        if self._orientation > 1:
            pixels = orient(pixels, self._orientation)
        return pixels, notes, metadata


def _walk(file: Any, size: int, path: Path) -> tuple[dict[str, bytes], list[tuple[int, int]]]:
    """The small chunks by name, and the stretches (start, length) of the file that pixels depend on.

    Raises
    ------
    ReadError
        If the file ends early, or a checksum of what pixels depend on is wrong.
    """
    chunks: dict[str, bytes] = {}
    needed: list[tuple[int, int]] = []
    place = 8
    data = False
    while True:
        file.seek(place)
        head = file.read(8)
        if len(head) < 8:
            raise _cut_off(path, size)
        length, name = struct.unpack(">I4s", head)
        if name in NEEDED:
            if needed and sum(needed[-1]) == place:
                needed[-1] = (needed[-1][0], needed[-1][1] + 12 + length)
            else:
                needed.append((place, 12 + length))
        place += 12 + length
        if place > size:
            raise _cut_off(path, size)
        critical = not name[0] & 32 or name == b"tRNS"
        kind = name.decode("latin-1")
        if critical or (length <= MAX_TEXT and (kind not in chunks or kind == "tEXt")):
            checksum = zlib.crc32(name)
            body = b""
            left = length
            while left:  # in pieces: a data chunk can be as large as the file
                piece = file.read(min(left, 2**20))
                if not piece:
                    raise _cut_off(path, size)
                checksum = zlib.crc32(piece, checksum)
                left -= len(piece)
                if name != b"IDAT" and len(body) < MAX_TEXT:
                    body += piece
            if checksum != int.from_bytes(file.read(4), "big"):
                if critical:
                    raise ReadError(
                        expected="a PNG file with right checksums",
                        got=f"{one_line(path)} with a damaged {kind} chunk",
                        fix="copy or export it again",
                    )
            elif name == b"tEXt":
                if b"pixel size" in body[:64]:
                    chunks[kind] = body[:4096]
            elif name != b"IDAT":
                chunks[kind] = body
        data = data or name == b"IDAT"
        if "IHDR" not in chunks:
            raise ReadError(expected="a PNG file with a header", got=one_line(path), fix="copy or export it again")
        if name == b"IEND":
            break
    if not data:
        raise ReadError(expected="a PNG file with pixels", got=f"{one_line(path)} without any", fix="export it again")
    return chunks, needed


def _cut_off(path: Path, size: int) -> ReadError:
    return ReadError(
        expected="a complete PNG file",
        got=f"{one_line(path)}, cut off after {size} bytes",
        fix="copy or export it again",
    )


def _inflated(data: bytes) -> bytes | None:
    inflater = zlib.decompressobj()
    try:
        profile = inflater.decompress(data, MAX_TEXT)
    except zlib.error:
        return None
    return profile if inflater.eof and profile else None
