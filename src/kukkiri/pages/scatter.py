"""The geometry of a scatter chart with curves: ticks, points and paths in the units of its drawing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

WIDTH, HEIGHT = 640, 440
# Room for the labels, which are larger on a phone: left, right, top, bottom.
_LEFT, _RIGHT, _TOP, _BOTTOM = 88, 16, 12, 60
_TICKS = 6
# More circles than this make a page slow and show no more.
MOST = 4000


@dataclass(frozen=True)
class Tick:
    """A place on an axis, and what is written there."""

    place: float
    label: str


@dataclass(frozen=True)
class Dot:
    """A point: its place, what it says when it is pointed at, and whether it stands out."""

    x: float
    y: float
    tip: str
    marked: bool


@dataclass(frozen=True)
class Scatter:
    """What the template draws."""

    across: tuple[Tick, ...]
    up: tuple[Tick, ...]
    dots: tuple[Dot, ...]
    paths: tuple[tuple[str, str], ...]
    total: int
    width: int = WIDTH
    height: int = HEIGHT
    left: int = _LEFT
    right: int = WIDTH - _RIGHT
    top: int = _TOP
    bottom: int = HEIGHT - _BOTTOM


def scatter(
    points: Sequence[tuple[float, float, str, bool]],
    curves: Sequence[tuple[str, Sequence[tuple[float, float]]]] = (),
    *,
    most: int = MOST,
) -> Scatter:
    """Lay out points and curves.

    Parameters
    ----------
    points : sequence of (x, y, tip, marked)
        Finite. Of more than `most` an even choice is drawn; marked ones always are, and on top.
    curves : sequence of (name, points)
        Drawn as lines, cut where they leave the heights of the points.
    most : int
    """
    across = _Axis([p[0] for p in points], _LEFT, WIDTH - _RIGHT)
    up = _Axis([p[1] for p in points], HEIGHT - _BOTTOM, _TOP)
    plain = [p for p in points if not p[3]]
    kept = plain if len(plain) <= most else [plain[i * len(plain) // most] for i in range(most)]
    chosen = [*kept, *(p for p in points if p[3])]
    paths = [(name, _path(line, across, up)) for name, line in curves]
    return Scatter(
        across=across.ticks,
        up=up.ticks,
        dots=tuple(Dot(round(across.place(x), 1), round(up.place(y), 1), tip, mark) for x, y, tip, mark in chosen),
        paths=tuple(paths),
        total=len(points),
    )


def _path(line: Sequence[tuple[float, float]], across: _Axis, up: _Axis) -> str:
    """A line, cut at the heights of the frame; after a gap the pen is lifted."""
    pieces: list[str] = []
    pen: tuple[float, float] | None = None
    for (x0, y0), (x1, y1) in pairwise(line):
        # The parts of the way, from 0 to 1, at which it enters the frame and leaves it.
        ends = sorted((edge - y0) / (y1 - y0) for edge in (up.low, up.high)) if y0 != y1 else [0.0, 1.0]
        begin, end = max(0.0, ends[0]), min(1.0, ends[1])
        if begin > end or (y0 == y1 and not up.low <= y0 <= up.high):
            continue
        ways = [(x0 + part * (x1 - x0), y0 + part * (y1 - y0)) for part in (begin, end)]
        if pen is None or begin > 0 or pen != (x0, y0):
            pieces.append(f"M{across.place(ways[0][0]):.1f} {up.place(ways[0][1]):.1f}")
        pieces.append(f"L{across.place(ways[1][0]):.1f} {up.place(ways[1][1]):.1f}")
        pen = (x1, y1) if end == 1 else None
    return "".join(pieces)


class _Axis:
    def __init__(self, values: Sequence[float], start: float, end: float) -> None:
        low, high = min(values, default=0.0), max(values, default=1.0)
        room = (high - low) * 0.04 or abs(high) * 0.06 or 0.5
        self.low, self.high = low - room, high + room
        self._start, self._end = start, end
        step = _nice((self.high - self.low) / _TICKS)
        places = range(math.ceil(self.low / step), math.floor(self.high / step) + 1)
        digits = max(0, -math.floor(math.log10(step) + 1e-9))
        large = max(abs(self.low), abs(self.high)) >= 1e6 or digits > 5
        self.ticks = tuple(
            Tick(
                round(self.place(i * step), 1),
                f"{i * step:.3g}" if large else f"{i * step:.{digits}f}".replace("-", "−"),
            )
            for i in places
        )

    def place(self, value: float) -> float:
        """Where on the drawing a value lies."""
        return self._start + (value - self.low) / (self.high - self.low) * (self._end - self._start)


def _nice(step: float) -> float:
    """The next of 1, 2, 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= step * (1 - 1e-9))
