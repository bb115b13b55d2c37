"""`kukkiri compare`: files and folders, tables, maps and alignment."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow
from skimage import data
from typer.testing import CliRunner

import kukkiri as kk
from kukkiri.cli.main import app
from kukkiri.errors import InputError, WeightError, WriteError
from kukkiri.quality import many


def run(*arguments: object, code: int = 0) -> tuple[str, str]:
    result = CliRunner().invoke(app, [str(a) for a in arguments], catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result.stdout, result.stderr


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two pictures with partners, one in a folder below; 'lost' has none in truth, 'unseen' none in out."""
    root = tmp_path_factory.mktemp("folders")
    out, truth = root / "out", root / "truth"
    for folder in (out, truth):
        (folder / "sub").mkdir(parents=True)
    for name, source in (("astronaut", data.astronaut()), ("sub/coffee", data.coffee())):
        picture = Pillow.fromarray(source[:200, :240])
        picture.save(truth / f"{name}.png")
        picture.save(out / f"{name}.jpg", quality=40)
    Pillow.fromarray(data.chelsea()[:200, :240]).save(out / "lost.png")
    Pillow.fromarray(data.rocket()[:200, :240]).save(truth / "unseen.png")
    return out, truth


def test_folders_are_paired_by_name(folders: tuple[Path, Path]) -> None:
    out, truth = folders
    printed, said = run("compare", out, "--reference", truth, "-m", "ssim", "--json", code=1)
    rows: dict[str, Any] = {row["name"]: row for row in map(json.loads, printed.splitlines())}
    assert set(rows) == {"astronaut", "sub/coffee", "lost", "unseen"}
    for name in ("astronaut", "sub/coffee"):
        assert rows[name]["value"] == kk.compare(out / f"{name}.jpg", truth / f"{name}.png", "ssim").value
    assert "expected a reference 'lost'" in rows["lost"]["error"] and rows["lost"]["value"] is None
    assert "expected a picture 'unseen'" in rows["unseen"]["error"] and rows["unseen"]["path"] is None
    mean = (rows["astronaut"]["value"] + rows["sub/coffee"]["value"]) / 2
    assert f"ssim: mean {mean:.4g}" in said and "of 2, 2 failed (↑ higher is better)" in said


def test_a_file_finds_its_reference_in_a_folder(folders: tuple[Path, Path]) -> None:
    out, truth = folders
    printed, _ = run("compare", out / "astronaut.jpg", "--reference", truth, "-m", "psnr", "--json")
    (row,) = map(json.loads, printed.splitlines())  # what the folder holds besides is no error
    assert row["reference"] == str(truth / "astronaut.png")


def test_a_folder_against_one_file(folders: tuple[Path, Path]) -> None:
    out, truth = folders
    printed, _ = run("compare", out, "--reference", truth / "astronaut.png", "-m", "psnr", "--json")
    assert [json.loads(line)["name"] for line in printed.splitlines()] == ["astronaut", "lost", "sub/coffee"]


