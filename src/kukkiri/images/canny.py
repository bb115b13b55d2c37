"""Canny's edge detector on batches: smoothed gradients, non-maximum suppression, hysteresis (Canny 1986).

In both forms neighbours across the edge are interpolated linearly, ties survive, and the outermost pixels are never
edges. `canny` has fixed thresholds and the arithmetic of `skimage.feature.canny`: the picture counts as 0 beyond its
border and the smoothing is renormalised by the part of the kernel that lies inside; the gradient is Sobel's (weights
1 2 1). `canny_adaptive` takes its thresholds from the picture, as MATLAB's `edge(…, 'canny')` does.
"""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from scipy import ndimage
from torch import Tensor

from kukkiri.images.filtering import correlate_separable


def canny(image: Tensor, sigma: float = 1.0, low: float = 0.1, high: float = 0.2) -> Tensor:
    """Edges of each sample.

    Parameters
    ----------
    image : Tensor, (N, 1, H, W)
    sigma : float
        Standard deviation of the smoothing, pixels.
    low, high : float
        Thresholds on the magnitude of the Sobel gradient (weights 1 2 1, not normalised: a ramp of slope s has 8·s).

    Returns
    -------
    Tensor of bool, (N, 1, H, W)
        Pixels of magnitude `low` or more that are linked (8 neighbours) to one of `high` or more.
    """
    weak, strong = canny_candidates(image, sigma, low, high)
    return hysteresis(weak, strong)


def canny_candidates(image: Tensor, sigma: float = 1.0, low: float = 0.1, high: float = 0.2) -> tuple[Tensor, Tensor]:
    """Thinned edges before hysteresis: those above the low threshold, and those above the high one.

    Parameters
    ----------
    image, sigma, low, high
        As in `canny`.

    Returns
    -------
    (Tensor of bool, Tensor of bool), each (N, 1, H, W)
        The second is a subset of the first.
    """
    dx, dy = sobel(smooth(image.double(), sigma))
    magnitude = (dy * dy + dx * dx).sqrt()
    weak = ridge(magnitude, dx, dy) & (magnitude >= low)
    return weak, weak & (magnitude >= high)


def canny_adaptive(image: Tensor) -> Tensor:
    """Edges of each sample, thresholds relative to its own gradients.

    Parameters
    ----------
    image : Tensor, (N, 1, H, W)

    Returns
    -------
    Tensor of bool, (N, 1, H, W)
        As `canny_adaptive_candidates` says, linked. None where the picture is flat.
    """
    return hysteresis(*canny_adaptive_candidates(image))


def canny_adaptive_candidates(image: Tensor) -> tuple[Tensor, Tensor]:
    """Thinned edges before hysteresis with MATLAB's defaults (since release 2011a).

    Derivatives of a Gaussian of σ = √2 on 16 taps, borders replicated. The high threshold is passed by 30 % of the
    pixels, to one of 64 steps of the largest gradient; the low one is 0.4 of it.

    Parameters
    ----------
    image : Tensor, (N, 1, H, W)

    Returns
    -------
    (Tensor of bool, Tensor of bool), each (N, 1, H, W)
        Above the low threshold and above the high one.
    """
    x = np.arange(-7.5, 8)
    gaussian = np.exp(-(x**2) / 4)
    gaussian /= gaussian.sum()
    slope = -np.gradient(gaussian)
    slope /= slope[x > 0].sum()
    row, column = torch.from_numpy(slope), torch.from_numpy(gaussian)
    image = image.double()
    dx, dy = correlate_separable(image, column, row), correlate_separable(image, row, column)
    magnitude = torch.hypot(dx, dy)
    largest = magnitude.amax((-2, -1), keepdim=True)
    magnitude = magnitude / largest.clamp_min(torch.finfo(torch.float64).tiny)
    # The histogram's 64 bins are centred on multiples of 1/63, but thresholds are multiples of 1/64: as MATLAB has it.
    bins = (magnitude * 63 + 0.5).floor().flatten(1)
    step = bins.kthvalue(math.floor(0.7 * bins.shape[1]) + 1, dim=1).values.view(-1, 1, 1, 1)
    high = (step + 1) / 64
    weak = ridge(magnitude, dx, dy) & (magnitude > 0.4 * high)
    return weak, weak & (magnitude > high)


def smooth(image: Tensor, sigma: float) -> Tensor:
    """Gaussian mean of (N, C, H, W) over the pixels inside the picture, kernel cut at 4σ."""
    x = np.arange(-int(4 * sigma + 0.5), int(4 * sigma + 0.5) + 1)
    kernel = np.exp(-0.5 / sigma**2 * x**2)
    taps = [float(v) for v in kernel / kernel.sum()]
    return _spread(_spread(image, taps, -2), taps, -1) / _coverage(image, taps)


