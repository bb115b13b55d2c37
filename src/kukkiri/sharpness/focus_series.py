"""Focus over a series: the blur of each frame, the best one, and the optimum between them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from kukkiri.errors import InputError, ShapeError, one_line
from kukkiri.sharpness.estimating import Estimator, default_estimator, without_maps
from kukkiri.sharpness.focus_fit import Optimum

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.figure import Figure

    from kukkiri.images.image import ImageLike
    from kukkiri.sharpness.blur import Blur

Verdict = Literal["single-peaked", "several minima", "at the start", "at the end", "indeterminate"]


@dataclass(frozen=True)
class FocusSeries:
    """A focus curve and what it says. Everything that has one value a frame is in the order of the frames.

    Parameters
    ----------
    positions : tuple of float
        Of the frames, in `unit`.
    sigma : tuple of float
        Blur sizes, pixels; NaN where a frame gave none.
    intervals : tuple of (float, float)
        90 %, pixels.
    bounds : tuple of None | 'below' | 'above'
        Where `sigma` is only a bound.
    abstained : tuple of None | str
        Why a frame gave no blur size.
    best : int or None
        The frame of least blur; of those that are not told apart, the nearest to the optimum. Frames that are 'above'
        or abstained count as blurrier than all measured ones.
    optimum : float
        Position of least blur between the frames; NaN unless it lies inside the series.
    optimum_interval : (float, float)
        90 %, of the position.
    verdict : 'single-peaked' | 'several minima' | 'at the start' | 'at the end' | 'indeterminate'
        Minima count as several only if the curve between them is above both beyond error. 'at the start': the curve
        rises from the lowest position on, so that a better one may lie before it. Seven frames or more are told apart
        by their scatter about each other, for most of what an interval allows for is common to all frames of a scene;
        fewer by their intervals.
    statement : str
        The same in a plain sentence.
    minima : tuple of int
        The best frame of each separate minimum, in order of position.
    unit : str
        Of the positions; 'frame' if they are only numbers of frames.
    names : tuple of str
        Of the frames.
    fit : Optimum or None
        The curve through the frames near the best one.
    """

    positions: tuple[float, ...]
    sigma: tuple[float, ...]
    intervals: tuple[tuple[float, float], ...]
    bounds: tuple[Literal["below", "above"] | None, ...]
    abstained: tuple[str | None, ...]
    best: int | None
    optimum: float
    optimum_interval: tuple[float, float]
    verdict: Verdict
    statement: str
    minima: tuple[int, ...] = ()
    unit: str = "frame"
    names: tuple[str, ...] = ()
    fit: Optimum | None = field(default=None, repr=False)

    def to_row(self) -> dict[str, Any]:
        """A JSON-ready dict; NaN is None, infinity 'Infinity'."""
        from kukkiri.metrics.score import json_number

        return {
            "verdict": self.verdict,
            "statement": self.statement,
            "best": self.best,
            "best_name": self.names[self.best] if self.best is not None and self.names else None,
            "best_position": None if self.best is None else self.positions[self.best],
            "optimum": json_number(self.optimum),
            "optimum_lo": json_number(self.optimum_interval[0]),
            "optimum_hi": json_number(self.optimum_interval[1]),
            "model": None if self.fit is None else self.fit.model,
            "minima": list(self.minima),
            "unit": self.unit,
            "names": list(self.names),
            "positions": list(self.positions),
            "sigma": [json_number(v) for v in self.sigma],
            "sigma_lo": [json_number(lo) for lo, _ in self.intervals],
            "sigma_hi": [json_number(hi) for _, hi in self.intervals],
            "bounds": list(self.bounds),
            "abstained": list(self.abstained),
        }

    def figure(self) -> Figure:
        """The curve with its intervals, the best frame and the optimum."""
        from kukkiri.sharpness.focus_figure import series_figure

        return series_figure(self)

    def __repr__(self) -> str:
        return f"FocusSeries({len(self.positions)} frames, {self.statement})"


def focus_series(
    images: Iterable[ImageLike] | str | Path,
    positions: Sequence[float] | None = None,
    *,
    unit: str | None = None,
    names: Sequence[str] | None = None,
    mask: Any = None,
    estimator: Estimator | None = None,
    on_frame: Callable[[int, Blur], None] | None = None,
) -> FocusSeries:
    """Which frame of a focus series is sharpest, and where between the frames the optimum lies.

    Parameters
    ----------
    images : iterable of image-likes, or path
        The frames; a file of several planes stands for all of them, in their order.
    positions : sequence of float, optional
        Focus positions of the frames, in any order; default: 0, 1, 2, …
    unit : str, optional
        Of the positions; only said, not computed with.
    names : sequence of str, optional
        Of the frames; default: the names of their files, with the planes: 'stack.tif [2]'.
    mask : None | 'auto' | Boolean (H, W)
        True where pixels must not count, as in `kk.blur`.
    estimator : optional
        What tells the blur of a frame; default: `kukkiri-blur`.
    on_frame : function, optional
        Called with the number of each frame and its `Blur`.

    Returns
    -------
    FocusSeries

    Raises
    ------
    InputError
        If there are no frames, or it is a single array, or there are not as many positions or names as frames (said
        before anything is measured, unless `images` is an iterator), or positions that are not finite.
    KukkiriError
        If a frame cannot be read.
    """
    from kukkiri.sharpness.frames import count_pictures, each_picture

    _check_finite(positions)
    listed = {"position": positions, "name": names}
    given = {what: len(values) for what, values in listed.items() if values is not None}
    count = count_pictures(images) if given else None
    if count is not None:
        _check_count(given, count)
    teller = estimator or default_estimator()
    blurs, found = [], []
    for index, (name, image) in enumerate(each_picture(images)):
        if index >= min(given.values(), default=index + 1):
            _check_count(given, index + 1, " or more")
        blur = teller.estimate(image, mask=mask)
        if on_frame is not None:
            on_frame(index, blur)
        blurs.append(without_maps(blur))
        found.append(name or f"frame {index}")
    return series_of(blurs, positions, unit=unit, names=found if names is None else names)


def series_of(
    blurs: Sequence[Blur],
    positions: Sequence[float] | None = None,
    *,
    unit: str | None = None,
    names: Sequence[str] | None = None,
) -> FocusSeries:
    """The same from blurs that are known already; parameters as of `focus_series`."""
    from kukkiri.sharpness.focus_verdict import FocusCurve

    if not blurs:
        raise InputError(expected="frames", got="none", fix="name at least one picture")
    where = [float(v) for v in (range(len(blurs)) if positions is None else positions)]
    called = tuple(names) if names is not None else tuple(f"frame {i}" for i in range(len(blurs)))
    _check_count({"position": len(where), "name": len(called)}, len(blurs))
    _check_finite(where)
    return FocusCurve(blurs, where, unit or ("frame" if positions is None else ""), called).judged()


def _check_count(given: Mapping[str, int], count: int, more: str = "") -> None:
    """Raise ShapeError unless there are as many positions and names as frames."""
    for what, number in given.items():
        if number != count:
            raise ShapeError(
                expected=f"a {what} for each of {count}{more} frames", got=str(number), fix="give as many as frames"
            )


def _check_finite(positions: Sequence[float] | None) -> None:
    if positions is not None and not all(map(math.isfinite, positions)):
        raise InputError(
            expected="finite positions",
            got=one_line([float(v) for v in positions], 80),
            fix="leave out frames whose place is not known",
        )