def test_tables(folders: tuple[Path, Path], tmp_path: Path) -> None:
    out, truth = folders
    arguments = ("compare", out / "astronaut.jpg", "--reference", truth / "astronaut.png", "-m", "psnr,gmsd", "--out")
    for suffix in (".csv", ".json", ".jsonl"):
        run(*arguments, tmp_path / "new" / f"t{suffix}")
    with (tmp_path / "new" / "t.csv").open(newline="", encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    array = json.loads((tmp_path / "new" / "t.json").read_text(encoding="utf-8"))
    lines = [json.loads(line) for line in (tmp_path / "new" / "t.jsonl").read_text(encoding="utf-8").splitlines()]
    assert array == lines and [row["metric"] for row in array] == ["psnr", "gmsd"] == [row["metric"] for row in table]
    assert [float(row["value"]) for row in table] == [row["value"] for row in array]


def test_maps(folders: tuple[Path, Path], tmp_path: Path) -> None:
    out, truth = folders
    printed, _ = run(
        "compare", out, "--reference", truth, "-m", "psnr,ssim", "--map", tmp_path, "--json", code=1
    )  # 1: two have no partner
    rows = [json.loads(line) for line in printed.splitlines()]
    assert {row["map"] for row in rows if row["metric"] == "psnr"} == {None}
    drawn = {row["name"]: row["map"] for row in rows if row["metric"] == "ssim"}
    assert drawn["sub/coffee"] == str(tmp_path / "sub" / "coffee-ssim.png") and drawn["lost"] is None
    assert sorted(p.name for p in tmp_path.rglob("*.*")) == sorted(
        f"{stem}-ssim.{suffix}" for stem in ("astronaut", "coffee") for suffix in ("png", "tif")
    )


def test_align_stands_alone_or_takes_a_motion(folders: tuple[Path, Path], tmp_path: Path) -> None:
    """`--align FILE` does not take the file for a motion."""
    _, truth = folders
    Pillow.fromarray(data.astronaut()[7:207, 11:251]).save(tmp_path / "moved.png")
    last = ("--reference", truth / "astronaut.png", "-m", "ssim", "--json")
    printed, _ = run("compare", "--align", tmp_path / "moved.png", *last)
    affine = json.loads(printed)
    printed, _ = run("compare", "--align", "translation", tmp_path / "moved.png", *last, "--out", tmp_path / "t.csv")
    moved = json.loads(printed)
    assert (affine["alignment"]["motion"], moved["alignment"]["motion"]) == ("affine", "translation")
    assert [row[2] for row in moved["alignment"]["matrix"][:2]] == pytest.approx([11, 7], abs=0.02)
    assert min(affine["value"], moved["value"]) > 0.999 and moved["masked"] > 0.05
    with (tmp_path / "t.csv").open(newline="", encoding="utf-8") as file:
        (row,) = csv.DictReader(file)
    assert row["motion"] == "translation" and json.loads(row["matrix"])[0][2] == pytest.approx(11, abs=0.02)
    shown, _ = run("compare", tmp_path / "moved.png", "--align", *last[:-1])
    assert "residual" in shown and "overlap" in shown and "affine" in shown


def test_what_cannot_be_aligned_is_a_row(folders: tuple[Path, Path]) -> None:
    out, truth = folders
    arguments = ("compare", out / "lost.png", out / "astronaut.jpg", "--reference", truth / "astronaut.png")
    printed, _ = run(*arguments, "-m", "ssim", "--align", "translation", "--json", code=1)
    bad, good = map(json.loads, printed.splitlines())
    assert "one scene" in bad["error"] and bad["alignment"] is None and good["value"] > 0.8


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("-m", "psnr", "--map", "maps"), "a metric that has a map"),
        (("--out", "t.xlsx"), "the suffixes .csv .json .jsonl"),
        (("--max-side", "64"), "a metric that takes"),
        (("--weights", "ssim"), "METRIC=FILE"),
        (("--weights", "lpips=x.pth"), "weights of psnr, ssim"),
        (("--no-tones",), "--no-tones with --align"),
        (("--device", "abacus"), "a device of this machine"),
        (("-m", "niqe"), "kukkiri quality"),
    ],
)
def test_wrong_use_is_explained(folders: tuple[Path, Path], arguments: tuple[str, ...], reason: str) -> None:
    out, truth = folders
    with pytest.raises(InputError, match=reason):
        run("compare", out / "astronaut.jpg", "--reference", truth / "astronaut.png", *arguments)


def test_quality_takes_the_same_options(folders: tuple[Path, Path]) -> None:
    picture = folders[0] / "astronaut.jpg"
    printed, _ = run("quality", picture, "-m", "niqe", "--device", "cpu", "--json")
    assert json.loads(printed)["value"] == kk.quality(picture, "niqe").value
    with pytest.raises(InputError, match="a metric that takes"):
        run("quality", picture, "-m", "niqe", "--precision", "bfloat16")
    with pytest.raises((InputError, WeightError), match="no weights for niqe|weights"):
        run("quality", picture, "-m", "niqe", "--weights", "niqe=missing.pth")


