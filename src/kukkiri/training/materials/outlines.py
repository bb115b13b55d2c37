"""Outlines and curves for the materials: ellipses, polygons, blobs, Voronoi cells, wandering lines; lengths in px."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter
from scipy.spatial import Voronoi

F64 = NDArray[np.float64]


def ellipses(centres: NDArray[Any], semi_axes: NDArray[Any], angles: NDArray[Any], vertices: int = 28) -> F64:
    """Outlines (N, vertices, 2) of ellipses with centres (N, 2), semi-axes (N, 2) and angles (N,) in radians."""
    turn = np.arange(vertices) * (2 * np.pi / vertices)
    local = np.stack([np.cos(turn), np.sin(turn)], axis=-1)[None] * semi_axes[:, None, :]
    return placed(local, centres, angles)


def placed(local: NDArray[Any], centres: NDArray[Any], angles: NDArray[Any]) -> F64:
    """Local outlines (N, V, 2), turned by angles (N,) and moved to centres (N, 2)."""
    c, s = np.cos(angles)[:, None], np.sin(angles)[:, None]
    x = local[..., 0] * c - local[..., 1] * s
    y = local[..., 0] * s + local[..., 1] * c
    result: F64 = np.stack([x, y], axis=-1) + centres[:, None, :]
    return result


def polygons(
    centres: NDArray[Any], radii: NDArray[Any], rng: np.random.Generator, vertices: int = 6, irregular: float = 0.5
) -> F64:
    """Star-shaped polygons (N, vertices, 2); `irregular` 0 gives regular ones."""
    count = len(centres)
    step = 2 * np.pi / vertices
    turn = (np.arange(vertices) + irregular * rng.uniform(-0.5, 0.5, (count, vertices))) * step
    reach = radii[:, None] * (1 - irregular * rng.uniform(0, 0.7, (count, vertices)))
    local = np.stack([np.cos(turn), np.sin(turn)], axis=-1) * reach[..., None]
    return placed(local, centres, rng.uniform(0, 2 * np.pi, count))


def blobs(
    centres: NDArray[Any],
    semi_axes: NDArray[Any],
    angles: NDArray[Any],
    rng: np.random.Generator,
    *,
    rough: float = 0.1,
    vertices: int = 40,
) -> F64:
    """Ellipses (N, vertices, 2) whose radius wavers by about `rough` (relative) with two to five waves around."""
    turn = np.arange(vertices) * (2 * np.pi / vertices)
    waves = np.arange(2, 6)
    size = rng.normal(0, rough / 2, (len(centres), len(waves), 1)) * (2.0 / waves)[None, :, None]
    phase = rng.uniform(0, 2 * np.pi, (len(centres), len(waves), 1))
    reach = 1 + (size * np.cos(waves[None, :, None] * turn + phase)).sum(axis=1)
    local = np.stack([np.cos(turn), np.sin(turn)], axis=-1)[None] * semi_axes[:, None, :]
    return placed(local * reach[..., None], centres, angles)


def voronoi(points: NDArray[Any]) -> tuple[list[F64], F64]:
    """Finite cells of a Voronoi diagram and its finite ridges.

    Returns
    -------
    cells : list of ndarray (V, 2)
    ridges : ndarray (R, 2, 2)
        The two ends of each ridge.
    """
    diagram = Voronoi(points)
    cells = [diagram.vertices[region] for region in diagram.regions if region and -1 not in region]
    ends = np.asarray(diagram.ridge_vertices)
    return cells, diagram.vertices[ends[(ends >= 0).all(axis=1)]]


def scattered(size: int, spacing: float, rng: np.random.Generator, *, order: float = 0.5, angle: float = 0.0) -> F64:
    """Points (N, 2) over the picture and a margin of three spacings: a jittered hexagonal grid.

    Parameters
    ----------
    spacing : float, px
        Mean distance of neighbours.
    order : float, in [0, 1]
        1 keeps the grid, 0 is close to random.
    """
    reach = 0.75 * size + 3 * spacing
    steps = np.arange(-reach, reach, spacing)
    x, y = np.meshgrid(steps, steps * (np.sqrt(3) / 2))
    x = x + (np.arange(len(steps)) % 2)[:, None] * (spacing / 2)
    grid = np.stack([x.ravel(), y.ravel()], axis=-1)
    grid += rng.uniform(-1, 1, grid.shape) * spacing * (1 - order)
    c, s = np.cos(angle), np.sin(angle)
    grid = grid @ np.array([[c, s], [-s, c]]) + size / 2
    margin = 3 * spacing
    inside = ((grid > -margin) & (grid < size + margin)).all(axis=1)
    result: F64 = grid[inside]
    return result


def wandering(
    starts: NDArray[Any],
    headings: NDArray[Any],
    length: float,
    step: float,
    stiffness: float,
    rng: np.random.Generator,
) -> F64:
    """Smooth random curves (N, P, 2) of the given length from starts (N, 2).

    The heading follows a random walk in curvature; `stiffness` is the length over which it turns by about one radian.
    """
    count, points = len(starts), max(2, int(length / step) + 1)
    pull = np.exp(-4 * step / max(stiffness, step))
    turning = rng.standard_normal((count, points)) * np.sqrt(1 - pull**2)
    curvature = lfilter([1.0], [1.0, -pull], turning, axis=1)
    angle = headings[:, None] + np.cumsum(curvature, axis=1) * (2 * step / stiffness)
    path = np.cumsum(np.stack([np.cos(angle), np.sin(angle)], axis=-1) * step, axis=1)
    result: F64 = path + starts[:, None, :]
    return result
