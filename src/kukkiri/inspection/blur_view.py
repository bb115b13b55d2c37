"""What records and reports keep of a blur estimate: its columns, a few figures, and a small map."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kukkiri.sharpness.blur import CLEAR_FAMILY, CLEAR_RATIO, LARGEST, SMALLEST, UNLIKE

if TYPE_CHECKING:
    from torch import Tensor

    from kukkiri.images.masks import Box
    from kukkiri.metrics.estimating import BlurEstimate

# Of an encoded map: with base64's third on top, and the figures, 2 kB in a report.
MAP_BYTES = 1280
# A map is never finer than this; first sides to try, cells.
MAP_SIDE = 64
# Levels of a map: log2 sigma from 0.25 px in sixteenths of an octave, evidence in fifteenths. The page has them too.
OCTAVE, LOWEST, EVIDENCE = 16, -2.0, 15
# The colours of a map span two octaves at least: less would make a show of noise.
LEAST_SPAN = 2.0


@dataclass(frozen=True)
class BlurView:
    """What the panel of a picture shows of its blur.

    Parameters
    ----------
    figures : mapping
        JSON-ready: sharpest, major, minor (pixels), angle (radians), round (whether the axes do not clearly differ),
        family (probabilities), kind (the family if it is clear, else None), bound, doubtful (whether it is unlike what
        was trained on), abstained, limits (pixels: what can be measured); and with a map its place as shares of the
        picture (left, top, width, height) and the ends of its colours, pixels.
    map : bytes or None
        A WebP file, lossless: red holds log2 sigma, green the evidence, see `encoded_map`.
    """

    figures: Mapping[str, Any]
    map: bytes | None = None


def columns_of(blur: BlurEstimate) -> dict[str, Any]:
    """The columns of a record that an estimate fills."""
    return {
        "sigma": blur.sigma,
        "sigma_lo": blur.interval[0],
        "sigma_hi": blur.interval[1],
        "sigma_note": note_of(blur),
    }


def note_of(blur: BlurEstimate) -> str:
    """What else to know of sigma; '' for nothing."""
    parts = [
        f"abstained: {blur.abstained}" if blur.abstained else "",
        f"bound: {blur.bound}" if blur.bound else "",
        "unlike training" if blur.unlike_training > UNLIKE else "",
    ]
    return "; ".join(part for part in parts if part)


def view_of(blur: BlurEstimate, region: Box, picture: tuple[int, int]) -> BlurView:
    """What a report shows of an estimate.

    Parameters
    ----------
    blur : BlurEstimate
    region : Box
        The part of the picture that was measured.
    picture : (int, int)
        Height and width of the picture, pixels.

    Returns
    -------
    BlurView
    """
    family = max(blur.family, key=lambda name: blur.family[name])
    figures: dict[str, Any] = {
        "sharpest": _rounded(blur.sharpest),
        "major": _rounded(blur.major),
        "minor": _rounded(blur.minor),
        "angle": _rounded(blur.angle),
        "round": blur.major < CLEAR_RATIO * blur.minor,
        "family": {name: _rounded(share) for name, share in blur.family.items()},
        "kind": family if blur.family[family] >= CLEAR_FAMILY else None,
        "bound": blur.bound,
        "doubtful": blur.unlike_training > UNLIKE,
        "abstained": blur.abstained,
        "limits": [SMALLEST, LARGEST],
    }
    if blur.abstained:
        return BlurView(figures)
    # Masked borders were cut away: the map begins where the first pixel counts.
    top, left = region.top + blur.origin[0], region.left + blur.origin[1]
    height, width = picture
    rows, columns = blur.map.shape
    place = (left / width, top / height, columns * blur.stride / width, rows * blur.stride / height)
    figures["place"] = [_rounded(share) for share in place]
    figures["colours"] = [_rounded(end) for end in colour_range(blur.map, blur.evidence)]
    return BlurView(figures, encoded_map(blur.map, blur.evidence))


def colour_range(sigma: Tensor, evidence: Tensor) -> tuple[float, float]:
    """The blurs, pixels, between which a map changes its colour: all but 2 % of the evidence at either end."""
    import torch

    known = ~sigma.isnan()
    values, order = sigma[known].log2().sort()
    reached = evidence[known][order].double().cumsum(0)
    ends = torch.searchsorted(reached, torch.tensor([0.02, 0.98], dtype=reached.dtype) * reached[-1])
    low, high = values[ends.clamp_max(len(values) - 1)].tolist()
    least, most = math.log2(SMALLEST), math.log2(LARGEST)
    missing = max(0.0, LEAST_SPAN - (high - low)) / 2
    low = min(max(low - missing, least), most - LEAST_SPAN)
    return 2**low, 2 ** min(max(high + missing, low + LEAST_SPAN), most)


def encoded_map(sigma: Tensor, evidence: Tensor, limit: int = MAP_BYTES) -> bytes:
    """A map so small that a report of thousands of pictures can hold it.

    Parameters
    ----------
    sigma, evidence : Tensor, (h, w)
        Pixels, NaN where nothing is known; 0 to 1.
    limit : int
        Bytes; the map is made coarser until it fits.

    Returns
    -------
    bytes
        A lossless WebP file: red is 16·(log2 sigma + 2), green 15 times the evidence, whole numbers both.
    """
    import numpy as np
    import torch
    import torch.nn.functional as F
    from PIL import Image as Pillow

    weight = torch.where(sigma.isnan(), torch.zeros_like(evidence), evidence)
    level = (torch.where(sigma.isnan(), torch.ones_like(sigma), sigma).log2() - LOWEST) * OCTAVE
    # A cell without any evidence takes part a little, so that its neighbours' colour does not end in a wrong one.
    held = torch.stack([level * (weight + 1e-4), weight + 1e-4])[None]
    side = MAP_SIDE
    while True:
        scale = min(1.0, side / max(sigma.shape))
        small = F.interpolate(held, size=[max(1, round(n * scale)) for n in sigma.shape], mode="area")[0]
        planes = torch.stack([small[0] / small[1], small[1] * EVIDENCE, torch.zeros_like(small[0])], 2)
        array = planes.round().clamp(0, 255).byte().numpy()
        buffer = io.BytesIO()
        Pillow.fromarray(np.ascontiguousarray(array)).save(buffer, "WEBP", lossless=True, quality=80, method=4)
        if buffer.tell() <= limit or side <= 8:
            return buffer.getvalue()
        side = side * 3 // 4


def _rounded(value: float) -> float | None:
    return float(f"{value:.4g}") if math.isfinite(value) else None
