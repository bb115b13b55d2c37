"""Does the blur size find focus in a real series, and the same on another day?

    python benchmarks/focus_series.py FOLDER [--step 0.5 --unit um] [--figure curve.png]

FOLDER holds the frames of one focus series; their order is that of the numbers in their names. Prints one JSON line:
the verdict, the best frame, Spearman's correlation of blur with distance on either side of it (with all frames, and
leaving out those whose interval overlaps the best one's), and the best frame again at 0.3 times the gain, with noise of
2 % of the range that the series uses, and with both.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

import kukkiri as kk
from kukkiri.images.image import Image
from kukkiri.inspection.sources import find_files, natural_key
from kukkiri.sharpness.figures import write_figure
from kukkiri.sharpness.focus_series import FocusSeries

GAIN, NOISE = 0.3, 0.02


def side(series: FocusSeries, frames: list[int], *, every: bool = False) -> dict[str, Any]:
    """Spearman of blur with the number of frames from the best one, and how many counted.

    Frames that are more blurred than can be told, or give no blur size, all rank last.
    """
    from scipy.stats import spearmanr

    best = series.best
    if best is None:
        return {"spearman": None, "frames": 0}
    highest = series.intervals[best][1]
    distance, blur = [], []
    for frame in frames:
        beyond = series.abstained[frame] is not None or series.bounds[frame] == "above"
        if every or beyond or series.intervals[frame][0] > highest:
            distance.append(abs(frame - best))
            blur.append(math.inf if beyond else series.sigma[frame])
    if len(blur) < 3 or len(set(blur)) < 2:
        return {"spearman": None, "frames": len(blur)}
    return {"spearman": round(float(spearmanr(distance, blur).statistic), 4), "frames": len(blur)}


def summary(series: FocusSeries) -> dict[str, Any]:
    """What the requirement asks of a series."""
    count = len(series.sigma)
    best = series.best
    before, after = ([], []) if best is None else (list(range(best)), list(range(best + 1, count)))
    return {
        "verdict": series.verdict,
        "best": best,
        "least sigma": min(range(count), key=lambda i: math.inf if math.isnan(series.sigma[i]) else series.sigma[i]),
        "optimum": None if math.isnan(series.optimum) else [series.optimum, *series.optimum_interval],
        "before": side(series, before),
        "after": side(series, after),
        "before, all": side(series, before, every=True),
        "after, all": side(series, after, every=True),
        "above": sum(b == "above" for b in series.bounds),
        "abstained": sum(a is not None for a in series.abstained),
        "sigma": [None if math.isnan(s) else round(s, 3) for s in series.sigma],
    }


def on_levels(pixels: torch.Tensor, bit_depth: int) -> torch.Tensor:
    """Rounded to the levels of a file; 32 bits stand for floating point, which has none."""
    if bit_depth >= 32:
        return pixels
    levels = 2**bit_depth - 1
    return (pixels * levels).round() / levels


def days(frames: list[Image]) -> dict[str, Callable[[Image], Image]]:
    """What is done to every frame, by name."""
    values = torch.cat([f.pixels.flatten()[::97] for f in frames])
    low, high = torch.quantile(values, torch.tensor([0.001, 0.999])).tolist()

    def changed(gain: float, noise: float, seed: int = 0) -> Callable[[Image], Image]:
        random = torch.Generator().manual_seed(seed)

        def apply(frame: Image) -> Image:
            added = torch.randn(frame.pixels.shape, generator=random) * noise * gain * (high - low)
            # As the detector would record it, on the levels of its file, but for the clipping of noise below its zero.
            return Image(on_levels((frame.pixels * gain + added).clamp(0, 1), frame.bit_depth), frame.bit_depth)

        return apply

    return {
        "as it is": lambda frame: frame,
        f"gain {GAIN}": changed(GAIN, 0),
        f"noise {NOISE:.0%}": changed(1, NOISE),
        "both": changed(GAIN, NOISE),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--step", type=float)
    parser.add_argument("--unit")
    parser.add_argument("--figure", type=Path)
    options = parser.parse_args()
    files = sorted(find_files(options.folder), key=natural_key)
    frames = [kk.load(file) for file in files]
    positions = None if options.step is None else [i * options.step for i in range(len(frames))]
    result: dict[str, Any] = {"frames": len(frames), "first": files[0].name, "last": files[-1].name}
    started = time.perf_counter()
    for name, day in days(frames).items():
        names = [file.name for file in files]
        series = kk.focus_series((day(f) for f in frames), positions, unit=options.unit, names=names)
        result[name] = summary(series)
        if options.figure and name == "as it is":
            write_figure(series.figure(), options.figure)
    bests = [result[name]["best"] for name in days(frames)]
    known = [b for b in bests if b is not None]
    result["best frames differ by"] = max(known) - min(known) if len(known) == len(bests) else None
    result["seconds"] = round(time.perf_counter() - started, 1)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
