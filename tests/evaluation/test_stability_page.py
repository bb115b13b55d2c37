"""The page *How steady is a quality score?*: written from the recorded result, complete, and fresh."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

from kukkiri.evaluation.stability import SETTINGS

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def docs() -> ModuleType:
    spec = importlib.util.spec_from_file_location("stability", ROOT / "docs" / "stability.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_fresh(docs: ModuleType) -> None:
    assert docs.PAGE.read_text(encoding="utf-8") == docs.page(), "run: python docs/stability.py"
    assert docs.FIGURE.stat().st_size > 10_000


def test_the_result_is_of_what_is_measured_now(docs: ModuleType) -> None:
    """Other damages or changes need another run."""
    assert docs.result()["stability"]["settings"] == json.loads(json.dumps(dict(SETTINGS))), "run: make stability"
    assert list(docs.CHANGES) == SETTINGS["changes"]


def test_every_metric_and_change_has_its_lines(docs: ModuleType) -> None:
    text = docs.PAGE.read_text(encoding="utf-8")
    metrics = docs.measured(docs.result())
    assert {"niqe", "brisque", "piqe", "psnr", "ssim", "gmsd"} <= {m["name"] for m in metrics}
    for metric in metrics:
        line = next(line for line in text.splitlines() if line.startswith(f"| `{metric['name']}`"))
        assert f"{metric['overall']['median']:.2f}" in line and f"{metric['overall']['p90']:.2f}" in line
    for change in docs.CHANGES:
        assert sum(line.startswith(f"| {change} |") for line in text.splitlines()) == 4, change


def test_what_was_skipped_is_said_and_not_in_the_command(docs: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    row = docs.result()
    row["stability"]["metrics"].insert(0, {"name": "rankiqa", "answers": "quality", "skipped": "no weights"})
    monkeypatch.setattr(docs, "result", lambda: row)
    text = docs.page()
    assert "`rankiqa` is not in the tables: it was skipped (no weights)." in text
    assert "robustness kukkiri-nr" in text and "FRESH=1" in text


def test_the_result_names_no_folder(docs: ModuleType) -> None:
    pictures = docs.result()["pictures"]
    assert len(pictures) > 20 and all("/" not in picture["name"] and not picture["error"] for picture in pictures)
