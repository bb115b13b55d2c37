"""Blur over the frame: what lens and sensor people, and microscopists with a tilted stage, look at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from dataclasses import field as attribute
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from kukkiri.errors import InputError, ShapeError
from kukkiri.sharpness.estimating import Estimator, default_estimator
from kukkiri.sharpness.field_fit import Array, FieldAstigmatism, Tilt

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from kukkiri.images.image import ImageLike
    from kukkiri.images.masks import Box
    from kukkiri.sharpness.blur import Blur

# Pixels; in less there is no telling of axes.
LEAST_CELL = 32


@dataclass(frozen=True)
class FieldCell:
    """One cell of the grid.

    Parameters
    ----------
    row, column : int
        From the top left one.
    box : Box
        Its pixels.
    sigma : float
        Blur size, pixels: the evidence-weighted median of the whole picture's map in there. NaN if abstained.
    interval : (float, float)
        90 %, of the cell seen by itself.
    bound : None | 'below' | 'above'
        As of `Blur`.
    major, minor, angle : float
        Axes, of the cell seen by itself.
    evidence : float
        Mean of the map's evidence in there, 0 to 1.
    abstained : str or None
        Why there is no blur size.
    """

    row: int
    column: int
    box: Box
    sigma: float
    interval: tuple[float, float]
    bound: Literal["below", "above"] | None
    major: float
    minor: float
    angle: float
    evidence: float
    abstained: str | None


@dataclass(frozen=True)
class ChannelField:
    """One colour channel.

    Parameters
    ----------
    name : 'red' | 'green' | 'blue'
    sigma, interval : float, (float, float)
        Of the whole frame, pixels.
    cells : tuple of tuple of float
        Sigma of each cell, row by row.
    to_green : float
        Sigma over that of green, cell by cell, then the geometric mean. 1 for green.
    to_green_interval : (float, float)
        90 %, from the scatter over the cells.
    """

    name: str
    sigma: float
    interval: tuple[float, float]
    cells: tuple[tuple[float, ...], ...]
    to_green: float
    to_green_interval: tuple[float, float]


@dataclass(frozen=True)
class Field:
    """Blur over the frame. A flat, evenly textured object shows the optics; any other shows its own depth as well.

    Parameters
    ----------
    grid : (int, int)
        Rows and columns.
    size : (int, int)
        Height and width of the picture, pixels.
    cells : tuple of FieldCell
        Row by row.
    blur : Blur
        Of the whole picture.
    corners : float
        Sigma of the four corner cells over that of the centre (geometric means); NaN where one side gives none.
    corners_interval : (float, float)
        90 %.
    tilt : Tilt
    astigmatism : FieldAstigmatism
    channels : tuple of ChannelField
        Of a colour picture.
    statement : str
        The same in plain sentences.
    preview : ndarray, (h, w)
        The picture in grey and small, for the figure.
    """

    grid: tuple[int, int]
    size: tuple[int, int]
    cells: tuple[FieldCell, ...] = attribute(repr=False)
    blur: Blur
    corners: float
    corners_interval: tuple[float, float]
    tilt: Tilt
    astigmatism: FieldAstigmatism
    channels: tuple[ChannelField, ...] = attribute(repr=False)
    statement: str
    preview: Any = attribute(repr=False, compare=False)

    @property
    def sigma(self) -> Array:
        """Sigma of the cells (rows, columns), pixels; NaN where one gives none."""
        return np.array([cell.sigma for cell in self.cells]).reshape(self.grid)

    def to_row(self) -> dict[str, Any]:
        """A JSON-ready dict: the whole picture, what the cells have in common, and each cell. NaN is None."""
        from kukkiri.metrics.score import json_number

        def plain(value: Any) -> Any:
            if isinstance(value, dict):
                return {k: plain(v) for k, v in value.items()}
            if isinstance(value, (list, tuple)):
                return [plain(v) for v in value]
            return json_number(value)

        row: dict[str, Any] = {
            **self.blur.to_row(),
            "rows": self.grid[0],
            "columns": self.grid[1],
            "height": self.size[0],
            "width": self.size[1],
            "corners": self.corners,
            "corners_interval": self.corners_interval,
            "tilt": self.tilt._asdict(),
            "astigmatism": self.astigmatism._asdict(),
            "channels": [asdict(c) for c in self.channels],
            "cells": [asdict(c) for c in self.cells],
            "statement": self.statement,
        }
        found: dict[str, Any] = plain(row)
        return found

    def figure(self) -> Figure:
        """Heat map with axes, and sigma against the distance from the centre."""
        from kukkiri.sharpness.field_figure import field_figure

        return field_figure(self)


def parse_grid(text: str) -> tuple[int, int]:
    """Rows and columns from 'COLUMNSxROWS', as sizes of pictures are written.

    Raises
    ------
    InputError
        If it is anything else.
    """
    parts = text.lower().replace("×", "x").split("x")
    if len(parts) != 2 or not all(p.strip().isdecimal() and 1 <= int(p) <= 64 for p in parts):
        raise InputError(expected="a grid COLUMNSxROWS, 1 to 64 each", got=repr(text), fix="for example --field 5x5")
    return int(parts[1]), int(parts[0])


def field(
    image: ImageLike,
    grid: tuple[int, int] = (5, 5),
    *,
    mask: Any = None,
    estimator: Estimator | None = None,
    on_cell: Callable[[int, int], None] | None = None,
) -> Field:
    """Blur and astigmatism over the frame: corners against centre, tilt, colour channels.

    Parameters
    ----------
    image : image-like
    grid : (int, int)
        Rows and columns, each cell of at least 32×32 pixels.
    mask : None | 'auto' | Boolean (H, W)
        True where pixels must not count, as in `kk.blur`.
    estimator : optional
        What tells the blur; default: `kukkiri-blur`.
    on_cell : function, optional
        Called with the number of passes done and of all passes.

    Returns
    -------
    Field

    Raises
    ------
    InputError
        If the grid makes no sense.
    ShapeError
        If its cells are too small.
    KukkiriError
        If the picture cannot be read.

    Notes
    -----
    Raw colour pictures are interpolated from a mosaic of red, green and blue pixels, which alone makes red and blue
    more blurred than green.
    """
    from kukkiri.images.image import as_image
    from kukkiri.sharpness.field_measuring import FieldMeasuring, mask_of

    source = as_image(image)
    rows, columns = (int(v) for v in grid)
    if min(rows, columns) < 1:
        raise InputError(expected="at least one row and column", got=str(grid), fix="for example grid=(5, 5)")
    if source.height // rows < LEAST_CELL or source.width // columns < LEAST_CELL:
        raise ShapeError(
            expected=f"cells of at least {LEAST_CELL}×{LEAST_CELL} pixels",
            got=f"{source.width // columns}×{source.height // rows}",
            fix=f"choose at most {max(1, source.width // LEAST_CELL)}x{max(1, source.height // LEAST_CELL)} cells",
        )
    teller = estimator or default_estimator()
    return FieldMeasuring(source, (rows, columns), mask_of(source, mask), teller, on_cell).field()
