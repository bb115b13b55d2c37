"""How near a deblurred picture is to the sharp one, up to a shift: the field's way with blind deblurring.

A kernel may drift and the picture with it. So the result is moved in steps of a quarter of a pixel, bilinearly, the
border cut off, and the shift of the least squared error counts, as in the evaluation of Levin, Weiss, Durand, Freeman,
CVPR 2009 (up to 5 px, a border of 15).
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from kukkiri.errors import InputError, ShapeError
from kukkiri.images.structural_similarity import similarity_maps

# Shifts are tried so many to a pixel.
STEPS = 4


class Aligned(NamedTuple):
    """A comparison at the best shift.

    Parameters
    ----------
    psnr : float
        Decibels, for a range of 1.
    ssim : float
        Gaussian window of 11 px, no reduction.
    shift : (float, float)
        Rows and columns by which the result lies behind the reference, pixels.
    """

    psnr: float
    ssim: float
    shift: tuple[float, float]


def compare_aligned(
    image: NDArray[np.float64], reference: NDArray[np.float64], *, most: int = 5, border: int = 15
) -> Aligned:
    """Compare two grey pictures up to a shift.

    Parameters
    ----------
    image, reference : array, (H, W), values in [0, 1]
    most : int
        Largest shift, pixels; less than the border.
    border : int
        Cut from every side of the reference.

    Returns
    -------
    Aligned

    Raises
    ------
    ShapeError
        If the shapes differ, or nothing is left within the border.
    InputError
        If the largest shift is negative, or not less than the border.
    """
    if not 0 <= most < border:
        raise InputError(expected="0 ≤ most < border", got=f"{most} and {border}", fix="leave them at 5 and 15")
    if image.shape != reference.shape or image.ndim != 2 or min(image.shape) < 2 * border + 11:
        raise ShapeError(
            expected=f"two pictures (H, W) of one size, sides of at least {2 * border + 11}",
            got=f"{image.shape} and {reference.shape}",
            fix="crop them alike",
        )
    truth = reference[border:-border, border:-border]

    def moved(shift: tuple[int, int]) -> NDArray[np.float64]:
        found: Any = 0.0
        (row, down), (column, right) = (divmod(s, STEPS) for s in shift)
        for i, a in ((0, 1 - down / STEPS), (1, down / STEPS)):
            for j, b in ((0, 1 - right / STEPS), (1, right / STEPS)):
                if a * b:
                    top, left = border + row + i, border + column + j
                    found = found + a * b * image[top : top + truth.shape[0], left : left + truth.shape[1]]
        return np.asarray(found, np.float64)

    span = range(-STEPS * most, STEPS * most + 1)
    errors = {(i, j): float(np.square(moved((i, j)) - truth).mean()) for i in span for j in span}
    best = min(errors, key=errors.__getitem__)
    pair = (torch.from_numpy(np.ascontiguousarray(x))[None, None] for x in (moved(best), truth))
    ssim = float(similarity_maps(*pair)[0].mean())
    shift = (best[0] / STEPS, best[1] / STEPS)
    return Aligned(-10 * math.log10(max(errors[best], 1e-12)), ssim, shift)
