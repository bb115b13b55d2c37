"""Walk over a picture of any size in overlapping tiles, and put results together again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor

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


def picture_size(source: ImageLike | ImageFile) -> tuple[int, int]:
    """Height and width, pixels."""
    image = as_image(source)
    return image.height, image.width


def tiles(
    source: ImageLike | ImageFile, *, size: int = 1024, overlap: int = 64, box: Box | None = None
) -> Iterator[Tile]:
    """Tiles row by row."""
    image = as_image(source)
    box = box or Box(0, 0, image.height, image.width)
    pixels = image.pixels[:, *box.slices]
    for top in range(0, box.height, size):
        for left in range(0, box.width, size):
            rows = slice(top, min(top + size, box.height))
            columns = slice(left, min(left + size, box.width))
            y0, x0 = max(0, rows.start - overlap), max(0, columns.start - overlap)
            y1, x1 = min(box.height, rows.stop + overlap), min(box.width, columns.stop + overlap)
            yield Tile(pixels[:, y0:y1, x0:x1], y0, x0, (rows, columns))
