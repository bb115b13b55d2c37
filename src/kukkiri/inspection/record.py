"""One row a picture: what was measured, or why it could not be."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Any

from kukkiri.errors import KukkiriError, one_line
from kukkiri.metrics.table import spec_of

log = logging.getLogger("kukkiri")

# Six significant digits: what single precision holds reliably, whatever the order of a sum.
DIGITS = 6


@dataclass(frozen=True)
class Record:
    """The row of one plane of one file.

    Parameters
    ----------
    path : str
        As given, or found below the folder that was given.
    plane : int
        0 for the first (or only) picture of the file.
    error : str or None
        What went wrong, in one line, and how to fix it. Other columns may still hold values.
    width, height, channels, bit_depth : int or None
        Of the file; bit depth 32 stands for floating point.
    pixel_size : float or None
        Metres.
    mean, contrast : float or None
        Mean and standard deviation of luma, [0, 1].
    clipped_low, clipped_high : float or None
        Share of pixels in which a channel is at its lowest, at its highest.
    noise : float or None
        Standard deviation of white noise on [0, 1].
    sigma, sigma_lo, sigma_hi : float or None
        Blur size and its 90 % interval, pixels. Where the blur lies outside the measurable range, sigma is the end of
        the range and the interval is open: from 0, or to infinity.
    masked : str
        What was left out of every measurement; '' for nothing.
    notice : str
        What puts all values of the row in doubt, such as a white level that the file does not tell; '' for nothing.
    version : str
        Version of Kukkiri and, after '+', a hash of the weights that were used.
    scores : mapping
        Metric name → value, None where the metric could not be measured.
    sigma_note : str or None
        What else to know of sigma, parted by '; ': 'abstained: WHY' if there is none although nothing failed,
        'bound: below' or 'bound: above' if it is the end of the range, 'unlike training' if it is to be doubted.
        '' for nothing. None where no metric estimates a blur size: the row then has no such column.
    quality_lo, quality_hi : float or None
        90 % interval of the metric that judges quality.
    wrong : str or None
        The kinds of damage that are more probable than not, with their probabilities, the most probable first:
        'noise 0.93; blur 0.61'. '' for a clean picture, None where the picture could not be judged.
    quality_note : str or None
        'unlike training' if all that is said of the quality is to be doubted, '' for nothing. None where no metric
        judges quality: the row then has none of these four columns.
    """

    path: str
    plane: int = 0
    error: str | None = None
    width: int | None = None
    height: int | None = None
    channels: int | None = None
    bit_depth: int | None = None
    pixel_size: float | None = None
    mean: float | None = None
    contrast: float | None = None
    clipped_low: float | None = None
    clipped_high: float | None = None
    noise: float | None = None
    sigma: float | None = None
    sigma_lo: float | None = None
    sigma_hi: float | None = None
    masked: str = ""
    notice: str = ""
    version: str = ""
    scores: Mapping[str, float | None] = field(default_factory=lambda: MappingProxyType({}))
    sigma_note: str | None = None
    quality_lo: float | None = None
    quality_hi: float | None = None
    wrong: str | None = None
    quality_note: str | None = None

    def to_row(self) -> dict[str, Any]:
        """A flat dict: the columns, one a metric, the judgement, the note of sigma.

        NaN is None; floats have six significant digits.
        """
        row = {name: getattr(self, name) for name in COLUMNS}
        row.update(self.scores)
        if self.quality_note is not None:
            row.update({name: getattr(self, name) for name in JUDGED})
        if self.sigma_note is not None:
            row[NOTE] = self.sigma_note
        return {name: _plain(value) for name, value in row.items()}


# After the metrics, and only where one judges quality: what is fixed stays before the metrics.
JUDGED = ("quality_lo", "quality_hi", "wrong", "quality_note")
# Stands last, and only where a metric estimates a blur size.
NOTE = "sigma_note"
COLUMNS = tuple(f.name for f in fields(Record) if f.name not in ("scores", NOTE, *JUDGED))
# How a column is typed in a table that has types.
COLUMN_TYPES: Mapping[str, type] = MappingProxyType(
    dict.fromkeys(("path", "error", "masked", "notice", "version", "wrong", "quality_note", NOTE), str)
    | dict.fromkeys(("plane", "width", "height", "channels", "bit_depth"), int)
)


def printable(path: Any) -> str:
    """A path as text that any file can hold; bytes that are no UTF-8 are escaped."""
    return str(path).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def explain(error: Exception) -> str:
    """One line for the row. What is not ours is logged with its trace: it may be a fault of Kukkiri."""
    if isinstance(error, KukkiriError):
        return str(error)
    log.info("unforeseen failure", exc_info=error)
    return one_line(
        f"expected a picture that can be measured, got {type(error).__name__}: {error}; "
        "check the file with another program, and report it if it opens there"
    )


def is_partly_measured(row: Mapping[str, Any], scores: Sequence[str]) -> bool:
    """Whether something of a row failed, but not all of these columns."""
    return bool(row.get("error")) and any(row.get(name) is not None for name in scores)


def numeric_columns(metrics: Sequence[str]) -> tuple[str, ...]:
    """The columns that a gate may compare."""
    return tuple(name for name in columns(metrics) if COLUMN_TYPES.get(name) is not str)


def columns(metrics: Sequence[str]) -> tuple[str, ...]:
    """The names of all columns of a table with these metrics, in order."""
    specs = [spec_of(name) for name in metrics]
    judged = JUDGED if any(spec.judges_quality for spec in specs) else ()
    return (*COLUMNS, *metrics, *judged, *([NOTE] if any(spec.estimates_blur for spec in specs) else []))


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return None if math.isnan(value) else float(f"{value:.{DIGITS}g}")
    return value
