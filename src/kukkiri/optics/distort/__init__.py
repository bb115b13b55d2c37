"""Distortions as a library: kinds of damage, each with five strengths, that are alike from kind to kind.

    from kukkiri.optics.distort import distort
    worse = distort(pictures, "jpeg", 3)

`KINDS` is the table, `levels.toml` holds the numbers of the ladders.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from kukkiri.errors import InputError
from kukkiri.optics.distort.kind import GROUPS, LEVELS, Kind, Ladder, Parameter, checked_level
from kukkiri.optics.distort.kinds import KINDS, find_kind, kinds

if TYPE_CHECKING:
    from torch import Tensor

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


def distort(
    image: Tensor, kind: str | Kind, level: float | Sequence[float] | Tensor, seed: int | Sequence[int] = 0
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
        Of what is drawn at random. The same seed gives the same pictures on every device. With one seed a sample,
        a picture does not depend on what else is in the batch.

    Returns
    -------
    Tensor, (N, C, H, W), type and device of `image`, in [0, 1]

    Raises
    ------
    UnknownNameError
        If there is no such kind.
    ShapeError
        If the pictures are neither grey nor RGB, or grey and the kind is about colour.
    InputError
        If a level is not from 0 to 5, values are out of range, or there is neither one nor one a sample.
    """
    import torch

    chosen = find_kind(kind)
    chosen.check(image)
    levels = _one_each("level", level, len(image))
    for each in levels:
        checked_level(each)
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
    whole = isinstance(seed, int)
    seeds = [seed] if isinstance(seed, int) else [int(s) for s in _one_each("seed", seed, len(image))]
    # One generator a sample means one sample at a time, unless nothing is drawn.
    parts = [touched] if whole or not chosen.random else [[i] for i in touched]
    for part in parts:
        generator = torch.Generator().manual_seed(seeds[0] if whole else seeds[part[0]])
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
        If the level is not from 0 to 5.
    """
    return find_kind(kind).ladder.at(level)


def _one_each(what: str, values: float | Sequence[float] | Tensor, count: int) -> list[float]:
    if isinstance(values, (int, float)):
        return [values] * count
    listed: Any = values.tolist() if hasattr(values, "tolist") else list(values)
    if not isinstance(listed, list):  # a tensor without axes
        return [float(listed)] * count
    if len(listed) != count:
        raise InputError(
            expected=f"one {what}, or {count}", got=str(len(listed)), fix="give one for all or one a sample"
        )
    return list(listed)
