"""What `kukkiri-nr` says of one picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

# From here on a kind of damage is named.
NAMED = 0.5
# From here on a picture is said to be unlike the training.
UNLIKE = 0.99


class Probabilities(dict[str, float]):
    """A dictionary that stays as it is: name → probability. It can be hashed, pickled, copied, and written as JSON."""

    def _refuse(self, *_given: Any, **_named: Any) -> NoReturn:
        raise TypeError(f"{type(self).__name__} are read-only: no item assignment or deletion; change dict(…) of them")

    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse

    def __hash__(self) -> int:  # type: ignore[override]  # a dict has none
        return hash(frozenset(self.items()))

    def __reduce__(self) -> tuple[Any, ...]:
        # As items are set one by one otherwise, which is refused.
        return type(self), (dict(self),)

    def __repr__(self) -> str:
        return repr({name: round(value, 3) for name, value in self.items()})


@dataclass(frozen=True)
class Judgement:
    """How good a picture is, and what is wrong with it.

    Parameters
    ----------
    value : float
        0 to 100, higher is better: 100 less the mean badness that five full-reference metrics would find, if they had
        the original.
    interval : (float, float)
        90 %.
    wrong : mapping of str to float
        Probability, 0 to 1, that there is damage of each group: blur, noise, compression, exposure, contrast, colour,
        haze; the most probable first. Read-only.
    unlike_training : float
        0 to 1: share of pictures like those of the training that are nearer to its middle. From 0.99 on, doubt all.
    """

    value: float
    interval: tuple[float, float]
    wrong: Mapping[str, float]
    unlike_training: float

    def __post_init__(self) -> None:
        ordered = dict(sorted(self.wrong.items(), key=lambda item: -item[1]))
        object.__setattr__(self, "wrong", Probabilities(ordered))

    @property
    def named(self) -> tuple[str, ...]:
        """The groups that are more probable than not, the most probable first; none for a clean picture."""
        return tuple(name for name, probability in self.wrong.items() if probability >= NAMED)

    @property
    def is_unlike_training(self) -> bool:
        """Whether the picture is unlike most of the training: further from its middle than 99 in 100 like those."""
        return self.unlike_training >= UNLIKE
