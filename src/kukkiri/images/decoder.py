"""What every file format has to offer: a header for each plane, whole planes, and parts of them."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from torch import Tensor

from kukkiri.errors import ReadError, SizeError, one_line
from kukkiri.images.guard import explained
from kukkiri.images.masks import Box

# What is decoded in one piece unless the caller allows more: pixels, and bytes as single precision.
MAX_PIXELS = 2**28
MAX_BYTES = 2**31
# Up to this size (pixels times channels) a picture costs too little memory to doubt what its header says: a blank scan
# compresses a thousand times, and is a picture all the same.
HARMLESS_SAMPLES = 2**26
# Beyond it, bytes at the file's own depth that one byte of the file may stand for. Photographs stay below 100, nearly
# empty scans below 200; what goes beyond is flat, lying, or a decompression bomb.
MAX_EXPANSION = 200


@dataclass(frozen=True)
class Header:
    """What a file says about one plane before anything is decoded.

    Parameters
    ----------
    channels, height, width : int
        As the picture will have them, after orientation and conversion to grey or RGB.
    bit_depth : int
        Bits a channel of the source; 32 stands for floating point.
    pixel_size : float or None
        Metres.
    metadata : mapping
        See `kukkiri.images.reading`.
    notes : tuple of str
        What was found or done, for people.
    """

    channels: int
    height: int
    width: int
    bit_depth: int
    pixel_size: float | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def pixels(self) -> int:
        """Height times width."""
        return self.height * self.width


# Pixels (C, H, W), with notes and metadata that only decoding could tell.
Decoded: TypeAlias = tuple[Tensor, tuple[str, ...], Mapping[str, Any]]


class Decoder(ABC):
    """One open file.

    Parameters
    ----------
    path : Path
    """

    format: str = ""
    # Whether a part can be decoded without the rest.
    in_parts = False

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file_size = path.stat().st_size
        self._whole: tuple[int, Tensor] | None = None
        # Threads may share a file: whoever moves its handle or changes what is kept holds this.
        self._lock = threading.RLock()

    @property
    @abstractmethod
    def planes(self) -> int:
        """Number of pictures in the file."""

    @abstractmethod
    def header(self, plane: int) -> Header:
        """What the file says of one plane."""

    @abstractmethod
    def read(self, plane: int) -> Decoded:
        """Pixels (C, H, W) of a whole plane, with notes and metadata that only decoding could tell."""

    def read_region(self, plane: int, box: Box, max_pixels: int | None) -> Tensor:
        """Pixels (C, h, w) of a part of a plane; formats without tiles decode the whole once and keep it."""
        with self._lock:
            if self._whole is None or self._whole[0] != plane:
                self._whole = None  # let go of the old plane first
                self.check_size(self.header(plane), max_pixels)
                self._whole = (plane, self.read(plane)[0])
            whole = self._whole[1]
        return whole[:, *box.slices].clone()

    def close(self) -> None:
        """Let go of the file and of what was decoded."""
        self._whole = None

    def check_size(self, header: Header, max_pixels: int | None) -> None:
        """Refuse what is too large for one piece, or larger than so small a file can hold.

        Raises
        ------
        SizeError
            With the way out: tiles, or a larger `max_pixels`.
        """
        limit = MAX_PIXELS if max_pixels is None else max_pixels
        size = f"{one_line(self.path)} with {header.width}×{header.height}"
        samples = header.pixels * header.channels
        way = (
            "go through it tile by tile (kukkiri.images.tiles.tiles takes the path), or raise max_pixels"
            if self.in_parts
            else "raise max_pixels, or convert it to a tiled TIFF, which can be measured tile by tile"
        )
        if header.pixels > limit:
            raise SizeError(expected=f"a picture of at most {limit} pixels in one piece", got=size, fix=way)
        if max_pixels is not None or samples <= HARMLESS_SAMPLES:
            return
        if samples * header.bit_depth / 8 > self.file_size * MAX_EXPANSION:
            raise SizeError(
                expected=f"a header that fits the {self.file_size} bytes of the file",
                got=size,
                fix="it is flat, damaged or a decompression bomb; if you trust it, give max_pixels yourself",
            )
        if samples * 4 > MAX_BYTES:
            raise SizeError(
                expected=f"a picture of at most {MAX_BYTES} bytes in one piece, 4 a pixel and channel",
                got=f"{size}, {header.channels} channels",
                fix=way,
            )

    def check_plane(self, plane: int) -> None:
        """Raise unless there is such a plane."""
        if not 0 <= plane < self.planes:
            raise ReadError(
                expected=f"a plane from 0 to {self.planes - 1}",
                got=f"plane {plane} of {one_line(self.path)}",
                fix="ask open_image(path).planes how many there are",
            )


class SinglePlaneDecoder(Decoder):
    """A file of one picture, whose header is known once it is open. Threads take turns in decoding it."""

    _header: Header

    @property
    def planes(self) -> int:
        """Always 1."""
        return 1

    def header(self, plane: int) -> Header:
        """What the file says."""
        self.check_plane(plane)
        return self._header

    def read(self, plane: int) -> Decoded:
        """Decode it."""
        self.check_plane(plane)
        with self._lock, explained(self.path, self.format):
            return self._decode()

    @abstractmethod
    def _decode(self) -> Decoded:
        """Pixels, notes and metadata; any exception becomes a `ReadError`."""


def check_sides(width: int, height: int, path: Path | None) -> None:
    """Raise unless both sides of a picture are at least 1."""
    if width < 1 or height < 1:
        raise ReadError(
            expected="a picture with at least one pixel",
            got=f"{one_line(path) if path else 'a picture'} of {width}×{height}",
            fix="the file is empty or damaged: export it again",
        )