def test_the_same_name_twice_makes_two_maps(tmp_path: Path) -> None:
    picture = Pillow.fromarray(np.asarray(data.coffee()[:100, :120]))
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        picture.save(tmp_path / folder / "a.png")
    pictures = (tmp_path / "one" / "a.png", tmp_path / "two" / "a.png")
    run("compare", *pictures, "--reference", pictures[0], "-m", "ssim", "--map", tmp_path / "maps")
    assert (tmp_path / "maps" / "a-ssim.tif").exists() and (tmp_path / "maps" / "a-2-ssim.tif").exists()


def test_places_are_tried_before_anything_is_scored(
    folders: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, truth = folders
    monkeypatch.setattr("kukkiri.quality.many.score_pairs", lambda *_: pytest.fail("scored"))
    (tmp_path / "file").write_text("no folder")
    for arguments in (("--out", tmp_path / "file" / "t.csv"), ("-m", "ssim", "--map", tmp_path / "file")):
        with pytest.raises(WriteError):
            run("compare", out / "astronaut.jpg", "--reference", truth / "astronaut.png", *arguments)


def test_what_is_scored_survives_an_interruption(
    folders: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, truth = folders
    whole = many.score_pairs

    def interrupted(*arguments: Any) -> Any:
        yield next(whole(*arguments))
        raise KeyboardInterrupt

    monkeypatch.setattr("kukkiri.quality.many.score_pairs", interrupted)
    table = tmp_path / "t.jsonl"
    _, said = run("compare", out, "--reference", truth, "-m", "psnr", "--out", table, code=130)
    (row,) = map(json.loads, table.read_text(encoding="utf-8").splitlines())
    assert row["value"] > 10 and "interrupted after 1 of 4 pictures; these are in" in said


def test_a_reference_among_the_pictures_is_left_out(folders: tuple[Path, Path]) -> None:
    _, truth = folders
    printed, said = run("compare", truth, "--reference", truth / "astronaut.png", "-m", "psnr", "--json")
    assert [json.loads(line)["name"] for line in printed.splitlines()] == ["sub/coffee", "unseen"]
    assert "left out, being the reference" in said
    same = (truth / "astronaut.png", truth / "astronaut.png", truth / "unseen.png")
    shown, said = run("compare", *same, "--reference", truth / "astronaut.png", "-m", "psnr")
    assert "∞ dB" in shown and "of 3, 2 of them infinite and left out" in said and "inf dB" not in said


def test_a_mistyped_motion_is_told(folders: tuple[Path, Path]) -> None:
    out, truth = folders
    with pytest.raises(InputError, match=r"a motion \(translation, affine, homography\) or a picture .* got rigid"):
        run("compare", "--align", "rigid", out / "astronaut.jpg", "--reference", truth / "astronaut.png")


def test_options_of_a_metrics_own(folders: tuple[Path, Path]) -> None:
    out, truth = folders
    pair = (out / "astronaut.jpg", truth / "astronaut.png")
    printed, _ = run("compare", pair[0], "--reference", pair[1], "-m", "ssim", "--option", "ssim.luma=false", "--json")
    assert json.loads(printed)["value"] == kk.compare(*pair, "ssim", luma=False).value
    with pytest.raises(InputError, match="options of niqe"):
        run("quality", pair[0], "-m", "niqe", "--option", "niqe.crops=3")


def test_metrics_with_maps_are_named(folders: tuple[Path, Path]) -> None:
    out, truth = folders
    with pytest.raises(InputError, match="a metric that has a map .*ssim, gmsd.*lpips-alex.*dists"):
        run("compare", out / "astronaut.jpg", "--reference", truth / "astronaut.png", "-m", "psnr", "--map", "maps")
