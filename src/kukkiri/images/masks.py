"""Masks (True where pixels must not count) and the rectangles they leave."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kukkiri.errors import InputError, ShapeError


@dataclass(frozen=True)
class Box:
    """A rectangle of whole pixels: rows top … top + height − 1, columns left … left + width − 1."""

    top: int
    left: int
    height: int
    width: int

    def checked_inside(self, height: int, width: int) -> Box:
        """Itself, if it lies in a picture of this size.

        Raises
        ------
        ShapeError
            If it does not.
        """
        if self.top + self.height > height or self.left + self.width > width:
            raise ShapeError(
                expected=f"a region inside {width}×{height}",
                got=f"{self.width}×{self.height} at {self.left},{self.top}",
                fix="choose a smaller region",
            )
        return self

    @property
    def slices(self) -> tuple[slice, slice]:
        """Rows and columns, to index an array with."""
        return slice(self.top, self.top + self.height), slice(self.left, self.left + self.width)


def as_mask(mask: Any, size: tuple[int, int] | torch.Size, device: torch.device | str = "cpu") -> Tensor:
    """A Boolean tensor (H, W) or (N, H, W) from a path, an array or a tensor.

    Parameters
    ----------
    mask : path, array or tensor
        True where pixels must not count; of a picture where it is brighter than half, or 1 where it holds the integers
        0 and 1 only. One mask may be (H, W) or (1, H, W).
    size : (H, W)
    device : torch.device or str

    Returns
    -------
    Tensor of bool, (H, W); of a Boolean (N, H, W) with N above 1 the same

    Raises
    ------
    ShapeError
        If it is not of the picture's size.
    InputError
        If a picture is neither black as a whole nor anywhere brighter than half: that cannot be meant.
    ReadError, SizeError
        If a file cannot be read.
    """
    if isinstance(mask, (np.ndarray, Tensor)) and tuple(mask.shape) == (1, *size):
        mask = mask[0]
    if isinstance(mask, np.ndarray) and mask.dtype == bool:
        mask = torch.from_numpy(np.ascontiguousarray(mask))
    picture = mask if isinstance(mask, Tensor) and mask.dtype == torch.bool else _of_picture(mask)
    if picture.ndim not in (2, 3) or tuple(picture.shape[-2:]) != tuple(size):
        raise ShapeError(
            expected=f"a mask of {size[1]}×{size[0]} pixels",
            got="×".join(str(v) for v in reversed(picture.shape)),
            fix="make the mask from this picture",
        )
    return picture.to(device)


def _of_picture(mask: Any) -> Tensor:
    """Where a picture, be it a file or an array of numbers, is white; (H, W)."""
    from kukkiri.images.image import as_image

    numbers = mask.cpu().numpy() if isinstance(mask, Tensor) else mask
    if isinstance(numbers, np.ndarray) and numbers.dtype.kind in "iu" and bool(((numbers == 0) | (numbers == 1)).all()):
        mask = numbers == 1 if numbers is mask else torch.from_numpy(numbers == 1)
    image = as_image(mask)
    grey = image.pixels.mean(0)
    white, brightest = grey > 0.5, float(image.pixels.max())
    if brightest == 0 or bool(white.any()):
        return white
    # In the full range of its integers, 1 is next to nothing.
    if brightest * (2**image.bit_depth - 1) < 1.5:
        return grey > 0
    raise InputError(
        expected="a mask that is white, 1 or True where pixels must not count",
        got=f"nothing brighter than {float(grey.max()):.3g} of white",
        fix="save it in black and white, or give array != 0",
    )


def bounding_box(free: Tensor) -> Box:
    """The smallest rectangle around all True pixels of (H, W); empty if there is none.

    Raises
    ------
    ShapeError
        If there are several masks: each may leave another rectangle.
    """
    _check_single(free)
    rows, columns = free.any(1).nonzero().flatten(), free.any(0).nonzero().flatten()
    if len(rows) == 0:
        return Box(0, 0, 0, 0)
    top, left = int(rows[0]), int(columns[0])
    return Box(top, left, int(rows[-1]) + 1 - top, int(columns[-1]) + 1 - left)


def largest_free_box(left_out: Tensor) -> Box:
    """The largest rectangle of (H, W) without a masked pixel; the classic stack over a histogram of free heights.

    Raises
    ------
    ShapeError
        If there are several masks.
    """
    _check_single(left_out)
    mask = left_out.cpu().numpy()
    height, width = mask.shape
    best, best_area = Box(0, 0, 0, 0), 0
    heights = np.zeros(width + 1, np.int64)  # the last column stays 0 and flushes the stack
    previous: np.ndarray | None = None
    for row in range(height):
        heights[:-1] = np.where(mask[row], 0, heights[:-1] + 1)
        # Only the last row of a run of equal rows can hold the largest rectangle's foot.
        if row + 1 < height and np.array_equal(mask[row], mask[row + 1]):
            continue
        if previous is not None and np.array_equal(heights, previous):
            continue
        previous = heights.copy()
        edges = [0, *(np.flatnonzero(np.diff(heights)) + 1)]  # columns where the height changes
        stack: list[tuple[int, int]] = []  # (start column, height), heights increasing
        for column in edges:
            tall, start = int(heights[column]), column
            while stack and stack[-1][1] >= tall:
                start, h = stack.pop()
                area = h * (column - start)
                if area > best_area:
                    best_area, best = area, Box(row - h + 1, start, h, column - start)
            if tall:
                stack.append((start, tall))
    return best


def _check_single(mask: Tensor) -> None:
    if mask.ndim != 2:
        raise ShapeError(
            expected="one mask (H, W) for one picture",
            got=f"{tuple(mask.shape)}",
            fix="give one of them, or mask.any(0)",
        )
