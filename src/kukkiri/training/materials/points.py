"""Points: beads and stars, of a pixel or less, and small blobs, on a dark ground."""

from __future__ import annotations

import numpy as np

from kukkiri.training.materials.canvas import (
    F32,
    SUPERSAMPLING,
    Sheet,
    chance,
    expose,
    log_uniform,
    smooth_field,
)
from kukkiri.training.materials.outlines import F64


def points(size: int, rng: np.random.Generator) -> F32:
    """Sparse to dense spots with log-normal brightness; where two meet, their light adds."""
    count = int(log_uniform(rng, max(6.0, size**2 / 1500), max(8.0, size**2 / 40)))
    brightness = np.exp(rng.normal(0, rng.uniform(0.1, 1.0), count))
    if chance(rng, 0.3):
        middles = rng.uniform(0, size, (int(rng.integers(1, 10)), 2))
        places = middles[rng.integers(0, len(middles), count)] + rng.normal(
            0, rng.uniform(0.03, 0.2) * size, (count, 2)
        )
    else:
        places = rng.uniform(0, size, (count, 2))
    picture = np.zeros((size, size), dtype=np.float32)
    if chance(rng, 0.35):
        inside = np.floor(places).astype(np.intp)
        kept = ((inside >= 0) & (inside < size)).all(axis=1)
        np.add.at(picture, (inside[kept, 1], inside[kept, 0]), brightness[kept].astype(np.float32))
    else:
        picture += _blobs(size, places, brightness, rng)
    if chance(rng, 0.2):
        few = int(rng.integers(1, 12))
        picture += _blobs(size, rng.uniform(0, size, (few, 2)), rng.uniform(0.3, 2, few), rng)
    if chance(rng, 0.5) and picture.max() > 0:
        # A camera's range seldom fits the brightest spot.
        picture = np.minimum(picture, np.quantile(picture[picture > 0], rng.uniform(0.6, 1)))
    if chance(rng, 0.5):
        haze = 1 + smooth_field(size, rng, int(rng.integers(2, 4)))
        picture += np.float32(0.15 * rng.random() ** 2) * haze * picture.max()
    return expose(picture, rng, inverted=0.1, dark=0.7, illumination=0.1)


def _blobs(size: int, places: F64, brightness: F64, rng: np.random.Generator) -> F32:
    """Discs, most of one size, painted on three sheets whose light is added."""
    radius = log_uniform(rng, 0.3, 5.0)
    radii = np.maximum(radius * np.exp(rng.normal(0, rng.uniform(0.0, 0.4), len(places))), 0.5 / SUPERSAMPLING)
    total = np.zeros((size, size), dtype=np.float32)
    for part in range(3):
        sheet = Sheet(size)
        for index in range(part, len(places), 3):
            sheet.disc(places[index, 0], places[index, 1], radii[index], brightness[index])
        total += sheet.averaged()
    return total
