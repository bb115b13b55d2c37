"""Is an elliptical blur seen as one, with its ratio and its angle, and a round one as round?"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import numpy as np
from torch import Tensor

from kukkiri.evaluation.estimates import Scorer, read
from kukkiri.evaluation.pictures import centre
from kukkiri.evaluation.protocol import ROUND, RobustnessProtocol, elliptical, kernel_of, log_uniform, on_grid
from kukkiri.evaluation.statistics import median
from kukkiri.evaluation.trials import Row
from kukkiri.metrics.score import json_number
from kukkiri.optics import psf
from kukkiri.sharpness.blur import CLEAR_RATIO

RATIOS = (1.3, 3.0)
SIGMAS = (1.0, 4.0)
# Above this a round PSF was taken for an astigmatic one.
FALSE_RATIO = CLEAR_RATIO
# Kernels of each family a picture.
DRAWS = 3
ELLIPTICAL: Mapping[str, tuple[Callable[[float, float, float], Tensor], float]] = MappingProxyType(
    {"elliptical-gaussian": (psf.elliptical_gaussian, 1.0), "elliptical-disc": (psf.elliptical_disc, 2.0)}
)


def measure(
    image: Tensor, name: str, metrics: Mapping[str, Scorer], protocol: RobustnessProtocol
) -> dict[str, list[Row]]:
    """Axes of one picture under elliptical and round PSFs, 8 bits.

    Parameters
    ----------
    image : Tensor, (1, C, H, W)
        As loaded.
    name : str
    metrics : mapping
        Those that give axes.
    protocol : RobustnessProtocol
        Ratio (1.3 to 3) and sigma (1 to 4 px) are drawn log-uniformly, angles uniformly.

    Returns
    -------
    dict
        Metric → rows: psf, sigma, ratio, angle (true: of the kernel that was applied), found_sigma, found_ratio,
        found_angle (None if silent, ratio and angle also where sigma is only a bound), bound ('below', 'above' or
        None).
    """
    rows: dict[str, list[Row]] = {key: [] for key in metrics}
    prepared = protocol.prepared(image)
    for family in (*ELLIPTICAL, *(f for f in protocol.psfs if f in ROUND)):
        for draw in range(DRAWS):
            random = protocol.random("astigmatism", name, family, str(draw))
            kernel = _kernel(family, random)
            major, minor, angle = (float(v) for v in psf.principal_axes(kernel))
            truth = {"psf": family, "sigma": float(psf.sigma_of(kernel)), "ratio": major / minor, "angle": angle}
            seen = on_grid(protocol.blurred(prepared, kernel), 8)
            for key, metric in metrics.items():
                found = read(metric, centre(seen, protocol.slow_size) if key in protocol.slow else seen)
                known = found.bound is None and found.minor > 0
                ratio, turn = (found.major / found.minor, found.angle) if known else (math.nan, math.nan)
                axes = {"found_sigma": found.value, "found_ratio": ratio, "found_angle": turn}
                rows[key].append(truth | {k: json_number(v) for k, v in axes.items()} | {"bound": found.bound})
    return rows


def _kernel(family: str, random: np.random.Generator) -> Tensor:
    sigma = log_uniform(random, *SIGMAS)
    if family not in ELLIPTICAL:
        return kernel_of(family, sigma, random)
    shape, scale = ELLIPTICAL[family]
    ratio, angle = log_uniform(random, *RATIOS), float(random.uniform(-math.pi / 2, math.pi / 2))
    return elliptical(shape, sigma, ratio, angle, scale)


def angle_between(first: float, second: float) -> float:
    """Angle between two axes, radians, 0 to π/2: an axis has no direction."""
    difference = (first - second) % math.pi
    return min(difference, math.pi - difference)


def summarised(rows: Sequence[Row]) -> dict[str, Row]:
    """Figures of one metric for each family of PSFs.

    Parameters
    ----------
    rows : sequence of dict
        As `measure` gives them, of all pictures.

    Returns
    -------
    dict
        Family → trials, silent (share without axes), censored (share that has none since sigma is only a bound); of
        elliptical ones ratio_error (median of |found/true − 1|) and angle_error
        (median, degrees); of round ones false_ratio (share above 1.2) and median_ratio.
    """
    found: dict[str, Row] = {}
    for family in dict.fromkeys(row["psf"] for row in rows):
        its = [row for row in rows if row["psf"] == family]
        seen = [row for row in its if row["found_ratio"] is not None]
        censored = sum(row.get("bound") is not None for row in its) / len(its)
        figures: Row = {"trials": len(its), "silent": 1 - len(seen) / len(its), "censored": censored}
        if family in ELLIPTICAL:
            ratios = [abs(row["found_ratio"] / row["ratio"] - 1) for row in seen]
            angles = [angle_between(row["found_angle"], row["angle"]) for row in seen if row["found_angle"] is not None]
            figures["ratio_error"] = json_number(median(ratios))
            figures["angle_error"] = json_number(math.degrees(median(angles)))
        else:
            ratios = [row["found_ratio"] for row in seen]
            figures["false_ratio"] = sum(r > FALSE_RATIO for r in ratios) / len(ratios) if ratios else None
            figures["median_ratio"] = json_number(median(ratios))
        found[family] = figures
    return found
