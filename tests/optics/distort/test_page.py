"""docs/distortions.md and its strips."""

import importlib.util
import io
from pathlib import Path
from types import ModuleType

import pytest
from PIL import Image as Pillow

from kukkiri.optics.distort import KINDS

DOCS = Path(__file__).parents[3] / "docs"


@pytest.fixture(scope="module")
def docs() -> ModuleType:
    spec = importlib.util.spec_from_file_location("distortions", DOCS / "distortions.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_fresh(docs: ModuleType) -> None:
    assert docs.PAGE.read_text(encoding="utf-8") == docs.page(), "run: make docs"


def test_every_kind_has_a_strip_and_all_are_small(docs: ModuleType) -> None:
    strips = {path.stem: path.stat().st_size for path in docs.STRIPS.glob("*.jpg")}
    assert set(strips) == set(KINDS)
    assert sum(strips.values()) < 1_500_000


def test_a_strip_shows_the_picture_and_five_levels(docs: ModuleType) -> None:
    strip = Pillow.open(io.BytesIO(docs.strip(KINDS["gaussian-blur"])))
    assert strip.size == (6 * docs.SIDE + 5 * docs.GAP, docs.SIDE)
