"""What records, tables, gates and the journal keep of a judgement of quality. Judgements are made by hand."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow
from typer.testing import CliRunner

from judging import SPEC, judge, made_judgement
from kukkiri.cli.main import app
from kukkiri.images.masks import Box
from kukkiri.inspection.gates import parse_gate
from kukkiri.inspection.journal import Journal
from kukkiri.inspection.quality_view import judged_columns, quality_view_of, wrong_text
from kukkiri.inspection.record import JUDGED, NOTE, Record, columns, numeric_columns
from kukkiri.inspection.run import inspect
from kukkiri.inspection.settings import Settings
from kukkiri.inspection.tables import write_table
from kukkiri.inspection.worker import Measured, Worker
from kukkiri.metrics.table import spec_of

__all__ = ["judge"]  # a fixture


@pytest.fixture
def levels(tmp_path: Path) -> list[Path]:
    """Three grey pictures, 20, 60 and 98 % bright."""
    files = [tmp_path / "pictures" / f"{level}.png" for level in (20, 60, 98)]
    files[0].parent.mkdir()
    for file, level in zip(files, (51, 153, 250)):
        Pillow.fromarray(np.full((60, 80), level, np.uint8)).save(file)
    return files


def test_text() -> None:
    assert wrong_text(made_judgement()) == ""
    assert wrong_text(made_judgement(blur=0.61, noise=0.934)) == "noise 0.93; blur 0.61"
    assert judged_columns(made_judgement(40, 0.99, haze=0.5)) == {
        "quality_lo": 30,
        "quality_hi": 50,
        "wrong": "haze 0.50",
        "quality_note": "unlike training",
    }
    assert judged_columns(made_judgement())["quality_note"] == ""


def test_what_the_page_is_told() -> None:
    figures = quality_view_of(made_judgement(blur=0.61, noise=0.934)).figures
    assert figures["wrong"][:3] == [["noise", 0.93], ["blur", 0.61], ["compression", 0.05]]
    assert (len(figures["wrong"]), figures["named"], figures["doubtful"]) == (7, 2, False)
    json.dumps(dict(figures), allow_nan=False)
    # One rounding for table, cell and panel: 0.9349 must not become 93 % here and 94 % there.
    made = made_judgement(noise=0.93496)
    assert quality_view_of(made).figures["wrong"][0] == ["noise", 0.93] and wrong_text(made) == "noise 0.93"


def test_columns_are_there_where_quality_is_judged(judge: str) -> None:
    assert columns((judge, "kukkiri-blur"))[-7:] == (judge, "kukkiri-blur", *JUDGED, NOTE)
    assert not set(JUDGED) & set(columns(("tenengrad", "niqe")))
    assert {"quality_lo", "quality_hi"} <= set(numeric_columns((judge,))) and "wrong" not in numeric_columns((judge,))
    assert parse_gate("quality_lo < 35", numeric_columns((judge,)))({"quality_lo": 30.0}) is True


def test_every_table_tells_clean_from_unknown(judge: str, tmp_path: Path) -> None:
    names = columns((judge,))
    said = (made_judgement(), made_judgement(blur=0.7, haze=0.6, unlike=0.995))
    records = [Record(f"{i}.png", scores={judge: 40.0}, **judged_columns(j)) for i, j in enumerate(said)]
    rows = [r.to_row() for r in (*records, Record("x.png", error="no", scores={judge: None}, quality_note=""))]
    for suffix in (".csv", ".jsonl", ".parquet"):
        write_table(tmp_path / f"t{suffix}", rows, names)
    lines = [line.split(",") for line in (tmp_path / "t.csv").read_text().splitlines()]
    assert lines[0][-4:] == list(JUDGED)
    assert [line[-4:] for line in lines[1:]] == [
        ["30.0", "50.0", "", ""],
        ["30.0", "50.0", "blur 0.70; haze 0.60", "unlike training"],
        ["", "", "", ""],
    ]
    kept = [json.loads(line)["wrong"] for line in (tmp_path / "t.jsonl").read_text().splitlines()]
    assert kept == ["", "blur 0.70; haze 0.60", None]
    import pyarrow.parquet as pq

    assert pq.read_table(tmp_path / "t.parquet").column("wrong").to_pylist() == kept


def test_the_journal_keeps_it(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    path.touch()
    views = (quality_view_of(made_judgement(noise=0.8)), None)
    journal = Journal(tmp_path / "t.journal", "settings")
    journal.add([Measured(Record("x.png", i), b"w", path, "", None, view) for i, view in enumerate(views)])
    journal.close()
    journal = Journal(tmp_path / "t.journal", "settings")
    kept = tuple(k.quality for k in journal.rows([path]))
    journal.close()
    assert kept == views


def test_a_run_fills_the_columns_and_a_second_one_keeps_them(judge: str, levels: list[Path], tmp_path: Path) -> None:
    settings, out = Settings(metrics=(judge, "tenengrad")), tmp_path / "t.jsonl"
    broken = levels[0].with_name("broken.png")
    broken.write_bytes(b"no picture")
    found = []
    for _ in range(2):
        outcome = inspect([*levels, broken], settings, out=out, fail_if=["quality_lo < 20"], workers=1)
        found.append([json.loads(line) for line in out.read_text().splitlines()])
    assert outcome.reused == 3, "only what failed is tried again"
    outcome = inspect(levels, settings, out=out, workers=1)
    inspect(levels, settings, out=out, workers=1)
    again = [json.loads(line) for line in out.read_text().splitlines()]
    assert found[0] == found[1] and again == found[0][:3]
    dark, middle, bright, bad = found[0]
    assert (dark["wrong"], middle["wrong"], bright["wrong"]) == ("exposure 0.80", "noise 0.60", "noise 0.98")
    assert [row["quality_note"] for row in found[0]] == ["", "", "unlike training", ""]
    assert middle["quality_lo"] == pytest.approx(50) and middle["quality_hi"] == pytest.approx(70)
    assert bad["wrong"] is None and bad["quality_lo"] is None
    outcome = inspect(levels, settings, fail_if=["quality_lo < 20"], workers=1)
    assert outcome.gate_failures == {"quality_lo < 20": [str(levels[0])]}


def test_only_a_report_asks_for_the_figures(judge: str, levels: list[Path]) -> None:
    settings = Settings(metrics=("tenengrad", judge))
    with_view = Worker(settings, thumbnails=True).measure(levels)
    assert [m.quality and m.quality.figures["wrong"][0] for m in with_view] == [
        ["exposure", 0.8],
        ["noise", 0.6],
        ["noise", 0.98],
    ]
    assert all(m.quality is None for m in Worker(settings).measure(levels))


def test_a_picture_too_large_to_hold(judge: str, levels: list[Path]) -> None:
    """Judged where the region can be held; else a row that says why and what to do."""
    (whole,) = Worker(Settings(metrics=(judge, "tenengrad"), whole_limit=1000)).measure(levels[1:2])
    record = whole.record
    assert record.error and "--max-whole" in record.error and "--roi" in record.error and "80×60" in record.error
    assert record.scores[judge] is None and record.scores["tenengrad"] is not None and record.wrong is None
    settings = Settings(metrics=(judge,), whole_limit=1000, roi=Box(10, 10, 20, 30))
    (part,) = Worker(settings, thumbnails=True).measure(levels[1:2])
    assert part.record.error is None and part.record.wrong == "noise 0.60"
    assert part.quality is not None and part.quality.figures["named"] == 1


def test_the_printed_table(judge: str, levels: list[Path]) -> None:
    done = CliRunner().invoke(app, ["measure", *map(str, levels), "-m", f"{judge},tenengrad", "-j", "1"])
    assert done.exit_code == 0, done.output
    for text in (
        "what is wrong",
        "exposure 80 %",
        "noise 60 %",
        f"98.png: {judge} unlike most pictures of its training",
    ):
        assert text in done.output, text
    assert "20.png: made-judge unlike" not in done.output
    lines = {line.split()[0]: line.split() for line in done.output.splitlines() if ".png" in line}
    assert [lines[f"{level}.png"][1] for level in (20, 60, 98)] == ["20", "60", "98"], "whole numbers of a score"
    done = CliRunner().invoke(app, ["measure", str(levels[0]), "-m", "tenengrad", "-j", "1"])
    assert "what is wrong" not in done.output


def test_the_spec_says_so() -> None:
    assert SPEC.judges_quality and SPEC.to_row()["judges_quality"] is True
    assert not spec_of("niqe").judges_quality
