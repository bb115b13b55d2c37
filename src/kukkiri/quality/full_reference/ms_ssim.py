"""MS-SSIM: contrast and structure compared at five scales, brightness at the coarsest (Wang and others 2003)."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor

from kukkiri.images.decimation import decimate
from kukkiri.images.structural_similarity import RADIUS, similarity_maps, window_centres
from kukkiri.metrics.base import LocalMetric, weighted_sums
from kukkiri.quality.full_reference.channels import Luma, check_crop, check_luma, measured_channels

# How much each scale counts, finest first; as published, they sum to 1.0001.
EXPONENTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
SCALES = len(EXPONENTS)
COARSEST = 1 << (SCALES - 1)  # pixels of the picture to one of the last scale


def positive_power(base: Tensor, exponent: Tensor) -> Tensor:
    """max(base, 0) ** exponent, with gradient 0 where the base is not positive."""
    positive = ~(base <= 0)  # NaN stays NaN
    return torch.where(positive, torch.where(positive, base, 1) ** exponent, 0)


class MSSSIM(LocalMetric):
    """`ms-ssim`: multi-scale structural similarity, 1 for identical pictures.

    A scale whose mean contrast-and-structure is negative counts as 0, so the score is 0 (the authors' code would give
    a complex number). Every scale is measured over the same region: at least 95 px away from what is masked.

    Parameters
    ----------
    crop : int
        Pixels cut from every side first.
    luma : True | False | 'y-studio'
        True: BT.601 luma. False: the mean of the scores of the colour channels. 'y-studio': Y in [16, 235] of 255.

    Raises
    ------
    InputError
        If crop is negative, or luma is none of the three.
    """

    name = "ms-ssim"

    def __init__(self, *, crop: int = 0, luma: Luma = True) -> None:
        super().__init__()
        self.border = check_crop(crop)
        self.luma: Luma = check_luma(luma)

    def grid(self, height: int, width: int) -> int:
        return COARSEST

    def reach(self, height: int, width: int) -> int:
        return RADIUS * COARSEST + COARSEST - 1  # half a window of the last scale, and the extent of its last pixel

    def statistics(
        self,
        image: Tensor,
        reference: Tensor | None,
        weights: Tensor,
        totals: tuple[Tensor, ...],
        size: tuple[int, int],
    ) -> Tensor:
        x, y = (measured_channels(v, self.luma) for v in (image, cast(Tensor, reference)))
        samples, channels = x.shape[:2]
        # Each channel has a score of its own, so that channels go where samples are.
        x, y = (v.reshape(-1, 1, *v.shape[2:]) for v in (x, y))
        weights = weights.repeat_interleave(channels, 0)
        columns = []
        for scale in range(SCALES):
            if scale:
                x, y, weights = decimate(x, 2), decimate(y, 2), weights[..., ::2, ::2]
            whole, structure = similarity_maps(x, y)
            columns.append(weighted_sums(window_centres(weights), whole if scale == SCALES - 1 else structure))
        return torch.cat(columns, 1).reshape(samples, -1)

    def value(self, totals: tuple[Tensor, ...]) -> Tensor:
        samples = totals[0].shape[0]
        count, similarity = totals[0].reshape(samples, -1, SCALES, 2).unbind(-1)
        exponents = torch.tensor(EXPONENTS, dtype=count.dtype, device=count.device)
        return positive_power(similarity / count, exponents).prod(-1).mean(-1)
