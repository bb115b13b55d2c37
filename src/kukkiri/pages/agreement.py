"""The page of agreement with people: statistics with intervals, scatter with fitted curves, pictures that fit worst."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from kukkiri.errors import one_line
from kukkiri.pages.embedding import base64_picture
from kukkiri.pages.language import texts
from kukkiri.pages.page import render, write_page
from kukkiri.pages.scatter import Scatter, scatter

# Failures that are listed; the rest is counted.
_LISTED = 100
CURVES = ("linear", "logistic-4", "logistic-5")


@dataclass(frozen=True)
class Figure:
    """One statistic.

    Parameters
    ----------
    name : str
        'SRCC', say: the same in every language.
    curve : 'linear' | 'logistic-4' | 'logistic-5' | ''
        What the scores went through; '' for none.
    value, low, high : float or None
    unit : bool
        On the scale of the opinions.
    """

    name: str
    curve: str
    value: float | None
    low: float | None
    high: float | None
    unit: bool = False


@dataclass(frozen=True)
class Point:
    """One picture of the chart.

    Parameters
    ----------
    name : str
    score, opinion : float
        Finite.
    expected : float or None
        What the curve reads off the score.
    thumbnail : bytes or None
        A WebP, JPEG or PNG file; for the pictures that fit worst.
    worst : bool
        One of these.
    """

    name: str
    score: float
    opinion: float
    expected: float | None = None
    thumbnail: bytes | None = None
    worst: bool = False


@dataclass(frozen=True, kw_only=True)
class AgreementView:
    """One metric on the page.

    Parameters
    ----------
    metric, title : str
    n, failed, infinite, contents, draws : int
    level : float
        Of the intervals.
    by_reference, higher_is_better, higher_is_worse : bool
        Whether contents are references; directions of score and opinion.
    figures : sequence of Figure
    points : sequence of Point
    curves : mapping
        Name → points (score, opinion) along it.
    cautions : sequence of str
        The ends of the keys 'agreement.note_…'.
    failures : sequence of (str, str)
        Names of pictures, and why.
    """

    metric: str
    title: str
    n: int
    failed: int
    infinite: int
    contents: int
    draws: int
    level: float
    by_reference: bool
    higher_is_better: bool
    higher_is_worse: bool
    figures: Sequence[Figure]
    points: Sequence[Point]
    curves: Mapping[str, Sequence[tuple[float, float]]]
    cautions: Sequence[str]
    failures: Sequence[tuple[str, str]]


def write_agreement_page(
    path: str | Path,
    views: Sequence[AgreementView],
    *,
    data: str,
    failed: Sequence[tuple[str, str]] = (),
    language: str,
    version: str,
    title: str | None = None,
    when: datetime,
) -> Path:
    """Write one page of one or more metrics on one data set.

    Parameters
    ----------
    path : path
    views : sequence of AgreementView
    data : str
        The data set, shown as it is.
    failed : sequence of (str, str)
        Names of metrics that failed, and why.
    language : 'en' | 'ja'
    version : str
        Of Kukkiri.
    title : str, optional
    when : datetime
        With its time zone.

    Raises
    ------
    WriteError
        If it cannot be written.
    """
    t = texts(language)
    pieces = render(
        "agreement.html.j2",
        language=language,
        styles=("theme.css", "components.css", "report.css", "agreement.css"),
        entry="agreement.js",
        title=title or t["agreement.title"],
        when=when,
        version=version,
        data=one_line(data),
        failed=[(one_line(name), one_line(why, 600)) for name, why in failed],
        parts=[_part(view, t) for view in views],
        shown_failures=_LISTED,
    )
    return write_page(path, pieces)


def _part(view: AgreementView, t: Mapping[str, str]) -> dict[str, Any]:
    worst = sorted((p for p in view.points if p.worst), key=_misfit, reverse=True)
    return {
        "view": view,
        "drawn": any(f.low is not None and f.low == f.low for f in view.figures),
        "level": f"{100 * view.level:.4g}",
        "headline": [f for f in view.figures if f.curve in ("", "logistic-4")],
        "figures": [(f, number(f.value), number(f.low), number(f.high)) for f in view.figures],
        "chart": _chart(view, t),
        "worst": [
            {
                "name": one_line(p.name),
                "source": f"data:image/{_kind(p.thumbnail)};base64,{base64_picture(p.thumbnail)}"
                if p.thumbnail
                else "",
                "opinion": number(p.opinion),
                "expected": number(p.expected),
                # Where higher is worse, an opinion above the curve is a bad one.
                "liked": ((p.opinion > (p.expected or 0.0)) != view.higher_is_worse),
            }
            for p in worst
        ],
        "failures": [(one_line(name), one_line(why)) for name, why in view.failures[:_LISTED]],
    }


def _chart(view: AgreementView, t: Mapping[str, str]) -> Scatter:
    points = [
        (
            p.score,
            p.opinion,
            t["agreement.point"].format(name=one_line(p.name), score=number(p.score), opinion=number(p.opinion)),
            p.worst,
        )
        for p in view.points
    ]
    return scatter(points, [(name, view.curves[name]) for name in CURVES if name in view.curves])


def _misfit(point: Point) -> float:
    return 0.0 if point.expected is None else abs(point.opinion - point.expected)


def _kind(picture: bytes) -> str:
    return "webp" if picture[:4] == b"RIFF" else "png" if picture[:4] == b"\x89PNG" else "jpeg"


def number(value: float | None) -> str:
    """Four significant digits with a proper minus sign; '–' for none."""
    return "–" if value is None or value != value else f"{value:.4g}".replace("-", "−")
