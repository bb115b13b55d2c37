"""Lattices: gratings, holes, dots, checkers, meshes, memory-like layouts, and lines without a period."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kukkiri.training.materials.canvas import (
    F32,
    area_average,
    chance,
    expose,
    fine_coordinates,
    log_uniform,
    log_uniforms,
    smooth_field,
)
from kukkiri.training.materials.fields import enlarged, fractal, pixel_texture

_TABLE = 16  # entries a pixel of a profile that is looked up


def _axes(size: int, rng: np.random.Generator, roughness: float) -> tuple[F32, F32]:
    """Coordinates along and across the pattern (px, from the middle), turned, sheared, bent and roughened."""
    x, y = fine_coordinates(size)
    x, y = x - np.float32(size / 2), y - np.float32(size / 2)
    upright = chance(rng, 0.5)
    angle = (
        rng.integers(0, 2) * np.pi / 2 + rng.normal(0, 0.03) * chance(rng, 0.6) if upright else rng.uniform(0, np.pi)
    )
    shear = rng.normal(0, 0.2) if chance(rng, 0.2) else 0.0
    c, s = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    u, v = x * c + y * s, x * np.float32(-np.sin(angle + shear)) + y * np.float32(np.cos(angle + shear))
    if chance(rng, 0.2):
        u = u + enlarged(smooth_field(size, rng) * np.float32(rng.uniform(0.01, 0.06) * size))
    if roughness > 0:
        u = u + enlarged(fractal(size, rng.uniform(0.8, 1.5), rng, coarsest=30) * np.float32(roughness))
    return u, v


def _profile(size: int, period: float, rng: np.random.Generator) -> F32:
    """Grey levels along one line, `_TABLE` entries a pixel, three pictures long: bars with or without a bright rim."""
    length = 3 * size
    duty = rng.uniform(0.2, 0.8)
    if chance(rng, 0.65):
        jitter = rng.uniform(0, 0.08) * chance(rng, 0.5)
        starts = np.arange(0, length, period)
        widths = period * duty + rng.normal(0, 1, len(starts)) * jitter * period
        starts = starts + rng.normal(0, 1, len(starts)) * jitter * period
    else:
        gaps = log_uniforms(rng, max(1.0, period / 4), period * rng.uniform(1, 4), int(4 * length / period) + 4)
        starts = np.cumsum(gaps)
        widths = gaps * rng.uniform(0.15, 0.85, len(gaps))
    starts, widths = starts[starts < length], np.maximum(widths[starts < length], 0.5)
    place = np.arange(length * _TABLE) / _TABLE
    index = np.clip(np.searchsorted(starts, place, side="right") - 1, 0, None)
    within = place - starts[index]
    bar = (within >= 0) & (within < widths[index])
    levels = np.where(chance(rng, 0.7), 1.0, rng.uniform(0.3, 1, len(starts)))
    profile = np.where(bar, levels[index], 0.0)
    if chance(rng, 0.4):
        rim = min(log_uniform(rng, 0.7, 5), period * min(duty, 1 - duty) / 2)
        near = bar & ((within < rim) | (within > widths[index] - rim))
        profile = np.where(near, rng.uniform(1.3, 2.5), profile)
    return profile.astype(np.float32)


def _lines(size: int, period: float, rng: np.random.Generator) -> F32:
    """A profile along one axis, along the radius, or two of them crossed."""
    u, v = _axes(size, rng, rng.uniform(0.1, 0.8) * chance(rng, 0.4))
    if chance(rng, 0.1):
        cx, cy = rng.uniform(-0.6, 0.6, 2).astype(np.float32) * np.float32(size)
        u = np.hypot(u - cx, v - cy) - np.float32(size)
    profile = _profile(size, period, rng)

    def looked_up(axis: F32, table: F32) -> NDArray[Any]:
        return table.take(((axis + np.float32(1.5 * size)) * _TABLE).astype(np.intp), mode="clip")

    result = looked_up(u, profile)
    if chance(rng, 0.2):
        other = looked_up(v, _profile(size, period * log_uniform(rng, 0.5, 3), rng))
        result = np.maximum(result, other) if chance(rng, 0.5) else result + np.float32(0.6) * other
    return area_average(result)


def _sites(size: int, period: float, rng: np.random.Generator) -> F32:
    """Dots or holes on a square or hexagonal lattice, each with its own place, radius and level."""
    u, v = _axes(size, rng, rng.uniform(0.1, 0.6) * chance(rng, 0.2))
    ratio = 1.0 if chance(rng, 0.6) else log_uniform(rng, 0.5, 2)
    hexagonal = chance(rng, 0.45)
    u = u / np.float32(period) + np.float32(rng.random())
    v = v / np.float32(period * (np.sqrt(3) / 2 if hexagonal else ratio)) + np.float32(rng.random())
    row: F32 = np.floor(v)
    if hexagonal:
        u = u + np.float32(0.5) * (row % 2)
    column = np.floor(u)
    site = (row.astype(np.intp) % 61) * 67 + column.astype(np.intp) % 67
    spread = rng.uniform(0.01, 0.12) * chance(rng, 0.5)
    table = rng.normal(0, spread, (2, 61 * 67)).astype(np.float32) if spread else None
    du, dv = u - column - np.float32(0.5), v - row - np.float32(0.5)
    if table is not None:
        du, dv = du + table[0].take(site), dv + table[1].take(site)
    dv = dv * np.float32(np.sqrt(3) / 2 if hexagonal else ratio)
    shape = rng.random()
    if shape < 0.65:
        distance = np.sqrt(du * du + dv * dv)
    else:
        distance = np.maximum(np.abs(du), np.abs(dv)) if shape < 0.9 else np.abs(du) + np.abs(dv)
    radius = np.float32(rng.uniform(0.15, 0.45) * min(1.0, ratio if not hexagonal else 1.0))
    radii: Any = radius
    if chance(rng, 0.4):
        sizes = radius * rng.normal(1, rng.uniform(0.02, 0.2), 61 * 67)
        radii = np.where(rng.random(61 * 67) < rng.uniform(0, 0.3), 0, sizes).astype(np.float32).take(site)
    picture = (distance < radii).astype(np.float32)
    if chance(rng, 0.3):
        picture *= rng.uniform(0.2, 1, 61 * 67).astype(np.float32).take(site)
    if chance(rng, 0.4):
        rim = np.float32(min(log_uniform(rng, 0.7, 4) / period, 0.5 * float(radius)))
        picture[(distance >= radii - rim) & (distance < radii)] = rng.uniform(1.2, 2.5)
    return area_average(picture)


def _layout(size: int, period: float, rng: np.random.Generator) -> F32:
    """A checker, or a small block of random squares, repeated or not: memory cells, codes, dithers."""
    u, v = _axes(size, rng, rng.uniform(0.1, 0.5) * chance(rng, 0.3))
    step = np.float32(period / 2)
    column, row = np.floor(u / step).astype(np.intp), np.floor(v / step).astype(np.intp)
    if chance(rng, 0.4):
        block = np.array([[0.0, 1.0], [1.0, 0.0]])
    else:
        side = int(rng.integers(3, 9)) if chance(rng, 0.6) else 101
        block = (rng.random((side, side)) < rng.uniform(0.25, 0.6)).astype(np.float64)
        if chance(rng, 0.3):
            block *= rng.uniform(0.3, 1, block.shape)
        if chance(rng, 0.4):
            block = np.repeat(block, 2, axis=int(rng.integers(0, 2)))
    flat = (row % block.shape[0]) * block.shape[1] + column % block.shape[1]
    return area_average(block.astype(np.float32).ravel().take(flat))


def lattice(size: int, rng: np.random.Generator) -> F32:
    """SEM-like gratings, contact holes, dots, checkers and layouts; periods from 3 px to a third of the picture."""
    period = log_uniform(rng, 3.0, max(4.0, size / 3))
    style = rng.random()
    draw = _lines if style < 0.45 else _sites if style < 0.8 else _layout
    picture = draw(size, period, rng)
    if chance(rng, 0.3):
        amplitude = np.float32(rng.uniform(0.02, 0.12))
        picture = picture + amplitude * pixel_texture(size, rng) * (picture if chance(rng, 0.5) else np.float32(1))
    return expose(picture, rng, inverted=0.5)
