"""Circuits: traces, pads, vias, copper planes, chips with legs and printed marks."""

from __future__ import annotations

import numpy as np

from kukkiri.training.materials.canvas import F32, Sheet, area_sample, chance, expose, log_uniform
from kukkiri.training.materials.fields import fractal, pixel_texture

# Labels of the materials a board is made of.
BOARD, PLANE, TRACE, PAD, HOLE, PRINT, BODY, LEG, GLINT = range(9)
_COMPASS = np.array([(1, 0), (1, 1), (0, 1), (-1, 1), (-1, 0), (-1, -1), (0, -1), (1, -1)], dtype=np.float64)


def _traces(sheet: Sheet, size: int, pitch: float, filled: bool, rng: np.random.Generator) -> None:
    """Buses of parallel traces that run in eight directions, with pads or vias where they end."""
    width = pitch * rng.uniform(0.25, 0.6)
    gap = pitch * rng.uniform(0.15, 0.35)
    ground = PLANE if filled else BOARD
    for _ in range(int(np.clip(rng.uniform(0.3, 1.6) * size / pitch, 3, 60))):
        heading = int(rng.integers(0, 4)) * 2
        place = np.round(rng.uniform(-0.1, 1.1, 2) * size / pitch) * pitch
        lanes = int(rng.choice([1, 1, 2, 4, 8]))
        path = [place]
        for _ in range(int(rng.integers(1, 7))):
            run = np.round(log_uniform(rng, 2, max(3.0, 0.5 * size / pitch))) * pitch
            path.append(path[-1] + _COMPASS[heading] * run)
            heading = (heading + int(rng.choice([-1, 1]))) % 8
        corners = np.array(path)
        steps = np.diff(corners, axis=0)
        steps /= np.linalg.norm(steps, axis=1, keepdims=True)
        normals = np.stack([-steps[:, 1], steps[:, 0]], axis=-1)
        # The offset of a corner that keeps the lanes of a bus one pitch apart.
        joined = np.concatenate([normals[:1], normals[:-1] + normals[1:], normals[-1:]])
        joined[1:-1] /= np.maximum(1 + (normals[:-1] * normals[1:]).sum(axis=1, keepdims=True), 0.3)
        ends = rng.random()
        for lane in range(lanes):
            line = corners + joined * pitch * lane
            if filled:
                sheet.line(line, width + 2 * gap, BOARD)
            sheet.line(line, width, TRACE)
            for x, y in line[1:-1]:
                sheet.disc(x, y, width / 2, TRACE)
            if ends < 0.75:
                for x, y in line[[0, -1]]:
                    _pad(sheet, x, y, width * rng.uniform(0.8, 1.2), ends < 0.5, ground, gap)


def _pad(sheet: Sheet, x: float, y: float, radius: float, drilled: bool, ground: int, gap: float) -> None:
    if ground == PLANE:
        sheet.disc(x, y, radius + gap, BOARD)
    sheet.disc(x, y, radius, PAD)
    if drilled:
        sheet.disc(x, y, radius * 0.5, HOLE)


def _chip(sheet: Sheet, size: int, pitch: float, rng: np.random.Generator) -> None:
    """A rectangular body with legs on two or four sides, a mark at pin 1 and printed strokes."""
    legs = rng.integers(2, 14, 2)
    reach = pitch * rng.uniform(0.8, 2)
    width, height = legs * pitch + pitch * 0.5
    left, top = rng.uniform(-0.2, 1, 2) * size
    leg = pitch * rng.uniform(0.3, 0.6)
    four = chance(rng, 0.5)
    for index in range(int(legs[0])):
        x = left + pitch * (index + 0.5)
        sheet.rectangle(x, top - reach, x + leg, top + height + reach, LEG)
        sheet.rectangle(x, top - reach, x + leg, top - reach * 0.6, PAD)
        sheet.rectangle(x, top + height + reach * 0.6, x + leg, top + height + reach, PAD)
    if four:
        for index in range(int(legs[1])):
            y = top + pitch * (index + 0.5)
            sheet.rectangle(left - reach, y, left + width + reach, y + leg, LEG)
    if chance(rng, 0.4):
        margin = pitch * 0.25
        sheet.rectangle(left - margin, top - margin, left + width + margin, top + height + margin, PRINT)
        margin *= 0.5
        sheet.rectangle(left - margin, top - margin, left + width + margin, top + height + margin, BOARD)
    sheet.rectangle(left, top, left + width, top + height, BODY)
    sheet.disc(left + pitch * 0.6, top + pitch * 0.6, pitch * 0.25, GLINT)
    _marks(sheet, left + pitch, top + height / 3, width - 2 * pitch, height / 4, rng)


