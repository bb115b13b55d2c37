"""Set the ladders of the distortions so that equal levels of different kinds are about equally bad to the teachers.

    python -m kukkiri.training.distortion_calibration --data photographs --out build/calibration

Every kind is tried at many strengths on cuts of photographs; the teachers say how bad each is; the levels 1 to 5 are
the strengths at which the mean badness is 15, 32, 50, 68, 85. No strength goes beyond the ladder's own level 5: a kind
that is not so bad there (a picture has no less than no colour) has its levels as far apart in proportion.

Writes `levels.toml`, `teachers.toml` and `calibration.json`, which says how bad each of the new levels is, into the
folder of `--out`; copy them over `optics/distort/levels.toml`, `training/teachers.toml` and
`docs/quality/calibration.json`. What is measured already is kept there, with the ladder that it was measured on, so
that a stopped run goes on.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kukkiri.images.reading import load
from kukkiri.optics.distort import KINDS, Kind, Ladder, distort
from kukkiri.training.photographs import picture_files, split
from kukkiri.training.teachers import TEACHERS, Scales, Teachers

SIDE = 192
# Badness at the levels 1 to 5.
TARGETS = (15.0, 32.0, 50.0, 68.0, 85.0)
# The strengths tried, in levels of the ladder as it is.
TRIED = (0.2, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0)
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
    levels : ndarray (L,)
        Tried, of that ladder.
    distances : ndarray (L, pictures, teachers)
    """

    ladder: Ladder
    levels: NDArray[np.float64]
    distances: NDArray[np.float64]

    def write(self, path: Path) -> None:
        """As .npz."""
        ladder = [(p.identity, *p.values) for p in self.ladder.parameters]
        np.savez(path, levels=self.levels, distances=self.distances, ladder=ladder)

    @classmethod
    def read(cls, path: Path, kind: Kind) -> Measured:
        """What `write` wrote, whatever the ladder of the kind is now."""
        with np.load(path) as file:
            steps = zip(kind.ladder.parameters, file["ladder"].tolist(), strict=True)
            ladder = Ladder(tuple(replace(p, identity=first, values=tuple(five)) for p, (first, *five) in steps))
            return cls(ladder, file["levels"], file["distances"])


def cuts(files: Sequence[Path], side: int = SIDE) -> Iterator[Tensor]:
    """Of each photograph its most detailed place, of nine: (1, 3, side, side)."""
    for file in files:
        pixels = load(file).pixels.expand(3, -1, -1)[None]
        height, width = pixels.shape[-2:]
        if min(height, width) < side:
            continue
        places = [(round(a * (height - side) / 2), round(b * (width - side) / 2)) for a in (0, 1, 2) for b in (0, 1, 2)]
        parts = [pixels[..., top : top + side, left : left + side] for top, left in places]
        # The median over rows: one strong outline is no detail.
        yield max(parts, key=lambda part: float(part.diff(dim=-1).abs().mean((0, 1, 3)).median()))


def measured(kind: Kind, pictures: Sequence[Tensor], teachers: Teachers) -> Measured:
    """A kind at the levels of `TRIED` on every picture."""
    rows = []
    for number, picture in enumerate(pictures):
        versions = [distort(picture, kind, level, number) for level in TRIED]
        rows.append(teachers.distances(torch.cat(versions), picture).numpy())
    return Measured(kind.ladder, np.array(TRIED), np.stack(rows, 1))


def calibrated(ladder: Ladder, levels: NDArray[np.float64], badness: NDArray[np.float64]) -> dict[str, list[float]]:
    """Parameter → five values, from the mean badness at each level tried.

    Parameters
    ----------
    ladder : Ladder
        The one that was measured.
    levels, badness : ndarray (levels,)
    """
    rising = np.maximum.accumulate(badness) + 1e-6 * np.arange(len(badness))
    reach = min(1.0, float(rising[-1]) / TARGETS[-1])
    wanted = np.interp([reach * t for t in TARGETS], np.append(0.0, rising), np.append(0.0, levels))
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
    parser.add_argument("--pictures", type=int, default=8)
    chosen = parser.parse_args()
    chosen.out.mkdir(parents=True, exist_ok=True)
    training = split(picture_files(chosen.data)).training
    every = max(1, len(training) // chosen.pictures)
    pictures = list(cuts(training[::every][: chosen.pictures]))
    teachers: Teachers | None = None
    found = {}
    for name, kind in KINDS.items():
        kept = chosen.out / f"{name}.npz"
        if not kept.exists():
            teachers = teachers or Teachers()
            measured(kind, pictures, teachers).write(kept)
        found[name] = Measured.read(kept, kind)
        sys.stdout.write(f"{name}: measured\n")
        sys.stdout.flush()
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
        values = calibrated(m.ladder, m.levels, flat.mean(1))
        lines += ["", f"[{name}]", *(f"{parameter} = {numbers}" for parameter, numbers in values.items())]
        at_levels = badness_of(values, m.ladder, m.levels, flat)
        reached[name] = {
            "badness": [round(float(v), 1) for v in at_levels.mean(1)],
            "spread": [round(float(v), 1) for v in at_levels.std(1)],
        }
        sys.stdout.write(f"{name:22s} {reached[name]['badness']}  spread over pictures {reached[name]['spread']}\n")
    (out / "levels.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    pictures = max(m.distances.shape[1] for m in found.values())
    record = {"pictures": pictures, "side": SIDE, "targets": TARGETS, "teachers": TEACHERS, "kinds": reached}
    (out / "calibration.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
