"""Make a picture smaller by a whole factor: mean over a square, then every n-th pixel, as the classical metrics do."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from kukkiri.images.filtering import pad


def automatic_factor(height: int, width: int) -> int:
    """The factor that brings the shorter side to about 256 px: max(1, round(min(H, W) / 256)).

    The usual viewing distance, in the words of the authors of SSIM; halves are rounded up, as MATLAB does.
    """
    return max(1, math.floor(min(height, width) / 256 + 0.5))


def decimate(image: Tensor, factor: int, border: str = "symmetric") -> Tensor:
    """Mean over factor × factor pixels, then every factor-th pixel from the first on.

    Parameters
    ----------
    image : Tensor, (N, C, H, W)
    factor : int
        1 returns the picture as it is. Output pixel i is the mean of the input's
        i·factor − (factor−1)//2 … i·factor + factor//2, the centring of MATLAB's `imfilter` and `conv2(…, 'same')`.
    border : 'symmetric' | 'zero' | 'replicate' | 'reflect'
        How the picture goes on beyond its edge.

    Returns
    -------
    Tensor, (N, C, ceil(H / factor), ceil(W / factor))
    """
    if factor == 1:
        return image
    before, after = (factor - 1) // 2, factor // 2
    return F.avg_pool2d(pad(image, (before, after, before, after), border), factor)


def spread(image: Tensor, factor: int, size: tuple[int, int]) -> Tensor:
    """Values of a decimated picture, each over the pixels that it was the mean of: the way back from `decimate`.

    Parameters
    ----------
    image : Tensor, (N, C, ceil(H / factor), ceil(W / factor))
    factor : int
    size : (int, int)
        H and W.

    Returns
    -------
    Tensor, (N, C, H, W)
    """
    if factor == 1:
        return image
    rows, columns = (
        ((torch.arange(n, device=image.device) + (factor - 1) // 2) // factor).clamp_max(small - 1)
        for n, small in zip(size, image.shape[-2:])
    )
    return image[..., rows, :][..., columns]
