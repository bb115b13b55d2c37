"""`kukkiri evaluate scores`."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from skimage import io
from typer.testing import CliRunner

from kukkiri.cli.evaluate import app
from kukkiri.errors import InputError, KukkiriError, ReadError, UnknownNameError


def run(*arguments: object):
    return CliRunner().invoke(app, ["scores", *map(str, arguments)])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine pictures of growing noise on a ramp; DMOS grows with it; one row of a file that is lost."""
    folder = tmp_path_factory.mktemp("set")
    random = np.random.default_rng(0)
    ramp = np.linspace(40, 215, 64)[None].repeat(64, 0)
    lines = [["image", "dmos", "reference", "other"]]
    for i in range(10):
        noisy = ramp + 3 * i * random.normal(size=ramp.shape)
        io.imsave(folder / f"{i}.png", noisy.clip(0, 255).astype(np.uint8), check_contrast=False)
        lines.append([f"{i}.png", f"{i * 10 + random.normal():.3f}", "0.png", f"{-i}"])
    lines.insert(4, ["lost.png", "4", "0.png", "-9"])
    with (folder / "scores.csv").open("w", newline="") as file:
        csv.writer(file).writerows(lines)
    return folder


@pytest.fixture
def table(folder) -> Path:
    return folder / "scores.csv"


def test_for_people(table):
    result = run("ssim", "--scores", "other", "--data", table, "--higher-is-worse", "--draws", 10, "--all")
    assert result.exit_code == 1  # a file is lost
    lines = [line.split() for line in result.stdout.splitlines()]
    assert ["ssim", "10", "SRCC"] in [line[:3] for line in lines]
    assert ["other", "11", "SRCC"] in [line[:3] for line in lines]
    assert result.stdout.count("logistic-4") == 4
    assert "90 % interval" in result.stdout
    (told,) = [line for line in result.stderr.splitlines() if line.startswith("kukkiri:")]
    assert "lost.png" in told and "check the path" in told


def test_what_to_quote_is_one_line_a_metric(table):
    result = run("ssim", "--scores", "other", "--data", table, "--higher-is-worse", "--draws", 0)
    lines = [line for line in result.stdout.splitlines() if line.split()[1:2] in (["10"], ["11"])]
    assert len(lines) == 2
    assert "PLCC logistic-4" in result.stdout
    assert "interval" not in result.stdout  # none was asked for


def test_the_data_are_never_overwritten(table):
    before = table.read_bytes()
    for option in ("--report", "--out"):
        assert isinstance(run("psnr", "--data", table, option, table, "--draws", 0).exception, InputError)
    assert table.read_bytes() == before


def test_level_in_percent(table):
    result = run("psnr", "--data", table, "--level", 95)
    assert result.exit_code == 2
    assert "0.999" in result.stderr


def test_json_files_and_resume(table, tmp_path):
    out, page = tmp_path / "out.csv", tmp_path / "page.html"
    arguments = ("ssim,psnr", "--data", table, "--higher-is-worse", "--draws", 0, "--out", out, "--json")
    result = run(*arguments, "--report", page, "--language", "ja")
    found = json.loads(result.stdout)
    assert [a["metric"] for a in found["agreements"]] == ["ssim", "psnr"]
    assert found["agreements"][0]["srcc"] > 0.95
    assert found["agreements"][1]["infinite"] == 1
    assert found["agreements"][1]["pictures"][0]["score"] == "Infinity"
    assert len(found["agreements"][0]["pictures"]) == 11
    assert 'lang="ja"' in page.read_text(encoding="utf-8")
    rows = list(csv.DictReader(out.open()))
    assert (rows[0]["psnr"], rows[3]["ssim"]) == ("inf", "")
    journal = out.with_name("out.csv.journal").read_text()
    assert json.loads(run(*arguments).stdout) == found
    assert out.with_name("out.csv.journal").read_text() == journal  # nothing was measured again


def test_all_went_well(table, tmp_path):
    text = "\n".join(line for line in table.read_text().splitlines() if "lost" not in line)
    (table.parent / "whole.csv").write_text(text)
    result = run("ssim", "--data", table.parent / "whole.csv", "--higher-is-worse", "--draws", 0)
    assert (result.exit_code, result.stderr.strip()) == (0, "")


def test_direction_of_a_column(table):
    result = run("--scores", "other", "--lower-is-better", "--data", table, "--draws", 0, "--json")
    (found,) = json.loads(result.stdout)["agreements"]
    assert found["srcc"] > 0.5  # falls with DMOS, and lower is called better, higher DMOS too; the lost row is off
    assert "dmos" not in found["metric"]
    assert any("headed as differences" in note for note in found["notes"])


def test_one_metric_that_cannot_be_had(table, monkeypatch):
    from kukkiri.evaluation import scores
    from kukkiri.metrics.build import metric

    def build(name, device):
        if name == "psnr":
            raise KukkiriError(expected="weights", got="none", fix="fetch them")
        return metric(name)

    monkeypatch.setattr(scores, "build", build)
    result = run("psnr", "ssim", "--data", table, "--higher-is-worse", "--draws", 0, "--json")
    found = json.loads(result.stdout)
    assert result.exit_code == 1
    assert [a["metric"] for a in found["agreements"]] == ["ssim"]
    assert found["failed"] == {"psnr": "expected weights, got none; fetch them"}
    assert "kukkiri: psnr: expected weights" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "kind", "why"),
    [
        ((), InputError, "metrics, or a column"),
        (("nique",), UnknownNameError, "niqe"),
        (("--scores", "none"), InputError, "a column 'none'"),
        (("ssim", "--language", "fr"), InputError, "en, ja"),
        (("ssim", "--out", "x.txt"), InputError, "suffix"),
    ],
)
def test_wrong_use(table, arguments, kind, why, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = run(*arguments, "--data", table)
    assert isinstance(result.exception, kind)
    assert why in str(result.exception)
    assert list(tmp_path.iterdir()) == []


def test_no_data(tmp_path):
    assert run("ssim").exit_code == 2
    assert isinstance(run("ssim", "--data", tmp_path / "none.csv").exception, ReadError)
