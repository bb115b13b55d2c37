"""`kukkiri blur`: rows, maps, series, fields. Estimates are made up, but for the last tests."""

import json
import math
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image as Pillow
from skimage import data
from typer.testing import CliRunner

from blurs import made_blur
from kukkiri.cli.blur_files import Picture
from kukkiri.cli.blur_tables import length, shape
from kukkiri.cli.blur_targets import Targets
from kukkiri.cli.main import app
from kukkiri.errors import InputError
from kukkiri.images.image import Image
from kukkiri.images.masks import Box
from kukkiri.sharpness import blur_estimator
from kukkiri.sharpness.blur import Blur
from kukkiri.sharpness.calibration import Calibration
from kukkiri.sharpness.references import Reference, ShippedEstimator


def run(*arguments: object, code: int = 0) -> tuple[str, str]:
    result = CliRunner().invoke(app, ["blur", *map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result.stdout, result.stderr


def rows_of(printed: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in printed.splitlines()]


class ByBrightness:
    """Sigma is twenty times the mean of what counts; black pictures say nothing, white ones are out of range."""

    def __init__(self) -> None:
        self.boxes: list[Box] = []

    def estimate(self, image: Any, *, mask: Any = None, plane: int = 0, box: Box | None = None) -> Blur:
        picture = image if isinstance(image, Image) else image.read(plane)
        box = box or Box(0, 0, picture.height, picture.width)
        self.boxes.append(box)
        pixels = picture.pixels[:, *box.slices]
        mean = float(pixels.mean() if mask is None else pixels[:, ~mask].mean())
        size = (box.height, box.width)
        if mean < 0.01:
            return made_blur(abstained="flat: all pixels have one value", size=size)
        if mean > 0.99:
            return made_blur(bound="above", size=size)
        return made_blur(20 * mean, ratio=1.5, angle=math.radians(-30), size=size, unlike=0.9 if mean > 0.5 else 0.1)


@pytest.fixture
def estimator(monkeypatch: pytest.MonkeyPatch) -> ByBrightness:
    made = ByBrightness()
    monkeypatch.setattr(blur_estimator, "shared_estimator", lambda: made)
    return made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Pictures whose sigma will be 2, 4, 12 px, black, white, and one that cannot be read."""
    for name, level in {"a2": 0.1, "a10": 0.2, "b": 0.6, "black": 0.0, "white": 1.0}.items():
        Pillow.fromarray(np.full((80, 120), round(level * 255), np.uint8)).save(tmp_path / f"{name}.png")
    (tmp_path / "bad.png").write_text("no picture")
    return tmp_path


def test_one_row_a_picture(folder: Path, estimator: ByBrightness) -> None:
    names = ("a2", "b", "black", "white", "bad", "a10")
    printed, said = run(*(folder / f"{name}.png" for name in names), "--pixel-size", "5nm", code=1)
    lines = {name: next(x for x in printed.splitlines() if f" {name}.png" in x) for name in names}
    assert "2.04" in lines["a2"] and "10.2 nm" in lines["a2"] and "at -30°, disc" in lines["a2"]
    assert "1.88 … 2.21" in lines["a2"] and "4 " in lines["a10"]
    assert "to be doubted" in lines["b"] and "to be doubted" not in lines["a2"]
    assert "no estimate: flat" in lines["black"] and "–" in lines["black"]
    assert "> 12" in lines["white"] and "∞" in lines["white"]
    assert "a text file" in printed
    assert "6 pictures: 4 measured, 1 without an answer, 1 failed" in said


def test_a_picture_without_an_answer_is_no_error(folder: Path, estimator: ByBrightness) -> None:
    printed, _ = run(folder / "black.png")
    assert "no estimate: flat" in printed


def test_json_is_one_object_a_line_with_the_same_keys(folder: Path, estimator: ByBrightness) -> None:
    printed, _ = run(
        folder / "a2.png", folder / "black.png", folder / "bad.png", folder / "white.png", "--json", code=1
    )
    rows = rows_of(printed)
    assert len({tuple(row) for row in rows}) == 1
    assert list(rows[0])[:3] == ["path", "plane", "error"] and set(made_blur().to_row()) < set(rows[0])
    assert rows[0]["sigma"] == pytest.approx(2.04, abs=0.01) and rows[0]["error"] is None
    assert rows[1]["sigma"] is None and rows[1]["abstained"].startswith("flat") and rows[1]["error"] is None
    assert "text file" in rows[2]["error"] and rows[2]["sigma"] is None and rows[2]["abstained"] is None
    assert rows[3]["bound"] == "above" and rows[3]["sigma_hi"] == "Infinity"


def test_planes_of_a_stack(tmp_path: Path, estimator: ByBrightness) -> None:
    planes = np.stack([np.full((64, 64), v, np.uint8) for v in (20, 40)])
    tifffile.imwrite(tmp_path / "stack.tif", planes, photometric="minisblack")
    rows = rows_of(run(tmp_path / "stack.tif", "--json")[0])
    assert [(r["plane"], round(r["sigma"], 2)) for r in rows] == [(0, 1.57), (1, 3.14)]
    assert "stack.tif [1]" in run(tmp_path / "stack.tif")[0]


def test_region_and_mask(tmp_path: Path, estimator: ByBrightness) -> None:
    picture = np.full((90, 120), 20, np.uint8)
    picture[:, 60:] = 60
    picture[:20] = 200
    Pillow.fromarray(picture).save(tmp_path / "p.png")
    mask = np.zeros((90, 120), np.uint8)
    mask[:20] = 255
    mask[40:50, 80:100] = 255
    Pillow.fromarray(mask).save(tmp_path / "mask.png")
    name = tmp_path / "p.png"
    sigma = [
        rows_of(run(name, "--json", "--no-auto-mask", *more)[0])[0]["sigma"]
        for more in ([], ["--roi", "60,20,60,70"], ["--roi", "60,0,60,90", "--mask", tmp_path / "mask.png"])
    ]
    assert sigma[1] == pytest.approx(20 * 60 / 255, rel=1e-3) == sigma[2] and sigma[0] > 1.2 * sigma[1]
    # What a mask cuts off along the border is no part of the box.
    assert estimator.boxes[-1] == Box(20, 60, 70, 60)
    printed, _ = run(name, "--roi", "100,0,60,60", code=1)
    assert "a region inside 120×90" in printed


def test_maps_of_one_and_of_several_pictures(folder: Path, estimator: ByBrightness, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(folder / "a2.png", "--map", out / "map.png")
    assert [p.name for p in out.iterdir()] == ["map.png"]
    run(folder / "a2.png", folder / "a10.png", folder / "bad.png", "--map", out / "map.tif", code=1)
    assert sorted(p.name for p in out.glob("*.tif")) == ["map-a10.tif", "map-a2.tif"]
    assert tifffile.imread(out / "map-a2.tif").shape == (80, 120)
    rows = rows_of(run(folder / "a2.png", "--map", tmp_path / "maps", "--json")[0])
    assert rows[0]["map"] == str(tmp_path / "maps" / "a2.png") and (tmp_path / "maps" / "a2.png").is_file()


def test_a_map_never_takes_the_place_of_its_picture(folder: Path, estimator: ByBrightness) -> None:
    before = (folder / "a2.png").read_bytes()
    printed, _ = run(folder / "a2.png", "--map", folder, code=1)
    assert "one of the inputs" in printed and (folder / "a2.png").read_bytes() == before


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_map_never_takes_the_place_of_another_picture_or_of_a_mask(folder: Path, estimator: ByBrightness) -> None:
    """Of two pictures of one name the map of one would have replaced the other."""
    (folder / "sub").mkdir()
    (folder / "sub" / "a2.png").write_bytes((folder / "a10.png").read_bytes())
    (folder / "link.png").symlink_to(folder / "b.png")
    before = contents(folder)
    named = [folder / "a10.png", folder / "sub" / "a2.png", folder / "a2.png", folder / "b.png"]
    rows = rows_of(run(*named, "--map", folder, "--json", code=1)[0])
    assert contents(folder) == before
    assert all("one of the inputs" in r["error"] and r["map"] is None and r["sigma"] for r in rows)
    printed, _ = run(folder / "sub" / "a2.png", folder / "b.png", "--map", folder / "link.png", "--json", code=0)
    assert (folder / "link-b.png").is_file() and rows_of(printed)[1]["error"] is None
    run(folder / "b.png", "--map", folder / "link.png", code=1)
    run(folder / "a10.png", "--mask", folder / "white.png", "--map", folder / "white.png", code=1)
    assert {path: data for path, data in contents(folder).items() if path in before} == before


def test_a_figure_never_takes_the_place_of_a_frame(folder: Path, estimator: ByBrightness) -> None:
    files, before = [folder / f"{n}.png" for n in ("b", "a10", "a2")], contents(folder)
    with pytest.raises(InputError, match=r"a10\.png, one of the inputs"):
        run("--series", *files, "--figure", folder / "a10.png")
    assert not estimator.boxes  # before anything is measured
    _, said = run(*files, "--field", "2x2", "--figure", folder, code=1)
    assert "one of the inputs" in said and contents(folder) == before


def test_names_of_targets_are_all_different(tmp_path: Path) -> None:
    pictures = [Picture(Path(f"{d}/x.png"), plane=p, planes=2) for d in "ab" for p in range(2)]
    targets = Targets(tmp_path / "map.tif")
    names = [targets.of(p, alone=False).name for p in pictures]
    assert names == ["map-x-0.tif", "map-x-1.tif", "map-x-0-2.tif", "map-x-1-2.tif"]
    assert Targets(tmp_path).of(Picture(Path("a/x.png")), alone=True) == tmp_path / "x.png"


def test_positions_are_counted_before_anything_is_measured(tmp_path: Path, estimator: ByBrightness) -> None:
    planes = np.stack([np.full((64, 64), v, np.uint8) for v in (20, 40, 90)])
    tifffile.imwrite(tmp_path / "stack.tif", planes, photometric="minisblack")
    (tmp_path / "bad.png").write_text("no picture")
    with pytest.raises(InputError, match="a position for each of 4 frames, got 3"):
        run("--series", tmp_path / "stack.tif", tmp_path / "bad.png", "--positions", "1,2,3", "--as-given")
    assert not estimator.boxes
    printed, _ = run(
        "--series",
        tmp_path / "stack.tif",
        tmp_path / "bad.png",
        "--positions",
        "1,2,3,4",
        "--as-given",
        "--json",
        code=1,
    )
    assert rows_of(printed)[0]["positions"] == [1, 2, 3]


def test_names_that_are_no_text_are_escaped(tmp_path: Path, estimator: ByBrightness) -> None:
    """A byte that is no UTF-8 must not cost the output after everything has been measured."""
    folder = tmp_path / os.fsdecode(b"day\xff")
    folder.mkdir()
    for i, level in enumerate((60, 30, 60)):
        Pillow.fromarray(np.full((64, 64), level, np.uint8)).save(folder / os.fsdecode(b"frame\xff%d.png" % i))
    printed, said = run(folder, "--map", folder / "maps")
    assert r"in " in printed and r"day\udcff" in printed and r"frame\udcff1.png" in printed and r"\udcff" in said
    row = rows_of(run(folder / os.fsdecode(b"frame\xff1.png"), "--map", folder / "m.png", "--json")[0])[0]
    assert row["map"].endswith(r"day\xff/m.png") and row["path"].endswith(r"frame\xff1.png")
    found = rows_of(run("--series", folder, "--json")[0])[0]
    assert found["best_name"] == r"frame\xff1.png" and found["folder"].endswith(r"day\xff")
    printed, said = run("--series", folder, "--figure", folder / "c.svg")
    assert r"frame\xff1.png" in printed and r"day\udcff/c.svg" in said


def instrument(pixel_size: float | None) -> Calibration:
    """Made up: 0.8 px in focus, of the weights that are shipped."""
    seen = Reference("a.png", 1, 0.8, (0.7, 0.9), 0.8, 0.8, 0.0, 0.01)
    shares = {"gaussian": 1.0, "disc": 0.0, "motion": 0.0}
    return Calibration(
        0.8, (0.7, 0.9), None, 0.8, 0.8, 0.0, shares, 0.01, None, None, pixel_size, (seen,), "1",
        ShippedEstimator().fingerprint, "today",
    )  # fmt: skip


def test_what_a_calibration_does_not_fit_keeps_its_blur(folder: Path, estimator: ByBrightness, tmp_path: Path) -> None:
    instrument(1e-9).save(tmp_path / "c.json")
    files = [folder / f"{n}.png" for n in ("a2", "bad", "black")]
    options = ["--calibration", tmp_path / "c.json", "--json"]
    other = rows_of(run(*files, *options, "--pixel-size", "5nm", code=1)[0])
    fits = rows_of(run(*files, *options, code=1)[0])
    assert len({tuple(row) for row in (*other, *fits)}) == 1 and "beyond_lo" in fits[0]
    assert other[0]["sigma"] == fits[0]["sigma"] == pytest.approx(2.04, abs=0.01)
    assert "calibrate at this magnification too" in other[0]["error"] and other[0]["beyond"] is None
    assert fits[0]["error"] is None and fits[0]["beyond"] == pytest.approx((2.04**2 - 0.8**2) ** 0.5, abs=0.01)
    # Two things may go wrong with one picture; neither hides the other, and it is counted once.
    printed, said = run(folder / "black.png", *options, "--pixel-size", "5nm", "--map", folder, code=1)
    error = rows_of(printed)[0]["error"]
    assert "this magnification" in error and "one of the inputs" in error
    assert "0 measured, 0 without an answer, 1 failed" in said


def test_rows_that_are_kept_to_the_end_hold_no_maps() -> None:
    blur = made_blur(2.0, size=(800, 800))
    found = instrument(None).apply(blur)
    light = Picture(Path("x.png"), blur=blur, image=Image(torch.zeros(1, 8, 8)), calibrated=found).without_pixels()
    assert light.image is None and light.blur is not None and light.calibrated is not None
    for kept in (light.blur, light.calibrated.blur):
        assert kept.map.numel() == kept.evidence.numel() == 0 and kept.sigma == 2.0
    assert blur.map.numel() == 10_000


def test_series_in_the_order_of_its_numbers(tmp_path: Path, estimator: ByBrightness) -> None:
    for i, level in enumerate((90, 60, 40, 30, 40, 60, 90, 120, 150), start=7):
        Pillow.fromarray(np.full((64, 64), level, np.uint8)).save(tmp_path / f"frame{i}.png")
    files = sorted(tmp_path.glob("*.png"))
    assert files[0].name == "frame10.png"  # as a shell gives them
    found = rows_of(run("--series", *files, "--step", "0.5", "--unit", "um", "--json")[0])[0]
    assert found["names"][0] == "frame7.png" and found["best_name"] == "frame10.png"
    assert found["verdict"] == "single-peaked" and found["optimum_lo"] < 1.5 < found["optimum_hi"]
    given = rows_of(run("--series", *files, "--as-given", "--json")[0])[0]
    assert given["names"][0] == "frame10.png" and given["unit"] == "frame"
    printed, said = run("--series", tmp_path, "--positions", "9,8,7,6,5,4,3,2,1", "--figure", tmp_path / "c.svg")
    assert "← best" in printed and "Single-peaked: optimum at 6" in printed and "c.svg" in said
    assert (tmp_path / "c.svg").read_text(encoding="utf-8").count("<svg") == 1


def test_series_goes_on_without_a_frame_that_cannot_be_read(folder: Path, estimator: ByBrightness) -> None:
    files = [folder / f"{n}.png" for n in ("b", "a10", "bad", "a2", "black")]
    printed, said = run("--series", *files, "--as-given", "--json", code=1)
    found = rows_of(printed)[0]
    assert found["positions"] == [0, 1, 3, 4] and found["best_name"] == "a2.png"
    assert found["failed"][0]["path"].endswith("bad.png") and "text file" in said
    assert run("--series", folder / "bad.png", code=1)[0] == ""


def test_field_prints_cells_and_draws(tmp_path: Path, estimator: ByBrightness) -> None:
    picture = np.tile(np.linspace(20, 60, 160).astype(np.uint8), (120, 1))
    Pillow.fromarray(picture).save(tmp_path / "p.png")
    (tmp_path / "bad.png").write_text("no picture")
    printed, said = run(
        tmp_path / "p.png", tmp_path / "bad.png", "--field", "4x3", "--figure", tmp_path / "f.png", code=1
    )
    assert "1.50∠-30°" in printed and "Sigma" in printed and "text file" in said
    assert (tmp_path / "f-p.png").is_file()
    row = rows_of(run(tmp_path / "p.png", "--field", "4x3", "--roi", "0,0,128,96", "--json")[0])[0]
    assert row["columns"] == 4 and row["rows"] == 3 and row["width"] == 128 and row["error"] is None
    tiny = rows_of(run(tmp_path / "p.png", "--field", "9x9", "--json", code=1)[0])[0]
    assert "at most 5x3 cells" in tiny["error"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--step", "1"], "--step without it"),
        (["--positions", "0,1"], "--positions without it"),
        (["--series", "--field", "3x3"], "got both"),
        (["--series", "--step", "1", "--positions", "0"], "--positions or --step"),
        (["--series", "--positions", "0,x"], "parted by commas"),
        (["--series", "--positions", "0,1"], "a position for each of 1"),
        (["--series", "--step", "0"], "not 0"),
        (["--figure", "f.png"], "use --map"),
        (["--series", "--figure", "f.jpg"], "suffixes"),
        (["--series", "--map", "m.png"], "use --figure"),
        (["--series", "--pixel-size", "1nm"], "in pixels"),
        (["--map", "m.jpg"], "suffixes"),
        (["--field", "3"], "COLUMNSxROWS"),
        (["--pixel-size", "5 parsecs"], "side of a pixel"),
    ],
)
def test_wrong_use(folder: Path, estimator: ByBrightness, arguments: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        run(folder / "a2.png", *arguments)


def test_words_for_shape_and_length() -> None:
    assert shape(made_blur(2.0, ratio=1.5, angle=0.5, family="motion")) == "2.35 × 1.57 at 29°, motion"
    unclear = replace(made_blur(2.0), family={"gaussian": 0.5, "disc": 0.4, "motion": 0.1})
    assert shape(unclear) == "round" and shape(made_blur(bound="below")) == ""
    assert [length(v) for v in (3.2e-9, 4.56e-7, 2e-3, 5e-11)] == ["3.2 nm", "456 nm", "2 mm", "50 pm"]


def test_shipped_estimator_answers_or_says_why_not(tmp_path: Path) -> None:
    Pillow.fromarray(data.coins()[:200, :200]).save(tmp_path / "coins.png")
    Pillow.fromarray(np.full((96, 96), 90, np.uint8)).save(tmp_path / "flat.png")
    rows = rows_of(run(tmp_path / "coins.png", tmp_path / "flat.png", "--json", "--map", tmp_path / "m")[0])
    assert (rows[0]["sigma"] is None) == (rows[0]["abstained"] is not None)
    assert rows[1]["abstained"].startswith("flat") and rows[1]["sigma"] is None
    assert all(Path(row["map"]).is_file() for row in rows)
