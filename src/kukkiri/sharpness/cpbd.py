"""CPBD, cumulative probability of blur detection: the share of edges too narrow for an eye to call them blurred.

An edge of width w on a block of just noticeable width w_J is seen as blurred with probability 1 − exp(−(w / w_J)^3.6):
63 % at w = w_J. CPBD adds up the histogram of these probabilities to 63 %, that bin included (Narvekar, Karam 2011).
Widths are whole pixels, so that this is the share of edges with w ≤ w_J, and no march need go further than tells.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from kukkiri.images.canny import canny, canny_candidates, smooth, sobel
from kukkiri.images.colour import luma, on_8bit_grid
from kukkiri.images.image import ImageLike
from kukkiri.metrics.base import LocalMetric, weighted_sums
from kukkiri.sharpness.edge_width import edge_widths, thin, vertical_edge_strength

BLOCK = 64
# A block is looked at if more than 0.2 % of its pixels are edges by Canny.
FEWEST = int(0.002 * BLOCK**2)
# Just noticeable width, pixels, of blocks whose contrast is at most 50 of 255 levels, and of the others.
LOW_CONTRAST = 50
FAINT, CLEAR = 5, 3
# How far an edge looks, pixels: Canny smooths over 4, differentiates over 1 and thins over 1; a march goes over 5.
REACH = 6
# Marching so far on one side alone makes an edge wider than either.
CLEARLY_WIDE = FAINT - 1


def edge_threshold(mean_strength: Tensor) -> Tensor:
    """Least squared Sobel response of an edge, from its mean over the picture, on luma 0..255.

    Twice the root of the mean is the published port's rule. (Octave's own would be four times the mean; the authors
    ask MATLAB for a response of 2, a square of 4.)
    """
    return 2 * mean_strength.sqrt()


def edge_blocks(grey: Tensor) -> Tensor:
    """Which blocks hold edges.

    Parameters
    ----------
    grey : Tensor, (N, 1, H, W), values in [0, 255]

    Returns
    -------
    Tensor of bool, (N, 1, H // 64, W // 64)
        True where Canny (σ 1, thresholds 0.1 and 0.2 on luma 0..255) finds more than 8 edge pixels.
    """
    # On this scale all but flat blocks hold hundreds of them. So bounds in single precision settle nearly every block:
    # a pixel below the low threshold is no edge; one that no neighbour exceeds survives thinning (or, where rounding
    # breaks a tie, its neighbour does: hence twice as many are asked for).
    dx, dy = sobel(smooth(grey.float(), 1.0))
    power = dx * dx + dy * dy
    few = block_sums(power > 0.09**2) <= FEWEST
    many = block_sums((power >= _highest_around(power)) & (power > 0.21**2)) > 2 * FEWEST
    for n in (~(few | many)).flatten(1).any(1).nonzero().flatten().tolist():
        linked: Tensor | None = None
        for row, column in (~(few | many))[n, 0].nonzero().tolist():
            least, most = _edge_pixels(grey[n : n + 1], row * BLOCK, column * BLOCK)
            if least <= FEWEST < most:  # faint pixels are edges only if linked to stronger ones, maybe far away
                linked = block_sums(canny(grey[n : n + 1]))[0, 0] if linked is None else linked
                least = int(linked[row, column])
            many[n, 0, row, column] = least > FEWEST
    return many


def _edge_pixels(grey: Tensor, y: int, x: int) -> tuple[int, int]:
    # Bounds of Canny's count in the block at (y, x), from the block and as much around it as thinning depends on.
    top, left = max(0, y - REACH), max(0, x - REACH)
    weak, strong = canny_candidates(grey[..., top : y + BLOCK + REACH, left : x + BLOCK + REACH])
    inside = (..., slice(y - top, y - top + BLOCK), slice(x - left, x - left + BLOCK))
    return int(strong[inside].sum()), int(weak[inside].sum())


def _highest_around(values: Tensor) -> Tensor:
    padded = F.pad(values, (1, 1, 1, 1))
    rows = torch.maximum(torch.maximum(padded[..., :-2], padded[..., 1:-1]), padded[..., 2:])
    return torch.maximum(torch.maximum(rows[..., :-2, :], rows[..., 1:-1, :]), rows[..., 2:, :])


def block_sums(values: Tensor) -> Tensor:
    """Sum over every whole block of (N, 1, H, W): (N, 1, H // 64, W // 64), exact for counts."""
    return whole_blocks(values).sum((3, 5))


def whole_blocks(values: Tensor) -> Tensor:
    """(N, 1, H, W) seen as (N, 1, H // 64, 64, W // 64, 64)."""
    rows, columns = values.shape[-2] // BLOCK, values.shape[-1] // BLOCK
    cut = values[..., : rows * BLOCK, : columns * BLOCK]
    return torch.unflatten(torch.unflatten(cut, 3, (columns, BLOCK)), 2, (rows, BLOCK))


def just_noticeable_widths(grey: Tensor) -> Tensor:
    """Just noticeable edge width w_J of every whole block, from its contrast.

    Parameters
    ----------
    grey : Tensor, (N, 1, H, W), values in [0, 255]

    Returns
    -------
    Tensor, (N, 1, H // 64, W // 64)
        5 where the largest value is less than 51 above the smallest, 3 elsewhere, pixels.
    """
    values = whole_blocks(grey)
    contrast = values.amax((3, 5)) - values.amin((3, 5))
    return torch.where(contrast < LOW_CONTRAST + 1, FAINT, CLEAR)


class BlockMaps(NamedTuple):
    """What CPBD sees in each whole block of 64 px.

    Parameters
    ----------
    sharp : Tensor, (N, H // 64, W // 64), float64
        Share of its vertical edges that look sharp, 0 to 1; NaN without edges.
    edges : Tensor, (N, H // 64, W // 64), float64
        How many there are.
    """

    sharp: Tensor
    edges: Tensor


def block_counts(grey: Tensor, threshold: Tensor, weights: Tensor) -> Tensor:
    """As `edge_counts`, block by block.

    Returns
    -------
    Tensor, (3, H // 64, W // 64), int64
        1 for a block that counts; its vertical edges if it holds edges; how many of them are narrow.
    """
    whole = whole_blocks(weights).amin((3, 5)) == 1
    edges = thin(vertical_edge_strength(grey), threshold)
    widths = edge_widths(grey, edges, limit=CLEARLY_WIDE)
    faint = just_noticeable_widths(grey) == FAINT
    narrow = torch.where(
        faint, block_sums((widths > 0) & (widths <= FAINT)), block_sums((widths > 0) & (widths <= CLEAR))
    )
    looked_at = whole & edge_blocks(grey)
    return torch.cat([v[0].long() for v in (whole, looked_at * block_sums(widths > 0), looked_at * narrow)])


def edge_counts(grey: Tensor, threshold: Tensor, weights: Tensor) -> Tensor:
    """How many whole blocks there are, how many vertical edges in those that hold edges, how many of them are narrow.

    Parameters
    ----------
    grey : Tensor, (1, 1, H, W), values in [0, 255]
    threshold : Tensor, ()
        Least squared Sobel response of an edge.
    weights : Tensor, (1, 1, H, W)
        A block with a pixel of weight 0 does not count.

    Returns
    -------
    Tensor, (3,), float64
    """
    return block_counts(grey, threshold, weights).sum((1, 2)).double()


class CPBD(LocalMetric):
    """`cpbd`: share of vertical edges that look sharp, 0 to 1; 0 without edges.

    Luma is BT.601 on 0..255, rounded to whole levels if the picture came from 8 bits (the published port takes
    Pillow's mode L, which differs by one level here and there). What is left over right and below of 64 px blocks is
    not looked at, nor is a block that a mask touches; NaN if there is no other.

    Edges are those of the port; the authors' MATLAB code finds slightly other ones, so that its values differ a little.
    The port finds none in a picture all of whose gradients point exactly rightwards; here they count.

    Tiles give the value of the whole but for one case: a block with 9 or more edge pixels so faint (Sobel magnitude
    0.1 to 0.2 on 0..255) that only a link to stronger ones makes them edges, all of whose links run on for more
    than 64 px beyond its tile. Links under a mask count in the same case.
    """

    name = "cpbd"
    passes = 2

    def reach(self, height: int, width: int) -> int:
        return REACH

    def grid(self, height: int, width: int) -> int:
        return BLOCK

    @torch.no_grad()
    def statistics(
        self,
        image: Tensor,
        reference: Tensor | None,
        weights: Tensor,
        totals: tuple[Tensor, ...],
        size: tuple[int, int],
    ) -> Tensor:
        grey = luma(image) * 255
        if not totals:
            # A tile cannot tell whether the whole picture came from 8 bits: sums for either case, and the answer.
            strengths = vertical_edge_strength(grey.round()), vertical_edge_strength(grey)
            finer = (~on_8bit_grid(image)).double()
            return torch.cat([weighted_sums(weights, *strengths), finer[:, None]], 1)
        # One by one: what is computed on the way to the counts then stays in the processor's cache.
        return torch.stack([edge_counts(*one) for one in _each(grey, totals[0], weights)])

    def value(self, totals: tuple[Tensor, ...]) -> Tensor:
        count, edges, narrow = totals[1].unbind(1)
        return torch.where(count > 0, narrow / edges.clamp_min(1), torch.nan)

    @torch.no_grad()
    def block_maps(self, image: ImageLike) -> BlockMaps:
        """Where the blur is: the share of sharp edges block by block.

        Parameters
        ----------
        image : image-like, or Tensor (N, C, H, W), values in [0, 1]

        Returns
        -------
        BlockMaps
            The value is the mean of `sharp` weighted by `edges`.
        """
        x, _ = self.check(image, None)
        weights = torch.ones_like(x[:, :1])
        height, width = x.shape[-2:]
        totals = self.statistics(x, None, weights, (), (height, width))
        counts = torch.stack([block_counts(*one) for one in _each(luma(x) * 255, totals, weights)]).double()
        edges, narrow = counts[:, 1], counts[:, 2]
        return BlockMaps(torch.where(edges > 0, narrow / edges.clamp_min(1), torch.nan), edges)


def _each(grey: Tensor, totals: Tensor, weights: Tensor) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Of each sample what `edge_counts` takes: luma rounded if it came from 8 bits, threshold, weights."""
    count, rounded, plain, finer = totals.unbind(1)
    threshold = edge_threshold(torch.where(finer > 0, plain, rounded) / count).to(grey.dtype)
    for g, f, t, w in zip(grey[:, None], finer, threshold, weights[:, None]):
        yield g if bool(f) else g.round(), t, w
