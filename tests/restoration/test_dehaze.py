"""`kk.restore(…, "dehaze")` and its command."""

import json
from pathlib import Path

import numpy as np
import pytest
import skimage.data
import torch
from PIL import Image as Pillow
from torch import Tensor
from typer.testing import CliRunner

import kukkiri as kk
from kukkiri.cli.main import app
from kukkiri.errors import InputError, WriteError
from kukkiri.images.image import Image
from kukkiri.optics.dark_channel import dehaze
from kukkiri.optics.haze import hazy, procedural_depth, transmission

LIGHT = torch.tensor([[0.86, 0.89, 0.92]])


@pytest.fixture(scope="module")
def scene() -> tuple[Tensor, Tensor]:
    """A photograph with its measured distances, relative to the farthest: (1, 3, H, W) and (1, 1, H, W)."""
    left, _, disparity = skimage.data.stereo_motorcycle()
    known = np.isfinite(disparity)
    # Distance goes as 1 / (disparity + the offset of the two centres), pixels; the unknown counts as middling.
    distance = 1 / (np.where(known, disparity, 0) + 31.086)
    distance = np.where(known, distance, np.median(distance[known])) / distance[known].max()
    clear = torch.from_numpy(left.copy()).float().movedim(2, 0)[None] / 255
    half = [torch.nn.functional.avg_pool2d(x, 2) for x in (clear, torch.from_numpy(distance)[None, None].float())]
    return half[0], half[1]


def seen_through(scene: tuple[Tensor, Tensor], beta: float) -> Image:
    seen = hazy(scene[0], transmission(scene[1], beta), LIGHT)
    return Image(((seen * 255).round() / 255)[0])


def psnr(a: Tensor, b: Tensor) -> float:
    return float(-10 * torch.log10((a - b).square().mean()))


@pytest.mark.parametrize("beta", [0.8, 1.6])
def test_nearer_to_the_truth_and_better_with_strength(scene: tuple[Tensor, Tensor], beta: float) -> None:
    hazed, truth = seen_through(scene, beta), scene[0][0]
    before = psnr(hazed.pixels, truth)
    restored = kk.restore(hazed, "dehaze")
    assert psnr(restored.image.pixels, truth) > before + 3
    assert restored.kernel is None and restored.image.bit_depth == hazed.bit_depth
    half = kk.restore(hazed, "dehaze", omega=0.5)
    assert before < psnr(half.image.pixels, truth) < psnr(restored.image.pixels, truth) + 1
    assert np.allclose(restored.report["airlight"], LIGHT[0], atol=0.05)
    true = float(transmission(scene[1], beta).mean())
    assert restored.report["mean_transmission"] == pytest.approx(true, abs=0.15)


def test_strength_zero_changes_nothing_and_the_same_twice(scene: tuple[Tensor, Tensor]) -> None:
    hazed = seen_through(scene, 1.0)
    assert torch.equal(kk.restore(hazed, "dehaze", omega=0.0).image.pixels, hazed.pixels)
    first, second = (kk.restore(hazed, "dehaze", method="dark-channel").image.pixels for _ in range(2))
    assert torch.equal(first, second)


def test_known_light_is_used(scene: tuple[Tensor, Tensor]) -> None:
    report = kk.restore(seen_through(scene, 1.0), "dehaze", airlight=[0.8, 0.85, 0.9]).report
    assert report["airlight"] == pytest.approx([0.8, 0.85, 0.9]) and report["airlight_given"]


def test_masked_pixels_stay(scene: tuple[Tensor, Tensor]) -> None:
    hazed = seen_through(scene, 1.0)
    mask = torch.zeros(hazed.height, hazed.width, dtype=torch.bool)
    mask[-40:] = True
    restored = kk.restore(hazed, "dehaze", mask=mask).image.pixels
    assert torch.equal(restored[:, mask], hazed.pixels[:, mask])
    assert not torch.allclose(restored[:, ~mask], hazed.pixels[:, ~mask], atol=0.05)
    with pytest.raises(InputError):
        kk.restore(hazed, "dehaze", mask=torch.ones_like(mask))


def test_warnings_where_there_is_doubt() -> None:
    grey = torch.from_numpy(skimage.data.camera()).float()[None, ::4, ::4] / 255
    assert any("grey" in said for said in kk.restore(Image(grey), "dehaze").report["warnings"])
    clear = torch.rand(3, 80, 90, generator=torch.Generator().manual_seed(0))
    assert any("hardly any haze" in said for said in kk.restore(Image(clear), "dehaze").report["warnings"])
    assert any("dark" in said for said in kk.restore(Image(clear * 0.3), "dehaze").report["warnings"])


