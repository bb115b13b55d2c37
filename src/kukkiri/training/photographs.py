"""Photographs to train on: the files, which of them are held out, and reduced until their own blur is small."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch.nn.functional as F
from numpy.typing import NDArray

from kukkiri.errors import InputError

SUFFIXES = (".jpg", ".jpeg", ".png", ".tif", ".tiff")
# Fewer photographs leave too few to hold out.
LEAST = 20
HELD_OUT_EVERY = 10


class Split(NamedTuple):
    """What each photograph is used for, by its place in the order of the paths.

    Parameters
    ----------
    training : list of Path
        Nine of ten.
    held_out : list of Path
        Every tenth: never trained on.
    validation : list of Path
        Of the held-out ones every second: they choose the best weights.
    """

    training: list[Path]
    held_out: list[Path]
    validation: list[Path]


def picture_files(folders: Sequence[Path]) -> list[Path]:
    """All pictures of some folders, by name; each once.

    Raises
    ------
    InputError
        If there are fewer than 20.
    """
    files = sorted({f.resolve() for folder in folders for f in Path(folder).iterdir() if f.suffix.lower() in SUFFIXES})
    if len(files) < LEAST:
        raise InputError(
            expected=f"folders with at least {LEAST} sharp photographs",
            got=f"{len(files)} in {', '.join(map(str, folders)) or 'no folder'}",
            fix="pass --data FOLDER",
        )
    return files


def split(files: Sequence[Path]) -> Split:
    """Photographs for training and those that are held out, by their place in the list."""
    held_out = list(files[::HELD_OUT_EVERY])
    return Split([f for i, f in enumerate(files) if i % HELD_OUT_EVERY], held_out, held_out[::2])


def reduced(file: Path, factor: int = 2) -> NDArray[np.uint8]:
    """A photograph (H, W, 3), uint8, area-averaged over factor × factor pixels."""
    from kukkiri.images.reading import load

    pixels = load(file).pixels
    small = F.avg_pool2d(pixels.expand(3, -1, -1), factor)
    array: NDArray[np.uint8] = (small * 255).round().byte().movedim(0, 2).contiguous().numpy()
    return array
