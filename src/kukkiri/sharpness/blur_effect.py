"""Blur effect: how little a picture loses when it is blurred once more (Crete et al. 2007).

A sharp picture loses most of its gradient under an 11-pixel box blur, a blurred one hardly any. A ratio, hence free of
gain and offset; noise counts as sharpness.
"""

from __future__ import annotations

import torch
from torch import Tensor

from kukkiri.errors import InputError
from kukkiri.images.filtering import pad
from kukkiri.metrics.base import LocalMetric, weighted_sums
from kukkiri.sharpness.tenengrad import sobel

# BT.709, as scikit-image's rgb2gray: its blur_effect is the implementation that people know.
BT709 = (0.2125, 0.7154, 0.0721)


def box_sum(image: Tensor, size: int, axis: int) -> Tensor:
    """Sums of `size` neighbours along an axis, where they fit.

    Windows of 1, 2, 4, … pixels are doubled up and put together: few passes, and no rounding piles up as it would in
    the differences of a running sum.

    Parameters
    ----------
    image : Tensor
    size : int
    axis : int

    Returns
    -------
    Tensor
        Shorter than `image` by size − 1 along the axis.
    """
    length = image.shape[axis] - size + 1
    total, start, part = torch.zeros_like(image.narrow(axis, 0, length)), 0, image
    for bit in range(size.bit_length()):
        width = 1 << bit
        if size & width:
            total = total + part.narrow(axis, start, length)
            start += width
        if size > 2 * width - 1:
            rest = part.shape[axis] - width
            part = part.narrow(axis, 0, rest) + part.narrow(axis, width, rest)
    return total


class BlurEffect(LocalMetric):
    """`blur-effect`: fraction of the gradient that outlives a box blur, 0 (sharp) to 1 (blurred).

    Per direction, with D the absolute Sobel derivative along it and B the box blur along it: Σ min(D(I), D(B I)) /
    Σ D(I), over all pixels but the first two and the last of each axis. The value is the greater of the two
    directions; a direction without any gradient counts as 1. As `skimage.measure.blur_effect` has it, colour too: RGB
    becomes grey with weights 0.2125, 0.7154, 0.0721.

    Parameters
    ----------
    size : int
        Length of the box, pixels, odd; values of different sizes do not compare.
    """

    name = "blur-effect"

    def __init__(self, *, size: int = 11) -> None:
        super().__init__()
        if size < 3 or size % 2 == 0:
            raise InputError(expected="an odd size of at least 3 px", got=str(size), fix="leave it at 11")
        self.size = size

    def reach(self, height: int, width: int) -> int:
        return self.size // 2 + 1

    def statistics(
        self,
        image: Tensor,
        reference: Tensor | None,
        weights: Tensor,
        totals: tuple[Tensor, ...],
        size: tuple[int, int],
    ) -> Tensor:
        if image.shape[1] == 3:
            red, green, blue = image[:, 0:1], image[:, 1:2], image[:, 2:3]
            grey = (red * BT709[0]).add(green, alpha=BT709[1]).add(blue, alpha=BT709[2])
        else:
            grey = image
        half = self.size // 2
        box_across = box_sum(pad(grey, (half, half, 0, 0), "symmetric"), self.size, 3) / self.size
        box_down = box_sum(pad(grey, (0, 0, half, half), "symmetric"), self.size, 2) / self.size
        gx, gy = (g.abs() for g in sobel(grey))
        bx, by = sobel(box_across)[0].abs(), sobel(box_down)[1].abs()
        # The outermost pixels of a tile have weight 0 unless they are the picture's own border, which does not count.
        inner = weights[..., 1:-1, 1:-1].clone()
        inner[..., 0, :] = 0
        inner[..., :, 0] = 0
        return weighted_sums(inner, gx, torch.minimum(gx, bx), gy, torch.minimum(gy, by))

    def value(self, totals: tuple[Tensor, ...]) -> Tensor:
        count, *sums = totals[0].unbind(1)
        per_direction = []
        for gradient, kept in (sums[:2], sums[2:]):
            none = gradient <= 1e-9 * count
            per_direction.append(torch.where(none, torch.ones_like(kept), kept / torch.where(none, 1.0, gradient)))
        return torch.maximum(*per_direction)
