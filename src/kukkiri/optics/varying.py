"""Blur that varies over the picture: a tilted specimen, a curved field, uneven ground.

Each pixel of the result is the picture weighted by the kernel of that pixel's own sigma. It is found between
pictures blurred evenly: between two levels the weights are linear in sigma², so that the kernel in effect, a mixture
of the two, has exactly the variance that the map asks for.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from kukkiri.errors import InputError, ShapeError, unknown_name
from kukkiri.optics.convolution import blur, check_border
from kukkiri.optics.moments import sigma_of
from kukkiri.optics.psf import delta, disc, gaussian

Family = Literal["gaussian", "disc"]
FIELDS = ("tilt", "radial", "blobs")
# Largest error of the transfer function between two levels, when their number is left open.
TOLERANCE = 0.005
# Below this sigma the levels are mixtures of no blur and this one: a kernel of 3×3 pixels has no room for more shape.
SMALLEST = {"gaussian": 0.45, "disc": 0.4}


def blur_by_map(
    image: Tensor,
    sigma_map: Tensor,
    family: Family = "gaussian",
    *,
    levels: int | None = None,
    border: str = "symmetric",
) -> Tensor:
    """Blur every pixel with a sigma of its own.

    Differentiable in both arguments; in `sigma_map` the slope is that of the straight line between two levels.

    Parameters
    ----------
    image : Tensor, (N, C, H, W)
    sigma_map : Tensor, (N, 1, H, W) or (1, 1, H, W), ≥ 0
        Half-trace standard deviation of the kernel at each pixel, as sampled: `psf.sigma_of` of it.
    family : 'gaussian' | 'disc'
    levels : int ≥ 2 or None
        How many evenly blurred pictures to interpolate between. None takes so many that no spatial frequency errs by
        more than 0.5 % of its contrast (Gaussian), or that the rim of a disc is at most one pixel soft.
    border : str
        As for `psf.blur`, 'valid' excepted.

    Returns
    -------
    Tensor, (N, C, H, W)

    Raises
    ------
    ShapeError, InputError, UnknownNameError
        If the map does not fit the picture or holds a value that is negative or not finite, there are fewer than 2
        levels, or the family or the border is unknown.
    """
    _check(image, sigma_map, family, levels, border)
    low, high = (float(s) for s in torch.aminmax(sigma_map.detach()))
    kernels = _kernels(low, high, family, levels)
    variances = [float(sigma_of(k)) ** 2 for k in kernels]
    # The largest sigma may lie a rounding error beyond the last level.
    wanted = sigma_map.square().clamp(variances[0], variances[-1])
    result = torch.zeros_like(image)
    for i, kernel in enumerate(kernels):
        weight = _tent(wanted, variances, i)
        if bool((weight.detach() > 0).any()):
            result = result + weight * (image if kernel.shape[-1] == 1 else blur(image, kernel, border))
    return result


def sigma_field(
    kind: Literal["tilt", "radial", "blobs"],
    size: tuple[int, int],
    seed: int | torch.Generator = 0,
    *,
    low: float = 0.3,
    high: float = 6.0,
    count: int = 1,
) -> Tensor:
    """Smooth random maps of sigma.

    Parameters
    ----------
    kind : 'tilt' | 'radial' | 'blobs'
        'tilt' is a plane out of level: sigma grows in proportion to the distance from a line of best focus, which may
        cross the picture or lie beyond it. 'radial' is a curved field: sigma grows with the square of the distance
        from a point near the centre. 'blobs' is uneven ground: Gaussian noise smoothed to a sixth of the smaller side.
    size : (H, W)
    seed : int or torch.Generator
    low, high : float, 0 ≤ low ≤ high
        Every map reaches both, pixels.
    count : int

    Returns
    -------
    Tensor, (count, 1, H, W), float32

    Raises
    ------
    InputError, UnknownNameError
        If the bounds are out of order or the kind is unknown.
    """
    if kind not in FIELDS:
        raise unknown_name("a kind of sigma field", kind, FIELDS, f"one of {', '.join(FIELDS)}")
    if not 0 <= low <= high < math.inf:
        raise InputError(expected="0 ≤ low ≤ high", got=f"{low:g} and {high:g}", fix="give pixels, the smaller first")
    generator = seed if isinstance(seed, torch.Generator) else torch.Generator().manual_seed(seed)
    height, width = size
    u = torch.rand(3, count, 1, 1, 1, generator=generator, device=generator.device)
    # Coordinates in units of half the smaller side.
    scale = 2 / min(size)
    y = (torch.arange(height, device=generator.device) - (height - 1) / 2)[:, None] * scale
    x = (torch.arange(width, device=generator.device) - (width - 1) / 2)[None, :] * scale
    if kind == "tilt":
        turn = 2 * math.pi * u[0]
        field = (x * torch.cos(turn) + y * torch.sin(turn) - (2.4 * u[1] - 1.2)).abs()
    elif kind == "radial":
        field = (x - (u[0] - 0.5)).square() + (y - (u[1] - 0.5)).square()
    else:
        # White noise on a coarse grid, a little larger than the picture, and smooth between the points.
        rows, columns = (max(2, round(6 * s / min(size))) + 1 for s in size)
        coarse = torch.randn(count, 1, rows, columns, generator=generator, device=generator.device)
        field = F.interpolate(coarse, (height, width), mode="bicubic", align_corners=True)
    smallest, largest = field.amin((2, 3), keepdim=True), field.amax((2, 3), keepdim=True)
    return low + (high - low) * (field - smallest) / (largest - smallest).clamp_min(1e-12)


def _check(image: Tensor, sigma_map: Tensor, family: str, levels: int | None, border: str) -> None:
    if family not in SMALLEST:
        raise unknown_name("a family of kernels", family, SMALLEST, f"one of {', '.join(SMALLEST)}")
    check_border(border, keeps_size=True)
    if levels is not None and levels < 2:
        raise InputError(expected="at least 2 levels", got=str(levels), fix="leave levels open")
    if (
        image.ndim != 4
        or sigma_map.ndim != 4
        or sigma_map.shape[0] not in (1, image.shape[0])
        or sigma_map.shape[1:] != (1, *image.shape[2:])
    ):
        raise ShapeError(
            expected="a picture (N, C, H, W) and a map (N, 1, H, W)",
            got=f"{tuple(image.shape)} and {tuple(sigma_map.shape)}",
            fix="give one sigma a pixel, for all channels",
        )
    low, high = (float(s) for s in torch.aminmax(sigma_map.detach()))
    if not 0 <= low <= high < math.inf:  # NaN fails
        raise InputError(expected="finite sigmas of 0 or more", got=f"{low:g} to {high:g}", fix="correct the map")


def _kernels(low: float, high: float, family: Family, levels: int | None) -> list[Tensor]:
    """Kernels from sharp to blurred whose variances, as sampled, enclose low² and high²."""
    make = gaussian if family == "gaussian" else (lambda sigma: disc(2 * sigma))
    smallest = SMALLEST[family]
    # What sampling on pixels adds to the variance of a small disc is taken off, so that the first level is not above.
    first = low if family == "gaussian" else math.sqrt(max(0.0, low**2 - 0.11))
    last = max(high, smallest)
    while float(sigma_of(make(last))) < high:
        last *= 1.03
    sigmas = _spacing(max(first, smallest), last, family)
    if levels is not None:
        index = torch.linspace(0, len(sigmas) - 1, levels - (first < smallest)).tolist()
        sigmas = [sigmas[0]] if len(index) < 2 else [_between(sigmas, i) for i in index]
        sigmas[-1] = last
    return ([delta()] if first < smallest else []) + [make(s) for s in sigmas]


def _spacing(low: float, high: float, family: Family) -> list[float]:
    """Levels from low to high as far apart as the tolerance allows.

    exp(−ω²v/2) interpolated linearly over a step d of the variance v errs by d²/8·(ω⁴/4)·exp(−ω²v/2), most at
    ω² = 4/v or at the highest frequency of the grid, π.
    """
    sigmas = [low]
    while sigmas[-1] < high:
        variance = sigmas[-1] ** 2
        omega2 = min(math.pi**2, 4 / variance)
        step = math.sqrt(8 * TOLERANCE / (omega2**2 / 4 * math.exp(-omega2 * variance / 2)))
        wider = math.sqrt(variance + step)
        sigmas.append(min(wider, sigmas[-1] + 0.5) if family == "disc" else wider)
    sigmas[-1] = max(high, low)
    return sigmas


def _between(values: list[float], index: float) -> float:
    i = min(int(index), len(values) - 2) if len(values) > 1 else 0
    return values[i] + (values[min(i + 1, len(values) - 1)] - values[i]) * (index - i)


def _tent(wanted: Tensor, knots: list[float], i: int) -> Tensor:
    """Weight of knot i in linear interpolation between knots."""
    weight = torch.ones_like(wanted)
    if i > 0:
        weight = torch.minimum(weight, (wanted - knots[i - 1]) / (knots[i] - knots[i - 1]))
    if i + 1 < len(knots):
        weight = torch.minimum(weight, (knots[i + 1] - wanted) / (knots[i + 1] - knots[i]))
    return weight.clamp_min(0)
