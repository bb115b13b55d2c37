"""JNB: how many just noticeable widths wide the edges are, pooled with an exponent of 3.6 (Ferzli, Karam 2009).

Within each 64 px block that holds edges, D_b = (Σ (w / w_J)^3.6)^(1/3.6) over its vertical edges of width w; over the
picture D = (Σ D_b^3.6)^(1/3.6), and the metric is the number of blocks divided by D. Nothing looks beyond its block.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from kukkiri.images.canny import canny_adaptive_candidates, hysteresis, sobel
from kukkiri.images.colour import luma, on_8bit_grid
from kukkiri.images.image import ImageLike
from kukkiri.metrics.base import LocalMetric
from kukkiri.sharpness.edge_width import edge_widths, thin, vertical_edge_strength

BLOCK = 64
BETA = 3.6
# A block is looked at if more than 0.2 % of its pixels are edges by Canny.
FEWEST = int(0.002 * BLOCK**2)


def cut_into_blocks(values: Tensor) -> Tensor:
    """Whole blocks of (N, 1, H, W), row by row: (N, (H // 64) · (W // 64), 64, 64)."""
    n, rows, columns = values.shape[0], values.shape[-2] // BLOCK, values.shape[-1] // BLOCK
    cut = values[..., : rows * BLOCK, : columns * BLOCK].reshape(n, rows, BLOCK, columns, BLOCK)
    return cut.transpose(2, 3).reshape(n, rows * columns, BLOCK, BLOCK)


class BlockMaps(NamedTuple):
    """What JNB sees in each whole block of 64 px.

    Parameters
    ----------
    distortion : Tensor, (N, H // 64, W // 64), float64
        D_b = (Σ (w / w_J)^3.6)^(1/3.6); 0 without edges.
    edge_width : Tensor, (N, H // 64, W // 64), float64
        Mean width w of its vertical edges, pixels; NaN without edges.
    """

    distortion: Tensor
    edge_width: Tensor


def block_widths(block: Tensor) -> tuple[Tensor, Tensor]:
    """Widths of the vertical edges of every block, and its just noticeable width.

    Parameters
    ----------
    block : Tensor, (B, 1, 64, 64), values in [0, 255]

    Returns
    -------
    (Tensor (B, 1, 64, 64), Tensor (B, 1, 1, 1)), float64
        Pixels; a width of 0 is no edge, and there are none in a block that Canny finds empty.
    """
    dx, dy = sobel(block)
    strength = vertical_edge_strength(block)
    threshold = 4 * strength.double().mean((1, 2, 3), keepdim=True)
    edges = thin(strength, threshold.to(block.dtype), lying=dy.abs() > dx.abs())
    # The authors' code compares the unrounded angle with −180°, so that falling edges count only where the picture
    # does not darken downwards. Their numbers stand on it.
    across, down = block[..., 1:-1, 2:] - block[..., 1:-1, :-2], block[..., 2:, 1:-1] - block[..., :-2, 1:-1]
    edges[..., 1:-1, 1:-1] &= (across >= 0) | (down >= 0)
    widths = edge_widths(block, edges).double()
    contrast = block.amax((1, 2, 3), keepdim=True) - block.amin((1, 2, 3), keepdim=True)
    just_noticeable = torch.where(contrast < 59.5, 5.0, 3.0).double()
    return widths * has_edges(block).view(-1, 1, 1, 1), just_noticeable


def block_distortion(block: Tensor) -> Tensor:
    """D_b^3.6 of every block: the sum of (w / w_J)^3.6 over its edges.

    Parameters
    ----------
    block : Tensor, (B, 1, 64, 64), values in [0, 255]

    Returns
    -------
    Tensor, (B,), float64
        0 where there are no edges.
    """
    widths, just_noticeable = block_widths(block)
    return (widths / just_noticeable).pow(BETA).sum((1, 2, 3))


def has_edges(block: Tensor) -> Tensor:
    """Which blocks (B, 1, 64, 64) have more than 8 edge pixels by Canny with thresholds of their own; (B,)."""
    weak, strong = canny_adaptive_candidates(block)
    found = strong.sum((1, 2, 3)) > FEWEST
    unsure = ~found & (weak.sum((1, 2, 3)) > FEWEST)
    if bool(unsure.any()):
        found[unsure] = hysteresis(weak[unsure], strong[unsure]).sum((1, 2, 3)) > FEWEST
    return found


class JNB(LocalMetric):
    """`jnb`: number of 64 px blocks over the pooled distortion; NaN without edges.

    Luma is BT.601 on 0..255, rounded to whole levels if the picture came from 8 bits. What is left over right and
    below of the blocks is not looked at, nor is a block that a mask touches. The value depends on the size of the
    picture: with all blocks alike it grows with their number to the power 1 − 1/3.6.
    """

    name = "jnb"
    passes = 2

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
        if not totals:  # a tile cannot tell whether the whole picture came from 8 bits
            return (~on_8bit_grid(image)).double()[:, None]
        grey = _levels(image, totals[0])
        whole = cut_into_blocks(weights).amin((2, 3)) == 1
        distortion = torch.zeros(whole.shape, dtype=torch.float64, device=image.device)
        if bool(whole.any()):
            distortion[whole] = block_distortion(cut_into_blocks(grey)[whole][:, None])
        return torch.stack([whole.double().sum(1), distortion.sum(1)], 1)

    def value(self, totals: tuple[Tensor, ...]) -> Tensor:
        count, distortion = totals[1].unbind(1)
        return torch.where(distortion > 0, count / distortion.pow(1 / BETA), torch.nan)

    @torch.no_grad()
    def block_maps(self, image: ImageLike) -> BlockMaps:
        """Where the blur is: distortion and edge width block by block.

        Parameters
        ----------
        image : image-like, or Tensor (N, C, H, W), values in [0, 1]

        Returns
        -------
        BlockMaps
            The value is the number of blocks over the pooled distortion, (Σ D_b^3.6)^(1/3.6). A block's own distortion
            grows with its number of edges too; to compare blur from place to place take the width.
        """
        x, _ = self.check(image, None)
        blocks = cut_into_blocks(_levels(x, (~on_8bit_grid(x)).double()))
        shape = (x.shape[0], x.shape[-2] // BLOCK, x.shape[-1] // BLOCK)
        widths, just_noticeable = block_widths(blocks.flatten(0, 1)[:, None])
        distortion = (widths / just_noticeable).pow(BETA).sum((1, 2, 3)).pow(1 / BETA)
        count = (widths > 0).sum((1, 2, 3))
        mean = torch.where(count > 0, widths.sum((1, 2, 3)) / count.clamp_min(1), torch.nan)
        return BlockMaps(distortion.view(shape), mean.view(shape))


def _levels(image: Tensor, finer: Tensor) -> Tensor:
    """Luma on 0..255; whole levels unless the picture (N,) is finer than 8 bits."""
    grey = luma(image) * 255
    return torch.where(finer.view(-1, 1, 1, 1) > 0, grey, grey.round())
