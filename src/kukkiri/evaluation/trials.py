"""The heart of the table: each picture under each PSF on each day, with a blur of its own size every time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from torch import Tensor

from kukkiri.evaluation.estimates import Reading, Scorer, read
from kukkiri.evaluation.pictures import centre
from kukkiri.evaluation.protocol import RobustnessProtocol
from kukkiri.evaluation.statistics import Array
from kukkiri.metrics.score import json_number

Row = dict[str, Any]


def measure(
    image: Tensor, name: str, metrics: Mapping[str, Scorer], protocol: RobustnessProtocol
) -> dict[str, list[Row]]:
    """All trials of one picture, the same pixels for all metrics.

    Parameters
    ----------
    image : Tensor, (1, C, H, W)
        As loaded.
    name : str
        Of the picture.
    metrics : mapping
    protocol : RobustnessProtocol

    Returns
    -------
    dict
        Metric → one row a trial, JSON-ready: psf, day, sigma (true), and what `Reading.to_row` gives.
    """
    rows: dict[str, list[Row]] = {key: [] for key in metrics}
    prepared = protocol.prepared(image)
    for family in protocol.psfs:
        for on in protocol.days:
            spoilt, sigma = protocol.spoilt(prepared, name, family, on)
            for key, metric in metrics.items():
                seen = centre(spoilt, protocol.slow_size) if key in protocol.slow else spoilt
                rows[key].append({"psf": family, "day": on, "sigma": sigma} | read(metric, seen).to_row())
    return rows


@dataclass(frozen=True)
class Trials:
    """What one metric said in all trials, as columns.

    Parameters
    ----------
    picture, psf, day : array of str, (n,)
    sigma : array, (n,)
        True blur size, pixels.
    readings : tuple of Reading
    """

    picture: Any
    psf: Any
    day: Any
    sigma: Array
    readings: tuple[Reading, ...] = field(repr=False)

    @classmethod
    def of(cls, rows: Mapping[str, list[Row]]) -> Trials:
        """From picture → rows."""
        flat = [(picture, row) for picture, its in rows.items() for row in its]
        return cls(
            np.array([picture for picture, _ in flat], object),
            np.array([row["psf"] for _, row in flat], object),
            np.array([row["day"] for _, row in flat], object),
            np.array([row["sigma"] for _, row in flat], np.float64),
            tuple(Reading.from_row(row) for _, row in flat),
        )

    def column(self, name: str) -> Array:
        """One number of every reading: value, low, high, seconds."""
        return np.array([getattr(reading, name) for reading in self.readings], np.float64)

    def to_row(self) -> dict[str, list[Any]]:
        """JSON-ready columns; those of which nothing is known are left out."""
        columns: dict[str, list[Any]] = {
            "picture": list(self.picture),
            "psf": list(self.psf),
            "day": list(self.day),
            "sigma": self.sigma.tolist(),
        }
        for name in ("value", "low", "high"):
            values = self.column(name)
            if name == "value" or not np.isnan(values).all():
                columns[name] = [json_number(float(v)) for v in values]
        for name in ("bound", "silence"):
            texts = [getattr(reading, name) for reading in self.readings]
            if any(texts):
                columns[name] = texts
        return columns
