"""Widths of vertical edges, read off the rows of a picture (Marziliano, Dufaux, Winkler, Ebrahimi 2004).

An edge is as wide as the monotone ramp that it lies on: from the edge pixel to the nearest local extremum on the left
plus that on the right.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from kukkiri.images.canny import sobel_horizontal

# An edge is vertical if its gradient lies within 22.5° of the row: the sector that rounding to 45° sends to 0° or 180°.
STEEPEST = math.tan(math.pi / 8)
# A ramp goes on while it rises by this many of 255 levels a pixel. On whole levels that is any rise, as published; on
# finer ones it keeps slopes and noise that 8 bits would not show from widening an edge, so that the same scene has the
# same widths at every bit depth. Not 1/2: averages of whole levels, as every resizing makes them, would sit on it.
LEAST_STEP = 0.6


def vertical_edge_strength(grey: Tensor) -> Tensor:
    """Squared horizontal Sobel response, normalised so that its coefficients' magnitudes sum to 1.

    Parameters
    ----------
    grey : Tensor, (N, 1, H, W), values in [0, 255]

    Returns
    -------
    Tensor, (N, 1, H, W)
    """
    return (sobel_horizontal(grey) / 8).square()


def thin(strength: Tensor, threshold: Tensor, lying: Tensor | None = None) -> Tensor:
    """Edge pixels: stronger than a threshold, and peaks among their neighbours along the row or along the column.

    Parameters
    ----------
    strength : Tensor, (N, 1, H, W)
    threshold : Tensor, broadcastable to `strength`
        An edge exceeds it.
    lying : Tensor of bool, (N, 1, H, W), optional
        Where the vertical derivative is the greater. None: Octave's `edge`, which wants strict peaks. Given: MATLAB's,
        where the left or upper neighbour may be as strong, and a peak along the row counts only where not `lying`.

    Returns
    -------
    Tensor of bool, (N, 1, H, W)
        False on the outermost pixels, which have no width.
    """
    inside = strength[..., 1:-1, 1:-1]
    left, right = strength[..., 1:-1, :-2], strength[..., 1:-1, 2:]
    above, below = strength[..., :-2, 1:-1], strength[..., 2:, 1:-1]
    if lying is None:
        peak = ((inside > left) & (inside > right)) | ((inside > above) & (inside > below))
    else:
        along_row = (inside >= left) & (inside > right) & ~lying[..., 1:-1, 1:-1]
        peak = along_row | ((inside >= above) & (inside > below))
    return F.pad(peak & (inside > threshold), (1, 1, 1, 1))


def edge_widths(grey: Tensor, edges: Tensor, limit: int = 100) -> Tensor:
    """Width of every vertical edge.

    Parameters
    ----------
    grey : Tensor, (N, 1, H, W), values in [0, 255]
    edges : Tensor of bool, (N, 1, H, W)
        Those on the outermost pixels, and those whose gradient is not within 22.5° of the row, are left out. A pixel
        between two equal neighbours in its row has no such direction; it counts as one of a rising ramp.
    limit : int
        Longest march to either side, pixels beyond the edge pixel's own neighbour; at most 126.

    Returns
    -------
    Tensor of uint8, (N, 1, H, W)
        2 for an edge between immediate extrema, up to 2 + 2·limit; 0 where there is no edge.
    """
    dx = grey[..., 1:-1, 2:] - grey[..., 1:-1, :-2]
    dy = grey[..., 2:, 1:-1] - grey[..., :-2, 1:-1]
    vertical = (dy.abs() <= dx.abs() * STEEPEST) | (dx == 0)
    step = grey[..., 1:-1, 1:] - grey[..., 1:-1, :-1]
    rising, falling = _ramps(step > LEAST_STEP, limit), _ramps(step < -LEAST_STEP, limit)
    widths = torch.where(dx < 0, falling, rising) + 2
    return F.pad(widths * (vertical & edges[..., 1:-1, 1:-1]), (1, 1, 1, 1))


def _ramps(step: Tensor, limit: int) -> Tensor:
    # step[…, i] says whether the ramp goes on from column i to i + 1. The two steps that touch the edge pixel c itself,
    # i = c − 1 and i = c, are not asked: the march starts at its neighbours.
    width = step.shape[-1] - 1
    limit = min(limit, width)
    # Bytes, not Booleans: adding up what is still going then needs no conversion.
    padded = F.pad(step.to(torch.uint8), (limit, limit))
    total = torch.zeros((*step.shape[:-1], width), dtype=torch.uint8, device=step.device)
    for start, way in ((limit - 1, -1), (limit + 2, 1)):
        going = torch.ones_like(total)
        for k in range(limit):
            going &= padded.narrow(-1, start + way * k, width)
            if k % 8 == 7 and not bool(going.any()):
                break
            total += going
    return total
