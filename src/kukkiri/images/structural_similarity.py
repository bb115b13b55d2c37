"""Structural similarity around every pixel (Wang, Bovik, Sheikh, Simoncelli 2004, equation 13)."""

from __future__ import annotations

from torch import Tensor

from kukkiri.images.filtering import correlate_separable, gaussian_1d

RADIUS = 5
WINDOW = gaussian_1d(1.5, RADIUS).tolist()
C1, C2 = 0.01**2, 0.03**2


def similarity_maps(image: Tensor, reference: Tensor) -> tuple[Tensor, Tensor]:
    """SSIM, and its contrast-and-structure factor alone, around every pixel that has a whole window.

    Parameters
    ----------
    image, reference : Tensor, (N, C, H, W), values in [0, 1], sides of at least 11

    Returns
    -------
    (Tensor, Tensor), both (N, C, H − 10, W − 10), values in [−1, 1]
        Equation 13 of the paper, and its second factor. Empty where a side holds no whole window, as in the last,
        narrow tile of a picture.
    """
    if min(image.shape[-2:]) <= 2 * RADIUS:
        empty = window_centres(image)
        return empty, empty
    # (2ab + c) / (a² + b² + c) = 1 − (a − b)² / (a² + b² + c), and twice the covariance is the sum of the variances
    # less the variance of the difference: so written, nearly equal pictures lose no digits, and none exceeds 1.
    difference = image - reference
    # Variances do not depend on the zero point, and single precision is finer around 0 than around 0.5.
    x, y = image - 0.5, reference - 0.5
    moments = [x, difference, x.square() + y.square(), difference.square()]
    means = [correlate_separable(m, WINDOW, WINDOW, "valid") for m in moments]
    mean_x, mean_difference, squares, square_difference = means
    mean_y = mean_x - mean_difference
    variances = squares - mean_x.square() - mean_y.square()
    variance_difference = square_difference - mean_difference.square()
    structure = 1 - variance_difference.clamp_min(0) / (variances.clamp_min(0) + C2)
    luminance = 1 - mean_difference.square() / ((mean_x + 0.5).square() + (mean_y + 0.5).square() + C1)
    return luminance * structure, structure


def window_centres(image: Tensor) -> Tensor:
    """The pixels (N, C, H − 10, W − 10) that have a whole window around them; possibly none."""
    return image[..., RADIUS:-RADIUS, RADIUS:-RADIUS]
