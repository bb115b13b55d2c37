"""The table of all metrics: each family's specs, imported when asked for (no torch in here)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib import import_module

from kukkiri.errors import WeightError, unknown_name
from kukkiri.metrics.spec import MetricSpec

# Dotted names, not imports: the families stand on a higher floor than this table.
FAMILIES = (
    "kukkiri.sharpness.specs",
    "kukkiri.quality.full_reference.specs",
    "kukkiri.quality.full_reference.learned_specs",
    "kukkiri.quality.no_reference.specs",
    "kukkiri.quality.no_reference.learned_specs",
)

# What a folder is measured by unless other metrics are named.
DEFAULT_METRICS = ("kukkiri-blur", "kukkiri-nr", "laplacian-variance", "tenengrad", "cpbd", "niqe")
# What a picture's quality is judged by unless another metric is named.
DEFAULT_QUALITY = "kukkiri-nr"


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
        raise unknown_name("the name of a metric", name, specs, f"'kukkiri list' shows all {len(specs)}")
    return specs[name]


def check_own_key(spec: MetricSpec, weights: object) -> None:
    """Make sure that weights named by a key of the catalogue are this metric's, before anything is downloaded.

    Parameters
    ----------
    spec : MetricSpec
    weights : str, path, or mapping of Tensor
        Whatever is no key of the catalogue is not judged.

    Raises
    ------
    WeightError
        If the key is another metric's; the message names the metric's own.
    """
    from kukkiri.weights.catalogue import catalogue

    if isinstance(weights, str) and weights in catalogue() and weights not in spec.weights:
        raise WeightError(
            expected=f"weights of {spec.name}: {', '.join(spec.weights) or 'none in the catalogue'}",
            got=f"the key {weights}, which belongs to another network",
            fix="choose one of its own" if spec.weights else "pass the path of a file",
        )


def metric_names(names: Sequence[str] | str | None, default: Sequence[str] = DEFAULT_METRICS) -> tuple[str, ...]:
    """Names as a tuple: None is the default, and each string may hold several, parted by commas."""
    if names is None:
        return tuple(default)
    parts = [part.strip() for text in ([names] if isinstance(names, str) else names) for part in text.split(",")]
    return tuple(dict.fromkeys(part for part in parts if part))
