"""Filaments: thin smooth curves as of microtubules and actin, sparse to dense, on a dark ground."""

from __future__ import annotations

import numpy as np

from kukkiri.training.materials import outlines
from kukkiri.training.materials.canvas import F32, Sheet, chance, expose, log_uniform, smooth_field
from kukkiri.training.materials.fields import fractal

SHEETS = 3


def filaments(size: int, rng: np.random.Generator) -> F32:
    """Curves 0.5 to 3 px wide with their own brightness, scattered, aligned or from one centre; crossings add up."""
    length = size * log_uniform(rng, 0.3, 1.8)
    count = int(np.clip(log_uniform(rng, 6, 180) * size / 256 * (size / length) ** 0.5, 4, 220))
    step = max(2.0, size / 90)
    stiffness = size * log_uniform(rng, 0.25, 6.0)
    width = log_uniform(rng, 0.5, 2.2)
    widths = np.clip(width * np.exp(rng.normal(0, rng.uniform(0, 0.4), count)), 0.5, 3.0)
    brightness = np.exp(rng.normal(0, rng.uniform(0.1, 0.8), count))
    arrangement = rng.random()
    starts = rng.uniform(-0.1, 1.1, (count, 2)) * size
    headings = rng.uniform(0, 2 * np.pi, count)
    if arrangement < 0.3:
        starts = rng.uniform(0, size, (1, 2)) + rng.normal(0, 0.06 * size, (count, 2))
    elif arrangement < 0.5:
        headings = rng.uniform(0, 2 * np.pi) + rng.normal(0, 0.25, count)
    paths = outlines.wandering(starts, headings, length, step, stiffness, rng)
    picture = np.zeros((size, size), dtype=np.float32)
    for part in range(SHEETS):
        sheet = Sheet(size)
        for index in range(part, count, SHEETS):
            sheet.line(paths[index], widths[index], brightness[index])
        lit = sheet.averaged()
        if chance(rng, 0.7):
            lit *= np.float32(1) + np.float32(rng.uniform(0.2, 0.8)) * smooth_field(size, rng, int(rng.integers(4, 10)))
        picture += lit
    if chance(rng, 0.4):
        # Labels sit unevenly along a filament.
        picture *= np.maximum(1 + np.float32(rng.uniform(0.1, 0.4)) * fractal(size, 0.4, rng), 0)
    if chance(rng, 0.5):
        haze = 1 + smooth_field(size, rng, int(rng.integers(2, 4)))
        picture += np.float32(0.15 * rng.random() ** 2) * haze * picture.max()
    return expose(picture, rng, inverted=0.1, dark=0.6, illumination=0.1)
