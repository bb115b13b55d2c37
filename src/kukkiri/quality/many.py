"""Scores of several files by several metrics: a file that fails does not stop the others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from kukkiri.errors import InputError, KukkiriError
from kukkiri.images.reading import load
from kukkiri.metrics.base import Metric
from kukkiri.metrics.build import metric as build
from kukkiri.quality.verbs import automatic_mask, score


def score_files(
    paths: Sequence[Path], reference: Path | None, metrics: Sequence[str], *, auto_mask: bool = True
) -> Iterator[dict[str, Any]]:
    """One row a file and metric.

    Parameters
    ----------
    paths : sequence of Path
    reference : Path or None
    metrics : sequence of str
    auto_mask : bool
        Leave out info bars, scale bars and burnt-in text.

    Yields
    ------
    dict
        Keys path, error (None or one line), and those of `Score`.

    Raises
    ------
    KukkiriError
        Before anything is scored, if a metric is not known or of the other kind, or the reference cannot be read.
    """
    built = [_built(name, reference) for name in metrics]
    target = None if reference is None else load(reference)
    return (row for path in paths for row in _rows(path, target, built, auto_mask))


def _rows(path: Path, target: Any, metrics: Sequence[Metric], auto_mask: bool) -> Iterator[dict[str, Any]]:
    try:
        image = load(path)
        mask = automatic_mask(image if target is None else target) if auto_mask else None
    except KukkiriError as error:
        yield from (_failed(path, metric, error) for metric in metrics)
        return
    for metric in metrics:
        try:
            yield {"path": str(path), "error": None} | score(image, target, metric, mask).to_row()
        except KukkiriError as error:
            yield _failed(path, metric, error)


def _failed(path: Path, metric: Metric, error: KukkiriError) -> dict[str, Any]:
    spec = metric.spec
    return {
        "path": str(path),
        "error": str(error),
        "metric": spec.name,
        "value": None,
        "higher_is_better": spec.higher_is_better,
    }


def _built(name: str, reference: Path | None) -> Metric:
    metric = build(name)
    if metric.spec.needs_reference != (reference is not None):
        command = "compare" if metric.spec.needs_reference else "quality"
        raise InputError(
            expected=f"a metric that needs {'a' if reference else 'no'} reference",
            got=name,
            fix=f"use 'kukkiri {command}', or choose another: 'kukkiri list'",
        )
    return metric
