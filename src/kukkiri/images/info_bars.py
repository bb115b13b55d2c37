"""Info bars: the strip along a border where a microscope's software writes voltage, magnification, date and scale.

A bar is a strip of a few exact levels, its upper edge a straight line over the full width, with letters in it, beside a
picture that is not made of exact levels. All of these must hold together. Everything here looks for a bar along the
bottom; the other borders are looked at through flipped and transposed views.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from kukkiri.images.recorded import LEVEL, Flags, Planes, distance, natural_share

LARGEST_SHARE = 0.25  # of the picture's height; makers' bars take 3 to 15 %
RINGING = 9 * LEVEL  # how far JPEG of quality 90 and more moves a constant level beside letters
CALM = 4 * LEVEL  # mean deviation in a row of a bar that only the picture's ringing has reached; pictures have more


@dataclass(frozen=True)
class Strip:
    """A strip that ends at the last row, from `start` on: its levels and how exactly they are kept.

    `levels` is (K, C), the commonest first; `tolerance` is how far a pixel of a constant area may be from its level.
    """

    start: int
    levels: NDArray[np.float32]
    tolerance: float


def common_levels(samples: Planes, least: float, most: int = 4) -> NDArray[np.float32]:
    """The commonest exact colours (K, C) of (C, N) samples that each hold at least the share `least`."""
    key = samples[min(1, samples.shape[0] - 1)]  # green stands for the colour while counting
    bins = (key * 255 + 0.5).astype(np.uint8)
    counts = np.bincount(bins, minlength=256)
    chosen: list[int] = []
    for k in np.argsort(-counts, kind="stable")[: 4 * most].tolist():
        if counts[k] < least * key.size or len(chosen) == most:
            break
        if all(abs(k - other) > 8 for other in chosen):  # neighbours of a level are its noise
            chosen.append(k)
    return np.array([np.median(samples[:, bins == k], axis=1) for k in chosen], np.float32).reshape(
        -1, samples.shape[0]
    )


def border_is_flat(planes: Planes) -> bool:
    """Whether one level takes a large share of the rows just above the last ones: the cheap first question."""
    return len(_border_levels(planes, 0.3)) > 0


def _border_levels(planes: Planes, least: float) -> NDArray[np.float32]:
    height, width = planes.shape[1:]
    # The very last rows may show the picture: some makers let the bar float a little above the border.
    near, far = max(3, height // 200), max(10, height * 3 // 100)
    rows = slice(height - far, height - near, max(1, (far - near) // 8))
    sample = planes[:, rows, :: max(1, width // 512)]
    return common_levels(sample.reshape(planes.shape[0], -1), least)


def find_strip(planes: Planes, exact: float) -> Strip | None:
    """The strip of exact levels along the last rows, if the rows look like one.

    Parameters
    ----------
    planes : (C, H, W), values in [0, 1]
    exact : float
        Half a step of the source's bit depth.

    Returns
    -------
    Strip or None
        Letters are not asked for here.
    """
    height, width = planes.shape[1:]
    levels = _border_levels(planes, 0.06)
    if len(levels) == 0:
        return None
    top = height - int(height * LARGEST_SHARE)
    region = np.ascontiguousarray(planes[:, top:, :: max(1, width // 1024)])
    tolerance = _tolerance(region[:, -max(10, height * 3 // 100) :], levels, exact)
    rows = _classify(region, levels, tolerance)
    edge = _walk_up(region, rows, levels, tolerance, max(4, height // 100))
    if edge is None or edge < 3 or edge > region.shape[1] - 8:
        return None  # the strip goes on further than bars do, or is too thin for letters
    # Compressed bars ring into the rows next to them.
    edge = max(3, _sharpen_edge(region, rows, edge) - 2) if tolerance > LEVEL else _with_blended_row(region, edge)
    return Strip(top + edge, levels, tolerance)


def _tolerance(strip: Planes, levels: NDArray[np.float32], exact: float) -> float:
    """`exact` where the strip's levels are kept exactly, `RINGING` where compression has touched them."""
    d = np.minimum.reduce([distance(strip, level) for level in levels])
    beside = np.count_nonzero((d > exact) & (d <= RINGING))
    # Smooth letters leave a few such pixels, the blocks of JPEG many around each letter.
    compressed = beside > 0.001 * d.size and beside > 0.1 * np.count_nonzero(d > RINGING)
    return RINGING if compressed and exact > 0.1 * LEVEL else exact


