"""Steps: few edges and much smooth shading, which is not blur."""

from __future__ import annotations

import numpy as np

from kukkiri.training.materials import outlines
from kukkiri.training.materials.canvas import (
    F32,
    Sheet,
    area_average,
    area_sample,
    chance,
    coordinates,
    expose,
    fine_coordinates,
    log_uniform,
    smooth_field,
)


def _shaded_polygons(size: int, rng: np.random.Generator) -> F32:
    """One to eight large polygons, half planes or wedges, each with its own slope of grey."""
    count = int(rng.integers(1, 9))
    sheet = Sheet(size, labels=True)
    wedges = chance(rng, 0.35)
    for index in range(count):
        middle = rng.uniform(0.05, 0.95, (1, 2)) * size
        if wedges:
            heading, opening = rng.uniform(0, 2 * np.pi), rng.uniform(0.1, np.pi)
            rays = heading + np.array([0, opening / 2, opening])
            far = middle + 3 * size * np.stack([np.cos(rays), np.sin(rays)], axis=-1)
            sheet.polygon(np.concatenate([middle, far]), index + 1)
        else:
            radius = np.array([log_uniform(rng, size / 8, size)])
            shape = outlines.polygons(middle, radius, rng, int(rng.integers(3, 7)), rng.uniform(0, 1))
            sheet.polygon(shape[0], index + 1)
    labels = sheet.labels()
    x, y = coordinates(size)
    slope = rng.normal(0, rng.uniform(0, 0.8), (2, count + 1)) / size
    picture = area_sample(labels, rng.uniform(0, 1, count + 1))
    picture += area_sample(labels, slope[0]) * (x - np.float32(size / 2))
    picture += area_sample(labels, slope[1]) * (y - np.float32(size / 2))
    if chance(rng, 0.4):
        some = rng.uniform(-0.5, 0.5, count + 1)
        picture += area_sample(labels, some) * smooth_field(size, rng, int(rng.integers(2, 5)))
    return picture


def _edge(size: int, rng: np.random.Generator) -> F32:
    """A single straight or gently curved edge, or a bar, across the picture."""
    x, y = fine_coordinates(size)
    angle = rng.uniform(0, 2 * np.pi)
    c, s = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    x, y = x - np.float32(rng.uniform(0.3, 0.7) * size), y - np.float32(rng.uniform(0.3, 0.7) * size)
    distance = x * c + y * s
    if chance(rng, 0.5):
        bend = np.float32(rng.normal(0, 1.0) / size)
        distance = distance + bend * (x * -s + y * c) ** 2
    inside = distance > 0
    if chance(rng, 0.35):
        inside &= distance < np.float32(log_uniform(rng, 2, size / 2))
    share = area_average(inside)
    shading = [rng.uniform(0, 0.5) * smooth_field(size, rng, int(rng.integers(2, 4))) for _ in range(2)]
    picture = share * (1 + shading[0]) + (1 - share) * np.float32(0.5) * shading[1]
    return picture.astype(np.float32)


def _solids(size: int, rng: np.random.Generator) -> F32:
    """Large spheres and cylinders under one light (Lambert), before a shaded ground."""
    x, y = fine_coordinates(size)
    azimuth, height = rng.uniform(0, 2 * np.pi), rng.uniform(0.2, 1.2)
    light = np.array([np.cos(azimuth) * np.cos(height), np.sin(azimuth) * np.cos(height), np.sin(height)], np.float32)
    ambient = np.float32(rng.uniform(0.05, 0.3))
    result = np.float32(rng.uniform(0, 1)) + np.float32(rng.uniform(0, 0.4)) * smooth_field(size, rng)
    for _ in range(int(rng.integers(1, 5))):
        cx, cy = rng.uniform(0, size, 2).astype(np.float32)
        radius = np.float32(log_uniform(rng, size / 12, size / 2))
        albedo = np.float32(rng.uniform(0.3, 1))
        if chance(rng, 0.6):
            u, v = (x - cx) / radius, (y - cy) / radius
            squared = u * u + v * v
            inside = squared < 1
        else:
            turn = rng.uniform(0, np.pi)
            c, s = np.float32(np.cos(turn)), np.float32(np.sin(turn))
            across = ((x - cx) * c + (y - cy) * s) / radius
            along = np.abs((y - cy) * c - (x - cx) * s)
            u, v, squared = across * c, across * s, across * across
            inside = (squared < 1) & (along < radius * np.float32(rng.uniform(0.8, 4)))
        depth = np.sqrt(np.maximum(1 - squared, 0))
        lambert = np.maximum(u * light[0] + v * light[1] + depth * light[2], 0)
        share = area_average(inside)
        result = result * (1 - share) + albedo * area_average((ambient + (1 - ambient) * lambert) * inside)
    return result.astype(np.float32)


def steps(size: int, rng: np.random.Generator) -> F32:
    """Large polygons, single edges, or shaded solids."""
    style = rng.random()
    draw = _shaded_polygons if style < 0.5 else _edge if style < 0.75 else _solids
    return expose(draw(size, rng), rng, inverted=0.3, illumination=0.5)
