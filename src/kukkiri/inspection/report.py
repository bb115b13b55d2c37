"""Records → one HTML report that a person can look at."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

from kukkiri.inspection.blur_view import BlurView
from kukkiri.inspection.quality_view import QualityView
from kukkiri.inspection.record import JUDGED, NOTE
from kukkiri.metrics.spec import MetricSpec
from kukkiri.pages.language import check_language, language_of_locale
from kukkiri.pages.report import Column, Gathered, write_report_page

__all__ = ["ReportRow", "language_of_locale", "write_report"]

# What a record says of every picture, besides the metrics; units as in its docs.
_SIGMA = Column(
    key="sigma",
    kind="pixels",
    higher_is_better=False,
    answers="sharpness",
    value_range=(0, None),
    interval=("sigma_lo", "sigma_hi"),
    shown=True,
)
_PROPERTIES = (
    Column(key="noise", value_range=(0, 1)),
    Column(key="contrast", value_range=(0, None)),
    Column(key="mean", value_range=(0, 1)),
    Column(key="clipped_low", kind="fraction", value_range=(0, 1)),
    Column(key="clipped_high", kind="fraction", value_range=(0, 1)),
)
_OTHER_KEYS = (
    *("path", "plane", "error", "width", "height", "channels", "bit_depth", "pixel_size"),
    *("sigma_lo", "sigma_hi", "masked", "notice", "version"),
)


@dataclass(frozen=True)
class ReportRow:
    """One row of the report.

    Parameters
    ----------
    record : mapping
        The JSON-ready row (`Record.to_row()`); None where a value cannot be measured.
    thumbnail : bytes or None
        A WebP or JPEG file of at most 160 pixels a side.
    gate_failed : bool
        The picture does not meet the gate.
    blur : BlurView or None
        What the panel of the picture shows of its blur.
    quality : QualityView or None
        What it and the table show of what is wrong.
    """

    record: Mapping[str, Any]
    thumbnail: bytes | None = None
    gate_failed: bool = False
    blur: BlurView | None = None
    quality: QualityView | None = None


def write_report(
    path: str | Path,
    rows: Iterable[ReportRow],
    *,
    metrics: Sequence[MetricSpec],
    title: str | None = None,
    language: str | None = None,
    settings: Mapping[str, str] = MappingProxyType({}),
    version: str,
    gate: str | None = None,
    when: datetime | None = None,
) -> Path:
    """Write one self-contained HTML file: summary, distributions, best and worst, table, failures.

    It opens without a network, in any browser of 2024 or later. The rows are taken one by one and wait on disk, so
    memory does not grow with their number; an existing file is replaced only when the new one is complete.

    Parameters
    ----------
    path : path
        Where the report goes.
    rows : iterable of ReportRow
    metrics : sequence of MetricSpec
        The metrics that the rows hold, in the order of the table.
    title : str, optional
        Heading; by default 'Measurement report' in the page's language.
    language : 'en' | 'ja', optional
        By default that of the locale.
    settings : mapping of str to str
        How it was measured, shown as it is.
    version : str
        Of Kukkiri, shown in the heading.
    gate : str, optional
        The condition under which a picture fails, such as 'sigma > 2'; without it the report has no word about gates.
    when : datetime, optional
        By default now.

    Returns
    -------
    Path
        `path`.

    Raises
    ------
    InputError
        If the language is not known or a thumbnail is not a WebP, JPEG or PNG file.
    WriteError
        If the file cannot be written.
    """
    path, language = Path(path), check_language(language)
    # The first metric that estimates a blur fills the columns of sigma: one chart for both.
    source = next((spec for spec in metrics if spec.estimates_blur), None)
    sigma = _SIGMA
    if source is not None:
        own = {name: getattr(_SIGMA, name) for name in ("key", "kind", "interval")}
        sigma = replace(_column_of(source), metric=source.name, **own)
    judge = next((spec for spec in metrics if spec.judges_quality), None)
    columns = (
        sigma,
        *(_column_of(spec, judges=spec is judge) for spec in metrics if spec is not source),
        *_PROPERTIES,
    )
    keys = (
        *_OTHER_KEYS,
        *([source.name, NOTE] if source else []),
        *(JUDGED if judge else ()),
        *(column.key for column in columns),
    )
    with Gathered(keys, path, scores=[spec.name for spec in metrics]) as gathered:
        for row in rows:
            figures, cells = (None, None) if row.blur is None else (row.blur.figures, row.blur.map)
            judged = None if row.quality is None else row.quality.figures
            gathered.add(row.record, row.thumbnail, row.gate_failed, figures, cells, judged)
        return write_report_page(
            path,
            gathered,
            columns=columns,
            title=title,
            language=language,
            settings=settings,
            version=version,
            gate=gate,
            when=(when or datetime.now()).astimezone(),
        )


def _column_of(spec: MetricSpec, *, judges: bool = False) -> Column:
    low, high = (bound if math.isfinite(bound) else None for bound in spec.value_range)
    return Column(
        key=spec.name,
        kind="score" if judges else "number",
        title=spec.title,
        higher_is_better=spec.higher_is_better,
        answers=spec.answers,
        unit=spec.unit,
        paper=spec.paper,
        value_range=(low, high),
        interval=("quality_lo", "quality_hi") if judges else None,
        judges=judges,
        shown=True,
    )
