"""Textures: metal grains, cracks, fibres, scratches, granules, labyrinths, phases, and a little plain 1/f noise."""

from __future__ import annotations

import numpy as np

from kukkiri.training.materials import outlines
from kukkiri.training.materials.canvas import (
    F32,
    Sheet,
    area_average,
    area_sample,
    chance,
    expose,
    fine_coordinates,
    log_uniform,
)
from kukkiri.training.materials.fields import banded, enlarged, fractal, pixel_texture

MOST_GRAINS = 1500


def _fractal_noise(size: int, rng: np.random.Generator) -> F32:
    """Plain 1/f^a noise: kept rare, for the whiter it is, the more it resembles a sensor's noise."""
    return fractal(size, rng.uniform(0.6, 1.3), rng, angle=rng.uniform(0, np.pi), stretch=log_uniform(rng, 1, 1.6))


def _phases(size: int, rng: np.random.Generator) -> F32:
    """Fractal or banded noise cut into two to five flat phases: labyrinths, sponges, islands, alloys."""
    angle = rng.uniform(0, np.pi)
    stretch = 1.0 if chance(rng, 0.6) else log_uniform(rng, 1.0, 2.5)
    if chance(rng, 0.5):
        field = fractal(size, rng.uniform(0.9, 2.2), rng, angle=angle, stretch=stretch)
    else:
        wavelength = log_uniform(rng, 4, size / 3)
        field = banded(size, wavelength, rng.uniform(0.15, 0.8), rng, angle=angle, stretch=stretch)
    fine = enlarged(field)
    count = int(rng.choice([2, 2, 3, 4, 5]))
    cuts = np.sort(rng.normal(0, 0.8, count - 1))
    levels = rng.permutation(np.linspace(0, 1, count)) if chance(rng, 0.5) else np.linspace(0, 1, count)
    labels = np.zeros(fine.shape, dtype=np.intp)
    for cut in cuts:
        labels += fine > cut
    picture = area_sample(labels, levels)
    if chance(rng, 0.3):
        rim = np.float32(log_uniform(rng, 0.03, 0.15))
        picture = np.maximum(picture, area_average(np.abs(fine - np.float32(cuts[0])) < rim))
    return picture


def _grains(size: int, rng: np.random.Generator) -> F32:
    """Polished metal: grains of flat or lamellar grey, with etched boundaries dark or bright."""
    spacing = max(log_uniform(rng, 4, size / 3), 1.15 * size / MOST_GRAINS**0.5)
    points = outlines.scattered(size, spacing, rng, order=rng.uniform(0, 0.8), angle=rng.uniform(0, np.pi))
    squeeze = log_uniform(rng, 0.5, 1) if chance(rng, 0.3) else 1.0
    polygons, ridges = outlines.voronoi(points)
    sheet = Sheet(size, labels=True)
    flatten = np.array([1.0, squeeze])
    for index, polygon in enumerate(polygons):
        sheet.polygon(polygon * flatten, index + 1)
    if chance(rng, 0.75):
        width = min(log_uniform(rng, 0.5, 4), spacing / 4)
        for ridge in ridges:
            sheet.line(ridge * flatten, width, 0)
    labels = sheet.labels()
    count = len(polygons)
    levels = rng.uniform(0.5 - (half := rng.uniform(0.05, 0.5)), 0.5 + half, count + 1)
    levels[0] = rng.choice([-0.2, 0.0, 1.0, 1.3])
    picture = area_sample(labels, levels)
    if chance(rng, 0.35):
        # Lamellae (pearlite, twins): stripes in some of the grains, in two directions.
        for _ in range(2):
            period, angle = log_uniform(rng, 3, max(4.0, spacing / 3)), rng.uniform(0, np.pi)
            x, y = fine_coordinates(size)
            phase = x * np.float32(np.cos(angle) / period) + y * np.float32(np.sin(angle) / period)
            striped = phase - np.floor(phase) < np.float32(rng.uniform(0.2, 0.8))
            strength = np.where(rng.random(count + 1) < 0.3, rng.normal(0, 0.3, count + 1), 0)
            strength[0] = 0
            picture += area_average(striped * strength.astype(np.float32).take(labels))
    if chance(rng, 0.5):
        picture += np.float32(rng.uniform(0.02, 0.1)) * pixel_texture(size, rng)
    return picture


def _granules(size: int, rng: np.random.Generator) -> F32:
    """Sand: small discs, ellipses or shards of a narrow range of sizes, piled up."""
    radius = max(log_uniform(rng, 1.2, 8), size / 150)
    count = int(min(1.6 * size**2 / (np.pi * radius**2), 3500))
    centres = rng.uniform(-0.02, 1.02, (count, 2)) * size
    radii = radius * np.exp(rng.normal(0, rng.uniform(0.05, 0.35), count))
    if chance(rng, 0.5):
        shapes = outlines.polygons(centres, 1.3 * radii, rng, int(rng.integers(3, 7)), rng.uniform(0, 0.8))
    else:
        axes = np.stack([radii, radii * rng.uniform(rng.uniform(0.3, 1), 1, count)], axis=-1)
        shapes = outlines.ellipses(centres, axes, rng.uniform(0, np.pi, count), 14)
    sheet = Sheet(size, rng.random())
    levels = rng.uniform(0, 1, count) if chance(rng, 0.6) else rng.normal(0.5, rng.uniform(0.1, 0.3), count)
    for shape, level in zip(shapes, levels, strict=True):
        sheet.polygon(shape, level)
    return sheet.averaged()


