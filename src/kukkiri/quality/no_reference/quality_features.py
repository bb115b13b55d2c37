"""What `kukkiri-nr` looks at: parts of a picture at its own pixels, and the whole of it made small.

Each view goes through the shared EfficientNet-Lite0, whose features are pooled; beside them stand statistics that can
be counted. Their number does not depend on the size of the picture.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

import torch
from torch import Tensor

from kukkiri.images.resampling import imresize
from kukkiri.networks.efficientnet_lite import TAP_CHANNELS, EfficientNetLite0
from kukkiri.quality.no_reference.brisque import FEATURES as SCENE_FEATURES
from kukkiri.quality.no_reference.brisque import brisque_features
from kukkiri.quality.no_reference.channel_statistics import HUE_STATISTICS, SHIFT_STATISTICS, hues, shifts
from kukkiri.quality.no_reference.picture_statistics import (
    LOCAL_STATISTICS,
    TONAL_STATISTICS,
    local_statistics,
    tonal_statistics,
)

# Sides of a part, pixels, and how many are looked at: a large picture is sampled, evenly.
PART, PARTS = 320, 9
# The whole is reduced to this shorter side, unless it is smaller.
WHOLE = 192
# No side is longer than this: of panoramas the shorter one is less, then.
LONGEST = 3 * WHOLE
LOCAL_TAPS, WHOLE_TAPS = (1, 2, 3, 4, 5), (4, 6)
SMALLEST = 32
# What is counted, not seen by the trunk.
STATISTICS = LOCAL_STATISTICS + SHIFT_STATISTICS + SCENE_FEATURES + TONAL_STATISTICS + HUE_STATISTICS
FEATURES = 2 * sum(TAP_CHANNELS[tap] for tap in (*LOCAL_TAPS, *WHOLE_TAPS)) + STATISTICS


def quality_features(trunk: EfficientNetLite0, image: Tensor) -> Tensor:
    """Everything that the judgement of a picture is made of.

    Parameters
    ----------
    trunk : EfficientNetLite0
    image : Tensor, (N, C, H, W), C = 1 or 3, values in [0, 1], sides of at least 32 px

    Returns
    -------
    Tensor, (N, FEATURES), float32
        Pooled features of the parts and of the whole, then the statistics of both.
    """
    colours = image.float().expand(-1, 3, -1, -1)
    places = chosen_parts(*colours.shape[-2:])
    # Made anew for each use: nine parts of many pictures are not all in memory at once.
    pooled = [_moments(trunk.features(part, LOCAL_TAPS)) for part in _cut(colours, places)]
    means, squares = (torch.stack([one[i] for one in pooled]).mean(0) for i in (0, 1))
    small = reduced(colours)
    whole_means, whole_squares = _moments(trunk.features(small, WHOLE_TAPS))
    return torch.cat(
        [
            means,
            _deviation(means, squares),
            whole_means,
            _deviation(whole_means, whole_squares),
            counted(_cut(colours, places), small),
        ],
        1,
    )


def counted(parts: Iterable[Tensor], small: Tensor) -> Tensor:
    """The statistics among the features: no network is needed for them.

    Parameters
    ----------
    parts : iterable of Tensor (N, 3, h, w), values in [0, 1]
        At the picture's own pixels: `chosen_parts`.
    small : Tensor, (N, 3, H, W)
        The whole, `reduced`.

    Returns
    -------
    Tensor, (N, STATISTICS), float32
        Means over the parts, then of the whole.
    """
    each = [torch.cat([local_statistics(part), shifts(part), brisque_features(part).float()], 1) for part in parts]
    # A flat part has no statistics to fit: what is known of the others stands for it.
    local = torch.stack(each).nanmean(0).nan_to_num(0.0)
    return torch.cat([local, tonal_statistics(small), hues(small)], 1)


def reduced(image: Tensor) -> Tensor:
    """The whole picture with a shorter side of 192 px, or as it is if that is smaller; never longer than 576 px.

    Panoramas of up to 18:1 have a shorter side of less; of strips beyond that, whose shorter side would be less than
    32 px, the longer side alone is reduced further.
    """
    height, width = image.shape[-2:]
    scale = WHOLE / min(height, width)
    scale = min(scale, max(LONGEST / max(height, width), SMALLEST / min(height, width)))
    if scale >= 1 and max(height, width) <= LONGEST:
        return image
    rows, columns = (min(LONGEST, max(SMALLEST, round(side * min(scale, 1.0)))) for side in (height, width))
    return imresize(image, size=(rows, columns), method="bilinear").clamp(0, 1)


def chosen_parts(height: int, width: int) -> list[tuple[slice, slice]]:
    """At most 9 parts of at most 320×320 px, evenly over the picture.

    Parameters
    ----------
    height, width : int

    Returns
    -------
    list of (slice, slice)
        They cover the picture if that is possible.
    """
    rows, columns = (math.ceil(side / PART) for side in (height, width))
    if rows * columns > PARTS:
        # As many of each as the shape of the picture asks for.
        rows = min(rows, max(1, round(math.sqrt(PARTS * height / width))))
        columns = max(1, min(columns, PARTS // rows))
        rows = min(math.ceil(height / PART), PARTS // columns)
    return [(r, c) for r in _spread(height, rows) for c in _spread(width, columns)]


def _spread(length: int, count: int) -> list[slice]:
    """Evenly spread stretches: they meet if they can, else each stands in the middle of its share."""
    side = min(PART, math.ceil(length / count))
    # Each share's middle, so that no border of the picture is looked at twice.
    starts = [min(max(0, round((i + 0.5) * length / count - side / 2)), length - side) for i in range(count)]
    return [slice(start, start + side) for start in starts]


def _cut(image: Tensor, places: Sequence[tuple[slice, slice]]) -> Iterator[Tensor]:
    return (image[..., rows, columns].contiguous() for rows, columns in places)


def _moments(maps: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    means = torch.cat([m.mean((2, 3)) for m in maps], 1)
    squares = torch.cat([m.square().mean((2, 3)) for m in maps], 1)
    return means, squares


def _deviation(means: Tensor, squares: Tensor) -> Tensor:
    # The root has no gradient at 0, and a channel may be constant over a flat picture.
    return ((squares - means.square()).clamp_min(0) + 1e-10).sqrt()
