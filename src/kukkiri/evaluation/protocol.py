"""What is done to a picture before a metric sees it, and how it is drawn: all that the numbers depend on."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from torch import Tensor

from kukkiri.errors import InputError, unknown_name
from kukkiri.evaluation.pictures import centre, reduced
from kukkiri.optics import psf
from kukkiri.optics.airy import defocused_airy
from kukkiri.optics.days import DAYS, day

# Too slow for every picture at full size, at about half a second a megapixel or more.
SLOW = tuple("lpc-si s3 hifst spectral-sigma zhuo-sim log-edge-width prior-evidence just-noticeable-defocus".split())


def _airy(sigma: float, random: np.random.Generator) -> Tensor:
    cutoff = log_uniform(random, 0.5, 2.0)
    return defocused_airy(cutoff, sigma * cutoff / 2)  # geometric optics: sigma = 2·waves/cutoff


def _ellipse(sigma: float, random: np.random.Generator) -> Tensor:
    ratio, angle = log_uniform(random, 1.0, 3.0), float(random.uniform(-math.pi / 2, math.pi / 2))
    return elliptical(psf.elliptical_gaussian, sigma, ratio, angle)


# A kernel of about the given sigma; what else a family has is drawn.
PSFS: Mapping[str, Callable[[float, np.random.Generator], Tensor]] = MappingProxyType(
    {
        "gaussian": lambda sigma, _: psf.gaussian(sigma),
        "disc": lambda sigma, _: psf.disc(2 * sigma),
        "p-exponential": lambda sigma, random: psf.p_exponential(sigma, log_uniform(random, 1.0, 8.0)),
        "airy": _airy,
        "elliptical-gaussian": _ellipse,
        "motion": lambda sigma, random: psf.motion(sigma * math.sqrt(24), random.uniform(-math.pi / 2, math.pi / 2)),
    }
)
# Kernels that are tried to meet a drawn size; the truth is measured, so that it need not be met exactly.
STEPS = 8
# Families without a direction: an estimator must not see one.
ROUND = ("gaussian", "disc", "p-exponential", "airy")


@dataclass(frozen=True, kw_only=True)
class RobustnessProtocol:
    """How pictures are spoilt.

    Parameters
    ----------
    reduce : int
        Each picture is first averaged over squares of this side, so that its own blur is near 0.
    size : int or None
        Then cut to its middle, at most this many pixels a side; None keeps all of it.
    sigma : (float, float)
        Range of the blur size, pixels; one is drawn log-uniformly a picture, PSF and day, so that none is twice.
    psfs, days : tuple of str
        Names of `PSFS` and of `kukkiri.optics.days.DAYS`.
    slow : tuple of str
        Metrics that see only `slow_pictures` pictures, cut to at most `slow_size` pixels a side.
    slow_size, slow_pictures : int
    seed : int

    Raises
    ------
    InputError
        If one of these makes no sense.
    """

    reduce: int = 2
    size: int | None = None
    sigma: tuple[float, float] = (0.55, 6.0)
    psfs: tuple[str, ...] = ("gaussian", "disc")
    days: tuple[str, ...] = DAYS
    slow: tuple[str, ...] = SLOW
    slow_size: int = 256
    slow_pictures: int = 12
    seed: int = 0

    def __post_init__(self) -> None:
        low, high = self.sigma
        if not (0 < low < high < math.inf):
            raise InputError(
                expected="two sigmas, 0 < LOW < HIGH", got=f"{low:g} and {high:g}", fix="such as --sigma 0.55 6"
            )
        for name, value, least in (
            ("reduce", self.reduce, 1),
            ("size", self.size, 8),
            ("slow_size", self.slow_size, 8),
            ("slow_pictures", self.slow_pictures, 1),
            ("seed", self.seed, 0),
        ):
            if value is not None and value < least:
                option = name.replace("_", "-")
                raise InputError(expected=f"{name} of at least {least}", got=str(value), fix=f"give --{option} {least}")
        for what, names, known in (("PSF", self.psfs, tuple(PSFS)), ("day", self.days, DAYS)):
            if not names:
                raise InputError(expected=f"at least one {what}", got="none", fix="leave it out for the usual ones")
            for wrong in set(names) - set(known):
                raise unknown_name(f"the name of a {what}", wrong, known, f"one of {', '.join(known)}")

    def to_row(self) -> dict[str, Any]:
        """A JSON-ready dict."""
        return {key: list(v) if isinstance(v, tuple) else v for key, v in asdict(self).items()}

    def prepared(self, image: Tensor) -> Tensor:
        """A picture reduced and cut, with a margin of real pixels for the blur where it has them."""
        margin = 0 if self.size is None else math.ceil(6 * self.sigma[1])
        return centre(reduced(image, self.reduce), None if self.size is None else self.size + 2 * margin)

    def blurred(self, image: Tensor, kernel: Tensor) -> Tensor:
        """A prepared picture blurred, mirrored at its border, and cut to its final size."""
        return centre(psf.blur(image, kernel, border="symmetric"), self.size).clamp(0, 1)

    def random(self, *words: str) -> np.random.Generator:
        """A generator of its own for whatever has these names: independent of what else is drawn, and in what order."""
        digest = hashlib.sha256("\n".join((str(self.seed), *words)).encode()).digest()
        return np.random.default_rng(int.from_bytes(digest[:16], "big"))

    def spoilt(self, image: Tensor, name: str, family: str, on: str) -> tuple[Tensor, float]:
        """One trial: a prepared picture blurred by a PSF of drawn size, on a day that ends with 8-bit rounding.

        Parameters
        ----------
        image : Tensor, (1, C, H, W)
        name, family, on : str
            Of the picture, the PSF and the day.

        Returns
        -------
        (Tensor (1, C, h, w), float)
            The picture, and its true sigma in pixels: of the kernel that was applied.
        """
        random = self.random("trial", name, family, on)
        kernel = kernel_of(family, log_uniform(random, *self.sigma), random)
        picture = day(self.blurred(image, kernel), on, int(random.integers(2**31)))
        return picture, float(psf.sigma_of(kernel))


def kernel_of(family: str, sigma: float, random: np.random.Generator) -> Tensor:
    """A kernel of a family whose own sigma, sampled on pixels, is `sigma`, as nearly as the family can.

    A disc of radius R, averaged over each pixel, is wider than R/2 by a pixel's variance, and grows in steps as its rim
    passes sample after sample: sizes drawn for the ideal shape would crowd, and some would be drawn twice. So the
    nearest kernels below and above are mixed in the proportion that gives the size; the rim is that much softer.

    Parameters
    ----------
    family : str
        One of `PSFS`.
    sigma : float
        Pixels.
    random : Generator
        Draws what else the family has: a direction, a ratio, an exponent.

    Returns
    -------
    Tensor, (1, k, k)
    """
    seed, target = int(random.integers(2**63)), sigma**2
    found: list[tuple[float, Tensor]] = []
    asked, gain = target, 1.0
    for _ in range(STEPS):
        kernel = PSFS[family](math.sqrt(asked), np.random.default_rng(seed))
        variance = float(psf.sigma_of(kernel)) ** 2
        found.append((variance, kernel))
        if math.isclose(variance, target, rel_tol=1e-5):
            return kernel
        # What is missing is asked for in addition, twice as much each time until a step is passed.
        passed = len(found) > 1 and (found[-2][0] > target) != (variance > target)
        gain = 1.0 if passed else 2 * gain
        asked = max(asked + gain / 2 * (target - variance), asked / 2)
    below = max((f for f in found if f[0] <= target), key=lambda f: f[0], default=None)
    above = min((f for f in found if f[0] > target), key=lambda f: f[0], default=None)
    if below is None or above is None:
        return min(found, key=lambda f: abs(f[0] - target))[1]
    share = (target - below[0]) / (above[0] - below[0])
    return psf.mixture([below[1], above[1]], [1 - share, share])


def elliptical(
    shape: Callable[[float, float, float], Tensor], sigma: float, ratio: float, angle: float, scale: float = 1.0
) -> Tensor:
    """An elliptical kernel from its size and the ratio of its axes.

    Parameters
    ----------
    shape : function(major, minor, angle)
        Such as `elliptical_gaussian`.
    sigma : float
        Pixels: sigma² = (major² + minor²) / 2.
    ratio : float
        Major over minor, at least 1.
    angle : float
        Of the major axis, radians from +x towards +y.
    scale : float
        What a standard deviation is multiplied by for `shape`: 2 for the semi-axes of a disc.
    """
    minor = sigma * math.sqrt(2 / (1 + ratio * ratio))
    return shape(scale * ratio * minor, scale * minor, angle)


def log_uniform(random: np.random.Generator, low: float, high: float) -> float:
    """A number whose logarithm is uniform between those of `low` and `high`."""
    return float(np.exp(random.uniform(math.log(low), math.log(high))))


def on_grid(image: Tensor, bits: int) -> Tensor:
    """Clipped to [0, 1] and rounded to this many bits."""
    levels = float(2**bits - 1)
    return (image.clamp(0, 1) * levels).round() / levels
