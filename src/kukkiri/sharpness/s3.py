"""S3: spectral and spatial measure of local sharpness (Vu, Phan and Chandler 2012).

A block is as sharp as the geometric mean of two things says: how slowly its amplitude spectrum falls, and how much its
roughest 2×2 pixels vary. The picture is as sharp as its sharpest hundredth.
"""

from __future__ import annotations

import math
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

from kukkiri.images.colour import luma_255
from kukkiri.images.filtering import pad
from kukkiri.metrics.base import Metric

BLOCK, STEP = 32, 8  # of the spectral part, pixels
CELL = 8  # blocks of the spatial part, pixels


@cache
@torch.inference_mode(False)  # or a matrix first built in inference mode could not be used in training
def polar_average(block: int) -> Tensor:
    """The matrix that averages an amplitude spectrum over all directions.

    Bilinear samples at every degree of circles of radius 1 … block/2. The authors' average swaps the two neighbours
    of a sample along an axis on which it is negative, and puts the mean of the first frequencies of both axes in place
    of the zero frequency; their numbers contain both, so this does.

    Parameters
    ----------
    block : int
        Side of a block, pixels, even.

    Returns
    -------
    Tensor, (block · (block/2 + 1), block/2), float64
        From the flattened half spectrum of `torch.fft.rfft2` to the radii.
    """
    half = block // 2
    matrix = torch.zeros(block, half + 1, half, dtype=torch.float64)

    def add(y: int, x: int, radius: int, share: float) -> None:
        y, x = y % block, x % block
        if x > half:  # the twin in the half plane
            y, x = -y % block, block - x
        matrix[y, x, radius - 1] += share / 360

    for radius in range(1, half + 1):
        for degree in range(360):
            turn = degree / 360 * (2 * math.pi)
            corners = []
            for position in (radius * math.sin(turn), radius * math.cos(turn)):
                near = math.copysign(math.floor(abs(position)), position)
                far = math.copysign(math.ceil(abs(position)), position)
                share = abs(position - (far if far < 0 else near))
                corners.append(((int(near), 1 - share), (int(far), share)))
            for y, share_y in corners[0]:
                for x, share_x in corners[1]:
                    add(y, x, radius, share_y * share_x)
    matrix[1, 0] += matrix[0, 0] / 2
    matrix[0, 1] += matrix[0, 0] / 2
    matrix[0, 0] = 0
    return matrix.flatten(0, 1)


def has_contrast(padded: Tensor) -> Tensor:
    """Which 32×32 blocks, at steps of 8, hold an 8×8 part whose luminance ranges over more than 5 with a mean above 2.

    Parts lie at steps of 4. Luminance is (0.7656 + 0.0364·value)^2.2, a display's in cd/m².

    Parameters
    ----------
    padded : Tensor, (N, H, W), values in [0, 255]

    Returns
    -------
    Tensor of bool, (N, ⌊(H − 32)/8⌋ + 1, ⌊(W − 32)/8⌋ + 1)
    """
    luminance = ((0.7656 + 0.0364 * padded) ** 2.2)[:, None]
    spread = F.max_pool2d(luminance, 8, 4) + F.max_pool2d(-luminance, 8, 4)
    good = (spread > 5) & (F.avg_pool2d(luminance, 8, 4) > 2)
    return F.max_pool2d(good.to(padded.dtype), 7, 2)[:, 0] > 0


