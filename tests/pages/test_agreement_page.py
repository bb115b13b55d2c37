"""The page of agreement: what stands in it is what was found, in both languages, and nothing in a name is markup."""

from __future__ import annotations

import re
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from kukkiri.errors import InputError
from kukkiri.evaluation.agreement_page import WORST, write_page
from kukkiri.evaluation.opinions import Opinion, Opinions
from kukkiri.evaluation.scores import judge
from kukkiri.evaluation.scoring import Outcome
from kukkiri.pages.embedding import script, static_text
from kukkiri.pages.language import texts
from kukkiri.pages.scatter import scatter
from pages.page_reader import PageReader

HOSTILE = '</svg><script>alert(1)</script>"<img src=x onerror=alert(1)>\u202e.png'
NUMBERS = re.compile(r"-?\d+\.\d+")


@pytest.fixture(scope="module")
def found():
    """40 pictures on a curve with noise; number 7 far from it, one failure, one infinite score."""
    random = np.random.default_rng(2)
    scores = random.uniform(10, 50, 40)
    values = 5 - 4 / (1 + np.exp(-(scores - 30) / 4)) + 0.1 * random.normal(size=40)
    values[7] += 2
    scores[3] = np.inf
    picture = (255 * random.random((24, 32, 3))).astype(np.uint8)
    rows = [Opinion(f"{i}.png", picture if i == 7 else None, float(v)) for i, v in enumerate(values)]
    rows[7] = Opinion(HOSTILE, picture, rows[7].value)
    rows.append(Opinion("gone.png", None, 1.0, error="expected a file <b>, got none"))
    opinions = Opinions(HOSTILE, "mos", tuple(rows))
    outcomes = [*(Outcome(float(s)) for s in scores), Outcome()]
    return [judge(name, outcomes, opinions, higher_is_better=False, draws=20) for name in ("niqe", "mine")], opinions


@pytest.fixture(scope="module", params=["en", "ja"])
def page(request, found, tmp_path_factory) -> tuple[str, PageReader, str]:
    path = tmp_path_factory.mktemp("page") / "page.html"
    write_page(path, *found, language=request.param, when=datetime(2026, 3, 1, tzinfo=UTC))
    text = path.read_text(encoding="utf-8")
    return text, PageReader(text), request.param


def test_statistics_stand_in_it(page, found):
    _, reader, language = page
    first = found[0][0]
    for name in (
        "srcc",
        "krcc",
        "plcc",
        "plcc_logistic4",
        "plcc_logistic5",
        "rmse",
        "rmse_logistic4",
        "rmse_logistic5",
    ):
        low, high = first.intervals[name]
        assert f"{getattr(first, name):.4g}".replace("-", "−") in reader.visible
        assert f"{low:.4g} – {high:.4g}".replace("-", "−") in reader.visible
    assert texts(language)["agreement.title"] in reader.visible
    assert texts(language)["metric_title.niqe"] in reader.visible


def test_every_finite_score_is_a_point(page):
    _, reader, _ = page
    dots = [a for tag, a in reader.elements if tag == "circle"]
    assert len(dots) == 2 * 39
    assert sum("marked" in a["class"] for a in dots) == 2 * WORST
    paths = [
        a for tag, a in reader.elements if tag == "path" and a.get("class") in ("linear", "logistic-4", "logistic-5")
    ]
    assert len(paths) == 2 * 2 * 3  # two metrics; in the chart and in its legend


def test_the_worst_is_first_and_has_its_picture(page):
    _, reader, language = page
    images = [a for tag, a in reader.elements if tag == "img"]
    assert len(images) == 2  # the others have no picture to show
    assert all(a["src"].startswith("data:image/webp;base64,") for a in images)
    assert texts(language)["agreement.worst_better"] in reader.visible


def test_failures_are_listed(page):
    _, reader, _ = page
    assert reader.visible.count("gone.png") == 2
    assert reader.visible.count("expected a file <b>, got none") == 2


def test_metrics_that_failed_are_listed(found, tmp_path):
    results, opinions = found
    for language in ("en", "ja"):
        path = tmp_path / f"{language}.html"
        write_page(path, results[:1], opinions, failed={"dists": "expected weights <b>, got none"}, language=language)
        reader = PageReader(path.read_text(encoding="utf-8"))
        assert texts(language)["agreement.failed_metrics"] in reader.visible
        assert "expected weights <b>, got none" in reader.visible


