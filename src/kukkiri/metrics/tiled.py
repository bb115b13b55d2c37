"""Measure a picture of any size tile by tile, with the value of the whole."""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce
from itertools import repeat
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from kukkiri.errors import InputError, ShapeError
from kukkiri.images.filtering import dilate
from kukkiri.images.image import ImageLike
from kukkiri.images.masks import Box, as_mask, bounding_box
from kukkiri.images.tiles import picture_size, tiles
from kukkiri.metrics.base import LocalMetric, Metric, core_weights

if TYPE_CHECKING:
    from kukkiri.images.reading import ImageFile


def measure_tiled(
    metric: Metric,
    image: ImageLike | ImageFile,
    reference: ImageLike | ImageFile | None = None,
    *,
    mask: ImageLike | None = None,
    plane: int = 0,
    box: Box | None = None,
    size: int = 1024,
) -> float:
    """The value of a metric over a picture that need never be in memory as a whole.

    Parameters
    ----------
    metric : Metric
        One whose spec says `tileable`.
    image, reference : image-like, or an open ImageFile
    mask : Boolean (H, W), optional
        True where pixels must not count; of the size of the box, if there is one.
    plane : int
        Of an ImageFile.
    box : Box, optional
        Only this part of the picture.
    size : int
        Side of a tile without its margin, pixels; rounded up to the metric's grid.

    Returns
    -------
    float
        The same as `metric(image, reference, mask=mask)`, to rounding.

    Raises
    ------
    InputError
        If the metric is not tileable.
    ShapeError
        If sizes differ.
    """
    if not isinstance(metric, LocalMetric):
        raise InputError(
            expected="a tileable metric", got=metric.spec.name, fix="measure the whole picture, or a part with a box"
        )
    height, width = picture_size(image, plane)
    if reference is not None and picture_size(reference, plane) != (height, width):
        other = "×".join(map(str, picture_size(reference, plane)[::-1]))
        raise ShapeError(expected=f"a reference of {width}×{height}", got=other, fix="crop one")
    box = box or Box(0, 0, height, width)
    left_out: Tensor | None = None
    if mask is not None:
        left_out = as_mask(mask, (box.height, box.width))
        inner = metric.inside(bounding_box(~left_out))
        left_out = left_out[inner.slices]
        box = Box(box.top + inner.top, box.left + inner.left, inner.height, inner.width)
    else:
        box = metric.inside(box)
    whole = (box.height, box.width)
    step, margin = metric.tiling(*whole, size)
    reach = metric.reach(*whole)
    totals: tuple[Tensor, ...] = ()

    def parts() -> Iterator[Tensor]:
        partners = (
            repeat(None) if reference is None else tiles(reference, size=step, overlap=margin, box=box, plane=plane)
        )
        for tile, partner in zip(tiles(image, size=step, overlap=margin, box=box, plane=plane), partners):
            x = tile.pixels[None].to(metric.device)
            r = None if partner is None else partner.pixels[None].to(metric.device)
            outer = Box(tile.top, tile.left, x.shape[-2], x.shape[-1])
            weights = torch.ones_like(x[:, :1])
            if left_out is not None:
                weights = (~_dilated(left_out, outer, reach)).to(x).expand_as(weights)
            yield metric.statistics(x, r, core_weights(weights, outer, tile.core), totals, whole)

    for _ in range(metric.passes):
        totals += (reduce(torch.add, parts()),)
    return float(metric.value(totals)[0])


def _dilated(left_out: Tensor, box: Box, reach: int) -> Tensor:
    """A part of a mask, grown by what lies around it too; never the whole mask at once."""
    top, left = max(0, box.top - reach), max(0, box.left - reach)
    around = left_out[top : box.top + box.height + reach, left : box.left + box.width + reach]
    place = Box(box.top - top, box.left - left, box.height, box.width)
    return dilate(around, reach)[place.slices]
