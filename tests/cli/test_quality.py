"""`kukkiri quality`: what it prints, and when."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow
from typer.testing import CliRunner, Result

from judging import MadeJudge, judge
from kukkiri.cli.main import app

__all__ = ["judge"]  # a fixture


@pytest.fixture
def grey(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.chdir(tmp_path)
    for name in ("a.png", "b.png"):
        Pillow.fromarray(np.full((64, 64), 100, np.uint8)).save(name)
    return ["a.png", "b.png"]


def quality(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["quality", *arguments, "--no-auto-mask"])


def test_the_way_is_said_once_and_figures_are_whole(judge: str, grey: list[str]) -> None:
    printed = quality(*grey, "-m", f"{judge},tenengrad").stdout
    assert printed.count("is better") == 1 and f"↑ higher is better: {judge}, tenengrad" in printed
    assert [line.split()[2:6] for line in printed.splitlines() if f" {judge} " in line] == [["39", "29", "…", "49"]] * 2
    assert "39.21568" in quality(*grey, "-m", judge, "--json").stdout  # for programs all digits


def test_no_empty_table_before_an_error(judge: str, grey: list[str]) -> None:
    done = quality("missing.png", "-m", judge)
    assert done.exit_code == 1 and done.stdout == ""
    assert done.stderr.startswith("kukkiri: missing.png: expected a picture file, got no file")
    # Beside others it has its row.
    assert "missing.png" in quality("missing.png", "a.png", "-m", judge).stdout


def test_a_folder_is_for_measure(judge: str, grey: list[str]) -> None:
    Path("my photos").mkdir()
    done = quality("my photos", "a.png", "-m", judge, "-m", "tenengrad")
    assert done.exit_code == 1 and " 39 " in done.stdout
    assert done.stderr == (
        "kukkiri: my photos: expected picture files, got a folder; "
        f"for all in it: kukkiri measure 'my photos' -m {judge},tenengrad\n"
    )


def test_the_bar_moves_with_every_picture(judge: str, grey: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []

    @contextmanager
    def progress(what: str, total: int) -> Iterator[Callable[..., None]]:
        seen.append((what, total))
        yield lambda *done: seen.append(done)

    monkeypatch.setattr("kukkiri.cli.blur_progress.progress", progress)
    assert quality(*grey, "-m", judge).exit_code == 0
    assert seen == [("scoring", 2), (1, 2), (2, 2)]


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_what_is_scored_before_an_interruption_is_shown(
    options: tuple[str, ...], judge: str, grey: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, calls = MadeJudge.judge, []

    def interrupted(*arguments: Any, **more: Any) -> Any:
        calls.append(1)
        if len(calls) > 1:
            raise KeyboardInterrupt
        return whole(*arguments, **more)

    monkeypatch.setattr(MadeJudge, "judge", interrupted)
    done = quality(*grey, "-m", judge, *options)
    assert done.exit_code == 130 and "a.png" in done.stdout and "b.png" not in done.stdout
    assert done.stderr == "kukkiri: interrupted after 1 of 2 pictures\n"


def test_json_goes_to_its_file_while_a_bar_is_shown(grey: list[str]) -> None:
    pty = pytest.importorskip("pty")
    terminal, side = pty.openpty()
    command = [sys.executable, "-m", "kukkiri", "quality", *grey, "-m", "tenengrad", "--json"]
    with Path("out.jsonl").open("w") as out:
        process = subprocess.Popen(command, stdout=out, stderr=side, env=os.environ | {"TERM": "xterm"})
        os.close(side)
        shown = b""
        try:
            while part := os.read(terminal, 1 << 16):
                shown += part
        except OSError:  # Linux: the other side is closed
            pass
        process.wait()
    os.close(terminal)
    assert b"scoring" in shown and b"{" not in shown
    lines = Path("out.jsonl").read_text().splitlines()
    assert [json.loads(line)["path"] for line in lines] == grey
