"""A random photometric day for each picture of a training batch."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kukkiri.images.filtering import gaussian_blur
from kukkiri.optics.jpeg import jpeg

# Share of the mild days.
MILD = 0.75


def another_day(image: Tensor, random: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Random light, tone curve, gain, noise and file format.

    Parameters
    ----------
    image : Tensor, (N, 1, H, W), values in [0, 1]
    random : numpy.random.Generator

    Returns
    -------
    image : Tensor, (N, 1, H, W)
        Rounded to 8, 12 or 16 bits.
    known : Tensor of bool, (N,)
        False for the few that were emptied of everything but noise.
    """
    count, _, height, width = image.shape

    # Most pictures have a mild day, with one or two of all these; or few would ever show their PSF clearly, and what
    # tells a disc from a Gaussian would be drowned by what nobody can tell.
    eventful = np.where(random.random(count) < MILD, 0.25, 1.0)

    def some(share: float) -> NDArray[np.bool_]:
        return random.random(count) < share * eventful

    def column(values: NDArray[Any]) -> Tensor:
        return torch.from_numpy(values.astype(np.float32))[:, None, None, None]

    # An exposure made for this picture: the faint blur of a point still fills the range.
    low, high = image.amin((1, 2, 3), keepdim=True), image.amax((1, 2, 3), keepdim=True)
    exposed = column(random.random(count) < 0.5)
    image = exposed * (image - low) / (high - low).clamp_min(0.002) + (1 - exposed) * image
    known = np.ones(count, bool)
    empty = some(0.04)
    known[empty] = False
    image = torch.where(column(empty) > 0, column(random.random(count)), image.clamp(0, 1))
    # Illumination that is not even.
    y, x = torch.meshgrid(torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij")
    fall = column(np.where(some(0.2), random.uniform(0, 0.5, count), 0))
    tilt = column(np.where(some(0.2), random.uniform(-0.3, 0.3, count), 0))
    image = image * (1 - fall * (x.square() + y.square()) / 2) * (1 - tilt.abs() + tilt * x)
    # Tone curve, polarity, gain and offset. 'used' is the share of the range that the picture fills.
    gamma = column(np.where(some(0.4), np.exp(random.uniform(math.log(0.4), math.log(2.5), count)), 1))
    image = image.clamp(1e-4, 1) ** gamma
    flipped = column(some(0.3))
    image = flipped * (1 - image) + (1 - flipped) * image
    used = np.where(some(0.6), np.exp(random.uniform(math.log(0.05), math.log(1.4), count)), 1)
    offset = np.where(some(0.5), random.uniform(0, 1, count) * (1 - used), 0)
    image = column(used) * image + column(offset)
    # Sensor: photons, electronics, lines. Noise is relative to the range in use, or few pictures would be hard.
    read = np.where(some(0.7), np.exp(random.uniform(math.log(0.001), math.log(0.1), count)), 0) * np.sqrt(used)
    photons = np.where(some(0.3), np.exp(random.uniform(math.log(0.003), math.log(0.08), count)), 0)
    deviation = (column(read) ** 2 + column(photons) ** 2 * image.clamp_min(0) * column(used)).sqrt()
    noise = _normal((count, 1, height, width), random)
    for at in np.flatnonzero(some(0.08)):  # noise that a demosaicing or a scaler has smeared
        smeared = gaussian_blur(noise[at : at + 1], float(random.uniform(0.35, 0.7)))[0]
        noise[at] = smeared / smeared.std().clamp_min(1e-6)
    image = image + deviation * noise
    lines = column(np.where(some(0.08), np.exp(random.uniform(math.log(0.001), math.log(0.02), count)), 0) * used)
    image = (image + lines * _normal((count, 1, height, 1), random)).clamp(0, 1)
    for at in np.flatnonzero(some(0.18)):
        image[at : at + 1] = jpeg(image[at : at + 1], int(random.integers(30, 97)))
    levels = column(random.choice((255.0, 4095.0, 65535.0), count, p=(0.8, 0.05, 0.15)))
    return (image * levels).round() / levels, torch.from_numpy(known)


def _normal(shape: tuple[int, ...], random: np.random.Generator) -> Tensor:
    return torch.from_numpy(random.standard_normal(shape, dtype=np.float32))
