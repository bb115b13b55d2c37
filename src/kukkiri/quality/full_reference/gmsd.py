"""GMSD: how much the similarity of gradients varies over the picture (Xue, Zhang, Mou, Bovik 2014)."""

from __future__ import annotations

import math
from typing import ClassVar, cast

import torch
from torch import Tensor

from kukkiri.images.colour import luma
from kukkiri.images.decimation import decimate, spread
from kukkiri.images.filtering import correlate
from kukkiri.images.image import ImageLike
from kukkiri.images.phase_congruency import length, positive_sqrt
from kukkiri.metrics.base import LocalMetric, weighted_sums

PREWITT = ((1 / 3, 0.0, -1 / 3),) * 3
STABILITY = 170 / 255**2  # the paper's c = 170 for values up to 255


def gradient_magnitude(image: Tensor) -> Tensor:
    """Prewitt gradient magnitude of (N, 1, H, W); beyond the border lies black, as in the authors' code."""
    across = torch.tensor(PREWITT, dtype=image.dtype)
    return length(correlate(image, across, "zero"), correlate(image, across.T, "zero"))


def gradient_dissimilarity(image: Tensor, reference: Tensor) -> Tensor:
    """One less the gradient magnitude similarity, at half the resolution.

    Parameters
    ----------
    image, reference : Tensor, (N, C, H, W), values in [0, 1]
        BT.601 luma is taken, averaged over 2 × 2 pixels, and decimated by 2.

    Returns
    -------
    Tensor, (N, 1, ceil(H / 2), ceil(W / 2)), values in [0, 1)
        (a − b)² / (a² + b² + c) of the magnitudes: what is left when 1 − GMS is written out, exact where they agree.
    """
    a, b = (gradient_magnitude(decimate(luma(x), 2, "zero")) for x in (image, reference))
    return (a - b).square() / (a.square() + b.square() + STABILITY)


class GMSD(LocalMetric):
    """`gmsd`: gradient magnitude similarity deviation, 0 for identical pictures, higher is worse."""

    name = "gmsd"
    map_range: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def grid(self, height: int, width: int) -> int:
        return 2

    def reach(self, height: int, width: int) -> int:
        return 3  # one decimated pixel around, whose mean ends one pixel later

    def statistics(
        self,
        image: Tensor,
        reference: Tensor | None,
        weights: Tensor,
        totals: tuple[Tensor, ...],
        size: tuple[int, int],
    ) -> Tensor:
        dissimilarity = gradient_dissimilarity(image, cast(Tensor, reference))
        return weighted_sums(weights[..., ::2, ::2], dissimilarity, dissimilarity.square())

    def map(self, image: ImageLike, reference: ImageLike | None) -> Tensor:
        """How much gradients differ around every pixel; its sample deviation at half the resolution is the score.

        Parameters
        ----------
        image, reference : image-like, or Tensor (N, C, H, W), values in [0, 1]

        Returns
        -------
        Tensor, (N, 1, H, W), values in [0, 1)
            0 where they agree; squares of 2 × 2 pixels share a value.
        """
        x, y = self.check(image, reference)
        return spread(gradient_dissimilarity(x, cast(Tensor, y)), 2, (x.shape[-2], x.shape[-1]))

    def value(self, totals: tuple[Tensor, ...]) -> Tensor:
        count, first, second = totals[0].unbind(1)
        # The sample deviation (divided by count − 1), MATLAB's std2.
        deviation = positive_sqrt((second - first.square() / count) / (count - 1))
        return torch.where(count > 1, deviation, math.nan)
