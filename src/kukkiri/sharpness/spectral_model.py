"""What the power spectrum of a blurred natural picture looks like, ring by ring, and which blur explains a spectrum.

P(f) = A·f^(−2a)·|MTF(f)|²·pixel(f) + N: a power law of free amplitude and nearly free slope, the blur, the mean over
the area of a pixel, and white noise. The blur is a Gaussian, exp(−4π²s²f²), or the disc of defocus, (2·J₁(z)/z)² with
z = 2π·2s·f, of which every s is tried.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

FAMILIES = ("gaussian", "disc")
# The power of natural pictures falls as f^−2, give or take (Field 1987; van der Schaaf and van Hateren 1996): mean and
# standard deviation of the exponent, and how many are tried within two deviations.
SLOPE, SLOPE_SPREAD, SLOPES = 2.0, 0.4, 9
# Blur sizes that are tried besides 0, pixels.
FINEST, COARSEST, SIZES = 0.15, 12.0, 64
# The ring next to the mean holds what the window smears out of it.
FIRST_RING = 2
# By how much, in log power, the content of a picture wanders about its power law from ring to ring, beyond chance.
WANDER = 0.3
# It wanders in runs: so many neighbouring rings say the same.
RUN = 3.0
# Student's t: a ring that is far off, such as a lattice's, hardly counts.
FREEDOM = 4.0
ITERATIONS = 25


@dataclass(frozen=True)
class Rings:
    """The frequency plane of a block, seen as rings.

    Parameters
    ----------
    mean : Tensor, (block · (block/2 + 1), K)
        From the flattened half plane of `rfft2` to the mean over each ring.
    count : Tensor, (K,)
        Independent samples in a ring, about.
    frequency : Tensor, (K,)
        Of the ring, cycles/pixel.
    """

    mean: Tensor
    count: Tensor
    frequency: Tensor


@lru_cache(maxsize=8)
def rings(block: int) -> Rings:
    """Rings one sample wide, from `FIRST_RING` to ½ cycle/pixel.

    Parameters
    ----------
    block : int
        Side of a block, pixels, even.
    """
    number, _ = _plane(block)
    half = block // 2
    twice = torch.full((block, half + 1), 2.0, dtype=torch.float64)
    twice[:, 0] = twice[:, half] = 1
    member = _members(number[:, : half + 1], half) * twice.flatten()[:, None]
    total = member.sum(0)
    # Half of the samples mirror the others.
    frequency = torch.arange(FIRST_RING, half + 1, dtype=torch.float64) / block
    return Rings(member / total, total / 2, frequency)


def _plane(block: int) -> tuple[Tensor, Tensor]:
    """Of the whole frequency plane (block, block): number of the ring, and frequency in cycles/pixel."""
    axis = torch.fft.fftfreq(block, dtype=torch.float64)
    radius = torch.hypot(axis[:, None], axis)
    return (radius * block).round().long(), radius


def _members(number: Tensor, last: int) -> Tensor:
    """Which samples (flattened) belong to which ring: (n, K), 0 or 1."""
    return (number.flatten()[:, None] == torch.arange(FIRST_RING, last + 1)).double()


@lru_cache(maxsize=8)
def expected(block: int) -> Tensor:
    """Mean power in each ring of all that is tried, for an amplitude of 1 and no noise.

    As a Hann window shows it: every sample is the mean over its neighbours with weights 1/6, 2/3, 1/6 along each axis.

    Parameters
    ----------
    block : int
        Side of a block, pixels.

    Returns
    -------
    Tensor, (families, sizes, slopes, K), float64
    """
    number, radius = _plane(block)
    member = _members(number, block // 2).T.reshape(-1, block, block)
    member = member / member.sum((1, 2), keepdim=True)
    smeared = torch.zeros_like(member)
    taps = (1 / 6, 2 / 3, 1 / 6)
    for i, down in enumerate(taps):
        for j, across in enumerate(taps):
            smeared += down * across * member.roll((i - 1, j - 1), (1, 2))
    axis = torch.fft.fftfreq(block, dtype=torch.float64)
    pixel = torch.sinc(axis)[:, None].square() * torch.sinc(axis).square()
    # All but the pixel depends on the radius alone, of which there are few.
    distinct, place = (torch.from_numpy(v) for v in np.unique(radius.flatten().numpy(), return_inverse=True))
    shares = torch.zeros(len(smeared), len(distinct), dtype=torch.float64)
    shares.index_add_(1, place, (smeared * pixel).flatten(1))
    distinct = distinct.clamp_min(0.5 / block)  # the mean itself is taken off before the spectrum is made
    law = distinct ** -slopes()[:, None]
    blur = torch.stack([_gaussian(sizes()[:, None] * distinct), _disc(sizes()[:, None] * distinct)])
    return torch.einsum("fsu,au,ku->fsak", blur, law, shares)


def sizes() -> Tensor:
    """Blur sizes that are tried, pixels: 0, then from 0.15 to 12 in equal ratios; (65,), float64."""
    steps = torch.linspace(math.log(FINEST), math.log(COARSEST), SIZES, dtype=torch.float64).exp()
    return torch.cat([steps.new_zeros(1), steps])


def slopes() -> Tensor:
    """Exponents of the power law that are tried; (9,), float64."""
    return SLOPE + SLOPE_SPREAD * torch.linspace(-2, 2, SLOPES, dtype=torch.float64)


def _gaussian(x: Tensor) -> Tensor:
    """Squared transfer function of a Gaussian at x = size times frequency."""
    return torch.exp(-4 * math.pi**2 * x.square())


def _disc(x: Tensor) -> Tensor:
    """The same of a disc; its radius is twice its size."""
    z = (4 * math.pi * x).clamp_min(1e-6)
    amplitude: Tensor = 2 * torch.special.bessel_j1(z) / z
    return amplitude.square()


@dataclass(frozen=True)
class Explained:
    """What explains measured spectra.

    Parameters
    ----------
    sigma : Tensor, (B, 3)
        5, 50 and 95 % quantiles of the posterior of the blur size, pixels.
    spread : Tensor, (B,)
        Standard deviation of log2 sigma, octaves; what is below 0.15 px counts as that.
    disc : Tensor, (B,)
        Probability of a disc.
    slope, noise : Tensor, (B,)
        Of the likeliest: the exponent, and the power of the noise.
    misfit : Tensor, (B,)
        Root mean square of the logarithm of measured over likeliest power.
    """

    sigma: Tensor
    spread: Tensor
    disc: Tensor
    slope: Tensor
    noise: Tensor
    misfit: Tensor


def explain(power: Tensor, block: int, *, every: int = 1) -> Explained:
    """Which blurs explain mean power spectra.

    Amplitude and noise are fitted to each blur and slope that is tried, by multiplicative steps that keep them
    positive; what is left over then says how likely these are, with every size of the grid and both families as likely
    as any other beforehand, and the slope as natural pictures have it.

    Parameters
    ----------
    power : Tensor, (B, K), float64
        In the rings of `rings(block)`, above 0.
    block : int
        Side of the blocks, pixels.
    every : int
        2: half of the sizes and slopes, and of the steps, in an eighth of the time.

    Returns
    -------
    Explained
    """
    shape = expected(block)[:, ::every, ::every].to(power.device)
    grid, exponents = sizes()[::every].to(power.device), slopes()[::every].to(power.device)
    model, count = shape.flatten(0, 2), rings(block).count.to(power.device)
    weight = 1 / (1 / count + WANDER**2)
    # Noise of next to nothing is a matter of rounding: no picture is that clean.
    least = 1e-13 * power.amax(-1)[:, None, None]
    measured = power[:, None].maximum(least)
    amplitude = (measured[..., :3] / model[:, :3]).mean(-1, keepdim=True)
    noise = measured[..., -6:].median(-1, keepdim=True).values.expand_as(amplitude)
    for _ in range(ITERATIONS // every):
        fit = amplitude * model + noise
        push = weight / (1 + weight / FREEDOM * (measured / fit).log().square()) / fit
        pull = push * measured / fit
        amplitude = amplitude * (pull * model).sum(-1, keepdim=True) / (push * model).sum(-1, keepdim=True)
        noise = (noise * pull.sum(-1, keepdim=True) / push.sum(-1, keepdim=True)).maximum(least)
    off = (measured / (amplitude * model + noise)).log()
    likelihood = -(FREEDOM + 1) / 2 * (weight / FREEDOM * off.square()).log1p().sum(-1) / RUN
    prior = -((exponents - SLOPE) / SLOPE_SPREAD).square() / 2
    likelihood = likelihood.view(len(power), *shape.shape[:3]) + prior
    best = likelihood.flatten(1).argmax(1)
    likely = likelihood.flatten(1).softmax(1).view_as(likelihood)
    each = torch.arange(len(power), device=power.device)
    by_size = likely.sum((1, 3))
    octaves = grid.clamp_min(FINEST).log2()
    mean = by_size @ octaves
    return Explained(
        sigma=_quantiles(by_size, grid, (0.05, 0.5, 0.95)),
        spread=(by_size @ octaves.square() - mean.square()).clamp_min(0).sqrt(),
        disc=likely[:, 1].sum((1, 2)),
        slope=exponents[best % len(exponents)],
        noise=noise[each, best, 0],
        misfit=off[each, best].square().mean(-1).sqrt(),
    )


def _quantiles(likely: Tensor, grid: Tensor, levels: tuple[float, ...]) -> Tensor:
    """Quantiles (B, L) of distributions (B, S) on a grid (S,), between its points linearly."""
    reached = likely.cumsum(1) - likely / 2
    wanted = torch.tensor(levels, dtype=likely.dtype, device=likely.device).expand(len(likely), -1).contiguous()
    above = torch.searchsorted(reached, wanted).clamp(1, len(grid) - 1)
    low, high = reached.gather(1, above - 1), reached.gather(1, above)
    part = ((wanted - low) / (high - low).clamp_min(1e-30)).clamp(0, 1)
    return grid[above - 1] + part * (grid[above] - grid[above - 1])
