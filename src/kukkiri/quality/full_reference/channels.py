"""What a fidelity metric looks at: the colours, luma, or the studio-range Y of super-resolution; all, or a crop."""

from __future__ import annotations

from typing import Literal, TypeAlias

import torch
from torch import Tensor

from kukkiri.errors import InputError
from kukkiri.images.colour import luma as bt601_luma

# False: each channel; True: BT.601 luma over the full range; 'y-studio': BT.601 with 219 of 255 steps.
Luma: TypeAlias = Literal[False, True, "y-studio"]

# Recommendation BT.601 for 8 bits: Y = 16 + 65.481 R + 128.553 G + 24.966 B, R, G and B in [0, 1].
STUDIO_BT601 = (65.481, 128.553, 24.966)


def check_luma(luma: Luma) -> Luma:
    """The option as it is, or an error that names what there is."""
    if luma is not False and luma is not True and luma != "y-studio":
        raise InputError(expected="luma of False, True or 'y-studio'", got=repr(luma), fix="check the spelling")
    return luma


def check_crop(crop: int) -> int:
    """The option as it is, or an error."""
    if isinstance(crop, bool) or not isinstance(crop, int) or crop < 0:
        raise InputError(expected="crop of 0 or more whole pixels", got=repr(crop), fix="give the scale factor, say 4")
    return crop


def measured_channels(image: Tensor, luma: Luma) -> Tensor:
    """What a metric looks at.

    Parameters
    ----------
    image : Tensor, (N, C, H, W), C = 1 or 3, values in [0, 1]
    luma : False | True | 'y-studio'
        Every channel; BT.601 luma (grey passes through); or Y in [16, 235] / 255, to which grey is taken as equal
        red, green and blue.

    Returns
    -------
    Tensor, (N, C, H, W) or (N, 1, H, W), values in [0, 1]
        Not rounded: on colour pictures of 8 bits, MATLAB's `rgb2gray` first moves SSIM by up to 0.001.
    """
    if luma is False:
        return image
    if luma is True:
        return bt601_luma(image)
    digits = torch.tensor(STUDIO_BT601, dtype=image.dtype, device=image.device).view(1, 3, 1, 1)
    return ((image.expand(-1, 3, -1, -1) * digits).sum(1, keepdim=True) + 16) / 255
