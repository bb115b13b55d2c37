"""RoI pooling: the largest values of a feature map in the cells of boxes (Girshick, ICCV 2015, arXiv:1504.08083)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

# First and one past the last index along one side of a feature map.
Span = tuple[int, int]


def cells_of(start: Tensor, end: Tensor, size: int, stride: int, cells: int) -> list[Span]:
    """Where the cells of boxes lie along one side, as in torchvision's `roi_pool`.

    Ends of boxes are rounded to whole features (halves away from 0) and both belong to the box, so that neighbours
    overlap. Cells overlap too where their number does not divide the box, and are cut at the border.

    Parameters
    ----------
    start, end : Tensor, (K,)
        First and last place of each box, pixels.
    size : int
        Of the feature map along this side.
    stride : int
        Pixels a feature.
    cells : int
        A box.

    Returns
    -------
    list of (int, int), K · cells long
        Empty ones (start ≥ end) lie outside the feature map.
    """
    first, last = (torch.floor(place.double() / stride + 0.5).long() for place in (start, end))
    length = (last - first + 1).clamp_min(1)
    spans = []
    for begin, count in zip(first.tolist(), length.tolist(), strict=True):
        for k in range(cells):
            low, high = begin + k * count // cells, begin - (-(k + 1) * count // cells)
            spans.append((min(max(low, 0), size), min(max(high, 0), size)))
    return spans


def largest_within(x: Tensor, rows: Sequence[Span], columns: Sequence[Span]) -> Tensor:
    """The largest values in all rectangles that some spans of rows and some of columns make.

    Parameters
    ----------
    x : Tensor, (N, C, h, w)
    rows, columns : sequence of (first, one past the last)

    Returns
    -------
    Tensor, (N, C, len(rows), len(columns))
        0 where a rectangle is empty.
    """
    for side, spans in ((-2, rows), (-1, columns)):
        largest = {
            (a, b): x.narrow(side, a, b - a).amax(side) if a < b else torch.zeros_like(x.select(side, 0))
            for a, b in dict.fromkeys(spans)
        }
        x = torch.stack([largest[span] for span in spans], side)
    return x