def _cracks(size: int, rng: np.random.Generator) -> F32:
    """A network of thin cracks in one or two generations on a mottled ground."""
    ground = np.float32(rng.uniform(0.02, 0.15)) * fractal(size, rng.uniform(0.6, 1.2), rng)
    sheet = Sheet(size)
    for generation in range(int(rng.integers(1, 3))):
        spacing = log_uniform(rng, size / 20, size / 2.5) / (1 + 1.5 * generation)
        points = outlines.scattered(size, max(spacing, 8.0), rng, order=rng.uniform(0, 0.5))
        _, ridges = outlines.voronoi(points)
        width = log_uniform(rng, 0.5, 3) / (1 + generation)
        kept = ridges[rng.random(len(ridges)) < rng.uniform(0.4, 1)]
        parts = 12
        along = np.linspace(0, 1, parts + 1)[None, :, None]
        paths = kept[:, :1] * (1 - along) + kept[:, 1:] * along
        wander = np.cumsum(rng.normal(0, 1, paths.shape), axis=1)
        # A bridge, so that a crack still ends where the next begins.
        wander -= wander[:, :1] * (1 - along) + wander[:, -1:] * along
        paths = paths + wander * np.hypot(*(kept[:, 1] - kept[:, 0]).T)[:, None, None] * rng.uniform(0.005, 0.03)
        for path in paths:
            sheet.line(path, width * rng.uniform(0.6, 1.4), 1.0)
    return 1 + ground - np.float32(rng.uniform(0.4, 1.2)) * sheet.averaged()


def _fibres(size: int, rng: np.random.Generator) -> F32:
    """A mat of stiff fibres lying over one another, each with brighter or darker flanks."""
    width = log_uniform(rng, 1.5, size / 12)
    count = int(np.clip(rng.uniform(0.5, 3) * size / width, 8, 220))
    spread = rng.choice([0.15, 0.6, 3.0])
    headings = rng.uniform(0, np.pi) + rng.normal(0, spread, count)
    middle = rng.uniform(-0.1, 1.1, (count, 2)) * size
    starts = middle - np.stack([np.cos(headings), np.sin(headings)], axis=-1) * size * 0.8
    stiffness = size * log_uniform(rng, 2, 30)
    paths = outlines.wandering(starts, headings, 1.7 * size, max(3.0, size / 40), stiffness, rng)
    widths = width * np.exp(rng.normal(0, rng.uniform(0, 0.4), count))
    flank, core = rng.uniform(0.2, 1.4), rng.uniform(0.5, 0.9)
    sheet = Sheet(size, rng.uniform(0, 0.2))
    for index in range(count):
        # Those further down are darker, as in a micrograph of a mat.
        level = 0.25 + 0.75 * (index / count) * rng.uniform(0.7, 1)
        sheet.line(paths[index], widths[index], level * flank)
        if widths[index] > 2:
            sheet.line(paths[index], widths[index] * core, level)
    picture = sheet.averaged()
    if chance(rng, 0.4):
        picture *= 1 + np.float32(rng.uniform(0.02, 0.12)) * pixel_texture(size, rng)
    return picture


def _scratches(size: int, rng: np.random.Generator) -> F32:
    """A brushed or ground surface: many fine straight lines near one direction, some deep ones across."""
    angle = rng.uniform(0, np.pi)
    picture = np.float32(rng.uniform(0.1, 1)) * fractal(
        size, rng.uniform(0.6, 1.2), rng, angle=angle, stretch=log_uniform(rng, 1.5, 4), coarsest=size / 6
    )
    for _ in range(2):
        count = int(log_uniform(rng, 5, 150))
        lean = (angle if chance(rng, 0.7) else rng.uniform(0, np.pi)) + rng.normal(0, rng.uniform(0.01, 0.3), count)
        reach = np.stack([np.cos(lean), np.sin(lean)], axis=-1) * log_uniform(rng, 0.1, 1.5) * size / 2
        middles = rng.uniform(0, size, (count, 2))
        sheet = Sheet(size)
        width = log_uniform(rng, 0.4, 2.5)
        for middle, half, level in zip(middles, reach, rng.normal(0, 2, count), strict=True):
            sheet.line(np.stack([middle - half, middle + half]), width, level)
        picture = picture + sheet.averaged()
    return picture


def texture(size: int, rng: np.random.Generator) -> F32:
    """One of the stochastic textures; plain noise is one picture in twenty."""
    drawers = (_phases, _grains, _granules, _cracks, _fibres, _scratches, _fractal_noise)
    chosen = int(rng.choice(len(drawers), p=[0.24, 0.22, 0.14, 0.11, 0.13, 0.11, 0.05]))
    picture = drawers[chosen](size, rng)
    if drawers[chosen] in (_scratches, _fractal_noise):
        # A few extreme pixels would otherwise take up the whole range.
        low, high = np.quantile(picture, [0.002, 0.998])
        picture = np.clip(picture, low, high)
    return expose(picture.astype(np.float32), rng, inverted=0.35, illumination=0.3)
