"""The guided filter, for values everywhere and for values known at a few pixels (He, Sun, Tang 2013).

In every window the output is a straight line of the guide: it has edges where the guide has them. With weights the line
is fitted to the pixels that have one, so that what is known on edges alone spreads over the picture.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from kukkiri.errors import InputError, ShapeError

# Sums over windows are differences of running sums: what is less than this share of the largest is rounding.
ROUNDING = 1e-10
# What a window knows counts as much as what the next larger one does if it weighs this many sure pixels.
FEW = 1.0
# How many times as large the next larger window is.
GROWTH = 4


def box_sums(values: Tensor, radius: int) -> Tensor:
    """Sum over the square window of side 2·radius + 1 around every pixel, cut at the border.

    Parameters
    ----------
    values : Tensor, (…, H, W)
    radius : int ≥ 0

    Returns
    -------
    Tensor, (…, H, W), float64
    """
    total = values.double()
    for axis in (-2, -1):
        size = total.shape[axis]
        reach = min(radius, size)
        running = total.cumsum(axis)
        # What is summed up to `radius` after a pixel, less what is up to `radius + 1` before it. Slices, because
        # indices are several times as slow.
        last = running.narrow(axis, size - 1, 1)
        total = torch.cat([running.narrow(axis, reach, size - reach), *[last] * reach], axis)
        if reach + 1 < size:
            total.narrow(axis, reach + 1, size - reach - 1).sub_(running.narrow(axis, 0, size - reach - 1))
    return total


def guided_filter(
    guide: Tensor, values: Tensor, *, radius: int, regularisation: float, weights: Tensor | None = None
) -> Tensor:
    """Smooth values, or spread them from where they are known, along a grey guide.

    In each window k: a = cov(I, p) / (var(I) + ε), b = mean(p) − a·mean(I) (eqs. 5, 6); the output is the mean of
    a·I + b over the windows that hold a pixel (eq. 8). With weights, means within a window are weighted, and so are the
    windows, by the sum of their weights: one without a known pixel has no line.

    Parameters
    ----------
    guide, values : Tensor, (N, 1, H, W)
    radius : int ≥ 1
        Windows have a side of 2·radius + 1 pixels, less at the border.
    regularisation : float > 0
        ε: parts of the guide of less variance than this are smoothed over.
    weights : Tensor, (N, 1, H, W), ≥ 0, optional
        Where it is 0, values do not matter (NaN is allowed).

    Returns
    -------
    Tensor, (N, 1, H, W), float64
        NaN farther than 2·radius from every known pixel.

    Raises
    ------
    ShapeError, InputError
        If shapes differ, or an option makes no sense.
    """
    check_guided(guide, values, weights, radius, regularisation)
    guide, values = guide.double(), values.double()
    known = torch.ones_like(values) if weights is None else weights.double()
    values = torch.where(known > 0, values, 0.0)
    # Squares of a large mean would leave nothing of a small variance.
    centre = guide.mean((-2, -1), keepdim=True)
    x = guide - centre
    moments = (known, known * x, known * values, known * x * x, known * x * values)
    reached, total, slope, offset = lines_of(moments, radius, regularisation, weighted=weights is not None)
    return torch.where(reached, (slope * x + offset) / total, torch.nan)


def lines_of(
    moments: Iterable[Tensor], radius: int, regularisation: float, *, weighted: bool
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The lines of `guided_filter`, summed over the windows that hold a pixel (eqs. 5, 6, 8).

    Parameters
    ----------
    moments : iterable of 5 Tensor, (N, 1, H, W), float64
        w, w·x, w·p, w·x², w·x·p of weights, centred guide and values; one is needed at a time.
    radius : int
        Of the windows, pixels of these.
    regularisation : float
    weighted : bool
        Whether a window counts as much as the weights in it, or each like the others.

    Returns
    -------
    reached : Tensor of bool
        Where any window knows a line.
    total, slope, offset : Tensor
        Sums; the output is (slope·x + offset) / total. The total is 1 where nothing is reached.
    """
    count, *sums = (box_sums(each, radius) for each in moments)
    there = count > ROUNDING * count.amax((-2, -1), keepdim=True)
    safe = torch.where(there, count, 1.0)
    mean_x, mean_p, mean_xx, mean_xp = (v / safe for v in sums)
    slope = (mean_xp - mean_x * mean_p) / ((mean_xx - mean_x.square()).clamp_min(0) + regularisation)
    offset = mean_p - slope * mean_x
    share = torch.where(there, count if weighted else torch.ones_like(count), 0.0)
    total, slope, offset = (box_sums(each, radius) for each in (share, share * slope, share * offset))
    reached = total > ROUNDING * total.amax((-2, -1), keepdim=True)
    return reached, torch.where(reached, total, 1.0), slope, offset


