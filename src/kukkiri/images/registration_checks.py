"""Whether two pictures in register show the same: likeness above chance, in every part, and nothing left to move."""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from kukkiri.images.filtering import gaussian_blur
from kukkiri.images.image import Image
from kukkiri.images.registration_fit import sampled, softness
from kukkiri.images.registration_level import Level, free_of
from kukkiri.images.resampling import imresize
from kukkiri.images.warping import Matrix, scale_at, scaling, warp, warp_mask

# Lags, pixels, up to which structure may resemble itself.
REACH = 24
# Parts along each side that are looked at one by one, and the least side of one, pixels.
PARTS, LEAST_PART = 8, 24
# The longer side at which parts must look alike; parts along it, the least side of one, and the fewest that tell.
DETAIL, DETAIL_PARTS, LEAST_DETAIL, FEWEST_PARTS = 512, 12, 16, 6
# Of a picture in blocks: their edges' steps over those inside.
BLOCKY = 1.7
LAPLACIANS = ((1.0, -2.0, 1.0), (-2.0, 4.0, -2.0), (1.0, -2.0, 1.0))


def significance(level: Level, inner: Matrix) -> float:
    """Correlation of the structure over what chance gives two pictures so large and so fine: its standard deviations.

    The variance of the correlation of two fields that have nothing in common is the sum of the product of their
    autocorrelations, over the number of pixels (Bartlett, J. Royal Stat. Soc. 98(3), 1935, for series).
    """
    seen = sampled(level, inner)
    if seen is None:
        return 0.0
    error, _, weights, correlation, _ = seen
    valid = weights > 0
    image = level.image[0, 0]
    a = (image - image[valid].mean()) / image[valid].std() * valid
    shares = []
    for field in (a, (a - error) * valid):
        field = (field - field[valid].mean()) * valid
        room = [n + REACH for n in field.shape]
        power = torch.fft.irfft2(torch.fft.rfft2(field, s=room).abs().square(), s=room)
        power = torch.cat([power[-REACH:], power[: REACH + 1]])
        power = torch.cat([power[:, -REACH:], power[:, : REACH + 1]], 1)
        shares.append(power / power[REACH, REACH].clamp_min(1e-12))
    area = max(float((shares[0] * shares[1]).sum()), 1.0)
    return correlation * math.sqrt(int(valid.sum()) / area)


def misfit(level: Level, inner: Matrix) -> float:
    """Median distance, pixels of the whole picture, by which parts would move by themselves."""
    seen = sampled(level, inner)
    if seen is None:
        return math.nan
    error, (gx, gy), weights, _, _ = seen
    height, width = error.shape
    part = max(LEAST_PART, math.ceil(max(height, width) / PARTS))
    sums = [
        F.avg_pool2d((weights * t)[None, None].double(), part, ceil_mode=True, count_include_pad=False)[0, 0].flatten()
        for t in (gx * gx, gx * gy, gy * gy, gx * error, gy * error, torch.ones_like(gx))
    ]
    xx, xy, yy, xe, ye, share = sums
    middle, radius = (xx + yy) / 2, (((xx - yy) / 2).square() + xy.square()).sqrt()
    least = middle - radius  # the smaller eigenvalue: structure in every direction
    known = (share > 0.3) & (least > 0.1 * float(middle.median())) & (least > 1e-9)
    if not bool(known.any()):
        return math.nan
    determinant = (xx * yy - xy.square())[known]
    across = (yy * xe - xy * ye)[known] / determinant
    down = (xx * ye - xy * xe)[known] / determinant
    return float(torch.hypot(across, down).median()) * level.pitch


