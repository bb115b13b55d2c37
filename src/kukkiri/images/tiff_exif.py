"""EXIF in TIFF files: there it is a directory like any other, not a block of bytes as in JPEG and PNG."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any, BinaryIO

from kukkiri.images.guard import quiet_warnings

EXIF_DIRECTORY, GPS_DIRECTORY = 0x8769, 0x8825
# What describes the picture and not the way it is stored: maker, model, software, date, artist, copyright.
DESCRIPTIVE = (0x010F, 0x0110, 0x0131, 0x0132, 0x013B, 0x8298)
# Offsets inside a maker's note count from where it once lay; moved, it would mislead. 0xA005 is one more directory.
NOT_MOVABLE = (0x927C, 0xA005)
# tifffile refuses to write tags for directories; their room is kept by the unused numbers just below.
PLACEHOLDER = 1


def read_exif(file: BinaryIO) -> bytes | None:
    """The EXIF data of the first directory as a block like that of a JPEG file; None if there is none.

    Makers' notes are left out.
    """
    from PIL.Image import Exif

    with quiet_warnings():
        found = Exif()
        file.seek(0)
        found.load_from_fp(file)
        block = Exif()
        for tag in DESCRIPTIVE:
            if tag in found:
                block[tag] = found[tag]
        for directory in (EXIF_DIRECTORY, GPS_DIRECTORY):
            values = _movable(found.get_ifd(directory))
            if values:
                block.get_ifd(directory).update(values)
        return b"Exif\0\0" + block.tobytes().removeprefix(b"Exif\0\0") if len(block) else None


def extra_tags(exif: bytes) -> list[tuple[int, int, int, Any, bool]]:
    """The descriptive tags of an EXIF block, and room for its directories, as tifffile takes them."""
    from PIL.Image import Exif

    with quiet_warnings():
        block = Exif()
        block.load(exif)
        tags: list[tuple[int, int, int, Any, bool]] = [
            (tag, 2, 0, str(block[tag]), True) for tag in DESCRIPTIVE if tag in block and tag != 0x0131
        ]
        room = [d for d in (EXIF_DIRECTORY, GPS_DIRECTORY) if _movable(block.get_ifd(d))]
    return [*tags, *((directory - PLACEHOLDER, 4, 1, 0, True) for directory in room)]


def append_directories(path: Path, exif: bytes) -> None:
    """Write the EXIF and GPS directories behind a little-endian TIFF file that has room for their offsets."""
    from PIL.Image import Exif
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

    with quiet_warnings(), path.open("r+b") as file:
        block = Exif()
        block.load(exif)
        for directory in (EXIF_DIRECTORY, GPS_DIRECTORY):
            values = _movable(block.get_ifd(directory))
            place = _entry(file, directory - PLACEHOLDER)
            if not values or place is None:
                continue
            end = file.seek(0, 2)
            end += file.write(b"\0" * (end % 2))
            if end >= 2**32:
                return
            entries = ImageFileDirectory_v2(b"II*\0\0\0\0\0")
            for tag, value in values.items():
                entries[tag] = value
            file.write(entries.tobytes(end))
            file.seek(place)
            file.write(struct.pack("<H", directory))
            file.seek(place + (12 if _is_big(file) else 8))
            file.write(struct.pack("<I", end))


def _movable(values: dict[int, Any]) -> dict[int, Any]:
    return {tag: value for tag, value in values.items() if tag not in NOT_MOVABLE and not isinstance(value, dict)}


def _is_big(file: BinaryIO) -> bool:
    """Whether a little-endian file is BigTIFF; the place in the file is kept."""
    place = file.tell()
    file.seek(2)
    version = file.read(2)
    file.seek(place)
    return version == b"+\0"


def _entry(file: BinaryIO, tag: int) -> int | None:
    """Where the entry of a tag of the first directory is."""
    big = _is_big(file)
    file.seek(0)
    head = file.read(16)
    offset = struct.unpack_from("<Q" if big else "<I", head, 8 if big else 4)[0]
    file.seek(offset)
    count = struct.unpack("<Q", file.read(8))[0] if big else struct.unpack("<H", file.read(2))[0]
    start, size = offset + (8 if big else 2), 20 if big else 12
    entries = file.read(count * size)
    for i in range(count):
        if struct.unpack_from("<H", entries, i * size)[0] == tag:
            return int(start + i * size)
    return None