def propagate(
    values: Tensor, weights: Tensor, guide: Tensor, *, radius: int = 16, regularisation: float = 0.1
) -> Tensor:
    """Fill a picture with values that are known at some pixels, along a guide.

    The weighted guided filter with windows of `radius`, four times that, and so on until one holds the whole picture;
    where a window knows little, the larger one decides. The result stays between the least and the greatest known
    value.

    Parameters
    ----------
    values : Tensor, (N, 1, H, W)
        Anything where the weight is 0.
    weights : Tensor, (N, 1, H, W), values in [0, 1]
        How sure a value is.
    guide : Tensor, (N, 1, H, W)
        Its gain and offset do not matter.
    radius : int ≥ 1
        Of the smallest windows, pixels.
    regularisation : float > 0
        ε as a share of the guide's variance over the picture.

    Returns
    -------
    Tensor, (N, 1, H, W), float64
        NaN for a sample that knows nothing.

    Raises
    ------
    ShapeError, InputError
        As `guided_filter`.
    """
    check_guided(guide, values, weights, radius, regularisation)
    guide, weights = guide.double(), weights.double()
    spread = guide.std((-2, -1), correction=0, keepdim=True)
    guide = (guide - guide.mean((-2, -1), keepdim=True)) / torch.where(spread > 0, spread, 1.0)
    reach = max(values.shape[-2:])
    radii = [radius]
    while radii[-1] < reach:
        radii.append(GROWTH * radii[-1])
    result = torch.full_like(guide, torch.nan)
    for each in reversed(radii):
        found = guided_filter(guide, values, radius=each, regularisation=regularisation, weights=weights)
        known = box_sums(weights, each)
        share = torch.where(result.isnan(), 1.0, known / (known + FEW))
        result = torch.where(found.isnan(), result, share * found.nan_to_num() + (1 - share) * result.nan_to_num())
    known = torch.where(weights > 0, values.double(), torch.inf)
    least = known.amin((-2, -1), keepdim=True)
    greatest = torch.where(weights > 0, values.double(), -torch.inf).amax((-2, -1), keepdim=True)
    return torch.where(result.isnan(), result, torch.minimum(torch.maximum(result, least), greatest))


def check_guided(guide: Tensor, values: Tensor, weights: Tensor | None, radius: int, regularisation: float) -> None:
    """Raise ShapeError or InputError unless `guided_filter` can take these."""
    for other in (values, weights):
        if other is not None and (other.shape != guide.shape or guide.ndim != 4 or guide.shape[1] != 1):
            raise ShapeError(
                expected=f"a grey guide and values of one shape (N, 1, H, W), the guide's {tuple(guide.shape)}",
                got=str(tuple(other.shape)),
                fix="convert the guide to grey, and cut both alike",
            )
    if radius < 1 or not regularisation > 0:
        raise InputError(
            expected="a radius of at least 1 px and a positive regularisation",
            got=f"{radius} and {regularisation:g}",
            fix="such as radius=16, regularisation=0.1",
        )
