"""Square crops of a picture, for networks that were trained on crops: where they lie, and the mean over them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from kukkiri.errors import InputError
from kukkiri.quality.no_reference.options import check_two, check_whole

# Upper left corner: (top, left), pixels.
Place = tuple[int, int]


def check_crops(crops: int, seed: int | None) -> None:
    """Make sure that the options of a metric that takes crops are possible.

    Raises
    ------
    InputError
        If `crops` is not a whole number from 1, or `seed` not one from 0 to 2³² − 1.
    """
    check_whole("crops", crops, 1, "give how many, or leave it out")
    if seed is not None and (isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 1 << 32):
        raise InputError(
            expected="a seed from 0 to 2³² − 1, or None", got=repr(seed), fix="leave it out for regular crops"
        )


def check_resize(resize: tuple[int, int] | None, side: int) -> tuple[int, int] | None:
    """A height and width to which pictures are resized before crops of `side` px are taken, or None.

    Raises
    ------
    InputError
        If it is not two whole numbers from `side`.
    """
    if resize is None:
        return None
    return check_two("resize", resize, side, "height and width in pixels", "resize=(512, 384), or leave it out")


def resized(image: Tensor, resize: tuple[int, int] | None) -> Tensor:
    """The picture (N, C, H, W) at this height and width, linearly and antialiased; as it is for None."""
    return image if resize is None else F.interpolate(image, resize, mode="bilinear", antialias=True)


def even_places(height: int, width: int, side: int, count: int) -> tuple[Place, ...]:
    """Crops spread evenly over the whole picture, as near to a square grid as their number allows.

    Parameters
    ----------
    height, width : int
        Of the picture, pixels, at least `side`.
    side, count : int
        Side of a crop, and how many.

    Returns
    -------
    tuple of (top, left)
        In rows. The first and the last of several rows touch the upper and the lower border, the first and the last
        crop of a row the left and the right one. A single row lies in the middle of the height, a crop that is alone in
        its row in the middle of the width: few crops, or those of a strip, leave borders out. Fewer than `count` where
        crops would coincide.
    """
    free_height, free_width = height - side, width - side
    if not free_height:
        rows = 1
    elif not free_width:
        rows = count
    else:
        rows = min(max(round((count * free_height / free_width) ** 0.5), 1), count)
    places = []
    for row, top in enumerate(spread(free_height, rows)):
        columns = count * (row + 1) // rows - count * row // rows
        places += [(top, left) for left in spread(free_width, columns)]
    return tuple(dict.fromkeys(places))


def spread(free: int, count: int) -> list[int]:
    """`count` whole numbers spread evenly from 0 to `free`; the middle if there is one only."""
    return [round(i * free / (count - 1)) for i in range(count)] if count > 1 else [free // 2]


def numpy_places(height: int, width: int, side: int, count: int, seed: int) -> tuple[Place, ...]:
    """Crops as `numpy.random.seed(seed)` and then, for each, two calls of `numpy.random.randint` give them.

    The top first, below `height − side`, then the left, below `width − side`: like the authors of several networks,
    who thus never take the last row and column. A side without freedom is 0, and nothing is drawn for it.
    """
    generator = np.random.RandomState(seed)

    def drawn(free: int) -> int:
        return int(generator.randint(0, free)) if free > 0 else 0

    return tuple((drawn(height - side), drawn(width - side)) for _ in range(count))


def torch_places(height: int, width: int, side: int, count: int, seed: int) -> tuple[Place, ...]:
    """Crops as `torch.manual_seed(seed)` and then `count` calls of torchvision's RandomCrop give them."""
    generator = torch.Generator().manual_seed(seed)

    def drawn(free: int) -> int:
        return int(torch.randint(0, free + 1, (1,), generator=generator))

    if (height, width) == (side, side):
        return ((0, 0),) * count
    return tuple((drawn(height - side), drawn(width - side)) for _ in range(count))


def mean_over_crops(
    image: Tensor, places: Sequence[Place], side: int, rate: Callable[[Tensor], Tensor], chunk: int
) -> Tensor:
    """The mean of what `rate` says of the crops of each picture.

    Parameters
    ----------
    image : Tensor, (N, C, H, W)
    places : sequence of (top, left)
        The same for every picture.
    side : int
        Of a crop, pixels.
    rate : function(Tensor (M, C, side, side)) -> Tensor (M,)
    chunk : int
        Crops that are rated at once. Where gradients are wanted and there are several chunks, what `rate` computed is
        not kept but computed again, so that the memory is that of one.

    Returns
    -------
    Tensor, (N,)
    """
    wanted = [(sample, place) for sample in range(image.shape[0]) for place in places]
    again = torch.is_grad_enabled() and image.requires_grad and len(wanted) > chunk
    values = []
    for first in range(0, len(wanted), chunk):
        crops = torch.stack(
            [image[i, :, top : top + side, left : left + side] for i, (top, left) in wanted[first : first + chunk]]
        )
        values.append(checkpoint(rate, crops, use_reentrant=False) if again else rate(crops))
    return torch.cat(values).reshape(image.shape[0], len(places)).mean(1)
