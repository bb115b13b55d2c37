"""How right is the MTF50 of a slanted edge, and how much does it scatter?

    python benchmarks/slanted_edge.py [--seeds 20] [--noise 0.02] [--size 100] [--json]

Edges are rendered with a Gaussian blur and exact integration over the pixels' areas, so that the response is known:
exp(−2π²σ²f²) · sinc(f). For each blur and angle: the bias of MTF50 over the seeds (noise, and where the edge lies
within a pixel), the standard error of that bias, the spread of single measurements, the error that they report of
themselves, and how many of their 90 % intervals hold the truth. Levels are 0.25 and 0.75: a contrast of 0.5 however one
defines it, in which noise of 2 % of the full range is 4 % of the step. All in per cent but σ, angle and MTF50.
"""

from __future__ import annotations

import argparse
import json
import math
from typing import Any

import numpy as np

import kukkiri as kk
from kukkiri.sharpness.slanted_edge_rendering import gaussian_pixel_mtf50, render_slanted_edge

SIGMAS = (0.5, 1.0, 2.0, 3.0)
ANGLES = (2.0, 3.5, 5.0, 7.5, 10.0)


def measured(sigma: float, angle: float, seeds: int, noise: float, size: int) -> dict[str, Any]:
    """One line of the table."""
    truth, truth10 = gaussian_pixel_mtf50(sigma), gaussian_pixel_mtf50(sigma, 0.1)
    off, off10, errors, held = [], [], [], 0
    for seed in range(seeds):
        place = float(np.random.default_rng(1000 + seed).uniform(-0.5, 0.5))
        # Every other edge leans the other way, is brighter on the left, or lies down.
        picture = render_slanted_edge(
            (size, size), angle=angle if seed % 2 else -angle, sigma=sigma, offset=place, noise=noise, seed=seed,
            low=0.25 if seed % 4 < 2 else 0.75, high=0.75 if seed % 4 < 2 else 0.25,
        )  # fmt: skip
        picture = picture if seed % 3 else picture.T
        found = kk.sfr(picture.clip(0, 1), (0, 0, size, size)).luma
        off.append(100 * (found.mtf50 / truth - 1))
        off10.append(100 * (found.mtf10 / truth10 - 1))
        errors.append(100 * found.mtf50_error / found.mtf50)
        held += found.mtf50_interval[0] <= truth <= found.mtf50_interval[1]
    spread = float(np.std(off, ddof=1)) if seeds > 1 else math.nan
    return {
        "sigma": sigma,
        "angle": angle,
        "mtf50": truth,
        "bias": float(np.mean(off)),
        "bias_error": spread / math.sqrt(seeds),
        "spread": spread,
        "reported": float(np.mean(errors)),
        "in_90": 100 * held / seeds,
        "mtf10_bias": float(np.nanmean(off10)),
    }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--noise", type=float, default=0.02)
    parser.add_argument("--size", type=int, default=100)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows = []
    for sigma in SIGMAS:
        for angle in ANGLES:
            row = measured(sigma, angle, options.seeds, options.noise, options.size)
            rows.append(row)
            if options.json:
                print(json.dumps({name: round(value, 4) for name, value in row.items()}), flush=True)
            elif len(rows) == 1:
                print("  ".join(f"{name:>10}" for name in row), flush=True)
            if not options.json:
                print("  ".join(f"{value:10.3f}" for value in row.values()), flush=True)
    worst = max(rows, key=lambda row: abs(row["bias"]))
    print(
        f"largest bias {worst['bias']:+.2f} % (σ {worst['sigma']:g} px, {worst['angle']:g}°), root mean square "
        f"{math.sqrt(np.mean([row['bias'] ** 2 for row in rows])):.2f} %, largest spread "
        f"{max(row['spread'] for row in rows):.2f} %; {np.mean([row['in_90'] for row in rows]):.0f} % of the 90 % "
        "intervals hold the truth"
    )


if __name__ == "__main__":
    main()
