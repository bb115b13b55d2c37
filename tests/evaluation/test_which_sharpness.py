"""The page *Which sharpness number should I use?*: written from results, complete, and fresh."""

import importlib.util
import json
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from kukkiri.optics.days import DAYS

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def docs() -> ModuleType:
    spec = importlib.util.spec_from_file_location("which_sharpness", ROOT / "docs" / "which_sharpness.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def text(docs: ModuleType) -> str:
    return str(docs.PAGE.read_text(encoding="utf-8"))


def test_the_page_is_fresh(docs: ModuleType, text: str) -> None:
    assert text == docs.page(), "run: make docs"
    assert docs.FIGURE.stat().st_size > 10_000


def test_every_metric_has_its_words_and_its_line(docs: ModuleType, text: str) -> None:
    """A metric without words would stop `make docs`; one without a measurement is named as such."""
    names = [spec.name for spec in docs.sharpness_specs()]
    assert set(names) <= set(docs.WORDS) and len(names) > 15
    measured = set.intersection(*(set(result.names) for result in docs.results().values()))
    for name in names:
        assert text.count(f"\n| `{name}`") >= (4 if name in measured else 1), name
        assert name in measured or f"`{name}`" in text.partition("Not measured yet")[2]


def test_the_results_say_how_they_were_made(docs: ModuleType) -> None:
    for path in docs.RESULTS.values():
        row = json.loads(path.read_text(encoding="utf-8"))
        assert row["kind"] == "robustness" and {"seed", "reduce", "sigma", "psfs", "days"} <= set(row["protocol"])
        assert all(len(picture["sha256"]) == 64 and not picture["error"] for picture in row["pictures"])
        # The page speaks of all days and all metrics, and of a hundred photographs.
        assert tuple(row["protocol"]["days"]) == DAYS and len(DAYS) == 10
        measured = {m["name"] for m in row["metrics"] if m["skipped"] is None}
        assert measured == {s.name for s in docs.sharpness_specs()}
    photographs = json.loads(docs.RESULTS["photographs"].read_text(encoding="utf-8"))
    assert len(photographs["pictures"]) == 100


def test_links_lead_somewhere(text: str) -> None:
    def anchors(page: str) -> set[str]:
        """As GitHub makes them."""
        headings = re.findall(r"^#+ (.+)$", page, re.M)
        return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}

    for target in re.findall(r"\]\(([^)]+)\)", text):
        name, _, anchor = target.partition("#")
        path = ROOT / "docs" / name if name else None
        assert path is None or path.exists(), target
        page = text if path is None else path.read_text(encoding="utf-8") if anchor else ""
        assert not anchor or anchor in anchors(page), target


def result(docs: ModuleType, *metrics: dict[str, Any]) -> Any:
    whole = {
        "protocol": {"days": ["clean"], "psfs": ["disc"]},
        "versions": {},
        "pictures": [],
        "metrics": list(metrics),
    }
    return docs.Result(whole)


def one(name: str, spearman: float, interval: tuple[float | None, float | None], error: float | None) -> dict[str, Any]:
    figures = {"spearman": spearman, "median_error": error, "trials": 50}
    group = {"x": figures}
    return {
        "name": name, "skipped": None, "slow": name == "s", "pictures": 5 if name == "s" else 12, "size": [100, 50],
        "mixed": figures, "by_sigma": group,
        "by_day": group, "by_psf": group, "spearman_interval": interval, "seconds_per_megapixel": 0.12 * len(name),
    }  # fmt: skip


def test_what_is_said_of_order_and_error(docs: ModuleType) -> None:
    found = result(
        docs,
        one("aa", 0.98, (0.97, 0.99), 0.3),
        one("s", 0.95, (0.9, 0.97), 0.1),
        one("b", 0.9, (0.85, 0.96), 0.2),
        one("c", 0.89996, (None, None), None),
    )
    # The slow one saw fewer pictures: it has its line and its star, but no place among the others, and no interval.
    assert found.names == ["aa", "s", "b", "c"] and found.alike == ["aa", "b", "c"]
    assert found.rank("b") == 2 and found.ranked(["s", "aa", "nobody"]) == ["aa", "s"]
    assert found.sizes == ["aa", "s", "b"] and found.by_error() == ["b", "aa"]
    assert found.best("by_day", "x") == ["aa", "b", "c"] and found.best("by_day", "x", "median_error") == ["b", "aa"]
    # What is printed alike is not ahead.
    assert found.ahead("c", "by_day", "x") == ["aa"] and found.ahead("aa", "by_day", "x") == []
    assert found.meeting("aa", "b") == "their intervals do not meet"
    assert found.meeting("aa", "aa").endswith("over the same pictures decides nothing")
    assert found.meeting("aa", "s") == found.meeting("c", "aa") == ""
    assert found.interval("aa") == "0.970 … 0.990" and found.interval("s") == found.interval("c") == "–"
    assert found.starred("s") == "`s` \\*" and found.times("aa", "b") == "2" and found.minutes() == 1
    skipped = one("c", 0.1, (0.0, 0.2), None) | {"skipped": "no weights"}
    assert result(docs, skipped, one("b", 0.9, (0.8, 0.95), None)).names == ["b"]


@pytest.mark.parametrize("place", [0, 2])
def test_words_follow_the_figures(docs: ModuleType, monkeypatch: pytest.MonkeyPatch, place: int) -> None:
    """Advice without a condition only where ours is first; days are those of the result; what is ours is said."""
    found = docs.results()
    for names in (found["photographs"].names, found["photographs"].alike):
        names.remove(docs.OURS)
        names.insert(place, docs.OURS)
    found["textures"].days = ["clean", "dark"]
    monkeypatch.setattr(docs, "results", lambda: found)
    text = docs.page()
    assert ("unless you know why not" in text) == ("**Yes, on the photographs**" in text) == (place == 0)
    assert ("In order alone" in text) == ("**No, not on the photographs**" in text) == (place == 2)
    assert "on the days clean, dark" in re.sub(r"\s+", " ", text)
    ours = re.search(r"Ours, and to be cited as such:([^.]*)", text)
    assert ours and {"`log-edge-width`", docs.OURS.join("``")} <= set(re.findall(r"`[^`]+`", ours[1]))


def test_figures_as_text(docs: ModuleType) -> None:
    assert [docs.percent(v) for v in (None, 0.0312, 0.0996, 0.5)] == ["–", "3.1 %", "10 %", "50 %"]
    assert docs.percent(-0.00001, signed=True) == "+0.0 %" and docs.plain(-0.0001) == "0.000"


def test_lines_are_filled_but_not_tables_code_and_links(docs: ModuleType) -> None:
    source = (
        "# A heading that is longer than the width\n\nwords [a long link](x.md) words\nand more words\n\n\n"
        "* an item of some length\n  that goes on\n* next\n\n| a table | that is longer than the width |\n"
        "```sh\ncode  that is longer than the width\n\n\nend\n```\nafter\n"
    )
    expected = (
        "# A heading that is longer than the width\n\nwords\n[a long link](x.md)\nwords and more words\n\n"
        "* an item of some\n  length that goes on\n* next\n\n| a table | that is longer than the width |\n"
        "```sh\ncode  that is longer than the width\n\n\nend\n```\nafter\n"
    )
    assert docs.filled(source, 22) == expected
