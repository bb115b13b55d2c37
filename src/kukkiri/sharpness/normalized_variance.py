"""Normalized variance: variance of the picture over its mean (Groen, Young and Ligthart 1985).

The division takes off one of the two powers by which the variance grows with the light: at half the light the value
halves, so that pictures are compared at one exposure. It asks for no derivative, so noise disturbs it least of the
classical measures; and it says least about fine detail.
"""

from __future__ import annotations

from torch import Tensor

from kukkiri.images.colour import luma
from kukkiri.metrics.base import LocalMetric, weighted_sums


class NormalizedVariance(LocalMetric):
    """`normalized-variance`: population variance of luma on [0, 1], divided by its mean; NaN for a black picture.

    At most 1, since values in [0, 1] of mean m have a variance of at most m(1 − m).
    """

    name = "normalized-variance"
    passes = 2  # the mean first: without it, rounding would drown the variance of a bright, faint picture

    def statistics(
        self,
        image: Tensor,
        reference: Tensor | None,
        weights: Tensor,
        totals: tuple[Tensor, ...],
        size: tuple[int, int],
    ) -> Tensor:
        grey = luma(image)
        if not totals:
            return weighted_sums(weights, grey)
        mean = (totals[0][:, 1] / totals[0][:, 0]).to(grey.dtype)
        return weighted_sums(weights, (grey - mean.view(-1, 1, 1, 1)).square())

    def value(self, totals: tuple[Tensor, ...]) -> Tensor:
        count, first = totals[0].unbind(1)
        return totals[1][:, 1] / count / (first / count)
