"""Blurred pictures with known truth, for the blur estimator: sharp material, optics, then a photometric day.

Every picture is sharp material blurred by a kernel whose own moments are the truth, then seen under a random gain,
gamma, light, noise and file format. In four of ten the blur varies over the picture.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from kukkiri.training.blur_kernels import MARGIN, KernelBank, convolved, moments_of
from kukkiri.training.random_day import another_day
from kukkiri.training.sharp_material import Material
from kukkiri.training.varied_blur import SHARES, VARIED

# Where more of a picture than this has blur of its own, the kernel is not asked of the whole.
MOSTLY = 0.6


class BlurredPictures(NamedTuple):
    """A batch with its truth.

    Parameters
    ----------
    image : Tensor, (N, 1, H, W), values in [0, 1]
    moments : Tensor, (N, 3, H/8, W/8)
        xx, yy, xy of the PSF's covariance at each place, px², together with what blur the picture had before.
    whole : Tensor, (N, 3)
        The same of the kernel alone that the whole picture was blurred with.
    family : Tensor of int64, (N,)
        Index in `blur_net.FAMILIES`; −1 where the PSF has no name.
    known : Tensor of bool, (N,)
        False where the picture holds no evidence of its blur (flat, or noise alone): the truth is that none is known.
    uniform : Tensor of bool, (N,)
        Whether the whole picture, or a good part of it, has one PSF.
    """

    image: Tensor
    moments: Tensor
    whole: Tensor
    family: Tensor
    known: Tensor
    uniform: Tensor


def log_size(moments: Tensor, centres: Tensor) -> Tensor:
    """log2 sigma of (N, 3, …) moments, px², within the range of the network's bins."""
    return (0.5 * (moments[:, 0] + moments[:, 1]).clamp_min(1e-4).log2() - 0.5).clamp(
        float(centres[0]), float(centres[-1])
    )


def make_batch(
    material: Material, bank: KernelBank, count: int, side: int, random: np.random.Generator
) -> BlurredPictures:
    """Draw a batch: half as many scenes, each twice, on two days; if one kernel blurs all of it, turned by 90° the
    second time.

    The direction of what is seen then cancels between the two, and that of the blur stands out: without such pairs the
    axes are learned very slowly.

    Parameters
    ----------
    material : Material
    bank : KernelBank
    count : int
        Even.
    side : int
        Of the square pictures, a multiple of 32, px.
    random : numpy.random.Generator

    Returns
    -------
    BlurredPictures
    """
    half = count // 2
    kinds = random.choice(len(VARIED) + 1, half, p=(*SHARES, 1 - sum(SHARES)))
    drawn = [bank.draw(random) for _ in range(half)]
    kernels = [kernel for kernel, _ in drawn]
    cuts = [material.cut(side + 2 * MARGIN, random) for _ in range(half)]
    sharp = [picture for picture, _ in cuts]
    own = torch.stack([variance[MARGIN:-MARGIN, MARGIN:-MARGIN] for _, variance in cuts])
    uniform = kinds == len(VARIED)
    blurred = torch.empty(half, side, side)
    even = np.flatnonzero(uniform)
    blurred[even] = convolved([sharp[at] for at in even], [kernels[at] for at in even], side)
    whole = moments_of(kernels)
    moments = whole[:, :, None, None].expand(-1, -1, side, side).clone()
    moments[:, :2] += own[:, None]
    for at in np.flatnonzero(~uniform):
        vary = VARIED[int(kinds[at])]
        blurred[at], moments[at] = vary(sharp[at], own[at], kernels[at], material, bank, side, random)
    turned, turned_moments = blurred.clone(), moments.clone()
    turned[even] = convolved([sharp[at] for at in even], [kernels[at].rot90() for at in even], side)
    turned_whole = whole[:, [1, 0, 2]] * torch.tensor([1.0, 1.0, -1.0])
    turned_moments[even] += (turned_whole - whole)[even][:, :, None, None]
    # A picture that is mostly out of focus by itself says nothing of the kernel.
    softened = (own > 0.1 * (whole[:, :2].mean(1) + 0.25)[:, None, None]).float().mean((1, 2))
    uniform &= (softened < MOSTLY).numpy()
    families = torch.where(torch.from_numpy(uniform), torch.tensor([family for _, family in drawn]), -1)
    twice = torch.cat([blurred, turned])[:, None].clamp(0, 1)
    image, known = another_day(twice, random)
    return BlurredPictures(
        image,
        F.avg_pool2d(torch.cat([moments, turned_moments]), 8),
        torch.cat([whole, turned_whole]),
        torch.cat([families, families]),
        known,
        torch.from_numpy(np.concatenate([uniform, uniform])),
    )
