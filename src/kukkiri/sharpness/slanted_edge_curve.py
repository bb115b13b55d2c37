"""From an edge whose line is known to its spatial frequency response, with errors."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kukkiri.errors import InputError
from kukkiri.sharpness.slanted_edge_line import with_rows_inside
from kukkiri.sharpness.slanted_edge_spread import (
    OVERSAMPLING,
    Array,
    EdgeLine,
    columns_near,
    edge_spread,
    gathered,
    sides_end,
)
from kukkiri.sharpness.slanted_edge_window import needed, taper, tukey, window_of

# Cycles a pixel: up to twice the Nyquist frequency, where a pixel of full fill factor lets nothing through.
FREQUENCIES: Array = np.linspace(0.0, 1.0, 401)
# Rows that share one sign in a replicate: noise of neighbouring rows may be of one piece (demosaicing, compression).
ROWS_A_BLOCK = 4
REPLICATES = 400
# Orders of aliasing that cancel, and what that may cost in variance.
ORDERS, MOST_NOISE = 4, 1.5


@dataclass(frozen=True)
class EdgeCurve:
    """What one channel of an edge says.

    Parameters
    ----------
    sfr, sfr_error : ndarray, (401,)
        Spatial frequency response at `FREQUENCIES`, 1 at 0, and its standard error.
    replicates : ndarray, (400, 401)
        Responses that noise might have given.
    distance, esf, lsf : ndarray, (M,)
        Edge spread function, 0 on the dark side and 1 on the bright one, and its slope (1/pixel), in bins of ¼ pixel.
    low, high : float
        Levels of the sides.
    noise : float
        Standard deviation of single pixels about the edge spread function.
    flat, reach : float
        The window is 1 up to `flat` pixels from the edge and 0 from `reach` on.
    short : bool
        The sides end before the line spread function has.
    cycles : float
        How many columns of pixels the edge crosses.
    """

    sfr: Array
    sfr_error: Array
    replicates: Array
    distance: Array
    esf: Array
    lsf: Array
    low: float
    high: float
    noise: float
    flat: float
    reach: float
    short: bool
    cycles: float


def response(region: Array, line: EdgeLine) -> tuple[EdgeCurve, EdgeLine]:
    """The spatial frequency response across an edge.

    The response is the Fourier transform of the line spread function L under a window w. With E the edge spread
    function, L = E′, integration by parts gives

        ∫ w L e^(−2πifx) dx = −∫ E (w′ − 2πif w) e^(−2πifx) dx,

    and the integral on the right is a sum over all pixels, each at its own distance from the edge along the normal. So
    nothing is differenced and nothing binned: the responses of a finite difference and of the mean over a bin, which
    ISO 12233 divides out or leaves in, do not arise, and frequencies are those along the normal without a factor cos θ.
    The window is flat wherever the line spread function is not 0 and so takes nothing from it.

    A sum over pixels is an integral only if all distances occur equally often. Rows are therefore weighted, as equally
    as can be, so that what the grid of pixels would alias cancels (ISO 12233 cuts to a whole number of such rows as the
    edge needs to move on by one column instead).

    What noise adds to the squared modulus is subtracted. It is known from the residuals of the pixels about the edge
    spread function, as are the replicates: residuals of blocks of 4 rows, each block with a sign at random (wild
    bootstrap).

    Parameters
    ----------
    region : ndarray, (H, W), float64
        Linear in light; the edge runs down it.
    line : EdgeLine

    Returns
    -------
    EdgeCurve
    EdgeLine
        With the rows that were used.

    Raises
    ------
    InputError
        If the step is lost in the noise.
    """
    line = _with_room(region, line)
    available = _available(line, region.shape[1])
    distance, spread, _ = edge_spread(region, line, available)
    available = max(1.0, min(available, *sides_end(distance, spread, line.polarity)))
    flat, reach, *_ = window_of(region, line, available)
    line = line.moved(_centroid(*edge_spread(region, line, reach)[:2], flat, reach))
    flat, reach, low, high, noise = window_of(region, line, available)
    step = line.polarity * (high - low)
    if not step > 4 * noise / math.sqrt(line.rows) or step < 1e-5:
        raise InputError(
            expected="an edge that stands out from the noise",
            got=f"a step of {step:.2g} in noise of {noise:.2g}",
            fix="choose another region or take a better picture",
        )
    shown = min(available, max(reach + 4, 10.0))
    distance, spread, _ = edge_spread(region, line, shown)
    esf = (spread - low) / (high - low) if line.polarity > 0 else (spread - high) / (low - high)
    lsf = line.polarity * np.gradient(esf) * OVERSAMPLING
    level = (low + high) / 2
    values, where = gathered(region, line, reach)
    signal = _row_sums(line, values - level, where, flat, reach)
    chance = _row_sums(line, _residual(values, where, distance, spread), where, flat, reach)
    blocks = np.add.reduceat(chance, np.arange(0, line.rows, ROWS_A_BLOCK), axis=0)
    power = (np.abs(blocks) ** 2).sum(0) * (len(blocks) / max(1, len(blocks) - 1))
    total = signal.sum(0)
    signs = np.random.default_rng(0).choice([-1.0, 1.0], (REPLICATES, len(blocks)))
    replicates = _modulus(total + signs @ blocks, 2 * power)
    sfr = _modulus(total[None, :], power)[0]
    return (
        EdgeCurve(
            sfr=sfr,
            sfr_error=replicates.std(0),
            replicates=replicates,
            distance=distance,
            esf=esf,
            lsf=lsf,
            low=min(low, high),
            high=max(low, high),
            noise=noise,
            flat=flat,
            reach=reach,
            short=flat < needed(line.width) - 0.5,
            cycles=line.cycles,
        ),
        line,
    )


def crossing(sfr: Array, level: float) -> float:
    """The frequency at which a response first falls to a level, cycles a pixel; infinite if it never does."""
    below = np.flatnonzero(sfr < level)
    if len(below) == 0 or below[0] == 0:
        return math.inf
    i = int(below[0])
    share = (sfr[i - 1] - level) / (sfr[i - 1] - sfr[i])
    return float(FREQUENCIES[i - 1] + share * (FREQUENCIES[i] - FREQUENCIES[i - 1]))


def crossing_error(replicates: Array, level: float) -> float:
    """Standard error of `crossing`; infinite if a replicate in ten never falls to the level."""
    found = np.array([crossing(one, level) for one in replicates])
    known = found[np.isfinite(found)]
    return float(known.std()) if len(known) > 0.9 * len(found) else math.inf


def _row_sums(line: EdgeLine, values: Array, distance: Array, flat: float, reach: float) -> NDArray[np.complex128]:
    """What each row adds to the transform at each frequency, (rows, frequencies)."""
    window, slope = tukey(distance, flat, reach)
    values = np.where(np.isfinite(values), values, 0.0)
    # Distances of a row are those of its first pixel and equal steps: the exponential falls into two factors.
    _, steps = columns_near(line, reach)
    turn = -2j * np.pi * line.cosine * FREQUENCIES
    along = np.exp(steps[:, None] * turn[None, :])
    sums = (values * slope) @ along - (2j * np.pi * FREQUENCIES) * ((values * window) @ along)
    first = np.exp(distance[:, :1] / line.cosine * turn[None, :])
    weights = -line.cosine * _row_weights(line)[:, None]
    return np.asarray(weights * first * sums, np.complex128)


def _residual(values: Array, where: Array, distance: Array, spread: Array) -> Array:
    """Pixels about the edge spread function, as large as they would be had they had no part in it."""
    bins = np.clip(np.rint((where - distance[0]) * OVERSAMPLING).astype(np.int64), 0, len(distance) - 1)
    block = np.broadcast_to((np.arange(len(where)) // ROWS_A_BLOCK)[:, None], bins.shape)
    own = np.zeros((int(block.max()) + 1, len(distance)))
    np.add.at(own, (block, bins), np.isfinite(values))
    share = own[block, bins] / np.maximum(own.sum(0)[bins], 1)
    return np.asarray((values - np.interp(where, distance, spread)) / np.sqrt(np.maximum(1 - share, 0.25)))


def _row_weights(line: EdgeLine) -> Array:
    """Weights of the rows that sum to 1 and let the pixel phases cancel up to as high an order as they can.

    Rows in which the edge crosses the grid of pixels at x alias the response at f ± k as Σ weight · exp(2πikx). The
    weights are those nearest to equal ones for which that is 0 for k = 1 … 4; of fewer orders if noise would suffer.
    """
    phases = 2 * np.pi * line.at(np.arange(line.first, line.last, dtype=float))
    equal = np.full(line.rows, 1 / line.rows)
    for orders in range(ORDERS, 0, -1):
        turns = np.arange(1, orders + 1)[:, None] * phases
        rows = np.concatenate([np.ones((1, line.rows)), np.cos(turns), np.sin(turns)])
        wanted = np.zeros(len(rows))
        wanted[0] = 1.0
        weights = equal + np.linalg.pinv(rows, rcond=1e-6) @ (wanted - rows @ equal)
        if (weights**2).sum() <= MOST_NOISE * (equal**2).sum():
            return np.asarray(weights)
    return equal


def _modulus(transform: NDArray[np.complex128], power: Array) -> Array:
    """|F| freed of the mean power of its noise, over its value at 0."""
    squared = np.maximum(np.abs(transform) ** 2 - power, 0.0)
    return np.asarray(np.sqrt(squared / np.maximum(squared[:, :1], 1e-30)))


def _with_room(region: Array, line: EdgeLine) -> EdgeLine:
    """The same without rows in which the edge has too little room, if enough rows are left."""
    room = (needed(line.width) + taper(line.width)) / line.cosine
    found = with_rows_inside(line, region.shape[1], room)
    return found if found is not None and found.rows >= 0.6 * line.rows else line


def _available(line: EdgeLine, width: int) -> float:
    """How far the region reaches to the nearer side in all rows, along the normal, pixels."""
    x = line.at(np.arange(line.first, line.last, dtype=float))
    return float(min(x.min(), width - 1 - x.max())) * line.cosine


def _centroid(distance: Array, spread: Array, flat: float, reach: float) -> float:
    """Of the line spread function under the window, pixels."""
    slope = np.gradient(spread) * tukey(distance, flat, reach)[0]
    total = float(slope.sum())
    if total == 0:
        return 0.0
    return float(np.clip((distance * slope).sum() / total, -1.0, 1.0))
