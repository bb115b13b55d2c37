"""Differences made small or large."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from kukkiri.images.colour import luma
from kukkiri.optics.distort.drawing import column


def lower_contrast(image: Tensor, parameters: Mapping[str, Tensor], generator: torch.Generator) -> Tensor:
    """Differences from the picture's mean luma times `factor`, below 1."""
    mean = luma(image).mean((1, 2, 3), keepdim=True)
    return mean + column(parameters["factor"], image) * (image - mean)


def higher_contrast(image: Tensor, parameters: Mapping[str, Tensor], generator: torch.Generator) -> Tensor:
    """Differences from the picture's mean luma times `factor`, above 1; what leaves [0, 1] is clipped."""
    return lower_contrast(image, parameters, generator)


def faded(image: Tensor, parameters: Mapping[str, Tensor], generator: torch.Generator) -> Tensor:
    """Black lifted to `lift`, white kept: stray light, or an old print."""
    lift = column(parameters["lift"], image)
    return lift + (1 - lift) * image
