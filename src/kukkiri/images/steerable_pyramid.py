"""The steerable pyramid with six orientations, in space (Simoncelli and Freeman 1995).

Only what is asked for is computed: the two of six orientations whose kernels are each other's transpose.
"""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

from kukkiri.images.filtering import correlate

# The published taps of the filters of order 5 (designed after Karasaridis and Simoncelli, ICASSP 1996; numbers as in
# matlabPyrTools' sp5Filters, MIT licence, Copyright 2015 LabForComputationalVision). Lowpass kernels are symmetric
# eightfold: row by row, the lower triangle of the quadrant from the corner to the centre.
INITIAL_LOWPASS = (
    (0.00341614,),
    (-0.01551246, 0.05586982),
    (-0.03848215, 0.15925570, 0.40304148),
)
LOWPASS = (  # half of it: the kernel is twice this, so that each level keeps its gain
    (0.00085404,),
    (-0.00244917, -0.00523281),
    (-0.00387812, -0.00661117, 0.01396746),
    (-0.00944432, 0.00410600, 0.03277038, 0.06426333),
    (-0.00962054, 0.01002988, 0.03981393, 0.08169618, 0.10096540),
)
# The derivative along columns: odd from left to right, even from top to bottom. Rows 0 to 3, columns 0 to 2.
BAND = (
    (0.00277643, -0.00986904, -0.01021852),
    (0.00496194, -0.00893064, -0.03075356),
    (0.01026699, 0.01189859, -0.08226445),
    (0.01455399, 0.02755155, -0.11732297),
)


@cache
@torch.inference_mode(False)  # or kernels first built in inference mode could not be used in training
def kernels() -> tuple[Tensor, Tensor, Tensor]:
    """Initial lowpass (5, 5), lowpass (9, 9) and band (7, 7), float64."""

    def eightfold(rows: tuple[tuple[float, ...], ...]) -> Tensor:
        size = len(rows)
        quadrant = torch.zeros(size, size, dtype=torch.float64)
        for i, row in enumerate(rows):
            for j, tap in enumerate(row):
                quadrant[i, j] = quadrant[j, i] = tap
        half = torch.cat([quadrant, quadrant[:, :-1].flip(1)], 1)
        return torch.cat([half, half[:-1].flip(0)], 0)

    left = torch.tensor(BAND, dtype=torch.float64)
    upper = torch.cat([left, torch.zeros(4, 1, dtype=torch.float64), -left.flip(1)], 1)
    return eightfold(INITIAL_LOWPASS), 2 * eightfold(LOWPASS), torch.cat([upper, upper[:-1].flip(0)], 0)


def directional_bands(image: Tensor, levels: int) -> list[Tensor]:
    """Horizontal and vertical derivative bands of the steerable pyramid, finest level first.

    Parameters
    ----------
    image : Tensor, (N, 1, H, W)
        Sides of at least 9·2**(levels − 1) pixels, so that the lowpass fits into every level.
    levels : int

    Returns
    -------
    list of Tensor, (N, 2, H / 2**k, W / 2**k) for level k, rounded up
        Channel 0 is the derivative along columns (x), channel 1 along rows (y). Borders are mirrored without
        repeating the edge pixel.
    """
    initial, lowpass, band = kernels()
    bands = []
    low = correlate(image, initial, "reflect")
    for level in range(levels):
        bands.append(torch.cat([correlate(low, band, "reflect"), correlate(low, band.T, "reflect")], 1))
        if level + 1 < levels:
            low = correlate(low, lowpass, "reflect")[..., ::2, ::2]
    return bands
