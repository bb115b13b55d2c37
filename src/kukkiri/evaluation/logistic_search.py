"""The search for the step of a logistic curve: many starts, or many bootstrap draws, at once.

A row is one problem of weighted least squares: the same scores, weights and opinions of its own. What is linear (the
amplitude and the straight part) is projected off, so that only a step's centre and the logarithm of its steepness are
searched, by Levenberg and Marquardt's steps with Kaufman's Jacobian (BIT 15, 1975).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
# Limit of |log steepness|.
LIMIT = 9.0
# Most different scores that are searched; the curves are smooth, so that of more neighbours are taken together.
MOST = 1000
# Most steps; the damping at which no step helps; what is nearly 0, also of a bend.
_STEPS, _STUCK, _TINY, _RIDGE = 100, 1e6, 1e-13, 1e-24


@dataclass(frozen=True)
class Rows:
    """Problems that share their scores.

    Parameters
    ----------
    u : array, (m,)
        Scores, in standard units.
    y, weight : array, (rows or 1, m)
        Mean opinion and weight at each; 1 row is shared by all.
    sloped : bool
        The straight part has a slope (five parameters), not a height alone (four).
    """

    u: Array
    y: Array
    weight: Array
    sloped: bool

    def of(self, which: NDArray[np.intp]) -> Rows:
        """Some of the rows."""
        y = self.y if len(self.y) == 1 else self.y[which]
        return replace(self, y=y, weight=self.weight if len(self.weight) == 1 else self.weight[which])

    def errors(self, where: Array) -> Array:
        """Squared error of each row at its (centre, log steepness), from the mean opinions."""
        return _Problem(self).at(where).error


class _Problem:
    """Rows whose straight part is projected off."""

    def __init__(self, rows: Rows) -> None:
        self.rows = rows
        self.total = rows.weight.sum(1, keepdims=True)
        self.slope: tuple[Array, Array] | None = None
        if rows.sloped:
            across = self._level(rows.u[None])
            self.slope = across, (rows.weight * across * across).sum(1, keepdims=True)
        self.y = self.bent(rows.y)

    def dot(self, a: Array, b: Array) -> Array:
        return np.asarray((self.rows.weight * a * b).sum(1, keepdims=True))

    def _level(self, values: Array) -> Array:
        return np.asarray(values - (self.rows.weight * values).sum(1, keepdims=True) / self.total)

    def bent(self, values: Array) -> Array:
        """What no straight part can follow."""
        values = self._level(values)
        if self.slope is not None:
            across, square = self.slope
            values = values - self.dot(values, across) / np.maximum(square, _TINY) * across
        return values

    def at(self, where: Array) -> _State:
        """Every row at its (centre, log steepness)."""
        centre, steepness = where[:, :1], np.exp(where[:, 1:])
        step = np.tanh(np.clip(steepness / 2 * (self.rows.u - centre), -40, 40)) / 2
        bent = self.bent(step)
        square = self.dot(bent, bent) + _RIDGE * self.total
        amplitude = self.dot(bent, self.y) / square
        residual = self.y - amplitude * bent
        return _State(step, bent, square, amplitude, residual, self.dot(residual, residual)[:, 0])

    def next(self, where: Array, here: _State, damping: Array) -> Array:
        """Levenberg and Marquardt's step from each row."""
        rise = here.amplitude * np.exp(where[:, 1:]) * (0.25 - here.step**2)
        sides = [self.bent(-rise), self.bent(rise * (self.rows.u - where[:, :1]))]
        a, b = (side - self.dot(side, here.bent) / here.square * here.bent for side in sides)
        aa, ab, bb = (self.dot(p, q)[:, 0] for p, q in ((a, a), (a, b), (b, b)))
        ar, br = (self.dot(side, here.residual)[:, 0] for side in (a, b))
        floor = _TINY * (aa + bb + _TINY)
        aa, bb = (square + (damping + _TINY) * (square + floor) for square in (aa, bb))
        size = np.maximum(aa * bb - ab * ab, _TINY * aa * bb)
        move = np.stack([(bb * ar - ab * br) / size, (aa * br - ab * ar) / size], 1)
        there = where + np.clip(move, -2, 2)
        there[:, 1] = np.clip(there[:, 1], -LIMIT, LIMIT)
        return np.asarray(there)


