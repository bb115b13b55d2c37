"""What was drawn over a picture rather than recorded: info bars, scale bars and burnt-in text.

Razor-sharp letters ruin any measure of sharpness, so they are masked before anything is measured. Recorded content must
not be masked: each finder wants several independent signs together, and rather misses an unusual overlay.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from kukkiri.images.burnt_in import find_burnt_in
from kukkiri.images.glyphs import find_lines
from kukkiri.images.image import Image, ImageLike, as_image
from kukkiri.images.info_bars import (
    LARGEST_SHARE,
    border_is_flat,
    edge_is_picture,
    find_strip,
    ink_is_exact,
    ink_mask,
    is_constant_above,
    view_from,
)
from kukkiri.images.masks import Box
from kukkiri.images.recorded import Planes, natural_share, small_step_share

# Photographs and micrographs have 0.87 and more, screens and drawings up to 0.82.
NATURAL = 0.85
LEAST_SIDE = 48  # px; below, there is no room for letters and a picture

Kind = Literal["info-bar", "scale-bar", "text"]


@dataclass(frozen=True)
class Overlay:
    """One thing that was drawn over the picture, and where."""

    kind: Kind
    box: Box


@dataclass(frozen=True)
class Overlays:
    """All that was found.

    Parameters
    ----------
    mask : Tensor of bool, (H, W), or None
        True where pixels must not count; None if nothing was found.
    found : tuple of Overlay
    """

    mask: Tensor | None
    found: tuple[Overlay, ...]

    def describe(self) -> str:
        """What was found in words, '' if nothing: 'info-bar 4096×192 at 0,2880; text 310×40 at 20,14' (w×h at x,y)."""
        return "; ".join(f"{o.kind} {o.box.width}×{o.box.height} at {o.box.left},{o.box.top}" for o in self.found)


def find_overlays(image: ImageLike) -> Overlays:
    """Info bars, scale bars and burnt-in text of a picture.

    Parameters
    ----------
    image : image-like
        The entry `info_bar_rows` of its metadata (rows along the bottom that hold no picture) is trusted if those rows
        look like a bar.

    Returns
    -------
    Overlays
    """
    source = as_image(image)
    planes, exact = _stretched(source)
    free = Box(0, 0, source.height, source.width)
    found: list[Overlay] = []
    for side in ("bottom", "top", "left", "right"):
        view = view_from(planes[:, *free.slices], side)
        thickness = _thickness(view, side, exact, source.metadata if side == "bottom" else {})
        if thickness:
            bar, free = _cut(free, side, thickness)
            found.append(Overlay("info-bar", bar))
    rest = planes[:, *free.slices]
    burnt = find_burnt_in(rest, source.bit_depth)
    if burnt and natural_share(rest, exact) >= NATURAL:
        found += [Overlay(_kind(k), Box(b.top + free.top, b.left + free.left, b.height, b.width)) for k, b in burnt]
    return Overlays(_mask(source, found), tuple(found))


def _stretched(image: Image) -> tuple[Planes, float]:
    """The picture with its used range spread over [0, 1], and half a step of its source on that scale.

    Cameras of 10 to 14 bits fill the lower part of 16 bits only; all thresholds are shares of the range. Pictures of 8
    bits stay as they are.
    """
    planes: Planes = image.pixels.detach().cpu().numpy()
    exact = 0.5 / (2 ** min(image.bit_depth, 16) - 1)
    if image.bit_depth <= 8 or not planes.size:
        return planes, exact
    low, high = float(planes.min()), float(planes.max())
    # The full range, or too few levels for anything to be told from them.
    if high - low > 0.98 or high - low < 64 * exact:
        return planes, exact
    return (planes - np.float32(low)) / np.float32(high - low), exact / (high - low)


def _kind(name: str) -> Kind:
    return "scale-bar" if name == "scale-bar" else "text"


def _mask(image: Image, found: list[Overlay]) -> Tensor | None:
    if not found:
        return None
    mask = torch.zeros(image.height, image.width, dtype=torch.bool)
    for overlay in found:
        mask[overlay.box.slices] = True
    return mask


def _cut(free: Box, side: str, thickness: int) -> tuple[Box, Box]:
    """The bar along a side of a box, and what is left."""
    top, left, height, width = free.top, free.left, free.height, free.width
    if side == "bottom":
        return Box(top + height - thickness, left, thickness, width), Box(top, left, height - thickness, width)
    if side == "top":
        return Box(top, left, thickness, width), Box(top + thickness, left, height - thickness, width)
    if side == "right":
        return Box(top, left + width - thickness, height, thickness), Box(top, left, height, width - thickness)
    return Box(top, left, height, thickness), Box(top, left + thickness, height, width - thickness)


def _thickness(view: Planes, side: str, exact: float, metadata: Mapping[str, Any]) -> int:
    """Rows of the info bar at the end of a view; 0 if there is none."""
    height = int(view.shape[1])
    if min(view.shape[1:]) < LEAST_SIDE:
        return 0
    stated = metadata.get("info_bar_rows")
    if isinstance(stated, int) and 0 < stated <= 0.4 * height and _is_plausible(view, stated):
        return stated
    if not border_is_flat(view):
        return 0
    strip = find_strip(view, exact)
    if strip is None:
        return 0
    thickness = height - strip.start
    if not max(8, 0.015 * height) <= thickness <= LARGEST_SHARE * height - 1:
        return 0
    ink = ink_mask(view[:, strip.start :], strip)
    if not 0.0005 < ink.mean() < 0.5 or not ink_is_exact(view[:, strip.start :], strip, ink):
        return 0
    letters = ink.T if side in ("left", "right") else ink[::-1] if side == "top" else ink
    if side == "left":
        letters = letters[:, ::-1]
    tallest = letters.shape[1] // 3 if side in ("left", "right") else int(0.9 * thickness)
    lines, _ = find_lines(np.ascontiguousarray(letters), most_height=tallest)
    count = sum(line.count for line in lines if line.has_letters())
    if count < (4 if side == "bottom" else 6):
        return 0
    rest = view[:, : strip.start]
    if edge_is_picture(view, strip) and natural_share(rest, exact) >= NATURAL:
        return int(thickness)
    # A specimen on clipped black shows nothing beside the bar, and little but outlines elsewhere.
    if side == "bottom" and count >= 8 and is_constant_above(view, strip) and small_step_share(rest, exact) >= 0.57:
        return int(thickness)
    return 0


def _is_plausible(view: Planes, rows: int) -> bool:
    """Whether one level holds a third of the last `rows` rows."""
    sample = view[min(1, view.shape[0] - 1), -rows:, :: max(1, view.shape[2] // 1024)]
    counts = np.bincount((sample.ravel() * 255 + 0.5).astype(np.uint8), minlength=256)
    return int(counts.max()) >= sample.size / 3
