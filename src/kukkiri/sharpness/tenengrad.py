"""Tenengrad: mean energy of the Sobel gradient (Tenenbaum 1970, Krotkov 1987), without a threshold.

Grows with the square of contrast, and with noise: compares pictures of one scene under one light, not more.
"""

from __future__ import annotations

from torch import Tensor

from kukkiri.images.colour import luma
from kukkiri.images.filtering import pad
from kukkiri.metrics.base import LocalMetric, weighted_sums


def sobel(padded: Tensor) -> tuple[Tensor, Tensor]:
    """Both components of the Sobel gradient, where the 3×3 kernel fits; not divided by 8.

    Parameters
    ----------
    padded : Tensor, (N, C, H + 2, W + 2)

    Returns
    -------
    (Tensor, Tensor), (N, C, H, W) each
        Along x (columns, kernel [1 2 1]ᵀ·[−1 0 1]) and along y (rows).
    """
    down = (padded[..., :-2, :] + padded[..., 2:, :]).add(padded[..., 1:-1, :], alpha=2)
    across = (padded[..., :-2] + padded[..., 2:]).add(padded[..., 1:-1], alpha=2)
    return down[..., 2:] - down[..., :-2], across[..., 2:, :] - across[..., :-2, :]


class Tenengrad(LocalMetric):
    """`tenengrad`: mean of Gx² + Gy² of luma on [0, 1], 3×3 Sobel kernels with integer weights, borders replicated."""

    name = "tenengrad"

    def reach(self, height: int, width: int) -> int:
        return 1

    def statistics(
        self,
        image: Tensor,
        reference: Tensor | None,
        weights: Tensor,
        totals: tuple[Tensor, ...],
        size: tuple[int, int],
    ) -> Tensor:
        gx, gy = sobel(pad(luma(image), (1, 1, 1, 1), "replicate"))
        return weighted_sums(weights, gx.square().addcmul(gy, gy))

    def value(self, totals: tuple[Tensor, ...]) -> Tensor:
        count, energy = totals[0].unbind(1)
        return energy / count
