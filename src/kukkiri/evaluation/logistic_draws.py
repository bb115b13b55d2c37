"""Logistic curves of many bootstrap draws at once: what each leaves of the opinions."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from kukkiri.evaluation.logistic import PARAMETERS, SPARE, Curve, Kind, standard
from kukkiri.evaluation.logistic_search import Array, Rows, best_of_grid, descend, grid, together

LOGISTICS: tuple[Kind, ...] = ("logistic-4", "logistic-5")
# Centres and steepnesses of the grid, the gain that ends a descent, and draws that are in memory at once.
_GRID, _SETTLED, _BATCH = (21, 12), 1e-8, 50


def unexplained(
    x: Array, y: Array, draws: Sequence[NDArray[np.int64]], curves: Mapping[str, Curve]
) -> Iterator[dict[str, float]]:
    """Squared error of the best curves of each draw.

    Each draw begins at the curve of all data, and at the best point of a grid of its own: from the former alone, draws
    would all stay in one valley, and intervals be too narrow.

    Parameters
    ----------
    x, y : array, (n,)
        Finite.
    draws : sequence of arrays
        Indices of the pictures of a draw, some of them more than once.
    curves : mapping
        Of all data, by kind.

    Yields
    ------
    dict
        For each draw 'logistic-4', 'logistic-5' → the error; NaN where there are too few different scores.
    """
    centre, spread = (float(x.mean()), float(x.std())) if len(x) else (0.0, 0.0)
    if not spread > 0:
        yield from ({str(kind): math.nan for kind in LOGISTICS} for _ in draws)
        return
    u = (x - centre) / spread
    place = together(u)
    count = int(place.max()) + 1
    middle = np.bincount(place, u) / np.bincount(place)
    points = grid(middle, *_GRID)
    first: dict[str, tuple[float, float] | None] = {
        kind: standard(curves[kind], centre, spread) for kind in LOGISTICS if kind in curves
    }
    for begin in range(0, len(draws), _BATCH):
        batch = draws[begin : begin + _BATCH]
        weight = np.array([np.bincount(place[i], minlength=count) for i in batch], np.float64)
        total = np.array([np.bincount(place[i], y[i], minlength=count) for i in batch])
        means = total / np.maximum(weight, 1)
        # What opinions of one score differ by: no curve explains it.
        within = np.array([float(y[i] @ y[i]) for i in batch]) - (weight * means**2).sum(1)
        different = (weight > 0).sum(1)
        found = _best(Rows(middle, means, weight, False), points, first, np.maximum(within, 0.0), different)
        for index in range(len(batch)):
            yield {kind: float(found[kind][index]) for kind in LOGISTICS}


def _best(
    rows: Rows, points: Array, first: Mapping[str, tuple[float, float] | None], within: Array, different: Array
) -> dict[str, Array]:
    errors: dict[str, Array] = {}
    simpler: Array | None = None
    for kind in LOGISTICS:
        enough = np.flatnonzero(different >= PARAMETERS[kind] + SPARE[kind])
        errors[kind] = np.full(len(different), math.nan)
        if not len(enough):
            continue
        some = Rows(rows.u, rows.y, rows.weight, kind == "logistic-5").of(enough)
        starts = [best_of_grid(some, points)]
        if (at := first.get(kind)) is not None:
            starts.append(np.tile([at[0], math.log(at[1])], (len(enough), 1)))
        if simpler is not None:
            starts.append(simpler[enough])
        tried = [descend(some, start, settled=_SETTLED) for start in starts]
        best = np.argmin([error for _, error in tried], axis=0)
        row = np.arange(len(enough))
        errors[kind][enough] = np.array([error for _, error in tried])[best, row] + within[enough]
        if simpler is None:
            # The curve of five parameters contains that of four, and needs more scores: it can begin at each.
            simpler = np.zeros((len(different), 2))
            simpler[enough] = np.array([where for where, _ in tried])[best, row]
    return errors