def test_nothing_is_said_of_intervals_that_are_not_there(tmp_path):
    rows = tuple(Opinion(f"{i}.png", None, 3.0) for i in range(9))
    data = Opinions("x", "mos", rows)
    equal = judge("mine", [Outcome(float(i)) for i in range(9)], data, draws=20)
    write_page(tmp_path / "page.html", [equal], data, language="en")
    assert "bootstrap" not in PageReader((tmp_path / "page.html").read_text(encoding="utf-8")).visible


def test_nothing_in_a_name_is_markup(page):
    text, reader, _ = page
    assert "alert(1)</script>" not in text
    assert [tag for tag, _ in reader.elements].count("script") == 1
    assert not any("onerror" in a for _, a in reader.elements)
    assert "\u202e" not in text


def test_loads_nothing_and_allows_no_inline_style(page):
    text, reader, _ = page
    (policy,) = [a["content"] for tag, a in reader.elements if a.get("http-equiv")]
    assert policy.startswith("default-src 'none'")
    assert not any("style" in a for _, a in reader.elements)
    assert not re.search(r"(?:src|href)=\"(?!data:|#)", text)


def test_unknown_language(found, tmp_path):
    with pytest.raises(InputError, match="en, ja"):
        write_page(tmp_path / "page.html", *found, language="fr")


def test_styles_fetch_nothing():
    assert not re.search(r"url\(|@import|https?:", static_text("agreement.css"))


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_the_script_is_correct_javascript(tmp_path: Path):
    (tmp_path / "agreement.js").write_text(script("agreement.js"), "utf-8")
    subprocess.run(["node", "--check", str(tmp_path / "agreement.js")], check=True, timeout=60)


class TestScatter:
    def test_places_by_hand(self):
        """Two points at the ends: 4 % of room on each side."""
        chart = scatter([(0, 0, "a", False), (10, 5, "b", True)])
        width = chart.right - chart.left
        assert chart.dots[0].x == pytest.approx(chart.left + width * 0.4 / 10.8, abs=0.06)
        assert chart.dots[1].x == pytest.approx(chart.right - width * 0.4 / 10.8, abs=0.06)
        assert chart.dots[0].y > chart.dots[1].y  # up is more
        assert [tick.label for tick in chart.across] == ["0", "2", "4", "6", "8", "10"]
        assert [tick.label for tick in chart.up] == ["0", "1", "2", "3", "4", "5"]

    @pytest.mark.parametrize(
        ("values", "labels"),
        [
            ((-0.02, 0.02), ["−0.02", "−0.01", "0.00", "0.01", "0.02"]),
            ((3.0, 3.0), ["2.9", "3.0", "3.1"]),
            ((0, 4e6), ["0", "1e+06", "2e+06", "3e+06", "4e+06"]),
        ],
    )
    def test_labels(self, values, labels):
        assert [tick.label for tick in scatter([(v, 1, "", False) for v in values]).across] == labels

    def test_many_points_are_thinned_but_never_the_marked(self):
        points = [(float(i), 0.0, str(i), i == 7) for i in range(1000)]
        chart = scatter(points, most=100)
        assert (len(chart.dots), chart.total) == (101, 1000)
        assert chart.dots[-1].tip == "7"
        assert len({dot.tip for dot in chart.dots}) == 101

    def test_curves_are_cut_at_the_frame(self):
        """From (0, −5) to (1, 6): straight, so that it enters and leaves on the line between."""
        chart = scatter([(0, 0, "", False), (1, 1, "", False)], [("linear", [(0, -5), (0.5, 0.5), (1, 6)])])
        ((_, path),) = chart.paths
        numbers = [float(v) for v in re.findall(r"[-\d.]+", path)]
        assert (path.count("M"), path.count("L")) == (1, 2)
        assert numbers[1::2] == pytest.approx([chart.bottom, (chart.top + chart.bottom) / 2, chart.top], abs=0.06)
        assert numbers[2] == pytest.approx((chart.left + chart.right) / 2, abs=0.06)

    def test_a_curve_does_not_jump_across_what_lies_outside(self):
        points = [(0, 0.5), (0.25, 3.0), (0.5, 3.0), (0.75, 0.5), (1, 0.6)]
        chart = scatter([(0, 0, "", False), (1, 1, "", False)], [("c", points)])
        assert chart.paths[0][1].count("M") == 2

    def test_nothing(self):
        assert scatter([]).dots == ()
