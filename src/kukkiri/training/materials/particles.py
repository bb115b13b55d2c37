"""Particles: shaded spheres and ellipsoids with the bright rim of secondary electrons, or flat, hollow and faceted."""

from __future__ import annotations

import numpy as np

from kukkiri.training.materials import outlines
from kukkiri.training.materials.canvas import (
    F32,
    SUPERSAMPLING,
    Labels,
    Sheet,
    area_average,
    area_sample,
    chance,
    expose,
    log_uniform,
)
from kukkiri.training.materials.fields import pixel_texture
from kukkiri.training.materials.outlines import F64

MOST_PARTICLES = 1200


def particles(size: int, rng: np.random.Generator) -> F32:
    """Polydisperse particles, apart, in clusters or piled up, on a dark or a textured ground."""
    radius = log_uniform(rng, 1.5, size / 5)
    spread = rng.uniform(0.02, 0.6)
    covered = log_uniform(rng, 0.05, 2.5)
    count = int(np.clip(covered * size**2 / (np.pi * radius**2), 6, MOST_PARTICLES))
    radii = np.clip(radius * np.exp(rng.normal(0, spread, count)), 0.7, size / 2)
    if chance(rng, 0.35):
        middles = rng.uniform(0, size, (int(rng.integers(1, 8)), 2))
        around = rng.normal(0, rng.uniform(0.04, 0.2) * size, (count, 2))
        centres = middles[rng.integers(0, len(middles), count)] + around
    else:
        centres = rng.uniform(-0.05, 1.05, (count, 2)) * size
    if chance(rng, 0.4):
        order = np.argsort(-radii)
        radii, centres = radii[order], centres[order]
    aspect = np.ones(count) if chance(rng, 0.6) else rng.uniform(rng.uniform(0.25, 0.9), 1, count)
    angles = rng.uniform(0, np.pi, count)
    axes = np.stack([radii, radii * aspect], axis=-1)
    faceted = chance(rng, 0.2)
    if faceted:
        shapes = outlines.polygons(centres, radii, rng, int(rng.integers(3, 8)), rng.uniform(0, 0.5))
    else:
        shapes = outlines.ellipses(centres, axes, angles, 24 if radius < size / 20 else 64)
    sheet = Sheet(size, labels=True)
    for index in range(count):
        sheet.polygon(shapes[index], index + 1)
    labels = sheet.labels()

    own = rng.uniform(rng.uniform(0.4, 1), 1, count)
    ground = rng.uniform(0, 0.35) + np.float32(rng.uniform(0, 0.15) * chance(rng, 0.6)) * pixel_texture(size, rng)
    bare = area_sample(labels, np.arange(count + 1) == 0)
    covered_samples = np.flatnonzero(labels)
    fine = np.zeros(labels.size, dtype=np.float32)
    fine[covered_samples] = _brightness(labels, covered_samples, own, centres, axes, angles, faceted, rng)
    body = area_average(fine.reshape(labels.shape))
    if chance(rng, 0.3):
        body = body * (1 + np.float32(rng.uniform(0.03, 0.2)) * pixel_texture(size, rng))
    return expose(bare * ground + body, rng, inverted=0.2)


def _brightness(
    labels: Labels,
    where: Labels,
    own: F64,
    centres: F64,
    axes: F64,
    angles: F64,
    faceted: bool,
    rng: np.random.Generator,
) -> F32:
    """Brightness of the particles at the supersamples `where` (flat indices), by their own levels and their shading."""
    which = labels.ravel().take(where) - 1

    def per_sample(values: F64) -> F32:
        table: F32 = values.astype(np.float32)
        return table.take(which, mode="clip")

    # Centres in supersamples, of which the first lies half of one inside.
    down, right = np.divmod(where, labels.shape[1])
    x = (right.astype(np.float32) + np.float32(0.5)) / np.float32(SUPERSAMPLING) - per_sample(centres[:, 0])
    y = (down.astype(np.float32) + np.float32(0.5)) / np.float32(SUPERSAMPLING) - per_sample(centres[:, 1])
    u: F32
    v: F32
    if faceted or np.ptp(axes[:, 1] / axes[:, 0]) < 1e-6:
        scale = per_sample(1 / axes[:, 0])
        u, v = x * scale, y * scale
    else:
        c, s = np.cos(angles), np.sin(angles)
        u = x * per_sample(c / axes[:, 0]) + y * per_sample(s / axes[:, 0])
        v = y * per_sample(c / axes[:, 1]) - x * per_sample(s / axes[:, 1])
    shade: F32
    if faceted:
        tilt = rng.normal(0, 0.3, (2, len(own)))
        shade = np.clip(1 + u * per_sample(tilt[0]) + v * per_sample(tilt[1]), 0.2, 2)
        return per_sample(own) * shade
    facing = np.maximum(1 - u * u - v * v, np.float32(0))
    style = rng.random()
    if style < 0.55:
        # Secondary-electron yield grows as 1 / cos(tilt of the surface).
        rim = np.float32(rng.uniform(0.1, 0.6))
        shade = np.minimum(1 - rim + rim / np.sqrt(facing + np.float32(0.02)), np.float32(rng.uniform(1.5, 3)))
    elif style < 0.7:
        shade = np.float32(0.4) + np.float32(rng.uniform(0.2, 1)) * np.sqrt(facing)
    elif style < 0.8:
        core = np.float32(1 - rng.uniform(0.5, 0.9) ** 2)
        shade = np.where(facing < core, np.float32(1), np.float32(rng.uniform(0, 0.7)))
    else:
        shade = np.ones_like(facing)
    if chance(rng, 0.5):
        light = rng.uniform(0, 2 * np.pi)
        side = np.float32(rng.uniform(0.1, 0.5))
        shade = shade * (1 + side * (u * np.float32(np.cos(light)) + v * np.float32(np.sin(light))))
    return per_sample(own) * shade