def _marks(sheet: Sheet, left: float, top: float, width: float, height: float, rng: np.random.Generator) -> None:
    """Strokes that look like print too small to read."""
    if width < 3 or height < 2:
        return
    stroke = max(height / 7, 0.4)
    x = left
    while x < left + width - height * 0.6:
        corners = np.array([(0.0, 0.0), (0.6, 0.0), (0.6, 0.5), (0.0, 0.5), (0.0, 1.0), (0.6, 1.0)]) * height
        kept = corners[np.sort(rng.choice(6, int(rng.integers(2, 6)), replace=False))]
        sheet.line(kept + np.array([x, top]), stroke, PRINT)
        x += height * 0.9


def pcb(size: int, rng: np.random.Generator) -> F32:
    """A printed circuit board or the metal layer of a chip, from a trace pitch of 3 px up."""
    pitch = log_uniform(rng, 3, size / 10)
    filled = chance(rng, 0.4)
    sheet = Sheet(size, PLANE if filled else BOARD, labels=True)
    _traces(sheet, size, pitch, filled, rng)
    if chance(rng, 0.5):
        across, down = rng.integers(2, 16, 2)
        step = pitch * rng.uniform(1.2, 3)
        x0, y0 = rng.uniform(0, 0.8, 2) * size
        for index in range(int(across * down)):
            x, y = x0 + step * (index % across), y0 + step * (index // across)
            _pad(sheet, x, y, 0.33 * step, step > 6, PLANE if filled else BOARD, 0.1 * step)
    if chance(rng, 0.7):
        for _ in range(int(rng.integers(1, 7))):
            _chip(sheet, size, pitch * log_uniform(rng, 0.7, 2), rng)
    for _ in range(int(rng.integers(0, 7))):
        x, y = rng.uniform(0, 0.9, 2) * size
        _marks(sheet, x, y, rng.uniform(0.05, 0.3) * size, pitch * log_uniform(rng, 0.8, 2.5), rng)
    labels = sheet.labels()

    base = rng.uniform(0.1, 0.5)
    levels = np.empty(9)
    levels[[BOARD, PLANE]] = base, base + rng.uniform(0.08, 0.3) * rng.choice([-1, 1])
    levels[TRACE] = levels[PLANE] if filled else base + rng.uniform(0.1, 0.4)
    levels[PAD] = rng.uniform(0.7, 1)
    levels[[HOLE, BODY]] = rng.uniform(-0.1, 0.1), rng.uniform(0.0, 0.25)
    levels[[PRINT, LEG, GLINT]] = rng.uniform(0.8, 1.1), rng.uniform(0.5, 0.9), rng.uniform(0, 0.4)
    picture = area_sample(labels, levels)
    if chance(rng, 0.6):
        grain = rng.exponential(0.04, 9)
        picture += area_sample(labels, grain) * pixel_texture(size, rng)
    if chance(rng, 0.4):
        sheen = area_sample(labels, np.isin(np.arange(9), [PAD, LEG, TRACE])) * np.float32(rng.uniform(0.02, 0.12))
        picture += sheen * fractal(size, 1.2, rng)
    return expose(picture, rng, inverted=0.2)
