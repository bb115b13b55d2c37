"""Pictures too large to hold: figures and scores from tiles."""

from __future__ import annotations

import math
from statistics import median
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from kukkiri.errors import KukkiriError
from kukkiri.images.image import Image
from kukkiri.images.masks import Box, as_mask
from kukkiri.images.overlays import find_overlays
from kukkiri.images.statistics import Statistics, statistics
from kukkiri.images.tiles import tiles
from kukkiri.inspection.thumbnails import SIDE, thumbnail
from kukkiri.metrics.base import Metric
from kukkiri.metrics.tiled import measure_tiled

if TYPE_CHECKING:
    from kukkiri.images.reading import ImageFile
    from kukkiri.inspection.settings import Settings

TILE = 2048
# Overlays are looked for in bands of this share of the height at the top and the bottom.
BAND = 0.25


def measure_huge(
    source: ImageFile, plane: int, metrics: list[Metric], settings: Settings, mask: Image | None, *, thumbnails: bool
) -> tuple[dict[str, Any], dict[str, float | None], list[str], bytes | None]:
    """Columns, scores, errors and thumbnail of a picture that is never in memory as a whole.

    Parameters
    ----------
    source : ImageFile
    plane : int
    metrics : list of Metric
        Those that are not tileable get an error.
    settings : Settings
    mask : Image, optional
        White where pixels must not count.
    thumbnails : bool

    Returns
    -------
    (dict, dict, list of str, bytes or None)
    """
    _, height, width = source.shape(plane)
    box = Box(0, 0, height, width)
    said: list[str] = []
    if settings.roi is not None:
        from kukkiri.inspection.worker import inside

        box = inside(settings.roi, height, width)
        said.append("outside " + settings.describe()["roi"])
    elif settings.auto_mask:
        box, text = _without_bars(source, plane, settings.whole_limit)
        said += [text] if text else []
    left_out: Tensor | None = None
    if mask is not None:
        left_out = as_mask(mask, (height, width))[box.slices]
        said.append(f"mask {settings.mask}")
    columns: dict[str, Any] = vars(_statistics(source, plane, box, left_out)) | {"masked": "; ".join(said)}
    scores: dict[str, float | None] = {}
    errors: list[str] = []
    for metric in metrics:
        try:
            scores[metric.spec.name] = measure_tiled(metric, source, mask=left_out, plane=plane, box=box, size=TILE)
        except KukkiriError as error:
            scores[metric.spec.name] = None
            errors.append(f"{metric.spec.name}: {error}")
    small = _thumbnail(source, plane) if thumbnails else None
    return columns, scores, errors, small


def _without_bars(source: ImageFile, plane: int, limit: int) -> tuple[Box, str]:
    """The rows between what is found near the top and near the bottom, and what was found there."""
    _, height, width = source.shape(plane)
    rows = max(1, min(int(height * BAND), limit // width))
    first, last = 0, height
    said = []
    for top in (0, height - rows):
        band = source.read_region(plane, Box(top, 0, rows, width))
        found = find_overlays(Image(band, bit_depth=source.header(plane).bit_depth))
        if found.mask is not None:
            # Whole rows go: what is lost of so large a picture is little.
            barred = found.mask.any(1).nonzero().flatten()
            first, last = (max(first, int(barred[-1]) + 1), last) if top == 0 else (first, top + int(barred[0]))
            said.append(found.describe())
    return Box(first, 0, last - first, width), "; ".join(said)


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
