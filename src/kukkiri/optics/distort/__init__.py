"""Distortions as a library: kinds of damage, each with five strengths, that are alike from kind to kind.

    from kukkiri.optics.distort import distort
    worse = distort(pictures, "jpeg", 3)

`KINDS` is the table, `levels.toml` holds the numbers of the ladders.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

from kukkiri.errors import InputError, ShapeError
from kukkiri.optics.codecs import LONGEST
from kukkiri.optics.distort.kind import GROUPS, LEVELS, Kind, Ladder, Parameter, checked_level
from kukkiri.optics.distort.kinds import KINDS, find_kind, kinds

if TYPE_CHECKING:
    from torch import Tensor

Number = TypeVar("Number", int, float)

__all__ = [
    "GROUPS",
    "KINDS",
    "LEVELS",
    "Kind",
    "Ladder",
    "Parameter",
    "distort",
    "find_kind",
    "kinds",
    "parameters",
]

# The largest side that a codec's files can have, pixels.
LARGEST: Mapping[str, int] = MappingProxyType({"jpeg": LONGEST["JPEG"], "webp": LONGEST["WEBP"]})
# What seeds a generator.
SEEDS = (-(2**63), 2**64 - 1)


def distort(
    image: Tensor, kind: str | Kind, level: float | Sequence[float] | Tensor, seed: int | Sequence[int] | Tensor = 0
) -> Tensor:
    """Pictures with one kind of distortion.

    Parameters
    ----------
    image : Tensor, (N, C, H, W), C = 1 or 3, values in [0, 1]
    kind : str or Kind
        A name of `KINDS`.
    level : float or (N,), in 0..5
        0 is the picture itself, exactly; 1 can just be seen, 5 spoils it. Levels between are interpolated.
    seed : int or (N,) int
        Of what is drawn at random; Python's, NumPy's or torch's numbers. The same seed gives the same pictures on every
        device. With one seed a sample, a picture does not depend on what else is in the batch.

    Returns
    -------
    Tensor, (N, C, H, W), type and device of `image`, in [0, 1]

    Raises
    ------
    UnknownNameError
        If there is no such kind.
    ShapeError
        If the pictures are neither grey nor RGB, grey and the kind is about colour, or too large for a codec.
    InputError
        If the kind is no name, a level is not from 0 to 5, a seed is no whole number, values are out of range, or there
        is neither one nor one a sample.
    """
    import torch

    chosen = find_kind(kind)
    chosen.check(image)
    levels = _one_each("level", level, len(image), _level)
    seeds = _one_each("seed", seed, len(image), _seed)
    if image.numel():
        low, high = (float(v) for v in image.detach().aminmax())
        if not (low >= -1e-4 and high <= 1 + 1e-4):  # NaN fails
            raise InputError(
                expected="values in [0, 1]", got=f"{low:g} to {high:g}", fix="divide by the largest level (255, 65535)"
            )
    changed = image.clone()
    touched = [i for i, each in enumerate(levels) if each > 0]
    if not touched:
        return changed
    largest = LARGEST.get(chosen.name)
    if largest is not None and max(image.shape[2:]) > largest:
        raise ShapeError(
            expected=f"sides of at most {largest} px for {chosen.name}",
            got=f"{image.shape[3]}×{image.shape[2]}",
            fix="cut the picture into parts, or choose another kind",
        )
    # One generator a sample means one sample at a time, unless nothing is drawn.
    parts = [touched] if _is_one(seed) or not chosen.random else [[i] for i in touched]
    for part in parts:
        generator = torch.Generator().manual_seed(seeds[part[0]])
        changed[part] = chosen.apply(image[part], chosen.ladder.batch([levels[i] for i in part]), generator)
    return changed


def parameters(kind: str | Kind, level: float) -> dict[str, float]:
    """What a level of a kind means.

    Parameters
    ----------
    kind : str or Kind
    level : float, in 0..5

    Returns
    -------
    dict
        Name of the parameter → its value; `find_kind(kind).ladder` tells meanings and units.

    Raises
    ------
    UnknownNameError
        If there is no such kind.
    InputError
        If the kind is no name, or the level is not from 0 to 5.
    """
    return find_kind(kind).ladder.at(level)


def _one_each(what: str, values: Any, count: int, number: Callable[[Any], Number]) -> list[Number]:
    if _is_one(values):
        return [number(values)] * count
    listed = [number(value) for value in (values.tolist() if hasattr(values, "tolist") else values)]
    if len(listed) != count:
        raise InputError(
            expected=f"one {what}, or {count}", got=str(len(listed)), fix="give one for all or one a sample"
        )
    return listed


def _is_one(values: Any) -> bool:
    """Whether this is no sequence; NumPy's numbers and tensors without axes are numbers too."""
    return getattr(values, "ndim", None) == 0 or isinstance(values, str) or not hasattr(values, "__len__")


def _level(value: Any) -> float:
    try:
        level = float(value)
    except (TypeError, ValueError) as error:
        raise InputError(
            expected=f"a level from 0 to {LEVELS[-1]}", got=repr(value), fix="give a number, or one a sample"
        ) from error
    return checked_level(level)


def _seed(value: Any) -> int:
    try:
        seed = operator.index(value)
        if not SEEDS[0] <= seed <= SEEDS[1]:
            raise ValueError
    except (TypeError, ValueError) as error:
        raise InputError(
            expected="a whole number of 64 bits as seed", got=repr(value), fix="give an integer such as 0"
        ) from error
    return seed
