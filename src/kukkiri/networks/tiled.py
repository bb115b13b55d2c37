"""Features of pictures that are too large to go through a network at once: the same values, from tiles."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from kukkiri.images.tiles import layout

# Up to this many pixels go through at once: 64 channels at full resolution then take half a gigabyte.
LARGE = 1 << 21
# Side of a tile without its margin, pixels.
TILE = 1024


def tiled_features(
    image: Tensor,
    features: Callable[[Tensor], Tensor],
    stride: int,
    reach: int,
    *,
    large: int = LARGE,
    tile: int = TILE,
) -> Tensor:
    """What a network of convolutions and poolings makes of a whole picture, in bounded memory.

    Where gradients reach the picture it goes through whole: they need all features anyway.

    Parameters
    ----------
    image : Tensor, (N, C, H, W)
    features : function(Tensor (N, C, h, w)) -> Tensor (N, C', h', w')
        Its output has one value every `stride` pixels, from the upper left corner on.
    stride, reach : int
        A value is a function of the pixels from `reach` before to `reach` after the first of its stride.
    large, tile : int
        Up to how many pixels go through at once, all samples together: of more, some samples at a time, and a sample
        that is larger by itself in tiles. Side of a tile, pixels.

    Returns
    -------
    Tensor, (N, C', H', W')
        As `features(image)`, to rounding.
    """
    samples, _, height, width = image.shape
    if samples * height * width <= large or (torch.is_grad_enabled() and image.requires_grad):
        return features(image)
    if samples > 1:
        together = max(large // (height * width), 1)
        parts = torch.split(image, together)
        return torch.cat([tiled_features(part, features, stride, reach, large=large, tile=tile) for part in parts])
    step = -(-tile // stride) * stride
    rows: list[list[Tensor]] = []
    for outer, (down, across) in layout(height, width, step, -(-reach // stride) * stride):
        found = features(image[..., *outer.slices])
        top, left = (down.start - outer.top) // stride, (across.start - outer.left) // stride
        # The last tile of a row or column has all that is left, whichever way the network rounds.
        bottom = None if down.stop == height else (down.stop - outer.top) // stride
        right = None if across.stop == width else (across.stop - outer.left) // stride
        if across.start == 0:
            rows.append([])
        rows[-1].append(found[..., top:bottom, left:right].clone())
    return torch.cat([torch.cat(row, -1) for row in rows], -2)
