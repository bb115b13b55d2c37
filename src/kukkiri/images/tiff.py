"""TIFF, BigTIFF, OME-TIFF and ImageJ stacks: every plane by itself, every plane in parts.

What counts as one plane: a directory of the main chain that is not marked as a thumbnail, a pyramid level or a mask.
Samples are colour only if the file says so (photometric interpretation RGB, YCbCr, CMYK, L*a*b* or palette); the
samples of any other directory are planes of their own, but for alpha.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
import torch
from numpy.typing import NDArray
from torch import Tensor

from kukkiri.errors import ReadError, SizeError, one_line
from kukkiri.images.decoder import Decoder, Header
from kukkiri.images.guard import explained, logged
from kukkiri.images.masks import Box
from kukkiri.images.orientation import orient, stored_box
from kukkiri.images.pixel_size import without_comment
from kukkiri.images.samples import (
    black_and_white,
    edge_sums,
    finite_range,
    split,
    to_pixels,
)
from kukkiri.images.tiff_chain import directories
from kukkiri.images.tiff_exif import EXIF_DIRECTORY, GPS_DIRECTORY, read_exif
from kukkiri.images.tiff_makers import describe, label
from kukkiri.images.tiff_ome import OmeImage
from kukkiri.images.tiff_pages import SEPARATED, Page, Plane, meaning, understood
from kukkiri.images.tiff_segments import CACHE_BYTES

# Stands for the directory of a plane that is missing because the file is cut off.
BROKEN_OFF = -1


class TiffDecoder(Decoder):
    """A TIFF file of any kind."""

    format = "TIFF"
    in_parts = True

    def __init__(self, path: Path, max_pixels: int | None = None) -> None:
        super().__init__(path)
        self._trusted = max_pixels is not None
        with path.open("rb") as file:
            self._directories, broken = directories(file, self.file_size, path)
        with explained(path, "TIFF"), logged("tifffile") as heard:
            self._tif = tifffile.TiffFile(str(path), _multifile=False, is_scanimage=False)
            try:
                full = [i for i, d in enumerate(self._directories) if not d.reduced]
                self._full = full or list(range(len(self._directories)))
                self._pages: dict[tuple[int, int], Page] = {}
                self._ranges: dict[int, tuple[float, float]] = {}
                self._grounds: dict[int, Tensor] = {}
                first = self._tiff_page(self._full[0])
                self._pixel_size, self._metadata, notes = describe(self._tif, first)
                self._ome: list[OmeImage] = self._metadata.pop("ome", [])
                self._shape = int(first.imagelength), int(first.imagewidth)
                self._planes = self._list_planes(first)
                self._metadata.update(_kept(first))
                notes.extend(self._keep_exif())
            except BaseException:
                self._tif.close()
                raise
        if broken == "cut off":
            # The missing pages become one that cannot be read: nobody shall take the stack for whole.
            self._lost = f"whose chain of pages breaks off after {len(self._directories)}"
            notes.append(f"the chain of pages breaks off after {len(self._directories)}: the file is cut off")
            self._planes.append(Plane(BROKEN_OFF))
        elif broken:
            notes.append("the link behind the last page leads to no page, ignored")
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
        if at.directory == BROKEN_OFF:
            raise ReadError(
                expected="a complete TIFF file",
                got=f"{one_line(self.path)}, {self._lost}",
                fix="copy it again; the pages before are sound",
            )
        key = (at.directory, at.shift)
        with self._lock:
            if key not in self._pages:
                if len(self._pages) >= 4:  # of a long stack only the latest pages
                    self._pages.pop(next(iter(self._pages)))
                for other in self._pages.values():
                    if other.segments.cache_bytes > CACHE_BYTES:
                        other.segments.forget()
                with explained(self.path, "TIFF"), logged("tifffile"):
                    page = self._tiff_page(at.directory)
                    self._pages[key] = understood(
                        page, self.path, self.file_size, at, self._lock, trusted=self._trusted
                    )
            return self._pages[key]

    def _owner(self, at: Plane) -> OmeImage | None:
        """The Image of OME-XML that a plane belongs to."""
        return next((image for image in self._ome if image.owns(self._index(at))), None)

    def _index(self, at: Plane) -> int:
        """The place of a plane in the chain of directories, had every plane behind another one its own."""
        return self._planes.index(at) if len(self._directories) == 1 and at.shift else at.directory

    def _plane_size(self, at: Plane, page: Page) -> float | None:
        """Pixel size of a plane: its own Image's, the maker's for planes like the first, or its own resolution."""
        alike = (page.segments.height, page.segments.width) == self._shape
        owner = self._owner(at)
        if owner is None and alike and len(self._ome) == 1:
            owner = self._ome[0]  # its planes may have been renamed
        if owner is not None and owner.pixel_size is not None:
            return owner.pixel_size
        return self._pixel_size if alike and self._pixel_size is not None else page.resolution

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
        at = self._planes[plane]
        if (page.segments.height, page.segments.width) != self._shape:
            metadata.pop("info_bar_rows", None)
        owner = self._owner(at)
        if owner is not None:
            metadata["ome"] = owner.described()
            name = None if at.depth else owner.label(self._index(at), at.sample or 0)
        else:
            name = label(self._metadata, plane, len(self._planes))
        if name:
            metadata["labels"] = name
        size = self._plane_size(at, page)
        return Header(page.encoding.channels, height, width, page.bit_depth, size, metadata, tuple(notes))

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

        A transparent plane is decoded whole, for its background is a mean over all of it; if it is too large for
        that, the mean is taken from one pass over it in bands.
        """
        page = self._page(plane)
        ground = None
        if page.encoding.alpha:
            try:
                return super().read_region(plane, box, max_pixels)
            except SizeError as error:
                if page.encoding.low is None:
                    raise SizeError(
                        expected=error.expected, got=error.got, fix="write it without transparency, or raise max_pixels"
                    ) from None
                ground = self._ground(plane)
        stored = stored_box(box, page.orientation, page.segments.height, page.segments.width)
        with explained(self.path, "TIFF"), logged("tifffile"):
            encoding = page.encoding
            if encoding.low is None:
                low, high = self._range(plane)
                encoding = replace(encoding, low=low, high=high)
            pixels, _, _ = to_pixels(self._samples(plane, stored), encoding, ground=ground)
            if page.orientation > 1:
                pixels = orient(pixels, page.orientation)
        return pixels

    def _range(self, plane: int) -> tuple[float, float]:
        """Black and white of a plane whose type does not say them, from one pass over it in bands."""
        if plane not in self._ranges:
            page = self._page(plane)
            width = page.segments.width
            low, high, integer = np.inf, -np.inf, False
            for top, rows in _bands(page):
                band = self._samples(plane, Box(top, 0, rows, width))
                a, b = finite_range(band)
                low, high, integer = min(low, a), max(high, b), band.dtype.kind in "iu"
            self._ranges[plane] = black_and_white(low, high, inverted=page.encoding.inverted, integer=integer)[:2]
        return self._ranges[plane]

    def _ground(self, plane: int) -> Tensor:
        """The mean colour of a transparent plane's visible edge, from one pass over it in bands."""
        if plane not in self._grounds:
            page = self._page(plane)
            width, height, encoding = page.segments.width, page.segments.height, page.encoding
            colours, weights = torch.zeros(encoding.channels, dtype=torch.float64), torch.zeros(1, dtype=torch.float64)
            for top, rows in _bands(page):
                # One row more on either side, for what touches it.
                start, end = max(0, top - 1), min(height, top + rows + 1)
                with explained(self.path, "TIFF"), logged("tifffile"):
                    colour, alpha = split(self._samples(plane, Box(start, 0, end - start, width)), encoding)
                if alpha is not None:
                    for total, part in zip((colours, weights), edge_sums(colour, alpha), strict=True):
                        total += part[:, top - start : top - start + rows].sum((1, 2), dtype=torch.float64)
            self._grounds[plane] = (colours / weights.clamp_min(1e-12)).to(torch.float32)
        return self._grounds[plane]

    def close(self) -> None:
        """Let go of the file."""
        super().close()
        self._pages.clear()
        self._tif.close()


