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
from numpy.typing import ArrayLike, NDArray

from kukkiri.errors import InputError

Array = NDArray[np.float64]
Kind = Literal["linear", "logistic-4", "logistic-5"]

# Free parameters of each, and so the least number of different scores, with two to spare.
PARAMETERS: dict[str, int] = {"linear": 2, "logistic-4": 4, "logistic-5": 5}
_SPARE = {"linear": 0, "logistic-4": 2, "logistic-5": 2}
# The grid: centres at these quantiles of the scores and one standard deviation beyond them; steepness in units of it.
_QUANTILES = np.linspace(0, 1, 11)
_STEEPNESS = np.geomspace(0.25, 60, 12)
# Of so many scores every one is on the grid; the search needs no more to find the valley.
_SEARCHED = 1000
_REFINED = 3
# Of the descent: most steps; the gain, a part of the error, that ends it, from the grid and from a given start; the
# damping at which no step helps; limit of |log steepness|; what is nearly 0.
_STEPS, _SETTLED, _NEARLY, _STUCK, _LIMIT, _TINY = 100, 1e-12, 1e-8, 1e6, 9.0, 1e-13
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
    if len(np.unique(x)) < PARAMETERS[kind] + _SPARE[kind] or spread == 0 or np.ptp(y) == 0:
        return None
    centre = float(x.mean())
    u = (x - centre) / spread
    line, error = _solved(np.stack([u, np.ones_like(u)], 1), y)
    if kind != "linear":
        found = _search(u, y, kind, None if start is None else _standard(start, centre, spread))
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
    best = None
    for begin in _grid(u, y, kind) if start is None else [start]:
        where = _descend(u, y, kind, begin, settled=_SETTLED if start is None else _NEARLY)
        linear, error = _solved(_design(u, kind, *where), y)
        if math.isfinite(error) and (best is None or error < best[2]):
            best = where, linear, error
    if best is None or start is not None:
        return best
    where = _polished(u, y, kind, best[0])
    linear, error = _solved(_design(u, kind, *where), y)
    return (where, linear, error) if error < best[2] else best


def _polished(u: Array, y: Array, kind: Kind, where: tuple[float, float]) -> tuple[float, float]:
    """The very bottom: where residuals are large, the steps of the descent are slow at the end."""
    from scipy.optimize import minimize

    scale = float(np.sum((y - y.mean()) ** 2))

    def error(point: Array) -> float:
        inside = np.array([point[0], min(max(point[1], -_LIMIT), _LIMIT)])
        return _at(u, y, kind, inside)[-1] / scale

    begin = np.array([where[0], math.log(where[1])])
    corners = begin + np.array([[0, 0], [0.01, 0], [0, 0.01]])
    options = {"initial_simplex": corners, "xatol": 1e-7, "fatol": 1e-13, "maxiter": 200}
    found = minimize(error, begin, method="Nelder-Mead", options=options).x
    return float(found[0]), math.exp(min(max(float(found[1]), -_LIMIT), _LIMIT))


def _descend(u: Array, y: Array, kind: Kind, begin: tuple[float, float], settled: float) -> tuple[float, float]:
    """To the bottom of a valley: Levenberg and Marquardt's steps in two parameters, the linear ones solved for in each.

    Variable projection with Kaufman's Jacobian (BIT 15, 1975): what the linear parameters can follow is taken off it.
    """
    point, damping = np.array([begin[0], math.log(begin[1])]), 1e-3
    here = _at(u, y, kind, point)
    for _ in range(_STEPS):
        design, gram, linear, residual, error = here
        rise = linear[0] * math.exp(point[1]) * (0.25 - design[:, 0] ** 2)
        jacobian = np.stack([-rise, rise * (u - point[0])], 1)
        jacobian -= design @ np.linalg.solve(gram, design.T @ jacobian)
        square = jacobian.T @ jacobian
        scale = np.diag(square) + _TINY * (np.trace(square) + _TINY)
        step = np.linalg.solve(square + np.diag(damping * scale + _TINY * scale), jacobian.T @ residual)
        there = point + np.clip(step, -2, 2)
        there[1] = min(max(there[1], -_LIMIT), _LIMIT)
        next_ = _at(u, y, kind, there)
        if next_[-1] < error:
            point, here, damping = there, next_, damping / 5
            if error - next_[-1] < settled * error:
                break
        elif damping > _STUCK:
            break
        else:
            damping *= 5
    return float(point[0]), math.exp(point[1])


def _at(u: Array, y: Array, kind: Kind, point: Array) -> tuple[Array, Array, Array, Array, float]:
    """Design, its Gram matrix, linear parameters, residual and squared error at a centre and logarithm of steepness."""
    design = _design(u, kind, float(point[0]), math.exp(point[1]))
    gram = design.T @ design
    # A little of a ridge: a step as wide as the data can hardly be told from the straight part.
    gram[np.diag_indices_from(gram)] *= 1 + _TINY
    gram[np.diag_indices_from(gram)] += _TINY * len(y)
    linear = np.asarray(np.linalg.solve(gram, design.T @ y), np.float64)
    residual = y - design @ linear
    return design, gram, linear, residual, float(residual @ residual)


def _grid(u: Array, y: Array, kind: Kind) -> list[tuple[float, float]]:
    """The best points of the grid, each in a valley of its own as far as the grid can tell."""
    if len(u) > _SEARCHED:
        chosen = np.argsort(u, kind="stable")[:: -(-len(u) // _SEARCHED)]
        u, y = u[chosen], y[chosen]
    ends = (u.min() - 1, u.max() + 1)
    centres = np.unique([ends[0], *np.quantile(u, _QUANTILES), ends[1]])
    errors = np.array([[_at(u, y, kind, np.array([c, math.log(k)]))[-1] for k in _STEEPNESS] for c in centres])
    padded = np.pad(errors, 1, constant_values=np.inf)
    around = [padded[1 + i : 1 + i + errors.shape[0], 1 + j : 1 + j + errors.shape[1]] for i, j in _NEIGHBOURS]
    valleys = np.argwhere(errors <= np.min(around, axis=0))
    order = sorted(valleys.tolist(), key=lambda at: float(errors[at[0], at[1]]))
    return [(float(centres[i]), float(_STEEPNESS[j])) for i, j in order[:_REFINED]]


_NEIGHBOURS = [(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1) if (i, j) != (0, 0)]


def _standard(curve: Curve, centre: float, spread: float) -> tuple[float, float] | None:
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