@dataclass(frozen=True)
class _Rows:
    ruled: Flags  # constant over the full width, or in a few long pieces
    barlike: Flags  # mostly the bar's own levels
    spread: NDArray[np.float32]  # mean distance from the row's own level or the strip's, capped at 0.1
    uneven: NDArray[np.float32]  # share of pixels that are at none of them
    level: NDArray[np.float32]  # (C, rows): the row's own level


def _classify(region: Planes, levels: NDArray[np.float32], tolerance: float) -> _Rows:
    _, rows, width = region.shape
    label = np.zeros((rows, width), np.int8)
    near = np.zeros((rows, width), bool)
    away = np.full((rows, width), 0.1, np.float32)
    for k, level in enumerate(levels):
        d = distance(region, level)
        label[d <= tolerance] = k + 1
        near |= (d > tolerance) & (d <= 8 * LEVEL)
        np.minimum(away, d, out=away)
    share = (label > 0).mean(1)
    changes = np.count_nonzero(label[:, 1:] != label[:, :-1], axis=1)
    columns = np.linspace(width * 0.03, width * 0.97, 15).astype(int)
    own = np.median(region[:, :, columns], axis=2)
    d = np.abs(region[0] - own[0][:, None])
    for channel in range(1, region.shape[0]):
        np.maximum(d, np.abs(region[channel] - own[channel][:, None]), out=d)
    constant = 0.95 if tolerance < LEVEL else 0.9
    in_pieces = (share >= constant) & (changes <= 0.03 * width + 8)
    in_one = (d <= tolerance).mean(1) >= constant
    # A line of another level is thin; more such rows are a picture that is constant there.
    foreign = in_one & ~in_pieces
    for first, last, kind in _runs(foreign.astype(np.int8)):
        if kind and last - first > max(4, rows // 16):
            in_one[first:last] = False
    d = np.minimum(d, away) if len(levels) > 1 else np.minimum(d, 0.1)  # boxes may differ in level
    spread = d.mean(1)
    ruled = in_pieces | in_one
    if tolerance > LEVEL:
        # A black picture is noisier than a black bar.
        end = slice(-max(10, rows // 8), None)
        lowest = spread[end][ruled[end]]
        limit = max(1.2 * LEVEL, 2.5 * float(np.median(lowest)) if lowest.size else 0.0)
        ruled &= spread <= limit
    # A dark picture on a black bar is a cloud of levels just beside the bar's, which no drawn bar has.
    cloudy = (near & (label == 0)).mean(1) > 0.12 if tolerance < LEVEL else np.zeros(rows, bool)
    return _Rows(ruled, (share >= 0.35) & ~cloudy, spread, (d > 0.5 * LEVEL).mean(1, dtype=np.float32), own)


def _runs(code: NDArray[np.int8]) -> list[tuple[int, int, int]]:
    cuts = [0, *(np.flatnonzero(np.diff(code)) + 1).tolist(), len(code)]
    return [(a, b, int(code[a])) for a, b in pairwise(cuts)]


def _walk_up(region: Planes, rows: _Rows, levels: NDArray[np.float32], tolerance: float, slack: int) -> int | None:
    """The uppermost ruled row that can be reached from the border through ruled rows and rows of letters."""
    code = np.where(rows.ruled, 2, np.where(rows.barlike, 1, 0)).astype(np.int8)
    edge: int | None = None
    line: int | None = None
    padding, tallest = 0, region.shape[1] // 10
    lettered = False
    for first, last, kind in reversed(_runs(code)):
        if kind == 2 and (edge is None or last - first >= 2 or _is_line(rows, levels, tolerance, first)):
            split = _noisy_above(rows.uneven[first:last]) if tolerance > LEVEL else 0
            line = _uppermost_line(rows, levels, tolerance, first + split, last)
            if edge is None:
                padding = last - first
            elif (
                line is None
                and last - first - split > 3 * padding + 4
                and not _is_cut(region, levels, tolerance, first)
            ):
                return max(
                    first, last - padding - 1
                )  # the constant rows are the picture's: letters stand centred in their bar
            edge = first + split
            if split:
                break
        elif edge is None and last - first <= slack and last == len(code):
            continue  # the picture shows below a floating bar, or its frame does
        elif kind == 1 and (
            last - first <= 2
            or _is_ink(region[:, first:last], levels, tolerance, 2 * tallest + 4 if lettered else region.shape[1] // 2)
        ):
            cut = code[first - 1] == 0 and _is_cut(region, levels, tolerance, first)
            calm = float(rows.spread[first : first + 2].max()) <= CALM
            if edge is not None and tolerance > LEVEL and cut and (calm or not lettered):
                edge = first  # compression has left no constant row above the letters
            lettered = True
            tallest = max(tallest, last - first)
        elif last - first > 2:
            break
    if edge is not None and line is not None and line - edge > max(2, slack // 2):
        return line  # the constant rows above the frame's line belong to the picture
    return edge


def _is_line(rows: _Rows, levels: NDArray[np.float32], tolerance: float, row: int) -> bool:
    return bool(np.abs(rows.level[:, row] - levels[0]).max() > max(0.1, tolerance))


def _is_cut(region: Planes, levels: NDArray[np.float32], tolerance: float, first: int) -> bool:
    """Whether much of the row above differs from the strip: a straight edge, not the tip of a thing in the picture."""
    if first < 2:
        return False
    return bool((distance(region[:, first - 2], levels[0]) > max(tolerance, 2 * LEVEL)).mean() > 0.25)


def _noisy_above(uneven: NDArray[np.float32]) -> int:
    """How many rows at the start of a constant run are faintly noisy: a black picture on a black bar (JPEG only)."""
    count = len(uneven)
    if count < 16:
        return 0
    sums, n = np.cumsum(uneven, dtype=np.float64), np.arange(1, count)
    upper, lower = sums[:-1] / n, (sums[-1] - sums[:-1]) / (count - n)
    gain = n * (count - n) * (upper - lower) * np.abs(upper - lower)  # two constant segments, the upper the noisier
    split = int(np.argmax(gain)) + 1
    rough, calm = float(np.quantile(uneven[:split], 0.2)), float(np.median(uneven[split:]))
    # The ringing of letters reaches less far than 12 rows, and letters fill less of a ruled row.
    return split if split >= 12 and rough > 1.5 * calm + 0.2 else 0


def _uppermost_line(rows: _Rows, levels: NDArray[np.float32], tolerance: float, first: int, last: int) -> int | None:
    differs = np.abs(rows.level[:, first:last] - levels[0][:, None]).max(0) > max(0.1, tolerance)
    index = np.flatnonzero(differs)
    return first + int(index[0]) if len(index) and len(index) < last - first else None


def _is_ink(part: Planes, levels: NDArray[np.float32], tolerance: float, most_rows: int) -> bool:
    """Whether rows (C, rows, W) hold letters on the strip's levels rather than a specimen on black."""
    if part.shape[1] > most_rows:
        return False
    rows, width = part.shape[1:]
    other: Flags = np.ones((rows, width), bool)
    for level in levels:
        other &= distance(part, level) > max(tolerance, 8 * LEVEL)
    count = np.count_nonzero(other)
    if count < 0.004 * other.size:
        return True
    # Strokes are narrow; large letters and logos may be wide, but then they are of one exact level.
    padded = np.zeros((rows, width + 1), np.int8)
    padded[:, :-1] = other
    ends = np.flatnonzero(np.diff(padded.ravel(), prepend=np.int8(0)))
    lengths = ends[1::2] - ends[0::2]
    narrow = lengths[lengths <= max(4, width // 40)].sum()
    if float(narrow) >= 0.5 * count:
        return True
    bins = (part[min(1, part.shape[0] - 1)][other] * 255 + 0.5).astype(np.uint8)
    histogram = np.bincount(bins, minlength=256)
    if tolerance > LEVEL:
        return bool(np.convolve(histogram, np.ones(9, int), "same").max() >= 0.3 * count)
    return bool(histogram.max() >= 0.12 * count)


def _sharpen_edge(region: Planes, rows: _Rows, edge: int) -> int:
    """Where in the 8×8 block around `edge` the picture ends, from the jump of the rows' spread (JPEG only)."""
    if edge < 12:
        return edge
    first = edge - 9
    inside, outside = (
        float(np.median(rows.spread[edge : edge + 3])),
        float(np.median(rows.spread[max(0, first - 16) : first])),
    )
    if outside > 1.5 * inside + LEVEL:
        limit = max((max(inside, 0.5 * LEVEL) * outside) ** 0.5, min(2.5 * LEVEL, 0.7 * outside))
        while edge > first and rows.spread[edge - 1] < limit:
            edge -= 1
        return edge
    means = region[:, first - 1 : edge + 1].mean((0, 2))
    jumps = np.abs(np.diff(means))
    return first + int(np.argmax(jumps)) if jumps.max() > 20 * LEVEL else edge


def _with_blended_row(region: Planes, edge: int) -> int:
    """Take in the row above if it is a mixture of the strip and the picture."""
    if edge < 3:
        return edge
    count = region.shape[2] // 32
    if count < 2:
        return edge
    blocks = region[:, edge - 3 : edge + 1, : count * 32].reshape(region.shape[0], 4, count, 32).mean(3)
    full = blocks[:, 3] - blocks[:, :2].mean(1)
    part = blocks[:, 2] - blocks[:, :2].mean(1)
    energy = float((full**2).mean())
    if energy < (12 * LEVEL) ** 2:
        return edge  # the two are of one brightness: nothing to see, and no harm
    return edge - 1 if float((full * part).mean()) > 0.25 * energy else edge


def is_constant_above(planes: Planes, strip: Strip) -> bool:
    """Whether nothing at all is seen just above the strip: a specimen on clipped black, say."""
    part = planes[:, max(0, strip.start - max(16, planes.shape[1] // 20) - 2) : max(0, strip.start - 2)]
    return float(np.ptp(part, axis=(1, 2)).max()) <= max(0.05, strip.tolerance) if part.size else False


def edge_is_picture(planes: Planes, strip: Strip) -> bool:
    """Whether what lies just above the strip looks recorded."""
    depth = max(16, planes.shape[1] // 20)
    above = planes[:, max(0, strip.start - depth - 2) : max(0, strip.start - 2)]
    return natural_share(above, min(strip.tolerance, 0.5 * LEVEL)) >= 0.4


def ink_mask(planes: Planes, strip: Strip) -> Flags:
    """Pixels of a strip (C, h, w) that differ strongly from its backgrounds: letters, marks and lines."""
    far = distance(planes, strip.levels[0])
    reach = float(far.max())
    threshold = max(0.5 * reach, 0.15)
    mask = far > threshold
    for level in strip.levels[1:]:
        # A level that fills boxes is a background too; one that makes letters is not.
        same = distance(planes, level) <= strip.tolerance
        if same.mean() > 0.25:
            mask &= ~same
    return mask


def ink_is_exact(planes: Planes, strip: Strip, ink: Flags) -> bool:
    """Whether ink (h, w) is of a few exact levels where strokes are thick enough to show them.

    Things in front of a blown background have shades and grain of their own.
    """
    core = ndimage.binary_erosion(ink, np.ones((3, 3), bool))
    core[:4] = False  # compressed strips start a little early: that is the picture
    if np.count_nonzero(core) < max(40, 0.1 * np.count_nonzero(ink)):
        return True  # thin strokes: nothing to tell
    samples = planes[:, core]
    levels = common_levels(samples, 0.1)
    if len(levels) == 0:
        return False
    away = np.minimum.reduce([distance(samples, level) for level in levels])
    return bool((away <= strip.tolerance).mean() >= 0.8)


def view_from(planes: Planes, side: str) -> Planes:
    """The picture turned so that the border `side` comes last."""
    views: dict[str, Any] = {
        "bottom": lambda p: p,
        "top": lambda p: p[:, ::-1],
        "right": lambda p: p.swapaxes(1, 2),
        "left": lambda p: p.swapaxes(1, 2)[:, ::-1],
    }
    view: Planes = views[side](planes)
    return view
