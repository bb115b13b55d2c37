"""Power spectra of a picture's blocks, averaged over rings of the frequency plane and gathered tile by tile."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from kukkiri.sharpness.spectral_model import rings

# Sides of the blocks, pixels, that are transformed for the picture as a whole and for the map; blocks overlap by half.
BLOCK, CELL = 128, 64
STRIDE = CELL // 2


class Spectra:
    """Power in the rings of a picture's blocks, gathered from tiles.

    Parameters
    ----------
    height, width : int
        Of the picture, pixels.
    """

    def __init__(self, height: int, width: int) -> None:
        self.size = (height, width)
        self.total = torch.zeros(len(rings(BLOCK).count), dtype=torch.float64)
        self.count = 0
        self.cells: list[Tensor] = []
        self.places: list[Tensor] = []
        self.range = [math.inf, -math.inf]

    def add(self, grey: Tensor, left_out: Tensor | None, top: int, left: int, core: tuple[slice, slice]) -> None:
        """Take in the blocks that begin in the core of a tile.

        Parameters
        ----------
        grey : Tensor, (H, W), float64
            Of the tile with its margin.
        left_out : Tensor of bool, (H, W), optional
            No block that it touches counts.
        top, left : int
            Where the tile begins.
        core : (slice, slice)
        """
        counted = grey if left_out is None else grey[~left_out]
        if counted.numel():
            low, high = (float(v) for v in torch.aminmax(counted))
            self.range = [min(self.range[0], low), max(self.range[1], high)]
        for power, _ in block_powers(grey, left_out, top, left, core, BLOCK):
            self.total += power.sum(0).to(self.total)
            self.count += len(power)
        for power, places in block_powers(grey, left_out, top, left, core, CELL):
            self.cells.append(power)
            self.places.append(places)

    def whole(self) -> tuple[Tensor, int] | None:
        """Mean power (1, K) of the picture and the side of the blocks that it is of; None if no block counts."""
        if self.count:
            return self.total[None] / self.count, BLOCK
        return (torch.cat(self.cells).mean(0, keepdim=True), CELL) if any(map(len, self.cells)) else None


def block_powers(
    grey: Tensor, left_out: Tensor | None, top: int, left: int, core: tuple[slice, slice], block: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Power spectra of half-overlapping blocks that begin in the core of a tile, averaged over rings, row by row.

    The mean under the window is taken off, so that it does not leak into the rings. White noise of variance v has v.

    Parameters
    ----------
    grey, left_out, top, left, core
        As `Spectra.add` takes them.
    block : int
        Side of the blocks, pixels.

    Yields
    ------
    (Tensor (B, K), Tensor (B, 2))
        Power, float64; row and column of the block on the grid of half blocks.
    """
    step, mean = block // 2, rings(block).mean.to(grey.device)
    line = torch.hann_window(block + 2, periodic=False, dtype=grey.dtype, device=grey.device)[1:-1]
    window = line[:, None] * line
    last = min(core[1].stop, left + grey.shape[1] - block + 1)
    if last <= core[1].start:
        return
    columns = torch.arange(core[1].start, last, step)
    across = slice(core[1].start - left, int(columns[-1]) - left + block)
    for y in range(core[0].start, min(core[0].stop, top + grey.shape[0] - block + 1), step):
        down = slice(y - top, y - top + block)
        blocks = grey[down, across].unfold(1, block, step).transpose(0, 1)
        places = torch.stack([torch.full_like(columns, y // step), columns // step], 1)
        if left_out is not None:
            free = F.max_pool2d(left_out[None, down, across].to(grey.dtype), block, step)[0, 0] == 0
            blocks, places = blocks[free], places[free.cpu()]
        if len(blocks):
            level = (blocks * window).sum((1, 2), keepdim=True) / window.sum()
            spectrum = torch.view_as_real(torch.fft.rfft2((blocks - level) * window)).square().sum(-1)
            yield spectrum.flatten(1) @ mean / window.square().sum(), places
