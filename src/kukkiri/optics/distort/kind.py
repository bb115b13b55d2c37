"""What a kind of distortion is: a name, a group, and a ladder of five strengths. No torch until one is applied."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal

from kukkiri.errors import InputError, ShapeError, unknown_name

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    Apply = Callable[[Tensor, Mapping[str, Tensor], torch.Generator], Tensor]

# What can be wrong with a picture, in the words of a report; a kind of none of these has the group None.
GROUPS = ("blur", "noise", "compression", "exposure", "contrast", "colour", "haze")
# A ladder's levels; 0 is the picture itself.
LEVELS = (1, 2, 3, 4, 5)


@dataclass(frozen=True)
class Parameter:
    """One number that grows, or shrinks, from level to level.

    Parameters
    ----------
    name : str
    meaning : str
        A few words, for tables.
    identity : float
        Its value where nothing would be changed (or nearly nothing): levels from 0 to 1 come from there.
    values : tuple of 5 float
        At the levels 1 to 5.
    unit : str
        Empty for plain numbers.
    scale : 'linear' | 'geometric'
        How levels between are interpolated; geometric steps run linearly where an end is 0.
    whole : bool
        Whether only whole numbers make sense.
    """

    name: str
    meaning: str
    identity: float
    values: tuple[float, ...]
    unit: str = ""
    scale: Literal["linear", "geometric"] = "geometric"
    whole: bool = False

    def __post_init__(self) -> None:
        if len(self.values) != len(LEVELS) or not all(math.isfinite(v) for v in self.values):
            raise InputError(
                expected=f"{len(LEVELS)} finite values of the parameter {self.name!r}",
                got=ascii(list(self.values)),
                fix="correct them in levels.toml",
            )

    def at(self, level: float) -> float:
        """The value at a level of 0 to 5.

        Parameters
        ----------
        level : float

        Returns
        -------
        float

        Raises
        ------
        InputError
            If the level is not from 0 to 5.
        """
        steps = (self.identity, *self.values)
        below = min(int(checked_level(level)), len(LEVELS) - 1)
        a, b, share = steps[below], steps[below + 1], level - below
        if self.scale == "geometric" and a > 0 and b > 0:
            value = a * (b / a) ** share if 0 < share < 1 else (b if share else a)
        else:
            value = a + (b - a) * share
        return float(round(value)) if self.whole else value


@dataclass(frozen=True)
class Ladder:
    """The parameters of a kind.

    Parameters
    ----------
    parameters : tuple of Parameter
    """

    parameters: tuple[Parameter, ...]

    def at(self, level: float) -> dict[str, float]:
        """Every parameter's value at a level of 0 to 5.

        Raises
        ------
        InputError
            If the level is not from 0 to 5.
        """
        return {parameter.name: parameter.at(level) for parameter in self.parameters}

    def batch(self, levels: list[float]) -> dict[str, Tensor]:
        """The same for several levels: tensors (N,), float32, on the CPU.

        Raises
        ------
        InputError
            If a level is not from 0 to 5.
        """
        import torch

        rows = [self.at(level) for level in levels]
        return {p.name: torch.tensor([row[p.name] for row in rows]) for p in self.parameters}


@dataclass(frozen=True)
class Kind:
    """A kind of distortion.

    Parameters
    ----------
    name : str
        Lower case with hyphens.
    title : str
        What it is, in a few words.
    group : one of GROUPS, or None
        What a person would say is wrong; None where that is none of the seven.
    ladder : Ladder
    implementation : str or function(image, parameters, generator)
        'module:function', imported when it is first needed, or the function itself. See `apply`.
    random : bool
        Whether it draws numbers: another seed gives another picture.
    needs_colour : bool
        Whether it has no meaning for grey pictures.
    eight_bit : bool
        Whether what comes out has 8 bits, as the codecs do.
    """

    name: str
    title: str
    group: str | None
    ladder: Ladder
    implementation: str | Apply
    random: bool = False
    needs_colour: bool = False
    eight_bit: bool = False

    def __post_init__(self) -> None:
        if self.group is not None and self.group not in GROUPS:
            raise unknown_name("a group of distortions", self.group, GROUPS, f"one of {', '.join(GROUPS)}, or None")

    def apply(self, image: Tensor, parameters: Mapping[str, Tensor], generator: torch.Generator) -> Tensor:
        """Distort pictures with given parameters, at any values: `kukkiri.optics.distort.distort` takes levels.

        Parameters
        ----------
        image : Tensor, (N, C, H, W), C = 1 or 3, values in [0, 1]
        parameters : mapping of str to Tensor (N,)
            One value a sample for each parameter of the ladder.
        generator : torch.Generator
            On the CPU, so that one seed gives one picture on every device.

        Returns
        -------
        Tensor, (N, C, H, W), type and device of `image`, in [0, 1]

        Raises
        ------
        ShapeError
            If `image` is no batch of grey or RGB pictures, or grey where the kind is about colour.
        InputError
            If a parameter is missing or unknown, or has another number of values.
        """
        self.check(image)
        names = {parameter.name for parameter in self.ladder.parameters}
        if set(parameters) != names or any(tuple(v.shape) != (len(image),) for v in parameters.values()):
            raise InputError(
                expected=f"one tensor ({len(image)},) for each of {', '.join(sorted(names))}",
                got=", ".join(f"{name} {tuple(v.shape)}" for name, v in parameters.items()) or "none",
                fix=f"take them from KINDS[{self.name!r}].ladder.batch(levels)",
            )
        import torch

        # Half precision is for storage: kernels and codecs want more.
        working = image if image.dtype in (torch.float32, torch.float64) else image.float()
        changed = self._function()(working, parameters, generator)
        return changed.clamp(0, 1).to(image)

    def check(self, image: Tensor) -> None:
        """Raise unless this kind can be applied to a picture.

        Raises
        ------
        ShapeError
            If it is no batch of grey or RGB pictures, or grey where the kind is about colour.
        InputError
            If its values are no floating-point numbers.
        """
        if image.ndim != 4 or image.shape[1] not in (1, 3) or 0 in image.shape[2:]:
            raise ShapeError(
                expected="a batch (N, 1 or 3, H, W)",
                got=str(tuple(image.shape)),
                fix="give grey or RGB, channels first",
            )
        if self.needs_colour and image.shape[1] != 3:
            raise ShapeError(
                expected=f"RGB pictures (N, 3, H, W) for {self.name}",
                got=str(tuple(image.shape)),
                fix="choose a kind that is not about colour, or repeat the grey channel",
            )
        if not image.is_floating_point():
            raise InputError(
                expected="floating-point values in [0, 1]", got=str(image.dtype), fix="divide by the largest level"
            )

    def _function(self) -> Apply:
        if not isinstance(self.implementation, str):
            return self.implementation
        module, _, name = self.implementation.partition(":")
        found: Any = getattr(import_module(module), name)
        function: Apply = found
        return function


def checked_level(level: float) -> float:
    """A level from 0 to 5.

    Raises
    ------
    InputError
        If it is not.
    """
    if not 0 <= level <= LEVELS[-1]:  # NaN fails
        raise InputError(
            expected=f"a level from 0 to {LEVELS[-1]}", got=f"{level:g}", fix="0 is the picture itself, 5 the worst"
        )
    return float(level)
