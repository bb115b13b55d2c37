"""What full-reference metrics say of a damaged picture, fused to one pseudo-score: teachers for a model without one.

Five metrics that fail in different ways: DISTS and LPIPS (networks), FSIM, VIF and MS-SSIM (formulas). Each is
brought to a common scale by its ranks over one large set of damaged pictures, 0 for the picture itself and 100 for the
worst of the set; the pseudo-score is 100 less their mean.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kukkiri.errors import InputError, ShapeError
from kukkiri.metrics.build import metric
from kukkiri.quality.full_reference.dists import DISTS

TEACHERS = ("dists", "lpips-alex", "fsim", "vif", "ms-ssim")
# The scales of the teachers, as `distortion_calibration` found them.
SCALES_FILE = Path(__file__).with_name("teachers.toml")
# The smallest side that every teacher takes, pixels.
SMALLEST = 161


class Teachers:
    """The teachers, for many damaged versions of one picture.

    Attributes
    ----------
    names : tuple of str
        `TEACHERS`.
    """

    names = TEACHERS

    def __init__(self) -> None:
        self.dists = DISTS().eval()
        self.others = [metric(name).eval() for name in TEACHERS[1:]]

    @torch.inference_mode()
    def distances(self, damaged: Tensor, reference: Tensor) -> Tensor:
        """How far damaged pictures are from the undamaged one, by each teacher.

        Parameters
        ----------
        damaged : Tensor, (N, C, H, W), values in [0, 1]
        reference : Tensor, (1, C, H, W)

        Returns
        -------
        Tensor, (N, 5), float64
            0 for equal pictures, higher is worse: similarities s are 1 − s, at least 0. VIF may call a picture of
            more contrast better than its reference; that counts as 0 too.

        Raises
        ------
        ShapeError
            If the shapes differ or a side is below 161 px.
        """
        if reference.shape[0] != 1 or damaged.shape[1:] != reference.shape[1:]:
            raise ShapeError(
                expected=f"one reference (1, …) of the shape of {tuple(damaged.shape)}",
                got=str(tuple(reference.shape)),
                fix="call it for each picture with its own versions",
            )
        columns = [self._dists(damaged, reference)]
        for one in self.others:
            values = one(damaged, reference.expand_as(damaged)).double()
            columns.append((1 - values if one.spec.higher_is_better else values).clamp_min(0))
        return torch.stack(columns, 1)

    def _dists(self, damaged: Tensor, reference: Tensor) -> Tensor:
        """DISTS with the features of the reference computed once."""
        wide = [
            x.float().expand(-1, 3, -1, -1).contiguous(memory_format=torch.channels_last) for x in (damaged, reference)
        ]
        of_reference = list(self.dists.features(wide[1]))
        found = []
        for picture in torch.split(wide[0], 1):
            sums = [
                self.dists.sums(layer, a, b, a.new_ones(1, 1, *a.shape[-2:]))
                for layer, (a, b) in enumerate(zip(self.dists.features(picture), of_reference, strict=True))
            ]
            found.append(self.dists.value((torch.cat(sums, 1),)))
        return torch.cat(found).double()


class Scales:
    """How distances become a pseudo-score.

    Parameters
    ----------
    knots : mapping of str to sequence of float
        For each teacher its distances at equal steps of badness from 0 to 100, rising.
    """

    def __init__(self, knots: dict[str, Sequence[float]]) -> None:
        if set(knots) != set(TEACHERS) or len({len(v) for v in knots.values()}) != 1:
            raise InputError(
                expected=f"knots of equal number for {', '.join(TEACHERS)}",
                got=", ".join(f"{name} {len(v)}" for name, v in knots.items()) or "none",
                fix="write them with python -m kukkiri.training.distortion_calibration",
            )
        self.knots = {name: [float(v) for v in knots[name]] for name in TEACHERS}

    @classmethod
    def shipped(cls) -> Scales:
        """Those that the shipped weights were trained with."""
        return cls(tomllib.loads(SCALES_FILE.read_text(encoding="utf-8"))["knots"])

    @classmethod
    def fitted(cls, distances: NDArray[np.float64], count: int = 41) -> Scales:
        """From the distances (M, 5) of many damaged pictures: equal shares of them lie between two knots.

        Raises
        ------
        InputError
            If there are fewer than ten a knot.
        """
        if distances.ndim != 2 or distances.shape[1] != len(TEACHERS) or len(distances) < 10 * count:
            raise InputError(
                expected=f"at least {10 * count} distances by {len(TEACHERS)} teachers",
                got=str(distances.shape),
                fix="take more pictures",
            )
        shares = np.linspace(0, 1, count)
        found = {}
        for name, column in zip(TEACHERS, distances.T, strict=True):
            knots = np.quantile(column, shares)
            knots[0] = 0.0
            # Strictly rising, so that the inverse exists.
            found[name] = np.maximum.accumulate(knots) + 1e-9 * np.arange(count)
        return cls(found)

    def score(self, distances: NDArray[np.float64]) -> NDArray[np.float64]:
        """Pseudo-scores (M,), 100 for the picture itself, 0 for the worst, from distances (M, 5)."""
        score: NDArray[np.float64] = 100 - self.badness(distances).mean(1)
        return score

    def badness(self, distances: NDArray[np.float64]) -> NDArray[np.float64]:
        """Each teacher's own opinion (M, 5) on the common scale of 0 to 100."""
        steps = np.linspace(0, 100, len(self.knots[TEACHERS[0]]))
        columns = [np.interp(d, self.knots[name], steps) for name, d in zip(TEACHERS, distances.T, strict=True)]
        return np.stack(columns, 1)

    def write(self, path: Path) -> None:
        """As TOML."""
        lines = ["# Distances by each teacher at equal steps of badness from 0 to 100; see teachers.py.", "", "[knots]"]
        for name, values in self.knots.items():
            lines.append(f'"{name}" = [{", ".join(f"{v:.6g}" for v in values)}]')
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
