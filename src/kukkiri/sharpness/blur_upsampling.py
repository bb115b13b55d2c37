"""A blur map between its cells: sigma and evidence at every pixel, in strips for pictures of any size."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from kukkiri.sharpness.blur import Blur

# Rows that are made at a time, pixels.
ROWS = 256


class BetweenCells:
    """Log sigma and evidence of a map at any place. Both are interpolated over the cells that count, and those only.

    Parameters
    ----------
    blur : Blur
    """

    def __init__(self, blur: Blur) -> None:
        known = torch.isfinite(blur.map) & (blur.map > 0)
        logs = torch.where(known, blur.map, torch.ones_like(blur.map)).log2()
        evidence = torch.where(known, blur.evidence, torch.zeros_like(blur.evidence))
        self._known, self._stride, self._size = known, blur.stride, blur.size
        self._stack = torch.stack([logs, known.to(logs), evidence.to(logs)]).float()

    def at(self, y: Tensor, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What the map says at rows y and columns x.

        Parameters
        ----------
        y, x : Tensor, (h,) and (w,)
            From the first row and column of what was measured, pixels; the first pixel's centre lies at ½.

        Returns
        -------
        logs : Tensor, (h, w)
            Log2 sigma.
        valid : Tensor of bool, (h, w)
            Whether the place was measured, and no mask covers its cell.
        evidence : Tensor, (h, w)
            0 to 1.
        """
        stack = self._stack
        for axis, at, edge in ((1, y, self._size[0]), (2, x, self._size[1])):
            shape = [-1 if i == axis else 1 for i in range(3)]
            place = (at / self._stride - 0.5).clamp(0, stack.shape[axis] - 1)
            first = place.floor().long().clamp_max(max(stack.shape[axis] - 2, 0))
            second = (first + 1).clamp_max(stack.shape[axis] - 1)
            share = (place - first).reshape(shape)
            inside = ((at >= 0) & (at < edge)).reshape(shape)
            stack = stack.index_select(axis, first) * (1 - share) + stack.index_select(axis, second) * share
            stack = stack * inside
        row, column = ((at / self._stride).long().clamp(0, n - 1) for at, n in zip((y, x), self._known.shape))
        total = stack[1].clamp_min(1e-6)
        return stack[0] / total, self._known[row][:, column] & (stack[1] > 0), stack[2] / total


def strips(blur: Blur, size: tuple[int, int], begin: tuple[int, int], least_evidence: float = 0.0) -> Iterator[Tensor]:
    """Sigma at full size, some rows at a time.

    Parameters
    ----------
    blur : Blur
    size : (int, int)
        Height and width of the picture, pixels.
    begin : (int, int)
        Row and column of the picture at which what was measured begins.
    least_evidence : float
        Where there is less, nothing counts; 0 to 1.

    Yields
    ------
    Tensor, (up to ROWS, W)
        Pixels; NaN where nothing counts.
    """
    cells = BetweenCells(blur)
    x = torch.arange(size[1]) + 0.5 - begin[1]
    for top in range(0, size[0], ROWS):
        y = torch.arange(top, min(top + ROWS, size[0])) + 0.5 - begin[0]
        logs, valid, evidence = cells.at(y, x)
        yield torch.where(valid & (evidence >= least_evidence), logs.exp2(), torch.full_like(logs, torch.nan))


def full_size(blur: Blur, size: tuple[int, int], begin: tuple[int, int], least_evidence: float = 0.0) -> Tensor:
    """Sigma at full size, (H, W); parameters and values as of `strips`."""
    full = torch.empty(size)
    for i, rows in enumerate(strips(blur, size, begin, least_evidence)):
        full[i * ROWS : i * ROWS + len(rows)] = rows
    return full
