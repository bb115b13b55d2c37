"""The passes over a picture that measure its edges, and what is said of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t

from kukkiri.errors import InputError, ShapeError
from kukkiri.images.colour import BT601
from kukkiri.images.image import Image, ImageLike, as_image
from kukkiri.images.masks import Box
from kukkiri.sharpness.slanted_edge_curve import (
    FREQUENCIES,
    ROWS_A_BLOCK,
    EdgeCurve,
    crossing,
    crossing_error,
    response,
)
from kukkiri.sharpness.slanted_edge_doubts import check_edge, is_usable, warnings_of
from kukkiri.sharpness.slanted_edge_finding import find_edges
from kukkiri.sharpness.slanted_edge_line import is_upright, locate
from kukkiri.sharpness.slanted_edge_oecf import Oecf, check_table, linearise, name_of
from kukkiri.sharpness.slanted_edge_ratio import sfr_ratios
from kukkiri.sharpness.slanted_edge_result import Channel, Sfr, SfrCurve
from kukkiri.sharpness.slanted_edge_spread import EdgeLine, gathered

Array = NDArray[np.float64]
# Recommendation ITU-R BT.709, for light; BT.601 for values that may not be linear.
BT709 = (0.2126, 0.7152, 0.0722)
CHANNELS: tuple[Channel, ...] = ("red", "green", "blue")
# Channels that nowhere differ by more are those of a grey picture.
GREY = 1.5 / 255
# What is warned of: share of pixels that are clipped, or that a table of an OECF does not reach; response above 1.
CLIPPED, OVERSHOOT = 0.005, 0.03


class Measuring:
    """The edges of one picture.

    Parameters
    ----------
    image : image-like
    oecf : Oecf
    reference : image-like, optional
    order : int, optional
        Of the polynomial that follows an edge.
    """

    def __init__(self, image: ImageLike, oecf: Oecf, reference: ImageLike | None, order: int | None) -> None:
        self.image, self.oecf, self.order = _detached(image), oecf, order
        # What is wrong with it must be said once, and not taken for an edge that cannot be measured.
        linearise(np.zeros((1, 1, 1)), oecf, self.image.bit_depth)
        self.reference = None if reference is None else _detached(reference)
        size = (self.image.width, self.image.height)
        if self.reference is not None and (self.reference.width, self.reference.height) != size:
            raise ShapeError(
                expected=f"a reference of {size[0]}×{size[1]} pixels, as the picture has",
                got=f"{self.reference.width}×{self.reference.height}",
                fix="take both with the same framing, or crop them alike",
            )

    def edge(self, box: Box, upright: bool | None = None) -> Sfr:
        """The edge that divides a region; if nobody knows which way it lies, it must be clear that it is one."""
        box.checked_inside(self.image.height, self.image.width)
        named = upright is None
        found = _measured(self.image, box, self.oecf, self.order, upright, named)
        if self.reference is None:
            return found
        same = _measured(self.reference, box, self.oecf, self.order, found.orientation == "vertical", named)
        return replace(found, ratios=sfr_ratios(found, same))

    def found(self, mask: Any, most: int, on_edge: Callable[[int, int], None] | None) -> tuple[Sfr, ...]:
        """The best edges of the picture."""
        from kukkiri.sharpness.field_measuring import mask_of

        hidden = mask_of(self.image, mask)
        grey = _weighted(self.image.pixels.numpy(), BT601)
        places = find_edges(grey, left_out=None if hidden is None else hidden.numpy(), most=most)
        edges: list[Sfr] = []
        trouble: InputError | None = None
        for number, place in enumerate(places):
            try:
                edge = self.edge(place.box, place.upright)
            except InputError as error:
                trouble = error
            else:
                if is_usable(edge):
                    edges.append(replace(edge, upper_bound=edge.upper_bound or place.narrow))
            if on_edge is not None:
                on_edge(number + 1, len(places))
        if not edges and places:
            pixels = self.image.pixels[:, *places[0].box.slices].double().numpy()
            check_table(pixels, self.oecf, self.image.bit_depth)
        if not edges and trouble is not None and self.reference is not None:
            raise trouble
        if not edges:
            raise InputError(
                expected="a straight edge, tilted by 1.5° to 30°, of 24 pixels or more, with flat sides",
                got="none in this picture",
                fix="name the region of one with roi=(x, y, width, height), or --roi X,Y,WIDTH,HEIGHT",
            )
        return tuple(edges)


def _detached(source: ImageLike) -> Image:
    """The picture, free of gradients and on the processor."""
    image = as_image(source)
    return replace(image, pixels=image.pixels.detach().cpu())


def _step(grey: Array, curve: EdgeCurve, line: EdgeLine) -> float:
    """Difference of the sides in the values as they are: light may be in any unit."""
    values, where = gathered(grey, line, curve.reach)
    sides = (values[(sign * where >= curve.flat) & np.isfinite(values)] for sign in (-1, 1))
    left, right = (float(side.mean()) if side.size else math.nan for side in sides)
    return abs(right - left)


def _weighted(pixels: NDArray[Any], weights: tuple[float, float, float]) -> Array:
    """One plane of one or three."""
    if len(pixels) == 1:
        return np.asarray(pixels[0], np.float64)
    red, green, blue = (w * np.asarray(plane, np.float64) for w, plane in zip(weights, pixels))
    return np.asarray(red + green + blue)


def _measured(image: Image, box: Box, oecf: Oecf, order: int | None, upright: bool | None, named: bool) -> Sfr:
    raw = image.pixels[:, *box.slices].double().numpy()
    outside = check_table(raw, oecf, image.bit_depth)
    light = np.asarray(linearise(raw, oecf, image.bit_depth), np.float64)
    coloured = len(raw) == 3 and float(np.ptp(raw, axis=0).max()) > GREY
    luma = _weighted(light, BT601 if oecf is None else BT709)
    upright = is_upright(luma) if upright is None else upright
    planes: list[tuple[Channel, Array, Array]] = []
    if coloured:
        planes += [(name, light[i], raw[i][None]) for i, name in enumerate(CHANNELS)]
    planes.append(("luma", luma, raw if coloured else raw[:1]))
    if not upright:
        planes = [(name, values.T, digital.transpose(0, 2, 1)) for name, values, digital in planes]
    curve, line = response(planes[-1][1], locate(planes[-1][1], order))
    if named:
        check_edge(curve, line, order)
    found = [_channel("luma", curve, line, line, planes[-1][2])]
    uneven = line.unevenness(curve.noise)
    warnings = warnings_of(curve, line, uneven, _step(_weighted(planes[-1][2], BT601), curve, line))
    if outside > CLIPPED:
        warnings += (f"beyond the OECF: {outside:.1%} of the pixels lie outside its table, their light is not known",)
    for name, values, digital in reversed(planes[:-1]):
        try:
            its, own = response(values, locate(values, order))
        except InputError:  # what is an edge in luma may be none in red, say
            warnings += (f"{name}: no edge stands out from the noise",)
        else:
            found.insert(0, _channel(name, its, own, line, digital))
    return Sfr(
        box=box,
        orientation="vertical" if upright else "horizontal",
        angle=math.degrees(math.atan(line.slope)),
        rows=line.rows,
        bend=line.bend if line.order > 1 else 0.0,
        unevenness=uneven,
        upper_bound=curve.short,
        curves=tuple(found),
        pixel_size=image.pixel_size,
        oecf=name_of(oecf),
        line=_points(line, box, upright),
        warnings=warnings,
        patch=_weighted(raw, BT601),
    )


def _channel(name: Channel, curve: EdgeCurve, line: EdgeLine, luma: EdgeLine, digital: Array) -> SfrCurve:
    blocks = -(-line.rows // ROWS_A_BLOCK)
    quantile = float(t.ppf(0.95, max(1, blocks - 1)))
    values: dict[str, Any] = {}
    for key, level in (("mtf50", 0.5), ("mtf10", 0.1)):
        at, error = crossing(curve.sfr, level), crossing_error(curve.replicates, level)
        at = at if math.isfinite(at) else math.nan
        # Rows that all see the edge at like places within a pixel agree on what may be aliased.
        error = error if curve.cycles >= 1 else math.inf
        half = quantile * error
        interval = (max(0.0, at - half), at + half) if math.isfinite(at) else (math.nan, math.nan)
        values |= {key: at, f"{key}_error": error, f"{key}_interval": interval}
    # Beyond the frequency at which it has fallen to one half a response does not rise again but by noise and aliasing.
    fallen = np.flatnonzero(curve.sfr < 0.5)
    top = int(np.argmax(curve.sfr[: max(1, int(fallen[0]))] if len(fallen) else curve.sfr))
    warnings = []
    clipped = float(((digital <= 0) | (digital >= 1)).any(0).mean())
    if clipped > CLIPPED:
        warnings.append(f"clipped: {clipped:.1%} of the pixels are at the lowest or highest value")
    if curve.sfr[top] > 1 + max(OVERSHOOT, 3 * float(curve.sfr_error[top])):
        warnings.append(f"overshoot: the SFR peaks at {curve.sfr[top]:.2f}: sharpened, or a side is not flat")
    middle = np.array([(line.first + line.last - 1) / 2])
    return SfrCurve(
        channel=name,
        **values,
        nyquist=float(np.interp(0.5, FREQUENCIES, curve.sfr)),
        peak=float(curve.sfr[top]),
        rise=_rise(curve),
        low=curve.low,
        high=curve.high,
        contrast=(curve.high - curve.low) / (curve.high + curve.low) if curve.high + curve.low > 0 else math.nan,
        noise=curve.noise,
        shift=float((line.at(middle) - luma.at(middle))[0]) * luma.cosine,
        sfr=curve.sfr,
        sfr_error=curve.sfr_error,
        distance=curve.distance,
        esf=curve.esf,
        lsf=curve.lsf,
        warnings=tuple(warnings),
    )


def _rise(curve: EdgeCurve) -> float:
    """From the last 10 % before the middle to the first 90 % after it, pixels."""
    # The dark side may be on the right: then the way from 0 to 1 goes to the left.
    rising = curve.esf if curve.esf[-1] > curve.esf[0] else curve.esf[::-1]
    middle = len(rising) // 2
    before, after = np.flatnonzero(rising[:middle] <= 0.1), np.flatnonzero(rising[middle:] >= 0.9)
    if len(before) == 0 or len(after) == 0 or after[0] == 0:
        return math.nan
    i, j = int(before[-1]), middle + int(after[0])
    start = i + (0.1 - rising[i]) / (rising[i + 1] - rising[i])
    end = j - (rising[j] - 0.9) / (rising[j] - rising[j - 1])
    return float(end - start) * float(curve.distance[1] - curve.distance[0])


def _points(line: EdgeLine, box: Box, upright: bool) -> tuple[tuple[float, float], ...]:
    """Of a straight line its two ends, of a bent one some between them as well."""
    rows = np.linspace(line.first, line.last - 1.0, 2 if line.order == 1 else 17)
    points = zip(line.at(rows).tolist(), rows.tolist())
    ordered = ((across, down) if upright else (down, across) for across, down in points)
    return tuple((x + box.left, y + box.top) for x, y in ordered)
