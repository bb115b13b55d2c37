"""Pictures made worse in the three ways that every fidelity metric must see (numpy, scipy and Pillow only).

Scripts that run an official implementation import this file too; what they print is kept in `golden/`.
"""

from __future__ import annotations

from io import BytesIO

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

from filling import Array

# Mild to severe: sigma in pixels, standard deviation on [0, 1], quality of libjpeg.
STRENGTHS: dict[str, tuple[float, ...]] = {"blur": (0.6, 1.2, 2.5), "noise": (0.02, 0.06, 0.15), "jpeg": (60, 25, 8)}


def damaged(image: Array, kind: str, strength: float) -> Array:
    """A picture (3, H, W) with values in [0, 1], spoilt and on the 8-bit grid again."""
    levels = np.round(image * 255).astype(np.uint8)
    if kind == "jpeg":
        buffer = BytesIO()
        Image.fromarray(np.moveaxis(levels, 0, 2)).save(buffer, "JPEG", quality=int(strength))
        return np.moveaxis(np.asarray(Image.open(buffer)), 2, 0).astype(np.float32) / 255
    if kind == "blur":
        spoilt = gaussian_filter(image.astype(np.float64), (0, strength, strength), mode="nearest")
    else:
        spoilt = image + np.random.Generator(np.random.PCG64(3)).normal(0, strength, image.shape)
    return (np.round(np.clip(spoilt, 0, 1) * 255) / 255).astype(np.float32)
