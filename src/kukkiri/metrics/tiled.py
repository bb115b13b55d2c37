"""Measure a picture of any size tile by tile, with the value of the whole; several metrics on one walk over it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from kukkiri.errors import InputError, KukkiriError, ShapeError
from kukkiri.images.filtering import dilate
from kukkiri.images.image import ImageLike
from kukkiri.images.masks import Box, as_mask, bounding_box
from kukkiri.images.tiles import Tile, picture_size, tiles
from kukkiri.metrics.base import LocalMetric, Metric, core_weights
from kukkiri.metrics.estimating import EstimatesBlur

if TYPE_CHECKING:
    from kukkiri.images.reading import ImageFile

# Side of what is read at once, pixels, about: larger than a tile, since what lies around it is decoded too.
READ = 2048


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
        Side of a tile without its margin, pixels; rounded up to the metric's grid. A metric that estimates a blur has
        tiles of its own.

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
    if isinstance(metric, EstimatesBlur):
        height, width = picture_size(image, plane)
        whole = box or Box(0, 0, height, width)
        left_out = None if mask is None else as_mask(mask, (whole.height, whole.width))
        return _opened_estimate(metric, image, left_out, plane, box)
    (value,) = measure_together([metric], image, reference, mask=mask, plane=plane, box=box, size=size)
    if isinstance(value, KukkiriError):
        raise value
    return value


def measure_together(
    metrics: Sequence[Metric],
    image: ImageLike | ImageFile,
    reference: ImageLike | ImageFile | None = None,
    *,
    mask: ImageLike | None = None,
    plane: int = 0,
    box: Box | None = None,
    size: int = 1024,
) -> list[float | KukkiriError]:
    """As `measure_tiled`, several local metrics at once: a tile is decoded once for all that can share it.

    Parameters
    ----------
    metrics : sequence of Metric
    image, reference, mask, plane, box, size
        As `measure_tiled`.

    Returns
    -------
    list of float or KukkiriError
        Each metric's value, bit by bit that of `measure_tiled`, or why it has none: the others are measured all the
        same.

    Raises
    ------
    ShapeError
        If sizes differ.
    ReadError
        If the file cannot be read.
    """
    height, width = picture_size(image, plane)
    if reference is not None and picture_size(reference, plane) != (height, width):
        other = "×".join(map(str, picture_size(reference, plane)[::-1]))
        raise ShapeError(expected=f"a reference of {width}×{height}", got=other, fix="crop one")
    box = box or Box(0, 0, height, width)
    left_out: Tensor | None = None
    if mask is not None:
        left_out = as_mask(mask, (box.height, box.width))
        free = bounding_box(~left_out)
        left_out = left_out[free.slices]
        box = Box(box.top + free.top, box.left + free.left, free.height, free.width)
    sums: list[_Sums | KukkiriError] = []
    for metric in metrics:
        try:
            sums.append(_Sums(metric, box, left_out, size))
        except KukkiriError as error:
            sums.append(error)
    walks: dict[tuple[Box, int], list[_Sums]] = {}
    for one in sums:
        if isinstance(one, _Sums):
            walks.setdefault((one.box, one.step), []).append(one)
    for (part, step), together in walks.items():
        for number in range(max(one.metric.passes for one in together)):
            due = [one for one in together if one.metric.passes > number]
            margin = max(one.margin for one in due)
            side = step * max(1, READ // step)
            partners: Iterator[Tile | None] = repeat(None)
            if reference is not None:
                partners = tiles(reference, size=side, overlap=margin, box=part, plane=plane)
            for tile, partner in zip(tiles(image, size=side, overlap=margin, box=part, plane=plane), partners):
                for one in due:
                    one.add(tile, partner)
            for one in due:
                one.end_pass()
    return [one.value() if isinstance(one, _Sums) else one for one in sums]


class _Sums:
    """The sums of one local metric while tiles come in.

    Parameters
    ----------
    metric : Metric
    box : Box
        Of the picture: what is left when masked borders are cut away.
    left_out : Tensor of bool or None
        Of the size of the box.
    size : int
        Wanted side of a tile.
    """

    def __init__(self, metric: Metric, box: Box, left_out: Tensor | None, size: int) -> None:
        if not isinstance(metric, LocalMetric):
            raise InputError(
                expected="a tileable metric",
                got=metric.spec.name,
                fix="measure the whole picture, or a part with a box",
            )
        self.metric = metric
        self.box = metric.inside(box)
        within = Box(self.box.top - box.top, self.box.left - box.left, self.box.height, self.box.width)
        self.left_out = None if left_out is None else left_out[within.slices]
        self.whole = (self.box.height, self.box.width)
        self.step, self.margin = metric.tiling(*self.whole, size)
        self.shadow = metric.shadow(*self.whole)
        self.totals: tuple[Tensor, ...] = ()
        self._sum: Tensor | None = None

    def add(self, read: Tile, reference: Tile | None) -> None:
        """Take in what was read at once, with at least this metric's margin, tile by tile."""
        for top in range(read.core[0].start, read.core[0].stop, self.step):
            for left in range(read.core[1].start, read.core[1].stop, self.step):
                rows = slice(top, min(top + self.step, read.core[0].stop))
                columns = slice(left, min(left + self.step, read.core[1].stop))
                part = self._part(read, reference, (rows, columns))
                self._sum = part if self._sum is None else self._sum + part

    def _part(self, read: Tile, reference: Tile | None, core: tuple[slice, slice]) -> Tensor:
        outer = self._outer(core)
        place = Box(outer.top - read.top, outer.left - read.left, outer.height, outer.width).slices
        # Contiguous, as if the tile had been read with this margin: sums then run in the same order.
        x = read.pixels[None, :, *place].contiguous().to(self.metric.device)
        r = None if reference is None else reference.pixels[None, :, *place].contiguous().to(self.metric.device)
        weights = torch.ones_like(x[:, :1])
        if self.left_out is not None:
            weights = (~_dilated(self.left_out, outer, self.shadow)).to(x).expand_as(weights)
            hidden = self.left_out[outer.slices].to(x.device)
            x, r = self.metric.hide(x, hidden), None if r is None else self.metric.hide(r, hidden)
        weights = core_weights(weights, outer, core)
        return self.metric.statistics(x, r, weights, self.totals, self.whole)

    def end_pass(self) -> None:
        """All tiles have been there once."""
        if self._sum is not None:
            self.totals += (self._sum,)
            self._sum = None

    def value(self) -> float:
        """The score."""
        return float(self.metric.value(self.totals)[0])

    def _outer(self, core: tuple[slice, slice]) -> Box:
        """The core of a tile with this metric's own margin."""
        (top, bottom), (left, right) = (
            (max(0, along.start - self.margin), min(side, along.stop + self.margin))
            for along, side in zip(core, self.whole)
        )
        return Box(top, left, bottom - top, right - left)


def _opened_estimate(
    metric: EstimatesBlur, image: ImageLike | ImageFile, left_out: Tensor | None, plane: int, box: Box | None
) -> float:
    if isinstance(image, (str, Path)):
        from kukkiri.images.reading import open_image

        with open_image(image) as file:
            return metric.estimate_file(file, mask=left_out, plane=plane, box=box).sigma
    return metric.estimate_file(image, mask=left_out, plane=plane, box=box).sigma


def _dilated(left_out: Tensor, box: Box, reach: int) -> Tensor:
    """A part of a mask, grown by what lies around it too; never the whole mask at once."""
    top, left = max(0, box.top - reach), max(0, box.left - reach)
    around = left_out[top : box.top + box.height + reach, left : box.left + box.width + reach]
    place = Box(box.top - top, box.left - left, box.height, box.width)
    return dilate(around, reach)[place.slices]
