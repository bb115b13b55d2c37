"""Noise as a function of signal, from the flat places of ordinary pictures.

A linear sensor that counts photons or electrons has a noise variance of a + b·signal: b is the signal of one electron
on [0, 1], so that 1/b electrons fill the range, and a holds the read noise and the black level (the photon transfer
curve of Janesick, Photon Transfer, SPIE 2007; EMVA 1288). Flat frames would tell it best; here cells of 16 × 16 pixels
stand for them, of all pictures together, if nothing is in a cell but noise: where the means of its 4 × 4 blocks lie no
further from a plane than the noise between neighbouring pixels makes them.

Of colour pictures one channel is looked at, green: a weighted mean of channels, such as luma, has less noise than any
of them. Where colours are interpolated from a mosaic, neighbours share their noise, and the slope comes out too small.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Array = NDArray[np.float64]

CELL, BLOCK = 16, 4
# Immerkær's difference of two Laplacians passes white noise with 36 times its variance (images/statistics).
_GAIN = 36.0
# The largest excess of the coarse over the fine variance that noise alone shows (of 13 degrees of freedom): fewer than
# one flat cell in a hundred lies above.
_FLAT = 2.7
# A curve needs so many cells at each of so many signals that lie so far apart.
FEWEST_CELLS, FEWEST_BINS, LEAST_SPAN, BIN = 8, 6, 0.15, 1 / 32
# Cells of one picture; more cost time and tell nothing new.
_MOST = 1 << 14


@dataclass(frozen=True)
class PhotonTransfer:
    """Variance of the noise: `offset` + `slope` · signal, both on [0, 1].

    Parameters
    ----------
    slope : float
        Signal of one electron where the sensor is linear: 1/slope electrons fill the range.
    slope_error : float
        Its standard error. A slope within two of these of 0: the noise does not depend on the signal.
    offset : float
        Variance at signal 0, extrapolated; below 0 where black lies above 0.
    low, high : float
        The signals between which it was measured.
    cells : int
        How many flat places it rests on.
    """

    slope: float
    slope_error: float
    offset: float
    low: float
    high: float
    cells: int

    def deviation(self, signal: float) -> float:
        """Standard deviation of the noise at a signal, [0, 1]; 0 where the line lies below 0."""
        return math.sqrt(max(0.0, self.offset + self.slope * signal))


def flat_cells(grey: Tensor, left_out: Tensor | None = None) -> Array:
    """Signal and noise variance of every place of a picture that holds nothing but noise.

    Parameters
    ----------
    grey : Tensor, (H, W), values in [0, 1]
        One channel.
    left_out : Tensor of bool, (H, W), optional

    Returns
    -------
    (N, 2)
        Mean and variance of the noise of each flat cell. Cells that touch 0 or 1, where noise is cut off, are left
        out: those whose mean lies within three standard deviations.
    """
    rows, columns = grey.shape[0] // CELL, grey.shape[1] // CELL
    if rows == 0 or columns == 0:
        return np.empty((0, 2))
    free = torch.ones(rows, columns, dtype=torch.bool)
    if left_out is not None:
        free = ~_cells(left_out, rows, columns).any(3).any(2)
    row, column = free.nonzero(as_tuple=True)
    step = max(1, -(-len(row) // _MOST))
    # Only those that are looked at are copied, in double precision: the picture may be large.
    cells = _cells(grey, rows, columns)[row[::step], column[::step]].double().numpy()
    rough = np.diff(np.diff(cells, n=2, axis=1), n=2, axis=2)
    fine = (rough**2).mean((1, 2)) / _GAIN
    side = CELL // BLOCK
    coarse = cells.reshape(-1, side, BLOCK, side, BLOCK).mean((2, 4)).reshape(-1, side * side)
    left = coarse @ _without_plane(side).T
    freedom = side * side - 3
    excess = (left**2).sum(1) / freedom * BLOCK**2
    mean = cells.mean((1, 2))
    reach = 3 * np.sqrt(fine)
    good = (fine > 0) & (excess < _FLAT * fine) & (mean > reach) & (mean < 1 - reach)
    return np.stack([mean[good], fine[good]], 1)


def fit_transfer(cells: Sequence[Array]) -> PhotonTransfer | None:
    """The line through the variances of all pictures' flat cells.

    Medians of cells of like signal, then least squares weighted by how well each is known (the standard deviation of
    a variance is proportional to it), with Huber's weights against signals at which only texture was found.

    Parameters
    ----------
    cells : sequence of (N, 2)
        One array a picture, as `flat_cells` gives them.

    Returns
    -------
    PhotonTransfer or None
        None where the pictures do not have flat places at enough different signals.
    """
    every = np.concatenate([*cells, np.empty((0, 2))])
    bins = np.floor(every[:, 0] / BIN).astype(np.int64)
    groups = [every[bins == b] for b in np.unique(bins)]
    groups = [g for g in groups if len(g) >= FEWEST_CELLS]
    if len(groups) < FEWEST_BINS:
        return None
    signal = np.array([np.median(g[:, 0]) for g in groups])
    variance = np.array([np.median(g[:, 1]) for g in groups])
    count = np.array([len(g) for g in groups], dtype=np.float64)
    if float(np.ptp(signal)) < LEAST_SPAN:
        return None
    design = np.stack([np.ones_like(signal), signal], 1)
    expected, trust = np.full_like(variance, float(np.median(variance))), np.ones_like(variance)
    for _ in range(20):
        weight = trust * count / expected**2
        normal = design.T @ (weight[:, None] * design)
        line = np.linalg.solve(normal, design.T @ (weight * variance))
        expected = (design @ line).clip(float(variance.min()) / 4)
        residual = (variance - design @ line) * np.sqrt(count) / expected
        scale = float(np.median(np.abs(residual))) / 0.6745
        trust = (1.345 * max(scale, 1e-12) / np.abs(residual).clip(1e-12)).clip(max=1.0)
    spread = float((trust * residual**2).sum()) / (len(groups) - 2)
    error = math.sqrt(float(np.linalg.inv(normal)[1, 1]) * spread)
    return PhotonTransfer(
        slope=float(line[1]),
        slope_error=error,
        offset=float(line[0]),
        low=float(signal.min()),
        high=float(signal.max()),
        cells=int(count.sum()),
    )


def _cells(plane: Tensor, rows: int, columns: int) -> Tensor:
    """(rows, columns, CELL, CELL), a view."""
    cut = plane[: rows * CELL, : columns * CELL]
    return cut.reshape(rows, CELL, columns, CELL).transpose(1, 2)


def _without_plane(side: int) -> Array:
    """The projection (side², side²) that takes the best plane away from a square of values."""
    y, x = np.mgrid[:side, :side].reshape(2, -1).astype(np.float64)
    basis, _ = np.linalg.qr(np.stack([np.ones_like(x), x, y], 1))
    projection: Array = np.eye(side * side) - basis @ basis.T
    return projection