def spectral_sharpness(grey: Tensor) -> Tensor:
    """S1: from the slope of the amplitude spectrum of 32×32 blocks at steps of 8.

    S1 = 1 − 1/(1 + exp(−3(slope − 2))), slope positive for a falling spectrum; 0 for a block without contrast.

    Parameters
    ----------
    grey : Tensor, (N, 1, H, W), values in [0, 255]

    Returns
    -------
    Tensor, (N, ⌊H/8⌋ + 1, ⌊W/8⌋ + 1), values in [0, 1]
        Of blocks centred on pixels (8i, 8j).
    """
    half = BLOCK // 2
    padded = pad(grey, (half, half, half, half), "symmetric")[:, 0]
    blocks = padded.unfold(1, BLOCK, STEP).unfold(2, BLOCK, STEP)
    window = torch.hann_window(BLOCK + 2, periodic=False, dtype=grey.dtype, device=grey.device)[1:-1]
    amplitude = torch.fft.rfft2(blocks * (window[:, None] * window)).abs().flatten(3)
    rings = amplitude @ polar_average(BLOCK).to(amplitude)
    good = has_contrast(padded.detach())
    log_amplitude = torch.where(good[..., None], rings, 1.0).log()
    deviation = torch.arange(1, half + 1, dtype=grey.dtype, device=grey.device).log()
    deviation = deviation - deviation.mean()
    slope = -(log_amplitude * deviation).sum(-1) / deviation.square().sum()
    return torch.where(good, torch.sigmoid(-3 * (slope - 2)), 0.0)


def spatial_sharpness(grey: Tensor, shift: int) -> Tensor:
    """S2: the greatest total variation of 2×2 pixels within each block of 8×8.

    Total variation is the sum of the six absolute differences between four pixels, over 4·255.

    Parameters
    ----------
    grey : Tensor, (N, 1, H, W), values in [0, 255]
    shift : int
        How far above and left of the picture the first block begins, pixels.

    Returns
    -------
    Tensor, (N, h, w), values in [0, 1]
    """
    p = pad(grey, (shift, shift, shift, shift), "symmetric")
    a, b, c, d = p[..., :-1, :-1], p[..., :-1, 1:], p[..., 1:, :-1], p[..., 1:, 1:]
    across = (a - b).abs() + (c - d).abs()
    down = (a - c).abs() + (b - d).abs()
    diagonal = (a - d).abs() + (b - c).abs()
    # 7×7 positions lie wholly inside a block of 8×8.
    return F.max_pool2d(across + down + diagonal, CELL - 1, CELL)[:, 0] / (4 * 255)


def s3_map(image: Tensor) -> tuple[Tensor, Tensor]:
    """Both sharpness maps, S1 and S2; S3 is √(S1·S2).

    Parameters
    ----------
    image : Tensor, (N, C, H, W), values in [0, 1]
        Luma is rounded to whole levels where the picture came from 8 bits.

    Returns
    -------
    (Tensor, Tensor), (N, H, W) each, values in [0, 1]
        S1 belongs to the middle 8×8 of its blocks. S2 is the greater of two tilings, the second shifted by 4. As in
        the authors' code, up to 3 rows and columns at the end have S1 = 0 if no block is centred near enough.
    """
    grey = luma_255(image)
    height, width = grey.shape[-2:]
    s1 = _spread(spectral_sharpness(grey), STEP // 2, height, width)
    s2 = torch.maximum(
        _spread(spatial_sharpness(grey, CELL), CELL, height, width),
        _spread(spatial_sharpness(grey, CELL // 2), CELL // 2, height, width),
    )
    return s1, s2


def _spread(cells: Tensor, skip: int, height: int, width: int) -> Tensor:
    """Cells of 8×8 pixels, less what lies above and left of the picture; 0 beyond the last."""
    full = cells.repeat_interleave(8, 1).repeat_interleave(8, 2)[:, skip : skip + height, skip : skip + width]
    return F.pad(full, (0, width - full.shape[2], 0, height - full.shape[1]))


class S3(Metric):
    """`s3`: mean of the highest hundredth of the S3 map, 0 (blurred) to 1 (sharp)."""

    name = "s3"

    def score(self, image: Tensor, reference: Tensor | None, weights: Tensor) -> Tensor:
        s1, s2 = s3_map(image)
        squared = (s1 * s2).flatten(1)
        top = squared.topk(squared.shape[1] // 100, 1).values
        # The root has no gradient at 0, and 0 is what it is there.
        return torch.where(top > 0, torch.where(top > 0, top, 1.0).sqrt(), 0.0).mean(1)
