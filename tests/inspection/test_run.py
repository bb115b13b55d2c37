import csv
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import tifffile
from PIL import Image as Pillow
from skimage import data
from typer.testing import CliRunner

from kukkiri.cli.main import app
from kukkiri.errors import InputError, KukkiriError, WriteError
from kukkiri.inspection.journal import Journal, journal_path
from kukkiri.inspection.run import inspect
from kukkiri.inspection.settings import Settings
from kukkiri.inspection.sources import find_files

SETTINGS = Settings(metrics=("laplacian-variance", "tenengrad"))


def counted(files: list[Path], out: Path | None, settings: Settings = SETTINGS, **options: object) -> tuple[int, int]:
    """(files measured, rows) of a run."""
    reused: list[int] = []
    outcome = inspect(files, settings, out=out, on_start=lambda _, n: reused.append(n), **options)  # type: ignore[arg-type]
    return len(files) - reused[0], outcome.pictures


@pytest.fixture
def copies(photographs: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(photographs, tmp_path / "pictures"))


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_formats_hold_the_same_rows(photographs: Path, tmp_path: Path, suffix: str) -> None:
    rows: list[dict[str, object]] = []
    files = [*find_files(photographs), photographs / "missing.png"]
    inspect(files, SETTINGS, out=tmp_path / f"t{suffix}", on_row=rows.append)
    assert len(rows) == 21
    if suffix == ".csv":
        with (tmp_path / "t.csv").open(newline="") as file:
            written = list(csv.DictReader(file))
        assert [{k: "" if v is None else str(v) for k, v in row.items()} for row in rows] == written
    elif suffix == ".jsonl":
        assert [json.loads(line) for line in (tmp_path / "t.jsonl").read_text().splitlines()] == rows
    else:
        assert pq.read_table(tmp_path / "t.parquet").to_pylist() == rows


def test_a_second_run_measures_nothing(copies: Path, tmp_path: Path) -> None:
    files, out = find_files(copies), tmp_path / "t.csv"
    assert counted(files, out) == (20, 20)
    first = out.read_bytes()
    assert counted(files, out) == (0, 20)
    assert out.read_bytes() == first
    assert counted(files, out, fresh=True) == (20, 20)


def test_what_changed_is_measured_again(copies: Path, tmp_path: Path) -> None:
    files, out = find_files(copies), tmp_path / "t.csv"
    counted(files, out)
    shutil.copy(copies / "00.png", copies / "02.png")
    os.utime(copies / "02.png", ns=(1, 1))
    assert counted(files, out)[0] == 1, "the changed file alone"
    fresh = tmp_path / "fresh.csv"
    counted(files, fresh)
    assert out.read_bytes() == fresh.read_bytes()
    other = Settings(metrics=("brenner",))
    assert counted(files, out, other) == (20, 20)
    assert "brenner" in out.read_text().splitlines()[0]
    assert counted(files, out, Settings(metrics=("brenner",), auto_mask=False))[0] == 20


def test_a_removed_and_an_added_file(copies: Path, tmp_path: Path) -> None:
    out = tmp_path / "t.csv"
    counted(find_files(copies), out)
    shutil.copy(copies / "00.png", copies / "zz.png")
    (copies / "19.png").unlink()
    measured, rows = counted(find_files(copies), out)
    assert rows == 20 and measured == 1
    assert "zz.png" in out.read_text() and "19.png" not in out.read_text()


def test_a_report_asks_for_thumbnails_once(copies: Path, tmp_path: Path) -> None:
    files, out, report = find_files(copies), tmp_path / "t.csv", tmp_path / "r.html"
    counted(files, out)
    assert counted(files, out, report=report)[0] == 20, "the first run made no thumbnails"
    assert counted(files, out, report=report)[0] == 0
    assert report.stat().st_size > 20_000


def test_a_table_of_somebody_else_is_not_replaced(photographs: Path, tmp_path: Path) -> None:
    out = tmp_path / "mine.csv"
    out.write_text("precious")
    files = find_files(photographs)[:2]
    with pytest.raises(InputError, match="--overwrite"):
        inspect(files, SETTINGS, out=out)
    assert out.read_text() == "precious"
    inspect(files, SETTINGS, out=out, overwrite=True)
    assert len(out.read_text().splitlines()) == 3


def test_two_runs_at_once_are_refused(photographs: Path, tmp_path: Path) -> None:
    out = tmp_path / "t.csv"
    running = Journal(journal_path(out), SETTINGS.fingerprint())
    with pytest.raises(WriteError, match="another run"):
        inspect(find_files(photographs)[:1], SETTINGS, out=out)
    running.close()
    assert inspect(find_files(photographs)[:1], SETTINGS, out=out).pictures == 1


