"""The metrics that a run asks for, with its options; one that cannot be built does not stop the others."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from kukkiri.errors import InputError, KukkiriError
from kukkiri.metrics.base import Metric
from kukkiri.metrics.build import metric as build
from kukkiri.metrics.learned import LearnedMetric, Precision
from kukkiri.metrics.spec import MetricSpec
from kukkiri.metrics.table import metrics, spec_of
from kukkiri.quality.aligning import Align
from kukkiri.quality.maps import has_map


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
    options : mapping
        Metric → options of its constructor.
    """

    auto_mask: bool = True
    align: Align = False
    tones: bool = True
    maps: Path | None = None
    device: str | None = None
    max_side: int | None = None
    precision: Precision | None = None
    weights: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Unbuilt:
    """A metric that could not be built: its column holds why.

    Parameters
    ----------
    spec : MetricSpec
    error : KukkiriError
    """

    spec: MetricSpec
    error: KukkiriError


def build_metrics(names: Sequence[str], scoring: Scoring, *, reference: bool) -> list[Metric | Unbuilt]:
    """The metrics of these names, with what `scoring` says of them.

    Parameters
    ----------
    names : sequence of str
    scoring : Scoring
    reference : bool
        Whether there are references.

    Returns
    -------
    list of Metric or Unbuilt
        Unbuilt are those whose checkpoint cannot be had, as long as there are others.

    Raises
    ------
    UnknownNameError
        If a metric is not known.
    InputError
        If one is of the other kind, if an option fits none of them, or if maps are asked for and none has one.
    WeightError
        If no metric can be built.
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
    shared = {name: value for name, value in given.items() if value is not None}
    networks = {spec.name for spec in specs if _is_network(spec)}
    if shared and not networks:
        raise InputError(
            expected=f"a metric that takes {' and '.join(shared)}",
            got=", ".join(names),
            fix="leave it out: learned metrics take it, kukkiri-nr looks at its own parts",
        )
    for what, named in (("weights", list(scoring.weights)), ("options", list(scoring.options))):
        if stray := [name for name in named if name not in names]:
            raise InputError(
                expected=f"{what} of {', '.join(names)}", got=stray[0], fix="name the metric as it is named in -m"
            )
    built = [_built(spec, scoring, shared if spec.name in networks else {}) for spec in specs]
    if (unbuilt := [one for one in built if isinstance(one, Unbuilt)]) and len(unbuilt) == len(built):
        raise unbuilt[0].error
    if scoring.maps is not None and not any(has_map(_kind(spec)) for spec in specs):
        raise InputError(
            expected=f"a metric that has a map ({', '.join(mapped_names(reference))})",
            got=", ".join(names),
            fix="add one with -m",
        )
    return built


def mapped_names(reference: bool) -> list[str]:
    """Names of the metrics that have a map, with or without a reference."""
    return [spec.name for spec in metrics() if spec.needs_reference == reference and has_map(_kind(spec))]


def _built(spec: MetricSpec, scoring: Scoring, shared: Mapping[str, Any]) -> Metric | Unbuilt:
    options = {**shared, **scoring.options.get(spec.name, {})}
    try:
        return build(spec.name, weights=scoring.weights.get(spec.name), device=scoring.device, **options)
    except InputError:
        raise  # wrong use
    except TypeError as error:  # a constructor that was given a word in place of a number
        if not options:
            raise
        raise InputError(
            expected=f"options that {spec.name} takes",
            got=f"{', '.join(f'{k}={v!r}' for k, v in options.items())} ({error})",
            fix="see its documentation",
        ) from error
    except KukkiriError as error:
        return Unbuilt(spec, error)


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


def parse_options(texts: Iterable[str]) -> dict[str, dict[str, Any]]:
    """'METRIC.NAME=VALUE' of each text: metric → name → a number, truth value or tuple, else the text itself.

    Raises
    ------
    InputError
        If one is not of that form.
    """
    found: dict[str, dict[str, Any]] = {}
    for text in texts:
        path, equals, value = text.partition("=")
        name, dot, option = (part.strip() for part in path.partition("."))
        if not (equals and dot and name and option):
            raise InputError(
                expected="METRIC.NAME=VALUE, such as ssim.downsample=false", got=repr(text), fix="name all three"
            )
        found.setdefault(name, {})[option] = _value(value.strip())
    return found


def _value(text: str) -> Any:
    words = {"true": True, "false": False, "none": None}
    if text.lower() in words:
        return words[text.lower()]
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def _is_network(spec: MetricSpec) -> bool:
    return issubclass(_kind(spec), LearnedMetric)


def _kind(spec: MetricSpec) -> type[Metric]:
    module, _, name = spec.implementation.partition(":")
    kind: type[Metric] = getattr(import_module(module), name)
    return kind
