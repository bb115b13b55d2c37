"""The real command over a hundred bad files and three good ones."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest
from bad_inputs import encoded, make_bad_inputs

# What the interpreter with torch needs anyway is about 400 MiB.
MEMORY_LIMIT_MIB = 1200

RUN = """
import resource, subprocess, sys
done = subprocess.run(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024, file=sys.stderr)
sys.exit(done.returncode)
"""


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Path], list[dict[str, str]], int, str, Path]:
    folder = tmp_path_factory.mktemp("bad")
    bad = make_bad_inputs(folder)
    good = [folder / f"good-{i}.png" for i in range(3)]
    for path in good:
        path.write_bytes(encoded("PNG"))
    out, report = folder / "t.csv", folder / "r.html"
    names = b"\0".join(str(p).encode() for p in [good[0], *bad, *good[1:]])
    metrics = "laplacian-variance,tenengrad,cpbd"
    command = [
        sys.executable,
        "-m",
        "kukkiri",
        "measure",
        "-",
        "--out",
        str(out),
        "--report",
        str(report),
        "-m",
        metrics,
    ]
    done = subprocess.run([sys.executable, "-c", RUN, *command], input=names, capture_output=True, timeout=300)
    with out.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return bad, rows, done.returncode, done.stderr.decode(), report


def test_there_are_a_hundred(outcome: tuple[list[Path], list[dict[str, str]], int, str, Path]) -> None:
    assert len(outcome[0]) >= 100


def test_each_gives_a_row_with_an_error_that_helps(
    outcome: tuple[list[Path], list[dict[str, str]], int, str, Path],
) -> None:
    bad, rows, code, printed, _ = outcome
    assert code == 1 and "Traceback" not in printed, printed
    by_path: dict[str, list[dict[str, str]]] = {}
    for row in rows:
        by_path.setdefault(row["path"], []).append(row)
    for path in bad:
        found = by_path[str(path)]
        assert len(found) == 1, path.name
        error = found[0]["error"]
        assert "expected " in error and ", got " in error and "; " in error and "\n" not in error, (path.name, error)
    good = [row for row in rows if "good-" in row["path"]]
    assert len(good) == 3 and all(row["error"] == "" and float(row["tenengrad"]) > 0 for row in good)
    assert len(rows) == len(bad) + 3


def test_none_is_said_to_be_our_fault(outcome: tuple[list[Path], list[dict[str, str]], int, str, Path]) -> None:
    """An error that nobody foresaw says 'report it'; these are all foreseen."""
    assert [row["path"] for row in outcome[1] if "report it" in row["error"]] == []


def test_memory_stays_low(outcome: tuple[list[Path], list[dict[str, str]], int, str, Path]) -> None:
    assert int(outcome[3].strip().splitlines()[-1]) < MEMORY_LIMIT_MIB


def test_the_report_holds_the_names_harmlessly(
    outcome: tuple[list[Path], list[dict[str, str]], int, str, Path],
) -> None:
    page = outcome[4].read_text(encoding="utf-8")
    assert "<img src=x onerror" not in page
    assert json.dumps("日本語")[1:-1] in page or "日本語" in page
