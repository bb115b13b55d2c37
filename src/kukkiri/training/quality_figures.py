"""How good `kukkiri-nr` is on photographs that no training saw, beside NIQE, BRISQUE and PIQE.

    python -m kukkiri.training.quality_figures --data photographs --out docs/quality/figures.json [--pictures 20]

Every kind of damage at the levels 1 to 5 and mixtures of two, of so many photographs; all photographs as they are;
drawn pictures, and some that no photographer took. What is observed of a photograph is kept in `--kept`, so that a
stopped run goes on; with `--part` several processes share the observing, and one without it then judges and writes.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from kukkiri.evaluation.correlation import srcc
from kukkiri.optics.distort import GROUPS
from kukkiri.optics.distort.mixtures import JOINT
from kukkiri.quality.judgement import UNLIKE, Judgement
from kukkiri.quality.no_reference.kukkiri_nr import KukkiriNR
from kukkiri.replacing import replacing
from kukkiri.training.parts import part_of
from kukkiri.training.photographs import picture_files
from kukkiri.training.quality_cost import cost
from kukkiri.training.quality_material import UNSEEN
from kukkiri.training.quality_trials import (
    BESIDE,
    OURS,
    Observers,
    Trial,
    drawn,
    fingerprint,
    odd,
    of_photograph,
    trials,
)

METRICS = (OURS, *BESIDE)
# From this level on what is wrong should be plain.
CLEAR = 2
# Causes of a mixture must be among so many.
FIRST = 3
DRAWN = 40
CLEAN = "clean"
Pictures = Sequence[Sequence[Trial]]


def ladders(pictures: Pictures) -> dict[str, dict[str, Any]]:
    """Kind → metric → mean over pictures of Spearman between how bad a score is and the level, 0 to 5.

    Beside it, of each metric, 'levels': mean score at the levels 0 to 5, and under 'truth' that of the teachers. A
    version without a score is left out; a metric that scores less than half, or all alike, has ordered nothing: 0.
    """
    found: dict[str, dict[str, Any]] = {}
    for kind in dict.fromkeys(trial.kind for trial in _single(pictures)):
        series = [[t for t in trials if t.kind in ("", kind)] for trials in pictures]
        of_kind: dict[str, Any] = {"group": next(iter(series[0][-1].groups), None), "seen": kind not in UNSEEN}
        of_kind["spearman"] = {
            name: _mean(_order([t.scores[name] for t in one], [-t.level for t in one]) for one in series)
            for name in METRICS
        }
        of_kind["levels"] = {name: _by_level(series, name) for name in METRICS}
        of_kind["truth"] = _by_level(series)
        found[kind] = of_kind
    return found


def with_teachers(pictures: Pictures) -> dict[str, dict[str, float]]:
    """Spearman with the teachers over all damaged pictures: metric → 'all', 'seen', 'unseen', 'mixtures', and 'within'.

    'within' is the mean over photographs of the Spearman over all versions of one.
    """
    damaged = [[t for t in trials if t.kind] for trials in pictures]
    every = [t for trials in damaged for t in trials]
    parts = {
        "all": every,
        "seen": [t for t in every if JOINT not in t.kind and t.kind not in UNSEEN],
        "unseen": [t for t in every if t.kind in UNSEEN],
        "mixtures": [t for t in every if JOINT in t.kind],
    }
    found = {}
    for name in METRICS:
        found[name] = {part: _agreement(chosen, name) for part, chosen in parts.items() if chosen}
        found[name]["within"] = _mean(_agreement(trials, name) for trials in damaged)
    return found


def wrong(pictures: Pictures, undamaged: Sequence[Judgement]) -> dict[str, Any]:
    """What `kukkiri-nr` says is wrong, and what is; `undamaged` is what it says of photographs as they are.

    Returns
    -------
    dict
        'top_1': 'seen', 'unseen': share whose most probable group is right, at levels from 2 on; 'by_kind' the same;
        'confusion' and 'named': of seen kinds, true group → group → share, most probable or named first ('clean'
        where none is named); 'mixtures': 'seen' (both kinds) and 'all': share with both causes among the three most
        probable; 'clean': share of undamaged photographs for which nothing is named; 'false_alarms': group → share of
        undamaged photographs.
    """
    clear = [t for t in _single(pictures) if t.groups and t.level >= CLEAR]
    seen = [t for t in clear if t.kind not in UNSEEN]
    mixed = [t for trials in pictures for t in trials if JOINT in t.kind]
    return {
        "top_1": {
            "seen": _share(_right(t) for t in seen),
            "unseen": _share(_right(t) for t in clear if t.kind in UNSEEN),
            "by_kind": {
                k: _share(_right(t) for t in clear if t.kind == k) for k in dict.fromkeys(t.kind for t in clear)
            },
        },
        "confusion": _confusion(seen, _first),
        "named": _confusion(seen, lambda t: t.named[0] if t.named else CLEAN),
        "mixtures": {
            "seen": _share(_both(t) for t in mixed if not set(t.kind.split(JOINT)) & set(UNSEEN)),
            "all": _share(_both(t) for t in mixed),
        },
        "clean": _share(not j.named for j in undamaged),
        "false_alarms": {group: _share(group in j.named for j in undamaged) for group in GROUPS},
    }


def intervals(pictures: Pictures) -> dict[str, dict[str, float | None]]:
    """Part → 'coverage' (share of truths inside the 90 % interval), 'width' (mean), 'error' (median of the score)."""
    every = [t for trials in pictures for t in trials]
    parts = {
        "all": every,
        "pristine": _pristine(pictures),
        "seen": [t for t in _single(pictures) if t.kind not in UNSEEN],
        "unseen": [t for t in _single(pictures) if t.kind in UNSEEN],
        "mixtures": [t for t in every if JOINT in t.kind],
    }
    return {
        part: {
            "coverage": _share(t.interval[0] <= t.truth <= t.interval[1] for t in chosen),
            "width": _mean(t.interval[1] - t.interval[0] for t in chosen),
            "error": float(np.median([abs(t.judgement.value - t.truth) for t in chosen])),
        }
        for part, chosen in parts.items()
        if chosen
    }


def unlike(
    pictures: Pictures, undamaged: Sequence[Judgement], drawings: Sequence[Judgement], strange: Mapping[str, Judgement]
) -> dict[str, Any]:
    """Share that is called unlike the training: photographs, by level, drawings; and of each odd picture how much."""
    levels = sorted({t.level for t in _single(pictures)})
    return {
        "pristine": _share(j.is_unlike_training for j in undamaged),
        "damaged": {
            f"{level:g}": _share(t.unlike >= UNLIKE for t in _single(pictures) if t.level == level) for level in levels
        },
        "drawn": _share(j.is_unlike_training for j in drawings),
        "odd": {
            name: {
                "unlike": j.unlike_training,
                "flagged": j.is_unlike_training,
                "value": j.value,
                "interval": j.interval,
                "named": j.named,
            }
            for name, j in strange.items()
        },
    }


def summary(of_kinds: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Of seen and unseen kinds: metric → mean over kinds of the Spearman with the level, and the worst kind's."""
    found: dict[str, Any] = {}
    for part, seen in (("seen", True), ("unseen", False)):
        chosen = {kind: row["spearman"] for kind, row in of_kinds.items() if row["seen"] is seen}
        if chosen:
            found[part] = {
                name: {
                    "mean": _mean(row[name] for row in chosen.values()),
                    "worst": min(row[name] for row in chosen.values()),
                    "worst_kind": _lowest({kind: row[name] for kind, row in chosen.items()}),
                }
                for name in METRICS
            }
    return found