@pytest.mark.parametrize("name", ["astronaut", "coffee", "chelsea", "rocket"])
def test_a_clear_photograph_is_doubted_and_a_hazy_one_is_not(name: str) -> None:
    photograph = torch.from_numpy(getattr(skimage.data, name)().copy()).float().movedim(2, 0) / 255
    said = kk.restore(Image(photograph), "dehaze").report["warnings"]
    assert any("no haze" in text or "hardly any haze" in text for text in said)
    distance = procedural_depth(1, *photograph.shape[1:], torch.Generator().manual_seed(0))
    hazed = hazy(photograph[None], transmission(distance, 1.2), LIGHT)[0]
    assert kk.restore(Image(hazed), "dehaze").report["warnings"] == []


@pytest.mark.parametrize(
    "wrong",
    [{"omega": 1.5}, {"patch": 4}, {"patch": 81}, {"radius": 0}, {"least": 0.0}, {"airlight": [0.5, 0.5]},
     {"airlight": "white"}, {"kernel": [[1.0]]}, {"steps": 3}, {"noise": 0.1}, {"channels": 8},
     {"method": "self-deblur"}],
)  # fmt: skip
def test_wrong_options(wrong: dict[str, object]) -> None:
    with pytest.raises(InputError):
        kk.restore(Image(torch.rand(3, 40, 40)), "dehaze", **wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_values_that_are_no_numbers(value: float) -> None:
    image = torch.rand(1, 3, 20, 20)
    image[0, 1, 3, 4] = value
    with pytest.raises(InputError, match="finite values"):
        dehaze(image)


def test_it_tells_when_it_is_done() -> None:
    told: list[tuple[int, int]] = []
    kk.restore(Image(torch.rand(3, 40, 40)), "dehaze", patch=79, progress=lambda *step: told.append(step))
    assert told == [(1, 1)]


def test_a_folder_that_cannot_be_written_is_told_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Pillow.fromarray(np.full((40, 40, 3), 128, np.uint8)).save(tmp_path / "a.png")
    words = ["restore", str(tmp_path / "a.png"), "--task", "dehaze", "--out"]
    inside = CliRunner().invoke(app, [*words, str(tmp_path / "a.png" / "clear")])
    assert isinstance(inside.exception, WriteError) and "clear" in str(inside.exception)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("kukkiri.images.writing.save", full)
    later = CliRunner().invoke(app, [*words, str(tmp_path / "clear"), "--json"])
    said = json.loads(later.stdout)["error"]
    assert later.exit_code == 1 and "expected a folder to write results in" in said and "No space left" in said


def test_command_writes_picture_and_figure_but_no_kernel(scene: tuple[Tensor, Tensor], tmp_path: Path) -> None:
    hazed = seen_through((scene[0][..., :120, :160], scene[1][..., :120, :160]), 1.6)
    Pillow.fromarray((hazed.numpy() * 255).round().astype(np.uint8)).save(tmp_path / "a.png")
    out = tmp_path / "clear"
    arguments = ["restore", str(tmp_path / "a.png"), "--task", "dehaze", "--out", str(out), "--no-auto-mask"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    assert {file.name for file in out.iterdir()} == {"a-restored.png", "a-figure.png"}
    whole = kk.restore(hazed, "dehaze").image.pixels
    assert float((kk.load(out / "a-restored.png").pixels - whole).abs().max()) < 1.01 / 255
    again = CliRunner().invoke(app, [*arguments, "--overwrite", "--omega", "0.4", "--json"])
    row = json.loads(again.stdout)
    assert row["omega"] == 0.4 and len(row["airlight"]) == 3 and len(row["files"]) == 2


@pytest.mark.parametrize(
    ("task", "options"),
    [("dehaze", ["--seed", "0"]), ("dehaze", ["--kernel-size", "5"]), ("dehaze", ["--steps", "5"]),
     ("dehaze", ["--noise", "0.1"]), ("deblur", ["--omega", "0.5"])],
)  # fmt: skip
def test_options_of_the_other_task_are_named_as_they_were_typed(task: str, options: list[str], tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"nothing")
    arguments = ["restore", str(tmp_path / "a.png"), "--task", task, "--out", str(tmp_path / "c"), *options]
    with pytest.raises(InputError, match=f"no {options[0]} to {task}"):
        CliRunner().invoke(app, arguments, catch_exceptions=False)


def test_an_interrupted_picture_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither new files nor changes to those of an earlier run."""
    Pillow.fromarray(skimage.data.coffee()[:60, :70]).save(tmp_path / "a.png")
    out = tmp_path / "clear"
    arguments = ["restore", str(tmp_path / "a.png"), "--task", "dehaze", "--out", str(out)]

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("kukkiri.restoration.figure.restoration_figure", interrupted)
        assert CliRunner().invoke(app, arguments).exit_code != 0
        assert list(out.iterdir()) == []
    assert CliRunner().invoke(app, arguments).exit_code == 0
    before = {file.name: file.read_bytes() for file in out.iterdir()}
    monkeypatch.setattr("kukkiri.restoration.figure.restoration_figure", interrupted)
    assert CliRunner().invoke(app, [*arguments, "--overwrite", "--omega", "0.3"]).exit_code != 0
    assert {file.name: file.read_bytes() for file in out.iterdir()} == before
