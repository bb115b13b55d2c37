"""The command as a process of its own: exit codes, one-line errors, time to start."""

import subprocess
import sys
from pathlib import Path

import pytest


def kukkiri(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "kukkiri", *arguments], capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("measure", "missing.png", "-m", "tenengrad"), 1),
        (("measure", ".", "-m", "nique"), 2),
        (("measure",), 2),
        (("frobnicate",), 2),
        (("measure", "x.png", "--no-such-option"), 2),
        (("compare", "a.png", "--reference", "missing.png"), 1),
    ],
)
def test_exit_codes(arguments: tuple[str, ...], code: int) -> None:
    done = kukkiri(*arguments)
    assert done.returncode == code and "Traceback" not in done.stderr, done.stderr


def test_an_error_is_one_line_on_standard_error(tmp_path: Path) -> None:
    done = kukkiri("measure", str(tmp_path), "-m", "tenengrad")
    assert done.returncode == 2 and done.stdout == ""
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("kukkiri: expected pictures, got none in ") and "; " in line


def test_a_closed_pipe_is_no_traceback(tmp_path: Path) -> None:
    command = f"{sys.executable} -m kukkiri list --json | head -c 10"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60)
    assert "Traceback" not in done.stderr
