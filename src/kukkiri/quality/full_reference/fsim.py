"""FSIM: phase congruency and gradients compared, where phases agree most (Zhang, Zhang, Mou, Zhang 2011).

FSIM looks at luma. FSIMc, its form for colour pictures, also compares two chroma channels.
"""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor

from kukkiri.images.decimation import automatic_factor, decimate
from kukkiri.images.filtering import correlate
from kukkiri.images.phase_congruency import length, phase_congruency
from kukkiri.metrics.base import Metric

# NTSC's luma and two chroma axes with the three digits of the authors' code.
YIQ = ((0.299, 0.587, 0.114), (0.596, -0.274, -0.322), (0.211, -0.523, 0.312))
SCHARR = ((3 / 16, 0.0, -3 / 16), (10 / 16, 0.0, -10 / 16), (3 / 16, 0.0, -3 / 16))
T1, T2, T3, T4 = 0.85, 160.0, 200.0, 200.0  # for values up to 255
CHROMA_EXPONENT = 0.03


def yiq(image: Tensor) -> Tensor:
    """(N, 3, H, W) of RGB; grey (N, 1, H, W) passes through."""
    if image.shape[1] == 1:
        return image
    return torch.einsum("yc,nchw->nyhw", torch.tensor(YIQ, dtype=image.dtype, device=image.device), image)


def similarity(a: Tensor, b: Tensor, stability: float) -> Tensor:
    """(2ab + t) / (a² + b² + t), written so that rounding cannot lift it above 1."""
    return 1 - (a - b).square() / (a.square() + b.square() + stability)


def real_power(base: Tensor, exponent: float) -> Tensor:
    """Real part of base ** exponent, as MATLAB has it for a negative base; gradient 0 at 0."""
    there = base != 0
    power = torch.where(there, torch.where(there, base, 1).abs() ** exponent, 0)
    return power * torch.where(base < 0, math.cos(math.pi * exponent), 1.0)


def fsim(image: Tensor, reference: Tensor, *, chromatic: bool = True) -> Tensor:
    """Feature similarity, one value a sample.

    Parameters
    ----------
    image, reference : Tensor, (N, C, H, W), values in [0, 1]
        The shorter side is brought to about 256 px first, as the authors do.
    chromatic : bool
        True: FSIMc if C is 3. False: FSIM, of luma alone.

    Returns
    -------
    Tensor, (N,), values in (0, 1]
        1 for identical pictures; NaN where neither has any structure.
    """
    factor = automatic_factor(*image.shape[-2:])
    x, y = (decimate(yiq(v * 255), factor, "zero") for v in (image, reference))
    # Both in one batch: the filters are built and applied once.
    both = torch.cat([x[:, :1], y[:, :1]])
    congruency = phase_congruency(both)
    across = torch.tensor(SCHARR, dtype=x.dtype)
    gradient = length(correlate(both, across, "zero"), correlate(both, across.T, "zero"))
    (congruency_x, congruency_y), (gradient_x, gradient_y) = congruency.chunk(2), gradient.chunk(2)
    alike = similarity(congruency_x, congruency_y, T1) * similarity(gradient_x, gradient_y, T2)
    if chromatic and x.shape[1] == 3:
        chroma = similarity(x[:, 1:2], y[:, 1:2], T3) * similarity(x[:, 2:], y[:, 2:], T4)
        alike = alike * real_power(chroma, CHROMA_EXPONENT)
    significance = torch.maximum(congruency_x, congruency_y)
    total = significance.sum((1, 2, 3))
    there = total > 0
    return torch.where(there, (alike * significance).sum((1, 2, 3)) / torch.where(there, total, 1), math.nan)


class FSIM(Metric):
    """`fsim`: feature similarity: FSIMc for colour pictures, FSIM for grey ones (which are equal there).

    Parameters
    ----------
    chromatic : bool
        False: FSIM of luma for colour pictures too.
    """

    name = "fsim"

    def __init__(self, *, chromatic: bool = True) -> None:
        super().__init__()
        self.chromatic = chromatic

    def score(self, image: Tensor, reference: Tensor | None, weights: Tensor) -> Tensor:
        return fsim(image, cast(Tensor, reference), chromatic=self.chromatic)
