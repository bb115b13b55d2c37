"""The table of all metrics: each family's specs, imported when asked for (no torch in here)."""

from __future__ import annotations

import difflib
from functools import cache
from importlib import import_module

from kukkiri.errors import UnknownNameError
from kukkiri.metrics.spec import MetricSpec

# Dotted names, not imports: the families stand on a higher floor than this table.
FAMILIES = (
    "kukkiri.sharpness.specs",
    "kukkiri.quality.full_reference.specs",
    "kukkiri.quality.no_reference.specs",
)


@cache
def all_specs() -> dict[str, MetricSpec]:
    """Every metric by name, in the order of the families."""
    return {spec.name: spec for family in FAMILIES for spec in import_module(family).SPECS}


def metrics() -> tuple[MetricSpec, ...]:
    """All metrics that Kukkiri has, as their specs.

    Returns
    -------
    tuple of MetricSpec
        Costs milliseconds: nothing heavy is imported.
    """
    return tuple(all_specs().values())


def spec_of(name: str) -> MetricSpec:
    """The spec of the metric called `name`.

    Raises
    ------
    UnknownNameError
        If there is none; the message names the nearest ones.
    """
    specs = all_specs()
    if name not in specs:
        near = difflib.get_close_matches(name, specs, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}? " if near else ""
        raise UnknownNameError(
            expected="the name of a metric", got=repr(name), fix=f"{hint}'kukkiri list' shows all {len(specs)}"
        )
    return specs[name]
