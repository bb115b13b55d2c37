"""Noise of light, sensors, scanners and lines; the physics is in `optics/noise.py`."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from kukkiri.images.colour import BT601, luma
from kukkiri.images.filtering import correlate_separable, gaussian_1d, gaussian_blur
from kukkiri.optics import noise
from kukkiri.optics.distort.colour import from_ycbcr, to_ycbcr
from kukkiri.optics.distort.drawing import column, normal, uniform

# Of the grain of correlated noise, a Gaussian's standard deviation in pixels.
GRAIN = 1.2
# The smoother behind `denoised`: the side of its window, and how much more than the noise's variance it takes away.
WINDOW, TRUST = 5, 2.0


def white_noise(image: Tensor, parameters: Mapping[str, Tensor], generator: torch.Generator) -> Tensor:
    """Gaussian noise of standard deviation `sigma`, independent in every sample and channel."""
    return noise.read_noise(image, parameters["sigma"], generator)


def chroma_noise(image: Tensor, parameters: Mapping[str, Tensor], generator: torch.Generator) -> Tensor:
    """Gaussian noise of standard deviation `sigma` in Cb and Cr; Y keeps its values."""
    y, chroma = to_ycbcr(image)
    return from_ycbcr(y, noise.read_noise(chroma, parameters["sigma"], generator))


def impulse_noise(image: Tensor, parameters: Mapping[str, Tensor], generator: torch.Generator) -> Tensor:
    """A `share` of all samples becomes black or white, half of it each."""
    drawn = uniform(tuple(image.shape), generator).to(image)
    share = column(parameters["share"], image)
    return torch.where(drawn < share / 2, 0.0, torch.where(drawn > 1 - share / 2, 1.0, image)).to(image)


def multiplicative_noise(image: Tensor, parameters: Mapping[str, Tensor], generator: torch.Generator) -> Tensor:
    """Every sample times 1 + `sigma`·n, n standard normal."""
    return image * (1 + column(parameters["sigma"], image) * normal(tuple(image.shape), image, generator))


def shot_noise(image: Tensor, parameters: Mapping[str, Tensor], generator: torch.Generator) -> Tensor:
    """Poisson noise of a sensor that counts `photons` where the picture is white."""
    return noise.shot_noise(image, parameters["photons"], generator)


def correlated_noise(image: Tensor, parameters: Mapping[str, Tensor], generator: torch.Generator) -> Tensor:
    """Gaussian noise behind a low-pass, of standard deviation `sigma` after it: the grain of film and of upscaling."""
    # What the filter leaves of a standard deviation of 1 is the sum of squares of its one-dimensional taps.
    left = float(gaussian_1d(GRAIN).square().sum())
    grain = gaussian_blur(normal(tuple(image.shape), image, generator), GRAIN, border="symmetric") / left
    return image + column(parameters["sigma"], image) * grain


def line_noise(image: Tensor, parameters: Mapping[str, Tensor], generator: torch.Generator) -> Tensor:
    """Every row gets an offset of standard deviation `sigma`, the same in all channels."""
    offsets = torch.zeros(len(image), 1, image.shape[2], 1, dtype=image.dtype, device=image.device)
    return image + noise.line_noise(offsets, parameters["sigma"], "rows", generator)


def denoised(image: Tensor, parameters: Mapping[str, Tensor], generator: torch.Generator) -> Tensor:
    """White noise of standard deviation `sigma`, then the local Wiener filter, which takes fine texture away with it.

    Every channel is mean + g·(x − mean) over a window, with the gain g = max(0, v − n) / v of luma's local variance v
    and its share n of noise (Lee, IEEE TPAMI 2(2), 1980, eq. 8).
    """
    noisy = noise.read_noise(image, parameters["sigma"], generator).clamp(0, 1)
    grey = luma(noisy)
    variance = (_local_mean(grey.square()) - _local_mean(grey).square()).clamp_min(1e-9)
    share = sum(weight**2 for weight in BT601) if image.shape[1] == 3 else 1.0
    expected = TRUST * share * column(parameters["sigma"], image).square()
    gain = _local_mean((1 - expected / variance).clamp_min(0))
    mean = _local_mean(noisy)
    return mean + gain * (noisy - mean)


def _local_mean(image: Tensor) -> Tensor:
    return correlate_separable(image, [1 / WINDOW] * WINDOW, [1 / WINDOW] * WINDOW, "symmetric")
