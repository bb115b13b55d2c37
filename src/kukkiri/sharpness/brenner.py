"""Brenner's gradient: mean squared difference of pixels two apart (Brenner et al. 1976), along x and along y.

Grows with the square of contrast, and with noise: compares pictures of one scene under one light, not more.
"""

from __future__ import annotations

import torch
from torch import Tensor

from kukkiri.images.colour import luma
from kukkiri.metrics.base import LocalMetric, weighted_sums


class Brenner(LocalMetric):
    """`brenner`: mean of (I(x+2,y) − I(x,y))² plus mean of (I(x,y+2) − I(x,y))², luma on [0, 1].

    Each mean is over all pairs of pixels that lie inside the picture: nothing is assumed beyond its border. The
    original sums along x only and without dividing by the number of pairs.
    """

    name = "brenner"

    def reach(self, height: int, width: int) -> int:
        return 1  # a pair is booked on the pixel between its two

    def statistics(
        self,
        image: Tensor,
        reference: Tensor | None,
        weights: Tensor,
        totals: tuple[Tensor, ...],
        size: tuple[int, int],
    ) -> Tensor:
        grey = luma(image)
        across = (grey[..., 2:] - grey[..., :-2]).square()
        down = (grey[..., 2:, :] - grey[..., :-2, :]).square()
        return torch.cat((weighted_sums(weights[..., 1:-1], across), weighted_sums(weights[..., 1:-1, :], down)), 1)

    def value(self, totals: tuple[Tensor, ...]) -> Tensor:
        pairs_across, across, pairs_down, down = totals[0].unbind(1)
        return across / pairs_across + down / pairs_down
