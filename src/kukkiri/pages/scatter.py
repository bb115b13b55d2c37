"""The geometry of a scatter chart with curves: ticks, points and paths in the units of its drawing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 640, 440
# Room for the labels: left, right, top, bottom.
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 16, 12, 52
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
        Drawn as lines, where they lie within the heights of the points.
    most : int
    """
    across = _Axis([p[0] for p in points], _LEFT, WIDTH - _RIGHT)
    up = _Axis([p[1] for p in points], HEIGHT - _BOTTOM, _TOP)
    plain = [p for p in points if not p[3]]
    kept = plain if len(plain) <= most else [plain[i * len(plain) // most] for i in range(most)]
    chosen = [*kept, *(p for p in points if p[3])]
    paths = []
    for name, line in curves:
        inside = [(across.place(x), up.place(y)) for x, y in line if up.low <= y <= up.high]
        paths.append((name, "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in inside) if inside else ""))
    return Scatter(
        across=across.ticks,
        up=up.ticks,
        dots=tuple(Dot(round(across.place(x), 1), round(up.place(y), 1), tip, mark) for x, y, tip, mark in chosen),
        paths=tuple(paths),
        total=len(points),
    )


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
