"""PIQE: the share of visibly distorted blocks among those that catch the eye (Venkatanath et al. 2015).

Follows the function of that name in MATLAB; needs no training; lower is better.
"""

from __future__ import annotations

import torch
from torch import Tensor

from kukkiri.images.colour import luma_255
from kukkiri.images.filtering import pad
from kukkiri.metrics.base import Metric
from kukkiri.quality.no_reference.natural_scene_statistics import in_chunks, normalised_luma, rounding_floor

BLOCK = 16
SEGMENT = 6
ACTIVE_VARIANCE = 0.1
FLAT_SEGMENT = 0.1
STABILISER = 1.0


def piqe(grey: Tensor, weights: Tensor | None = None) -> Tensor:
    """PIQE of luma.

    Parameters
    ----------
    grey : Tensor, (N, 1, H, W), on 0..255
        Continued to whole blocks of 16×16 by repeating the last row and column.
    weights : Tensor, (N, 1, H, W), optional
        Blocks with a pixel of weight 0 are dropped.

    Returns
    -------
    Tensor, (N,), float64
        Nominally 0 (best) to 100 (worst); 100 where no block is active (a flat picture); NaN where no block is left.
    """
    missing = [-side % BLOCK for side in grey.shape[-2:]]
    continued = pad(grey.double(), (0, missing[1], 0, missing[0]), "replicate")
    blocks = _blocks(normalised_luma(continued, rounding_floor(continued)))
    variance = blocks.flatten(-2).var(-1)
    active = variance > ACTIVE_VARIANCE
    kept = torch.ones_like(active)
    if weights is not None:
        kept = (_blocks(pad(weights, (0, missing[1], 0, missing[0]), "replicate")) > 0).flatten(-2).all(-1)
        active = active & kept
    distortion = has_flat_segment(blocks) * (1 - variance) + is_noisy(blocks, variance) * variance
    total = torch.where(active, distortion, torch.zeros_like(distortion)).sum(1)
    score = 100 * (total + STABILISER) / (active.sum(1) + STABILISER)
    return torch.where(kept.any(1), score, torch.full_like(score, torch.nan))


def has_flat_segment(blocks: Tensor) -> Tensor:
    """Whether six successive pixels of a block's outline hardly vary: blocking, or another visible artefact.

    Parameters
    ----------
    blocks : Tensor, (N, B, 16, 16)

    Returns
    -------
    Tensor of bool, (N, B)
    """
    outline = torch.stack([blocks[..., 0, :], blocks[..., -1, :], blocks[..., 0], blocks[..., -1]], -2)
    return (outline.unfold(-1, SEGMENT, 1).std(-1) < FLAT_SEGMENT).flatten(-2).any(-1)


def is_noisy(blocks: Tensor, variance: Tensor) -> Tensor:
    """Whether a block varies much more than the contrast between its middle and the rest explains.

    Parameters
    ----------
    blocks : Tensor, (N, B, 16, 16)
    variance : Tensor, (N, B)

    Returns
    -------
    Tensor of bool, (N, B)
    """
    middle = BLOCK // 2
    centre = blocks[..., middle - 1 : middle + 1].flatten(-2)
    # The published code deletes the two middle columns one after the other by number, so that the second deletion
    # takes the column beside them: the surround keeps the right one of the middle columns.
    surround = torch.cat([blocks[..., : middle - 1], blocks[..., middle : middle + 1], blocks[..., middle + 2 :]], -1)
    contrast = (centre.std(-1) / surround.flatten(-2).std(-1)).nan_to_num(0.0, posinf=torch.inf)
    deviation = variance.sqrt()
    disagreement = (deviation - contrast).abs() / torch.maximum(deviation, contrast)
    return deviation > 2 * disagreement


def _blocks(image: Tensor) -> Tensor:
    n, _, height, width = image.shape
    rows, columns = height // BLOCK, width // BLOCK
    return image.reshape(n, rows, BLOCK, columns, BLOCK).transpose(2, 3).reshape(n, rows * columns, BLOCK, BLOCK)


class PIQE(Metric):
    """`piqe`: perception-based image quality evaluator.

    Notes
    -----
    Blocks that a mask touches, or reaches through normalisation (3 px), are dropped. A flat picture scores 100, as in
    MATLAB. Luma is rounded to whole levels only where the picture came from 8 bits; MATLAB always rounds it.
    """

    name = "piqe"
    takes_weights = True

    def reach(self, height: int, width: int) -> int:
        return 3

    def score(self, image: Tensor, reference: Tensor | None, weights: Tensor) -> Tensor:
        return in_chunks(lambda part, free: piqe(luma_255(part), free), image, weights).to(image.dtype)
