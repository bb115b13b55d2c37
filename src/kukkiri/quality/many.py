"""Scores of several files by several metrics: a file that fails does not stop the others."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from torch import Tensor

from kukkiri.errors import InputError, KukkiriError
from kukkiri.images.image import Image
from kukkiri.images.reading import load
from kukkiri.metrics.base import Metric
from kukkiri.metrics.build import metric as build
from kukkiri.metrics.learned import LearnedMetric, Precision
from kukkiri.metrics.spec import MetricSpec
from kukkiri.metrics.table import spec_of
from kukkiri.quality.aligning import Align, Ready, in_register
from kukkiri.quality.maps import MapNames, has_map, write_map
from kukkiri.quality.pairing import Pair
from kukkiri.quality.verbs import automatic_mask, score


@dataclass(frozen=True)
class Scoring:
    """How pictures are scored.

    Parameters
    ----------
    auto_mask : bool
        Leave out info bars, scale bars and burnt-in text.
    align : False | True | 'translation' | 'affine' | 'homography'
        Bring each reference into register with its picture first.
    tones : bool
        With `align`: bring its tones to the picture's too.
    maps : Path or None
        Folder for maps of the metrics that have one.
    device : str or None
        Where to compute; default: the CPU.
    max_side, precision : int or None, str or None
        Of the metrics that are networks; see `metrics.learned`.
    weights : mapping
        Metric → file or key of the checkpoint to take instead of its own.
    """

    auto_mask: bool = True
    align: Align = False
    tones: bool = True
    maps: Path | None = None
    device: str | None = None
    max_side: int | None = None
    precision: Precision | None = None
    weights: Mapping[str, str] = field(default_factory=dict)


def build_metrics(names: Sequence[str], scoring: Scoring, *, reference: bool) -> list[Metric]:
    """The metrics of these names, with what `scoring` says of them.

    Parameters
    ----------
    names : sequence of str
    scoring : Scoring
    reference : bool
        Whether there are references.

    Raises
    ------
    UnknownNameError
        If a metric is not known.
    InputError
        If one is of the other kind, if an option fits none of them, or if maps are asked for and none has one.
    WeightError
        If a checkpoint cannot be had.
    """
    specs = [spec_of(name) for name in names]
    for spec in specs:
        if spec.needs_reference != reference:
            command = "compare" if spec.needs_reference else "quality"
            raise InputError(
                expected=f"a metric that needs {'a' if reference else 'no'} reference",
                got=spec.name,
                fix=f"use 'kukkiri {command}', or choose another: 'kukkiri list'",
            )
    given = {"precision": scoring.precision, "max_side": scoring.max_side}
    options = {name: value for name, value in given.items() if value is not None}
    networks = {spec.name for spec in specs if _is_network(spec)}
    if options and not networks:
        raise InputError(
            expected=f"a network among the metrics for {' and '.join(options)}",
            got=", ".join(names),
            fix="leave it out: it belongs to metrics that are networks, the others see pictures as they are",
        )
    if stray := [name for name in scoring.weights if name not in names]:
        raise InputError(
            expected=f"weights of {', '.join(names)}",
            got=stray[0],
            fix="say METRIC=FILE, the metric as in -m",
        )
    built = [
        build(
            spec.name,
            weights=scoring.weights.get(spec.name),
            device=scoring.device,
            **(options if spec.name in networks else {}),
        )
        for spec in specs
    ]
    if scoring.maps is not None and not any(has_map(metric) for metric in built):
        raise InputError(
            expected="a metric that has a map (ssim and gmsd do)", got=", ".join(names), fix="add one with -m"
        )
    return built


def score_pairs(pairs: Iterable[Pair], metrics: Sequence[Metric], scoring: Scoring) -> Iterator[list[dict[str, Any]]]:
    """Rows of each pair, one a metric.

    Parameters
    ----------
    pairs : iterable of Pair
    metrics : sequence of Metric
        As `build_metrics` gives them.
    scoring : Scoring

    Yields
    ------
    list of dict
        Keys name, path, reference (None without one), error (None or one line), those of `Score`, 'alignment' where
        pictures are aligned, and 'map' where maps are written: the path of the picture, or None.
    """
    held = _Held(scoring)
    maps = None if scoring.maps is None else MapNames(scoring.maps)
    for pair in pairs:
        if pair.error is not None or pair.picture is None:
            yield [_failed(pair, m, pair.error or "expected a picture, got none", scoring) for m in metrics]
            continue
        try:
            ready = held.ready(pair.picture, pair.reference)
        except KukkiriError as error:
            yield [_failed(pair, metric, str(error), scoring) for metric in metrics]
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
    """Mean and median of each metric over the rows that have a value, with how many have and how many failed."""
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault(row["metric"], []).append(row)
    found = []
    for name, group in groups.items():
        values = [float(row["value"]) for row in group if row["value"] is not None]
        found.append(
            {
                "metric": name,
                "mean": statistics.fmean(values) if values else None,
                "median": statistics.median(values) if values else None,
                "count": len(values),
                "failed": sum(1 for row in group if row["error"]),
                "unit": spec_of(name).unit,
                "higher_is_better": group[0]["higher_is_better"],
            }
        )
    return found


def parse_weights(texts: Iterable[str]) -> dict[str, str]:
    """'METRIC=FILE' of each text as a dict.

    Raises
    ------
    InputError
        If one is not of that form.
    """
    found = {}
    for text in texts:
        name, equals, file = text.partition("=")
        if not (equals and name.strip() and file.strip()):
            raise InputError(expected="METRIC=FILE, such as dbcnn=mine.pth", got=repr(text), fix="name both")
        found[name.strip()] = file.strip()
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
        image = load(picture)
        if reference is None:
            return Ready(image, None, automatic_mask(image) if self._scoring.auto_mask else None)
        if self._reference is None or reference != self._path:
            self._path, self._reference = reference, load(reference)
            self._mask = automatic_mask(self._reference) if self._scoring.auto_mask else None
        return in_register(image, self._reference, self._mask, self._scoring.align, tones=self._scoring.tones)


def _row(pair: Pair, metric: Metric, ready: Ready, stem: str, scoring: Scoring) -> dict[str, Any]:
    try:
        row = _named(pair) | score(ready, metric).to_row()
        if scoring.maps is not None:
            drawn = has_map(metric)
            row["map"] = str(write_map(scoring.maps, stem, metric, ready)) if drawn else None
    except KukkiriError as error:
        return _failed(pair, metric, str(error), scoring)
    return row


def _failed(pair: Pair, metric: Metric, error: str, scoring: Scoring) -> dict[str, Any]:
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
    row |= {"alignment": None} if scoring.align else {}
    return row | ({"map": None} if scoring.maps is not None else {})


def _named(pair: Pair) -> dict[str, Any]:
    path, reference = (None if p is None else str(p) for p in (pair.picture, pair.reference))
    return {"name": pair.name, "path": path, "reference": reference, "error": None}


def _is_network(spec: MetricSpec) -> bool:
    module, _, name = spec.implementation.partition(":")
    return issubclass(getattr(import_module(module), name), LearnedMetric)
