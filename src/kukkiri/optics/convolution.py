"""Blurring pictures with kernels."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from kukkiri.errors import InputError, ShapeError, unknown_name
from kukkiri.images.filtering import PADDINGS, pad

# How a picture may go on beyond its border; 'valid' keeps only what needs no border.
BORDERS = ("symmetric", *PADDINGS, "valid")
# Above this side the Fourier domain is faster than a direct convolution on a CPU.
_DIRECT = 9


def blur(image: Tensor, kernel: Tensor, border: str = "symmetric") -> Tensor:
    """Convolve pictures with kernels.

    Parameters
    ----------
    image : Tensor, (N, C, H, W)
    kernel : Tensor, (N, k, k), (1, k, k) or (k, k)
        One a sample, or one for all.
    border : 'symmetric' | 'reflect' | 'replicate' | 'zero' | 'circular' | 'valid'
        How the picture goes on beyond its border; 'valid' keeps only what needs no border.

    Returns
    -------
    Tensor, (N, C, H, W), or (N, C, H−k+1, W−k+1) for 'valid'

    Raises
    ------
    ShapeError
        If the picture is no batch, there is neither one kernel nor one a sample, its side is even, or the picture is
        too small for the border to be made.
    UnknownNameError
        If there is no such border.
    """
    check_border(border)
    kernel = kernel[None] if kernel.ndim == 2 else kernel
    if image.ndim != 4:
        raise ShapeError(expected="pictures (N, C, H, W)", got=str(tuple(image.shape)), fix="index with None")
    n, c = image.shape[:2]
    h, w = kernel.shape[-2:]
    if kernel.ndim != 3 or len(kernel) not in (1, n) or not (h % 2 and w % 2):
        raise ShapeError(
            expected=f"1 or {n} kernels with odd sides", got=str(tuple(kernel.shape)), fix="pad the kernel with zeros"
        )
    # What of the picture a border repeats, and how many pixels there are to repeat.
    needed = {"valid": (h, w), "reflect": (h // 2 + 1, w // 2 + 1), "circular": (h // 2, w // 2)}.get(border, (1, 1))
    if image.shape[2] < needed[0] or image.shape[3] < needed[1]:
        raise ShapeError(
            expected=f"a picture of at least {needed[1]}×{needed[0]} pixels with border {border!r}",
            got=f"{image.shape[3]}×{image.shape[2]} for a kernel of {w}×{h}",
            fix="choose border='symmetric', or a smaller kernel",
        )
    kernel = kernel.to(image)
    if border != "valid":
        image = pad(image, (w // 2, w // 2, h // 2, h // 2), border)
    if max(h, w) <= _DIRECT:
        # Convolution is correlation with the kernel turned by 180°.
        turned = kernel.flip(-2, -1).expand(n, h, w).repeat_interleave(c, 0)[:, None]
        flat = image.reshape(1, n * c, *image.shape[-2:])
        return F.conv2d(flat, turned, groups=n * c).reshape(n, c, image.shape[-2] - h + 1, image.shape[-1] - w + 1)
    size = [_fast_length(s) for s in image.shape[-2:]]
    spectrum = torch.fft.rfft2(image, size) * torch.fft.rfft2(kernel, size)[:, None]
    whole: Tensor = torch.fft.irfft2(spectrum, size)
    return whole[..., h - 1 : image.shape[-2], w - 1 : image.shape[-1]]


def check_border(border: str, *, keeps_size: bool = False) -> None:
    """Whether a picture can be blurred with this border.

    Parameters
    ----------
    border : str
    keeps_size : bool
        Whether the result must be of the picture's size, which 'valid' does not give.

    Raises
    ------
    UnknownNameError
        If there is no such border.
    InputError
        If it does not keep the size where it must.
    """
    if border not in BORDERS:
        raise unknown_name("a border", border, BORDERS, f"one of {', '.join(BORDERS)}")
    if keeps_size and border == "valid":
        raise InputError(expected="a border that keeps the size", got="'valid'", fix="crop the result instead")


def _fast_length(length: int) -> int:
    """The next even length with no prime factor above 5."""
    while True:
        rest = length
        for prime in (2, 3, 5):
            while rest % prime == 0:
                rest //= prime
        if rest == 1 and length % 2 == 0:
            return length
        length += 1