def test_wrong_outputs_are_refused_before_anything_is_measured(photographs: Path, tmp_path: Path) -> None:
    files = find_files(photographs)
    for wrong in (
        {"out": tmp_path / "t.xlsx"},
        {"report": tmp_path / "r.pdf"},
        {"fail_if": ["nique > 1"]},
        {"fail_if": ["path == 1"]},
        {"language": "fr"},
        {"report": Path("/proc/nope/r.html")},
    ):
        with pytest.raises(KukkiriError):
            inspect(files, SETTINGS, on_start=lambda *_: pytest.fail("began"), **wrong)  # type: ignore[arg-type]


def test_gates(photographs: Path, tmp_path: Path) -> None:
    files = find_files(photographs)[:4]
    met = inspect(files, SETTINGS, fail_if=["tenengrad < 0"])
    assert met.exit_code == 0 and met.gate_failures == {"tenengrad < 0": []}
    unmet = inspect(files, SETTINGS, fail_if=["tenengrad > 0", "width > 100000"])
    assert unmet.exit_code == 1 and len(unmet.gate_failures["tenengrad > 0"]) == 4
    unknown = inspect(files, SETTINGS, fail_if=["sigma > 2"])
    assert unknown.exit_code == 1 and len(unknown.gate_unknown["sigma > 2"]) == 4
    assert inspect([*files, tmp_path / "missing.png"], SETTINGS).exit_code == 1


def test_a_resumed_run_has_every_blur_map(photographs: Path, tmp_path: Path) -> None:
    """Table and report are those of a run without an interruption."""
    files, settings = find_files(photographs), Settings(metrics=("kukkiri-blur", "tenengrad"))

    class Stop(Exception):
        pass

    def stop(_: int) -> None:
        raise Stop

    tables, data = [], []
    for name in ("whole", "resumed"):
        out, report = tmp_path / f"{name}.csv", tmp_path / f"{name}.html"
        if name == "resumed":
            with pytest.raises(Stop):
                inspect(files, settings, out=out, report=report, on_batch=stop)
            assert not out.exists()
        measured, _ = counted(files, out, settings, report=report)
        assert measured == (20 if name == "whole" else 12)
        tables.append(out.read_bytes())
        text = report.read_text("utf-8")
        data.append(re.findall(r'class="(?:rows|thumbnails)">(.*?)</script>', text, re.DOTALL))
    assert tables[0] == tables[1] and data[0] == data[1]
    rows, pictures = data[0]
    maps = [line.count(",") for line in pictures.splitlines()]
    told = [row[-2]["abstained"] is None for row in json.loads(rows)]
    assert maps == told and any(told)


