"""Pictures made small and large again: what is lost stays lost."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from kukkiri.images.resampling import imresize


def downscale_bicubic(image: Tensor, parameters: Mapping[str, Tensor], generator: torch.Generator) -> Tensor:
    """`factor` times fewer pixels a side and back, both ways bicubic as MATLAB's imresize is."""
    return _there_and_back(image, parameters["factor"], "bicubic")


def downscale_bilinear(image: Tensor, parameters: Mapping[str, Tensor], generator: torch.Generator) -> Tensor:
    """`factor` times fewer pixels a side and back, both ways bilinear."""
    return _there_and_back(image, parameters["factor"], "bilinear")


def downscale_nearest(image: Tensor, parameters: Mapping[str, Tensor], generator: torch.Generator) -> Tensor:
    """`factor` times fewer pixels a side and back, the nearest pixel each time: jagged, and false patterns."""
    result = torch.empty_like(image)
    for i, factor in enumerate(parameters["factor"].tolist()):
        rows, columns = (_kept(length, factor).to(image.device) for length in image.shape[-2:])
        result[i] = image[i][:, rows][:, :, columns]
    return result


def _there_and_back(image: Tensor, factors: Tensor, method: str) -> Tensor:
    size = (int(image.shape[-2]), int(image.shape[-1]))
    result = torch.empty_like(image)
    for i, factor in enumerate(factors.tolist()):
        small = imresize(image[i : i + 1], size=(_shrunk(size[0], factor), _shrunk(size[1], factor)), method=method)
        result[i] = imresize(small, size=size, method=method)[0]
    return result


def _shrunk(length: int, factor: float) -> int:
    return max(1, min(length, round(length / factor)))


def _kept(length: int, factor: float) -> Tensor:
    """Which sample stands at each place after the way to the small picture and back."""
    small = _shrunk(length, factor)
    cell = ((torch.arange(length) + 0.5) * (small / length)).long().clamp_max(small - 1)
    return ((cell + 0.5) * (length / small)).long().clamp_max(length - 1)
