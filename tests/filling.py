"""Deterministic parameters and pictures, the same for our networks and the official ones (numpy only).

Scripts that run an official implementation import this file too; what they print is kept in `golden/`.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


def filled(name: str, shape: Iterable[int]) -> Array:
    """The parameter of this official name: uniform, scaled by what it is.

    Weights of two or more dimensions u·sqrt(6/fan_in), biases 0.05·u, normalisation weights 1 + 0.2·u, running means
    0.1·u, running variances 1 + 0.5·u, with u uniform in [−1, 1) drawn from PCG64(crc32(name)). Any other vector is
    filled like a bias.
    """
    shape = tuple(shape)
    u = np.random.Generator(np.random.PCG64(zlib.crc32(name.encode()))).random(math.prod(shape)) * 2 - 1
    kind = name.rsplit(".", 1)[-1]
    if kind == "running_mean":
        u = 0.1 * u
    elif kind == "running_var":
        u = 1 + 0.5 * u
    elif len(shape) >= 2:
        u = u * math.sqrt(6 / math.prod(shape[1:]))
    elif kind == "weight" and len(shape) == 1:
        u = 1 + 0.2 * u
    else:
        u = 0.05 * u
    return u.reshape(shape).astype(np.float32)


def picture(name: str, height: int, width: int) -> Array:
    """The middle of a picture that scikit-image carries, (3, height, width), values in [0, 1]."""
    from skimage import data

    array = np.atleast_3d(getattr(data, name)())[:, :, :3]
    array = np.repeat(array, 3, 2) if array.shape[2] == 1 else array
    top, left = (array.shape[0] - height) // 2, (array.shape[1] - width) // 2
    crop = array[top : top + height, left : left + width]
    return np.ascontiguousarray(np.moveaxis(crop, 2, 0)).astype(np.float32) / 255


def spoilt(image: Array, strength: float = 0.1) -> Array:
    """The picture with less contrast, noise, and every second column repeated: a distorted partner for a reference."""
    noise = np.random.Generator(np.random.PCG64(7)).random(image.shape).astype(np.float32) - 0.5
    coarse = image[..., np.arange(image.shape[-1]) // 2 * 2]
    mixed = (1 - strength) * (0.5 * image + 0.5 * coarse) + strength * 0.4 + strength * noise
    return np.clip(mixed, 0, 1).astype(np.float32)


def summary(tap: NDArray[np.floating], count: int = 24) -> dict[str, object]:
    """What is kept of a tap: its shape, its root mean square, and values evenly spread over it."""
    flat = np.asarray(tap, np.float64).reshape(-1)
    places = np.linspace(0, flat.size - 1, min(count, flat.size)).round().astype(int)
    return {
        "shape": list(np.shape(tap)),
        "rms": float(np.sqrt(np.mean(flat**2))),
        "values": [float(v) for v in flat[places]],
    }
