"""docs/quality.md and its figure, from figures that were made up; and from those that are recorded."""

import importlib.util
import json
from pathlib import Path

import pytest
from PIL import Image as Pillow

from kukkiri.quality.judgement import Judgement
from kukkiri.training.quality_figures import METRICS, _rounded, figures
from kukkiri.training.quality_trials import OURS, Trial

ROOT = Path(__file__).parents[2]
GROUPS = ("blur", "noise", "compression", "exposure", "contrast", "colour", "haze")
# Kind → group, and whether kukkiri-nr orders it, in this made-up result.
KINDS = {"gaussian-blur": ("blur", True), "jpeg": ("compression", True), "lens-blur": ("blur", False)}


@pytest.fixture(scope="module")
def docs():
    spec = importlib.util.spec_from_file_location("kukkiri_nr", ROOT / "docs" / "kukkiri_nr.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def trial(kind, groups, level, score):
    said = {group: 0.9 if group in groups else 0.1 for group in GROUPS}
    return Trial(kind, groups, level, 100 - 10.0 * level, dict.fromkeys(METRICS, score), (0.0, 100.0), said, 0.5)


@pytest.fixture(scope="module")
def row():
    trials = [trial("", [], 0.0, 90.0)]
    for kind, (group, ordered) in KINDS.items():
        trials += [trial(kind, [group], float(n), 90.0 - 10 * n if ordered else 90.0 + n) for n in range(1, 6)]
    trials.append(trial("gaussian-blur+jpeg", ["blur", "compression"], 0.0, 20.0))
    odd = {"moon": Judgement(33.0, (21.0, 44.0), dict.fromkeys(GROUPS, 0.1), 1.0)}
    cost = {"size": [3000, 4000], "ms": 123.0, "stages": {"head": 4.0}, "memory_mb": 56.0, "beside": {"niqe": 7000.0}}
    return json.loads(json.dumps(_rounded(figures([trials], [odd["moon"]] * 3, [odd["moon"]], odd)))) | {"cost": cost}


def test_goals_follow_from_the_figures(docs, row):
    lines = {line.split(" | ")[0]: line for line in docs.page(row).splitlines() if "| ≥ " in line}
    assert len(lines) == len(docs.GOALS)
    for words, path, _ in docs.GOALS:
        # The only kind of this result that training did not see is in the wrong order.
        met = path[1] != "unseen" and path[0] != "teachers"
        assert lines[f"| {words}"].endswith("| met |" if met else "| **not met** |"), words


def test_the_page_shows_what_was_measured(docs, row):
    page = docs.page(row)
    assert "| `lens-blur` \\* | blur | -1.00 |" in page
    assert "| `jpeg` | compression | 1.00 |" in page
    assert "| moon | 1.00 | yes | 33 | 21 … 44 | – |" in page
    assert "12 megapixels takes 123 ms" in page
    assert "56 MB" in page
    assert "`niqe` 7.0 s" in page
    assert "Time and memory" not in docs.page({k: v for k, v in row.items() if k != "cost"})
    assert all(len(line) <= 120 for line in page.splitlines() if not line.startswith(("|", "python")))


def test_the_figure_has_a_panel_a_group(docs, row, tmp_path):
    docs.draw(row, tmp_path / "levels.png")
    with Pillow.open(tmp_path / "levels.png") as figure:
        assert figure.width > 1000
        assert len(figure.convert("RGB").getcolors(1 << 20)) > 50


def test_the_page_is_fresh(docs):
    """Page and figure are there exactly if figures were recorded, and say what these say."""
    assert docs.PAGE.exists() == docs.FIGURE.exists() == docs.RESULT.exists()
    if docs.RESULT.exists():
        assert docs.PAGE.read_text(encoding="utf-8") == docs.page(docs.result()), "run: make docs"
        assert docs.result()["summary"]["seen"][OURS]["mean"] > 0
