"""Several kinds of damage in one picture, in the order in which a picture meets them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TYPE_CHECKING

from kukkiri.errors import InputError
from kukkiri.optics.distort.kind import Kind

if TYPE_CHECKING:
    from torch import Tensor

# Air, lens, light, sensor, then what software does to tones and colours, to details, and the file at last.
ORDER = ("haze", "blur", "exposure", "noise", "contrast", "colour", None, "compression")
# Names of the kinds of a mixture are joined by this.
JOINT = "+"


def in_order(kinds: Sequence[Kind]) -> tuple[Kind, ...]:
    """The same kinds in the order in which a picture meets them: air, lens, sensor, software, file."""
    return tuple(sorted(kinds, key=lambda kind: ORDER.index(kind.group)))


def draw_mixture(kinds: Sequence[Kind], count: int, seed: int) -> tuple[Kind, ...]:
    """Kinds of different groups, drawn at random: first the groups, each as likely, then one kind of each.

    Parameters
    ----------
    kinds : sequence of Kind
        To draw from.
    count : int ≥ 1
    seed : int

    Returns
    -------
    tuple of Kind, `count` long, in order

    Raises
    ------
    InputError
        If the kinds are of fewer groups.
    """
    groups = [group for group in ORDER if any(kind.group == group for kind in kinds)]
    if not 1 <= count <= len(groups):
        raise InputError(
            expected=f"kinds of at least {count} groups for a mixture of {count}",
            got=f"kinds of {len(groups)}",
            fix="name kinds of more groups, or mix fewer",
        )
    drawn = random.Random(seed)
    chosen = drawn.sample(groups, count)
    return in_order([drawn.choice([kind for kind in kinds if kind.group == group]) for group in chosen])


def distort_all(image: Tensor, kinds: Sequence[Kind | str], level: float, seed: int = 0) -> Tensor:
    """Pictures with several kinds of damage, one after the other as given, all at one level.

    Parameters
    ----------
    image : Tensor, (N, C, H, W), C = 1 or 3, values in [0, 1]
    kinds : sequence of Kind or str
    level : float, in 0..5
    seed : int
        The first kind draws with it, the second with the next number, and so on.

    Returns
    -------
    Tensor, (N, C, H, W), type and device of `image`, in [0, 1]

    Raises
    ------
    UnknownNameError, ShapeError, InputError
        As `distort` does.
    """
    from kukkiri.optics.distort import distort

    for number, kind in enumerate(kinds):
        image = distort(image, kind, level, seed + number)
    return image
