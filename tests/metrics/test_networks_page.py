"""docs/networks.py: the page of parity and speed says what was measured, and how."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

DOCS = Path(__file__).parents[2] / "docs"
RESULTS = [json.loads(path.read_text(encoding="utf-8")) for path in sorted((DOCS / "networks").glob("*.json"))]
TIMED = [record for record in RESULTS if record.get("ms_reference")]


@pytest.fixture(scope="module")
def networks() -> Any:
    found = importlib.util.spec_from_file_location("networks", DOCS / "networks.py")
    assert found and found.loader
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def page(networks: Any) -> str:
    text: str = networks.page()
    return text


@pytest.mark.parametrize("record", TIMED, ids=lambda record: record["metric"])
def test_all_times_are_of_one_clock(record: dict[str, Any], page: str) -> None:
    """Where the wall's and the processor's were read, the processor's; and what was timed, if not the default."""
    row = next(line for line in page.splitlines() if line.startswith(f"| `{record['metric']}` |"))
    ours, theirs = (record.get(f"cpu_ms_{who}", record[f"ms_{who}"]) for who in ("ours", "reference"))
    assert f"| {ours:.0f} / {theirs:.0f} | {theirs / ours:.2f} |" in row
    assert record.get("timed", "") in row
    assert "wall" not in record.get("note", "") or {"cpu_ms_ours", "ms_wall_ours"} & set(record)


def test_what_is_not_the_default_or_was_extrapolated_is_said(page: str) -> None:
    for words in ("2 crops; the default is 20", "sparse sampling; the default is dense", "4 of them timed, times 5"):
        assert words in page


def test_cnniqa_agrees_with_the_form_that_it_is(networks: Any) -> None:
    text = networks.surveys()
    row = next(line for line in text.splitlines() if line.startswith("| `cnniqa` |"))
    assert "D. Li's PyTorch form and its weights" in row and "authors' code" not in row
