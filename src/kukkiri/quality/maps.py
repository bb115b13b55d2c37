"""Where in a picture a metric sees its quality suffer: over the picture for people, and as floats for programs."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from kukkiri.errors import InputError
from kukkiri.images.decimation import spread
from kukkiri.images.filtering import dilate
from kukkiri.images.masks import Box, bounding_box, largest_free_box
from kukkiri.metrics.base import LocalMetric
from kukkiri.quality.map_pictures import map_picture, stages_picture
from kukkiri.replacing import replacing

if TYPE_CHECKING:
    from kukkiri.metrics.base import Metric
    from kukkiri.quality.aligning import Ready


class MapNames:
    """Names of maps in a folder, no two alike whatever the names of the pictures."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._taken: set[str] = set()

    def of(self, name: str) -> str:
        """The name of a picture's maps, without metric and suffix; numbered if another picture has it already."""
        stem, number = name, 1
        while stem.casefold() in self._taken:
            number += 1
            stem = f"{name}-{number}"
        self._taken.add(stem.casefold())
        return stem


def has_map(metric: Metric | type[Metric]) -> bool:
    """Whether a metric tells where in a picture its score comes from."""
    return callable(getattr(metric, "map", None))


def map_values(metric: Metric, ready: Ready) -> Tensor:
    """The map of a metric at the size of the picture, made of what its score is made of.

    Parameters
    ----------
    metric : Metric
        One that has a map.
    ready : Ready

    Returns
    -------
    Tensor, (H, W), float32
        NaN where nothing counts: what is masked, windows that look into it, and all outside the largest rectangle
        without it if the metric cuts pictures to that.

    Raises
    ------
    InputError
        If the metric has no map.
    """
    if not has_map(metric):
        raise InputError(
            expected="a metric that has a map",
            got=metric.spec.name,
            fix="choose another: docs/compare.md lists them",
        )
    size = (ready.image.height, ready.image.width)
    whole = torch.full(size, math.nan)
    box, pair, free = _counted(metric, ready)
    compute: Any = metric.map
    with torch.no_grad():
        values: Tensor = compute(*pair).detach().float().cpu()
    if tuple(values.shape[-2:]) != (box.height, box.width):
        values = F.interpolate(values, size=(box.height, box.width), mode="nearest-exact")
    whole[box.slices] = values[0, 0].masked_fill(~free, math.nan)
    return whole


def stage_values(metric: Metric, ready: Ready) -> Tensor | None:
    """What each layer of a network adds to its map, at the size of the picture: LPIPS and DISTS.

    Parameters
    ----------
    metric : Metric
    ready : Ready

    Returns
    -------
    Tensor, (L, H, W), float32, or None
        None if the metric has no layers that add up, or the picture is too large to be taken whole.
    """
    from kukkiri.quality.full_reference.feature_comparison import LARGE, FeatureComparison

    if not isinstance(metric, FeatureComparison):
        return None
    box, pair, free = _counted(metric, ready)
    if box.height * box.width > LARGE * metric.strides[0]:
        return None
    with torch.no_grad():
        x, r = (metric.prepared(one.to(metric.device)) for one in pair)
        layers = [
            F.interpolate(metric.local(layer, a, b), size=(box.height, box.width), mode="bilinear").float().cpu()[0, 0]
            for layer, (a, b) in enumerate(metric._pairs(x, r))
        ]
    whole = torch.full((len(layers), ready.image.height, ready.image.width), math.nan)
    whole[:, *box.slices] = torch.stack(layers).masked_fill(~free, math.nan)
    return whole


def _counted(metric: Metric, ready: Ready) -> tuple[Box, tuple[Tensor, ...], Tensor]:
    """The rectangle that is measured, the pictures (1, C, h, w) in it, and where (h, w) something counts.

    As `Metric` treats masks: a window that looks under one adds nothing to the score, so nothing to the map.
    """
    pictures = [ready.image] if ready.reference is None else [ready.image, ready.reference]
    batches = [picture.pixels.detach()[None] for picture in pictures]
    size = (ready.image.height, ready.image.width)
    left_out = torch.zeros(size, dtype=torch.bool) if ready.mask is None else ready.mask.cpu()
    if not bool(left_out.any()):
        return Box(0, 0, *size), tuple(batches), ~left_out
    box = bounding_box(~left_out) if metric.takes_weights else largest_free_box(left_out)
    left_out = left_out[box.slices]
    pair = tuple(metric.hide(batch[..., *box.slices].cpu(), left_out) for batch in batches)
    inner = metric.inside(Box(0, 0, box.height, box.width))
    free = ~left_out
    reach = metric.shadow(inner.height, inner.width)
    if isinstance(metric, LocalMetric) and reach:
        # One pixel of each square of the grid stands for it.
        step = metric.grid(inner.height, inner.width)
        counts = ~dilate(left_out[inner.slices], reach)[::step, ::step]
        spreaded = spread(counts.float()[None, None], step, (inner.height, inner.width))[0, 0] > 0.5
        free = torch.zeros_like(free)
        free[inner.slices] = spreaded
    return box, pair, free


def write_map(folder: Path, stem: str, metric: Metric, ready: Ready) -> Path:
    """Write FOLDER/STEM-METRIC.png, the map in colour over the picture in grey, and .tif, its values as floats.

    And of LPIPS and DISTS FOLDER/STEM-METRIC-stages.png, what each layer adds to the map, layer by layer.

    Parameters
    ----------
    folder : Path
    stem : str
        May hold '/': folders are made.
    metric : Metric
    ready : Ready

    Returns
    -------
    Path
        Of the picture.

    Raises
    ------
    WriteError
        If the place cannot be written to.
    """
    import imagecodecs
    import tifffile

    values = map_values(metric, ready)
    place = folder / f"{stem}-{metric.spec.name}"
    drawn, raw = (place.with_name(place.name + suffix) for suffix in (".png", ".tif"))
    with replacing(raw) as temporary:
        tifffile.imwrite(
            temporary,
            values.numpy(),
            compression="zlib",
            predictor=True,
            photometric="minisblack",
            metadata=None,
            software="kukkiri",
            description=f"map of {metric.spec.name}; NaN where nothing counts",
        )
    picture = map_picture(values, ready.image.pixels, metric)
    stages = stage_values(metric, ready)
    sheets = [(drawn, picture)]
    if stages is not None:
        sheets.append((place.with_name(place.name + "-stages.png"), stages_picture(stages, ready.image.pixels, metric)))
    for target, sheet in sheets:
        with replacing(target) as temporary:
            temporary.write_bytes(bytes(imagecodecs.png_encode(np.ascontiguousarray(sheet), level=6)))
    return drawn
