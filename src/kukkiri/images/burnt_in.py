"""Scale bars and text burnt into a picture: drawn in one extreme colour, with edges sharper than any lens makes.

What is recorded may be saturated, straight, or shaped like letters; only what is drawn is all of these, has one exact
colour, and passes from ink to picture within a pixel.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from kukkiri.images.glyphs import Line, Runs, find_lines, runs_of
from kukkiri.images.masks import Box
from kukkiri.images.recorded import LEVEL, Flags, Planes, distance

CONTRAST = 0.15  # least difference between ink and picture
COMPRESSED = 14 * LEVEL  # how far JPEG of quality 90 and more moves the core of a stroke
LEAST_LETTERS = 5  # in a line without a scale bar
MOST_LINES = 12  # more is a page, a screen or a drawing
MOST_SLOW = 0.12  # share of slow edges; letters that were drawn have up to 0.07, photographed ones 0.3 and more


@dataclass(frozen=True)
class Ink:
    """A colour (C,) that may be ink, and how far its pixels may be from it."""

    colour: NDArray[np.float32]
    tolerance: float


def _contrast(planes: Planes, ink: Ink, row: NDArray[np.intp], column: NDArray[np.intp]) -> NDArray[np.float32]:
    c = np.clip(column, 0, planes.shape[2] - 1)
    contrast: NDArray[np.float32] = np.abs(planes[:, row, c] - ink.colour[:, None]).max(0)
    return contrast


def inks(planes: Planes, depth: int) -> Iterator[tuple[Ink, Flags]]:
    """Extreme colours of the picture that few enough pixels have, with those pixels.

    Grey: the least and the largest value that occur. RGB: the eight corners of the colour cube.
    """
    slack = COMPRESSED if depth == 8 else 0.5 * LEVEL
    if planes.shape[0] == 1:
        plane = planes[0]
        lowest, highest = float(plane.min()), float(plane.max())
        yield Ink(np.array([highest], np.float32), slack), plane >= highest - slack
        yield Ink(np.array([lowest], np.float32), slack), plane <= lowest + slack
        return
    high, low = planes >= 1 - slack, planes <= slack
    white, black = high[0] & high[1] & high[2], low[0] & low[1] & low[2]
    yield Ink(np.ones(3, np.float32), slack), white
    yield Ink(np.zeros(3, np.float32), slack), black
    extreme = high | low
    vivid = extreme[0] & extreme[1] & extreme[2]
    vivid &= ~white & ~black
    if np.count_nonzero(vivid) < 24:
        return
    code = high[0] * 4 + high[1] * 2 + high[2]
    counts = np.bincount(code[vivid], minlength=8)
    for k in np.flatnonzero(counts >= 24):
        yield Ink(np.array([k >> 2 & 1, k >> 1 & 1, k & 1], np.float32), slack), vivid & (code == k)


def find_burnt_in(planes: Planes, depth: int) -> list[tuple[str, Box]]:
    """Scale bars and text lines.

    Parameters
    ----------
    planes : (C, H, W), values in [0, 1]
        The picture without its info bars.
    depth : int
        Bits of the source.

    Returns
    -------
    list of (kind, Box)
        'scale-bar' or 'text'.
    """
    height, width = planes.shape[1:]
    step = 2 if height < 1200 else 4  # strokes and bars are at least that many rows high
    every = np.ascontiguousarray(planes[:, ::step])
    texts: list[Box] = []
    bars: list[Box] = []
    for ink, mask in inks(every, depth):
        count = np.count_nonzero(mask)
        if count < 12 or count > 0.6 * mask.size:
            continue
        # What is drawn reaches its colour exactly; the brightest of a picture that is not clipped do not. (JPEG turns
        # colours a little.)
        near = 0.5 * LEVEL if planes.shape[0] == 1 else 4 * LEVEL
        flat = np.flatnonzero(mask)
        exact = np.ones(len(flat), bool)
        for channel, level in zip(every, ink.colour, strict=True):
            exact &= np.abs(channel.ravel()[flat] - level) <= near
        if np.count_nonzero(exact) < max(12, 0.02 * count):
            continue
        runs = runs_of(mask)
        if len(runs.row) > mask.size // 12:
            continue
        runs = runs[(runs.first >= 4) & (runs.stop <= width - 4)]
        for side, sign in (("first", -1), ("stop", 1)):  # one after the other: the first leaves few
            end = getattr(runs, side) - (side == "stop")
            runs = runs[_contrast(every, ink, runs.row, end + 2 * sign) >= CONTRAST]
        length = runs.stop - runs.first
        bar_like = _scale_bars(planes, ink, runs[length >= max(16, width // 50)], depth, step)
        strokes = runs[length <= max(12, width // 12)]
        strokes = strokes[_is_abrupt(every, ink, strokes)]
        lines = [] if len(strokes.row) < 8 else _text(planes, ink, strokes, depth, bar_like, step)
        bars += [bar for bar in bar_like if any(_near(bar, line.box, 5 * line.height) for line in lines)]
        beside = [line for line in lines if any(_near(bar, line.box, 5 * line.height) for bar in bar_like)]
        for line in lines:
            if line in beside or (line.count >= LEAST_LETTERS and not _is_touching(line, texts)):
                texts.append(line.box)
    if len(texts) > MOST_LINES:
        return []
    return [("scale-bar", grown(b, 2, height, width)) for b in bars] + [
        ("text", grown(t, 3 + t.height // 8, height, width)) for t in texts
    ]


def _is_abrupt(planes: Planes, ink: Ink, runs: Runs) -> Flags:
    """Runs that have left the ink for good two pixels beyond either end: lenses take longer."""
    good = np.ones(len(runs.row), bool)
    for near, far in ((runs.first - 2, runs.first - 4), (runs.stop + 1, runs.stop + 3)):
        good &= _contrast(planes, ink, runs.row, near) >= 0.75 * _contrast(planes, ink, runs.row, far)
    return good


def _is_touching(line: Line, boxes: list[Box]) -> bool:
    return any(_near(line.box, box, 0) for box in boxes)


def _near(a: Box, b: Box, reach: int) -> bool:
    return (
        a.top - reach < b.top + b.height
        and b.top - reach < a.top + a.height
        and a.left - reach < b.left + b.width
        and b.left - reach < a.left + a.width
    )


def grown(box: Box, margin: int, height: int, width: int) -> Box:
    """The box with a margin, within the picture."""
    top, left = max(0, box.top - margin), max(0, box.left - margin)
    bottom, right = min(height, box.top + box.height + margin), min(width, box.left + box.width + margin)
    return Box(top, left, bottom - top, right - left)


def _scale_bars(planes: Planes, ink: Ink, runs: Runs, depth: int, step: int) -> list[Box]:
    """Solid rectangles among the long runs (whose rows count by `step`)."""
    height = planes.shape[1]
    found: list[Box] = []
    seen: set[tuple[int, int]] = set()
    for row, first, stop in zip((step * runs.row).tolist(), runs.first.tolist(), runs.stop.tolist()):
        key = (first // 3, stop // 3)
        if key in seen or len(seen) > 40:
            continue
        seen.add(key)
        reach = (stop - first) // 6 + 2
        y0, y1 = max(0, row - reach), min(height, row + reach + 1)
        part = planes[:, y0:y1, first:stop]
        solid = ((distance(part, ink.colour) <= ink.tolerance).mean(1) >= 0.985).tolist()
        here = row - y0
        if not solid[here]:
            continue
        up, down = here, here
        while up > 0 and solid[up - 1]:
            up -= 1
        while down + 1 < len(solid) and solid[down + 1]:
            down += 1
        thick = down - up + 1
        top, bottom = y0 + up, y0 + down + 1
        if thick < 2 or thick * 6 > stop - first or top < 3 or bottom > height - 3:
            continue
        beyond = distance(planes[:, [top - 2, bottom + 1], first:stop], ink.colour) >= CONTRAST
        ends = distance(planes[:, top:bottom, [first - 2, stop + 1]], ink.colour) >= CONTRAST
        core = distance(planes[:, top:bottom, first:stop], ink.colour)
        exact = (core <= 0.5 * LEVEL).mean() >= (0.9 if depth != 8 else 0.25)
        if beyond.mean(1).min() >= 0.7 and ends.mean() >= 0.85 and exact:
            found.append(Box(top, first, thick, stop - first))
    return found


def _text(planes: Planes, ink: Ink, strokes: Runs, depth: int, bars: list[Box], step: int) -> list[Line]:
    """Lines of drawn letters where strokes are dense."""
    height, width = planes.shape[1:]
    cell = max(32, width // 32)
    shape = (height // cell + 1, width // cell + 1)
    flat = (step * strokes.row) // cell * shape[1] + strokes.first // cell
    counts = np.bincount(flat, minlength=shape[0] * shape[1]).reshape(shape)
    busy = counts >= 3
    if not busy.any() or busy.mean() > 0.3:
        return []
    areas, number = ndimage.label(ndimage.binary_dilation(busy, np.ones((3, 3), bool)), np.ones((3, 3), int))
    lines: list[Line] = []
    total = ndimage.sum_labels(counts, areas, np.arange(1, number + 1))
    found_areas = ndimage.find_objects(areas, number)
    for k in np.argsort(-total)[:16].tolist():
        if total[k] < 8:
            break
        rows, columns = found_areas[k]
        y0, x0 = rows.start * cell, columns.start * cell
        window = planes[:, y0 : min(height, rows.stop * cell), x0 : min(width, columns.stop * cell)]
        away = distance(window, ink.colour)
        for bar in bars:  # so that letters that stand on the bar stay letters
            top, left = bar.top - y0, bar.left - x0
            away[max(0, top) : max(0, top + bar.height), max(0, left) : max(0, left + bar.width)] = 1
        # Thin smooth strokes reach their colour only here and there: look at wider bounds too.
        for bound in (ink.tolerance, 0.25, 0.45):
            mask = away <= bound
            found, numbered = find_lines(mask, least=2 if bars else 3, most_height=max(12, height // 8), most=400)
            for line in found:
                if _is_drawn(window, ink, mask, numbered, line, depth, 3 if bars else 5):
                    whole = _extended(line, away <= 0.45)
                    box = Box(whole.top + y0, whole.left + x0, whole.height, whole.width)
                    base = y0 + line.box.top + line.box.height
                    box = _with_neighbours(planes, ink, box, base, line.height)
                    _add(lines, Line(box, line.count, line.height, ()))
    return lines


def _with_neighbours(planes: Planes, ink: Ink, box: Box, base: int, h: int) -> Box:
    """The box with the glyphs to its left and right that share the line's ink, height and base, up to two words off."""
    first, last = max(0, base - h - h // 4), min(planes.shape[1], base + 2)
    away = distance(planes[:, first:last], ink.colour)
    numbered, _ = ndimage.label(away <= 0.3, np.ones((3, 3), int))
    glyphs: list[tuple[int, int]] = []
    for k, place in enumerate(ndimage.find_objects(numbered)):
        rows, columns = place
        tall, wide = rows.stop - rows.start, columns.stop - columns.start
        like = 0.6 * h <= tall <= 1.1 * h + 1 and abs(first + rows.stop - base) <= 1 and wide <= 2 * tall
        # A glyph has a core of the ink itself; what is merely bright has not.
        if like and rows.start > 0 and (away[place][numbered[place] == k + 1] <= ink.tolerance).mean() >= 0.3:
            glyphs.append((columns.start, columns.stop))
    left, right = box.left, box.left + box.width
    for start, stop in sorted(glyphs):
        if start >= left and right < stop and start - right <= 3 * h:
            right = stop
    for start, stop in sorted(glyphs, reverse=True):
        if start < left and left - stop <= 3 * h:
            left = start
    return Box(box.top, left, box.height, right - left)


def _extended(line: Line, mask: Flags) -> Box:
    """The line's box with what stands beside it in the same band: letters that were not recognised, stops, signs."""
    height = mask.shape[0]
    h = line.box.height
    band = slice(max(0, line.box.top - h // 4), min(height, line.box.top + h + h // 3))
    used: Flags = np.asarray(mask[band].any(0))
    left, right = line.box.left, line.box.left + line.box.width
    for _ in range(64):
        before = np.flatnonzero(used[max(0, left - h) : left])
        behind = np.flatnonzero(used[right : right + h])
        if not len(before) and not len(behind):
            break
        left = max(0, left - h) + int(before[0]) if len(before) else left
        right = right + int(behind[-1]) + 1 if len(behind) else right
    else:
        return line.box
    if right - left > line.box.width + 8 * h:  # that is the picture, not text
        return line.box
    rows = np.flatnonzero(mask[band, left:right].any(1))
    top = min(line.box.top, band.start + int(rows[0]))
    bottom = max(line.box.top + h, band.start + int(rows[-1]) + 1)
    return Box(top, left, bottom - top, right - left)


def _add(lines: list[Line], new: Line) -> None:
    """Keep the wider of two lines that overlap, over the box of both."""
    for i, old in enumerate(lines):
        if _near(old.box, new.box, 0):
            top, left = min(old.box.top, new.box.top), min(old.box.left, new.box.left)
            bottom = max(old.box.top + old.box.height, new.box.top + new.box.height)
            right = max(old.box.left + old.box.width, new.box.left + new.box.width)
            box = Box(top, left, bottom - top, right - left)
            lines[i] = Line(box, max(old.count, new.count), max(old.height, new.height), ())
            return
    lines.append(new)


def _is_drawn(
    window: Planes, ink: Ink, mask: Flags, numbered: NDArray[np.int32], line: Line, depth: int, least: int
) -> bool:
    """Joint evidence that a line of letter-like components was drawn, not recorded."""
    if line.count >= LEAST_LETTERS and not line.has_letters():
        return False
    box = grown(line.box, max(1, line.height // 4), *mask.shape)
    inner = numbered[box.slices]
    own = np.isin(inner, line.components)
    # Within the line, what is not a letter is a part of one; around it, it is saturated texture.
    within = np.count_nonzero(mask[line.box.slices])
    around = np.count_nonzero(mask[box.slices]) - within
    ring = own.size - line.box.height * line.box.width
    if around * line.box.height * line.box.width > 0.15 * within * ring or np.count_nonzero(own) < 0.4 * within:
        return False
    edges = _edge_profile(window, ink, own, box)
    if edges is None or line.even < 0.8 or line.close < 0.6:
        return False
    profile, abrupt, widths = edges
    if profile[3] < CONTRAST or profile[1] < 0.85 * profile[3] or abrupt < 0.8:
        return False
    if _slow_edges(window, ink, own, box) > MOST_SLOW:
        return False
    if np.median(widths) > 0.45 * line.height or np.mean(widths > 4 * np.median(widths) + 2) > 0.15:
        return False
    # Only a drawn stroke is constant to the last bit; compression is allowed to spoil the thin ones.
    core = distance(window[:, *box.slices], ink.colour)[own]
    exact, close = float((core <= 0.5 * LEVEL).mean()), float((core <= ink.tolerance).mean())
    if exact >= 0.2 and exact >= 0.4 * close:
        return True
    return depth == 8 and close >= 0.3 and line.count >= least


def _slow_edges(window: Planes, ink: Ink, own: Flags, box: Box) -> float:
    """Share of the straight edges of the strokes that take more than one pixel from ink to picture, 0..1.

    Anti-aliasing leaves one mixed pixel on an edge along the grid; a lens leaves two or more, even where the letters
    are clipped. Upright and level edges count alike.
    """
    margin = 5
    top, left = min(margin, box.top), min(margin, box.left)
    rows = slice(box.top - top, min(window.shape[1], box.top + box.height + margin))
    columns = slice(box.left - left, min(window.shape[2], box.left + box.width + margin))
    away = distance(window[:, rows, columns], ink.colour)
    inside = np.zeros(away.shape, bool)
    inside[top : top + box.height, left : left + box.width] = own
    slow = total = 0
    views = ((away, inside), (away[:, ::-1], inside[:, ::-1]), (away.T, inside.T), (away.T[:, ::-1], inside.T[:, ::-1]))
    for values, mask in views:
        ends = mask[:, :-1] & ~mask[:, 1:]
        straight = ends[1:-1] & ends[:-2] & ends[2:]
        row, column = np.nonzero(straight[:, 2 : values.shape[1] - 4])
        near = np.array([values[row + 1, column + d] for d in range(1, 7)])  # from 1 px inside to 4 px outside
        beyond = 0.5 * (near[4] + near[5])
        kept = beyond >= CONTRAST
        inner, last, first, second = near[:4, kept] / beyond[kept]
        slow += int(np.count_nonzero((first < 0.88) & ((second < 0.88) | (last > 0.12))))
        # What grain makes darker it makes brighter as often: take that off.
        slow -= int(np.count_nonzero((first > 1.12) & ((second > 1.12) | (last > 0.12))))
        thick = mask[row[kept] + 1, column[kept]]
        slow += int(np.count_nonzero(thick & (last > 0.12) & (inner > 0.12) & (first >= 0.88)))
        total += len(first)
    return slow / total if total >= 8 else 0.0


def _edge_profile(
    window: Planes, ink: Ink, own: Flags, box: Box
) -> tuple[NDArray[np.float64], float, NDArray[np.intp]] | None:
    """Mean contrast 1 to 4 px outside the strokes' left and right ends, share of abrupt ends, the strokes' widths."""
    runs = runs_of(own)
    if len(runs.row) < 8:
        return None
    rows = runs.row + box.top
    width = window.shape[2]
    left, right = runs.first + box.left, runs.stop + box.left
    samples = np.array(
        [
            np.concatenate(
                [
                    _contrast(window, ink, rows[left >= d], left[left >= d] - d),
                    _contrast(window, ink, rows[right + d <= width], right[right + d <= width] + d - 1),
                ]
            ).mean()
            if (left >= d).any() and (right + d <= width).any()
            else 0.0
            for d in (1, 2, 3, 4)
        ]
    )
    second = np.concatenate([_contrast(window, ink, rows, left - 2), _contrast(window, ink, rows, right + 1)])
    return samples, float((second >= 0.5 * samples[3]).mean()), runs.stop - runs.first
