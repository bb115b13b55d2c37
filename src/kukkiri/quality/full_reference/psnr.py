"""PSNR: the mean squared error in decibels below the full range."""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor

from kukkiri.metrics.base import LocalMetric, weighted_sums
from kukkiri.quality.full_reference.channels import Luma, check_crop, check_luma, measured_channels


def decibels(mean_squared_error: Tensor) -> Tensor:
    """−10·log10 of a mean squared error on [0, 1]; infinite at 0, where its gradient is 0 instead of NaN."""
    equal = mean_squared_error == 0
    return torch.where(equal, math.inf, -10 * torch.where(equal, 1, mean_squared_error).log10())


class PSNR(LocalMetric):
    """`psnr`: peak signal-to-noise ratio, dB, for a data range of 1; infinite for identical pictures.

    Parameters
    ----------
    crop : int
        Pixels cut from every side first. Super-resolution papers cut the scale factor.
    luma : False | True | 'y-studio'
        False (deblurring, dehazing, codecs): the error of all channels together. True: BT.601 luma. 'y-studio'
        (super-resolution): BT.601 Y in [16, 235] against a peak of 255, which reads 1.32 dB more than luma.

    Raises
    ------
    InputError
        If crop is negative, or luma is none of the three.
    """

    name = "psnr"

    def __init__(self, *, crop: int = 0, luma: Luma = False) -> None:
        super().__init__()
        self.border = check_crop(crop)
        self.luma: Luma = check_luma(luma)

    def statistics(
        self,
        image: Tensor,
        reference: Tensor | None,
        weights: Tensor,
        totals: tuple[Tensor, ...],
        size: tuple[int, int],
    ) -> Tensor:
        pair = (measured_channels(x, self.luma) for x in (image, cast(Tensor, reference)))
        return weighted_sums(weights, torch.sub(*pair).square())

    def value(self, totals: tuple[Tensor, ...]) -> Tensor:
        count, squares = totals[0].unbind(1)
        return decibels(squares / count)
