"""Sample a picture at other places: where each pixel lies in it is given by a 3 × 3 matrix."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kukkiri.images.filtering import gaussian_blur
from kukkiri.images.image import Image
from kukkiri.images.resampling import imresize

Matrix = NDArray[np.float64]
# Order of the interpolating B-spline: its passband is all but flat up to 0.8 of Nyquist, so that sharpness survives.
ORDER = 5
# What a picture of pixels that are side by side passes: a Gaussian of this sigma, in units of sqrt(scale² − 1).
AREA = 0.4
# Rows that are sampled at once: a picture of any size needs little memory for its coordinates.
ROWS = 256
# Rounding must not cost a row or column of pixels at the border.
SLACK = 0.01


def scaling(size: tuple[int, int], new_size: tuple[int, int]) -> Matrix:
    """From pixel positions (x, y, 1) of a picture to those of the same picture resized: outer edges coincide."""
    (height, width), (new_height, new_width) = size, new_size
    x, y = new_width / width, new_height / height
    return np.array([[x, 0.0, (x - 1) / 2], [0.0, y, (y - 1) / 2], [0.0, 0.0, 1.0]])


def transformed(matrix: Matrix, x: Matrix, y: Matrix) -> tuple[Matrix, Matrix]:
    """Where positions go; infinite where a homography sends them behind the horizon."""
    depth = matrix[2, 0] * x + matrix[2, 1] * y + matrix[2, 2]
    depth = np.where(depth > 1e-9, depth, np.nan)
    across = (matrix[0, 0] * x + matrix[0, 1] * y + matrix[0, 2]) / depth
    down = (matrix[1, 0] * x + matrix[1, 1] * y + matrix[1, 2]) / depth
    return np.where(np.isnan(across), -np.inf, across), np.where(np.isnan(down), -np.inf, down)


def scale_at(matrix: Matrix, x: float, y: float) -> float:
    """Pixels of the target to one pixel of the source around a place; NaN where it is mirrored or degenerate."""
    depth = matrix[2, 0] * x + matrix[2, 1] * y + matrix[2, 2]
    area = float(np.linalg.det(matrix)) / depth**3 if depth > 1e-9 else math.nan
    return math.sqrt(area) if area > 0 else math.nan


def warp(image: Image, matrix: Matrix, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """A picture as another grid of pixels sees it.

    Interpolated with a B-spline of fifth order. Where the new grid is coarser, the picture is low-passed first, about
    as much as pixels of that size do.

    Parameters
    ----------
    image : Image
    matrix : ndarray, (3, 3)
        From pixel positions (x, y, 1) of the new grid to those of `image`; centres of pixels are whole numbers.
    size : (int, int)
        Height and width of the new grid.

    Returns
    -------
    (Tensor (C, h, w), float32; Tensor (h, w), bool)
        The pixels, values in [0, 1], and where they lie inside `image`: the rest is mirrored and must not count.
    """
    from scipy import ndimage

    pixels, matrix = _low_passed(image.pixels.detach().cpu(), matrix, size)
    height, width = pixels.shape[-2:]
    warped = torch.empty(pixels.shape[0], *size)
    valid = torch.empty(size, dtype=torch.bool)
    splines = [ndimage.spline_filter(p.numpy(), ORDER, output=np.float64, mode="mirror") for p in pixels]
    columns = np.arange(size[1], dtype=np.float64)[None]
    for top in range(0, size[0], ROWS):
        rows = np.arange(top, min(top + ROWS, size[0]), dtype=np.float64)[:, None]
        x, y = transformed(matrix, columns, rows)
        inside = (x >= -SLACK) & (x <= width - 1 + SLACK) & (y >= -SLACK) & (y <= height - 1 + SLACK)
        place = np.stack([np.where(inside, y, 0), np.where(inside, x, 0)])
        band = slice(top, top + rows.shape[0])
        valid[band] = torch.from_numpy(inside)
        for channel, spline in enumerate(splines):
            values = ndimage.map_coordinates(spline, place, order=ORDER, mode="mirror", prefilter=False)
            warped[channel, band] = torch.from_numpy(values).float()
    return warped.clamp_(0, 1), valid


def warp_mask(mask: Tensor, matrix: Matrix, size: tuple[int, int]) -> Tensor:
    """A Boolean mask (H, W) on another grid: True wherever the nearest pixels include a True one."""
    height, width = mask.shape
    moved = torch.empty(size, dtype=torch.bool)
    flags = mask.cpu().numpy()
    columns = np.arange(size[1], dtype=np.float64)[None]
    for top in range(0, size[0], ROWS):
        rows = np.arange(top, min(top + ROWS, size[0]), dtype=np.float64)[:, None]
        x, y = transformed(matrix, columns, rows)
        touched = np.zeros(x.shape, bool)
        for step in (np.floor, np.ceil):
            for other in (np.floor, np.ceil):
                j, i = step(np.clip(x, 0, width - 1)).astype(int), other(np.clip(y, 0, height - 1)).astype(int)
                touched |= flags[i, j]
        moved[top : top + rows.shape[0]] = torch.from_numpy(touched)
    return moved


def _low_passed(pixels: Tensor, matrix: Matrix, size: tuple[int, int]) -> tuple[Tensor, Matrix]:
    """The picture without what the coarser grid cannot hold, and the matrix to it."""
    scale = scale_at(matrix, (size[1] - 1) / 2, (size[0] - 1) / 2)
    if not scale > 1:
        return pixels, matrix
    before = tuple(pixels.shape[-2:])
    whole = math.floor(scale)
    if whole > 1:
        after = (max(1, round(before[0] / whole)), max(1, round(before[1] / whole)))
        pixels = imresize(pixels[None], size=after)[0]
        matrix = scaling((before[0], before[1]), after) @ matrix
    rest = scale / whole
    if rest > 1.01:
        pixels = gaussian_blur(pixels[None], AREA * math.sqrt(rest**2 - 1), border="symmetric")[0]
    return pixels, matrix
