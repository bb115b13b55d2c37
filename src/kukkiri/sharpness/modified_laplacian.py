"""Modified Laplacian: mean of the absolute second derivatives along x and y (Nayar and Nakagawa 1994).

Their sum, unlike that of the signed Laplacian, cannot cancel where the two curvatures differ in sign. Grows with
contrast, and with noise: compares pictures of one scene under one light, not more.
"""

from __future__ import annotations

from torch import Tensor

from kukkiri.errors import InputError
from kukkiri.images.colour import luma
from kukkiri.images.filtering import pad
from kukkiri.metrics.base import LocalMetric, weighted_sums


def modified_laplacian(image: Tensor, step: int = 1) -> Tensor:
    """|2·I(x,y) − I(x−step,y) − I(x+step,y)| + |2·I(x,y) − I(x,y−step) − I(x,y+step)| of luma, borders replicated.

    Nayar and Nakagawa, IEEE TPAMI 16(8), 1994.

    Parameters
    ----------
    image : Tensor, (N, C, H, W), values in [0, 1]
    step : int
        Distance of the neighbours, pixels.

    Returns
    -------
    Tensor, (N, 1, H, W), values in [0, 4]
    """
    twice = 2 * luma(image)
    p = pad(twice / 2, (step, step, step, step), "replicate")
    rows, columns = slice(step, -step), slice(step, -step)
    across = twice - p[..., rows, : -2 * step] - p[..., rows, 2 * step :]
    down = twice - p[..., : -2 * step, columns] - p[..., 2 * step :, columns]
    return across.abs() + down.abs()


class ModifiedLaplacian(LocalMetric):
    """`modified-laplacian`: mean of the modified Laplacian of luma on [0, 1].

    The sum-modified-Laplacian of the paper, over a window as large as the picture, without its threshold and divided
    by the number of pixels.

    Parameters
    ----------
    step : int
        Distance of the neighbours, pixels; larger ones suit coarse texture.
    """

    name = "modified-laplacian"

    def __init__(self, *, step: int = 1) -> None:
        super().__init__()
        if step < 1:
            raise InputError(expected="a step of at least 1 px", got=str(step), fix="leave it at 1 for fine texture")
        self.step = step

    def reach(self, height: int, width: int) -> int:
        return self.step

    def statistics(
        self,
        image: Tensor,
        reference: Tensor | None,
        weights: Tensor,
        totals: tuple[Tensor, ...],
        size: tuple[int, int],
    ) -> Tensor:
        return weighted_sums(weights, modified_laplacian(image, self.step))

    def value(self, totals: tuple[Tensor, ...]) -> Tensor:
        count, first = totals[0].unbind(1)
        return first / count
