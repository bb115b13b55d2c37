"""Several pictures in one argument: a list of anything that holds one, the planes of stacks, arrays of pictures."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from kukkiri.errors import InputError, one_line
from kukkiri.images.image import Image, ImageLike
from kukkiri.images.reading import open_image


def each_picture(
    images: ImageLike | Iterable[ImageLike], *, expected: str = "several pictures"
) -> Iterator[tuple[str, ImageLike]]:
    """Picture by picture, files of several planes plane by plane.

    Parameters
    ----------
    images : path of a file, iterable of image-likes, ndarray (N, H, W[, C]) or Tensor (N, C, H, W)
    expected : str
        What an error says should have been given.

    Yields
    ------
    str
        The name of its file without the folder, 'stack.tif [2]' of a plane; '' if it has none.
    image-like
        The path itself of a file that holds one picture, so that a large one need not be read as a whole.

    Raises
    ------
    InputError
        If it is one picture: the rows or channels of an array must not pass for pictures.
    KukkiriError
        If a file cannot be read.
    """
    for image in _several(images, expected):
        if isinstance(image, (str, Path)):
            yield from _planes(image)
        else:
            path = getattr(image, "path", None)
            yield one_line(Path(path).name) if path is not None else "", image


def count_pictures(images: ImageLike | Iterable[ImageLike]) -> int | None:
    """How many `each_picture` will give, from the headers of the files.

    Parameters
    ----------
    images : as in `each_picture`

    Returns
    -------
    int or None
        None for an iterator, which can be gone through only once.

    Raises
    ------
    KukkiriError
        If a file cannot be read.
    """
    if isinstance(images, (str, Path)):
        return count_planes(images)
    if not isinstance(images, Collection):
        return None
    return sum(count_planes(one) if isinstance(one, (str, Path)) else 1 for one in images)


def count_planes(path: str | Path) -> int:
    """How many pictures a file holds.

    Raises
    ------
    KukkiriError
        If it cannot be read.
    """
    with open_image(path) as source:
        return source.planes


def _planes(path: str | Path) -> Iterator[tuple[str, ImageLike]]:
    name = one_line(Path(path).name)
    with open_image(path) as source:
        if source.planes > 1:
            for plane in range(source.planes):
                yield f"{name} [{plane}]", source.read(plane)
            return
    yield name, path


def _several(images: Any, expected: str) -> Iterable[ImageLike]:
    """What can be gone through picture by picture; InputError for one picture."""
    got = ""
    if isinstance(images, (str, Path)):
        return [images]
    if isinstance(images, np.ndarray) and images.dtype.kind in "biufc":
        if images.ndim < 3 or (images.ndim == 3 and images.shape[2] in (1, 3, 4)):
            got = f"one array of shape {images.shape}"
    elif isinstance(images, Tensor):
        if images.ndim < 3 or (images.ndim == 3 and images.shape[0] in (1, 3)):
            got = f"one tensor of shape {tuple(images.shape)}"
    elif isinstance(images, Image) or not isinstance(images, Iterable):
        got = type(images).__name__
    if got:
        raise InputError(
            expected=expected,
            got=got,
            fix="give a list of pictures, an array (N, H, W) or (N, H, W, 3), or a tensor (N, C, H, W)",
        )
    several: Iterable[ImageLike] = images
    return several
