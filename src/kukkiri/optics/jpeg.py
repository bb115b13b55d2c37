"""JPEG as it is: the real codec, in memory."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from kukkiri.errors import InputError, ShapeError
from kukkiri.optics.codecs import read_back

# Pillow's names of the chroma subsamplings.
SUBSAMPLINGS = ("4:4:4", "4:2:2", "4:2:0")


def jpeg(image: Tensor, quality: int | Sequence[int] | Tensor, subsampling: str = "4:2:0") -> Tensor:
    """Pictures after a JPEG file of the given quality (libjpeg's scale) was written and read.

    Not differentiable: rounding to 8 bits and to the quantisation tables has a gradient of 0.

    Parameters
    ----------
    image : Tensor, (N, C, H, W), C = 1 or 3, values in [0, 1]
        Clipped and rounded to 8 bits first. Grey pictures become grey files.
    quality : int or (N,), in 1..100
        One for all, or one a sample.
    subsampling : '4:4:4' | '4:2:2' | '4:2:0'
        Of the chroma; no matter for grey.

    Returns
    -------
    Tensor, (N, C, H, W), type and device of `image`
        Multiples of 1/255.

    Raises
    ------
    InputError, ShapeError
        If a quality is out of range, their number does not fit, or the pictures are neither grey nor RGB.
    """
    from PIL import Image as Pillow

    if image.ndim != 4 or image.shape[1] not in (1, 3):
        raise ShapeError(
            expected="a batch (N, 1 or 3, H, W)", got=str(tuple(image.shape)), fix="give grey or RGB, channels first"
        )
    if subsampling not in SUBSAMPLINGS:
        raise InputError(expected=f"one of {', '.join(SUBSAMPLINGS)}", got=ascii(subsampling), fix="choose one of them")
    qualities = [quality] * len(image) if isinstance(quality, int) else [int(q) for q in quality]
    if len(qualities) != len(image) or not all(1 <= q <= 100 for q in qualities):
        raise InputError(
            expected=f"one quality or {len(image)}, in 1..100", got=str(quality), fix="give whole numbers from 1 to 100"
        )
    levels = (image.detach().clamp(0, 1) * 255).round().to(torch.uint8).movedim(1, 3).cpu().numpy()
    decoded = []
    for picture, each in zip(levels, qualities, strict=True):
        plain = Pillow.fromarray(picture[..., 0] if picture.shape[2] == 1 else picture)
        after = read_back(plain, "JPEG", quality=each, subsampling=subsampling)
        decoded.append(np.asarray(after).reshape(picture.shape))
    return torch.from_numpy(np.stack(decoded)).movedim(3, 1).to(image).contiguous() / 255
