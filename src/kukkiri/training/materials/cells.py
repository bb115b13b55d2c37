"""Cells: fluorescent nuclei and cells with texture inside, and stained tissue turned to grey."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kukkiri.training.materials import outlines
from kukkiri.training.materials.canvas import (
    F32,
    Sheet,
    area_average,
    area_sample,
    chance,
    expose,
    log_uniform,
    smooth_field,
)
from kukkiri.training.materials.fields import enlarged, fractal, pixel_texture

MOST_CELLS = 700


def _places(size: int, spacing: float, rng: np.random.Generator) -> NDArray[np.float64]:
    places = outlines.scattered(size, spacing, rng, order=rng.uniform(0.2, 0.8), angle=rng.uniform(0, np.pi))
    return rng.permutation(places)[:MOST_CELLS]


def _fluorescence(size: int, rng: np.random.Generator) -> F32:
    """Bright nuclei with chromatin and dark nucleoli, or whole cells with a bright membrane, on a dark ground."""
    radius = log_uniform(rng, 2.5, size / 5)
    places = _places(size, radius * rng.uniform(2.0, 3.5), rng)
    places = places[rng.random(len(places)) < rng.uniform(0.3, 1)]
    if len(places) == 0:
        places = np.array([[size / 2, size / 2]])
    count = len(places)
    radii = radius * np.exp(rng.normal(0, rng.uniform(0.05, 0.3), count))
    axes = np.stack([radii, radii * rng.uniform(rng.uniform(0.4, 0.9), 1, count)], axis=-1)
    angles = rng.uniform(0, np.pi, count)
    rough = rng.uniform(0.0, 0.2)
    sheet = Sheet(size, labels=True)
    bodies = chance(rng, 0.4)
    inner = rng.uniform(0.4, 0.7) if bodies else 1.0
    shapes = outlines.blobs(places, axes, angles, rng, rough=rough)
    centres = places[:, None, :]
    nuclei = centres + (shapes - centres) * inner
    membrane = min(log_uniform(rng, 0.7, 3), radius / 3)
    with_membrane = bodies and chance(rng, 0.6)
    # Labels: 0 ground, 1 membrane, then bodies, nuclei and nucleoli, one of each a cell.
    for index in range(count):
        if bodies:
            sheet.polygon(shapes[index], 1 if with_membrane else 2 + index)
            if with_membrane:
                sheet.polygon(
                    centres[index] + (shapes[index] - centres[index]) * (1 - membrane / radii[index]), 2 + index
                )
        sheet.polygon(nuclei[index], 2 + count + index)
        if radius * inner > 4:
            for _ in range(int(rng.integers(0, 4))):
                offset = rng.normal(0, 0.3, 2) * axes[index] * inner
                spot = rng.uniform(0.08, 0.25) * radii[index] * inner
                sheet.disc(places[index, 0] + offset[0], places[index, 1] + offset[1], spot, 2 + 2 * count + index)
    labels = sheet.labels()
    own = np.exp(rng.normal(0, rng.uniform(0.05, 0.5), count))
    body, nucleolus = rng.uniform(0.05, 0.6), rng.uniform(0.2, 1.6)
    levels = np.concatenate([[0.0, rng.uniform(0.4, 1.5)], own * body, own, own * nucleolus])
    grain = np.concatenate([[0.0, 0.1], own * body * rng.uniform(0, 0.5), own * rng.uniform(0, 0.4), own * 0.1])
    picture = area_sample(labels, levels) + area_sample(labels, grain) * pixel_texture(size, rng)
    picture = np.maximum(picture, 0)
    if chance(rng, 0.4):
        picture *= 1 + np.float32(rng.uniform(0.1, 0.4)) * smooth_field(size, rng, int(rng.integers(3, 8)))
    picture += np.float32(rng.uniform(0, 0.1) * chance(rng, 0.5)) * (1 + smooth_field(size, rng, 3))
    return expose(picture, rng, inverted=0.1, dark=0.7, illumination=0.2)


def _tissue(size: int, rng: np.random.Generator) -> F32:
    """Haematoxylin and eosin by Beer's law: cytoplasm, membranes, streaky stroma, lumina and dark nuclei."""
    radius = log_uniform(rng, 2.0, size / 10)
    places = _places(size, radius * rng.uniform(2.3, 4.0), rng)
    count = len(places)
    sheet = Sheet(size, labels=True)
    epithelium = chance(rng, 0.6)
    membrane = min(log_uniform(rng, 0.5, 2.5), radius / 2)
    polygons, ridges = outlines.voronoi(places) if count >= 4 else ([], np.zeros((0, 2, 2)))
    # Labels: 0 stroma, 1 membrane, 2 lumen, then 40 tints of cytoplasm, then nuclei.
    if epithelium:
        for cell in polygons:
            sheet.polygon(cell, 3 + int(rng.integers(0, 40)))
        for ridge in ridges:
            sheet.line(ridge, membrane, 1)
    if chance(rng, 0.5):
        holes = int(rng.integers(1, 8))
        spans = rng.uniform(0.02, 0.14, (holes, 2)) * size
        middles = rng.uniform(0, size, (holes, 2))
        for hole in outlines.blobs(middles, spans, rng.uniform(0, np.pi, holes), rng, rough=0.3):
            sheet.polygon(hole, 2)
    radii = radius * np.exp(rng.normal(0, 0.2, count)) * rng.uniform(0.55, 1)
    narrow = rng.uniform(0.3, 0.95)
    axes = np.stack([radii, radii * rng.uniform(narrow, 1, count)], axis=-1)
    lean = rng.uniform(0, np.pi)
    angles = lean + rng.normal(0, rng.choice([0.2, 3.0]), count)
    nuclei = outlines.blobs(
        places + rng.normal(0, 0.2, (count, 2)) * radius, axes, angles, rng, rough=rng.uniform(0, 0.2)
    )
    rimmed = radius > 4 and chance(rng, 0.5)
    shown = rng.random(count) < rng.uniform(0.5, 1)
    for index in np.flatnonzero(shown).tolist():
        sheet.polygon(nuclei[index], 43 + index)
        if rimmed:
            middle = nuclei[index].mean(axis=0)
            sheet.polygon(middle + (nuclei[index] - middle) * (1 - 1.2 / radii[index]), 43 + count + index)
    labels = sheet.labels()

    dye = rng.uniform(0.6, 1.4, count)
    eosin = np.concatenate(
        [[rng.uniform(0.2, 0.8), rng.uniform(0.5, 1.2), 0.0], rng.uniform(0.2, 0.7, 40), np.full(2 * count, 0.3)]
    )
    haematoxylin = np.concatenate([[0.05, 0.15, 0.0], rng.uniform(0, 0.2, 40), dye, dye * rng.uniform(0.5, 0.9)])
    grain = np.concatenate([[0.0, 0.1, 0.0], np.full(40, 0.12), 0.25 * dye, 0.25 * dye])
    density = np.float32(rng.uniform(0.3, 1)) * area_sample(labels, eosin)
    density += np.float32(rng.uniform(0.6, 1.6)) * area_sample(labels, haematoxylin)
    density += area_sample(labels, grain) * pixel_texture(size, rng)
    streaks = fractal(size, rng.uniform(0.7, 1.2), rng, angle=lean, stretch=log_uniform(rng, 1, 2.5), coarsest=size / 4)
    if chance(rng, 0.6):
        fibres = area_average(enlarged(streaks) > rng.uniform(0.2, 1.2))
        streaks = streaks * np.float32(0.3) + fibres
    density += area_sample(labels, np.arange(len(eosin)) == 0) * np.float32(rng.uniform(0.05, 0.3)) * streaks
    transmitted = np.exp(-np.maximum(density, 0))
    return expose(transmitted.astype(np.float32), rng, inverted=0.05, illumination=0.2)


def cells(size: int, rng: np.random.Generator) -> F32:
    """Fluorescence or histology, half and half; cells from 5 px to a third of the picture."""
    return _fluorescence(size, rng) if chance(rng, 0.5) else _tissue(size, rng)
