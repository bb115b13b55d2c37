"""The passes over a picture that make a field: one over the whole, one a cell, one a colour channel."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from scipy.stats import t
from torch import Tensor

from kukkiri.errors import InputError, ShapeError
from kukkiri.images.colour import luma
from kukkiri.images.image import Image
from kukkiri.images.masks import Box, as_mask
from kukkiri.images.overlays import find_overlays
from kukkiri.sharpness.blur import LARGEST, SMALLEST, Blur
from kukkiri.sharpness.blur_cells import weighted_quantiles
from kukkiri.sharpness.estimating import HALF_90, Estimator, anisotropy_of, error_of, free_part, log_sigma
from kukkiri.sharpness.field import LEAST_CELL, ChannelField, Field, FieldCell
from kukkiri.sharpness.field_fit import Array, fit_astigmatism, fit_tilt
from kukkiri.sharpness.field_words import statement_of
from kukkiri.sharpness.focus_step import ANISOTROPY_ERROR

CHANNELS = ("red", "green", "blue")
# Longest side of the picture under the figure, pixels.
PREVIEW = 640


def mask_of(source: Image, mask: Any) -> Tensor | None:
    """What does not count, from what `kk.blur` takes as a mask."""
    if mask is None:
        return None
    if isinstance(mask, str):
        if mask != "auto":
            raise InputError(expected="'auto', None or a Boolean mask", got=repr(mask), fix="load the file first")
        return find_overlays(source).mask
    return as_mask(mask, (source.height, source.width))


class FieldMeasuring:
    """The passes over one picture, and what is made of them.

    Parameters
    ----------
    source : Image
    grid : (int, int)
        Rows and columns.
    left_out : Tensor of bool, (H, W), optional
    estimator : Estimator
    on_cell : function, optional
        Called with the number of passes done and of all passes.
    """

    def __init__(
        self,
        source: Image,
        grid: tuple[int, int],
        left_out: Tensor | None,
        estimator: Estimator,
        on_cell: Callable[[int, int], None] | None,
    ) -> None:
        self.source, self.grid, self.left_out, self.estimator = source, grid, left_out, estimator
        self.colour = _is_coloured(source)
        self.done, self.total, self.on_cell = 0, 1 + grid[0] * grid[1] + 3 * self.colour, on_cell
        self.whole = Box(0, 0, source.height, source.width)
        y = [round(i * source.height / grid[0]) for i in range(grid[0] + 1)]
        x = [round(i * source.width / grid[1]) for i in range(grid[1] + 1)]
        self.boxes = [Box(y[i], x[j], y[i + 1] - y[i], x[j + 1] - x[j]) for i in range(grid[0]) for j in range(grid[1])]

    def field(self) -> Field:
        """All of it."""
        blur, values, evidence = self._map(self.source)
        cells = [self._cell(i, v, e) for i, (v, e) in enumerate(zip(values, evidence))]
        channels = self._channels() if self.colour else ()
        place = np.array([self._place(c.box) for c in cells])
        logs = np.array([math.log(c.sigma) if c.sigma > 0 else math.nan for c in cells])
        errors = np.array([error_of(log_sigma(c)) for c in cells])
        known = np.isfinite(logs) & np.isfinite(errors)
        size = (self.source.height, self.source.width)
        tilt = fit_tilt(place[known], logs[known], errors[known], size)
        axes = np.array([anisotropy_of(c) for c in cells])
        told = np.isfinite(axes).all(1)
        astigmatism = fit_astigmatism(place[told], axes[told], ANISOTROPY_ERROR)
        corners, interval = self._corners(logs, errors)
        return Field(
            grid=self.grid,
            size=size,
            cells=tuple(cells),
            blur=blur,
            corners=corners,
            corners_interval=interval,
            tilt=tilt,
            astigmatism=astigmatism,
            channels=channels,
            statement=statement_of(cells, corners, interval, tilt, astigmatism, channels),
            preview=_preview(self.source),
        )

    def _pass(self, image: Image, box: Box, left_out: Tensor | None) -> Blur | str:
        """The blur of a part, or why there is none."""
        inner, mask = free_part(box, left_out)
        self.done += 1
        if self.on_cell is not None:
            self.on_cell(self.done, self.total)
        if min(inner.height, inner.width) < LEAST_CELL:
            return "too little is left by the mask"
        return self.estimator.estimate(image, mask=mask, box=inner)

    def _map(self, image: Image) -> tuple[Blur, list[float], list[float]]:
        """The whole picture in one pass: its blur, and the weighted median and mean evidence of each cell."""
        blur = self._pass(image, self.whole, self.left_out)
        if isinstance(blur, str):
            raise ShapeError(
                expected=f"at least {LEAST_CELL}×{LEAST_CELL} pixels that count",
                got=blur,
                fix="mask less of the picture",
            )
        inner, _ = free_part(self.whole, self.left_out)
        y = (torch.arange(blur.map.shape[0]) + 0.5) * blur.stride + inner.top
        x = (torch.arange(blur.map.shape[1]) + 0.5) * blur.stride + inner.left
        values, evidence = [], []
        for box in self.boxes:
            rows, columns = (y >= box.top) & (y < box.top + box.height), (x >= box.left) & (x < box.left + box.width)
            sigma, its = blur.map[rows][:, columns], blur.evidence[rows][:, columns]
            counts = torch.isfinite(sigma) & (its > 0)
            evidence.append(float(its.mean()) if its.numel() else 0.0)
            if int(counts.sum()) < 2:
                values.append(math.nan)
                continue
            values.append(2 ** weighted_quantiles(sigma[counts].log2(), its[counts].square(), (0.5,))[0])
        return blur, values, evidence

    def _cell(self, index: int, value: float, evidence: float) -> FieldCell:
        box = self.boxes[index]
        left_out = None if self.left_out is None else self.left_out[box.slices]
        seen = self._pass(self.source, box, left_out)
        row, column = divmod(index, self.grid[1])
        nan = math.nan
        reason = seen if isinstance(seen, str) else seen.abstained
        if isinstance(seen, str) or reason is not None:
            return FieldCell(row, column, box, nan, (nan, nan), None, nan, nan, nan, evidence, reason)
        scale = value / seen.sigma
        if seen.bound is not None or not SMALLEST <= value <= LARGEST:
            scale = 1.0  # the cell by itself says how far it is out of range
        lo, hi = seen.interval
        return FieldCell(
            row, column, box, seen.sigma * scale, (lo * scale, hi * scale), seen.bound,
            seen.major * scale, seen.minor * scale, seen.angle, evidence, None,
        )  # fmt: skip

    def _channels(self) -> tuple[ChannelField, ...]:
        found = []
        for index in range(3):
            blur, values, _ = self._map(replace(self.source, pixels=self.source.pixels[index : index + 1]))
            found.append((blur, values if blur.abstained is None else [math.nan] * len(values)))
        green = np.array(found[1][1])
        channels = []
        for name, (blur, values) in zip(CHANNELS, found):
            cells = np.array(values).reshape(self.grid)
            ratio, interval = (1.0, (1.0, 1.0)) if name == "green" else _mean_ratio(np.array(values), green)
            channels.append(
                ChannelField(name, blur.sigma, blur.interval, tuple(map(tuple, cells.tolist())), ratio, interval)
            )
        return tuple(channels)

    def _place(self, box: Box) -> tuple[float, float]:
        """x and y of a cell's centre from the centre of the frame, pixels."""
        return box.left + (box.width - self.source.width) / 2, box.top + (box.height - self.source.height) / 2

    def _corners(self, logs: Array, errors: Array) -> tuple[float, tuple[float, float]]:
        rows, columns = self.grid
        corners = {0, columns - 1, (rows - 1) * columns, rows * columns - 1}
        middle = {
            r * columns + c
            for r in {(rows - 1) // 2, rows // 2}
            for c in {(columns - 1) // 2, columns // 2}
        }  # fmt: skip
        nan = math.nan
        if corners & middle:
            return nan, (nan, nan)
        means, variance = [], 0.0
        for group in (sorted(corners), sorted(middle)):
            its = [i for i in group if math.isfinite(logs[i]) and math.isfinite(errors[i])]
            if not its:
                return nan, (nan, nan)
            means.append(float(np.mean(logs[its])))
            variance += float((errors[its] ** 2).sum()) / len(its) ** 2
        difference, half = means[0] - means[1], HALF_90 * math.sqrt(variance)
        return math.exp(difference), (math.exp(difference - half), math.exp(difference + half))


def _mean_ratio(values: Array, green: Array) -> tuple[float, tuple[float, float]]:
    """Geometric mean over the cells of the ratio to green, and its 90 % interval from their scatter."""
    logs = np.log(values) - np.log(green)
    logs = logs[np.isfinite(logs)]
    if len(logs) < 3:
        return math.exp(float(logs.mean())) if len(logs) else math.nan, (math.nan, math.nan)
    middle = float(logs.mean())
    half = float(t.ppf(0.95, len(logs) - 1)) * float(logs.std(ddof=1)) / math.sqrt(len(logs))
    return math.exp(middle), (math.exp(middle - half), math.exp(middle + half))


def _is_coloured(source: Image) -> bool:
    """Whether three channels are not three times the same."""
    pixels = source.pixels
    return source.channels == 3 and float((pixels - pixels[1:2]).abs().max()) > 2 / 255


def _preview(source: Image) -> Array:
    grey = luma(source.pixels[None])
    step = max(1, math.ceil(max(source.height, source.width) / PREVIEW))
    small: Array = F.avg_pool2d(grey, step, ceil_mode=True, count_include_pad=False)[0, 0].numpy()
    return small
