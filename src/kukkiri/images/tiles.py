"""Walk over a picture of any size in overlapping tiles, and put results together again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeGuard

import torch
from torch import Tensor

from kukkiri.errors import InputError, ShapeError
from kukkiri.images.image import ImageLike, as_image
from kukkiri.images.masks import Box

if TYPE_CHECKING:
    from kukkiri.images.reading import ImageFile


@dataclass(frozen=True)
class Tile:
    """A part of a picture with its margin.

    Parameters
    ----------
    pixels : Tensor, (C, h, w)
        Core and margin; there is no margin beyond the border of the picture.
    top, left : int
        Where pixels[:, 0, 0] lies in the picture (in the box, if one was asked for).
    core : (slice, slice)
        Rows and columns of the picture that this tile answers for. The cores of all tiles partition the picture.
    """

    pixels: Tensor
    top: int
    left: int
    core: tuple[slice, slice]


def is_file(source: ImageLike | ImageFile) -> TypeGuard[ImageFile]:
    """Whether a source is an open `ImageFile`; without importing what reads files."""
    return hasattr(source, "read_region")


def picture_size(source: ImageLike | ImageFile, plane: int = 0) -> tuple[int, int]:
    """Height and width, pixels; of a file only the header is read."""
    if is_file(source):
        return source.shape(plane)[1:]
    if isinstance(source, (str, Path)):
        from kukkiri.images.reading import open_image

        with open_image(source) as file:
            return file.shape(plane)[1:]
    image = as_image(source)
    return image.height, image.width


def tiles(
    source: ImageLike | ImageFile, *, size: int = 1024, overlap: int = 64, box: Box | None = None, plane: int = 0
) -> Iterator[Tile]:
    """Tiles row by row.

    Parameters
    ----------
    source : image-like, or an open ImageFile
        A path or an open file is read part by part: of a tiled TIFF, only the tiles at hand are in memory.
    size : int
        Side of a core, pixels; the last ones of a row or column are smaller.
    overlap : int
        Margin around each core, pixels; neighbours thus share a band twice as wide.
    box : Box, optional
        The part of the picture to walk over; it is treated as if it were the whole.
    plane : int
        Of a file with several.

    Yields
    ------
    Tile

    Raises
    ------
    InputError, ShapeError
        If the size, the overlap or the box make no sense.
    ReadError, SizeError
        If the file cannot be read.
    """
    if size < 1 or overlap < 0:
        raise InputError(
            expected="a tile of at least 1 pixel and an overlap of at least 0",
            got=f"size {size}, overlap {overlap}",
            fix="leave them at 1024 and 64",
        )
    height, width = picture_size(source, plane)
    box = box or Box(0, 0, height, width)
    if (
        min(box.top, box.left, box.height, box.width) < 0
        or box.top + box.height > height
        or box.left + box.width > width
    ):
        raise ShapeError(
            expected=f"a box inside {width}×{height} pixels",
            got=f"{box.width}×{box.height} at column {box.left}, row {box.top}",
            fix="crop the box to the picture",
        )
    return _walk(source, size, overlap, box, plane)


def _walk(source: ImageLike | ImageFile, size: int, overlap: int, box: Box, plane: int) -> Iterator[Tile]:
    file: ImageFile | None = None
    opened = False
    if is_file(source):
        file = source
    elif isinstance(source, (str, Path)):
        from kukkiri.images.reading import open_image

        file, opened = open_image(source), True
    pixels = None if file is not None else as_image(source).pixels
    with file if file is not None and opened else nullcontext():
        for outer, core in layout(box.height, box.width, size, overlap):
            part = Box(box.top + outer.top, box.left + outer.left, outer.height, outer.width)
            if file is not None:
                yield Tile(file.read_region(plane, part), outer.top, outer.left, core)
            elif pixels is not None:
                yield Tile(pixels[:, *part.slices], outer.top, outer.left, core)


def layout(height: int, width: int, size: int, overlap: int) -> Iterator[tuple[Box, tuple[slice, slice]]]:
    """Where tiles lie, row by row: each one's rectangle with its margin, and rows and columns of its core.

    Parameters
    ----------
    height, width : int
        Of the picture.
    size, overlap : int
        Side of a core and width of the margin around it, pixels.
    """
    for top in range(0, height, size):
        for left in range(0, width, size):
            rows, columns = slice(top, min(top + size, height)), slice(left, min(left + size, width))
            y0, x0 = max(0, top - overlap), max(0, left - overlap)
            y1, x1 = min(height, rows.stop + overlap), min(width, columns.stop + overlap)
            yield Box(y0, x0, y1 - y0, x1 - x0), (rows, columns)


class Mosaic:
    """A picture put together from overlapping tiles, feathered: no seam where neighbours differ.

    In the band that two neighbours share, the weight of one falls linearly from 1 to 0 while the other's rises; the
    weights are then divided by their sum, so that they add up to 1 wherever tiles lie, three deep in a corner too.

    Parameters
    ----------
    height, width : int
        Of the picture (of the box, if the tiles came from one).

    Examples
    --------
    >>> mosaic = Mosaic(*picture_size(image))
    >>> for tile in tiles(image, size=512, overlap=32):
    ...     mosaic.add(tile, restore(tile.pixels))
    >>> mosaic.picture()
    """

    def __init__(self, height: int, width: int) -> None:
        self.height, self.width = height, width
        self._sum: Tensor | None = None
        self._weight = torch.zeros(1, height, width)

    def add(self, tile: Tile, result: Tensor) -> None:
        """Blend in what was made of one tile.

        Parameters
        ----------
        tile : Tile
        result : Tensor, (C, h, w) or (h, w), of the size of `tile.pixels`

        Raises
        ------
        ShapeError
            If it has another size, or another number of channels than those before.
        """
        result = result if result.ndim == 3 else result[None]
        h, w = tile.pixels.shape[-2:]
        if result.shape[-2:] != (h, w) or (self._sum is not None and result.shape[0] != self._sum.shape[0]):
            raise ShapeError(
                expected=f"a result of {w}×{h} pixels, with the channels of those before",
                got=str(tuple(result.shape)),
                fix="give back the margin of the tile as well",
            )
        if self._sum is None:
            # Integers and Booleans would lose what the weights leave of them.
            dtype = result.dtype if result.is_floating_point() else torch.float32
            self._sum = torch.zeros(result.shape[0], self.height, self.width, dtype=dtype)
        rows, columns = tile.core
        weight = torch.outer(
            ramp(h, rows.start - tile.top, tile.top + h - rows.stop),
            ramp(w, columns.start - tile.left, tile.left + w - columns.stop),
        )
        place = slice(tile.top, tile.top + h), slice(tile.left, tile.left + w)
        self._sum[:, *place] += result.to(self._sum) * weight.to(self._sum)
        self._weight[:, *place] += weight

    def picture(self) -> Tensor:
        """The blended picture (C, height, width).

        Raises
        ------
        InputError
            If some pixel was under no tile.
        """
        missing = int((self._weight == 0).sum())
        if self._sum is None or missing:
            raise InputError(
                expected="tiles that cover the picture", got=f"{missing} pixels under none", fix="add every tile first"
            )
        return self._sum / self._weight.to(self._sum)


def ramp(length: int, before: int, after: int) -> Tensor:
    """Weights along one side of a tile: linear over twice the margin at either end, 1 between.

    Parameters
    ----------
    length, before, after : int
        Side of the tile and its margins, pixels.

    Returns
    -------
    Tensor, (length,), in (0, 1]
    """
    place = torch.arange(length) + 0.5
    weight = torch.ones(length)
    if before:
        weight = torch.minimum(weight, place / (2 * before))
    if after:
        weight = torch.minimum(weight, (length - place) / (2 * after))
    return weight
