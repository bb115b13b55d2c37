"""The table of metrics, what each promises, and how one is built and run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kukkiri.callable_module import make_callable
from kukkiri.metrics.spec import MetricSpec
from kukkiri.metrics.table import metrics, spec_of

if TYPE_CHECKING:
    from kukkiri.metrics.base import LocalMetric, Metric
    from kukkiri.metrics.build import metric
    from kukkiri.metrics.score import Score
    from kukkiri.metrics.tiled import measure_tiled

__all__ = ["LocalMetric", "Metric", "MetricSpec", "Score", "measure_tiled", "metric", "metrics", "spec_of"]

_LAZY = {"LocalMetric": "base", "Metric": "base", "Score": "score", "metric": "build", "measure_tiled": "tiled"}


def __getattr__(name: str) -> Any:
    # base and tiled import torch, which costs a second: only on use.
    if name in _LAZY:
        from importlib import import_module

        return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


make_callable(__name__, metrics)