@dataclass
class _State:
    step: Array
    bent: Array
    square: Array
    amplitude: Array
    residual: Array
    error: Array

    def keep(self, which: NDArray[np.intp]) -> _State:
        return _State(*(values[which] for values in vars(self).values()))

    def take(self, which: NDArray[np.bool_], other: _State) -> None:
        for name, values in vars(self).items():
            values[which] = getattr(other, name)[which]


def descend(rows: Rows, starts: Array, *, settled: float) -> tuple[Array, Array]:
    """From each start to the bottom of its valley.

    Parameters
    ----------
    rows : Rows
    starts : array, (rows, 2)
        Centre and logarithm of steepness.
    settled : float
        The gain, a part of the error, that ends a row.

    Returns
    -------
    array, (rows, 2), and array, (rows,)
        Where each ended, and its squared error there: never more than at its start.
    """
    found, errors = starts.copy(), np.full(len(starts), np.inf)
    left = np.arange(len(starts))
    problem, where = _Problem(rows), starts.copy()
    here, damping = problem.at(where), np.full(len(starts), 1e-3)
    for _ in range(_STEPS):
        there = problem.next(where, here, damping)
        trial = problem.at(there)
        better = trial.error < here.error
        done = np.where(better, here.error - trial.error < settled * here.error, damping > _STUCK)
        damping = np.where(better, damping / 5, damping * 5)
        where[better] = there[better]
        here.take(better, trial)
        if done.any():
            found[left], errors[left] = where, here.error
            kept = np.flatnonzero(~done)
            left, where, damping, here = left[kept], where[kept], damping[kept], here.keep(kept)
            if not len(left):
                break
            problem = _Problem(rows.of(left))
    if len(left):
        found[left], errors[left] = where, here.error
    return found, errors


def together(x: Array) -> NDArray[np.intp]:
    """To which of at most `MOST` places each score belongs: equal scores to one, and of too many neighbours too."""
    different, place = np.unique(x, return_inverse=True)
    if len(different) <= MOST:
        return np.asarray(place.reshape(-1), np.intp)
    ranks = np.empty(len(x), np.intp)
    ranks[np.argsort(x, kind="stable")] = np.arange(len(x))
    return np.asarray(ranks * MOST // len(x), np.intp)


def grid(u: Array, centres: int, steepnesses: int) -> Array:
    """Starts, (centres + 2, steepnesses, 2): at quantiles of the scores and one standard deviation beyond them."""
    across = np.unique([u.min() - 1, *np.quantile(u, np.linspace(0, 1, centres)), u.max() + 1])
    steep = np.log(np.geomspace(0.25, 60, steepnesses))
    return np.stack(np.meshgrid(across, steep, indexing="ij"), -1)


def valleys(rows: Rows, points: Array, most: int) -> Array:
    """The best points of a grid, (≤ most, 2), each in a valley of its own as far as the grid can tell."""
    across, steep = points.shape[0], points.shape[1]
    errors = rows.errors(points.reshape(-1, 2)).reshape(across, steep)
    padded = np.pad(errors, 1, constant_values=np.inf)
    around = [padded[1 + i : 1 + i + across, 1 + j : 1 + j + steep] for i, j in _NEIGHBOURS]
    lowest = np.argwhere(errors <= np.min(around, axis=0))
    order = np.argsort(errors[lowest[:, 0], lowest[:, 1]], kind="stable")[:most]
    return np.asarray(points[lowest[order, 0], lowest[order, 1]])


_NEIGHBOURS = [(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1) if (i, j) != (0, 0)]


def best_of_grid(rows: Rows, points: Array) -> Array:
    """The best point of a grid, (rows, 2), for each of many rows.

    From sums over all points at once, which is exact enough to begin at.
    """
    where = points.reshape(-1, 2)
    steps = np.tanh(np.clip(np.exp(where[:, 1:]) / 2 * (rows.u - where[:, :1]), -40, 40)).T / 2
    problem = _Problem(rows)
    weight, pulled = rows.weight, rows.weight * problem.y
    mean = weight @ steps / problem.total
    square = weight @ steps**2 - problem.total * mean**2
    if problem.slope is not None:
        across, along = problem.slope
        square -= ((weight * across) @ steps) ** 2 / np.maximum(along, _TINY)
    gain = (pulled @ steps) ** 2 / np.maximum(square, 1e-9 * problem.total)
    return np.asarray(where[np.argmax(gain, axis=1)])