def _bands(page: Page) -> Iterator[tuple[int, int]]:
    """First row and number of rows of bands that cover a page, of whole strips or tiles where those are not huge."""
    width, height, rows = page.segments.width, page.segments.height, page.segments.rows
    step = max(rows, 2**20 // width) if rows * width < 2**24 else 2**20 // width + 1
    for top in range(0, height, step):
        yield top, min(step, height - top)


def _kept(page: Any) -> dict[str, Any]:
    """Colour profile and the tags that are worth writing back."""
    metadata: dict[str, Any] = {}
    profile = page.tags.valueof(34675)
    if isinstance(profile, bytes) and profile:
        metadata["source_icc_profile" if int(page.photometric) == SEPARATED else "icc_profile"] = profile
    for name, tag in (
        ("make", 271),
        ("model", 272),
        ("software", 305),
        ("date_time", 306),
        ("artist", 315),
        ("copyright", 33432),
    ):
        value = page.tags.valueof(tag)
        if isinstance(value, str) and value:
            metadata[name] = value[:1000]
    said = without_comment(page.description[:4096]).strip("\0 \r\n")
    # Programs keep their own records there, which would be false beside other pixels.
    if said and not said.startswith(("{", "<", "ImageJ=", "SCANIMAGE", "Aperio")):
        metadata["description"] = said[:1000]
    return metadata
