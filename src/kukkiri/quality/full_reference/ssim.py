"""SSIM: how well local brightness, contrast and structure agree (Wang, Bovik, Sheikh, Simoncelli 2004).

As the authors' `ssim.m` computes it: Gaussian window of 11 px and sigma 1.5, only where it lies inside the picture,
after bringing the shorter side to about 256 px.
"""

from __future__ import annotations

from typing import cast

from torch import Tensor

from kukkiri.images.decimation import automatic_factor, decimate
from kukkiri.images.filtering import correlate_separable, gaussian_1d
from kukkiri.metrics.base import LocalMetric, weighted_sums
from kukkiri.quality.full_reference.channels import Luma, check_crop, check_luma, measured_channels

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


class SSIM(LocalMetric):
    """`ssim`: mean structural similarity, 1 for identical pictures.

    Parameters
    ----------
    downsample : bool
        True: the authors' automatic mean over f × f pixels and every f-th kept, f = round(min(H, W) / 256).
        False: the full resolution, as most libraries and super-resolution papers have it.
    crop : int
        Pixels cut from every side first.
    luma : True | False | 'y-studio'
        True: BT.601 luma. False: the mean over colour channels. 'y-studio': Y in [16, 235] against a peak of 255.

    Raises
    ------
    InputError
        If crop is negative, or luma is none of the three.
    """

    name = "ssim"

    def __init__(self, *, downsample: bool = True, crop: int = 0, luma: Luma = True) -> None:
        super().__init__()
        self.downsample = downsample
        self.border = check_crop(crop)
        self.luma: Luma = check_luma(luma)

    def grid(self, height: int, width: int) -> int:
        return automatic_factor(height, width) if self.downsample else 1

    def reach(self, height: int, width: int) -> int:
        factor = self.grid(height, width)
        return RADIUS * factor + factor // 2

    def statistics(
        self,
        image: Tensor,
        reference: Tensor | None,
        weights: Tensor,
        totals: tuple[Tensor, ...],
        size: tuple[int, int],
    ) -> Tensor:
        factor = self.grid(*size)
        pair = (decimate(measured_channels(x, self.luma), factor) for x in (image, cast(Tensor, reference)))
        similarity, _ = similarity_maps(*pair)
        return weighted_sums(window_centres(weights[..., ::factor, ::factor]), similarity)

    def value(self, totals: tuple[Tensor, ...]) -> Tensor:
        count, similarity = totals[0].unbind(1)
        return similarity / count


def window_centres(image: Tensor) -> Tensor:
    """The pixels (N, C, H − 10, W − 10) that have a whole window around them; possibly none."""
    return image[..., RADIUS:-RADIUS, RADIUS:-RADIUS]
