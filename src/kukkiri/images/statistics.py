"""What a picture holds before any question is asked: level, contrast, clipping, noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kukkiri.images.colour import luma
from kukkiri.images.filtering import dilate
from kukkiri.images.masks import bounding_box

# Immerkær's difference of two Laplacians, (1 −2 1) along rows times (1 −2 1) along columns, is blind to constants,
# ramps and most edges, so that noise is what is left. White noise of unit variance comes out with this deviation.
NOISE_GAIN = 6.0
# The median of |x| of a standard normal variable.
NORMAL_MAD = 0.6744897501960817
# A median needs no more than this many samples; more only cost time.
NOISE_SAMPLES = 1 << 16
# Responses nearer than this are one level: a tenth of a step of 16 bits.
SAME_LEVEL = 1.5e-6


@dataclass(frozen=True)
class Statistics:
    """Basic figures of one picture, over the pixels that count.

    Parameters
    ----------
    mean : float
        Mean luma, [0, 1].
    contrast : float
        Root-mean-square contrast: the standard deviation of luma, [0, 1].
    clipped_low, clipped_high : float
        Share of pixels in which a channel sits at 0, at 1.
    noise : float
        Standard deviation of white noise on [0, 1]; NaN below 3×3 pixels.
    """

    mean: float
    contrast: float
    clipped_low: float
    clipped_high: float
    noise: float


def statistics(pixels: Tensor, left_out: Tensor | None = None) -> Statistics:
    """Basic figures of a picture.

    Parameters
    ----------
    pixels : Tensor, (C, H, W), values in [0, 1]
    left_out : Tensor of bool, (H, W), optional
        True where pixels do not count.

    Returns
    -------
    Statistics
        NaN throughout if no pixel counts.
    """
    if left_out is not None:
        # Cut away what is masked along the border first: a picture with a bar then equals one without.
        box = bounding_box(~left_out)
        if box.height == 0:
            return Statistics(*(float("nan"),) * 5)
        pixels, left_out = pixels[:, *box.slices], left_out[box.slices]
    grey = luma(pixels[None])[0, 0]
    darkest, brightest = (pixels[0], pixels[0]) if len(pixels) == 1 else (pixels.amin(0), pixels.amax(0))
    noise = estimate_noise(grey, left_out)
    if left_out is not None:
        free = ~left_out
        grey, darkest, brightest = grey[free][None], darkest[free], brightest[free]
    # Rows in single precision, their sums in double: as exact as needed, and several times as fast.
    mean = grey.mean(1).double().mean()
    centred = grey - float(mean)
    spread = (torch.linalg.vecdot(centred, centred).double().sum() / grey.numel()).sqrt()
    count = darkest.numel()
    return Statistics(
        mean=float(mean),
        contrast=float(spread),
        clipped_low=int((darkest <= 0).count_nonzero()) / count,
        clipped_high=int((brightest >= 1).count_nonzero()) / count,
        noise=noise,
    )


def estimate_noise(grey: Tensor, left_out: Tensor | None = None) -> float:
    """Standard deviation of white noise, by the median of Immerkær's noise response.

    The median shrugs off edges and texture as long as they fill less than half of the picture; fine texture
    everywhere is taken for noise.

    Parameters
    ----------
    grey : Tensor, (H, W), values in [0, 1]
    left_out : Tensor of bool, (H, W), optional

    Returns
    -------
    float
        On [0, 1]; NaN if no 3×3 neighbourhood counts. Source: Immerkær, Computer Vision and Image Understanding
        64(2), 1996, doi:10.1006/cviu.1996.0060 (the kernel); the median in place of the mean is ours.
    """
    if min(grey.shape) < 3:
        return float("nan")
    # Whole rows, so that the filter stays a filter; every k-th of them is enough for a median.
    rows = torch.arange(0, grey.shape[0] - 2, max(1, grey.numel() // NOISE_SAMPLES))
    vertical = grey[rows] - 2 * grey[rows + 1] + grey[rows + 2]
    response = vertical[:, :-2] - 2 * vertical[:, 1:-1] + vertical[:, 2:]
    counts = None if left_out is None else ~dilate(left_out, 1)[rows + 1, 1:-1]
    values = (response if counts is None else response[counts]).abs().flatten().numpy()
    if values.size == 0:
        return float("nan")
    return _grouped_median(values) / (NOISE_GAIN * NORMAL_MAD)


def _grouped_median(values: NDArray[np.float32]) -> float:
    """The median of values that were rounded to levels, as if each level were spread out to half-way to the next.

    Without this the noise of an 8-bit picture would come in steps of a quarter of a level.
    """
    middle = float(np.partition(values, values.size // 2)[values.size // 2])
    below, above = values < middle - SAME_LEVEL, values > middle + SAME_LEVEL
    count_below = int(np.count_nonzero(below))
    ties = values.size - count_below - int(np.count_nonzero(above))
    if ties <= 1 or count_below + ties == values.size:
        return middle
    low = (float(values[below].max()) + middle) / 2 if count_below else middle
    high = (middle + float(values[above].min())) / 2
    return low + (values.size / 2 - count_below) / ties * (high - low)
