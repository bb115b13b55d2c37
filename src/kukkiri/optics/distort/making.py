"""Kinds of distortion from a line of code and the numbers of levels.toml."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from kukkiri.optics.distort.kind import Kind, Ladder, Parameter

LEVELS_FILE = Path(__file__).with_name("levels.toml")
_HERE = "kukkiri.optics.distort"


@cache
def _levels() -> dict[str, dict[str, list[float]]]:
    return tomllib.loads(LEVELS_FILE.read_text(encoding="utf-8"))


def make_kind(
    name: str, title: str, group: str | None, where: str, *parameters: Mapping[str, Any], **flags: bool
) -> Kind:
    """A kind whose ladder is in levels.toml.

    Parameters
    ----------
    name, title, group
        As for `Kind`.
    where : str
        Module of this package; its function is called like the kind, with underscores.
    *parameters : mapping
        As `parameter` makes them.
    **flags
        `random`, `needs_colour`, `eight_bit` of `Kind`.
    """
    values = _levels()[name]
    ladder = Ladder(tuple(Parameter(values=tuple(map(float, values[p["name"]])), **p) for p in parameters))
    return Kind(name, title, group, ladder, f"{_HERE}.{where}:{name.replace('-', '_')}", **flags)


def parameter(
    name: str, meaning: str, unit: str = "", *, identity: float = 0.0, linear: bool = False, whole: bool = False
) -> dict[str, Any]:
    """A parameter without its values; see `Parameter`."""
    scale = "linear" if linear else "geometric"
    return {"name": name, "meaning": meaning, "unit": unit, "identity": identity, "scale": scale, "whole": whole}
