"""Blurs of a lens, of a hand, and of air that shakes. All mirror the picture at its border."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from kukkiri.optics import psf
from kukkiri.optics.distort.drawing import angles, moved, normal


def gaussian_blur(image: Tensor, parameters: Mapping[str, Tensor], generator: torch.Generator) -> Tensor:
    """A round Gaussian of standard deviation `sigma` px."""
    return psf.blur(image, psf.gaussian(parameters["sigma"]))


def lens_blur(image: Tensor, parameters: Mapping[str, Tensor], generator: torch.Generator) -> Tensor:
    """A uniform disc of `radius` px: a picture out of focus."""
    # One at a time: how finely a disc is drawn depends on the others beside it.
    discs = (psf.disc(radius[None]) for radius in parameters["radius"])
    return torch.cat([psf.blur(one, disc) for one, disc in zip(torch.split(image, 1), discs, strict=True)])


def motion_blur(image: Tensor, parameters: Mapping[str, Tensor], generator: torch.Generator) -> Tensor:
    """Straight motion over `length` px, each sample in a direction of its own."""
    return psf.blur(image, psf.motion(parameters["length"], angles(len(image), generator)))


def jitter(image: Tensor, parameters: Mapping[str, Tensor], generator: torch.Generator) -> Tensor:
    """Every pixel taken from a place that is normally distributed about it, `distance` px on each axis."""
    n, _, h, w = image.shape
    offsets = normal((2, n, h, w), image, generator) * parameters["distance"].to(image).reshape(-1, 1, 1)
    return moved(image, offsets[0], offsets[1])
