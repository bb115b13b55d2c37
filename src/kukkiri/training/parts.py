"""Work that several processes share: which part of it is one's own."""

from __future__ import annotations

from kukkiri.errors import InputError


def part_of(text: str) -> tuple[int, int]:
    """'1/2', the first of two halves, as (1, 2).

    Raises
    ------
    InputError
        If it is no such part.
    """
    which, _, of = text.partition("/")
    if which.isdecimal() and of.isdecimal() and 1 <= int(which) <= int(of):
        return int(which), int(of)
    raise InputError(expected="a part such as 1/2, the first of two halves", got=ascii(text), fix="count from 1")
