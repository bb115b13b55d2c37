"""From the measured blur to a kernel: how large it can be, and what it looks like if it is round."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from kukkiri.errors import InputError, ShapeError
from kukkiri.images.image import Image
from kukkiri.optics import psf
from kukkiri.restoration.self_deblur_settings import LARGEST_KERNEL
from kukkiri.sharpness.blur import Blur, blur
from kukkiri.sharpness.prior_evidence import PriorEvidence


def measured_blur(image: Image, missing: Tensor | None, *, kernel_is_round: bool) -> Blur:
    """The blur of a picture before it is deblurred.

    Parameters
    ----------
    image : Image
    missing : Tensor of bool, (H, W), optional
    kernel_is_round : bool
        Then `prior-evidence`, which knows round kernels only and is the more exact for them, has the word where its
        interval meets that of `kk.blur`, which is the harder to mislead.

    Returns
    -------
    Blur
    """
    picture = replace(image, pixels=image.pixels.cpu())
    found = blur(picture, mask=missing)
    if not kernel_is_round or found.abstained:
        return found
    try:
        finer = PriorEvidence().estimate(picture, mask=missing)[0]
    except ShapeError:  # it wants 64 px a side that are not masked
        return found
    if finer.abstained or finer.bound:
        return found
    meet = finer.interval[0] <= found.interval[1] and found.interval[0] <= finer.interval[1]
    return finer if meet else found


def covering_side(sigma: float | None) -> int:
    """Side of a square that a kernel of this sigma fits in: six of them, and room to drift.

    Raises
    ------
    InputError
        If it is not known.
    """
    if sigma is None or not math.isfinite(sigma):
        raise InputError(
            expected="a picture that tells its blur, or a kernel_size",
            got="one whose blur is out of range or cannot be measured",
            fix="pass kernel_size (--kernel-size), an odd number of pixels larger than the blur",
        )
    return min(2 * math.ceil(3 * sigma) + 3, LARGEST_KERNEL)


def round_kernel(measured: Blur, side: int) -> Tensor:
    """What a picture's blur looks like if it is round: Gaussian and disc, as probable as they were found.

    Parameters
    ----------
    measured : Blur
        With a sigma.
    side : int
        Pixels, odd.

    Returns
    -------
    Tensor, (side, side), of sum 1

    Raises
    ------
    InputError
        If a disc of that sigma does not fit in.
    """
    least = 2 * math.ceil(2 * measured.sigma) + 1
    if side < least:
        raise InputError(
            expected=f"a kernel_size of at least {least} for a blur of sigma {measured.sigma:.2f} px",
            got=str(side),
            fix="leave it out",
        )
    shares = [max(measured.family.get(name, 0.0), 0.0) for name in ("gaussian", "disc")]
    total = sum(shares) or 1.0
    found = torch.zeros(side, side)
    for share, kernel in zip(shares, (psf.gaussian(measured.sigma)[0], psf.disc(2 * measured.sigma)[0]), strict=True):
        middle = kernel.shape[0] // 2
        reach = min(middle, side // 2)
        inner, outer = slice(middle - reach, middle + reach + 1), slice(side // 2 - reach, side // 2 + reach + 1)
        found[outer, outer] += share / total * kernel[inner, inner].float()
    whole: Tensor = found / found.sum()
    return whole
