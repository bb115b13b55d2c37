"""Blurred pictures with known truth, for the blur estimator: sharp material, optics, then a photometric day.

Every picture is sharp material blurred by a kernel whose own moments are the truth, then seen under a random gain,
gamma, light, noise and file format. In four of ten the blur varies over the picture.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from kukkiri.images.filtering import gaussian_blur
from kukkiri.optics import psf
from kukkiri.optics.jpeg import jpeg
from kukkiri.optics.varying import blur_by_map

# Families with a name; −1 stands for what is none of them.
FAMILIES = ("gaussian", "disc", "motion")
# Largest kernel, and so the margin that a picture needs around it.
KERNEL = 97
MARGIN = KERNEL // 2


class BlurredPictures(NamedTuple):
    """A batch with its truth.

    Parameters
    ----------
    image : Tensor, (N, 1, H, W), values in [0, 1]
    moments : Tensor, (N, 3, H/8, W/8)
        xx, yy, xy of the PSF's covariance at each place, px².
    family : Tensor of int64, (N,)
        Index in `FAMILIES`; −1 where the PSF has no name.
    known : Tensor of bool, (N,)
        False where the picture holds no evidence of its blur (flat, or noise alone): the truth is that none is known.
    uniform : Tensor of bool, (N,)
        Whether the whole picture has one PSF.
    """

    image: Tensor
    moments: Tensor
    family: Tensor
    known: Tensor
    uniform: Tensor


def random_kernel(random: np.random.Generator, low: float = 0.3, high: float = 12.0) -> tuple[Tensor, int]:
    """A kernel of a random family and size.

    Parameters
    ----------
    random : numpy.random.Generator
    low, high : float
        Range of sigma, px, drawn log-uniformly.

    Returns
    -------
    kernel : Tensor, (k, k), k ≤ `KERNEL`
    family : int
        Index in `FAMILIES`, or −1.
    """
    if random.random() < 0.05:
        return psf.delta(1, 1)[0], -1
    sigma = math.exp(random.uniform(math.log(low), math.log(high * (1.3 if random.random() < 0.2 else 1))))
    angle = random.uniform(-math.pi / 2, math.pi / 2)
    kind = random.choice(len(_KINDS), p=_SHARES)
    kernel, family = _KINDS[kind](random, sigma, angle)
    return _cut(kernel[0]), family


def _gaussian(random: np.random.Generator, sigma: float, angle: float) -> tuple[Tensor, int]:
    return psf.gaussian(sigma), 0


def _disc(random: np.random.Generator, sigma: float, angle: float) -> tuple[Tensor, int]:
    return psf.disc(2 * sigma), 1


def _p_exponential(random: np.random.Generator, sigma: float, angle: float) -> tuple[Tensor, int]:
    p = math.exp(random.uniform(math.log(1.2), math.log(16)))
    return psf.p_exponential(sigma, p), 0 if 1.6 < p < 2.6 else 1 if p > 7 else -1


def _axes(random: np.random.Generator, sigma: float) -> tuple[float, float]:
    ratio = math.exp(random.uniform(math.log(1.05), math.log(3.5)))
    minor = sigma * math.sqrt(2 / (1 + ratio * ratio))
    return ratio * minor, minor


def _elliptical_gaussian(random: np.random.Generator, sigma: float, angle: float) -> tuple[Tensor, int]:
    major, minor = _axes(random, sigma)
    return psf.elliptical_gaussian(major, minor, angle), 0


def _elliptical_disc(random: np.random.Generator, sigma: float, angle: float) -> tuple[Tensor, int]:
    major, minor = _axes(random, sigma)
    return psf.elliptical_disc(2 * major, 2 * minor, angle), 1


def _motion(random: np.random.Generator, sigma: float, angle: float) -> tuple[Tensor, int]:
    length = min(sigma * math.sqrt(24), KERNEL - 4)
    kernel = psf.motion(length, angle)
    if random.random() < 0.5:  # a path is never drawn by a perfect lens
        spread = psf.enlarged(psf.gaussian(random.uniform(0.4, 0.4 + 0.3 * sigma)), _SPREAD)
        kernel = psf.blur(F.pad(kernel, (_SPREAD // 2,) * 4)[:, None], spread, "zero")[:, 0].clamp_min(0)
        kernel = kernel / kernel.sum()
    return kernel, 2


def _airy(random: np.random.Generator, sigma: float, angle: float) -> tuple[Tensor, int]:
    from kukkiri.optics.airy import defocused_airy

    # A radius of σ√2 either by diffraction or by defocus: the truth is taken from the kernel that comes out.
    if random.random() < 0.4:
        return defocused_airy(min(0.95, 0.45 / sigma), random.uniform(0, 0.6)), -1
    waves = random.uniform(0.6, 4)
    return defocused_airy(min(0.95, 1.4 * waves / sigma), waves), -1


def _mixture(random: np.random.Generator, sigma: float, angle: float) -> tuple[Tensor, int]:
    share = random.uniform(0.5, 0.95)
    wide = psf.gaussian(min(sigma * random.uniform(1.5, 3), 16))
    core = psf.gaussian(sigma * random.uniform(0.5, 1)) if random.random() < 0.5 else psf.disc(2 * sigma)
    return psf.mixture([core, wide], [share, 1 - share]), -1


_SPREAD = 33
_Kind = Callable[[np.random.Generator, float, float], tuple[Tensor, int]]
_KINDS: tuple[_Kind, ...] = (
    _gaussian, _disc, _p_exponential, _elliptical_gaussian, _elliptical_disc, _motion, _airy, _mixture,
)  # fmt: skip
_SHARES = (0.36, 0.34, 0.06, 0.09, 0.06, 0.03, 0.04, 0.02)


def _cut(kernel: Tensor) -> Tensor:
    excess = kernel.shape[-1] - KERNEL
    if excess > 0:
        kernel = kernel[excess // 2 : excess // 2 + KERNEL, excess // 2 : excess // 2 + KERNEL]
    return kernel / kernel.sum()


class Material:
    """Sharp grey pictures to cut from: photographs area-reduced so that their own blur is small, and drawn ones.

    Parameters
    ----------
    photographs : sequence of ndarray (H, W, 3), uint8
        Already reduced.
    drawn : ndarray (M, S, S), uint8
    share_drawn : float
        How often a drawn picture is taken.
    """

    def __init__(
        self, photographs: Sequence[NDArray[np.uint8]], drawn: NDArray[np.uint8], share_drawn: float = 0.4
    ) -> None:
        self.photographs, self.drawn, self.share_drawn = photographs, drawn, share_drawn

    def cut(self, side: int, random: np.random.Generator) -> Tensor:
        """A random square (side, side) in [0, 1], turned and mirrored at random."""
        if random.random() < self.share_drawn:
            picture = self.drawn[int(random.integers(len(self.drawn)))].astype(np.float32) / 255
        else:
            colours = self.photographs[int(random.integers(len(self.photographs)))]
            # Any mixture of the channels is a grey picture of the same sharpness.
            mix = random.dirichlet((1.0, 2.0, 1.0)).astype(np.float32) / 255
            picture = colours @ mix
        missing = [max(0, side - n) for n in picture.shape]
        if any(missing):
            before = [int(random.integers(m + 1)) for m in missing]
            picture = np.pad(picture, [(b, m - b) for b, m in zip(before, missing)], mode="symmetric")
        top, left = (int(random.integers(n - side + 1)) for n in picture.shape)
        picture = picture[top : top + side, left : left + side]
        if random.random() < 0.5:
            picture = picture.T
        picture = picture[:: random.choice((1, -1)), :: random.choice((1, -1))]
        return torch.from_numpy(np.ascontiguousarray(picture))


class KernelBank:
    """Kernels drawn once, since drawing one takes longer than blurring with it; turned and mirrored at each use.

    Parameters
    ----------
    count : int
    seed : int
    """

    def __init__(self, count: int, seed: int) -> None:
        random = np.random.default_rng(seed)
        self.kernels, self.families = zip(*(random_kernel(random) for _ in range(count)))

    def draw(self, random: np.random.Generator) -> tuple[Tensor, int]:
        """A kernel (k, k) and its family."""
        at = int(random.integers(len(self.kernels)))
        kernel: Tensor = self.kernels[at]
        if random.random() < 0.5:
            kernel = kernel.T
        flips = [axis for axis in (0, 1) if random.random() < 0.5]
        return kernel.flip(flips) if flips else kernel, self.families[at]


def make_batch(
    material: Material, bank: KernelBank, count: int, side: int, random: np.random.Generator
) -> BlurredPictures:
    """Draw a batch: half as many blurred pictures, each on two days.

    Parameters
    ----------
    material : Material
    bank : KernelBank
    count : int
        Even.
    side : int
        Of the square pictures, a multiple of 8, px.
    random : numpy.random.Generator

    Returns
    -------
    BlurredPictures
    """
    half = count // 2
    kinds = random.choice(len(_VARIED) + 1, half, p=(*_VARIED_SHARES, 1 - sum(_VARIED_SHARES)))
    drawn = [bank.draw(random) for _ in range(half)]
    kernels = [kernel for kernel, _ in drawn]
    sharp = [material.cut(side + 2 * MARGIN, random) for _ in range(half)]
    uniform = kinds == len(_VARIED)
    blurred = torch.empty(half, side, side)
    even = np.flatnonzero(uniform)
    blurred[even] = _blurred([sharp[at] for at in even], [kernels[at] for at in even], side)
    moments = _moments(kernels)[:, :, None, None].expand(-1, -1, side, side).clone()
    for at in np.flatnonzero(~uniform):
        vary = _VARIED[int(kinds[at])]
        blurred[at], moments[at] = vary(sharp[at], kernels[at], material, bank, side, random)
    families = torch.where(torch.from_numpy(uniform), torch.tensor([family for _, family in drawn]), -1)
    twice = torch.cat([blurred, blurred])[:, None].clamp(0, 1)
    image, known = another_day(twice, random)
    return BlurredPictures(
        image,
        F.avg_pool2d(torch.cat([moments, moments]), 8),
        torch.cat([families, families]),
        known,
        torch.from_numpy(np.concatenate([uniform, uniform])),
    )


def _layered(
    sharp: Tensor, kernel: Tensor, material: Material, bank: KernelBank, side: int, random: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Objects before a background, each with its own blur; a blurred object spreads over what is behind it."""
    wide = sharp.shape[-1]
    mask = _mask(wide, random, softness=1e-3)
    behind, _ = bank.draw(random)
    front = material.cut(wide, random)
    seen, covered = _blurred([mask * front, mask], [kernel, kernel], side)
    (background,) = _blurred([sharp], [behind], side)
    return seen + (1 - covered) * background, _mixed(mask[MARGIN:-MARGIN, MARGIN:-MARGIN], kernel, behind)


