"""What was found of agreement with people, as a page."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from types import MappingProxyType

import numpy as np

import kukkiri
from kukkiri.errors import KukkiriError
from kukkiri.evaluation.agreement import Agreement
from kukkiri.evaluation.agreement_statistics import STATISTICS
from kukkiri.evaluation.opinions import Opinions
from kukkiri.inspection.thumbnails import thumbnail
from kukkiri.metrics.table import all_specs
from kukkiri.pages.agreement import AgreementView, Figure, Point, write_agreement_page
from kukkiri.pages.language import check_language

# Pictures a metric that fit worst; points along a curve.
WORST = 8
_SAMPLES = 161


def write_page(
    path: str | Path,
    agreements: Sequence[Agreement],
    opinions: Opinions,
    *,
    failed: Mapping[str, str] = MappingProxyType({}),
    language: str | None = None,
    title: str | None = None,
    when: datetime | None = None,
) -> Path:
    """Write one self-contained HTML file: statistics, scatter with curves, pictures that fit worst, failures.

    Parameters
    ----------
    path : path
    agreements : sequence of Agreement
        Of the same data set.
    opinions : Opinions
        The data set: the pictures that fit worst are read again, for their thumbnails.
    failed : mapping
        Metric → why there is no agreement of it.
    language : 'en' | 'ja', optional
        By default that of the locale.
    title : str, optional
    when : datetime, optional
        By default now.

    Raises
    ------
    InputError
        If the language is not known.
    WriteError
        If it cannot be written.
    """
    return write_agreement_page(
        path,
        [view(result, opinions) for result in agreements],
        data=opinions.source,
        failed=list(failed.items()),
        language=check_language(language),
        version=kukkiri.__version__,
        title=title,
        when=(when or datetime.now()).astimezone(),
    )


def view(result: Agreement, opinions: Opinions) -> AgreementView:
    """One metric, as the page shows it."""
    spec = all_specs().get(result.metric)
    return AgreementView(
        metric=result.metric,
        title=spec.title if spec else "",
        n=result.n,
        failed=result.failed,
        infinite=result.infinite,
        contents=result.contents,
        draws=result.draws,
        level=result.level,
        by_reference=result.by_reference,
        higher_is_better=result.higher_is_better,
        higher_is_worse=result.higher_is_worse,
        figures=[_figure(result, name) for name in _ORDER],
        points=_points(result, opinions),
        curves=_curves(result),
        cautions=result.cautions,
        failures=[(row.image, row.error) for row in result.rows if row.error],
    )


# Correlations first, then errors.
_ORDER = sorted(STATISTICS, key=lambda name: name.startswith("rmse"))


def _figure(result: Agreement, name: str) -> Figure:
    low, high = result.intervals[name]
    label = name.partition("_")[0]
    return Figure(label.upper(), STATISTICS[name], getattr(result, name), low, high, label == "rmse")


def _points(result: Agreement, opinions: Opinions) -> list[Point]:
    found: list[tuple[int, Point]] = []
    for index, row in enumerate(result.rows):
        if row.score is not None and row.opinion is not None and math.isfinite(row.score):
            found.append((index, Point(row.image, row.score, row.opinion, row.expected)))
    fitted = [(index, point) for index, point in found if point.expected is not None]
    fitted.sort(key=lambda at: abs(at[1].opinion - (at[1].expected or 0.0)), reverse=True)
    # Of a handful of pictures none stands out.
    worst = {index for index, _ in fitted[: min(WORST, len(fitted) // 3)]}
    return [replace(p, worst=True, thumbnail=_thumbnail(opinions, i)) if i in worst else p for i, p in found]


def _thumbnail(opinions: Opinions, index: int) -> bytes | None:
    from kukkiri.images.image import as_image

    source = opinions.rows[index].image
    try:
        image = None if source is None else as_image(source)
    except (KukkiriError, OSError):  # scores without their pictures
        return None
    return None if image is None else thumbnail(image.pixels, image.bit_depth)


def _curves(result: Agreement) -> dict[str, list[tuple[float, float]]]:
    scores = [row.score for row in result.rows if row.score is not None and math.isfinite(row.score)]
    if not scores:
        return {}
    along = np.linspace(min(scores), max(scores), _SAMPLES)
    return {
        name: list(zip(along.tolist(), curve(along).tolist(), strict=True)) for name, curve in result.curves.items()
    }
