"""The hash of a module's code: it follows what is imported, and only that."""

from pathlib import Path

import pytest

from kukkiri.evaluation import sources
from kukkiri.evaluation.sources import source_hash


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "kukkiri"
    (root / "sub").mkdir(parents=True)
    (root / "a.py").write_text("def f():\n    from kukkiri.sub import b\n    return b\n")
    (root / "sub" / "__init__.py").write_text("")
    (root / "sub" / "b.py").write_text("import numpy\nimport kukkiri.a\nX = 1\n")
    (root / "c.py").write_text("Y = 1\n")
    monkeypatch.setattr(sources, "ROOT", root)
    source_hash.cache_clear()
    sources._tree.cache_clear()
    return root


def test_it_follows_imports_inside_functions_and_nothing_else(package: Path) -> None:
    def now() -> str:
        source_hash.cache_clear()
        sources._tree.cache_clear()
        return source_hash("kukkiri.a")

    first = now()
    (package / "c.py").write_text("Y = 2\n")
    (package / "sub" / "b.py").write_text('"""What."""\n# said why\nimport numpy\nimport kukkiri.a\n\nX = 1\n')
    (package / "a.py").write_text('def f():\n    """How."""\n    from kukkiri.sub import b\n    return b\n')
    assert now() == first
    (package / "sub" / "b.py").write_text("import numpy\nimport kukkiri.a\nX = 2\n")
    assert now() != first


def test_real_metrics_have_hashes_of_their_own() -> None:
    source_hash.cache_clear()
    sources._tree.cache_clear()
    names = ["kukkiri.quality.full_reference.gmsd", "kukkiri.quality.no_reference.niqe", "kukkiri.evaluation.stability"]
    assert len({source_hash(name) for name in names}) == 3
    reached = sources._reached(names[0])
    assert names[0] in reached and names[1] not in reached
    assert not [name for name in reached if name.startswith(("kukkiri.cli", "kukkiri.training"))]
