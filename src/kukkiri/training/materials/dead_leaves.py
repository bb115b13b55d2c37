"""Dead leaves: shapes of all sizes that hide one another (Lee, Mumford & Huang, IJCV 41, 2001)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kukkiri.training.materials import outlines
from kukkiri.training.materials.canvas import F32, Sheet, area_sample, chance, coordinates, expose, log_uniform
from kukkiri.training.materials.fields import pixel_texture

MOST_LEAVES = 2200


def power_law(count: int, smallest: float, largest: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Radii with density r^-3, the law under which the picture looks the same at every scale."""
    near, far = smallest**-2.0, largest**-2.0
    radii: NDArray[np.float64] = (near - rng.random(count) * (near - far)) ** -0.5
    return radii


def dead_leaves(size: int, rng: np.random.Generator) -> F32:
    """Discs, ellipses, rectangles and polygons with r^-3 radii, flat, shaded or textured, in random order."""
    smallest = log_uniform(rng, 1.0, max(2.0, size / 20))
    largest = log_uniform(rng, max(3 * smallest, size / 12), size / 2)
    leaf_area = 2 * np.pi * smallest**2 * np.log(largest / smallest)
    count = int(np.clip(rng.uniform(0.7, 4) * 1.2 * size**2 / leaf_area, 12, MOST_LEAVES))
    radii = power_law(count, smallest, largest, rng)
    centres = rng.uniform(-0.1, 1.1, (count, 2)) * size

    sheet = Sheet(size, labels=True)
    families = rng.choice(4, count, p=rng.dirichlet([0.6] * 4))
    narrow = 1.0 if chance(rng, 0.4) else rng.uniform(0.15, 0.9)
    aspect = rng.uniform(narrow, 1.0, count)
    angles = rng.uniform(0, np.pi) + rng.normal(0, 0.1 if chance(rng, 0.2) else 3.0, count)
    axes = np.stack([radii, radii * aspect], axis=-1)
    corners = np.array([(-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0)])
    shapes = [
        outlines.ellipses(centres, axes, angles),
        outlines.placed(corners * axes[:, None, :] * 0.85, centres, angles),
        outlines.polygons(centres, radii * 1.2, rng, int(rng.integers(3, 9)), rng.uniform(0, 1)),
    ]
    for index in range(count):
        family = families[index]
        if family == 0 or (family == 1 and radii[index] > size / 10):
            sheet.disc(centres[index, 0], centres[index, 1], radii[index], index + 1)
        else:
            sheet.polygon(shapes[family - 1][index], index + 1)
    labels = sheet.labels()

    levels = rng.uniform(0, 1, count + 1)
    if chance(rng, 0.3):
        few = int(rng.integers(2, 6))
        levels = rng.uniform(0, 1, few)[rng.integers(0, few, count + 1)]
    picture = area_sample(labels, levels)
    if chance(rng, 0.5):
        strength = np.where(rng.random(count + 1) < rng.uniform(0.2, 1), rng.exponential(0.12, count + 1), 0)
        picture += area_sample(labels, strength) * pixel_texture(size, rng)
    if chance(rng, 0.4):
        x, y = coordinates(size)
        slope = rng.normal(0, rng.uniform(0.1, 0.6), (2, count + 1)) / size
        middle = np.concatenate([[[size / 2, size / 2]], centres])
        picture += area_sample(labels, slope[0]) * x + area_sample(labels, slope[1]) * y
        picture -= area_sample(labels, slope[0] * middle[:, 0] + slope[1] * middle[:, 1])
    # Without a limit, one bright grain would press all the leaves together.
    return expose(np.clip(picture, -0.25, 1.25), rng, illumination=0.2)
