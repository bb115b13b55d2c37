"""How near a deblurred picture is to the sharp one, up to a shift: the field's way with blind deblurring.

A kernel may drift and the picture with it. So the result is moved, the border cut off, and the best shift counts
(Levin, Weiss, Durand, Freeman, CVPR 2009; as in the authors' evaluation: up to 5 px, a border of 15).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from kukkiri.errors import ShapeError
from kukkiri.images.structural_similarity import similarity_maps

# Shifts of a whole pixel first, then of fractions about the best one.
FRACTIONS = (0.5, 0.25, 0.125)


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
        Largest shift, pixels; at most the border less 2.
    border : int
        Cut from every side of the reference.

    Returns
    -------
    Aligned

    Raises
    ------
    ShapeError
        If the shapes differ, or nothing is left within the border.
    """
    from scipy.ndimage import map_coordinates

    if image.shape != reference.shape or image.ndim != 2 or min(image.shape) < 2 * border + 11:
        raise ShapeError(
            expected=f"two pictures (H, W) of one size, sides of at least {2 * border + 11}",
            got=f"{image.shape} and {reference.shape}",
            fix="crop them alike",
        )
    rows, columns = np.mgrid[border : image.shape[0] - border, border : image.shape[1] - border].astype(float)
    truth = reference[border:-border, border:-border]

    def moved(shift: tuple[float, float]) -> NDArray[np.float64]:
        found = map_coordinates(image, (rows + shift[0], columns + shift[1]), order=3, mode="nearest")
        return np.asarray(found, np.float64)

    def error(shift: tuple[float, float]) -> float:
        return float(np.square(moved(shift) - truth).mean())

    whole = [(float(i), float(j)) for i in range(-most, most + 1) for j in range(-most, most + 1)]
    best = min(whole, key=error)
    for step in FRACTIONS:
        best = min(((best[0] + i * step, best[1] + j * step) for i in (-1, 0, 1) for j in (-1, 0, 1)), key=error)
    found = moved(best)
    pair = (torch.from_numpy(x)[None, None] for x in (found, truth))
    ssim = float(similarity_maps(*pair)[0].mean())
    return Aligned(-10 * math.log10(max(error(best), 1e-12)), ssim, best)
