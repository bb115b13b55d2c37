from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from kukkiri.weights import download
from weights.file_server import FileServer, entry_text, serving, write_catalogue


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and an environment that says nothing else."""
    for name in ("KUKKIRI_OFFLINE", "KUKKIRI_MIRROR", "KUKKIRI_ACCEPT_LICENCE", "KUKKIRI_CATALOGUE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("KUKKIRI_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(download, "PATIENCE", (0.01, 0.01, 0.01))
    return tmp_path / "home"


@pytest.fixture
def server(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    """A server whose file is in the catalogue under the key 'demo-net'."""
    with serving() as running:
        path = write_catalogue(tmp_path / "extra.toml", entry_text(running.url))
        monkeypatch.setenv("KUKKIRI_CATALOGUE", str(path))
        yield running
