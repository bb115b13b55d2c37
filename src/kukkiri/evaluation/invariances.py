"""Does a blur size stay the same where the blur does: turned, inverted, darker, cropped, resized?"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import torch
import torch.nn.functional as F
from torch import Tensor

from kukkiri.evaluation.estimates import Scorer, read
from kukkiri.evaluation.pictures import centre
from kukkiri.evaluation.protocol import RobustnessProtocol, kernel_of, log_uniform, on_grid
from kukkiri.evaluation.statistics import median
from kukkiri.evaluation.trials import Row
from kukkiri.images.resampling import imresize, resampling_taps
from kukkiri.metrics.score import json_number
from kukkiri.optics.psf import sigma_of

# Of a square pixel of side 1: the blur of area sampling, which counts as 0 on any grid.
PIXEL_VARIANCE = 1 / 12
# Resizing is judged where the blur is well above a pixel of either grid.
RESIZED_FROM = 2.0


def _half_crop(image: Tensor) -> Tensor:
    height, width = image.shape[-2:]
    top, left = height // 4, width // 4
    return image[..., top : top + height // 2, left : left + width // 2]


# All on pictures of 16 bits, so that rounding is a transform of its own.
SAME: Mapping[str, Callable[[Tensor], Tensor]] = MappingProxyType(
    {
        "flip": lambda x: x.flip(-1),
        "rotation-90": lambda x: torch.rot90(x, 1, (-2, -1)),
        "inversion": lambda x: 1 - x,
        "gain-0.25": lambda x: on_grid(0.25 * x, 16),
        "gain-0.25-8-bit": lambda x: on_grid(0.25 * x, 8),
        "crop-half": _half_crop,
        "8-bit": lambda x: on_grid(x, 8),
    }
)
RESIZED: Mapping[str, tuple[Callable[[Tensor], Tensor], float]] = MappingProxyType(
    {
        "half-area": (lambda x: F.avg_pool2d(x, 2), 0.5),
        "half-bicubic": (lambda x: imresize(x, 0.5), 0.5),
        "double-bicubic": (lambda x: imresize(x, 2.0), 2.0),
    }
)
TRANSFORMS = (*SAME, *RESIZED)


def resized_sigma(sigma: float, scale: float, kernel_variance: float) -> float:
    """Blur size of a resized picture.

    Variances add: the PSF's, that of the pixels it was sampled with and that of the resampling kernel, all on the old
    grid; what counts is the sum on the new grid without that of the new pixels. Halving by area therefore halves
    sigma exactly.

    Parameters
    ----------
    sigma : float
        Before, old pixels.
    scale : float
        New pixels to an old one.
    kernel_variance : float
        Of the resampling kernel, old pixels squared: 1/4 for means of two, 0 for cubic convolution.

    Returns
    -------
    float
        New pixels.
    """
    variance = scale**2 * (sigma**2 + PIXEL_VARIANCE + kernel_variance) - PIXEL_VARIANCE
    return math.sqrt(max(variance, 0.0))


def kernel_variance(transform: str) -> float:
    """Variance of what a resizing weights its samples with, old pixels squared, around the new pixel's centre."""
    if transform == "half-area":
        return 0.25
    scale = RESIZED[transform][1]
    positions, weights = resampling_taps(64, round(64 * scale), scale)
    # Far from the border; two neighbours, since the phases of an enlargement alternate.
    middle = torch.arange(len(positions) // 2, len(positions) // 2 + 2)
    centres = (middle.double() + 0.5) / scale - 0.5
    squares = (positions[middle] - centres[:, None]).square()
    return float((weights[middle] * squares).sum(1).mean())


def measure(
    image: Tensor, name: str, metrics: Mapping[str, Scorer], protocol: RobustnessProtocol
) -> dict[str, list[Row]]:
    """Sigma of one picture before and after each transform, under each PSF.

    Parameters
    ----------
    image : Tensor, (1, C, H, W)
        As loaded.
    name : str
    metrics : mapping
        Those that give sigma.
    protocol : RobustnessProtocol
        The blur is drawn from its range, for resizing from 2 px up.

    Returns
    -------
    dict
        Metric → rows: psf, transform, sigma (true), base, value and expected (measured before, after, and what the
        first lets one expect; None where the metric was silent or gave a bound only), base_bound and bound ('below' or
        'above' where before, after was only a bound).
    """
    rows: dict[str, list[Row]] = {key: [] for key in metrics}
    prepared = protocol.prepared(image)
    low, high = protocol.sigma
    for family in protocol.psfs:
        parts: list[tuple[float, Sequence[str]]] = [(low, tuple(SAME))]
        if high > RESIZED_FROM:
            parts.append((max(low, RESIZED_FROM), tuple(RESIZED)))
        for least, transforms in parts:
            random = protocol.random("invariances", name, family, transforms[0])
            kernel = kernel_of(family, log_uniform(random, least, high), random)
            before = on_grid(protocol.blurred(prepared, kernel), 16)
            truth = float(sigma_of(kernel))
            for key, metric in metrics.items():
                seen = centre(before, protocol.slow_size) if key in protocol.slow else before
                first = read(metric, seen)
                base = first.estimate
                for transform in transforms:
                    expected = base
                    if transform in SAME:
                        after = SAME[transform](seen)
                    else:
                        function, scale = RESIZED[transform]
                        after = on_grid(function(seen), 16)
                        expected = resized_sigma(base, scale, kernel_variance(transform))
                    then = read(metric, after)
                    numbers = {"sigma": truth, "base": base, "value": then.estimate, "expected": expected}
                    row = {"psf": family, "transform": transform, "base_bound": first.bound, "bound": then.bound}
                    rows[key].append(row | {k: json_number(v) for k, v in numbers.items()})
    return rows


def summarised(rows: Sequence[Row]) -> dict[str, Row]:
    """Median relative change of one metric's sigma under each transform, against what is expected.

    Parameters
    ----------
    rows : sequence of dict
        As `measure` gives them, of all pictures.

    Returns
    -------
    dict
        Transform → pictures (with an answer before), change (median of |value/expected − 1|), bias (median of
        value/expected − 1), silent (share that had no answer after), censored (share that had one both times, but
        only a bound before or after: two equal bounds do not show that sigma did not change).
    """
    found: dict[str, Row] = {}
    for transform in TRANSFORMS:
        its = [row for row in rows if row["transform"] == transform and _answered(row, "base", "base_bound")]
        if not its:
            continue
        after = [row for row in its if _answered(row, "value", "bound")]
        ratios = [row["value"] / row["expected"] - 1 for row in its if row["value"] is not None and row["expected"]]
        found[transform] = {
            "pictures": len(its),
            "change": json_number(median([abs(r) for r in ratios])),
            "bias": json_number(median(ratios)),
            "silent": 1 - len(after) / len(its),
            "censored": sum(bool(row.get("base_bound") or row.get("bound")) for row in after) / len(its),
        }
    return found


def _answered(row: Row, value: str, bound: str) -> bool:
    return row[value] is not None or row.get(bound) is not None
