"""The result of one measurement of one picture."""

from __future__ import annotations

import math
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
        Fraction of the picture that did not count, 0 to 1: the mask, or all outside the largest rectangle without it.
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
        """A JSON-ready dict; see `json_number`."""
        row = asdict(self)
        row["value"] = json_number(self.value)
        row["interval"] = None if self.interval is None else [json_number(v) for v in self.interval]
        return row


def json_number(value: Any) -> Any:
    """What JSON can hold: NaN becomes None, an infinity the string 'Infinity' or '-Infinity', the rest stays."""
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value
