"""Point-spread functions on the pixel grid, their moments, and blurring with them.

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
from kukkiri.images.filtering import pad

Number = float | Sequence[float] | Tensor
# Above this side the Fourier domain is faster than a direct convolution on a CPU.
_DIRECT = 9


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
    sigma² = s² Γ(4/p) / (2 Γ(2/p)).

    Parameters
    ----------
    sigma : float or (N,), > 0
        Half-trace standard deviation, pixels.
    p : float or (N,), ≥ 0.5

    Returns
    -------
    Tensor, (N, k, k)
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
        Scaled to sum to 1.

    Returns
    -------
    Tensor, (N, k, k), k the largest side
    """
    side = max(kernel.shape[-1] for kernel in kernels)
    total = sum(weights)
    return torch.stack([enlarged(k, side) * (w / total) for k, w in zip(kernels, weights)]).sum(0)


def enlarged(kernel: Tensor, side: int) -> Tensor:
    """The same kernel (N, side, side), with zeros around it."""
    margin = (side - kernel.shape[-1]) // 2
    return F.pad(kernel, (margin, margin, margin, margin))


def covariance(kernel: Tensor) -> Tensor:
    """Second central moments of sampled kernels, px².

    Parameters
    ----------
    kernel : Tensor, (N, h, w) or (h, w), not negative
        Need not sum to 1.

    Returns
    -------
    Tensor, (N, 2, 2), float64
        [[xx, xy], [xy, yy]].
    """
    k = kernel.double()[None] if kernel.ndim == 2 else kernel.double()
    k = k / k.sum((1, 2), keepdim=True)
    y = torch.arange(k.shape[1], dtype=k.dtype, device=k.device)[:, None]
    x = torch.arange(k.shape[2], dtype=k.dtype, device=k.device)[None, :]

    def mean(values: Tensor) -> Tensor:
        return (k * values).sum((1, 2))

    mx, my = mean(x), mean(y)
    xx, yy, xy = mean(x * x) - mx * mx, mean(y * y) - my * my, mean(x * y) - mx * my
    return torch.stack([torch.stack([xx, xy], -1), torch.stack([xy, yy], -1)], -2)


def sigma_of(kernel: Tensor) -> Tensor:
    """The blur size of sampled kernels: half the trace of the covariance, square-rooted.

    Parameters
    ----------
    kernel : Tensor, (N, h, w) or (h, w)

    Returns
    -------
    Tensor, (N,), float64
        Pixels.
    """
    moments = covariance(kernel)
    return ((moments[:, 0, 0] + moments[:, 1, 1]) / 2).clamp_min(0).sqrt()


def principal_axes(kernel: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Principal standard deviations and the angle of the major one.

    Parameters
    ----------
    kernel : Tensor, (N, h, w) or (h, w)

    Returns
    -------
    major, minor : Tensor, (N,), float64
        Pixels, major ≥ minor; sigma² = (major² + minor²) / 2.
    angle : Tensor, (N,), float64
        Of the major axis, radians from +x towards +y, in (−π/2, π/2]; 0 for a round kernel.
    """
    moments = covariance(kernel)
    half_trace = (moments[:, 0, 0] + moments[:, 1, 1]) / 2
    difference = (moments[:, 0, 0] - moments[:, 1, 1]) / 2
    spread = torch.hypot(difference, moments[:, 0, 1])
    angle = torch.atan2(moments[:, 0, 1], difference) / 2
    return (half_trace + spread).sqrt(), (half_trace - spread).clamp_min(0).sqrt(), angle


def blur(image: Tensor, kernel: Tensor, border: str = "symmetric") -> Tensor:
    """Convolve pictures with kernels.

    Parameters
    ----------
    image : Tensor, (N, C, H, W)
    kernel : Tensor, (N, k, k), (1, k, k) or (k, k)
        One a sample, or one for all.
    border : 'symmetric' | 'reflect' | 'replicate' | 'zero' | 'circular' | 'valid'
        How the picture goes on beyond its border; 'valid' keeps only what needs no border.

    Returns
    -------
    Tensor, (N, C, H, W), or (N, C, H−k+1, W−k+1) for 'valid'

    Raises
    ------
    ShapeError
        If there is neither one kernel nor one a sample, or its side is even.
    """
    kernel = kernel[None] if kernel.ndim == 2 else kernel
    n, c = image.shape[:2]
    h, w = kernel.shape[-2:]
    if len(kernel) not in (1, n) or not (h % 2 and w % 2):
        raise ShapeError(
            expected=f"1 or {n} kernels with odd sides", got=str(tuple(kernel.shape)), fix="pad the kernel with zeros"
        )
    kernel = kernel.to(image)
    if border != "valid":
        image = pad(image, (w // 2, w // 2, h // 2, h // 2), border)
    if max(h, w) <= _DIRECT:
        # Convolution is correlation with the kernel turned by 180°.
        turned = kernel.flip(-2, -1).expand(n, h, w).repeat_interleave(c, 0)[:, None]
        flat = image.reshape(1, n * c, *image.shape[-2:])
        return F.conv2d(flat, turned, groups=n * c).reshape(n, c, image.shape[-2] - h + 1, image.shape[-1] - w + 1)
    size = [_fast_length(s) for s in image.shape[-2:]]
    spectrum = torch.fft.rfft2(image, size) * torch.fft.rfft2(kernel, size)[:, None]
    whole: Tensor = torch.fft.irfft2(spectrum, size)
    return whole[..., h - 1 : image.shape[-2], w - 1 : image.shape[-1]]


def _fast_length(length: int) -> int:
    """The next even length with no prime factor above 5."""
    while True:
        rest = length
        for prime in (2, 3, 5):
            while rest % prime == 0:
                rest //= prime
        if rest == 1 and length % 2 == 0:
            return length
        length += 1


def _batch(*numbers: Number) -> tuple[Tensor, ...]:
    tensors = [torch.as_tensor(number, dtype=torch.float32).reshape(-1) for number in numbers]
    length = max(len(t) for t in tensors)
    return tuple(t.expand(length) for t in tensors)


def _check_positive(**lengths: Tensor) -> None:
    for name, length in lengths.items():
        if not bool((length > 0).all()) or not bool(torch.isfinite(length).all()):
            raise InputError(
                expected=f"{name} above 0 px, finite", got=f"{float(length.min()):g}", fix="use delta() for no blur"
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
