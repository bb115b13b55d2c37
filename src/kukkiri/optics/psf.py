"""Point-spread functions on the pixel grid; here too: their moments, and blurring with them.

A kernel is a float32 tensor (N, k, k) of odd side k that sums to 1. Lengths are in pixels, angles in radians from +x
(right) towards +y (down). A family of the optics of a real lens, diffraction with defocus, is in `optics/airy.py`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from kukkiri.errors import InputError, ShapeError
from kukkiri.optics.convolution import blur
from kukkiri.optics.moments import covariance, principal_axes, sigma_of

__all__ = [
    "blur",
    "covariance",
    "delta",
    "disc",
    "elliptical_disc",
    "elliptical_gaussian",
    "enlarged",
    "gaussian",
    "mixture",
    "motion",
    "p_exponential",
    "principal_axes",
    "sigma_of",
]

Number = float | Sequence[float] | Tensor


def gaussian(sigma: Number) -> Tensor:
    """Round Gaussian, point-sampled and cut at 4 sigma, as every library samples it.

    Below sigma ≈ 0.5 the sampled kernel is narrower than its name: `sigma_of` tells the truth.

    Parameters
    ----------
    sigma : float or (N,), > 0
        Standard deviation, pixels.

    Returns
    -------
    Tensor, (N, k, k)

    Raises
    ------
    InputError
        If a sigma is not above 0 and finite.
    """
    return elliptical_gaussian(sigma, sigma, 0.0)


def elliptical_gaussian(major: Number, minor: Number, angle: Number) -> Tensor:
    """Gaussian with two principal standard deviations: the usual model of an astigmatic electron probe.

    Parameters
    ----------
    major, minor : float or (N,), > 0
        Standard deviations along and across `angle`, pixels.
    angle : float or (N,)
        Of the major axis, radians from +x towards +y.

    Returns
    -------
    Tensor, (N, k, k)

    Raises
    ------
    InputError
        If a number is not finite, an axis not above 0, or lists differ in length.
    """
    major, minor, angle = _batch(major, minor, angle)
    _check_positive(major=major, minor=minor)
    radius = math.ceil(4 * float(torch.maximum(major, minor).max()))
    return _sample(lambda u, v: torch.exp(-0.5 * (u.square() + v.square())), major, minor, angle, radius, 1)


def disc(radius: Number) -> Tensor:
    """Uniform disc, area-sampled: the geometric image of a point out of focus. sigma = radius / 2 for large discs.

    Parameters
    ----------
    radius : float or (N,), > 0
        Pixels.

    Returns
    -------
    Tensor, (N, k, k)

    Raises
    ------
    InputError
        If a radius is not above 0 and finite.
    """
    return elliptical_disc(radius, radius, 0.0)


def elliptical_disc(major: Number, minor: Number, angle: Number) -> Tensor:
    """Uniform ellipse, area-sampled: defocus with astigmatism, or the cat's eye near a picture's corner.

    Parameters
    ----------
    major, minor : float or (N,), > 0
        Semi-axes, pixels.
    angle : float or (N,)
        Of the major axis, radians from +x towards +y.

    Returns
    -------
    Tensor, (N, k, k)

    Raises
    ------
    InputError
        If a number is not finite, an axis not above 0, or lists differ in length.
    """
    major, minor, angle = _batch(major, minor, angle)
    _check_positive(major=major, minor=minor)
    largest, smallest = float(torch.maximum(major, minor).max()), float(torch.minimum(major, minor).min())
    # A pixel on the rim counts by the share that is covered: the smaller the disc, the more that matters.
    oversampling = 15 if smallest < 1 else 9 if smallest < 3 else 5
    radius = math.ceil(largest + 0.5)
    # The rim is soft over one fine sample, so that the kernel changes smoothly with the axes.
    slope = (torch.minimum(major, minor) * oversampling)[:, None, None]

    def inside(u: Tensor, v: Tensor) -> Tensor:
        return ((1 - (u.square() + v.square()).sqrt()) * slope + 0.5).clamp(0, 1)

    return _sample(inside, major, minor, angle, radius, oversampling)


def motion(length: Number, angle: Number) -> Tensor:
    """Uniform straight motion during the exposure. sigma² = length² / 24, plus what the sampling on pixels adds.

    Parameters
    ----------
    length : float or (N,), > 0
        Pixels.
    angle : float or (N,)
        Of the path, radians from +x towards +y.

    Returns
    -------
    Tensor, (N, k, k)

    Raises
    ------
    InputError
        If a number is not finite, a length not above 0, or lists differ in length.
    """
    length, angle = _batch(length, angle)
    _check_positive(length=length)
    radius = math.ceil(float(length.max()) / 2) + 1
    # Points along the path, each shared out among its four nearest pixels.
    points = max(16, 8 * radius)
    t = (torch.arange(points) + 0.5) / points - 0.5
    x = length[:, None] * t * torch.cos(angle)[:, None] + radius
    y = length[:, None] * t * torch.sin(angle)[:, None] + radius
    side = 2 * radius + 1
    kernel = torch.zeros(len(length), side * side)
    x0, y0 = x.floor(), y.floor()
    for dx in (0, 1):
        for dy in (0, 1):
            share = (1 - (x - x0 - dx).abs()) * (1 - (y - y0 - dy).abs())
            kernel.scatter_add_(1, ((y0 + dy) * side + x0 + dx).long(), share)
    return _normalised(kernel.reshape(-1, side, side))


def p_exponential(sigma: Number, p: Number) -> Tensor:
    """exp(−(r/s)^p): from peaked (p = 1) over Gaussian (p = 2) to nearly a disc (p → 32), with a given size.

    Source: the blur profile of Zuo et al., arXiv 2603.26658; s follows from the second moment,
    sigma² = s² Γ(4/p) / (2 Γ(2/p)). The profile is averaged over the area of each pixel, which adds its variance: the
    sampled kernel has √(sigma² + 1/12), as `sigma_of` tells.

    Parameters
    ----------
    sigma : float or (N,), > 0
        Half-trace standard deviation of the profile, before it is averaged over pixels; pixels.
    p : float or (N,), ≥ 0.5

    Returns
    -------
    Tensor, (N, k, k)

    Raises
    ------
    InputError
        If a number is not finite, a sigma not above 0, a p below 0.5, or lists differ in length.
    """
    sigma, p = _batch(sigma, p)
    _check_positive(sigma=sigma)
    if float(p.min()) < 0.5:
        raise InputError(expected="p of at least 0.5", got=f"{float(p.min()):g}", fix="choose p from 1 to 32")
    scale = sigma * torch.exp(0.5 * (math.log(2) + torch.lgamma(2 / p) - torch.lgamma(4 / p)))
    # Where the profile has fallen to e^-9.
    radius = math.ceil(float((scale * 9.0 ** (1 / p)).max()) + 0.5)
    oversampling = 9 if float(sigma.min()) < 1.5 else 3
    power = (p / 2)[:, None, None]

    def profile(u: Tensor, v: Tensor) -> Tensor:
        return torch.exp(-(u.square() + v.square()).pow(power))

    return _sample(profile, scale, scale, torch.zeros_like(scale), radius, oversampling)


def delta(count: int = 1, radius: int = 0) -> Tensor:
    """The kernel that changes nothing, (count, 2·radius+1, 2·radius+1)."""
    kernel = torch.zeros(count, 2 * radius + 1, 2 * radius + 1)
    kernel[:, radius, radius] = 1
    return kernel


def mixture(kernels: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    """A weighted sum of kernels of any sides: a sharp core with a broad halo, say.

    Parameters
    ----------
    kernels : sequence of Tensor (N, k, k)
    weights : sequence of float, ≥ 0
        One a kernel; scaled to sum to 1.

    Returns
    -------
    Tensor, (N, k, k), k the largest side

    Raises
    ------
    InputError
        If there is no kernel, not one weight for each, a weight is negative or not finite, or all are 0.
    ShapeError
        If the kernels differ in number N.
    """
    if not kernels or len(kernels) != len(weights):
        raise InputError(
            expected="one weight for each of one or more kernels",
            got=f"{len(kernels)} kernels and {len(weights)} weights",
            fix="give lists of one length",
        )
    total = sum(weights)
    if not (all(weight >= 0 for weight in weights) and 0 < total < math.inf):  # NaN fails
        raise InputError(
            expected="finite weights of 0 or more, one above 0",
            got=", ".join(f"{weight:g}" for weight in weights),
            fix="correct them",
        )
    if len({len(kernel) for kernel in kernels}) > 1:
        raise ShapeError(
            expected="kernels (N, k, k) of one N",
            got=", ".join(str(tuple(kernel.shape)) for kernel in kernels),
            fix="repeat the single ones with .expand(N, -1, -1)",
        )
    side = max(kernel.shape[-1] for kernel in kernels)
    return torch.stack([enlarged(k, side) * (w / total) for k, w in zip(kernels, weights, strict=True)]).sum(0)


def enlarged(kernel: Tensor, side: int) -> Tensor:
    """The same kernel (N, side, side), with zeros around it; of a larger one, the middle."""
    margin = (side - kernel.shape[-1]) // 2
    return F.pad(kernel, (margin, margin, margin, margin))


def _batch(*numbers: Number) -> tuple[Tensor, ...]:
    tensors = [torch.as_tensor(number, dtype=torch.float32).reshape(-1) for number in numbers]
    length = max(len(t) for t in tensors)
    if any(len(t) not in (1, length) for t in tensors) or length == 0:
        raise InputError(
            expected="single numbers, or lists of one length",
            got=f"lists of {', '.join(str(len(t)) for t in tensors)}",
            fix="give one number a kernel",
        )
    for tensor in tensors:
        if not bool(torch.isfinite(tensor).all()):
            bad = tensor[~torch.isfinite(tensor)]
            raise InputError(expected="finite numbers", got=f"{float(bad[0]):g}", fix="correct it")
    return tuple(t.expand(length) for t in tensors)


def _check_positive(**lengths: Tensor) -> None:
    for name, length in lengths.items():
        if not bool((length > 0).all()):
            raise InputError(
                expected=f"{name} above 0 px", got=f"{float(length.min()):g}", fix="use delta() for no blur"
            )


def _sample(
    profile: Callable[[Tensor, Tensor], Tensor],
    major: Tensor,
    minor: Tensor,
    angle: Tensor,
    radius: int,
    oversampling: int,
) -> Tensor:
    """A profile over (u, v), the coordinates along the axes in units of them, averaged over each pixel."""
    side = 2 * radius + 1
    fine = (torch.arange(side * oversampling) + 0.5) / oversampling - 0.5 - radius
    cos, sin = (f(angle)[:, None, None] for f in (torch.cos, torch.sin))
    x, y = fine[None, None, :], fine[None, :, None]
    values = profile((x * cos + y * sin) / major[:, None, None], (y * cos - x * sin) / minor[:, None, None])
    return _normalised(F.avg_pool2d(values[:, None], oversampling)[:, 0] if oversampling > 1 else values)


def _normalised(kernel: Tensor) -> Tensor:
    return kernel / kernel.sum((1, 2), keepdim=True)
