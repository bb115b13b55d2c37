"""SSIM: how well local brightness, contrast and structure agree (Wang, Bovik, Sheikh, Simoncelli 2004).

As the authors' `ssim.m` computes it: Gaussian window of 11 px and sigma 1.5, only where it lies inside the picture,
after bringing the shorter side to about 256 px.
"""

from __future__ import annotations

import math
from typing import ClassVar, cast

import torch
import torch.nn.functional as F
from torch import Tensor

from kukkiri.images.decimation import automatic_factor, decimate, spread
from kukkiri.images.image import ImageLike
from kukkiri.images.masks import Box
from kukkiri.images.structural_similarity import RADIUS, similarity_maps, window_centres
from kukkiri.metrics.base import LocalMetric, weighted_sums
from kukkiri.quality.full_reference.channels import Luma, check_crop, check_luma, measured_channels


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
    map_range: ClassVar[tuple[float, float]] = (0.0, 1.0)

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

    def map(self, image: ImageLike, reference: ImageLike | None) -> Tensor:
        """Structural similarity around every pixel; its mean is the score.

        Parameters
        ----------
        image, reference : image-like, or Tensor (N, C, H, W), values in [0, 1]

        Returns
        -------
        Tensor, (N, 1, H, W), values in [−1, 1]
            NaN where there is no whole window: along the border, and where `crop` cuts. Of large pictures squares of
            pixels share a value, since the score is taken at a lower resolution.
        """
        x, y = self.check(image, reference)
        whole = torch.full_like(x[:, :1], math.nan)
        box = self.inside(Box(0, 0, *x.shape[-2:]))
        x, y = (v[..., *box.slices] for v in (x, cast(Tensor, y)))
        factor = self.grid(box.height, box.width)
        similarity, _ = similarity_maps(*(decimate(measured_channels(v, self.luma), factor) for v in (x, y)))
        mean = F.pad(similarity.mean(1, keepdim=True), (RADIUS,) * 4, value=math.nan)
        whole[..., *box.slices] = spread(mean, factor, (box.height, box.width))
        return whole

    def value(self, totals: tuple[Tensor, ...]) -> Tensor:
        count, similarity = totals[0].unbind(1)
        return similarity / count
