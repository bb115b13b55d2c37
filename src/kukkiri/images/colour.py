"""Luma, alpha, and the 8-bit grid."""

from __future__ import annotations

import torch
from torch import Tensor

# Recommendation ITU-R BT.601, as MATLAB's rgb2gray has it (the inverse of its NTSC matrix): the classical
# quality metrics were all published on pictures converted with these digits.
BT601 = (0.298936021293776, 0.587043074451121, 0.114020904255103)


def luma(image: Tensor) -> Tensor:
    """BT.601 luma of an RGB batch; grey passes through.

    Parameters
    ----------
    image : Tensor, (N, C, H, W), C = 1 or 3

    Returns
    -------
    Tensor, (N, 1, H, W), same range
    """
    if image.shape[1] == 1:
        return image
    red, green, blue = image[:, 0:1], image[:, 1:2], image[:, 2:3]
    # Plane by plane: a sum over an axis of three costs six times as much.
    return (red * BT601[0]).add(green, alpha=BT601[1]).add(blue, alpha=BT601[2])


def on_8bit_grid(image: Tensor) -> Tensor:
    """Which pictures of a batch hold only multiples of 1/255: those that came from 8 bits.

    Parameters
    ----------
    image : Tensor, (N, C, H, W), values in [0, 1]

    Returns
    -------
    Tensor of bool, (N,)
    """
    levels = image.detach() * 255
    levels -= levels.round()
    return levels.abs_().flatten(1).amax(1) < 2e-4  # one maximum costs a quarter of comparing every pixel


def luma_255(image: Tensor) -> Tensor:
    """Luma on 0..255, rounded to whole levels where the picture came from 8 bits.

    Metrics whose authors worked on `rgb2gray` of 8-bit files see the very integers they saw; pictures of a greater
    depth keep all they have. The rounding passes gradients straight through.

    Parameters
    ----------
    image : Tensor, (N, C, H, W), values in [0, 1]

    Returns
    -------
    Tensor, (N, 1, H, W), values in [0, 255]
    """
    grey = luma(image) * 255
    rounded = grey + (grey.round() - grey).detach()
    return torch.where(on_8bit_grid(image).view(-1, 1, 1, 1), rounded, grey)


def composite_alpha(colour: Tensor, alpha: Tensor) -> tuple[Tensor, tuple[float, ...]]:
    """Lay a transparent picture on the mean colour of its own visible edge, which adds least contrast.

    Parameters
    ----------
    colour : Tensor, (C, H, W); alpha : Tensor, (1, H, W); values in [0, 1]

    Returns
    -------
    (Tensor (C, H, W), tuple of float)
        The opaque picture and the background colour that was used.
    """
    covered = alpha > 0
    if not bool(covered.any()):
        return torch.zeros_like(colour), (0.0,) * colour.shape[0]
    # The visible edge: covered pixels that touch an uncovered one or the border.
    padded = torch.nn.functional.pad((~covered).to(colour.dtype)[None], (1, 1, 1, 1), value=1.0)
    touches = torch.nn.functional.max_pool2d(padded, 3, stride=1)[0] > 0
    weights = alpha * (covered & touches)
    background = (colour * weights).sum((1, 2)) / weights.sum((1, 2)).clamp_min(1e-12)
    flat = colour * alpha + background[:, None, None] * (1 - alpha)
    return flat.clamp(0, 1), tuple(round(float(v), 4) for v in background)
