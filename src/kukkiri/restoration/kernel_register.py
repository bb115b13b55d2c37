"""Keep kernel and picture in register: a shift of one can always be undone by a shift of the other."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def centroid(kernel: Tensor) -> tuple[int, int]:
    """Row and column nearest to the mean of a kernel (h, w) of sum 1."""
    rows = torch.arange(kernel.shape[0], dtype=kernel.dtype, device=kernel.device)
    columns = torch.arange(kernel.shape[1], dtype=kernel.dtype, device=kernel.device)
    return round(float(kernel.sum(1) @ rows)), round(float(kernel.sum(0) @ columns))


def centred(kernel: Tensor) -> Tensor:
    """A kernel (side, side) with its centroid in the middle, by whole pixels; larger if anything would be lost.

    Returns
    -------
    Tensor, (side', side'), side' odd and at least side
    """
    side = kernel.shape[0]
    row, column = (n - side // 2 for n in centroid(kernel))
    margin = max(abs(row), abs(column))
    grown = F.pad(kernel, (margin - column, margin + column, margin - row, margin + row))
    # What the softmax leaves in every pixel is no reason for a larger kernel.
    faint = float(kernel.max()) * 1e-3
    while margin and float(_rim(grown).max()) < faint and grown.shape[0] > side:
        grown, margin = grown[1:-1, 1:-1], margin - 1
    return grown / grown.sum()


def _rim(kernel: Tensor) -> Tensor:
    return torch.cat([kernel[0], kernel[-1], kernel[:, 0], kernel[:, -1]])
