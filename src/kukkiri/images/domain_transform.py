"""The recursive domain transform: smoothing that stops at the edges of a guide (Gastal and Oliveira 2011).

Along a line the distance between neighbours is 1 plus their difference in the guide, scaled; a recursive filter then
forgets with that distance. Rows and columns take turns, each time with a smaller standard deviation.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def domain_transform(values: Tensor, guide: Tensor, space: float, grey: float, iterations: int) -> Tensor:
    """Smooth within the edges of a guide.

    Parameters
    ----------
    values, guide : Tensor, (H, W)
    space, grey : float
        Standard deviations, pixels and units of the guide; above 0.
    iterations : int

    Returns
    -------
    Tensor, (H, W)
        Within the range of `values`. Source: doi:10.1145/1964921.1964964, equations 11, 14 and 21.
    """
    across, down = (1 + space / grey * torch.diff(guide, dim=axis).abs() for axis in (1, 0))
    result = values.T.clone(memory_format=torch.contiguous_format)  # it is filtered in place
    for i in range(iterations):
        sigma = space * math.sqrt(3) * 2 ** (iterations - 1 - i) / math.sqrt(4**iterations - 1)
        feedback = math.exp(-math.sqrt(2) / sigma)
        for distance in (across.T, down):
            # The axis that is filtered comes first: its lines then lie in one piece.
            _both_ways(result, feedback**distance)
            result = result.T.contiguous()
    return result.T


def _both_ways(lines: Tensor, gains: Tensor) -> None:
    """Recursive filter along the first axis, forth and back, in place; gains (H − 1, W) lie between the lines."""
    each, between = lines.unbind(0), gains.unbind(0)
    for i in range(1, len(each)):
        each[i].lerp_(each[i - 1], between[i - 1])
    for i in range(len(each) - 2, -1, -1):
        each[i].lerp_(each[i + 1], between[i])
