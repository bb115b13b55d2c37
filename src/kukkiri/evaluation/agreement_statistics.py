"""What agreement is told by: correlations and errors with and without curves, intervals, and when to doubt them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike

from kukkiri.evaluation.correlation import krcc, pearson, percentiles, resampled, srcc
from kukkiri.evaluation.logistic import Curve, Kind, fit
from kukkiri.evaluation.logistic_draws import LOGISTICS, unexplained
from kukkiri.evaluation.logistic_search import Array

# Statistic → the curve that lays the scores on the scale of opinions first; '' for none.
STATISTICS: Mapping[str, Kind | str] = MappingProxyType(
    {
        "srcc": "",
        "krcc": "",
        "plcc": "linear",
        "rmse": "linear",
        "plcc_logistic4": "logistic-4",
        "rmse_logistic4": "logistic-4",
        "plcc_logistic5": "logistic-5",
        "rmse_logistic5": "logistic-5",
    }
)
CURVES: tuple[Kind, ...] = ("linear", "logistic-4", "logistic-5")
# Part of the range of scores: a logistic that rises within less is a step, which a few pictures can make.
STEP = 0.05
# Part of the range of opinions: a step of less does no harm.
HIGH = 0.1


def fitted(x: Array, y: Array) -> dict[str, Curve]:
    """The curves that the finite scores allow, by their kind."""
    finite = np.isfinite(x)
    found = {kind: fit(x[finite], y[finite], kind) for kind in CURVES}
    return {kind: curve for kind, curve in found.items() if curve is not None}


def statistics_of(x: Array, y: Array, sign: float, curves: Mapping[str, Curve]) -> dict[str, float]:
    """Every statistic of scores against opinions; `sign` is −1 where the better of one is the lesser of the other."""
    values = {"srcc": sign * srcc(x, y), "krcc": sign * krcc(x, y)}
    finite = np.isfinite(x)
    way = values["srcc"] if finite.all() else sign * srcc(x[finite], y[finite])
    x, y = x[finite], y[finite]
    for kind, ending in zip(CURVES, _ENDINGS, strict=True):
        values[f"plcc{ending}"] = values[f"rmse{ending}"] = math.nan
        if curve := curves.get(kind):
            expected = curve(x)
            if kind == "linear":
                values["plcc"] = sign * pearson(x, y)
            else:
                values[f"plcc{ending}"] = math.copysign(pearson(expected, y), way)
            values[f"rmse{ending}"] = float(np.sqrt(np.mean((expected - y) ** 2)))
    return values


_ENDINGS = ("", "_logistic4", "_logistic5")


def intervals_of(
    x: Array,
    y: Array,
    sign: float,
    curves: Mapping[str, Curve],
    labels: ArrayLike,
    *,
    draws: int,
    level: float,
    seed: int,
) -> dict[str, tuple[float, float]]:
    """As `statistics_of` of each draw, but with all curves of many draws at once."""
    finite = np.isfinite(x)
    place = np.cumsum(finite) - 1
    values: dict[str, list[float]] = {name: [] for name in STATISTICS}
    parts, varying, ways = [], [], []
    for indices in resampled(labels, draws, seed):
        values["srcc"].append(sign * srcc(x[indices], y[indices]))
        values["krcc"].append(sign * krcc(x[indices], y[indices]))
        part = indices[finite[indices]]
        its = y[part]
        all_of_it = float(np.sum((its - its.mean()) ** 2)) if len(part) else math.nan
        linear = pearson(x[part], its) if len(part) else math.nan
        values["plcc"].append(sign * linear)
        values["rmse"].append(math.sqrt(all_of_it * (1 - linear**2) / len(part)) if len(part) else math.nan)
        parts.append(place[part])
        varying.append(all_of_it)
        ways.append(values["srcc"][-1] if finite.all() else sign * srcc(x[part], its) if len(part) else math.nan)
    for index, errors in enumerate(unexplained(x[finite], y[finite], parts, curves)):
        size, all_of_it, linear = len(parts[index]), varying[index], values["plcc"][index]
        for kind, ending in zip(LOGISTICS, _ENDINGS[1:], strict=True):
            # The line stands in where no logistic is better.
            error = min(errors[kind], all_of_it * (1 - linear**2)) if all_of_it > 0 and kind in curves else math.nan
            correlation = math.sqrt(max(0.0, 1 - error / all_of_it)) if error == error else math.nan
            values[f"plcc{ending}"].append(math.copysign(correlation, ways[index]))
            values[f"rmse{ending}"].append(math.sqrt(error / size) if error == error else math.nan)
    return {name: percentiles(its, level) for name, its in values.items()}


def cautions_of(x: Array, y: Array, curves: Mapping[str, Curve]) -> tuple[str, ...]:
    """Why to doubt the numbers, in one word each."""
    if np.ptp(y) == 0 or len(np.unique(x)) == 1:
        return ("equal",)
    bent = {kind: curve for kind, curve in curves.items() if kind != "linear"}
    finite = np.isfinite(x)
    way = srcc(x[finite], y[finite]) if finite.any() else math.nan
    said = {
        "few": len(curves) < len(CURVES),
        "turning": "logistic-5" in curves and not curves["logistic-5"].monotone,
        "straight": any(curve.straight for curve in bent.values()),
        "step": any(_is_step(curve, x[finite], y) for curve in bent.values()),
        "against": any(curve.rising != (way > 0) for curve in bent.values()),
    }
    return tuple(name for name, holds in said.items() if holds)


def _is_step(curve: Curve, x: Array, y: Array) -> bool:
    if curve.straight:
        return False
    if curve.kind == "logistic-4":
        height, width = curve.parameters[0] - curve.parameters[1], curve.parameters[3]
    else:
        height, width = curve.parameters[0], 1 / abs(curve.parameters[1])
    # Its rise from a tenth to nine tenths takes 4.4 widths.
    return bool(4.4 * width < STEP * np.ptp(x) and abs(height) > HIGH * np.ptp(y))
