"""Kukkiri tells how sharp a picture is, how good it is, how far things in it are, and makes it clear.

>>> import kukkiri as kk
>>> kk.quality("photo.jpg").value
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from kukkiri.errors import KukkiriError
    from kukkiri.evaluation.agreement import Agreement
    from kukkiri.evaluation.scores import evaluate
    from kukkiri.images.image import Image
    from kukkiri.images.reading import load
    from kukkiri.inspection.measuring import measure
    from kukkiri.inspection.record import Record
    from kukkiri.metrics.base import Metric
    from kukkiri.metrics.build import metric
    from kukkiri.metrics.score import Score
    from kukkiri.metrics.spec import MetricSpec
    from kukkiri.metrics.table import metrics
    from kukkiri.quality.quality_score import QualityScore
    from kukkiri.quality.verbs import compare, quality
    from kukkiri.restoration.restoration import Restoration
    from kukkiri.restoration.restore import restore
    from kukkiri.sharpness.blur import Blur, blur
    from kukkiri.sharpness.calibration import Calibration, calibrate
    from kukkiri.sharpness.field import Field, field
    from kukkiri.sharpness.focus_series import FocusSeries, focus_series
    from kukkiri.sharpness.focus_step import FocusStep, focus_step
    from kukkiri.sharpness.slanted_edge import Sfr, sfr

__all__ = [
    "Agreement",
    "Blur",
    "Calibration",
    "Field",
    "FocusSeries",
    "FocusStep",
    "Image",
    "KukkiriError",
    "Metric",
    "MetricSpec",
    "QualityScore",
    "Record",
    "Restoration",
    "Score",
    "Sfr",
    "blur",
    "calibrate",
    "compare",
    "evaluate",
    "field",
    "focus_series",
    "focus_step",
    "load",
    "measure",
    "metric",
    "metrics",
    "quality",
    "restore",
    "sfr",
]

# name → module that has it; a package that is called like its verb answers for itself.
_LAZY = {
    "Agreement": "kukkiri.evaluation.agreement",
    "evaluate": "kukkiri.evaluation.scores",
    "Image": "kukkiri.images.image",
    "KukkiriError": "kukkiri.errors",
    "Metric": "kukkiri.metrics.base",
    "MetricSpec": "kukkiri.metrics.spec",
    "QualityScore": "kukkiri.quality.quality_score",
    "Record": "kukkiri.inspection.record",
    "Score": "kukkiri.metrics.score",
    "Blur": "kukkiri.sharpness.blur",
    "blur": "kukkiri.sharpness.blur",
    "Calibration": "kukkiri.sharpness.calibration",
    "calibrate": "kukkiri.sharpness.calibration",
    "Field": "kukkiri.sharpness.field",
    "field": "kukkiri.sharpness.field",
    "FocusSeries": "kukkiri.sharpness.focus_series",
    "focus_series": "kukkiri.sharpness.focus_series",
    "FocusStep": "kukkiri.sharpness.focus_step",
    "focus_step": "kukkiri.sharpness.focus_step",
    "Sfr": "kukkiri.sharpness.slanted_edge",
    "sfr": "kukkiri.sharpness.slanted_edge",
    "compare": "kukkiri.quality.verbs",
    "Restoration": "kukkiri.restoration.restoration",
    "restore": "kukkiri.restoration.restore",
    "load": "kukkiri.images.reading",
    "measure": "kukkiri.inspection.measuring",
    "metric": "kukkiri.metrics.build",
}
_CALLABLE_PACKAGES = ("metrics", "quality")


def __getattr__(name: str) -> Any:
    if name in _CALLABLE_PACKAGES:
        return import_module(f"kukkiri.{name}")
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'kukkiri' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
