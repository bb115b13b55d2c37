"""The logistic curves that lay scores on a scale of opinions before they are correlated (VQEG; Sheikh et al. 2006).

Both are a step g of two nonlinear parameters (where, how steep), times an amplitude, plus a straight part. The straight
part and the amplitude are solved for, so that only two parameters are searched: over a grid, then by least squares. No
fit is worse than the straight line, which both curves contain, the four-parameter one as its limit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from kukkiri.errors import InputError
from kukkiri.evaluation.logistic_search import LIMIT, Array, Rows, descend, grid, together, valleys

Kind = Literal["linear", "logistic-4", "logistic-5"]

# Free parameters of each, and so the least number of different scores, with two to spare.
PARAMETERS: dict[str, int] = {"linear": 2, "logistic-4": 4, "logistic-5": 5}
SPARE = {"linear": 0, "logistic-4": 2, "logistic-5": 2}
# Centres (of few scores one in every gap) and steepnesses of the grid; its valleys that are gone down into, and those
# of them with all scores.
_GRID, _VALLEYS, _REFINED = (97, 14), 32, 4
# The gain, a part of the error, that ends a descent: from the grid, and from a given start.
_SETTLED, _NEARLY = 1e-12, 1e-8
# Parts of the squared error: less than this is no better; of the range: less than this is no turn.
_BETTER = 1e-9
TURN = 0.01


@dataclass(frozen=True)
class Curve:
    """A curve from scores to opinions.

    Parameters
    ----------
    kind : 'linear' | 'logistic-4' | 'logistic-5'
        What was asked for.
    parameters : tuple of float
        Four: b1, b2, b3, b4 of `(b1 − b2)/(1 + exp(−(x − b3)/|b4|)) + b2` (VQEG). Five: b1 … b5 of
        `b1·(1/2 − 1/(1 + exp(b2·(x − b3)))) + b4·x + b5` (Sheikh, Sabir, Bovik, IEEE TIP 15(11), 2006, eq. 11). Two:
        slope and intercept, also where no logistic is better than the straight line.
    monotone : bool
        Between the least and the greatest score it goes back by no more than `TURN` of its range. One that turns
        flatters a metric.
    rising : bool
        It is higher at the greatest score than at the least.
    """

    kind: Kind
    parameters: tuple[float, ...]
    monotone: bool
    rising: bool

    @property
    def straight(self) -> bool:
        """Whether it is a straight line."""
        return len(self.parameters) == PARAMETERS["linear"]

    def __call__(self, scores: ArrayLike) -> Array:
        """The opinions that belong to these scores."""
        x = np.asarray(scores, np.float64)
        if self.straight:
            slope, intercept = self.parameters
            return np.asarray(slope * x + intercept)
        if len(self.parameters) == PARAMETERS["logistic-4"]:
            high, low, centre, width = self.parameters
            return np.asarray((high - low) * _step(x, centre, 1 / abs(width)) + (high + low) / 2)
        amplitude, steepness, centre, slope, intercept = self.parameters
        return np.asarray(amplitude * _step(x, centre, steepness) + slope * x + intercept)


def fit(scores: ArrayLike, opinions: ArrayLike, kind: Kind, *, start: Curve | None = None) -> Curve | None:
    """The curve of least squares.

    Parameters
    ----------
    scores, opinions : array, (n,)
        Finite.
    kind : 'linear' | 'logistic-4' | 'logistic-5'
    start : Curve, optional
        A curve of the same kind to begin at, instead of the search: for many fits of nearly the same data.

    Returns
    -------
    Curve or None
        None of fewer different scores than free parameters and two (a line needs two), or of opinions that are all
        equal.

    Raises
    ------
    InputError
        If the lengths differ, a value is not finite, or the kind is not known.
    """
    x, y = np.asarray(scores, np.float64), np.asarray(opinions, np.float64)
    if kind not in PARAMETERS:
        raise InputError(expected=f"a curve: {', '.join(PARAMETERS)}", got=repr(kind), fix="choose one")
    if x.ndim != 1 or x.shape != y.shape or not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise InputError(
            expected="as many finite opinions as finite scores",
            got=f"arrays of shapes {x.shape} and {y.shape}",
            fix="leave out the pairs in which one is missing",
        )
    spread = float(x.std()) if len(x) else 0.0
    if len(np.unique(x)) < PARAMETERS[kind] + SPARE[kind] or spread == 0 or np.ptp(y) == 0:
        return None
    centre = float(x.mean())
    u = (x - centre) / spread
    line, error = _solved(np.stack([u, np.ones_like(u)], 1), y)
    if kind != "linear":
        found = _search(u, y, kind, None if start is None else standard(start, centre, spread))
        if found is not None and found[2] < error * (1 - _BETTER):
            return _curve(kind, found[0], found[1], u, centre, spread)
    slope = float(line[0]) / spread
    return Curve(kind, (slope, float(line[1]) - slope * centre), True, slope > 0)


def _step(x: Array, centre: float, steepness: float) -> Array:
    """The logistic step, from −1/2 to 1/2."""
    return np.asarray(np.tanh(np.clip(steepness / 2 * (x - centre), -40, 40)) / 2)


def _design(u: Array, kind: Kind, centre: float, steepness: float) -> Array:
    columns = [_step(u, centre, steepness), np.ones_like(u)]
    return np.stack([columns[0], u, columns[1]] if kind == "logistic-5" else columns, 1)


def _solved(design: Array, y: Array) -> tuple[Array, float]:
    """Linear parameters of least squares, and the sum of squared residuals."""
    found = np.asarray(np.linalg.lstsq(design, y, rcond=None)[0], np.float64)
    residual = y - design @ found
    return found, float(residual @ residual)


def _search(
    u: Array, y: Array, kind: Kind, start: tuple[float, float] | None
) -> tuple[tuple[float, float], Array, float] | None:
    """Centre and steepness, linear parameters, squared error: the best of several valleys."""
    rows = Rows(u, y[None], np.ones((1, len(u))), kind == "logistic-5")
    if start is None:
        starts = _starts(u, y, kind)
        point, _ = _best(rows, starts, _SETTLED)
        point = _polished(rows, point)
    else:
        point, _ = _best(rows, np.array([[start[0], math.log(start[1])]]), _NEARLY)
    where = float(point[0]), math.exp(point[1])
    linear, error = _solved(_design(u, kind, *where), y)
    return (where, linear, error) if math.isfinite(error) else None


def _starts(u: Array, y: Array, kind: Kind) -> Array:
    """Where to begin, (n, 2): the bottoms of the valleys that neighbouring scores taken together show."""
    place = together(u)
    weight = np.bincount(place).astype(np.float64)
    means = [np.bincount(place, values) / weight for values in (u, y)]
    rows = Rows(means[0], means[1][None], weight[None], kind == "logistic-5")
    begin = valleys(rows, grid(u, *_GRID), _VALLEYS)
    found, errors = descend(rows, begin, settled=_SETTLED)
    found = found[np.argsort(errors, kind="stable")[:_REFINED]]
    if kind == "logistic-5":
        # It contains the curve of four parameters, so that it may never be worse.
        simpler = _search(u, y, "logistic-4", None)
        if simpler is not None:
            found = np.concatenate([found, [[simpler[0][0], math.log(simpler[0][1])]]])
    return found


def _best(rows: Rows, starts: Array, settled: float) -> tuple[Array, float]:
    found, errors = descend(rows, starts, settled=settled)
    best = int(np.argmin(np.where(np.isfinite(errors), errors, np.inf)))
    return found[best], float(errors[best])


def _polished(rows: Rows, begin: Array) -> Array:
    """The very bottom: where residuals are large, the steps of the descent are slow at the end."""
    from scipy.optimize import minimize

    scale = float(np.sum((rows.y - rows.y.mean()) ** 2))

    def error(point: Array) -> float:
        inside = np.array([[point[0], min(max(point[1], -LIMIT), LIMIT)]])
        return float(rows.errors(inside)[0]) / scale

    corners = begin + np.array([[0, 0], [0.01, 0], [0, 0.01]])
    options = {"initial_simplex": corners, "xatol": 1e-7, "fatol": 1e-13, "maxiter": 200}
    found = np.asarray(minimize(error, begin, method="Nelder-Mead", options=options).x)
    found[1] = min(max(found[1], -LIMIT), LIMIT)
    return found if error(found) < error(begin) else begin


def standard(curve: Curve, centre: float, spread: float) -> tuple[float, float] | None:
    """Centre and steepness of a curve in standard units; None of a straight one."""
    if curve.straight:
        return None
    steepness = 1 / abs(curve.parameters[3]) if curve.kind == "logistic-4" else abs(curve.parameters[1])
    return (curve.parameters[2] - centre) / spread, max(steepness * spread, 1e-6)


def _curve(kind: Kind, where: tuple[float, float], linear: Array, u: Array, centre: float, spread: float) -> Curve:
    """The published parameters, on the scale of the scores."""
    middle, steepness = centre + where[0] * spread, where[1] / spread
    amplitude = float(linear[0])
    if kind == "logistic-4":
        offset = float(linear[1])
        ends = (offset + amplitude / 2, offset - amplitude / 2)
        return Curve(kind, (*ends, middle, 1 / steepness), True, amplitude > 0)
    slope = float(linear[1]) / spread
    heights = _design(_turns(where, linear, u), kind, *where) @ linear
    way = np.diff(heights)
    rising = bool(heights[-1] > heights[0])
    back = float(np.abs(way[way < 0] if rising else way[way > 0]).sum())
    parameters = (amplitude, steepness, middle, slope, float(linear[2]) - slope * centre)
    return Curve(kind, parameters, back <= TURN * float(np.ptp(heights)), rising)


def _turns(where: tuple[float, float], linear: Array, u: Array) -> Array:
    """The ends, and between them the points where a curve of five parameters turns.

    Its derivative is amplitude·steepness·(1/4 − g²) + slope, which is 0 at two values of g, if at any.
    """
    ends = [float(u.min()), float(u.max())]
    squared = 0.25 + linear[1] / (linear[0] * where[1]) if linear[0] else -1.0
    if not 0 < squared < 0.25:
        return np.array(ends)
    away = 2 * math.atanh(2 * math.sqrt(squared)) / where[1]
    between = [turn for turn in (where[0] - away, where[0] + away) if ends[0] < turn < ends[1]]
    return np.array([ends[0], *between, ends[1]])
