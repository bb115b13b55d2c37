"""TIFF, BigTIFF, OME-TIFF and ImageJ stacks: every plane by itself, every plane in parts.

What counts as one plane: a directory of the main chain that is not marked as a thumbnail, a pyramid level or a mask.
Samples are colour only if the file says so (photometric interpretation RGB, YCbCr, CMYK, L*a*b* or palette); the
samples of any other directory are planes of their own, but for alpha.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from torch import Tensor

from kukkiri.errors import ReadError, one_line
from kukkiri.images.decoder import Decoder, Header
from kukkiri.images.guard import explained, logged
from kukkiri.images.masks import Box
from kukkiri.images.orientation import orient, stored_box
from kukkiri.images.samples import (
    black_and_white,
    finite_range,
    to_pixels,
)
from kukkiri.images.tiff_chain import directories
from kukkiri.images.tiff_exif import EXIF_DIRECTORY, GPS_DIRECTORY, read_exif
from kukkiri.images.tiff_makers import describe, label
from kukkiri.images.tiff_pages import SEPARATED, Page, Plane, meaning, understood


class TiffDecoder(Decoder):
    """A TIFF file of any kind."""

    format = "TIFF"
    pixels_per_byte = 4096.0
    in_parts = True

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        with path.open("rb") as file:
            self._directories = directories(file, self.file_size, path)
        self._heard: list[str] = []
        with explained(path, "TIFF"), logged("tifffile") as heard:
            self._tif = tifffile.TiffFile(str(path), _multifile=False, is_scanimage=False)
            try:
                full = [i for i, d in enumerate(self._directories) if not d.reduced]
                self._full = full or list(range(len(self._directories)))
                self._pages: dict[tuple[int, int], Page] = {}
                self._ranges: dict[int, tuple[float, float]] = {}
                first = self._tiff_page(self._full[0])
                self._pixel_size, self._metadata, notes = describe(self._tif, first)
                self._planes = self._list_planes(first)
                self._metadata.update(_kept(first))
                notes.extend(self._keep_exif())
            except BaseException:
                self._tif.close()
                raise
        left_out = len(self._directories) - len(self._full)
        if left_out:
            notes.append(f"{left_out} thumbnails, pyramid levels or masks left out")
        self._notes = (*notes, *(f"tifffile: {message}" for message in heard[:3]))

    def _keep_exif(self) -> list[str]:
        if not {EXIF_DIRECTORY, GPS_DIRECTORY} & self._directories[0].values.keys():
            return []
        try:
            with self.path.open("rb") as file:
                exif = read_exif(file)
        except Exception as error:  # the picture does not depend on it
            return [f"EXIF could not be read: {type(error).__name__}"]
        if exif:
            self._metadata["exif"] = exif
        return []

    def _tiff_page(self, directory: int) -> Any:
        if directory == 0:
            return self._tif.pages[0]
        self._tif.filehandle.seek(self._directories[directory].offset)
        return tifffile.TiffPage(self._tif, directory)

    def _list_planes(self, first: Any) -> list[Plane]:
        found: list[Plane] = []
        for i in self._full:
            values = self._directories[i].values
            # Most directories of a stack are alike; those with one sample need not be read now.
            if values.get(277, 1) == 1 and values.get(32997, 1) == 1:
                found.append(Plane(i))
                continue
            page = self._tiff_page(i)
            encoding = meaning(page)
            depth = max(1, int(page.imagedepth))
            samples = range(int(page.samplesperpixel)) if encoding is None else [None]
            if depth * len(samples) > 2**16:
                raise ReadError(
                    expected="at most 65536 planes a directory", got=one_line(self.path), fix="export it again"
                )
            found.extend(Plane(i, s, d) for d in range(depth) for s in samples)
        behind = self._behind(first)
        if len(found) == 1 and behind > 1:
            step = int(first.nbytes)
            found = [Plane(found[0].directory, found[0].sample, shift=k * step) for k in range(behind)]
        return found

    def _behind(self, first: Any) -> int:
        """Planes that lie behind one directory: ImageJ and tifffile write large stacks so."""
        claimed = self._metadata.get("imagej", {}).get("images", 1)
        shaped = self._tif.shaped_metadata if self._tif.is_shaped and len(self._directories) == 1 else None
        if shaped and shaped[0].get("truncate"):
            claimed = int(np.prod(shaped[0].get("shape", (1,)), dtype=np.int64) // max(1, first.size))
        if claimed <= 1 or not first.is_contiguous or first.compression != 1:
            return 1
        fits = (self.file_size - int(first.dataoffsets[0])) // max(1, int(first.nbytes))
        if fits < claimed:
            raise ReadError(
                expected=f"{claimed} planes", got=f"{one_line(self.path)}, cut off after {fits}", fix="copy it again"
            )
        return int(claimed)

    @property
    def planes(self) -> int:
        """Number of planes."""
        return len(self._planes)

    @property
    def decoded_segments(self) -> int:
        """Strips and tiles that have been decoded so far."""
        return sum(page.segments.decoded for page in self._pages.values())

    def _page(self, plane: int) -> Page:
        at = self._planes[plane]
        key = (at.directory, at.shift)
        if key not in self._pages:
            if len(self._pages) >= 4:  # of a long stack only the latest pages
                self._pages.pop(next(iter(self._pages)))
            with explained(self.path, "TIFF"), logged("tifffile"):
                page = self._tiff_page(at.directory)
                self._pages[key] = understood(page, self.path, self.file_size, at)
        return self._pages[key]

    def header(self, plane: int) -> Header:
        """What the file says of one plane."""
        self.check_plane(plane)
        page = self._page(plane)
        height, width = page.segments.height, page.segments.width
        if page.orientation >= 5:
            height, width = width, height
        metadata = dict(self._metadata)
        notes = [*self._notes, *page.notes]
        if page.orientation > 1:
            metadata["orientation"] = page.orientation
            notes.append(f"turned upright from orientation {page.orientation}")
        name = label(self._metadata, plane, len(self._planes))
        if name:
            metadata["labels"] = name
        bits = page.bit_depth
        return Header(page.encoding.channels, height, width, bits, self._pixel_size, metadata, tuple(notes))

    def _samples(self, plane: int, box: Box) -> NDArray[Any]:
        """Samples (h, w, S) of a part of the stored plane."""
        at, page = self._planes[plane], self._page(plane)
        sample = at.sample
        array = page.segments.region(box.top, box.left, box.height, box.width, sample=sample, depth=at.depth)
        if sample is None and array.shape[2] > page.encoding.samples and page.table is None:
            array = array[:, :, : page.encoding.samples]  # samples beyond colour and alpha
        if array.dtype.kind == "b":
            array = array.view(np.uint8)
        return array if page.table is None else page.table[np.minimum(array[:, :, 0], len(page.table) - 1)]

    def read(self, plane: int) -> tuple[Tensor, tuple[str, ...], Mapping[str, Any]]:
        """Decode a whole plane."""
        self.check_plane(plane)
        page = self._page(plane)
        whole = Box(0, 0, page.segments.height, page.segments.width)
        with explained(self.path, "TIFF"), logged("tifffile"):
            encoding = page.encoding
            pixels, notes, metadata = to_pixels(self._samples(plane, whole), encoding)
            if page.orientation > 1:
                pixels = orient(pixels, page.orientation)
        return pixels, notes, metadata

    def read_region(self, plane: int, box: Box, max_pixels: int | None) -> Tensor:
        """Decode the strips or tiles that a box touches.

        A transparent plane is decoded whole, for its background is a mean over all of it.
        """
        page = self._page(plane)
        if page.encoding.alpha:
            return super().read_region(plane, box, max_pixels)
        stored = stored_box(box, page.orientation, page.segments.height, page.segments.width)
        with explained(self.path, "TIFF"), logged("tifffile"):
            encoding = page.encoding
            if encoding.low is None:
                low, high = self._range(plane)
                encoding = replace(encoding, low=low, high=high)
            pixels, _, _ = to_pixels(self._samples(plane, stored), encoding)
            if page.orientation > 1:
                pixels = orient(pixels, page.orientation)
        return pixels

    def _range(self, plane: int) -> tuple[float, float]:
        """Black and white of a plane whose type does not say them, from one pass over it in bands."""
        if plane not in self._ranges:
            page = self._page(plane)
            width, height = page.segments.width, page.segments.height
            rows = max(page.segments.rows, 2**20 // width) if page.segments.rows * width < 2**24 else 2**20 // width + 1
            low, high, integer = np.inf, -np.inf, False
            for top in range(0, height, rows):
                band = self._samples(plane, Box(top, 0, min(rows, height - top), width))
                a, b = finite_range(band)
                low, high, integer = min(low, a), max(high, b), band.dtype.kind in "iu"
            self._ranges[plane] = black_and_white(low, high, inverted=False, integer=integer)[:2]
        return self._ranges[plane]

    def close(self) -> None:
        """Let go of the file."""
        super().close()
        self._pages.clear()
        self._tif.close()


def _kept(page: Any) -> dict[str, Any]:
    """Colour profile and the tags that are worth writing back."""
    metadata: dict[str, Any] = {}
    profile = page.tags.valueof(34675)
    if isinstance(profile, bytes) and profile:
        metadata["source_icc_profile" if int(page.photometric) == SEPARATED else "icc_profile"] = profile
    for name, tag in (("make", 271), ("model", 272), ("software", 305), ("date_time", 306), ("artist", 315)):
        value = page.tags.valueof(tag)
        if isinstance(value, str) and value:
            metadata[name] = value[:1000]
    return metadata
