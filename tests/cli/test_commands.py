"""The commands, called in this process; what they print and how they end."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow
from skimage import data
from typer.testing import CliRunner

import kukkiri as kk
from kukkiri.cli.main import app
from kukkiri.errors import InputError


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    for name in ("astronaut", "coffee", "chelsea"):
        Pillow.fromarray(getattr(data, name)()[:200, :240]).save(folder / f"{name}.png")
    noisy = data.astronaut()[:200, :240] + np.random.default_rng(0).integers(-20, 20, (200, 240, 3))
    Pillow.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(folder / "noisy.png")
    return folder


def run(*arguments: object, code: int = 0, stdin: str | None = None) -> tuple[str, str]:
    result = CliRunner().invoke(app, [str(a) for a in arguments], input=stdin, catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result.stdout, result.stderr


def test_measure_prints_a_table_without_files(pictures: Path) -> None:
    printed, said = run("measure", pictures, "-m", "tenengrad,brenner")
    assert all(word in printed for word in ("astronaut.png", "coffee.png", "tenengrad", "brenner", "noise"))
    assert "4 pictures, 0 failed" in said


def test_measure_json_is_one_object_a_line(pictures: Path) -> None:
    printed, _ = run("measure", pictures, "-m", "tenengrad", "--json")
    rows = [json.loads(line) for line in printed.splitlines()]
    assert [Path(r["path"]).name for r in rows] == ["astronaut.png", "chelsea.png", "coffee.png", "noisy.png"]
    assert rows[0]["tenengrad"] == pytest.approx(kk.quality(pictures / "astronaut.png", "tenengrad").value, rel=1e-5)


def test_measure_writes_table_and_report_and_judges_gates(pictures: Path, tmp_path: Path) -> None:
    out, report = tmp_path / "new" / "t.csv", tmp_path / "r.html"
    names = "\n".join(str(p) for p in sorted(pictures.iterdir()))
    arguments = ["measure", "-", "-o", out, "-r", report, "-m", "tenengrad", "--language", "ja"]
    _, said = run(*arguments, "--fail-if", "tenengrad > 0.0001", stdin=names, code=1)
    assert "holds for 4" in said and str(out) in said and str(report) in said
    with out.open(newline="") as file:
        assert len(list(csv.DictReader(file))) == 4
    assert 'lang="ja"' in report.read_text(encoding="utf-8")
    _, said = run(*arguments, stdin=names)
    assert "4 taken over" in said


def test_measure_masks_by_file_and_region(pictures: Path, tmp_path: Path) -> None:
    mask = np.zeros((200, 240), np.uint8)
    mask[:, :120] = 255
    Pillow.fromarray(mask).save(tmp_path / "mask.png")
    one = pictures / "coffee.png"
    left, _ = run("measure", one, "-m", "tenengrad", "--json", "--mask", tmp_path / "mask.png")
    right, _ = run("measure", one, "-m", "tenengrad", "--json", "--roi", "120,0,120,200", "--no-auto-mask")
    assert json.loads(left)["tenengrad"] == pytest.approx(json.loads(right)["tenengrad"], rel=1e-5)


def test_quality_and_compare(pictures: Path) -> None:
    printed, _ = run("quality", pictures / "astronaut.png", pictures / "noisy.png", "-m", "niqe", "--json")
    clean, noisy = (json.loads(line) for line in printed.splitlines())
    assert clean["value"] < noisy["value"] and clean["higher_is_better"] is False
    printed, _ = run("compare", pictures / "noisy.png", "--reference", pictures / "astronaut.png", "--json")
    psnr, ssim = (json.loads(line) for line in printed.splitlines())
    assert 20 < psnr["value"] < 40 and psnr["unit"] == "dB" and 0.3 < ssim["value"] < 1
    printed, _ = run("compare", pictures / "noisy.png", "--reference", pictures / "astronaut.png", "-m", "psnr")
    assert "dB" in printed and "higher is better" in printed


def test_a_picture_that_fails_does_not_stop_the_others(pictures: Path, tmp_path: Path) -> None:
    printed, _ = run("quality", tmp_path / "missing.png", pictures / "coffee.png", "-m", "tenengrad", "--json", code=1)
    bad, good = (json.loads(line) for line in printed.splitlines())
    assert "expected" in bad["error"] and bad["value"] is None and good["value"] > 0


@pytest.mark.parametrize(
    "arguments",
    [
        ("quality", "x.png", "-m", "psnr"),
        ("compare", "x.png", "--reference", "y.png", "-m", "niqe"),
        ("measure", "x.png", "-m", "niqqe"),
        ("measure", "x.png", "--roi", "1,2"),
        ("measure", "x.png", "--fail-if", "sigma >"),
        ("measure", "x.png", "--out", "t.xlsx"),
        ("measure", "x.png", "--engine", "ray"),
        ("measure", "x.png", "-j", "0"),
    ],
)
def test_wrong_use_is_explained(arguments: tuple[str, ...]) -> None:
    with pytest.raises(InputError, match="expected .*, got .*; "):
        run(*arguments)


def test_list(pictures: Path) -> None:
    printed, _ = run("list")
    assert all(spec.name in printed for spec in kk.metrics())
    # What is the project's own agrees with nobody else's: it is not called exact.
    words = {line.split()[0]: line.split() for line in printed.splitlines() if line.split()}
    assert "own" in words["spectral-sigma"] and "exact" not in words["spectral-sigma"] and "exact" in words["tenengrad"]
    rows = json.loads(run("list", "--json", "--answers", "fidelity")[0])
    assert {r["name"] for r in rows} == {s.name for s in kk.metrics() if s.needs_reference}
    assert all({"higher_is_better", "value_range", "licence", "weights_present"} <= set(r) for r in rows)


def test_doctor_finds_this_installation_well() -> None:
    found = {f["what"]: f for f in json.loads(run("doctor", "--json")[0])}
    assert found["self-test"]["ok"] and found["weights niqe-pristine"]["ok"] and found["kukkiri"]["found"]
    assert "self-test" in run("doctor")[0]


def test_every_command_has_help_and_json() -> None:
    printed, _ = run("--help")
    assert "Exit codes" in printed
    for command in ("measure", "quality", "compare", "list", "demo", "doctor"):
        assert "--json" in run(command, "--help")[0]
    assert run("--version")[0].strip() == f"kukkiri {kk.__version__}"


def test_demo(tmp_path: Path) -> None:
    printed, _ = run("demo", "--out", tmp_path, "--json")
    made = json.loads(printed)
    assert made["failed"] == 0 and made["pictures"] == 52
    with Path(made["table"]).open(newline="") as file:
        rows = {Path(r["path"]).name: r for r in csv.DictReader(file)}
    assert rows["sem-like-gravel-in-focus.tif"]["masked"].startswith("info-bar")
    assert float(rows["sem-like-gravel-in-focus.tif"]["pixel_size"]) == pytest.approx(5e-9)
    assert float(rows["astronaut-0-original.png"]["niqe"]) < float(rows["astronaut-2-blur-3px.png"]["niqe"])
