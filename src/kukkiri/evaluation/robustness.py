"""Robustness: does a score follow the blur, and nothing but the blur, from one day to another?

Sharp pictures are reduced until their own blur is near 0, blurred by a known amount, and given another light, gain,
noise or file format. A good metric puts all of them in the order of their blur, whatever the picture, PSF and day.

Of a metric of quality or fidelity another thing is asked: how far it moves when its picture hardly changes; see
`kukkiri.evaluation.stability`.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

import kukkiri
from kukkiri.errors import InputError, KukkiriError
from kukkiri.evaluation import astigmatism as astigmatism_section
from kukkiri.evaluation import increment as increment_section
from kukkiri.evaluation import invariances as invariances_section
from kukkiri.evaluation import stability as stability_section
from kukkiri.evaluation import stability_summary
from kukkiri.evaluation.estimates import BlurEstimator, Scorer, gives_sigma
from kukkiri.evaluation.journal import Journal
from kukkiri.evaluation.pictures import Picture, spread
from kukkiri.evaluation.protocol import RobustnessProtocol
from kukkiri.evaluation.running import Done, Job, run
from kukkiri.evaluation.stability_summary import MetricStability
from kukkiri.evaluation.summary import MetricRobustness, summarised
from kukkiri.evaluation.trials import Row, Trials
from kukkiri.metrics.build import metric
from kukkiri.metrics.spec import MetricSpec
from kukkiri.metrics.table import spec_of
from kukkiri.replacing import replacing

PACKAGES = ("torch", "numpy", "scipy", "scikit-image", "pillow")
# Said of every result, so that its numbers can be made again.
METHOD = (
    "picture reduced by area, blurred with a mirrored border, given a day, rounded to 8 bits; "
    "true sigma: half-trace moments of the kernel that was applied"
)


@dataclass(frozen=True, kw_only=True)
class Robustness:
    """What `robustness` found.

    Parameters
    ----------
    protocol : RobustnessProtocol
    pictures : tuple of dict
        name, sha256 and error of every picture of every section.
    metrics : tuple of MetricRobustness
        Those of sharpness, best first by Spearman over everything; what was skipped last.
    invariances : dict
        Metric → transform → figures; see `kukkiri.evaluation.invariances`. Empty if not asked for.
    increment : dict
        Metric → lines; see `kukkiri.evaluation.increment`.
    astigmatism : dict
        Metric → family of PSFs → figures; see `kukkiri.evaluation.astigmatism`.
    stability : tuple of MetricStability
        Metrics of quality and fidelity, and others if asked for; in the order that they were named.
    """

    protocol: RobustnessProtocol
    pictures: tuple[Row, ...]
    metrics: tuple[MetricRobustness, ...]
    invariances: Mapping[str, Mapping[str, Row]] = field(default_factory=dict)
    increment: Mapping[str, Sequence[Row]] = field(default_factory=dict)
    astigmatism: Mapping[str, Mapping[str, Row]] = field(default_factory=dict)
    stability: tuple[MetricStability, ...] = ()

    @property
    def unmet(self) -> frozenset[str]:
        """The metrics that could not be measured, by one of their sections at least."""
        names = [r.spec.name for r in self.metrics if r.mixed is None]
        return frozenset(names + [s.spec.name for s in self.stability if s.overall is None])

    @property
    def failed(self) -> tuple[Row, ...]:
        """The pictures that could not be measured."""
        return tuple(picture for picture in self.pictures if picture["error"])

    def to_row(self, *, trials: bool = True) -> dict[str, Any]:
        """A JSON-ready dict of all of it, with every trial or without."""
        return {
            "kind": "robustness",
            "versions": {"kukkiri": kukkiri.__version__, "python": platform.python_version()}
            | {name: version(name) for name in PACKAGES},
            "protocol": self._protocol(),
            "pictures": list(self.pictures),
            "metrics": [result.to_row(trials=trials) for result in self.metrics],
            "invariances": {name: dict(found) for name, found in self.invariances.items()},
            "increment": {name: list(lines) for name, lines in self.increment.items()},
            "astigmatism": {name: dict(found) for name, found in self.astigmatism.items()},
            "stability": {
                "method": stability_section.METHOD,
                "settings": dict(stability_section.SETTINGS),
                "metrics": [found.to_row(trials=trials) for found in self.stability],
            }
            if self.stability
            else {},
        }

    def _protocol(self) -> dict[str, Any]:
        """What of it was used: where nothing was blurred, no blur is spoken of."""
        row = self.protocol.to_row()
        if self.metrics or not self.stability:
            return row | {"method": METHOD}
        return {key: value for key, value in row.items() if key in stability_section.PROTOCOL}


def robustness(
    metrics: Sequence[str | Scorer],
    pictures: Sequence[Picture],
    *,
    protocol: RobustnessProtocol | None = None,
    invariances: bool = False,
    increment: Sequence[Picture] = (),
    astigmatism: bool = False,
    stability: bool = False,
    processes: int = 1,
    journal: Journal | None = None,
    on_start: Callable[[int], None] | None = None,
    on_done: Callable[[Done], None] | None = None,
) -> Robustness:
    """Measure how metrics follow the blur of pictures through other days and PSFs, or how steady they are.

    Parameters
    ----------
    metrics : sequence of names or metrics
        Of sharpness: they must follow the blur. Of quality or fidelity: small changes must not move them. One that
        cannot be had, or measures nothing, is skipped with the reason.
    pictures : sequence of Picture
        Sharp ones.
    protocol : RobustnessProtocol, optional
    invariances, astigmatism : bool
        Also whether sigma stays the same under transforms that keep it, and whether axes are found: on the same
        pictures, for metrics that give sigma, and that give axes.
    increment : sequence of Picture
        Pictures with a blur of their own, not reduced, on which added blur must be found in quadrature.
    stability : bool
        Also how far small changes move the metrics of sharpness.
    processes : int
        The numbers are the same however many, but for the seconds.
    journal : Journal, optional
        What an earlier run has measured is taken over.
    on_start : function(jobs), on_done : function(Done), optional
        For a progress bar.

    Returns
    -------
    Robustness

    Raises
    ------
    InputError
        If two metrics or pictures have one name, or there is no metric or no picture.
    KukkiriError
        If the journal cannot be written or a process dies.
    """
    protocol = protocol or RobustnessProtocol()
    if not pictures:
        raise InputError(expected="sharp pictures", got="none", fix="name a folder that holds some")
    for group in (pictures, increment):
        names = [picture.name for picture in group]
        if twice := [name for name in dict.fromkeys(names) if names.count(name) > 1]:
            raise InputError(expected="each picture under a name of its own", got=f"{twice[0]} twice", fix="rename one")
    built, specs, skipped = _built(metrics)
    followers = [name for name in built if _follows_blur(specs[name])]
    steady = [name for name in built if stability or name not in followers]
    sized = [name for name in followers if gives_sigma(specs[name])]
    with_axes = [name for name in followers if isinstance(built[name], BlurEstimator)]
    jobs = _jobs("trials", pictures, followers, protocol)
    jobs += _jobs("invariances", pictures, sized, protocol) if invariances else []
    jobs += _jobs("increment", increment, sized, protocol)
    jobs += _jobs("astigmatism", pictures, with_axes, protocol) if astigmatism else []
    jobs += _jobs("stability", pictures, steady, protocol)
    if on_start:
        on_start(len(jobs))
    given = {m if isinstance(m, str) else m.spec.name: None if isinstance(m, str) else m for m in metrics}
    done = run(jobs, given, protocol, processes=processes, journal=journal, on_done=on_done)

    def rows(section: str, name: str) -> dict[str, list[Row]]:
        return {d.job.picture.name: d.rows[name] for d in done if d.job.section == section and name in d.rows}

    def flat(section: str, name: str) -> list[Row]:
        return [row for its in rows(section, name).values() for row in its]

    def steadiness(name: str) -> MetricStability:
        if name in skipped:
            return MetricStability(spec=specs[name], skipped=skipped[name])
        return stability_summary.summarised(specs[name], rows("stability", name), protocol)

    results = [
        MetricRobustness(spec=specs[name], skipped=reason)
        for name, reason in skipped.items()
        if _follows_blur(specs[name])
    ]
    results += [summarised(specs[name], Trials.of(rows("trials", name)), protocol) for name in followers]
    return Robustness(
        protocol=protocol,
        pictures=_pictures(done),
        metrics=tuple(sorted(results, key=_rank)),
        invariances={n: invariances_section.summarised(flat("invariances", n)) for n in sized if invariances},
        increment={n: increment_section.summarised(rows("increment", n)) for n in sized if increment},
        astigmatism={n: astigmatism_section.summarised(flat("astigmatism", n)) for n in with_axes if astigmatism},
        stability=tuple(steadiness(n) for n in specs if stability or not _follows_blur(specs[n])),
    )


def check_out(path: Path) -> None:
    """Raise unless a result can be written there, before anything is measured.

    Raises
    ------
    InputError
        If the suffix is not .json.
    WriteError
        If the place cannot be written to.
    """
    if path.suffix.lower() != ".json":
        raise InputError(expected="a result with the suffix .json", got=path.name, fix="rename --out")
    with replacing(path, keep=False) as probe:
        probe.touch()


def write_json(result: Robustness, path: Path) -> None:
    """Write all of a result, every trial too, as one JSON object; the file appears whole or not at all.

    Raises
    ------
    WriteError
        If it cannot be written.
    """
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(result.to_row(), ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")


def _built(
    metrics: Sequence[str | Scorer],
) -> tuple[dict[str, Scorer], dict[str, MetricSpec], dict[str, str]]:
    """Metrics that can be had, the specs of all, and why the others cannot."""
    built: dict[str, Scorer] = {}
    specs: dict[str, MetricSpec] = {}
    skipped: dict[str, str] = {}
    for given in metrics:
        spec = spec_of(given) if isinstance(given, str) else given.spec
        if spec.name in specs:
            raise InputError(expected="each metric once", got=f"{spec.name} twice", fix="leave one out")
        specs[spec.name] = spec
        try:
            built[spec.name] = metric(given) if isinstance(given, str) else given
        except KukkiriError as error:
            skipped[spec.name] = str(error)
    if not specs:
        raise InputError(expected="at least one metric", got="none", fix="name one, or 'all'")
    return built, specs, skipped


def _follows_blur(spec: MetricSpec) -> bool:
    return spec.answers == "sharpness" and not spec.needs_reference


def _jobs(section: str, pictures: Sequence[Picture], names: Sequence[str], protocol: RobustnessProtocol) -> list[Job]:
    few = {picture.name for picture in spread(pictures, protocol.slow_pictures)}
    jobs = []
    for picture in pictures:
        chosen = tuple(name for name in names if name not in protocol.slow or picture.name in few)
        if chosen:
            jobs.append(Job(section, picture, chosen))
    return jobs


def _pictures(done: Sequence[Done]) -> tuple[Row, ...]:
    found: dict[tuple[str, str], Row] = {}
    for d in done:
        row = found.setdefault(
            (d.job.picture.name, d.sha256), {"name": d.job.picture.name, "sha256": d.sha256 or None, "error": d.error}
        )
        row["error"] = row["error"] or d.error
    return tuple(found.values())


def _rank(result: MetricRobustness) -> float:
    score = np.nan if result.mixed is None else result.mixed.spearman
    return (-score if np.isfinite(score) else 2.0) + (result.mixed is None)
