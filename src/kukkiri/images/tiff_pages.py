"""What the samples of a TIFF directory mean: colour, alpha, range, palette."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kukkiri.errors import ReadError, one_line
from kukkiri.images.decoder import check_sides
from kukkiri.images.samples import Encoding, full_range_of
from kukkiri.images.tiff_makers import resolution
from kukkiri.images.tiff_segments import Segments

# Photometric interpretations.
WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, MASK, SEPARATED, YCBCR, CIELAB, ICCLAB = 0, 1, 2, 3, 4, 5, 6, 8, 9
COLOUR_FILTER_ARRAY, LINEAR_RAW = 32803, 34892
# Codecs that hand out RGB whatever the page calls itself.
DECODED_TO_RGB = {6, 7, 33007, 34892, 34712, 50001, 50002, 52546, 33003, 33004, 33005}


@dataclass(frozen=True)
class Plane:
    """Where a plane lies: directory, sample (None: all of them), depth, bytes behind the directory's own data."""

    directory: int
    sample: int | None = None
    depth: int = 0
    shift: int = 0


@dataclass(frozen=True)
class Page:
    """A directory read by tifffile, what its samples mean, and the pixel size (metres) by its own resolution."""

    page: Any
    segments: Segments
    encoding: Encoding
    bit_depth: int
    orientation: int
    notes: tuple[str, ...]
    table: NDArray[Any] | None = None
    resolution: float | None = None


def meaning(page: Any) -> Encoding | None:
    """What the samples of a page mean together; None if each is a plane of its own. Range not yet set."""
    samples, photometric = int(page.samplesperpixel), int(page.photometric)
    extra = page.extrasamples if isinstance(page.extrasamples, tuple) else (page.extrasamples,)
    extra = tuple(int(e) for e in extra)
    colour = {RGB: "rgb", LINEAR_RAW: "rgb", SEPARATED: "cmyk", YCBCR: "ycbcr", CIELAB: "lab", ICCLAB: "icclab"}.get(
        photometric, "grey"
    )
    if colour == "rgb" and samples < 3:
        colour = "grey"
    if colour == "ycbcr" and int(page.compression) in DECODED_TO_RGB:
        colour = "rgb"
    needed = {"grey": 1, "cmyk": 4}.get(colour, 3)
    if samples < needed:
        return None
    alpha = {1: "premultiplied", 2: "straight"}.get(extra[0], "") if samples > needed and extra else ""
    if colour == "grey" and samples > 1 and not (alpha and samples == 2):
        return None
    return Encoding(colour, alpha)


def understood(
    page: Any, path: Path, file_size: int, at: Plane, lock: threading.RLock, *, trusted: bool = False
) -> Page:
    """A directory with the meaning of its samples.

    Raises
    ------
    ReadError
        If they are nothing that could be shown.
    """
    check_sides(int(page.imagewidth), int(page.imagelength), path)
    photometric = int(page.photometric)
    if photometric == COLOUR_FILTER_ARRAY:
        raise ReadError(
            expected="grey or colour pixels", got=f"{one_line(path)} with a camera's raw mosaic",
            fix="name it .dng and install the RAW reader, or develop it first",
        )  # fmt: skip
    if page.dtype is None or page.dtype.kind not in "uifb":
        raise ReadError(
            expected="integer or floating-point samples",
            got=f"{one_line(path)} with {page.bitspersample} bits of format {page.sampleformat}",
            fix="export it as 8 or 16 bits or as float",
        )
    notes: list[str] = []
    bits = page.bitspersample
    if not isinstance(bits, int):
        bits = page.dtype.itemsize * 8  # fields of unequal width are widened by the decoder
    encoding = meaning(page) or Encoding("grey")
    inverted = photometric == WHITE_IS_ZERO and encoding.colour == "grey"
    table = None
    low, high = full_range_of(page.dtype, bits, inverted=inverted)
    if photometric == PALETTE and page.colormap is not None and page.dtype.kind in "ub":
        table, encoding = _table(np.asarray(page.colormap), encoding)
        low, high = 0.0, 255.0 if table.dtype == np.uint8 else 65535.0
        bits = 8 * table.dtype.itemsize
    elif inverted:
        notes.append("white is zero: inverted")
    if page.dtype.kind == "i" and bits <= 16:
        notes.append(f"signed values shifted: {low:g} → 0, {high:g} → 1")
    if int(page.samplesperpixel) > encoding.samples and at.sample is None and table is None:
        notes.append(f"{int(page.samplesperpixel) - encoding.samples} extra channels without a meaning left out")
    encoding = replace(encoding, low=low, high=high, inverted=inverted)
    depth = 32 if bits > 16 or page.dtype.kind == "f" else 1 if bits == 1 else 8 if bits <= 8 else 16
    orientation = page.tags.valueof(274, default=1)
    orientation = orientation if isinstance(orientation, int) and 1 <= orientation <= 8 else 1
    segments = Segments(page, path, file_size, at.shift, lock, trusted=trusted)
    return Page(page, segments, encoding, depth, orientation, tuple(notes), table, resolution(page))


def _table(colormap: NDArray[Any], encoding: Encoding) -> tuple[NDArray[Any], Encoding]:
    """A palette as (entries, 1 or 3); entries that are 8-bit values in the upper or lower byte become 8-bit."""
    table = np.ascontiguousarray(colormap.reshape(3, -1).T.astype(np.uint16))
    if (table % 257 == 0).all():
        table = (table // 257).astype(np.uint8)
    elif (table & 255 == 0).all():
        table = (table >> 8).astype(np.uint8)
    elif (table < 256).all():
        table = table.astype(np.uint8)
    grey = bool((table == table[:, :1]).all())
    return (table[:, :1] if grey else table), replace(encoding, colour="grey" if grey else "rgb", alpha="")
