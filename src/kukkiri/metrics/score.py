"""The result of one measurement of one picture."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Score:
    """A value with its direction.

    Parameters
    ----------
    value : float
        In the unit of the metric; NaN where the picture holds nothing to measure.
    metric : str
        Name of the metric.
    higher_is_better : bool
    interval : (float, float) or None
        90 % interval, where the metric can tell one.
    unit : str
        '' for none.
    masked : float
        Fraction of the picture that was left out, 0 to 1.
    """

    value: float
    metric: str
    higher_is_better: bool
    interval: tuple[float, float] | None = None
    unit: str = ""
    masked: float = 0.0

    def __float__(self) -> float:
        return self.value

    def to_row(self) -> dict[str, Any]:
        """A JSON-ready dict; NaN is None."""
        row = asdict(self)
        row["value"] = None if self.value != self.value else self.value
        return row