def _spread(image: Tensor, taps: list[float], axis: int) -> Tensor:
    # Mirror-image taps are added before they are weighted: sums then round as they do in scipy.ndimage, and
    # an edge with equal gradients on both sides stays a tie.
    radius = len(taps) // 2
    amounts = (radius, radius, 0, 0) if axis == -1 else (0, 0, radius, radius)
    padded, size = F.pad(image, amounts), image.shape[axis]
    total = image * taps[radius]
    for k in range(radius):
        both = padded.narrow(axis, k, size) + padded.narrow(axis, 2 * radius - k, size)
        total += both.mul_(taps[k])
    return total


def _coverage(image: Tensor, taps: list[float]) -> Tensor:
    # How much of the kernel lies inside the picture differs only within its radius of the border, so a small
    # stand-in for the picture knows all values.
    radius = len(taps) // 2
    small = [min(n, 2 * radius + 1) for n in image.shape[-2:]]
    ones = torch.ones((1, 1, *small), dtype=image.dtype, device=image.device)
    part = _spread(_spread(ones, taps, -2), taps, -1) + torch.finfo(image.dtype).eps
    rows, columns = (_stand_in(n, radius).to(image.device) for n in image.shape[-2:])
    return part[..., rows, :][..., columns]


def _stand_in(size: int, radius: int) -> Tensor:
    # For every pixel of a side, the one of a side of 2·radius + 1 that is as far from the nearest ends.
    index = torch.arange(size)
    if size <= 2 * radius:
        return index
    return torch.where(index < radius, index, (index - size + 2 * radius + 1).clamp_min(radius))


def sobel(image: Tensor) -> tuple[Tensor, Tensor]:
    """Horizontal and vertical derivative of (N, C, H, W): weights 1 2 1 across, not normalised, borders replicated."""
    return sobel_horizontal(image), sobel_horizontal(image.mT).mT


def sobel_horizontal(image: Tensor) -> Tensor:
    """The first of the two derivatives of `sobel`."""
    padded = F.pad(image, (1, 1, 1, 1), mode="replicate")
    across = padded[..., 2:] - padded[..., :-2]
    return across[..., 1:-1, :] * 2 + (across[..., :-2, :] + across[..., 2:, :])


def ridge(magnitude: Tensor, dx: Tensor, dy: Tensor) -> Tensor:
    """Where the magnitude is not smaller than on either side along the gradient, interpolated between neighbours.

    Parameters
    ----------
    magnitude, dx, dy : Tensor, (…, H, W)

    Returns
    -------
    Tensor of bool, (…, H, W)
        False on the outermost pixels.
    """
    height, width = magnitude.shape[-2:]
    if min(height, width) < 3:
        return torch.zeros_like(magnitude, dtype=torch.bool)

    def neighbour(down: int, right: int) -> Tensor:
        return magnitude[..., 1 + down : height - 1 + down, 1 + right : width - 1 + right]

    inside = (..., slice(1, -1), slice(1, -1))
    x, y, m = dx[inside], dy[inside], magnitude[inside]
    falling = (x >= 0) == (y >= 0)  # the gradient points down-right or up-left
    falling |= (x == 0) | (y == 0)
    x, y = x.abs(), y.abs()
    steep = y > x
    slant = torch.minimum(x, y) / torch.maximum(x, y)
    straight = 1 - slant
    below = torch.where(falling, neighbour(1, 0), neighbour(-1, 0))
    side = torch.where(steep, below, neighbour(0, 1))
    corner = torch.where(falling, neighbour(1, 1), neighbour(-1, 1))
    kept = corner * slant + side * straight <= m
    above = torch.where(falling, neighbour(-1, 0), neighbour(1, 0))
    side = torch.where(steep, above, neighbour(0, -1))
    corner = torch.where(falling, neighbour(-1, -1), neighbour(1, -1))
    kept &= corner * slant + side * straight <= m
    return F.pad(kept, (1, 1, 1, 1))


def hysteresis(weak: Tensor, strong: Tensor) -> Tensor:
    """The connected parts (8 neighbours) of `weak` that hold a pixel of `strong`.

    Parameters
    ----------
    weak, strong : Tensor of bool, (…, H, W)
        `strong` a subset of `weak`. Labelled on the CPU.

    Returns
    -------
    Tensor of bool, (…, H, W)
    """
    planes = weak.reshape(-1, *weak.shape[-2:]).cpu().numpy()
    structure = np.zeros((3, 3, 3), bool)
    structure[1] = True  # samples of a batch do not touch
    labels, count = ndimage.label(planes, structure)
    good = np.zeros(count + 1, bool)
    good[labels[strong.reshape(planes.shape).cpu().numpy()]] = True
    good[0] = False
    return torch.from_numpy(good[labels]).reshape(weak.shape).to(weak.device)
