"""NIQE: how far a picture's natural scene statistics lie from those of undistorted photographs.

Mittal, Soundararajan, Bovik 2013. Follows LIVE's MATLAB release; lower is better.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from kukkiri.errors import ShapeError
from kukkiri.images.colour import luma_255
from kukkiri.images.resampling import imresize
from kukkiri.metrics.base import Metric
from kukkiri.quality.no_reference.natural_scene_statistics import (
    WINDOW_RADIUS,
    asymmetric_shape,
    gamma_ratio,
    in_chunks,
    moments,
    normalised_luma,
    rounding_floor,
)
from kukkiri.weights import check_layout, load_tensors

BLOCK = 96
SCALES = 2
FEATURES = 36
# Pixels of luma that are worked on at once.
STRIP = 1 << 18
# Pairs of neighbours: right, below, and both diagonals; circular within each block, as the authors shift.
SHIFTS = ((0, 1), (1, 0), (1, 1), (1, -1))
LAYOUT = {"mu_pris_param": (1, FEATURES), "cov_pris_param": (FEATURES, FEATURES), "gaussian_window": (7, 7)}


def block_statistics(blocks: Tensor) -> Tensor:
    """The 18 features of each block at one scale.

    Parameters
    ----------
    blocks : Tensor, (…, b, b), float64
        Normalised luma.

    Returns
    -------
    Tensor, (…, 18)
        Shape and mean scale of the values; shape, mean, left and right scale of the products of neighbours in four
        directions. NaN where a block has no negative or no positive value.
    """
    pairs = [blocks] + [blocks * blocks.roll(shift, (-2, -1)) for shift in SHIFTS]
    features: list[Tensor] = []
    for values in pairs:
        m = moments(values.flatten(-2))
        shape = asymmetric_shape(m)
        to_scale = gamma_ratio(1, 3, shape)
        left, right = (m.left * to_scale).sqrt(), (m.right * to_scale).sqrt()
        if values is blocks:
            features += [shape, (left + right) / 2]
        else:
            features += [shape, (right - left) * gamma_ratio(2, 1, shape), left, right]
    return torch.stack(features, -1)


def niqe_features(grey: Tensor) -> Tensor:
    """The 36 features of each 96×96 block.

    Parameters
    ----------
    grey : Tensor, (N, 1, H, W), luma on 0..255
        What is left over right and below of whole blocks is cut off first.

    Returns
    -------
    Tensor, (N, B, 36), float64
        Blocks row by row.
    """
    rows, columns = grey.shape[-2] // BLOCK, grey.shape[-1] // BLOCK
    scaled = grey[..., : rows * BLOCK, : columns * BLOCK].double()
    floor, features = rounding_floor(scaled), []
    for scale in range(SCALES):
        side = BLOCK >> scale
        # A few rows of blocks at a time, so that the work of a large picture stays in the cache.
        strip = max(1, STRIP // (side * scaled.shape[-1]))
        parts = []
        for first in range(0, rows, strip):
            top, bottom = first * side, min(first + strip, rows) * side
            above = min(top, WINDOW_RADIUS)
            normalised = normalised_luma(scaled[..., top - above : bottom + WINDOW_RADIUS, :], floor)
            normalised = normalised[..., above : above + bottom - top, :]
            blocks = normalised.reshape(-1, (bottom - top) // side, side, columns, side).transpose(2, 3)
            parts.append(block_statistics(blocks.reshape(blocks.shape[0], -1, side, side)))
        features.append(torch.cat(parts, 1))
        if scale + 1 < SCALES:
            scaled = imresize(scaled, 0.5)
    return torch.cat(features, -1)


def distance_to_model(features: Tensor, kept: Tensor, mean: Tensor, covariance: Tensor) -> Tensor:
    """Distance between the Gaussian of the blocks' features and that of pristine photographs.

    Parameters
    ----------
    features : Tensor, (N, B, F), float64
    kept : Tensor of bool, (N, B)
        Which blocks count.
    mean, covariance : Tensor, (F,) and (F, F)
        Of the pristine model.

    Returns
    -------
    Tensor, (N,)
        NaN where fewer than two blocks have all features.
    """
    known = kept[..., None] & ~features.isnan()
    values = torch.where(known, features, torch.zeros_like(features))
    average = values.sum(1) / known.sum(1)
    # The mean takes every number it can get, the covariance only complete blocks: nanmean and nancov.
    whole = known.all(-1)
    count = whole.sum(1).view(-1, 1, 1).to(features.dtype)
    counted = whole[..., None].to(values.dtype)
    centre = (values * counted).sum(1, keepdim=True) / count
    centred = torch.where(whole[..., None], values - centre, torch.zeros_like(values))
    spread = centred.mT @ centred / (count - 1)
    difference = mean - average
    defined = (count.flatten() > 1) & difference.isfinite().all(1)
    pooled = torch.where(defined.view(-1, 1, 1), (covariance + spread) / 2, torch.eye(len(covariance)).to(covariance))
    squared = (difference[:, None] @ torch.linalg.pinv(pooled, hermitian=True) @ difference[..., None]).flatten()
    return torch.where(defined, squared.clamp_min(0).sqrt(), torch.full_like(squared, torch.nan))


class NIQE(Metric):
    """`niqe`: natural image quality evaluator.

    Parameters
    ----------
    weights : str or Path, optional
        The pristine model: key in the catalogue, or path of a file with `mu_pris_param` (1, 36), `cov_pris_param`
        (36, 36) and `gaussian_window` (7, 7); default: the authors' own.

    Notes
    -----
    The picture is cut into whole blocks of 96×96 from its top left corner; what is left over is not looked at. Blocks
    that a mask touches, or reaches through normalisation and downsampling (10 px), are dropped. The value is NaN where
    fewer than two blocks are left, or none has both negative and positive normalised values (a flat picture).
    """

    name = "niqe"
    takes_weights = True

    if TYPE_CHECKING:
        mean: Tensor
        covariance: Tensor

    def __init__(self, weights: str | Path | None = None) -> None:
        super().__init__()
        model = load_tensors(weights or self.spec.weights[0])
        check_layout(model, LAYOUT, "NIQE")
        self.register_buffer("mean", model["mu_pris_param"].double().flatten())
        self.register_buffer("covariance", model["cov_pris_param"].double())

    def reach(self, height: int, width: int) -> int:
        # Three half-size pixels of normalisation are 6 px, and the antialiased bicubic kernel adds 4.
        return 10

    def _check_size(self, height: int, width: int, fix: str) -> None:
        super()._check_size(height, width, fix)
        if (height // BLOCK) * (width // BLOCK) < 2:
            raise ShapeError(
                expected=f"a picture that holds two blocks of {BLOCK}×{BLOCK} px for niqe",
                got=f"{width}×{height}",
                fix=fix,
            )

    def score(self, image: Tensor, reference: Tensor | None, weights: Tensor) -> Tensor:
        features = in_chunks(lambda part: niqe_features(luma_255(part)), image)
        kept = torch.nn.functional.max_pool2d(1 - weights.float(), BLOCK).flatten(1) == 0
        return distance_to_model(features, kept, self.mean, self.covariance).to(image.dtype)