@pytest.mark.parametrize(
    ("count", "kills", "metrics"),
    [
        (80, 3, "laplacian-variance,tenengrad,cpbd"),
        pytest.param(400, 10, "kukkiri-blur,tenengrad", marks=pytest.mark.slow),
    ],
)
def test_killed_and_resumed_equals_uninterrupted(
    photographs: Path, tmp_path: Path, count: int, kills: int, metrics: str
) -> None:
    """SIGKILL of the real command at random moments, then one run to the end."""
    folder = tmp_path / "many"
    folder.mkdir()
    for i in range(count):
        source = sorted(photographs.iterdir())[i % 20]
        (folder / f"{i:03}{source.suffix}").symlink_to(source)

    def command(out: Path) -> list[str]:
        return [sys.executable, "-m", "kukkiri", "measure", str(folder), "--out", str(out), "-m", metrics]

    whole, out = tmp_path / "whole.csv", tmp_path / "t.csv"
    subprocess.run(command(whole), check=True, capture_output=True)
    moments = random.Random(0)
    for _ in range(kills):
        process = subprocess.Popen(command(out), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        before = journal_path(out).stat().st_size if journal_path(out).exists() else 0
        # Not a fixed time, which a slow machine spends on imports: wait for the journal to grow, then a moment more.
        while process.poll() is None and time.monotonic() < deadline:
            if journal_path(out).exists() and journal_path(out).stat().st_size > before:
                break
            time.sleep(0.01)
        time.sleep(moments.uniform(0, 0.3))
        process.send_signal(signal.SIGKILL)
        process.wait()
    done = subprocess.run(command(out), check=True, capture_output=True, text=True)
    assert out.read_bytes() == whole.read_bytes()
    assert "taken over" in done.stderr


def test_what_failed_is_tried_again(copies: Path, tmp_path: Path) -> None:
    """Its file has not changed, but a permission or a package may have come."""
    out = tmp_path / "t.csv"
    bad = copies / "bad.png"
    bad.write_bytes(b"no picture")
    assert inspect(find_files(copies), SETTINGS, out=out).failed == 1
    assert counted(find_files(copies), out)[0] == 1, "and nothing else of its batch"
    shutil.copy(copies / "00.png", bad)
    again = inspect(find_files(copies), SETTINGS, out=out)
    assert (again.failed, again.reused) == (0, 20)


def test_what_is_measured_in_part_is_told_from_a_failure(tmp_path: Path) -> None:
    Pillow.fromarray(data.camera()[200:264, 200:264]).save(tmp_path / "small.png")  # too small for NIQE alone
    (tmp_path / "bad.png").write_bytes(b"no picture")
    outcome = inspect(find_files(tmp_path), Settings(metrics=("tenengrad", "niqe")))
    assert (outcome.pictures, outcome.failed, outcome.partly, outcome.exit_code) == (2, 1, 1, 1)
    (tmp_path / "bad.png").unlink()
    out = tmp_path / "t.csv"
    for reused in (0, 1):  # it would be too small again: it is not measured twice
        outcome = inspect(find_files(tmp_path), Settings(metrics=("tenengrad", "niqe")), out=out)
        assert (outcome.failed, outcome.partly, outcome.exit_code, outcome.reused) == (0, 1, 1, reused)
    # But for a report, which shows it: there is no thumbnail of it yet.
    report = tmp_path / "r.html"
    for reused in (0, 1):
        outcome = inspect(
            find_files(tmp_path / "small.png"), Settings(metrics=("tenengrad", "niqe")), out=out, report=report
        )
        assert (outcome.partly, outcome.reused) == (1, reused)


def test_the_command_names_the_first_failures(tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for i in range(5):
        (folder / f"bad{i}.png").write_bytes(b"no picture")
    Pillow.fromarray(data.camera()[:96, :96]).save(folder / "good.png")
    command = ["measure", str(folder), "-m", "tenengrad", "-j", "1"]
    said = CliRunner().invoke(app, [*command, "--out", str(tmp_path / "t.csv")]).stderr
    lines = [line for line in said.splitlines() if "expected a picture" in line]
    assert "6 pictures, 5 failed" in said and ["bad0.png: " in lines[0], len(lines)] == [True, 3]
    assert "… and 2 more: see the column error of the table" in said
    done = CliRunner().invoke(app, command)
    assert "expected a picture" not in done.stderr and done.stdout.count("expected a picture") == 5


def test_a_notice_reaches_table_terminal_and_report(tmp_path: Path) -> None:
    """12 bits in a file of 16 are read as very dark: nobody must have to guess why."""
    folder, out, report = tmp_path / "pictures", tmp_path / "t.jsonl", tmp_path / "r.html"
    folder.mkdir()
    tifffile.imwrite(folder / "twelve.tif", data.camera()[:96, :96].astype(np.uint16) * 16)
    tifffile.imwrite(folder / "sixteen.tif", data.camera()[:96, :96].astype(np.uint16) * 257)
    command = ["measure", str(folder), "-m", "tenengrad", "-j", "1", "-o", str(out), "-r", str(report)]
    said = CliRunner().invoke(app, command).stderr
    assert f"notice for {folder / 'twelve.tif'}: only 12 of 16 bits are used" in said
    rows = {Path(row["path"]).name: row for row in map(json.loads, out.read_text().splitlines())}
    assert rows["sixteen.tif"]["notice"] == "" and rows["twelve.tif"]["notice"].startswith("only 12 of 16 bits")
    assert report.read_text("utf-8").count("only 12 of 16 bits are used") == 1


def test_same_name_in_another_folder(photographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Equal name, size and time, as after a copy that keeps times; another picture."""
    out = tmp_path / "t.jsonl"
    found = []
    for folder, source in (("a", "00.png"), ("b", "04.png")):
        (tmp_path / folder).mkdir()
        data = (photographs / source).read_bytes()
        file = tmp_path / folder / "y.png"
        file.write_bytes(data + bytes(200_000 - len(data)))
        os.utime(file, ns=(1, 1))
        monkeypatch.chdir(tmp_path / folder)
        inspect([Path("y.png")], SETTINGS, out=out)
        found.append(json.loads(out.read_text()))
    assert found[0]["path"] == found[1]["path"] == "y.png" and found[0]["tenengrad"] != found[1]["tenengrad"]


def test_a_report_of_somebody_else_is_not_replaced(photographs: Path, tmp_path: Path) -> None:
    thesis = tmp_path / "thesis.html"
    thesis.write_text("my thesis")
    with pytest.raises(InputError, match="--overwrite"):
        inspect(find_files(photographs)[:1], SETTINGS, report=thesis)
    assert thesis.read_text() == "my thesis"
    ours = tmp_path / "ours.html"
    for _ in range(2):
        inspect(find_files(photographs)[:1], SETTINGS, report=ours)


def test_a_link_is_written_through(photographs: Path, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    link = tmp_path / "link.csv"
    link.symlink_to(tmp_path / "real" / "t.csv")
    inspect(find_files(photographs)[:1], SETTINGS, out=link)
    assert link.is_symlink() and (tmp_path / "real" / "t.csv").exists()


def test_a_full_disk_is_explained(photographs: Path, tmp_path: Path) -> None:
    out = tmp_path / "t.csv"
    arguments = f"measure {photographs} -o {out} -m tenengrad -r {tmp_path}/r.html -j1"
    limited = f"ulimit -f 24; {sys.executable} -m kukkiri {arguments}"
    done = subprocess.run(["bash", "-c", limited], capture_output=True, text=True)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "kukkiri: expected" in done.stderr
