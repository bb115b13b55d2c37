"""What a JPEG file took from a picture: the steps to which it rounded, found in the picture itself.

JPEG rounds the DCT coefficients of 8×8 blocks to multiples of a step for each frequency; what lies below half a step is
lost. On the grid of those blocks the coefficients still are near multiples, anywhere else they are not. Most writers
take the steps of the standard's example table times a factor (ITU-T T.81, table K.1), so that one factor is looked for:
the one for which coefficients c of step q have a large mean of cos(2πc / q). Gain, offset and inversion change nothing.
A file with another table, such as one of equal steps or a camera's own, shows no steps here: what it has emptied stays
hidden.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from kukkiri.sharpness.hifst import dct_matrix

BLOCK = 8
# Rows go with the vertical frequency.
TABLE = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
# Factors of the table that are tried, in standard deviations of the picture, and how finely.
FACTORS, FINE = (1e-3, 1.0), 0.01
# Coefficients from so many steps to so many are asked; with fewer than this in number nothing is said.
ASKED, FEWEST = (0.5, 4.5), 64
# The mean cosine of what came from JPEG exceeds this. On 24 photographs of BSDS500's training set, each blurred by a
# Gaussian and a disc of 0.55 to 6 px, it was at least 0.88 at quality 60, at most 0.23 on the nine days without JPEG.
CLEAR = 0.5
# Multiples of a step are multiples of its half too: the largest factor that comes as near to the best as this.
AS_GOOD = 0.9
# Blocks of a larger picture are as many, spread over it.
MOST = 4096


def block_corner(picture: Tensor) -> tuple[int, int]:
    """Where a grid of blocks would begin: row and column, 0 to 7, before which neighbours differ most.

    Parameters
    ----------
    picture : Tensor, (H, W), sides of at least 24 px
    """
    found = []
    for axis in (0, 1):
        change = torch.diff(picture, dim=axis).abs().mean(1 - axis)
        excess = change[1:-1] - (change[:-2] + change[2:]) / 2
        # Number j of these lies before pixel j + 2.
        means = torch.stack([excess[(phase - 2) % BLOCK :: BLOCK].mean() for phase in range(BLOCK)])
        found.append(int(means.argmax()))
    return found[0], found[1]


def quantisation_steps(picture: Tensor) -> Tensor | None:
    """The steps of the JPEG file that a picture was, as far as it shows them.

    Parameters
    ----------
    picture : Tensor, (H, W)
        Grey, of variance 1.

    Returns
    -------
    Tensor (8, 8), float64, or None
        In the units of the picture; vertical frequencies downwards. None for a picture that was no JPEG file, or was
        resized, turned or made noisier since, for one whose file had another table than the standard's times a factor,
        for one under 24 px a side, and for one of which too little is left.
    """
    if min(picture.shape) < 3 * BLOCK:
        return None
    grey = picture.double()
    top, left = block_corner(grey)
    blocks = grey[top:, left:].unfold(0, BLOCK, BLOCK).unfold(1, BLOCK, BLOCK).reshape(-1, BLOCK, BLOCK)
    blocks = blocks[:: math.ceil(len(blocks) / MOST)]
    dct, table = dct_matrix(BLOCK).to(grey), torch.tensor(TABLE, dtype=torch.float64, device=grey.device)
    ratio = ((dct @ blocks @ dct.T).abs() / table).flatten(1)[:, 1:]
    first, last = (math.log(factor) / FINE for factor in FACTORS)
    before, beyond = (round(math.log(x) / FINE) for x in ASKED)
    start, bins = round(first) + before, round(last) - round(first) + beyond - before + 1
    place = (ratio.clamp_min(1e-12).log() / FINE).round().long().flatten() - start
    counts = torch.bincount(place[(place >= 0) & (place < bins)], minlength=bins).double()[None, None]
    cosines = (2 * math.pi * (FINE * torch.arange(before, beyond + 1)).exp()).cos().to(grey)
    total, number = (F.conv1d(counts, kernel[None, None])[0, 0] for kernel in (cosines, torch.ones_like(cosines)))
    score = torch.where(number >= FEWEST, total / number.clamp_min(1), 0.0)
    best = float(score.max())
    if best < CLEAR:
        return None
    at = int((score >= AS_GOOD * best).nonzero()[-1])
    while at > 0 and score[at - 1] > score[at]:
        at -= 1
    return table * math.exp(FINE * (round(first) + at))
