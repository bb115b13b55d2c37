"""`kukkiri degrade`."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import skimage.data
import tifffile
from PIL import Image as Pillow
from typer.testing import CliRunner, Result

import kukkiri as kk
from kukkiri.cli.main import app
from kukkiri.errors import InputError
from kukkiri.evaluation.opinions import read_opinions
from kukkiri.inspection.degrade_table import LOCK
from kukkiri.optics.distort import KINDS, distort
from kukkiri.sharpness.calibration import Calibration
from kukkiri.sharpness.photon_transfer import PhotonTransfer
from kukkiri.sharpness.references import Reference


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    (folder / "deep").mkdir(parents=True)
    Pillow.fromarray(skimage.data.astronaut()[0:80, 150:230]).save(folder / "a.png")
    tifffile.imwrite(folder / "deep" / "b.tif", skimage.data.camera()[100:170, 200:270].astype(np.uint16) * 250 + 3)
    return folder


def degrade(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["degrade", *map(str, arguments)])


def labels(out: Path) -> list[dict[str, str]]:
    with (out / "labels.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_copies_and_labels(photos: Path) -> None:
    out = photos.parent / "out"
    done = degrade(photos, "--kind", "jpeg,white-noise", "--kind", "lens-blur", "--level", "1,2.5", "--out", out)
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines() == ["12 copies of 2 pictures: 12 made", f"table:  {out / 'labels.csv'}, 12 rows"]
    rows = labels(out)
    assert list(rows[0]) == ["image", "reference", "kind", "group", "level", "seed", "parameters"]
    assert {row["image"] for row in rows} | {"labels.csv", LOCK} == {path.name for path in out.iterdir()}
    assert len(rows) == 12 and {row["group"] for row in rows} == {"compression", "noise", "blur"}
    for row in rows:
        assert (out / row["reference"]).resolve() in {photos / "a.png", photos / "deep" / "b.tif"}
        copy, original = kk.load(out / row["image"]), kk.load(out / row["reference"])
        # What the label says makes the same picture again.
        again = distort(original.pixels[None], row["kind"], float(row["level"]), int(row["seed"]))[0]
        deep = original.bit_depth == 16 and row["kind"] != "jpeg"
        assert copy.bit_depth == (16 if deep else 8)
        assert float((copy.pixels - again).abs().max()) < (1e-5 if deep else 2.1e-3)
    blur = next(row for row in rows if row["kind"] == "lens-blur" and row["level"] == "1")
    assert blur["parameters"] == f"radius={KINDS['lens-blur'].ladder.at(1)['radius']:g}"


def test_seeds_differ_from_picture_to_picture_and_not_from_level_to_level(photos: Path) -> None:
    out = photos.parent / "out"
    assert degrade(photos, "--kind", "white-noise", "--level", "1,5", "--out", out).exit_code == 0
    seeds = {(row["reference"], row["seed"]) for row in labels(out)}
    assert len(seeds) == 2 and len({seed for _, seed in seeds}) == 2
    other = photos.parent / "other"
    assert degrade(photos, "--kind", "white-noise", "--level", "1,5", "--seed", "7", "--out", other).exit_code == 0
    assert {(row["reference"], row["seed"]) for row in labels(other)}.isdisjoint(seeds)


def test_a_second_run_goes_on_where_the_first_stopped(photos: Path) -> None:
    out = photos.parent / "out"
    call = (photos, "--kind", "jpeg,banding", "--level", "2,4", "--out", out)
    assert degrade(*call).exit_code == 0
    before = {path: path.stat().st_mtime_ns for path in out.glob("*.png")}
    gone, *kept = sorted(before)
    gone.unlink()
    with (out / "labels.csv").open("a", encoding="utf-8") as file:
        file.write("half a row")  # as a run that was killed leaves it
    done = degrade(*call)
    assert done.exit_code == 0
    assert all(path.stat().st_mtime_ns == before[path] for path in kept)
    assert gone.exists() and len(labels(out)) == 8
    assert done.stdout.splitlines()[0] == "8 copies of 2 pictures: 1 made, 7 there already"
    # Another kind joins the same table.
    done = degrade(photos / "a.png", "--kind", "faded", "--level", "3", "--out", out)
    assert done.stdout.splitlines() == ["1 copy of 1 picture: 1 made", f"table:  {out / 'labels.csv'}, 9 rows"]


def test_copies_inside_the_folder_are_not_degraded_again(photos: Path) -> None:
    for _ in range(2):
        assert degrade(photos, "--kind", "jpeg", "--level", "3", "--out", photos / "copies").exit_code == 0
    assert len(labels(photos / "copies")) == 2


def test_two_pictures_of_one_name(photos: Path) -> None:
    Pillow.fromarray(skimage.data.coffee()[0:60, 0:60]).save(photos / "deep" / "a.png")
    out = photos.parent / "out"
    assert degrade(photos, "--kind", "jpeg", "--level", "3", "--out", out).exit_code == 0
    rows = labels(out)
    assert len({row["image"] for row in rows}) == len({row["reference"] for row in rows}) == 3
    assert len({row["seed"] for row in rows}) == 3  # no two have the same noise


def test_bad_files_cost_a_row_and_exit_1(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (photos / "broken.png").write_bytes(b"nothing")
    out = photos.parent / "deep" / "out"
    monkeypatch.chdir(photos.parent)
    done = degrade("photos", "--kind", "faded", "--level", "3", "--out", "deep/out", "--json")
    assert done.exit_code == 1
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["error"] is None for row in rows] == [True, False, True]
    with (out / "errors.csv").open(encoding="utf-8", newline="") as file:
        (row,) = csv.DictReader(file)
    assert row["reference"] == "../../photos/broken.png" and "expected a picture" in row["error"]
    assert {Path(row["reference"]).name for row in labels(out)} == {"a.png", "b.tif"}
    # To a person a file has the name that was given.
    assert done.stderr.startswith("kukkiri: photos/broken.png: expected a picture")
    done = degrade("photos", "--kind", "faded", "--level", "3", "--out", "deep/out")
    assert done.stdout.splitlines() == [
        "2 copies of 2 pictures: 2 there already, 1 failed",
        "table:  deep/out/labels.csv, 2 rows",
        "errors: deep/out/errors.csv, 1 row",
    ]


def test_a_kind_about_colour_on_grey_is_a_note(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(photos.parent)
    done = degrade("photos", "--kind", "hue-shift", "--level", "3,4", "--out", "out")
    assert done.exit_code == 0 and "2 copies of 1 picture: 2 made" in done.stdout
    assert done.stderr == "note: photos/deep/b.tif has no colours: hue-shift left out (2 copies)\n"
    assert not Path("out/errors.csv").exists()
    # But where that is all, nothing was made of what was asked for.
    done = degrade("photos/deep", "--kind", "hue-shift", "--level", "3", "--out", "grey")
    assert done.exit_code == 1 and "no copies\n" in done.stdout and "left out (1 copy)" in done.stderr


def test_all_kinds_pass_over_colour_on_grey(photos: Path) -> None:
    out = photos.parent / "out"
    done = degrade(photos, "--kind", "all", "--level", "3", "--out", out)
    assert done.exit_code == 0, done.output
    count = {name: sum(Path(row["reference"]).name == name for row in labels(out)) for name in ("a.png", "b.tif")}
    about_colour = sum(kind.needs_colour for kind in KINDS.values())
    assert count == {"a.png": len(KINDS), "b.tif": len(KINDS) - about_colour}
    assert done.stderr.count("b.tif has no colours: chroma-noise, ") == 1
    assert f"and {about_colour - 3} more left out ({about_colour} copies)" in done.stderr


def test_nothing_made_is_a_failure(photos: Path) -> None:
    call = ("--kind", "all", "--mixture", "8", "--level", "3", "--out", photos.parent / "out")
    done = degrade(photos / "deep" / "b.tif", *call)
    assert done.exit_code == 1 and "no copies" in done.stdout and "left out (1 copy)" in done.stderr


def test_mixtures_are_of_two_groups(photos: Path) -> None:
    out = photos.parent / "out"
    kinds = "jpeg,webp,white-noise,lens-blur"
    assert degrade(photos, "--kind", kinds, "--mixture", "2", "--out", out).exit_code == 0
    rows = labels(out)
    assert len(rows) == 10
    for row in rows:
        first, second = row["kind"].split("+")
        assert row["group"] == f"{KINDS[first].group}+{KINDS[second].group}" and len(set(row["group"].split("+"))) == 2
        assert row["parameters"].startswith(f"{first}.")
        original = kk.load(out / row["reference"]).pixels[None]
        once = distort(original, first, float(row["level"]), int(row["seed"]))
        again = distort(once, second, float(row["level"]), int(row["seed"]) + 1)[0]
        assert float((kk.load(out / row["image"]).pixels - again).abs().max()) < 2.1e-3


def test_mixtures_of_grey_pictures_are_drawn_from_what_fits(photos: Path) -> None:
    out = photos.parent / "out"
    call = ("--kind", "hue-shift,white-noise,faded", "--mixture", "2", "--level", "1,2,3,4", "--out", out)
    assert degrade(photos, *call).exit_code == 0
    kinds = {name: [r["kind"] for r in labels(out) if r["reference"].endswith(name)] for name in ("a.png", "b.tif")}
    assert kinds["b.tif"] == ["white-noise+faded"] * 4
    assert any("hue-shift" in each for each in kinds["a.png"])
    # Too few kinds fit: told.
    done = degrade(
        photos, "--kind", "hue-shift,faded", "--mixture", "2", "--level", "3", "--out", photos.parent / "few"
    )
    assert done.exit_code == 0 and "b.tif has no colours: faded+hue-shift left out (1 copy)" in done.stderr


def test_a_file_of_several_pictures_is_told(photos: Path) -> None:
    stack = np.stack([skimage.data.camera()[i : i + 40, :40] for i in range(3)])
    tifffile.imwrite(photos / "stack.tif", stack, photometric="minisblack")
    done = degrade(photos, "--kind", "faded", "--level", "3", "--out", photos.parent / "out")
    assert done.exit_code == 0 and "only the first picture" in done.stderr and "stack.tif (3)" in done.stderr


def calibrated(path: Path, slope: float, error: float, offset: float) -> Path:
    """A calibration file of a sensor with this line of variances."""
    picture = Reference("a.png", 1, 1.0, (0.9, 1.1), 1.0, 1.0, 0.0, 0.01)
    transfer = PhotonTransfer(slope, error, offset, 0.1, 0.9, 1000) if slope else None
    Calibration(
        sigma=1.0, interval=(0.9, 1.1), bound=None, major=1.0, minor=1.0, angle=0.0,
        family={"gaussian": 1.0, "disc": 0.0, "motion": 0.0}, noise=0.01, photon_transfer=transfer, repeatability=None,
        pixel_size=None, pictures=(picture,), version="1", weights="0", made="2025",
    ).save(path)  # fmt: skip
    return path


def test_the_noise_of_a_site_s_own_sensor(tmp_path: Path) -> None:
    Pillow.fromarray(np.full((128, 128), 128, np.uint8)).save(tmp_path / "grey.png")
    own = calibrated(tmp_path / "own.json", 1 / 40_000, 1e-7, 1e-8)
    call = ("--kind", "sensor-noise,faded", "--level", "2", "--out", tmp_path / "out", "--sensor", own)
    assert degrade(tmp_path / "grey.png", *call).exit_code == 0
    row = next(row for row in labels(tmp_path / "out") if row["kind"] == "sensor-noise")
    said = {name: float(value) for name, value in (part.split("=") for part in row["parameters"].split())}
    assert said["full_well"] == 40_000 and said["read"] == pytest.approx(4)
    assert said["amplification"] == pytest.approx(KINDS["sensor-noise"].ladder.at(2)["amplification"], rel=1e-5)
    # A k-th of the light, amplified k times: k times the variance of the light, k² that of the read noise.
    k = said["amplification"]
    expected = k * (128 / 255) / 40_000 + k**2 * 1e-8
    noisy = kk.load(tmp_path / "out" / row["image"]).pixels
    assert float(noisy.var()) == pytest.approx(expected + 1 / (12 * 255**2), rel=0.05)


def test_a_sensor_that_cannot_be_had(photos: Path) -> None:
    flat = calibrated(photos.parent / "flat.json", 1e-5, 1e-5, 1e-6)
    none = calibrated(photos.parent / "none.json", 0, 0, 0)
    own = calibrated(photos.parent / "own.json", 1e-5, 1e-7, 1e-6)
    for kind, file, said in (
        ("sensor-noise", flat, "noise that grows"),
        ("all", none, "too few flat places"),
        ("jpeg", own, "add --kind sensor-noise"),
        ("sensor-noise", photos / "a.png", "a calibration"),
    ):
        done = degrade(photos, "--kind", kind, "--out", photos.parent / "out", "--sensor", file)
        assert isinstance(done.exception, InputError) and said in str(done.exception)
    assert not (photos.parent / "out").exists()


def test_two_copies_of_one_name_are_refused(photos: Path) -> None:
    (photos / "deep" / "b.tif").unlink()
    Pillow.open(photos / "a.png").save(photos / "a-over.png")
    done = degrade(photos, "--kind", "dehazed,over-dehazed", "--level", "1", "--out", photos.parent / "out")
    assert isinstance(done.exception, InputError) and "a-over-dehazed-1.png twice" in str(done.exception)


def test_the_table_can_be_judged_once_it_has_opinions(photos: Path) -> None:
    out = photos.parent / "out"
    assert degrade(photos / "a.png", "--kind", "jpeg", "--out", out).exit_code == 0
    rows = labels(out)
    text = ["image,reference,mos", *(f"{r['image']},{r['reference']},{5 - int(r['level'])}" for r in rows)]
    (out / "with_mos.csv").write_text("\n".join(text) + "\n", encoding="utf-8")
    opinions = read_opinions(out / "with_mos.csv")
    assert [row.error for row in opinions.rows] == [None] * 5
    assert all(kk.load(row.reference) for row in opinions.rows)


def test_formats(photos: Path) -> None:
    out = photos.parent / "out"
    assert degrade(photos, "--kind", "faded", "--level", "1", "--format", "keep", "--out", out).exit_code == 0
    assert {row["image"] for row in labels(out)} == {"a-faded-1.png", "b-faded-1.tif"}
    assert kk.load(out / "b-faded-1.tif").bit_depth == 16


def test_the_list() -> None:
    done = degrade("--list")
    assert done.exit_code == 0 and all(name in done.output for name in KINDS)
    assert done.output.count("; needs colour") == sum(kind.needs_colour for kind in KINDS.values())
    rows = {row["kind"]: row for row in map(json.loads, degrade("--list", "--json").stdout.splitlines())}
    assert rows["jpeg"]["group"] == "compression" and len(rows["jpeg"]["parameters"]["quality"]) == 5


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--kind", "jpg", "--out", "out"], "did you mean jpeg"),
        (["--kind", "all,jpgg", "--out", "out"], "did you mean jpeg"),
        (["--kind", "jpeg", "--level", "3,3.0", "--out", "out"], "3 more than once"),
        (["--kind", "jpeg", "--level", "3,3.00000001", "--out", "out"], "3 more than once"),
        (["--kind", "jpeg", "--level", "6", "--out", "out"], "from 0 to 5"),
        (["--kind", "jpeg", "--level", "0", "--out", "out"], "leave it out"),
        (["--kind", "jpeg", "--level", "high", "--out", "out"], "1,2.5,5"),
        (["--kind", "jpeg"], "no --out"),
        (["--kind", "jpeg,webp", "--mixture", "2", "--out", "out"], "at least 2 groups"),
        (["--kind", "jpeg", "--out", "photos/a.png"], "a folder"),
    ],
)
def test_wrong_use(arguments: list[str], said: str, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(photos.parent)
    done = degrade("photos", *arguments)
    assert isinstance(done.exception, InputError) and said in str(done.exception)
    assert not (photos.parent / "out").exists()


def test_an_input_is_never_overwritten(photos: Path) -> None:
    (photos / "a.png").rename(photos / "c.png")
    Pillow.open(photos / "c.png").save(photos / "c-jpeg-3.png")
    done = degrade(photos, "--kind", "jpeg", "--level", "3", "--out", photos)
    assert isinstance(done.exception, InputError) and "an input" in str(done.exception)
