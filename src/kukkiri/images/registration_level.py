"""Two pictures at one resolution, reduced to their local structure: what an alignment compares."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from kukkiri.images.filtering import dilate, gaussian_blur
from kukkiri.images.resampling import imresize
from kukkiri.images.warping import Matrix, scaling

# Sigma, pixels of a level: fine enough for a hundredth of a pixel, smooth enough for cubic interpolation.
SMOOTH = 0.8
# Local mean and contrast: their sigma, wide for a sure way (and then taken in blocks of 4, being cheaper), narrow for
# the last hundredths, where it leaves least of a difference in tones; and the contrast that counts as none, of the
# typical.
WIDE, NARROW, BLOCK, LEAST_CONTRAST = 8.0, 4.0, 4, 0.5
# What is masked is filled from a copy of about this longer side, blurred by this sigma; and pixels of a level beside a
# mask that do not count either.
SURROUND, SPREAD, BESIDE = 128, 4.0, 2


@dataclass(frozen=True)
class Level:
    """Both pictures' structure at one resolution.

    Parameters
    ----------
    image, reference : Tensor, (1, 1, H, W)
        Structure, about 1 in size.
    to_image, to_reference : ndarray, (3, 3)
        From pixel positions of the whole pictures to those of this level.
    pitch : float
        Pixels of the whole image to one of this level.
    free, reference_free : Tensor of bool, (H, W), or None
        Where pixels count; None: everywhere.
    """

    image: Tensor
    reference: Tensor
    to_image: Matrix
    to_reference: Matrix
    pitch: float
    free: Tensor | None = None
    reference_free: Tensor | None = None
    _kept: list[NDArray[np.float32]] = field(default_factory=list, repr=False)

    def spline(self) -> NDArray[np.float32]:
        """Coefficients of the cubic spline through the reference, made once."""
        if not self._kept:
            from scipy import ndimage

            self._kept.append(ndimage.spline_filter(self.reference[0, 0].numpy(), 3, np.float32, "mirror"))
        return self._kept[0]

    def of_whole(self, matrix: Matrix) -> Matrix:
        """A motion between the whole pictures, between those of this level."""
        return self.to_reference @ matrix @ np.linalg.inv(self.to_image)

    def to_whole(self, matrix: Matrix) -> Matrix:
        """The other way round."""
        found: Matrix = np.linalg.inv(self.to_reference) @ matrix @ self.to_image
        return np.asarray(found / found[2, 2])


def structure(grey: Tensor, near: float = WIDE) -> Tensor:
    """A picture (1, 1, H, W) less its local mean, over its local contrast; `near` is their sigma."""
    smooth = gaussian_blur(grey, SMOOTH, border="symmetric")
    mean = _local_mean(smooth, near)
    variance = (_local_mean(smooth.square(), near) - mean.square()).clamp_min(0)
    typical = float(variance.mean())
    return (smooth - mean) / (variance + LEAST_CONTRAST**2 * typical + 1e-8).sqrt()


def _local_mean(x: Tensor, near: float) -> Tensor:
    if near < WIDE:
        return gaussian_blur(x, near, border="symmetric")
    height, width = x.shape[-2:]
    blocks = F.avg_pool2d(x, BLOCK, ceil_mode=True, count_include_pad=False)
    blocks = gaussian_blur(blocks, near / BLOCK, border="replicate")
    size = (blocks.shape[-2] * BLOCK, blocks.shape[-1] * BLOCK)
    return F.interpolate(blocks, size=size, mode="bilinear")[..., :height, :width]


def make_level(
    image: Tensor, reference: Tensor, scale: float, factor: float, near: float = WIDE, soften: float = 0.0
) -> Level:
    """Both pictures at one resolution.

    Parameters
    ----------
    image, reference : Tensor, (1, 1 or 2, H, W), of any sizes
        As `with_mask` makes them.
    scale : float
        Pixels of the reference to one of the image, about.
    factor : float
        By which to reduce the image; more if the reference is coarser than that.
    near : float
        As for `structure`.
    soften : float
        Blur of the reference, sigma in pixels of the image.
    """
    pitch = max(factor, 1.0, 1 / scale)
    sizes = [(int(x.shape[-2]), int(x.shape[-1])) for x in (image, reference)]
    small = [(max(1, round(h / f)), max(1, round(w / f))) for (h, w), f in zip(sizes, (pitch, max(1.0, pitch * scale)))]
    x, y = (imresize(p, size=s) if s != z else p for p, s, z in zip((image, reference), small, sizes))
    free, reference_free = (free_of(p) for p in (x, y))
    x, y = x[:, :1], y[:, :1]
    if soften:
        y = gaussian_blur(y, soften / pitch, border="symmetric")
    moves = scaling(sizes[0], small[0]), scaling(sizes[1], small[1])
    return Level(structure(x, near), structure(y, near), *moves, pitch, free, reference_free)


def with_mask(grey: Tensor, mask: Tensor | None) -> Tensor:
    """A picture (1, 1, H, W), and as its second channel where it counts, if there is a mask.

    What is masked is filled with the mean of what lies around it: it must have no structure of its own, and its border
    none to speak of.
    """
    if mask is None or not bool(mask.any()):
        return grey
    free = (~mask).to(grey)[None, None]
    return torch.cat([filled(grey, mask), free], 1)


def filled(pixels: Tensor, mask: Tensor) -> Tensor:
    """Pixels (1, C, H, W) with what is masked (H, W) replaced by a broad mean of the rest."""
    free = (~mask).to(pixels)[None, None]
    step = max(1, max(pixels.shape[-2:]) // SURROUND)
    sums, counts = (F.avg_pool2d(t, step, ceil_mode=True, count_include_pad=False) for t in (pixels * free, free))
    mean = sums.mean((2, 3), keepdim=True) / counts.mean().clamp_min(1e-9)
    blurred = [gaussian_blur(t, SPREAD, border="replicate") for t in (sums, counts)]
    around = (blurred[0] + 1e-3 * mean) / (blurred[1] + 1e-3)
    return torch.where(mask, F.interpolate(around, size=mask.shape, mode="bilinear"), pixels)


def free_of(picture: Tensor) -> Tensor | None:
    """Of a picture reduced with its mask, the pixels (h, w) that count: none that is touched by what is masked."""
    if picture.shape[1] == 1:
        return None
    touched = picture[0, 1] < 1 - 1e-3
    return ~dilate(touched, BESIDE)
