"""Haze, fog and smoke, and what is left of a picture when they are taken out again."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from kukkiri.optics.dark_channel import dehaze, patch_for
from kukkiri.optics.haze import hazy, procedural_depth, transmission, turbulence

# How bright air and smoke are, and how far a channel may be from grey.
AIR, SMOKE, TINT = (0.8, 1.0), (0.4, 0.8), 0.03
# The smaller the patch, the more that is no haze is taken for it.
SMALL_PATCH = 3


def haze(image: Tensor, parameters: Mapping[str, Tensor], generator: torch.Generator) -> Tensor:
    """I = J t + A (1 − t), t = exp(−β d), with procedural distances.

    Parameters
    ----------
    image : Tensor, (N, C, H, W), values in [0, 1]
    parameters : mapping
        'beta' (N,): optical thickness of the air up to the farthest place.
    generator : torch.Generator
        Draws the distances and the colour of the air.

    Returns
    -------
    Tensor, (N, C, H, W)
    """
    depth = procedural_depth(len(image), image.shape[2], image.shape[3], generator).to(image)
    return hazy(image, transmission(depth, parameters["beta"].to(image)), _light(image, AIR, generator))


def fog_uniform(image: Tensor, parameters: Mapping[str, Tensor], generator: torch.Generator) -> Tensor:
    """The same share of light lost everywhere: all is equally far.

    Parameters
    ----------
    image : Tensor, (N, C, H, W), values in [0, 1]
    parameters : mapping
        'transmission' (N,), in [0, 1].
    generator : torch.Generator
        Draws the colour of the air.

    Returns
    -------
    Tensor, (N, C, H, W)
    """
    return hazy(image, parameters["transmission"].to(image).view(-1, 1, 1, 1), _light(image, AIR, generator))


def smoke(image: Tensor, parameters: Mapping[str, Tensor], generator: torch.Generator) -> Tensor:
    """Swathes of grey smoke before the scene, thick in one place and thin in another.

    Parameters
    ----------
    image : Tensor, (N, C, H, W), values in [0, 1]
    parameters : mapping
        'thickness' (N,): optical thickness where it is thickest.
    generator : torch.Generator
        Draws the swathes and their grey.

    Returns
    -------
    Tensor, (N, C, H, W)
    """
    swathes = turbulence(len(image), image.shape[2], image.shape[3], generator).to(image)
    return hazy(image, transmission(swathes, parameters["thickness"].to(image)), _light(image, SMOKE, generator))


def dehazed(image: Tensor, parameters: Mapping[str, Tensor], generator: torch.Generator) -> Tensor:
    """Haze, noise, and then the dark channel prior: what it leaves, what it takes too much of, noise made large.

    It belongs to no group: part of the picture is still hazy, part is dark and too colourful, and neither is what a
    person would name first everywhere.

    Parameters
    ----------
    image : Tensor, (N, C, H, W), values in [0, 1]
    parameters : mapping
        'beta' (N,): of the haze; 'omega' (N,): share that is taken out; 'noise' (N,): standard deviation before.
    generator : torch.Generator
        Draws the haze and the noise.

    Returns
    -------
    Tensor, (N, C, H, W)
    """
    seen = haze(image, {"beta": parameters["beta"]}, generator)
    noise = torch.randn(image.shape, generator=generator).to(image)
    seen = (seen + parameters["noise"].to(image).view(-1, 1, 1, 1) * noise).clamp(0, 1)
    patch = patch_for(image.shape[2], image.shape[3])
    return dehaze(seen, parameters["omega"].to(image), patch=patch, radius=4 * patch).image


def over_dehazed(image: Tensor, parameters: Mapping[str, Tensor], generator: torch.Generator) -> Tensor:
    """A clear picture that was dehazed nevertheless: dark, too colourful, with halos.

    Parameters
    ----------
    image : Tensor, (N, C, H, W), values in [0, 1]
    parameters : mapping
        'omega' (N,): share of the supposed haze that is taken out.
    generator : torch.Generator
        Not used.

    Returns
    -------
    Tensor, (N, C, H, W)
    """
    height, width = image.shape[2:]
    small, radius = patch_for(height, width, SMALL_PATCH), 4 * patch_for(height, width)
    return dehaze(image, parameters["omega"].to(image), patch=small, radius=radius).image


def _light(image: Tensor, brightness: tuple[float, float], generator: torch.Generator) -> Tensor:
    """A colour near grey for each sample, (N, C)."""
    low, high = brightness
    drawn = torch.rand((len(image), 4), generator=generator)
    light = low + (high - low) * drawn[:, :1] + TINT * (2 * drawn[:, 1:] - 1)
    return light[:, : image.shape[1]].clamp(0, 1).to(image)
