"""Lines of letters in a Boolean mask: connected components of like height that stand on one base line."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from kukkiri.images.masks import Box
from kukkiri.images.recorded import Flags

LEAST_HEIGHT = 5  # px; below, letters cannot be told from specks
PICKETS = 0.9  # share of equal boxes at one pitch in a line; letters have less
POSTS = 0.7  # share of full rectangles in a line; of letters only I, l and dashes are
MOST_COMPONENTS = 1500  # more are noise or a printed page


@dataclass(frozen=True)
class Line:
    """Letters that stand side by side.

    `box` holds all of them, `height` is that of the tallest, px. `even` is the share of letters that have one of the
    two commonest heights (capitals and digits, small letters), `close` the share of gaps under half a height.
    `alike` is the share of letters with the commonest box and pitch: nearly 1 for pickets and marks of a ruler,
    `solid` the share that fill their boxes: posts of whatever width.
    """

    box: Box
    count: int
    height: int
    components: tuple[int, ...]
    even: float = 1.0
    close: float = 1.0
    alike: float = 0.0
    solid: float = 0.0

    def has_letters(self) -> bool:
        """Whether the shapes vary as letters do."""
        return self.alike < PICKETS and self.solid < POSTS


def find_lines(
    mask: Flags, *, least: int = 3, most_height: int | None = None, most: int = MOST_COMPONENTS
) -> tuple[list[Line], NDArray[np.int32]]:
    """Lines of at least `least` letters.

    Parameters
    ----------
    mask : (H, W)
        True on ink.
    least : int
        Letters a line.
    most_height : int, optional
        Taller components are frames or content.
    most : int
        More letters are texture or a page: no lines then.

    Returns
    -------
    (list of Line, (H, W) of int32)
        The lines, and the number of the component that each pixel belongs to, from 1.
    """
    numbered, count = ndimage.label(mask, np.ones((3, 3), int), output=np.int32)
    if count < least or count > 8 * most:
        return [], numbered
    areas = np.bincount(numbered.ravel(), minlength=count + 1)[1:]
    found = ndimage.find_objects(numbered)
    boxes = np.array([(s[0].start, s[0].stop, s[1].start, s[1].stop) for s in found])
    top, bottom, left, right = boxes.T
    tall, wide = bottom - top, right - left
    limit = mask.shape[0] if most_height is None else most_height
    letters = (tall >= LEAST_HEIGHT) & (tall <= limit) & (wide <= 2 * tall + 2) & (tall <= 12 * wide)
    letters &= areas >= 0.14 * tall * wide
    index = np.flatnonzero(letters)
    if len(index) < least or len(index) > most:
        return [], numbered
    index = index[np.argsort(left[index], kind="stable")]
    lines: list[Line] = []
    free = np.ones(len(index), bool)
    b, t, h = bottom[index], top[index], tall[index]
    for i in np.argsort(-h, kind="stable"):  # the tallest stands for its line
        if not free[i]:
            continue
        slack = max(1.0, 0.07 * h[i])
        like = free & (np.abs(b - b[i]) <= slack) & (h >= 0.5 * h[i])
        members = np.flatnonzero(like)
        if len(members) < least:
            continue
        gaps = left[index[members[1:]]] - right[index[members[:-1]]]
        for part in np.split(members, np.flatnonzero(gaps > 2 * h[i]) + 1):
            # Digits and capitals share their height as well as their base.
            if len(part) < least or np.count_nonzero(np.abs(t[part] - np.median(t[part])) <= slack) < 0.5 * len(part):
                continue
            free[part] = False
            chosen = index[part]
            y0, x0 = int(top[chosen].min()), int(left[chosen].min())
            box = Box(y0, x0, int(bottom[chosen].max()) - y0, int(right[chosen].max()) - x0)
            between = left[chosen[1:]] - right[chosen[:-1]]
            close = float((between <= 0.5 * h[part].max()).mean())
            numbers = tuple(int(k) + 1 for k in chosen)
            alike = _likeness(np.stack([tall[chosen], wide[chosen]], 1), left[chosen])
            solid = float((areas[chosen] >= 0.9 * tall[chosen] * wide[chosen]).mean())
            lines.append(Line(box, len(part), int(h[part].max()), numbers, _evenness(h[part]), close, alike, solid))
    return lines, numbered


def _likeness(sizes: NDArray[np.intp], left: NDArray[np.intp]) -> float:
    """Share of letters whose height and width, and whose distance to the next, are the middle ones or nearly so."""
    pitch = np.diff(left)
    same = (np.abs(sizes - np.median(sizes, axis=0)) <= 1 + 0.05 * sizes).all(1)
    spaced = np.abs(pitch - np.median(pitch)) <= 1 + 0.05 * pitch
    return float(min(same.mean(), spaced.mean()))


def _evenness(heights: NDArray[np.intp]) -> float:
    """Share of letters within a pixel (or 5 %) of one of the two commonest heights."""
    like = np.abs(heights[:, None] - heights[None, :]) <= np.maximum(1, 0.05 * heights[:, None])
    first = like[int(like.sum(1).argmax())]
    rest = like[~first][:, ~first]
    second = int(rest.sum(1).max()) if rest.size else 0
    return float((np.count_nonzero(first) + second) / len(heights))


@dataclass(frozen=True)
class Runs:
    """Row segments of ink: row, first column, column behind the last."""

    row: NDArray[np.intp]
    first: NDArray[np.intp]
    stop: NDArray[np.intp]

    def __getitem__(self, chosen: Flags | NDArray[np.intp]) -> Runs:
        return Runs(self.row[chosen], self.first[chosen], self.stop[chosen])


def runs_of(mask: Flags) -> Runs:
    """All maximal True segments of the rows of (H, W)."""
    height, width = mask.shape
    padded = np.zeros((height, width + 1), bool)
    padded[:, :width] = mask
    flat = padded.ravel()
    ends = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    if flat[0]:
        ends = np.concatenate([[0], ends])
    starts, stops = ends[0::2], ends[1::2]
    return Runs(starts // (width + 1), starts % (width + 1), stops % (width + 1))
