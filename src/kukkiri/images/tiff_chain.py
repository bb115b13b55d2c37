"""The chain of TIFF directories, walked with a bound and without trust before any library sees the file."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from kukkiri.errors import ReadError, one_line

MAX_DIRECTORIES = 2**20
MAX_TAGS = 4096
# Numbers in one tag: 2²² tiles are a picture of 2²² × 256 × 256 pixels.
MAX_VALUES = 2**22

_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}


@dataclass(frozen=True)
class Directory:
    """One directory: where it is, and the values of its short tags (the first of each)."""

    offset: int
    values: dict[int, int]

    @property
    def reduced(self) -> bool:
        """Whether it says that it is a thumbnail, a level of a pyramid, or a mask."""
        return bool(self.values.get(254, 0) & 5) or self.values.get(255, 0) == 2


def directories(file: BinaryIO, size: int, path: Path) -> tuple[list[Directory], str]:
    """All directories of the main chain, and how it breaks off: '' (not), 'cut off' or 'astray'.

    A chain is cut off if it goes on beyond the end of the file; it goes astray if it leads to something inside the
    file that is no directory, which careless writers leave behind the last page.

    Raises
    ------
    ReadError
        If the first cannot be read, the chain runs in a circle, or a directory is absurd.
    """
    file.seek(0)
    head = file.read(16)
    order = "<" if head[:2] == b"II" else ">"
    big = head[2:4] in (b"+\0", b"\0+")
    if len(head) < (16 if big else 8):
        raise _damaged(path, f"cut off after {size} bytes")
    offset = struct.unpack_from(order + ("Q" if big else "I"), head, 8 if big else 4)[0]
    count_format, entry_size, link = (order + "Q", 20, 8) if big else (order + "H", 12, 4)
    found: list[Directory] = []
    seen: set[int] = set()
    broken = ""
    while offset:
        if offset in seen or len(found) >= MAX_DIRECTORIES:
            raise _damaged(path, "whose chain of pages runs in a circle")
        seen.add(offset)
        file.seek(min(offset, size))
        raw = file.read(struct.calcsize(count_format))
        count = struct.unpack(count_format, raw)[0] if len(raw) == struct.calcsize(count_format) else -1
        entries = file.read(count * entry_size + link) if 0 < count <= MAX_TAGS else b""
        if count < 1 or len(entries) < count * entry_size:
            if not found:
                raise _damaged(path, "whose first directory is missing: cut off, or not written to its end")
            reach = offset + struct.calcsize(count_format) + max(0, count) * entry_size
            broken = "cut off" if offset >= size or (count <= MAX_TAGS and reach > size) else "astray"
            break
        found.append(Directory(offset, _values(entries, count, order, big, path)))
        tail = entries[count * entry_size :]
        if len(tail) < link:
            broken = "cut off"
            break
        offset = struct.unpack(order + ("Q" if big else "I"), tail)[0]
    if not found:
        raise _damaged(path, "without any page")
    return found, broken


def _values(entries: bytes, count: int, order: str, big: bool, path: Path) -> dict[int, int]:
    values: dict[int, int] = {}
    for i in range(count):
        at = i * (20 if big else 12)
        tag, kind, number = struct.unpack_from(order + ("HHQ" if big else "HHI"), entries, at)
        if number > MAX_VALUES and kind not in (1, 2, 7):
            raise _damaged(path, f"with {number} values in tag {tag}")
        letter = {1: "B", 3: "H", 4: "I", 16: "Q"}.get(kind)
        inline = 8 if big else 4
        if letter and number >= 1 and _SIZES[kind] * number <= inline:
            values[tag] = struct.unpack_from(order + letter, entries, at + (12 if big else 8))[0]
    return values


def _damaged(path: Path, what: str) -> ReadError:
    return ReadError(expected="a sound TIFF file", got=f"{one_line(path)}, {what}", fix="copy or export it again")
