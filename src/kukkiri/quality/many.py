"""Scores of several files with one metric: one that fails does not stop the others."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kukkiri.errors import InputError, KukkiriError
from kukkiri.images.reading import load
from kukkiri.metrics.build import metric as build
from kukkiri.quality.verbs import compare, quality


def score_files(
    paths: Sequence[Path], reference: Path | None, metric: str, *, mask: Any = "auto"
) -> list[dict[str, Any]]:
    """One row a file.

    Parameters
    ----------
    paths : sequence of Path
    reference : Path or None
    metric : str
    mask : 'auto' or None

    Returns
    -------
    list of dict
        Keys path, error (None or one line), and those of `Score`.

    Raises
    ------
    KukkiriError
        If the metric is not known or of the other kind, or the reference cannot be read.
    """
    built = build(metric)
    if built.spec.needs_reference != (reference is not None):
        command = "compare" if built.spec.needs_reference else "quality"
        raise InputError(
            expected=f"a metric that needs {'a' if reference else 'no'} reference",
            got=metric,
            fix=f"use 'kukkiri {command}', or choose another: 'kukkiri list'",
        )
    target = None if reference is None else load(reference)
    rows = []
    for path in paths:
        row: dict[str, Any] = {"path": str(path), "error": None}
        try:
            score = quality(path, built, mask=mask) if target is None else compare(path, target, built, mask=mask)
            row |= score.to_row()
        except KukkiriError as error:
            row |= {
                "error": str(error),
                "metric": metric,
                "value": None,
                "higher_is_better": built.spec.higher_is_better,
            }
        rows.append(row)
    return rows
