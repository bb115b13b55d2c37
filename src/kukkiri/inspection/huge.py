"""Pictures too large to hold: figures and scores from tiles."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from statistics import median
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from kukkiri.errors import KukkiriError, ShapeError
from kukkiri.images.colour import luma
from kukkiri.images.image import Image
from kukkiri.images.masks import Box, as_mask
from kukkiri.images.overlays import Overlays, find_overlays
from kukkiri.images.statistics import Statistics, statistics
from kukkiri.images.tiles import tiles
from kukkiri.inspection.blur_view import BlurView, columns_of, view_of
from kukkiri.inspection.quality_view import QualityView, judged_columns, quality_view_of
from kukkiri.inspection.thumbnails import SIDE, thumbnail
from kukkiri.metrics.base import TILE as METRIC_TILE
from kukkiri.metrics.base import Metric
from kukkiri.metrics.estimating import EstimatesBlur, JudgesQuality, QualityJudgement
from kukkiri.metrics.tiled import measure_together

if TYPE_CHECKING:
    from kukkiri.images.reading import ImageFile
    from kukkiri.inspection.settings import Settings

TILE = 2048
# Rows that are read at once of the whole width.
STRIP = 512
# Columns at most in which overlays are looked for.
SEARCH_WIDTH = 4096


@dataclass
class Found:
    """What is found in a picture that is never in memory as a whole.

    Parameters
    ----------
    columns : dict
        Of its record.
    scores : dict
        Metric name → value, None where it cannot be measured.
    errors : list of str
        Why not.
    thumbnail : bytes or None
    blur : BlurView or None
        For the report.
    quality : QualityView or None
        The same.
    """

    columns: dict[str, Any]
    scores: dict[str, float | None] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    thumbnail: bytes | None = None
    blur: BlurView | None = None
    quality: QualityView | None = None


def measure_huge(
    source: ImageFile, plane: int, metrics: list[Metric], settings: Settings, mask: Image | None, *, thumbnails: bool
) -> Found:
    """Everything about a picture that is never in memory as a whole.

    Parameters
    ----------
    source : ImageFile
    plane : int
    metrics : list of Metric
        Those that are not tileable get an error. The first that estimates a blur fills the columns of sigma; the first
        that judges quality fills its own, if what counts is small enough to be held after all.
    settings : Settings
    mask : Image, optional
        White where pixels must not count.
    thumbnails : bool
        Also what only the report needs.

    Returns
    -------
    Found
    """
    _, height, width = source.shape(plane)
    box, left_out, said = what_counts(source, plane, roi=settings.roi, mask=mask, auto_mask=settings.auto_mask)
    found = Found(vars(_statistics(source, plane, box, left_out)) | {"masked": settings.left_out_text(said)})
    estimators = [one for one in metrics if isinstance(one, EstimatesBlur)]
    for one in estimators:
        try:
            with torch.inference_mode():
                blur = one.estimate_file(source, mask=left_out, plane=plane, box=box)
        except KukkiriError as error:
            found.scores[one.spec.name] = None
            found.errors.append(f"{one.spec.name}: {error}")
            continue
        found.scores[one.spec.name] = blur.sigma
        if one is estimators[0]:
            found.columns.update(columns_of(blur))
            found.blur = view_of(blur, box, (height, width)) if thumbnails else None
    judges = [one for one in metrics if isinstance(one, JudgesQuality)]
    for judge in judges:
        try:
            judgement = _judge_part(judge, source, plane, box, left_out, settings.whole_limit)
        except KukkiriError as error:
            found.scores[judge.spec.name] = None
            found.errors.append(f"{judge.spec.name}: {error}")
            continue
        found.scores[judge.spec.name] = judgement.value
        if judge is judges[0]:
            found.columns.update(judged_columns(judgement))
            found.quality = quality_view_of(judgement) if thumbnails else None
    others = [one for one in metrics if not isinstance(one, (EstimatesBlur, JudgesQuality))]
    values = measure_together(others, source, mask=left_out, plane=plane, box=box, size=METRIC_TILE)
    for other, value in zip(others, values):
        if isinstance(value, KukkiriError):
            found.scores[other.spec.name] = None
            found.errors.append(f"{other.spec.name}: {value}")
        else:
            found.scores[other.spec.name] = value
    found.thumbnail = _thumbnail(source, plane) if thumbnails else None
    return found


def _judge_part(
    judge: JudgesQuality, source: ImageFile, plane: int, box: Box, left_out: Tensor | None, limit: int
) -> QualityJudgement:
    """What is said of a part that can be held: a judgement sees a picture as a whole, and none of its tiles."""
    if box.height * box.width > limit:
        raise ShapeError(
            expected=f"at most {limit / 1e6:.3g} Mpx at once to judge the quality",
            got=f"{box.width}×{box.height}, {box.height * box.width / 1e6:.3g} Mpx",
            fix="raise --max-whole if there is memory for it, or measure a part with --roi",
        )
    (judgement,) = judge.judge(source.read_region(plane, box)[None], mask=left_out)
    return judgement


def what_counts(
    source: ImageFile, plane: int, *, roi: Box | None, mask: Image | None, auto_mask: bool
) -> tuple[Box, Tensor | None, str]:
    """Which pixels of a plane count.

    Parameters
    ----------
    source : ImageFile
    plane : int
    roi : Box or None
        Only this part of it.
    mask : Image or None
        White where pixels must not count.
    auto_mask : bool
        Find info bars, scale bars and burnt-in text.

    Returns
    -------
    Box
        The region, less the bars along its borders.
    Tensor of bool, (box.height, box.width), or None
        What does not count in there; None if all of it does.
    str
        The overlays that were found, in words.
    """
    _, height, width = source.shape(plane)
    box = roi.checked_inside(height, width) if roi else Box(0, 0, height, width)
    said = ""
    covered: list[Box] = []
    if auto_mask:
        overlays = _find_overlays(source, plane)
        covered, said = [overlay.box for overlay in overlays.found], overlays.describe()
    box = _without_bars(box, covered)
    return box, _left_out(box, covered, None if mask is None else as_mask(mask, (height, width))), said


def _find_overlays(source: ImageFile, plane: int) -> Overlays:
    """Overlays in the upper and the lower half, in places of the whole picture.

    Rows are all there, of the columns only every k-th: the levels stay exact, which the search lives on, and letters on
    so large a picture are broad enough to survive.
    """
    _, height, width = source.shape(plane)
    step = -(-width // SEARCH_WIDTH)
    found = []
    for top, bottom in ((0, height // 2), (height // 2, height)) if height > 1 else ((0, 1),):
        parts = []
        for row in range(top, bottom, STRIP):
            strip = source.read_region(plane, Box(row, 0, min(STRIP, bottom - row), width))
            parts.append(luma(strip[None, :, :, ::step])[0].clone())  # a view would keep the whole strip
        half = torch.cat(parts, 1)
        del parts
        for overlay in find_overlays(Image(half, bit_depth=source.header(plane).bit_depth)).found:
            at = overlay.box
            across = min(at.width * step, width - at.left * step)
            found.append(replace(overlay, box=Box(top + at.top, at.left * step, at.height, across)))
    return Overlays(None, tuple(found))


def _without_bars(box: Box, covered: list[Box]) -> Box:
    """What is left of a region when bars along its borders are cut away.

    Every metric does so itself, but from a mask, which takes a byte a pixel: a third of what this may need in all.
    """
    top, left, bottom, right = box.top, box.left, box.top + box.height, box.left + box.width
    for bar in covered:
        if bar.left <= left and bar.left + bar.width >= right:
            if bar.top <= top:
                top = max(top, min(bar.top + bar.height, bottom))
            if bar.top + bar.height >= bottom:
                bottom = min(bottom, max(bar.top, top))
        if bar.top <= top and bar.top + bar.height >= bottom:
            if bar.left <= left:
                left = max(left, min(bar.left + bar.width, right))
            if bar.left + bar.width >= right:
                right = min(right, max(bar.left, left))
    return Box(top, left, bottom - top, right - left)


def _left_out(box: Box, covered: list[Box], given: Tensor | None) -> Tensor | None:
    """What does not count within a region, or None if all of it does."""
    left_out = None if given is None else given[box.slices].clone()
    for place in (_within(one, box) for one in covered):
        if place[0].stop > place[0].start and place[1].stop > place[1].start:
            left_out = torch.zeros(box.height, box.width, dtype=torch.bool) if left_out is None else left_out
            left_out[place] = True
    return left_out


def _within(inner: Box, outer: Box) -> tuple[slice, slice]:
    """Rows and columns of `inner` counted from the corner of `outer`; what lies outside is cut off."""
    top, left = max(0, inner.top - outer.top), max(0, inner.left - outer.left)
    bottom, right = inner.top + inner.height - outer.top, inner.left + inner.width - outer.left
    return slice(top, max(top, min(bottom, outer.height))), slice(left, max(left, min(right, outer.width)))


def _statistics(source: ImageFile, plane: int, box: Box, left_out: Tensor | None) -> Statistics:
    """Pooled over tiles; the noise is the median over tiles."""
    count = mean = square = low = high = 0.0
    noise = []
    for tile in tiles(source, size=TILE, overlap=0, box=box, plane=plane):
        skip = None if left_out is None else left_out[tile.core]
        part = statistics(tile.pixels, skip)
        n = tile.pixels[0].numel() if skip is None else int((~skip).sum())
        if n == 0:
            continue
        count += n
        mean += n * part.mean
        square += n * (part.contrast**2 + part.mean**2)
        low += n * part.clipped_low
        high += n * part.clipped_high
        if not math.isnan(part.noise):
            noise.append(part.noise)
    if count == 0:
        return Statistics(*(math.nan,) * 5)
    mean /= count
    spread = math.sqrt(max(0.0, square / count - mean**2))
    return Statistics(mean, spread, low / count, high / count, median(noise) if noise else math.nan)


def _thumbnail(source: ImageFile, plane: int) -> bytes:
    """Each tile is averaged down before the next is read."""
    channels, height, width = source.shape(plane)
    step = max(1, math.ceil(max(height, width) / (4 * SIDE)))
    small = torch.zeros(channels, height // step, width // step)
    for tile in tiles(source, size=(TILE // step or 1) * step, overlap=0, plane=plane):
        top, left = tile.core[0].start // step, tile.core[1].start // step
        part = torch.nn.functional.avg_pool2d(tile.pixels[None], step)[0]
        part = part[:, : small.shape[1] - top, : small.shape[2] - left]
        small[:, top : top + part.shape[1], left : left + part.shape[2]] = part
    return thumbnail(small, source.header(plane).bit_depth)
