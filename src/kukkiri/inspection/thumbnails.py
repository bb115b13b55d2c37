"""Small pictures for the report."""

from __future__ import annotations

import io

import torch
import torch.nn.functional as F
from torch import Tensor

SIDE = 160
# Below this share of the full range a deep picture would look black: a microscope seldom fills its 16 bits.
DULL = 0.5


def thumbnail(pixels: Tensor, bit_depth: int, side: int = SIDE) -> bytes:
    """A WebP of at most `side` pixels; pictures of more than 8 bits that use little of their range are stretched.

    Parameters
    ----------
    pixels : Tensor, (C, H, W), values in [0, 1]
    bit_depth : int
    side : int

    Returns
    -------
    bytes
    """
    from PIL import Image as Pillow

    channels, height, width = pixels.shape
    scale = min(1.0, side / max(height, width))
    size = max(1, round(height * scale)), max(1, round(width * scale))
    small = F.interpolate(pixels[None], size=size, mode="area")[0] if scale < 1 else pixels
    if bit_depth > 8:
        low, high = torch.quantile(small.flatten(), torch.tensor([0.002, 0.998])).tolist()
        if 0 < high - low < DULL:
            small = (small - low) / (high - low)
    array = (small.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).contiguous().numpy()
    buffer = io.BytesIO()
    Pillow.fromarray(array[:, :, 0] if channels == 1 else array).save(buffer, "WEBP", quality=72, method=2)
    return buffer.getvalue()