def _swapped(
    sharp: Tensor, kernel: Tensor, material: Material, bank: KernelBank, side: int, random: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """One picture under two kernels that change places, abruptly or softly."""
    other, _ = bank.draw(random)
    mask = _mask(side, random, softness=10 ** random.uniform(-2.5, 0))
    first, second = _blurred([sharp, sharp], [kernel, other], side)
    return mask * first + (1 - mask) * second, _mixed(mask, kernel, other)


def _graded(
    sharp: Tensor, kernel: Tensor, material: Material, bank: KernelBank, side: int, random: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """A blur that grows steadily, as on a tilted specimen or a floor."""
    low = math.exp(random.uniform(math.log(0.4), math.log(5)))
    octaves = random.uniform(0.3, 2)
    margin = 24
    wide = side + 2 * margin
    height = _height(wide, random)
    height = (height - height.min()) / (height.max() - height.min())
    sigma = torch.from_numpy((low * 2 ** (octaves * height)).astype(np.float32))[None, None]
    inset = MARGIN - margin
    picture = sharp[inset : inset + wide, inset : inset + wide][None, None]
    family: Literal["gaussian", "disc"] = "gaussian" if random.random() < 0.5 else "disc"
    seen = blur_by_map(picture, sigma, family, levels=10)[0, 0, margin:-margin, margin:-margin]
    square = sigma[0, 0, margin:-margin, margin:-margin].square()
    return seen, torch.stack([square, square, torch.zeros_like(square)])


_Vary = Callable[
    [Tensor, Tensor, Material, KernelBank, int, np.random.Generator],
    tuple[Tensor, Tensor],
]
_VARIED: tuple[_Vary, ...] = (_layered, _swapped, _graded)
_VARIED_SHARES = (0.18, 0.12, 0.08)


def _mixed(mask: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """Moments (3, H, W): a mixture of kernels has the mixture of their moments."""
    both = _moments([first, second])[:, :, None, None]
    return mask * both[0] + (1 - mask) * both[1]


def _margin(kernel: Tensor) -> int:
    """What the picture needs around it; two sizes only, so that most pictures are transformed together."""
    return 16 if kernel.shape[-1] <= 33 else MARGIN


def _moments(kernels: Sequence[Tensor]) -> Tensor:
    found = torch.cat([psf.covariance(kernel) for kernel in kernels])
    return torch.stack([found[:, 0, 0], found[:, 1, 1], found[:, 0, 1]], 1).float()


def _blurred(sharp: Sequence[Tensor], kernels: Sequence[Tensor], side: int) -> Tensor:
    """Each picture with its own kernel; only what needs no border is kept. (N, side, side)."""
    result = torch.empty(len(sharp), side, side)
    margins = [_margin(kernel) for kernel in kernels]
    for margin in set(margins):
        members = [at for at, m in enumerate(margins) if m == margin]
        inset = MARGIN - margin
        wide = side + 2 * margin
        pictures = torch.stack([sharp[at][inset : inset + wide, inset : inset + wide] for at in members])
        full = torch.cat([psf.enlarged(kernels[at][None], 2 * margin + 1) for at in members])
        result[members] = psf.blur(pictures[:, None], full, "valid")[:, 0]
    return result


def _height(side: int, random: np.random.Generator) -> NDArray[np.float32]:
    """A landscape: a slope, or hills of a random breadth."""
    y, x = np.mgrid[:side, :side].astype(np.float32) / side - 0.5
    if random.random() < 0.4:
        angle = random.uniform(0, 2 * math.pi)
        slope: NDArray[np.float32] = x * math.cos(angle) + y * math.sin(angle) + random.uniform(-0.3, 0.3)
        return slope
    hills = int(random.integers(3, 12))
    coarse = torch.from_numpy(random.standard_normal((1, 1, hills, hills)).astype(np.float32))
    landscape: NDArray[np.float32] = F.interpolate(coarse, size=(side, side), mode="bicubic")[0, 0].numpy()
    return landscape


def _mask(side: int, random: np.random.Generator, *, softness: float) -> Tensor:
    """Where the first kernel holds, 0 to 1: what lies high in a landscape."""
    height = _height(side, random)
    return torch.from_numpy(1 / (1 + np.exp(-np.clip(height / softness, -30, 30))))


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

    def some(share: float) -> NDArray[np.bool_]:
        return random.random(count) < share

    def column(values: NDArray[Any]) -> Tensor:
        return torch.from_numpy(values.astype(np.float32))[:, None, None, None]

    # An exposure made for this picture: the faint blur of a point still fills the range.
    low, high = image.amin((1, 2, 3), keepdim=True), image.amax((1, 2, 3), keepdim=True)
    exposed = column(some(0.5))
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
