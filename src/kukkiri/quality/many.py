"""Scores of several files by several metrics: a file that fails does not stop the others."""

from __future__ import annotations

import logging
import math
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from kukkiri.errors import KukkiriError, one_line
from kukkiri.images.image import Image
from kukkiri.images.reading import load
from kukkiri.metrics.base import Metric
from kukkiri.metrics.score import json_number
from kukkiri.metrics.table import spec_of
from kukkiri.quality.aligning import Ready, in_register
from kukkiri.quality.building import Scoring, Unbuilt, build_metrics
from kukkiri.quality.maps import MapNames, has_map, write_map
from kukkiri.quality.pairing import Pair
from kukkiri.quality.quality_score import JUDGED_KEYS
from kukkiri.quality.verbs import automatic_mask, score

log = logging.getLogger("kukkiri")


def score_pairs(
    pairs: Iterable[Pair], metrics: Sequence[Metric | Unbuilt], scoring: Scoring
) -> Iterator[list[dict[str, Any]]]:
    """Rows of each pair, one a metric.

    Parameters
    ----------
    pairs : iterable of Pair
    metrics : sequence of Metric or Unbuilt
        As `build_metrics` gives them.
    scoring : Scoring

    Yields
    ------
    list of dict
        Keys name, path, reference (None without one), error (None or one line), those of `Score` (of a metric that
        judges quality, those of `QualityScore`), 'alignment' where pictures are aligned, and 'map' where maps are
        written: the path of the picture, or None. A row with both a value and an error is one whose map could not be
        written.
    """
    held = _Held(scoring)
    maps = None if scoring.maps is None else MapNames(scoring.maps)
    for pair in pairs:
        if pair.error is not None or pair.picture is None:
            yield [_failed(pair, m, pair.error or "expected a picture, got none", scoring) for m in metrics]
            continue
        try:
            ready = held.ready(pair.picture, pair.reference)
        except Exception as error:
            yield [_failed(pair, metric, _explained(error), scoring) for metric in metrics]
            continue
        stem = "" if maps is None else maps.of(pair.name)
        yield [_row(pair, metric, ready, stem, scoring) for metric in metrics]


def score_files(
    paths: Sequence[Path], reference: Path | None, metrics: Sequence[str], *, auto_mask: bool = True
) -> Iterator[dict[str, Any]]:
    """One row a file and metric, as `score_pairs` has them, all against one reference or none.

    Raises
    ------
    KukkiriError
        Before anything is scored, if a metric is not known or of the other kind, or the reference cannot be read.
    """
    scoring = Scoring(auto_mask=auto_mask)
    built = build_metrics(metrics, scoring, reference=reference is not None)
    if reference is not None:
        load(reference)
    pairs = [Pair(path.stem, path, reference) for path in paths]
    return (row for rows in score_pairs(pairs, built, scoring) for row in rows)


def summarise(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Mean and median of each metric over its finite values.

    With how many rows have a value ('count'), how many of these are infinite (PSNR of identical pictures), and how
    many have none.
    """
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault(row["metric"], []).append(row)
    found = []
    for name, group in groups.items():
        values = [float(row["value"]) for row in group if row["value"] is not None]
        finite = [value for value in values if math.isfinite(value)]
        alone = json_number(values[0]) if values else None
        found.append(
            {
                "metric": name,
                "mean": statistics.fmean(finite) if finite else alone,
                "median": statistics.median(finite) if finite else alone,
                "count": len(values),
                "infinite": len(values) - len(finite),
                "failed": sum(1 for row in group if row["error"] and row["value"] is None),
                "unit": spec_of(name).unit,
                "higher_is_better": group[0]["higher_is_better"],
            }
        )
    return found


class _Held:
    """Pictures of a pair, ready to be scored; a reference that several pictures share is read once."""

    def __init__(self, scoring: Scoring) -> None:
        self._scoring = scoring
        self._path: Path | None = None
        self._reference: Image | None = None
        self._mask: Tensor | None = None

    def ready(self, picture: Path, reference: Path | None) -> Ready:
        """Both as pictures of one size, what does not count in them, and how they were aligned."""
        image, scoring = load(picture), self._scoring
        if reference is None:
            return Ready(image, None, automatic_mask(image) if scoring.auto_mask else None)
        if self._reference is None or reference != self._path:
            self._path, self._reference = reference, load(reference)
            self._mask = automatic_mask(self._reference) if scoring.auto_mask else None
        own = automatic_mask(image) if scoring.auto_mask and scoring.align is not False else None
        return in_register(image, self._reference, self._mask, scoring.align, tones=scoring.tones, own_mask=own)


def _row(pair: Pair, metric: Metric | Unbuilt, ready: Ready, stem: str, scoring: Scoring) -> dict[str, Any]:
    if isinstance(metric, Unbuilt):
        return _failed(pair, metric, str(metric.error), scoring)
    try:
        row = _named(pair) | score(ready, metric).to_row()
    except Exception as error:
        return _failed(pair, metric, _explained(error), scoring)
    if row["value"] is None:
        return _failed(
            pair,
            metric,
            f"expected a picture that {metric.spec.name} can measure, got one that tells it nothing; leave it out",
            scoring,
        )
    if scoring.maps is not None:
        row["map"] = None
        try:
            if has_map(metric):
                row["map"] = str(write_map(scoring.maps, stem, metric, ready))
        except Exception as error:
            row["error"] = one_line(f"scored, but no map: {_explained(error)}", 2000)
    return row


def _explained(error: Exception) -> str:
    """One line for the row. What is not ours is logged with its trace: it may be a fault of Kukkiri."""
    if isinstance(error, KukkiriError):
        return str(error)
    log.info("unforeseen failure", exc_info=error)
    return one_line(
        f"expected pictures that can be measured, got {type(error).__name__}: {error}; "
        "run 'kukkiri -v …' for the trace, and report it"
    )


def _failed(pair: Pair, metric: Metric | Unbuilt, error: str, scoring: Scoring) -> dict[str, Any]:
    spec = metric.spec
    row = _named(pair) | {
        "error": error,
        "metric": spec.name,
        "value": None,
        "higher_is_better": spec.higher_is_better,
        "interval": None,
        "unit": spec.unit,
        "masked": None,
    }
    row |= dict.fromkeys(JUDGED_KEYS) if spec.judges_quality else {}
    row |= {"alignment": None} if scoring.align else {}
    return row | ({"map": None} if scoring.maps is not None else {})


def _named(pair: Pair) -> dict[str, Any]:
    path, reference = (None if p is None else str(p) for p in (pair.picture, pair.reference))
    return {"name": pair.name, "path": path, "reference": reference, "error": None}
