"""Square patches of pictures, and work through many of them in little memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from kukkiri.errors import InputError, ShapeError


def regular_places(rows: Sequence[int], columns: Sequence[int]) -> Tensor:
    """The top left corners of a grid of patches, row by row.

    Parameters
    ----------
    rows, columns : sequence of int
        Where the patches of one column begin from above, and those of one row from the left, pixels.

    Returns
    -------
    Tensor of int64, (len(rows) · len(columns), 2)
        Row and column of each.
    """
    corners = torch.meshgrid(torch.tensor(list(rows)).long(), torch.tensor(list(columns)).long(), indexing="ij")
    return torch.stack(corners, -1).view(-1, 2)


def check_random(count: int | None, seed: int | None) -> None:
    """Make sure that these options are possible: without a seed a regular grid, with one random patches.

    Parameters
    ----------
    count : int, optional
        How many patches are drawn; None: the default of whoever draws them.
    seed : int, optional
        None: none are drawn.

    Raises
    ------
    InputError
        If the count is not a whole number from 1, or the seed not one of 32 bits, or there is a count without a seed.
    """
    numbers = [value for value in (count, seed) if value is not None]
    whole = all(isinstance(value, int) and not isinstance(value, bool) for value in numbers)
    if whole and seed is None and count is not None:
        raise InputError(
            expected="a seed with crops, so that they are drawn at random",
            got=f"crops {count!r} without a seed",
            fix="give seed=0, or leave crops out for all patches of a regular grid",
        )
    if not whole or (count is not None and count < 1) or (seed is not None and not 0 <= seed < 1 << 32):
        raise InputError(
            expected="a number of crops from 1 and a seed from 0 to 2³² − 1",
            got=f"crops {count!r}, seed {seed!r}",
            fix="leave both out for all patches of a regular grid",
        )


def random_places(height: int, width: int, side: int, count: int, seed: int) -> Tensor:
    """Patches anywhere in a picture, all places as likely, overlaps allowed.

    The generator is NumPy's `RandomState` (Mersenne Twister), asked for the column of a patch and then for its row:
    what `numpy.random.seed(seed)` and then `numpy.random.randint` patch by patch give.

    Parameters
    ----------
    height, width : int
        Of the picture, pixels, at least `side`.
    side, count : int
        Side of a patch, and how many.
    seed : int

    Returns
    -------
    Tensor of int64, (count, 2)
        Row and column of each top left corner.
    """
    generator = np.random.RandomState(seed)
    corners = [(generator.randint(0, width - side + 1), generator.randint(0, height - side + 1)) for _ in range(count)]
    return torch.tensor([(row, column) for column, row in corners])


def over_patches(
    measure: Callable[..., Tensor], pictures: Sequence[Tensor], places: Tensor, side: int, *, at_once: int
) -> Tensor:
    """Measure patches, a few at a time, so that memory does not grow with the picture.

    With gradients, what happens inside a part is computed a second time on the way back instead of being kept.

    Parameters
    ----------
    measure : function(Tensor (B, C, side, side), …) -> Tensor (B, K)
        Is given the patches of each picture at the same places.
    pictures : sequence of Tensor, (N, C, H, W)
        All of one size: a picture and its reference, say.
    places : Tensor of int64, (P, 2)
        Row and column of the top left corners, the same for all samples.
    side : int
        Of a patch, pixels.
    at_once : int
        Patches of each picture that are measured together.

    Returns
    -------
    Tensor, (N, P, K)

    Raises
    ------
    ShapeError
        If there is no place at all.
    """
    samples, channels, height, width = pictures[0].shape
    if not len(places):
        raise ShapeError(
            expected=f"a picture that holds patches of {side}×{side} px",
            got=f"{width}×{height}",
            fix="take a larger one",
        )
    device = pictures[0].device
    places = places.to(device)
    within = torch.arange(side, device=device)
    inside = (within[:, None] * width + within).flatten()
    corners = places[:, 0] * width + places[:, 1]
    corners = (torch.arange(samples, device=device)[:, None] * (height * width) + corners).flatten()
    # One row of pixels a channel: a gather from it has a gradient that costs one picture, not one a patch.
    rows = [picture.transpose(0, 1).reshape(channels, -1) for picture in pictures]

    def part(chosen: Tensor) -> Tensor:
        pixels = (chosen[:, None] + inside).flatten()
        cut = [row.index_select(1, pixels).view(channels, -1, side, side).transpose(0, 1) for row in rows]
        return measure(*(patches.contiguous() for patches in cut))

    differentiated = torch.is_grad_enabled() and any(picture.requires_grad for picture in pictures)
    parts = torch.split(corners, at_once)
    found = [checkpoint(part, chosen, use_reentrant=False) if differentiated else part(chosen) for chosen in parts]
    return torch.cat(found).view(samples, len(places), -1)
