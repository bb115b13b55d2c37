"""Ideally sharp pictures, drawn by rule: what the blur estimator is trained on beside photographs.

The blur of a picture is truth only if the picture was sharp before. A photograph never quite is; a drawing that is
averaged over the boxes of its pixels is, by construction, and it can look like an electron micrograph, a fluorescence
field, a section of tissue or a circuit board, none of which look like photographs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from kukkiri.errors import InputError, unknown_name
from kukkiri.training.materials.cells import cells
from kukkiri.training.materials.dead_leaves import dead_leaves
from kukkiri.training.materials.filaments import filaments
from kukkiri.training.materials.lattice import lattice
from kukkiri.training.materials.particles import particles
from kukkiri.training.materials.pcb import pcb
from kukkiri.training.materials.points import points
from kukkiri.training.materials.steps import steps
from kukkiri.training.materials.text import text
from kukkiri.training.materials.texture import texture

_DRAWERS: Mapping[str, Callable[[int, np.random.Generator], NDArray[np.float32]]] = MappingProxyType(
    {
        "dead_leaves": dead_leaves,
        "lattice": lattice,
        "particles": particles,
        "points": points,
        "filaments": filaments,
        "cells": cells,
        "texture": texture,
        "text": text,
        "steps": steps,
        "pcb": pcb,
    }
)
KINDS: tuple[str, ...] = tuple(_DRAWERS)
SMALLEST = 32
_ATTEMPTS = 32

__all__ = ["KINDS", "draw", "draw_many"]


def draw(kind: str, size: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """One sharp grey picture, area-sampled: an edge is one pixel's box wide, which counts as no blur.

    Parameters
    ----------
    kind : str
        One of `KINDS`.
    size : int, px
        Side of the picture, at least 32.
    rng : numpy.random.Generator
        The only source of chance: the same state draws the same picture.

    Returns
    -------
    ndarray, float32, (size, size), values in [0, 1]
        A drawing without enough edges (all its shapes lie beside the picture) is drawn anew.

    Raises
    ------
    UnknownNameError
        If there is no such kind.
    InputError
        If `size` is under 32.
    """
    if kind not in _DRAWERS:
        raise unknown_name("the name of a material", kind, KINDS, f"choose one of {', '.join(KINDS)}")
    if size < SMALLEST:
        raise InputError(expected=f"a size of at least {SMALLEST} px", got=str(size), fix="draw larger and crop")
    picture = _DRAWERS[kind](size, rng)
    for _ in range(_ATTEMPTS):
        if _has_edges(picture):
            break
        picture = _DRAWERS[kind](size, rng)
    return picture


def _has_edges(picture: NDArray[np.float32]) -> bool:
    """Whether neighbours differ by a tenth of the range (at least 0.01) at a quarter of a side's worth of places.

    Smooth shading alone never does, and nothing could be learnt from it.
    """
    least = max(float(np.ptp(picture)), 0.1) / 10
    places = sum(int((np.abs(np.diff(picture, axis=axis)) > least).sum()) for axis in (0, 1))
    return places >= len(picture) // 4


def draw_many(count: int, size: int, seed: int, kinds: Sequence[str] = KINDS, *, first: int = 0) -> NDArray[np.uint8]:
    """Many sharp pictures, the kinds in turn.

    Parameters
    ----------
    count, size : int
        How many pictures, and their side in px.
    seed : int
        Picture i depends on `seed` and i alone, so that a set may be drawn in parts or made longer later.
    kinds : sequence of str
        Picture i is of kind `kinds[i % len(kinds)]`.
    first : int
        Index of the first picture: the parts of one set are drawn with `first` = 0, count, 2 × count, …

    Returns
    -------
    ndarray, uint8, (count, size, size)
        Rounded to 8 bits; blur averages the rounding away.

    Raises
    ------
    UnknownNameError, InputError
        As `draw` does; `InputError` also where `kinds` is empty.
    """
    if not kinds:
        raise InputError(expected="at least one kind of material", got="none", fix=f"choose from {', '.join(KINDS)}")
    result = np.empty((count, size, size), dtype=np.uint8)
    for index in range(count):
        rng = np.random.default_rng([seed, first + index])
        picture = draw(kinds[(first + index) % len(kinds)], size, rng)
        result[index] = np.rint(picture * 255).astype(np.uint8)
    return result
