"""Chains of random damage, as blind super-resolution trains on: BSRGAN and Real-ESRGAN.

Every step and every number of a chain is drawn first, from the published ranges, and then scaled by a strength: at 0
nothing happens, at 1 the draws are those published. One seed thus gives the same story at every strength. Blurs and
noise grow from nothing; JPEG and resampling change a picture even when they are mild, and each begins at a strength of
its own, at most `LATEST`. Pictures end at the size at which they began: what is made small by 4 for
super-resolution is made large again, by bicubic interpolation.

Sources: Zhang, Liang, Van Gool, Timofte, ICCV 2021, arXiv 2103.14006, section 3 (BSRGAN); Wang, Xie, Dong, Shan, ICCVW
2021, arXiv 2107.10833, section 3 and the published settings of the ×4 model (Real-ESRGAN).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from kukkiri.optics.convolution import blur
from kukkiri.optics.distort.chain_kernels import generalised_gaussian, sinc
from kukkiri.optics.distort.lowlight import CAMERA
from kukkiri.optics.jpeg import jpeg
from kukkiri.optics.sensor import expose, to_display, to_light

# How many times smaller a side is at full strength.
SCALE = 4.0
# No side becomes smaller than this, pixels.
LEAST_SIDE = 8
# From this strength on every step of a chain is there.
LATEST = 0.5
WAYS = ("bilinear", "bicubic", "area")
# Shapes of the kernels of Real-ESRGAN and how often each is drawn.
SHAPES = ("round", "elliptical", "round-generalised", "elliptical-generalised", "round-plateau", "elliptical-plateau")
OFTEN = (0.45, 0.25, 0.12, 0.03, 0.12, 0.03)


Step = Callable[[Tensor], Tensor]


def _nothing(image: Tensor) -> Tensor:
    return image


class Draws:
    """Random numbers of one picture's chain.

    Parameters
    ----------
    seed : int
    """

    def __init__(self, seed: int) -> None:
        self.generator = torch.Generator().manual_seed(seed)

    def uniform(self, low: float, high: float) -> float:
        """A number from `low` to `high`."""
        return low + (high - low) * float(torch.rand((), generator=self.generator, dtype=torch.float64))

    def chosen(self, weights: tuple[float, ...]) -> int:
        """An index, as often as its weight says."""
        at = self.uniform(0, sum(weights))
        for index, weight in enumerate(weights):
            at -= weight
            if at < 0:
                return index
        return len(weights) - 1

    def beginning(self, step: Step, strength: float) -> Step:
        """The step, or nothing below the strength at which it begins."""
        return step if strength >= self.uniform(0, LATEST) else _nothing

    def order(self, count: int) -> list[int]:
        """0 … count − 1 in any order."""
        mixed: list[int] = torch.randperm(count, generator=self.generator).tolist()
        return mixed

    def normal(self, like: Tensor, channels: int) -> Tensor:
        """White noise for a batch of one, of so many channels."""
        shape = (1, channels, *like.shape[2:])
        return torch.randn(shape, generator=self.generator).to(like)


def bsrgan(image: Tensor, parameters: Mapping[str, Tensor], generator: torch.Generator) -> Tensor:
    """Blurs, shrinking, noise, JPEG and a sensor's noise in random order, then JPEG once more.

    Differs from the publication in one step: camera processing is the noise of a sensor in linear light. The covariance
    of noise that the channels share is not made positive element by element, which need not leave a covariance.

    Parameters
    ----------
    image : Tensor, (N, C, H, W), values in [0, 1]
    parameters : mapping
        'strength' (N,): 1 for the published ranges at ×4.
    generator : torch.Generator
        Gives each sample its own seed.

    Returns
    -------
    Tensor, (N, C, H, W)
    """
    return _each(image, parameters["strength"], generator, _bsrgan)


def real_esrgan(image: Tensor, parameters: Mapping[str, Tensor], generator: torch.Generator) -> Tensor:
    """Twice blur, resizing, noise and JPEG, with rings of an ideal low-pass at the end.

    Parameters
    ----------
    image : Tensor, (N, C, H, W), values in [0, 1]
    parameters : mapping
        'strength' (N,): 1 for the published ranges of the ×4 model.
    generator : torch.Generator
        Gives each sample its own seed.

    Returns
    -------
    Tensor, (N, C, H, W)
    """
    return _each(image, parameters["strength"], generator, _real_esrgan)


def _each(
    image: Tensor, strength: Tensor, generator: torch.Generator, chain: Callable[[Tensor, float, Draws], Tensor]
) -> Tensor:
    # Orders, kernels and sizes differ from sample to sample: nothing is shared that a batch would make faster.
    seeds = torch.randint(0, 2**62, (len(image),), generator=generator).tolist()
    done = [
        chain(image[i : i + 1], s, Draws(seeds[i])) if s > 0 else image[i : i + 1]
        for i, s in enumerate(strength.tolist())
    ]
    return torch.cat(done)


def _bsrgan(image: Tensor, s: float, draws: Draws) -> Tensor:
    full = tuple(image.shape[2:])
    small = _size(full, SCALE ** -min(s, 1.5))
    halved, first_way = draws.uniform(0, 1) < 0.25, WAYS[draws.chosen((1, 1, 1))]
    # One half of the way at once; what follows is meant for the other half.
    scale = SCALE / 2 if halved else SCALE

    def shrink_half_way() -> Step:
        if draws.uniform(0, 1) < 0.75:
            factor, way = draws.uniform(1, 2 * scale), WAYS[draws.chosen((1, 1, 1))]
            return lambda x: _resized(x, _size((x.shape[2], x.shape[3]), factor**-s), way)
        sigma = draws.uniform(0.1, 0.6 * scale)
        # Points of a blurred picture: bilinear interpolation without a filter takes them where the new pixels are.
        return lambda x: _resized(blur(x, generalised_gaussian(s * sigma, s * sigma, 0.0)), small, "bilinear")

    def shrink() -> Step:
        way = WAYS[draws.chosen((1, 1, 1))]
        return lambda x: _resized(x, small, way)

    def camera() -> Step:
        amplification = math.exp(draws.uniform(math.log(2), math.log(60)))
        if draws.uniform(0, 1) >= 0.25:
            return _nothing
        return lambda x: to_display(expose(to_light(x), CAMERA, s * amplification, generator=draws.generator))

    steps = [_bsrgan_blur(s, scale, draws), _bsrgan_blur(s, scale, draws), draws.beginning(shrink_half_way(), s),
             draws.beginning(shrink(), s), _bsrgan_noise(s, draws), _jpeg(s, draws, 0.9), camera()]  # fmt: skip
    order = draws.order(len(steps))
    # The second shrinking, to the exact size, comes after the first.
    a, b = sorted((order.index(2), order.index(3)))
    order[a], order[b] = 2, 3
    last = _jpeg(s, draws, 1.0)
    if halved:
        image = draws.beginning(lambda x: _resized(x, _size(full, 2**-s), first_way), s)(image)
    for index in order:
        image = steps[index](image).clamp(0, 1)
    return _resized(last(image), full, "bicubic").clamp(0, 1)


def _bsrgan_blur(s: float, scale: float, draws: Draws) -> Step:
    major, minor, angle = draws.uniform(0, 4 + scale), draws.uniform(0, 4 + scale), draws.uniform(0, math.pi)
    sigma = draws.uniform(0, 2 + 0.2 * scale)
    side = 2 * int(draws.uniform(2, 12)) + 3
    if draws.uniform(0, 1) < 0.5:
        # The published l₁, l₂ are variances along the axes.
        kernel = generalised_gaussian(s * math.sqrt(major), s * math.sqrt(minor), angle, side=side)
    else:
        kernel = generalised_gaussian(s * sigma, s * sigma, 0.0, side=side)
    return lambda x: blur(x, kernel)


def _bsrgan_noise(s: float, draws: Draws) -> Step:
    level, kind = draws.uniform(2, 25) / 255, draws.chosen((0.4, 0.4, 0.2))
    # The root of a random covariance: random axes, random variances along them.
    axes = torch.linalg.qr(torch.rand((3, 3), generator=draws.generator, dtype=torch.float64)).Q
    root = axes.T @ torch.diag(torch.rand(3, generator=draws.generator, dtype=torch.float64).sqrt()) @ axes

    def noisy(x: Tensor) -> Tensor:
        channels = x.shape[1]
        if kind == 2 and channels == 3:
            return x + s * 25 / 255 * torch.einsum("ij,njhw->nihw", root.to(x), draws.normal(x, channels))
        return x + s * level * draws.normal(x, 1 if kind == 1 else channels)

    return noisy


def _real_esrgan(image: Tensor, s: float, draws: Draws) -> Tensor:
    full = tuple(image.shape[2:])
    small = _size(full, SCALE ** -min(s, 1.5))
    first = [_esrgan_blur(s, draws, (0.2, 3.0), 1.0), _esrgan_resize(s, draws, full, (0.2, 0.7, 0.1), (0.15, 1.5)),
             _esrgan_noise(s, draws, (1, 30), (0.05, 3.0)), _jpeg(s, draws, 1.0)]  # fmt: skip
    second = [_esrgan_blur(s, draws, (0.2, 1.5), 0.8), _esrgan_resize(s, draws, small, (0.3, 0.4, 0.3), (0.3, 1.2)),
              _esrgan_noise(s, draws, (1, 25), (0.05, 2.5))]  # fmt: skip
    cutoff, side = draws.uniform(math.pi / 3, math.pi), 2 * int(draws.uniform(3, 11)) + 1
    rings = draws.uniform(0, 1) < 0.8
    way = WAYS[draws.chosen((1, 1, 1))]

    def to_size(x: Tensor) -> Tensor:
        shrunk = _resized(x, small, way)
        return blur(shrunk, sinc(cutoff, side, s)) if rings else shrunk

    last = _jpeg(s, draws, 1.0)
    resized = draws.beginning(to_size, s)
    ending = [resized, last] if draws.uniform(0, 1) < 0.5 else [last, resized]
    for step in (*first, *second, *ending):
        image = step(image).clamp(0, 1)
    return _resized(image, full, "bicubic").clamp(0, 1)


def _esrgan_blur(s: float, draws: Draws, sigmas: tuple[float, float], often: float) -> Step:
    skipped = draws.uniform(0, 1) >= often
    side = 2 * int(draws.uniform(3, 11)) + 1
    low = math.pi / 3 if side < 13 else math.pi / 5
    ring, cutoff = draws.uniform(0, 1) < 0.1, draws.uniform(low, math.pi)
    shape = SHAPES[draws.chosen(OFTEN)]
    major, minor, angle = draws.uniform(*sigmas), draws.uniform(*sigmas), draws.uniform(-math.pi, math.pi)
    # Below and above the Gaussian alike often.
    power = draws.uniform(0.5, 1) if draws.uniform(0, 1) < 0.5 else draws.uniform(1, 4)
    plateau_power = 1.0 if draws.uniform(0, 1) < 0.5 else draws.uniform(1, 2)
    if skipped:
        return _nothing
    if ring:
        kernel = sinc(cutoff, side, s)
    else:
        kernel = generalised_gaussian(
            s * major,
            s * (major if shape.startswith("round") else minor),
            angle,
            power=plateau_power if "plateau" in shape else power if "generalised" in shape else 1.0,
            plateau="plateau" in shape,
            side=side,
        )
    return lambda x: blur(x, kernel)


def _esrgan_resize(
    s: float, draws: Draws, base: tuple[int, ...], often: tuple[float, ...], factors: tuple[float, float]
) -> Step:
    which = draws.chosen(often)
    larger, smaller = draws.uniform(1, factors[1]), draws.uniform(factors[0], 1)
    way = WAYS[draws.chosen((1, 1, 1))]
    factor = (larger, smaller, 1.0)[which]
    return draws.beginning(lambda x: _resized(x, _size(base, factor**s), way), s)


def _esrgan_noise(s: float, draws: Draws, sigmas: tuple[float, float], scales: tuple[float, float]) -> Step:
    gaussian, grey = draws.uniform(0, 1) < 0.5, draws.uniform(0, 1) < 0.4
    sigma, scale = s * draws.uniform(*sigmas) / 255, s * draws.uniform(*scales)

    def noisy(x: Tensor) -> Tensor:
        if gaussian:
            return x + sigma * draws.normal(x, 1 if grey else x.shape[1])
        # Counts of an 8-bit picture's levels, whatever its depth.
        rate = (x.mean(1, keepdim=True) if grey else x).clamp_min(0).double().cpu() * 255
        return x + scale * ((torch.poisson(rate, draws.generator) - rate) / 255).to(x)

    return noisy


def _jpeg(s: float, draws: Draws, often: float) -> Step:
    quality = round(100 - s * (100 - draws.uniform(30, 95)))
    if draws.uniform(0, 1) >= often:
        return _nothing
    return draws.beginning(lambda x: jpeg(x, min(max(quality, 3), 100)), s)


def _size(size: tuple[int, ...], factor: float) -> tuple[int, int]:
    height, width = (max(min(LEAST_SIDE, side), round(side * factor)) for side in size)
    return height, width


def _resized(image: Tensor, size: tuple[int, ...], way: str) -> Tensor:
    if tuple(image.shape[2:]) == tuple(size):
        return image
    corners = None if way == "area" else False
    return F.interpolate(image, tuple(size), mode=way, align_corners=corners)