def figures(
    pictures: Pictures, undamaged: Sequence[Judgement], drawings: Sequence[Judgement], strange: Mapping[str, Judgement]
) -> dict[str, Any]:
    """Everything that trials show, ready for JSON."""
    of_kinds = ladders(pictures)
    return {
        "pictures": len(pictures),
        "undamaged": len(undamaged),
        "drawings": len(drawings),
        "metrics": METRICS,
        "summary": summary(of_kinds),
        "kinds": of_kinds,
        "teachers": with_teachers(pictures),
        "wrong": wrong(pictures, undamaged),
        "intervals": intervals(pictures),
        "unlike": unlike(pictures, undamaged, drawings, strange),
    }


def main() -> None:
    """Measure what is missing, then write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, action="append", required=True, help="photographs that no training saw")
    parser.add_argument("--out", type=Path, required=True, help="the JSON file to write")
    parser.add_argument("--kept", type=Path, default=Path("build/quality"), help="a folder for what is observed")
    parser.add_argument("--pictures", type=int, default=20)
    parser.add_argument("--part", help="1/2: observe the first of two halves, and write nothing")
    parser.add_argument("--weights", help="of the head; default: the shipped ones")
    parser.add_argument("--no-cost", action="store_true", help="do not measure time and memory of 12 megapixels")
    chosen = parser.parse_args()
    which, of = part_of(chosen.part or "1/1")
    files = picture_files(chosen.data)
    count = min(chosen.pictures, len(files))
    # Evenly over the list, whatever its order is.
    picked = [files[i * len(files) // count] for i in range(count)]
    # The slowest to load, and not needed if all is kept.
    observers = cache(Observers)
    seen = []
    for number, file in list(enumerate(picked))[which - 1 :: of]:
        seen.append(of_photograph(file, number, chosen.kept, observers))
        sys.stdout.write(f"{number + 1} of {count}\n")
        sys.stdout.flush()
    if chosen.part:
        return
    ours = KukkiriNR(chosen.weights)
    undamaged = [ours.judge(file)[0] for file in files]
    found = figures([trials(one, ours.head) for one in seen], undamaged, drawn(ours, DRAWN), odd(ours))
    found["weights"] = fingerprint(ours.head)
    if not chosen.no_cost:
        found["cost"] = cost(chosen.weights, BESIDE)
    with replacing(chosen.out) as unfinished:
        unfinished.write_text(json.dumps(_rounded(found), indent=1) + "\n", encoding="utf-8")


def _single(pictures: Pictures) -> list[Trial]:
    """Trials of one kind of damage."""
    return [t for trials in pictures for t in trials if t.kind and JOINT not in t.kind]


def _pristine(pictures: Pictures) -> list[Trial]:
    return [t for trials in pictures for t in trials if not t.kind]


def _lowest(values: Mapping[str, float]) -> str:
    return min(values, key=values.__getitem__)


def _first(trial: Trial) -> str:
    return next(iter(trial.judgement.wrong))


def _right(trial: Trial) -> bool:
    return _first(trial) in trial.groups


def _both(trial: Trial) -> bool:
    return set(trial.groups) <= set(list(trial.judgement.wrong)[:FIRST])


def _confusion(trials: Iterable[Trial], said: Callable[[Trial], str]) -> dict[str, dict[str, float]]:
    pairs = [(t.groups[0], said(t)) for t in trials]
    table = {}
    for truth in GROUPS:
        answers = [answer for group, answer in pairs if group == truth]
        if answers:
            table[truth] = {a: answers.count(a) / len(answers) for a in (*GROUPS, CLEAN) if a in answers}
    return table


def _by_level(series: Pictures, name: str | None = None) -> list[float | None]:
    """Mean score of a metric, or of the teachers, at each level."""
    found: list[float | None] = []
    for level in sorted({t.level for one in series for t in one}):
        values = [t.truth if name is None else t.scores[name] for one in series for t in one if t.level == level]
        known = [v for v in values if v is not None]
        found.append(float(np.mean(known)) if known else None)
    return found


def _agreement(trials: Sequence[Trial], name: str) -> float:
    return _order([t.scores[name] for t in trials], [t.truth for t in trials])


def _order(scores: Sequence[float | None], truth: Sequence[float]) -> float:
    known = [(s, t) for s, t in zip(scores, truth, strict=True) if s is not None]
    # What has no score is left out, but an order of less than half of all is none.
    if 2 * len(known) <= len(scores) or len(known) < 2:
        return 0.0
    value = srcc([s for s, _ in known], [t for _, t in known])
    return 0.0 if math.isnan(value) else value


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return float(np.mean(found)) if found else math.nan


def _share(conditions: Iterable[bool]) -> float | None:
    found = list(conditions)
    return float(np.mean(found)) if found else None


def _rounded(value: Any) -> Any:
    """Floats to four digits; NaN as null."""
    if isinstance(value, float):
        return round(value, 4) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _rounded(v) for key, v in value.items()}
    return [_rounded(v) for v in value] if isinstance(value, (list, tuple)) else value


if __name__ == "__main__":
    main()
