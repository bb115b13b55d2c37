"""`kukkiri blur --sfr`."""

import csv
import json
import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow
from typer.testing import CliRunner

import kukkiri as kk
from kukkiri.cli.blur_sfr import _remarks
from kukkiri.cli.main import app
from kukkiri.errors import InputError, ReadError
from kukkiri.sharpness.slanted_edge_figure import remarks_of
from kukkiri.sharpness.slanted_edge_rendering import gaussian_pixel_mtf50, render_slanted_edge


def run(*arguments: object, code: int = 0) -> tuple[str, str]:
    result = CliRunner().invoke(app, ["blur", *map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result.stdout, result.stderr


def rows_of(printed: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in printed.splitlines()]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A sharp and a dull edge, a picture without one, and a file that is no picture."""
    for name, sigma in {"sharp": 0.8, "dull": 1.6}.items():
        picture = render_slanted_edge((120, 100), sigma=sigma, noise=0.004, low=0.2, high=0.7)
        Pillow.fromarray(np.rint(picture * 255).astype(np.uint8)).save(tmp_path / f"{name}.png")
    Pillow.fromarray(np.full((100, 100), 90, np.uint8)).save(tmp_path / "flat.png")
    (tmp_path / "bad.png").write_text("no picture")
    return tmp_path


def test_edges_of_several_pictures(folder: Path) -> None:
    files = [folder / f"{name}.png" for name in ("sharp", "flat", "bad", "dull")]
    printed, said = run(*files, "--sfr", "--pixel-size", "4um", "--figure", folder / "f.png", code=1)
    assert "5.0° from vertical" in printed and "lp/mm" in printed and "taken as linear" in printed
    assert 28.5 < gaussian_pixel_mtf50(1.6) / 4e-3 < 29.4 and re.search(r"2[89](\.\d)? ", printed)
    assert "flat.png: expected a straight edge" in said and "--roi X,Y,WIDTH,HEIGHT" in said and "text file" in said
    assert sorted(p.name for p in folder.glob("f-*")) == ["f-dull.png", "f-sharp.png"]


def test_json_has_the_curves(folder: Path) -> None:
    printed, _ = run(folder / "sharp.png", folder / "flat.png", "--sfr", "--json", code=1)
    sharp, flat = rows_of(printed)
    assert sharp["error"] is None and len(sharp["edges"]) == 1
    assert sharp["edges"][0]["mtf50"] == pytest.approx(gaussian_pixel_mtf50(0.8), rel=0.02)
    assert len(sharp["edges"][0]["channels"][0]["sfr"]) == 401
    assert "straight edge" in flat["error"] and flat["edges"] == []


def test_region_oecf_and_reference(folder: Path) -> None:
    region = ["--roi", "10,10,80,100"]
    row = rows_of(run(folder / "dull.png", "--sfr", *region, "--json")[0])[0]["edges"][0]
    assert (row["left"], row["top"], row["width"], row["height"]) == (10, 10, 80, 100) and row["oecf"] == ""
    coded = rows_of(run(folder / "dull.png", "--sfr", *region, "--oecf", "srgb", "--json")[0])[0]["edges"][0]
    assert coded["oecf"] == "srgb" and coded["mtf50"] != pytest.approx(row["mtf50"], rel=0.01)
    printed, said = run(
        folder / "dull.png", "--sfr", *region, "--reference", folder / "sharp.png", "--out", folder / "curves.csv"
    )
    assert "ratio's MTF50" in printed and "curves.csv" in said
    with (folder / "curves.csv").open(encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == 401 and lines[0]["luma"] == "1.0" and lines[0]["red"] == "" and lines[-1]["ratio"] == ""
    # √(1.6² − 0.8²) = 1.386 px came between them.
    ratio = np.array([float(line["ratio"]) for line in lines if line["ratio"]])
    half = float(lines[int(np.argmax(ratio < 0.5))]["frequency"])
    assert half == pytest.approx(0.18739 / 1.386, rel=0.04)


def test_the_table_is_in_columns_and_casts_its_doubts(folder: Path) -> None:
    """Three digits for every frequency, whatever they end with."""
    printed, _ = run(folder / "sharp.png", "--sfr", "--roi", "10,10,80,100", "--out", folder / "curves.csv")
    line = next(line for line in printed.splitlines() if "10,10,80,100" in line)
    assert len(re.findall(r"(?<![\d.])0\.\d{3}(?!\d)", line)) == 5  # MTF50, its interval, MTF10, Nyquist
    with (folder / "curves.csv").open(encoding="utf-8") as file:
        assert {line["edge"] for line in csv.DictReader(file)} == {"1"}


def test_what_channels_share_is_said_once_and_an_unknown_mtf50_is_named() -> None:
    picture = render_slanted_edge((80, 60), sigma=0.8, noise=0.004, low=0.2, high=0.7)
    edge = kk.sfr(np.stack([picture, 0.9 * picture, 0.8 * picture], 2), (0, 0, 60, 80))
    texts = {"red": ("clipped: 14.1% of it",), "green": ("clipped: 9.5% of it", "overshoot: 1.2"), "luma": ()}
    doubted = tuple(replace(curve, warnings=texts.get(curve.channel, ())) for curve in edge.curves)
    said = remarks_of(replace(edge, curves=doubted, warnings=("short edge",)))
    assert said == ["short edge", "red, green: clipped: 14.1% of it", "green: overshoot: 1.2"]
    assert not any("not known" in text for text in _remarks((edge,)))
    unknown = replace(edge.luma, mtf50_interval=(0.0, math.inf))
    others: list[dict[str, Any]] = [
        {"mtf50_interval": (0.0, 0.41)},
        {"mtf50_interval": (0.0, math.inf)},
        {"mtf50": math.nan, "mtf50_interval": (math.nan, math.nan)},
    ]
    for other in others:
        lost = replace(edge.luma, **other)
        assert _remarks((replace(edge, curves=(lost,)),))[0].startswith("1: MTF50 is not known: ")
    texts_of_unknown = _remarks((replace(edge, curves=(*edge.curves[:-1], unknown), upper_bound=True),))
    assert "1: MTF50 is not known" in texts_of_unknown[1] and texts_of_unknown[0].startswith("<: an upper bound")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--oecf", "srgb"], "--oecf without it"),
        (["--reference", "r.png"], "--reference without it"),
        (["--edges", "3"], "--edges without it"),
        (["--out", "t.csv"], "--out without it"),
        (["--sfr", "--series"], "--sfr without --series"),
        (["--sfr", "--field", "3x3"], "--sfr without --field"),
        (["--sfr", "--map", "m.png"], "--sfr without --map"),
        (["--sfr", "--roi", "10,10,80,100", "--mask", "sharp.png"], "--roi without --mask"),
        (["--sfr", "--roi", "10,10,80,100", "--edges", "3"], "--roi without --edges"),
        (["--sfr", "--figure", "f.jpg"], "suffixes"),
        (["--sfr", "--out", "t.txt"], "suffixes"),
    ],
)
def test_wrong_use(folder: Path, arguments: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        run(folder / "sharp.png", *arguments)


def test_table_that_is_not_there(folder: Path) -> None:
    """Wrong use, as a wrong reference is: nothing is measured, and the exit code is 2."""
    with pytest.raises(ReadError, match="a table of digital values"):
        run(folder / "sharp.png", folder / "dull.png", "--sfr", "--oecf", folder / "none.csv")
    assert run(folder / "sharp.png", "--sfr", "--oecf", "SRGB")[0]
    with pytest.raises(ReadError):
        run(folder / "sharp.png", "--sfr", "--reference", folder / "bad.png")
