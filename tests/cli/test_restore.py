"""`kukkiri restore`."""

import json
from pathlib import Path

import numpy as np
import pytest
import skimage.data
import tifffile
from PIL import Image as Pillow
from typer.testing import CliRunner

import kukkiri as kk
from kukkiri.cli.main import app
from kukkiri.errors import InputError

QUICK = ["--steps", "3", "--kernel-size", "5"]


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "a.png"
    Pillow.fromarray(skimage.data.camera()[100:160, 200:270]).save(path)
    return path


def test_files_and_table(picture: Path) -> None:
    out = picture.parent / "clear"
    done = CliRunner().invoke(app, ["restore", str(picture), "--out", str(out), *QUICK])
    assert done.exit_code == 0, done.output
    assert "a-restored.png" in done.output and "sigma" in done.output
    assert {p.name for p in out.iterdir()} == {"a-restored.png", "a-kernel.tif", "a-figure.png"}
    restored = kk.load(out / "a-restored.png")
    assert (restored.height, restored.width, restored.bit_depth) == (60, 70, 8)
    kernel = tifffile.imread(out / "a-kernel.tif")
    assert kernel.ndim == 2 and kernel.max() == pytest.approx(1) and kernel.min() >= 0


def test_nothing_is_replaced_unless_wanted(picture: Path) -> None:
    out = picture.parent / "clear"
    arguments = ["restore", str(picture), "--out", str(out), *QUICK]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    again = CliRunner().invoke(app, arguments)
    assert again.exit_code == 1 and "--overwrite" in again.output
    assert CliRunner().invoke(app, [*arguments, "--overwrite"]).exit_code == 0


def test_sixteen_bits_stay_and_json_is_one_line_a_picture(tmp_path: Path) -> None:
    deep = skimage.data.camera()[100:160, 200:270].astype(np.uint16) * 257
    tifffile.imwrite(tmp_path / "b.tif", deep)
    (tmp_path / "broken.png").write_bytes(b"nothing")
    done = CliRunner().invoke(
        app, ["restore", str(tmp_path / "b.tif"), str(tmp_path / "broken.png"), "--out", str(tmp_path / "c"), "--json",
              "--method", "self-deblur-defocus", *QUICK],
    )  # fmt: skip
    assert done.exit_code == 1
    rows = {Path(row["path"]).name: row for row in map(json.loads, done.stdout.splitlines())}
    assert rows["broken.png"]["error"] and rows["b.tif"]["error"] is None
    assert rows["b.tif"]["method"] == "self-deblur-defocus" and rows["b.tif"]["steps"] == 3
    assert kk.load(tmp_path / "c" / "b-restored.tif").bit_depth == 16


def test_known_kernel_from_a_file(picture: Path) -> None:
    kernel, out = picture.parent / "k.tif", picture.parent / "clear"
    tifffile.imwrite(kernel, np.full((3, 3), 0.5, np.float32))
    done = CliRunner().invoke(
        app,
        ["restore", str(picture), "-o", str(out), "--kernel", str(kernel), "--steps", "2", "--json"],
    )
    assert json.loads(done.stdout)["kernel_given"] is True and json.loads(done.stdout)["kernel_size"] == 3


@pytest.mark.parametrize("wrong", [["--kernel-size", "8"], ["--noise", "2"], ["--device", "gpu"]])
def test_wrong_options_are_said_before_anything_is_read(wrong: list[str], tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"nothing")
    with pytest.raises(InputError):
        CliRunner().invoke(
            app, ["restore", str(tmp_path / "a.png"), "--out", str(tmp_path / "c"), *wrong], catch_exceptions=False
        )


def test_a_part_or_the_whole(picture: Path) -> None:
    """With --roi the part; with a mask the whole, what is masked unchanged."""
    mask = np.zeros((60, 70), np.uint8)
    mask[50:] = 255
    Pillow.fromarray(mask).save(picture.parent / "mask.png")
    out = picture.parent / "clear"
    base = ["restore", str(picture), "--overwrite", "--out", str(out), *QUICK]
    assert CliRunner().invoke(app, [*base, "--mask", str(picture.parent / "mask.png")]).exit_code == 0
    restored, before = kk.load(out / "a-restored.png"), kk.load(picture)
    assert restored.pixels.shape == before.pixels.shape
    assert bool((restored.pixels[:, 50:] == before.pixels[:, 50:]).all())
    assert bool((restored.pixels[:, :50] != before.pixels[:, :50]).any())
    assert CliRunner().invoke(app, [*base, "--roi", "5,6,50,52"]).exit_code == 0
    assert kk.load(out / "a-restored.png").pixels.shape == (1, 52, 50)


def test_the_kernel_it_writes_is_one_it_takes(picture: Path) -> None:
    out = picture.parent / "clear"
    assert CliRunner().invoke(app, ["restore", str(picture), "--out", str(out), *QUICK]).exit_code == 0
    done = CliRunner().invoke(
        app,
        [
            "restore",
            str(picture),
            "-o",
            str(out / "2"),
            "--kernel",
            str(out / "a-kernel.tif"),
            "--steps",
            "1",
            "--json",
        ],
    )
    assert json.loads(done.stdout)["kernel_given"] is True
