"""Set the ladders of the distortions so that equal levels of different kinds are about equally bad to the teachers.

    python -m kukkiri.training.distortion_calibration --data photographs --out build/calibration

Every kind is tried at many strengths on cuts of photographs; the teachers say how bad each is; the levels 1 to 5 are
the strengths at which the mean badness is 15, 32, 50, 68, 85. No strength goes beyond the ladder's own level 5: a kind
that is not so bad there (a picture has no less than no colour) has its levels as far apart in proportion.

Writes `levels.toml` and `teachers.toml` into the folder of `--out`; copy them over `optics/distort/levels.toml` and
`training/teachers.toml`. What is measured already is kept there, so that a stopped run goes on.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kukkiri.images.reading import load
from kukkiri.optics.distort import KINDS, Kind, distort
from kukkiri.training.photographs import picture_files, split
from kukkiri.training.teachers import Scales, Teachers

SIDE = 192
# Badness at the levels 1 to 5.
TARGETS = (15.0, 32.0, 50.0, 68.0, 85.0)
# The strengths tried, in levels of the ladder as it is.
TRIED = (0.2, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0)
# Significant digits of a calibrated parameter.
DIGITS = 3


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


def measured(kind: Kind, pictures: Sequence[Tensor], teachers: Teachers) -> tuple[list[float], NDArray[np.float64]]:
    """Levels tried, and the teachers' distances (levels, pictures, teachers)."""
    rows = []
    for number, picture in enumerate(pictures):
        versions = [distort(picture, kind, level, number) for level in TRIED]
        rows.append(teachers.distances(torch.cat(versions), picture).numpy())
    return list(TRIED), np.stack(rows, 1)


def calibrated(kind: Kind, levels: Sequence[float], badness: NDArray[np.float64]) -> dict[str, list[float]]:
    """Parameter → five values, from the mean badness at each level tried.

    Parameters
    ----------
    kind : Kind
    levels : sequence of float
    badness : ndarray (levels,)
    """
    rising = np.maximum.accumulate(badness) + 1e-6 * np.arange(len(badness))
    reach = min(1.0, float(rising[-1]) / TARGETS[-1])
    wanted = np.interp([reach * t for t in TARGETS], np.append(0.0, rising), np.append(0.0, levels))
    steps = [kind.ladder.at(float(level)) for level in wanted]
    return {
        p.name: [float(round(s[p.name])) if p.whole else float(f"{s[p.name]:.{DIGITS}g}") for s in steps]
        for p in kind.ladder.parameters
    }


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
    teachers, found = Teachers(), {}
    for name, kind in KINDS.items():
        kept = chosen.out / f"{name}.npz"
        if not kept.exists():
            levels, distances = measured(kind, pictures, teachers)
            np.savez(kept, levels=levels, distances=distances)
        with np.load(kept) as file:
            found[name] = file["levels"], file["distances"]
        sys.stdout.write(f"{name}: measured\n")
        sys.stdout.flush()
    write(found, chosen.out)


def write(found: Mapping[str, tuple[NDArray[np.float64], NDArray[np.float64]]], out: Path) -> None:
    """The scales, the ladders, and what they reach.

    Parameters
    ----------
    found : mapping
        Kind → levels tried and distances (levels, pictures, teachers).
    out : Path
        A folder.
    """
    # Every kind alike; what can hardly be seen is left to the first steps of the scale.
    inside = [d[levels >= 0.5] for levels, d in found.values()]
    scales = Scales.fitted(np.concatenate([part.reshape(-1, part.shape[-1]) for part in inside]))
    scales.write(out / "teachers.toml")
    lines = ["# The strengths of the distortions at the levels 1 to 5: kind, then parameter. Meanings: kinds.py."]
    for name, (levels, distances) in found.items():
        flat = scales.badness(distances.reshape(-1, distances.shape[-1])).mean(1).reshape(distances.shape[:2])
        worst = flat.mean(1)
        lines += ["", f"[{name}]"]
        for parameter, values in calibrated(KINDS[name], list(levels), worst).items():
            lines.append(f"{parameter} = {values}")
        sys.stdout.write(f"{name:22s} worst {worst.max():5.1f}  spread over pictures {flat.std(1).mean():4.1f}\n")
    (out / "levels.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
