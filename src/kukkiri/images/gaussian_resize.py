"""Resize as TensorFlow's `tf.image.resize` with the Gaussian method does, without antialiasing.

The kernel has a fixed width in pixels of the picture before: a sample weighs exp(−2·d²) at a distance of d < 1.5 px
(sigma 0.5, after Turkowski, *Filters for Common Resampling Tasks*, 1990). Where a picture shrinks much, pixels between
the samples are not read at all: networks that were trained so have to be given the same.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kukkiri.errors import InputError

RADIUS, SIGMA = np.float32(1.5), 0.5


@lru_cache(maxsize=64)
def gaussian_taps(length: int, new_length: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Which samples make each new one, and with what weight: one row a new sample.

    Parameters
    ----------
    length, new_length : int
        Number of samples before and after.

    Returns
    -------
    two arrays (new_length, 4)
        Positions inside the picture, and weights that sum to 1 (0 where fewer than four samples are near).
    """
    # The kernel ends with a step, so that the rounding of single precision decides what is still within it.
    one, half = np.float32(1), np.float32(0.5)
    pitch = one / (np.float32(new_length) / np.float32(length))
    centre = (np.arange(new_length, dtype=np.float32) + half) * pitch
    first = np.ceil(centre - RADIUS - half).astype(np.int64)
    positions = first[:, None] + np.arange(4)
    distance = np.abs(positions.astype(np.float32) + half - centre[:, None])
    weights = np.exp(-np.square(distance.astype(np.float64)) / (2 * SIGMA**2))
    weights[(distance >= RADIUS) | (positions < 0) | (positions >= length)] = 0
    weights /= weights.sum(1, keepdims=True)
    return positions.clip(0, length - 1), weights.astype(np.float32)


def gaussian_resize(image: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize a batch with TensorFlow's Gaussian method, which softens a picture a little even where its size stays.

    Parameters
    ----------
    image : Tensor, (N, C, H, W), floating point
    size : (int, int)
        New height and width, pixels.

    Returns
    -------
    Tensor, (N, C, H', W'), dtype of the input; gradients reach the input

    Raises
    ------
    InputError
        If a new side is under 1 px, or the picture is not of floating point.
    """
    if min(size) < 1:
        raise InputError(expected="a size of at least 1×1", got=f"{size[1]}×{size[0]}", fix="give height and width")
    if not image.is_floating_point():
        raise InputError(expected="a floating-point picture", got=str(image.dtype), fix="divide by its full range")
    for side, length in ((-2, size[0]), (-1, size[1])):
        taps = gaussian_taps(image.shape[side], length)
        positions, weights = (torch.from_numpy(t).to(image.device) for t in taps)
        shape = (length, 1) if side == -2 else (length,)
        columns = [
            image.index_select(side, positions[:, i]) * weights[:, i].to(image.dtype).reshape(shape) for i in range(4)
        ]
        image = (columns[0] + columns[1]) + (columns[2] + columns[3])
    return image
