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


class BlurredPictures(NamedTuple):
    """A batch with its truth.

    Parameters
    ----------
    image : Tensor, (N, 1, H, W), values in [0, 1]
    moments : Tensor, (N, 3, H/8, W/8)
        xx, yy, xy of the PSF's covariance at each place, px².
    family : Tensor of int64, (N,)
        Index in `blur_net.FAMILIES`; −1 where the PSF has no name.
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


def make_batch(
    material: Material, bank: KernelBank, count: int, side: int, random: np.random.Generator
) -> BlurredPictures:
    """Draw a batch: half as many scenes, each twice, on two days; the second time its kernel is turned by 90°.

    The direction of what is seen then cancels between the two, and that of the blur stands out: without such pairs the
    axes are learned very slowly.

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
    kinds = random.choice(len(VARIED) + 1, half, p=(*SHARES, 1 - sum(SHARES)))
    drawn = [bank.draw(random) for _ in range(half)]
    kernels = [kernel for kernel, _ in drawn]
    sharp = [material.cut(side + 2 * MARGIN, random) for _ in range(half)]
    uniform = kinds == len(VARIED)
    blurred = torch.empty(half, side, side)
    even = np.flatnonzero(uniform)
    blurred[even] = convolved([sharp[at] for at in even], [kernels[at] for at in even], side)
    moments = moments_of(kernels)[:, :, None, None].expand(-1, -1, side, side).clone()
    for at in np.flatnonzero(~uniform):
        vary = VARIED[int(kinds[at])]
        blurred[at], moments[at] = vary(sharp[at], kernels[at], material, bank, side, random)
    turned, turned_moments = blurred.clone(), moments.clone()
    turned[even] = convolved([sharp[at] for at in even], [kernels[at].rot90() for at in even], side)
    turned_moments[even] = moments[even][:, [1, 0, 2]] * torch.tensor([1.0, 1.0, -1.0])[:, None, None]
    families = torch.where(torch.from_numpy(uniform), torch.tensor([family for _, family in drawn]), -1)
    twice = torch.cat([blurred, turned])[:, None].clamp(0, 1)
    image, known = another_day(twice, random)
    return BlurredPictures(
        image,
        F.avg_pool2d(torch.cat([moments, turned_moments]), 8),
        torch.cat([families, families]),
        known,
        torch.from_numpy(np.concatenate([uniform, uniform])),
    )
