"""Pictures with a blur of their own: what is added in quadrature must be found in quadrature.

Nobody knows the blur of a picture of cells; but blurring it further by s must raise sigma² by s².
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

from kukkiri.evaluation.estimates import Scorer, read
from kukkiri.evaluation.pictures import centre
from kukkiri.evaluation.protocol import RobustnessProtocol, kernel_of, on_grid
from kukkiri.evaluation.statistics import median
from kukkiri.evaluation.trials import Row
from kukkiri.metrics.score import json_number
from kukkiri.optics.psf import blur, sigma_of

# The added blur, in units of what was measured before.
MULTIPLES = (1.5, 2.0, 3.0, 4.0)
# A smaller one is no blur that a kernel could hold; a greater one leaves nothing of a picture of some hundred pixels.
LEAST, GREATEST = 0.5, 12.0


def measure(
    image: Tensor, name: str, metrics: Mapping[str, Scorer], protocol: RobustnessProtocol
) -> dict[str, list[Row]]:
    """Sigma of one picture as it is, and after more and more blur; at full size, not reduced.

    Parameters
    ----------
    image : Tensor, (1, C, H, W)
        As loaded.
    name : str
    metrics : mapping
        Those that give sigma.
    protocol : RobustnessProtocol

    Returns
    -------
    dict
        Metric → rows: psf, multiple, added (true s, pixels), base and value (sigma before and after, 8 bits), bound
        (of base), deviation ((value² − base²)/s² − 1, None where either is silent or a bound).
    """
    rows: dict[str, list[Row]] = {key: [] for key in metrics}
    for key, metric in metrics.items():
        size = protocol.slow_size if key in protocol.slow else protocol.size
        before = read(metric, on_grid(centre(image, size), 8))
        base = before.value
        for family in protocol.psfs:
            for multiple in MULTIPLES:
                row: Row = {"psf": family, "multiple": multiple, "base": json_number(base), "bound": before.bound}
                rows[key].append(row)
                if before.bound or not multiple * base <= GREATEST:  # NaN too
                    continue
                random = protocol.random("increment", name, family, str(multiple))
                kernel = kernel_of(family, max(multiple * base, LEAST), random)
                added = float(sigma_of(kernel))
                after = read(metric, on_grid(centre(blur(image, kernel), size), 8))
                # A bound is no estimate that variances could be taken of.
                deviation = (after.estimate**2 - base**2) / added**2 - 1
                row |= {"added": added, "value": json_number(after.estimate), "deviation": json_number(deviation)}
    return rows


def summarised(rows: Mapping[str, Sequence[Row]]) -> list[Row]:
    """One line a picture and PSF.

    Parameters
    ----------
    rows : mapping
        Picture → rows of one metric, as `measure` gives them.

    Returns
    -------
    list of dict
        picture, psf, base, deviations (multiple → deviation or None), median and worst of |deviation|.
    """
    lines: list[Row] = []
    for picture, its in rows.items():
        for psf in dict.fromkeys(row["psf"] for row in its):
            deviations = {f"{row['multiple']:g}": row.get("deviation") for row in its if row["psf"] == psf}
            known = [abs(d) for d in deviations.values() if d is not None]
            lines.append(
                {
                    "picture": picture,
                    "psf": psf,
                    "base": its[0]["base"],
                    "deviations": deviations,
                    "median": json_number(median(known)),
                    "worst": max(known, default=None),
                }
            )
    return lines
