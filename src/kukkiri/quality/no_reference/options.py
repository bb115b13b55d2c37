"""Whether options of the networks are possible: one message for each kind, whichever metric it is."""

from __future__ import annotations

import math
from typing import Any

from kukkiri.errors import InputError


def check_whole(name: str, value: Any, least: int, fix: str) -> None:
    """Make sure that an option is a whole number.

    Parameters
    ----------
    name : str
        Of the option.
    value : Any
    least : int
        The smallest that is possible.
    fix : str
        What to do otherwise.

    Raises
    ------
    InputError
        If it is not one, or too small.
    """
    if not _is_whole(value, least):
        raise InputError(expected=f"{name}: a whole number from {least}", got=repr(value), fix=fix)


def check_two(name: str, value: Any, least: int, what: str, fix: str) -> tuple[int, int]:
    """Two whole numbers (rows and columns, height and width) as a tuple.

    Parameters
    ----------
    name : str
        Of the option.
    value : Any
        A tuple or list of two.
    least : int
        The smallest that is possible.
    what, fix : str
        What the two are, and what to do otherwise.

    Raises
    ------
    InputError
        If it is anything else, or one of them is too small.
    """
    if not isinstance(value, tuple | list) or len(value) != 2 or not all(_is_whole(v, least) for v in value):
        raise InputError(expected=f"{name}: {what}, two whole numbers from {least}", got=repr(value), fix=f"give {fix}")
    return value[0], value[1]


def check_flag(name: str, value: Any) -> None:
    """Make sure that an option is True or False: of a text such as 'no' the meaning would be True.

    Raises
    ------
    InputError
        If it is anything else.
    """
    if not isinstance(value, bool):
        raise InputError(expected=f"{name}: True or False", got=repr(value), fix="give one of the two")


def check_factor(name: str, value: Any, fix: str) -> None:
    """Make sure that an option is a finite number above 0.

    Raises
    ------
    InputError
        If it is anything else.
    """
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or value <= 0:
        raise InputError(expected=f"{name}: a finite number above 0", got=repr(value), fix=fix)


def _is_whole(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least
