"""The table of distortions. Needs no torch: a kind names its function as 'module:function'.

What TID2013 (Ponomarenko et al., Signal Processing: Image Communication 30, 2015) and KADID-10k (Lin, Hosu, Saupe,
QoMEX 2019) show to people is in here, and what cameras and networks add to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from kukkiri.errors import InputError, one_line, unknown_name
from kukkiri.optics.distort import classic_kinds, other_kinds
from kukkiri.optics.distort.kind import GROUPS, Kind

FAMILIES = (
    classic_kinds.blurs,
    classic_kinds.noises,
    classic_kinds.compressions,
    classic_kinds.tones,
    classic_kinds.colours,
    other_kinds.artefacts,
    other_kinds.scenes,
)
KINDS: Mapping[str, Kind] = MappingProxyType({kind.name: kind for family in FAMILIES for kind in family()})


def kinds(group: str | None = None) -> tuple[Kind, ...]:
    """All kinds, or those of one group.

    Parameters
    ----------
    group : str, optional
        One of GROUPS, or 'none' for the kinds that belong to no group.

    Raises
    ------
    UnknownNameError
        If there is no such group.
    """
    if group is None:
        return tuple(KINDS.values())
    if group not in (*GROUPS, "none"):
        raise unknown_name("a group of distortions", str(group), (*GROUPS, "none"), f"one of {', '.join(GROUPS)}, none")
    return tuple(kind for kind in KINDS.values() if (kind.group or "none") == group)


def find_kind(kind: str | Kind) -> Kind:
    """The kind of a name; a Kind passes through.

    Raises
    ------
    UnknownNameError
        If there is none.
    InputError
        If it is neither a name nor a Kind.
    """
    if isinstance(kind, Kind):
        return kind
    if not isinstance(kind, str):
        raise InputError(
            expected="the name of a kind of distortion", got=one_line(repr(kind), 80), fix="give one such as 'jpeg'"
        )
    if kind not in KINDS:
        raise unknown_name("a kind of distortion", kind, KINDS, "'kukkiri degrade --list' shows them")
    return KINDS[kind]
