"""Set the ladders of the distortions so that equal levels of different kinds are about equally bad to the teachers.

    python -m kukkiri.training.distortion_calibration --data photographs --out build/calibration [--part 1/2]

Every kind is tried at several strengths, others on each picture, on cuts of photographs; the teachers say how bad each
is; the levels 1 to 5 are the strengths at which the mean badness is 15, 32, 50, 68, 85. No strength goes beyond the
ladder's own level 5: a kind that is not so bad there (a picture has no less than no colour) has its levels as far apart
in proportion, and so has one that is worse as soon as it is there (a resampled picture is softer at any factor).

Writes `levels.toml`, `teachers.toml` and `calibration.json`, which says how bad each of the new levels is, into the
folder of `--out`; copy them over `optics/distort/levels.toml`, `training/teachers.toml` and
`docs/quality/calibration.json`. What is measured already is kept there, with the ladder that it was measured on, so
that a stopped run goes on. With `--part` several processes share the measuring; one without it then writes.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kukkiri.evaluation.sources import source_hash
from kukkiri.images.reading import load
from kukkiri.optics.distort import KINDS, LEVELS, Kind, Ladder, distort
from kukkiri.replacing import replacing
from kukkiri.training.parts import part_of
from kukkiri.training.photographs import picture_files, split
from kukkiri.training.quality_material import JUDGED, usual_place
from kukkiri.training.teachers import TEACHERS, Scales, Teachers

# Badness at the levels 1 to 5.
TARGETS = (15.0, 32.0, 50.0, 68.0, 85.0)
# One strength is tried in each of these stretches of the ladder as it is, and its end.
STRETCHES = ((0.15, 0.9), (0.9, 1.8), (1.8, 2.8), (2.8, 4.0))
# In levels: steps of the mean over pictures.
GRID = np.arange(1, 101) / 20
# Of a kind that is bad at once, the first level is worse than its beginning by this.
LEAST_STEP = 2.0
# Significant digits of a calibrated parameter.
DIGITS = 3
# Parts of a level in which a calibrated step is looked for on the old ladder.
FINENESS = 1000


@dataclass(frozen=True)
class Measured:
    """What the teachers said of one kind.

    Parameters
    ----------
    ladder : Ladder
        The one that it was measured on.
    levels : ndarray (L, pictures)
        Tried, of that ladder, rising.
    distances : ndarray (L, pictures, teachers)
    """

    ladder: Ladder
    levels: NDArray[np.float64]
    distances: NDArray[np.float64]

    def write(self, path: Path) -> None:
        """As .npz."""
        ladder = [(p.identity, *p.values) for p in self.ladder.parameters]
        with replacing(path) as unfinished, unfinished.open("wb") as target:
            np.savez(target, levels=self.levels, distances=self.distances, ladder=ladder)

    @classmethod
    def read(cls, path: Path, kind: Kind) -> Measured:
        """What `write` wrote, whatever the ladder of the kind is now."""
        with np.load(path) as file:
            steps = zip(kind.ladder.parameters, file["ladder"].tolist(), strict=True)
            ladder = Ladder(tuple(replace(p, identity=first, values=tuple(five)) for p, (first, *five) in steps))
            return cls(ladder, file["levels"], file["distances"])


def cuts(files: Sequence[Path]) -> list[Tensor]:
    """Of each photograph the square that stands for it: (1, 3, JUDGED, JUDGED)."""
    found = []
    for file in files:
        pixels = load(file).pixels.expand(3, -1, -1)[None]
        if min(pixels.shape[-2:]) >= JUDGED:
            rows, columns = usual_place(pixels)
            found.append(pixels[..., rows, columns].contiguous())
    return found


def measured(kind: Kind, pictures: Sequence[Tensor], teachers: Teachers) -> Measured:
    """A kind on every picture, at strengths of its own."""
    levels, rows = [], []
    for number, picture in enumerate(pictures):
        random = np.random.default_rng((11, number))
        tried = [*(float(random.uniform(*stretch)) for stretch in STRETCHES), float(LEVELS[-1])]
        versions = [distort(picture, kind, level, number) for level in tried]
        levels.append(tried)
        rows.append(teachers.distances(torch.cat(versions), picture).numpy())
    return Measured(kind.ladder, np.array(levels).T, np.stack(rows, 1))


def on_grid(levels: NDArray[np.float64], badness: NDArray[np.float64]) -> NDArray[np.float64]:
    """How bad each picture is at the levels of GRID, (GRID, pictures), from (L, pictures) at levels of its own.

    Damage begins at nothing, but for kinds that are worse than the first target as soon as they are there: a picture
    that was resampled is softer at any factor.
    """
    mild = levels < STRETCHES[1][1]
    several = np.unique(levels[mild]).size > 2
    at_once = float(np.polyfit(levels[mild], badness[mild], 1)[1]) if several else 0.0
    start = at_once if at_once > TARGETS[0] else 0.0
    columns = [
        np.interp(GRID, np.append(0.0, at), np.append(min(start, bad[0]), bad))
        for at, bad in zip(levels.T, badness.T, strict=True)
    ]
    return np.stack(columns, 1)


def calibrated(ladder: Ladder, levels: NDArray[np.float64], badness: NDArray[np.float64]) -> dict[str, list[float]]:
    """Parameter → five values, from the mean badness at each level tried.

    Parameters
    ----------
    ladder : Ladder
        The one that was measured.
    levels, badness : ndarray (levels,)
    """
    rising = np.maximum.accumulate(badness) + 1e-6 * np.arange(len(badness))
    first, last = TARGETS[0], TARGETS[-1]
    end = min(last, float(rising[-1]))
    at_once = rising[0] > first
    begin = float(rising[0]) + LEAST_STEP if at_once else first * end / last
    targets = [begin + (end - begin) * (t - first) / (last - first) for t in TARGETS]
    wanted = np.interp(targets, np.append(rising[0] if at_once else 0.0, rising), np.append(0.0, levels))
    steps = [ladder.at(float(level)) for level in wanted]
    return {
        p.name: [float(round(s[p.name])) if p.whole else float(f"{s[p.name]:.{DIGITS}g}") for s in steps]
        for p in ladder.parameters
    }


def badness_of(
    values: Mapping[str, Sequence[float]],
    ladder: Ladder,
    levels: NDArray[np.float64],
    badness: NDArray[np.float64],
) -> NDArray[np.float64]:
    """How bad given strengths are, from what was measured on a ladder: (strengths, …).

    Parameters
    ----------
    values : mapping
        Parameter → its strengths.
    ladder : Ladder
        The one that was measured.
    levels : ndarray (L,)
    badness : ndarray (L, …)
        At those levels of that ladder.

    Returns
    -------
    ndarray
        Where a parameter is whole, several levels mean the same: the mean over them.
    """
    fine = np.arange(round(float(levels[-1]) * FINENESS) + 1) / FINENESS
    steps = [ladder.at(float(level)) for level in fine]
    before = np.concatenate([np.zeros_like(badness[:1]), badness])
    flat = before.reshape(len(before), -1)
    places = np.append(0.0, levels)
    grown = np.stack([np.interp(fine, places, column) for column in flat.T], 1).reshape(len(fine), *badness.shape[1:])
    away = np.zeros((len(next(iter(values.values()))), len(fine)))
    for parameter in ladder.parameters:
        reached = np.array([step[parameter.name] for step in steps])
        # Parameters of other units count alike.
        span = float(np.ptp(reached)) or 1.0
        away += np.abs(np.array(values[parameter.name])[:, None] - reached) / span
    return np.stack([grown[row <= row.min() + 1e-12].mean(0) for row in away])


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, action="append", required=True, help="a folder of sharp photographs")
    parser.add_argument("--out", type=Path, required=True, help="a folder")
    parser.add_argument("--pictures", type=int, default=32)
    parser.add_argument("--part", help="1/2: measure the first of two halves, and write nothing")
    chosen = parser.parse_args()
    which, of = part_of(chosen.part or "1/1")
    chosen.out.mkdir(parents=True, exist_ok=True)
    training = split(picture_files(chosen.data)).training
    every = max(1, len(training) // chosen.pictures)
    files = training[::every][: chosen.pictures]
    pictures = cuts(files)
    contents = [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]
    judged_by = source_hash("kukkiri.training.teachers")
    teachers: Teachers | None = None
    found = {}
    for name, kind in list(KINDS.items())[which - 1 :: of]:
        # What is kept is of these pictures, these stretches, and this code.
        code = source_hash(str(kind.implementation).partition(":")[0])
        mark = hashlib.sha256(repr((STRETCHES, JUDGED, contents, judged_by, code)).encode()).hexdigest()[:12]
        kept = chosen.out / f"{name}-{mark}.npz"
        if not kept.exists():
            teachers = teachers or Teachers()
            measured(kind, pictures, teachers).write(kept)
        found[name] = Measured.read(kept, kind)
        sys.stdout.write(f"{name}: measured\n")
        sys.stdout.flush()
    if chosen.part is None:
        write(found, chosen.out)


def write(found: Mapping[str, Measured], out: Path) -> None:
    """The scales, the ladders, and what they reach.

    Parameters
    ----------
    found : mapping
        By kind.
    out : Path
        A folder.
    """
    # Every kind alike; what can hardly be seen is left to the first steps of the scale.
    inside = [m.distances[m.levels >= 0.5] for m in found.values()]
    scales = Scales.fitted(np.concatenate([part.reshape(-1, part.shape[-1]) for part in inside]))
    scales.write(out / "teachers.toml")
    lines = ["# The strengths of the distortions at the levels 1 to 5: kind, then parameter. Meanings: kinds.py."]
    reached: dict[str, Any] = {}
    for name, m in found.items():
        shape = m.distances.shape
        flat = scales.badness(m.distances.reshape(-1, shape[-1])).mean(1).reshape(shape[:2])
        curves = on_grid(m.levels, flat)
        values = calibrated(m.ladder, GRID, curves.mean(1))
        lines += ["", f"[{name}]", *(f"{parameter} = {numbers}" for parameter, numbers in values.items())]
        at_levels = badness_of(values, m.ladder, GRID, curves)
        reached[name] = {
            "badness": [round(float(v), 1) for v in at_levels.mean(1)],
            "spread": [round(float(v), 1) for v in at_levels.std(1)],
        }
        sys.stdout.write(f"{name:22s} {reached[name]['badness']}  spread over pictures {reached[name]['spread']}\n")
    (out / "levels.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    pictures = max(m.distances.shape[1] for m in found.values())
    record = {"pictures": pictures, "side": JUDGED, "targets": TARGETS, "teachers": TEACHERS, "kinds": reached}
    (out / "calibration.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