def likeness_of_parts(image: Tensor, reference: Tensor, matrix: Matrix) -> float:
    """How like most parts are, −1 to 1, in detail that structure at a quarter of the resolution does not show.

    Two pages of prose, or two forms filled in differently, agree in their lines and boxes. What each part looks like
    they do not. Of each part with structure the correlation of luma is taken, what noise takes from it given back;
    then the median over them, or that in which each counts by its contrast if it is higher: neither something strange
    in some parts nor a coder's fault in all the faint ones makes a picture another one.

    Parameters
    ----------
    image, reference : Tensor, (1, 1 or 2, H, W)
        As `registration_level.with_mask` makes them, tones matched.
    matrix : ndarray, (3, 3)

    Returns
    -------
    float
        NaN where no part has structure that noise does not hide.
    """
    sizes = [(int(x.shape[-2]), int(x.shape[-1])) for x in (image, reference)]
    scale = scale_at(matrix, sizes[0][1] / 2, sizes[0][0] / 2)
    factor = max(1.0, 1 / scale, max(sizes[0]) / DETAIL)
    soften, _ = softness(image, reference, matrix, factor)
    small = [(max(1, round(h / f)), max(1, round(w / f))) for (h, w), f in zip(sizes, (factor, factor * scale))]
    near, far = (imresize(x, size=s) for x, s in zip((image, reference), small))
    free, reference_free = free_of(near), free_of(far)
    inner = scaling(sizes[1], small[1]) @ matrix @ np.linalg.inv(scaling(sizes[0], small[0]))
    soft = gaussian_blur(far[:, :1], soften / factor, border="symmetric") if soften else far[:, :1]
    warped, valid = warp(Image(soft[0].clamp(0, 1)), inner, small[0])
    if free is not None:
        valid &= free
    if reference_free is not None:
        valid &= ~warp_mask(~reference_free, inner, small[0])
    x, y, counts = near[0, 0].double(), warped[0].double(), valid.double()
    # White noise by its response to a mask that sees no slopes (Immerkær, CVIU 64(2), 1996), half of all pixels.
    response = F.conv2d(x[None, None], x.new_tensor(LAPLACIANS)[None, None])[0, 0]
    noise = float(response[valid[1:-1, 1:-1]].abs().median()) / 0.6745 / 6 if bool(valid[1:-1, 1:-1].any()) else 0.0
    side = max(LEAST_DETAIL, math.ceil(max(x.shape) / DETAIL_PARTS))
    sums = [
        F.avg_pool2d((counts * t)[None, None], side, ceil_mode=True, count_include_pad=False)[0, 0].flatten()
        for t in (torch.ones_like(x), x, y, x * x, y * y, x * y)
    ]
    share, *means = sums
    mx, my, xx, yy, xy = (m / share.clamp_min(1e-9) for m in means)
    own, other, common = xx - mx * mx - noise**2, yy - my * my, xy - mx * my
    inside = share > 0.5
    if not bool(inside.any()):
        return math.nan
    known = inside & (own > 2 * noise**2) & (own > max(0.1 * float(own[inside].median()), 1e-6)) & (other > 1e-9)
    if int(known.sum()) < FEWEST_PARTS:
        return math.nan
    likeness, order = (common[known] / (own[known] * other[known]).sqrt()).clamp(-1, 1).sort()
    gathered = own[known][order].cumsum(0)
    return max(float(likeness.median()), float(likeness[torch.searchsorted(gathered, gathered[-1] / 2)]))


def coded_coarsely(image: Tensor) -> bool:
    """Whether a picture (1, 1 or 2, H, W) shows the 8 × 8 blocks of strong JPEG compression, at any offset."""
    grey = image[0, 0]
    ratios = []
    for steps in (grey.diff(dim=1).abs().mean(0), grey.diff(dim=0).abs().mean(1)):
        if len(steps) < 64:
            return False
        # The median over blocks: a line or two of the scene must not look like an edge of all of them.
        each = steps[: len(steps) // 8 * 8].view(-1, 8).median(0).values
        ratios.append(float(each.max() / each.median().clamp_min(1e-6)))
    return min(ratios) > BLOCKY
