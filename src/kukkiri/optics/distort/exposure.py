"""Too much light, too little, and tones bent or shifted."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from kukkiri.optics import sensor
from kukkiri.optics.distort.drawing import column, signs


def to_light(image: Tensor) -> Tensor:
    """Values of an sRGB file as relative light (IEC 61966-2-1); any shape, in [0, 1]."""
    return sensor.to_light(image.clamp(0, 1))


def from_light(light: Tensor) -> Tensor:
    """Relative light as values of an sRGB file, what is above 1 clipped; the inverse of `to_light`."""
    return sensor.to_display(light.clamp(0, 1))


def brighter(image: Tensor, parameters: Mapping[str, Tensor], generator: torch.Generator) -> Tensor:
    """2^`stops` times the light; what the sensor cannot hold is clipped."""
    return from_light(to_light(image) * 2 ** column(parameters["stops"], image))


def darker(image: Tensor, parameters: Mapping[str, Tensor], generator: torch.Generator) -> Tensor:
    """The light over 2^`stops`."""
    return from_light(to_light(image) / 2 ** column(parameters["stops"], image))


def gamma_brighter(image: Tensor, parameters: Mapping[str, Tensor], generator: torch.Generator) -> Tensor:
    """x^(1/`gamma`)."""
    return image.clamp(0, 1) ** (1 / column(parameters["gamma"], image))


def gamma_darker(image: Tensor, parameters: Mapping[str, Tensor], generator: torch.Generator) -> Tensor:
    """x^`gamma`."""
    return image.clamp(0, 1) ** column(parameters["gamma"], image)


def mean_shift(image: Tensor, parameters: Mapping[str, Tensor], generator: torch.Generator) -> Tensor:
    """`shift` added or taken away, at random one a sample."""
    return image + column(parameters["shift"] * signs(len(image), generator), image)
