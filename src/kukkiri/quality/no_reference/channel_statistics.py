"""What the channels of a picture say beside each other: whether they lie on one another, and which hues there are."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from kukkiri.images.filtering import gaussian_blur
from kukkiri.quality.no_reference.picture_statistics import LEVEL

# Scales, each half the one before, at which shifts are looked for; what is larger than this is not a shift, pixels.
SCALES, LARGEST = 3, 3.0
HUES = 12
SHIFT_STATISTICS, HUE_STATISTICS = 5 * SCALES, HUES + 4


def shifts(image: Tensor) -> Tensor:
    """How far red and blue are shifted from green, at three scales: a lens, or channels put together badly.

    Fine structure of red (blue) is fitted as a·g + b·∂g/∂x + c·∂g/∂y of that of green g; to first order the shift is
    (b, c) / a; more than half a pixel is found as more than it is, up to `LARGEST`.

    Parameters
    ----------
    image : Tensor, (N, 3, H, W), values in [0, 1], sides of at least 32 px

    Returns
    -------
    Tensor, (N, 15)
        Of each scale: length of red's shift and of blue's in pixels of that scale, how far they are opposite (product
        of both, −1 to 1 times their lengths), and how much of red's and of blue's structure the fit explains.
    """
    found = []
    for scale in range(SCALES):
        fine = image - gaussian_blur(image, 2.0)
        green = fine[:, 1]
        across = (green[:, 1:-1, 2:] - green[:, 1:-1, :-2]) / 2
        down = (green[:, 2:, 1:-1] - green[:, :-2, 1:-1]) / 2
        basis = torch.stack([green[:, 1:-1, 1:-1], across, down], 1).flatten(2)
        gram = basis @ basis.mT / basis.shape[2]
        gram = gram + torch.eye(3).to(gram) * (0.1 * LEVEL) ** 2
        moved, explained = [], []
        for channel in (0, 2):
            wanted = fine[:, channel, 1:-1, 1:-1].flatten(1)
            product = (basis @ wanted[..., None])[..., 0] / basis.shape[2]
            fit = torch.linalg.solve(gram, product)
            # Structure that is missing in one channel says nothing of a shift.
            same = fit[:, :1].abs().clamp_min(0.1)
            moved.append((fit[:, 1:] / same).clamp(-LARGEST, LARGEST))
            power = wanted.square().mean(1) + (0.1 * LEVEL) ** 2
            explained.append(((fit * product).sum(1) / power).clamp(0, 1))
        lengths = [m.norm(dim=1) for m in moved]
        opposite = -(moved[0] * moved[1]).sum(1)
        found += [*lengths, opposite, *explained]
        if scale < SCALES - 1:
            image = F.avg_pool2d(image, 2)
    return torch.stack(found, 1)


def hues(image: Tensor) -> Tensor:
    """Which hues there are, and colours that no light has.

    Parameters
    ----------
    image : Tensor, (N, 3, H, W), values in [0, 1]

    Returns
    -------
    Tensor, (N, 16)
        Share of all chroma in each of twelve hues; share of pixels of which one channel is empty and another more than
        half full, and of which one is full and another less than half; correlations of red and of blue with green.
    """
    red, green, blue = image.unbind(1)
    angle = torch.atan2(math.sqrt(3) * (green - blue), 2 * red - green - blue)
    place = ((angle / (2 * math.pi) + 1) * HUES).long() % HUES
    high, low = image.amax(1), image.amin(1)
    chroma = (high - low).flatten(1)
    sums = chroma.new_zeros(len(image), HUES).scatter_add(1, place.flatten(1), chroma)
    shares = sums / (chroma.sum(1, keepdim=True) + LEVEL)
    empty = ((low <= LEVEL) & (high >= 0.5)).flatten(1).float().mean(1)
    full = ((high >= 1 - LEVEL) & (low <= 0.5)).flatten(1).float().mean(1)
    centred = image.flatten(2) - image.flatten(2).mean(2, keepdim=True)
    power = centred.square().mean(2) + LEVEL**2
    with_green = [(centred[:, c] * centred[:, 1]).mean(1) / (power[:, c] * power[:, 1]).sqrt() for c in (0, 2)]
    return torch.cat([shares, torch.stack([empty, full, *with_green], 1)], 1)
