"""Stability: what is changed, what is measured, and that the figures say how far a score moves."""

import json
import math
import weakref
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image as Pillow
from skimage import data
from torch import Tensor
from typer.testing import CliRunner

import kukkiri as kk
from kukkiri.cli.main import app
from kukkiri.errors import InputError, WeightError
from kukkiri.evaluation import stability
from kukkiri.evaluation.journal import Journal
from kukkiri.evaluation.pictures import Picture
from kukkiri.evaluation.protocol import RobustnessProtocol
from kukkiri.evaluation.robustness import Robustness, robustness
from kukkiri.evaluation.stability import CHANGES, DAMAGES, LEAST, MARGIN, SHARP, UNCHANGED, changed, framed
from kukkiri.evaluation.stability_summary import movement, spread_of
from kukkiri.evaluation.stability_tables import all_tables, plain, stability_tables
from kukkiri.metrics.spec import MetricSpec
from kukkiri.metrics.table import spec_of
from kukkiri.optics import psf

SIZE = 64
FEW = RobustnessProtocol(reduce=1, size=SIZE, sigma=(0.8, 3.0), days=("clean",), psfs=("gaussian",))
MEAN = replace(spec_of("niqe"), name="mean-level", implementation="", channels=(1, 3), min_size=8)


class MeanLevel:
    """A quality score whose movements can be computed on paper: the mean of the picture."""

    spec: MetricSpec = MEAN

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, image: Tensor) -> Tensor:
        self.asked += 1
        return image.mean((1, 2, 3))


def photo(name: str) -> Any:
    return getattr(data, name)()


def photographs(side: int = SIZE + 2 * MARGIN) -> list[Picture]:
    """Dark enough that no gain of 1.1 clips."""
    names = ("astronaut", "coffee", "chelsea", "rocket")
    return [Picture(n, (0.8 * photo(n)[60 : 60 + side, 90 : 90 + side] / 255.0)) for n in names]


def versions(frame: Tensor) -> dict[str, Tensor]:
    return {change: changed(frame, change) for change in (UNCHANGED, *CHANGES)}


def by_name(result: Robustness) -> dict[str, Any]:
    return {s.spec.name: s for s in result.stability}


@pytest.fixture(scope="module")
def measured() -> Robustness:
    return robustness([MeanLevel(), "psnr", "ssim", "gmsd"], photographs(), protocol=FEW)


# What is changed.


def test_each_change_is_what_it_says() -> None:
    frame = photographs()[0].load()
    seen = versions(frame)
    assert tuple(seen) == (UNCHANGED, *CHANGES)
    plain_one = seen[UNCHANGED]
    assert plain_one.shape[-2:] == (SIZE, SIZE)
    # A shift to the right moves the content there, and real pixels come in.
    torch.testing.assert_close(seen["shift-right"][..., 1:], plain_one[..., :-1], atol=1e-5, rtol=0)
    torch.testing.assert_close(seen["shift-right"][..., 0], frame[..., MARGIN:-MARGIN, MARGIN - 1], atol=1e-5, rtol=0)
    torch.testing.assert_close(seen["shift-down"][..., 1:, :], plain_one[..., :-1, :], atol=1e-5, rtol=0)
    torch.testing.assert_close(seen["flip-horizontal"].flip(-1), plain_one, atol=1e-5, rtol=0)
    torch.testing.assert_close(seen["flip-vertical"].flip(-2), plain_one, atol=1e-5, rtol=0)
    torch.testing.assert_close(seen["gain-0.9"], 0.9 * plain_one, atol=1e-5, rtol=0)
    torch.testing.assert_close(seen["gamma-1.1"], plain_one**1.1, atol=1e-5, rtol=0)
    assert seen["crop-90"].shape[-2:] == (58, 58) and seen["resize-95"].shape[-2:] == (61, 61)
    assert seen["resize-105"].shape[-2:] == (68, 68)
    torch.testing.assert_close(seen["crop-90"], plain_one[..., 3:-3, 3:-3], atol=1e-5, rtol=0)


@pytest.mark.parametrize("channels", [1, 3])
def test_saving_again_loses_what_the_format_loses(channels: int) -> None:
    frame = photographs()[1].load()[:, :channels]
    seen = versions(frame)
    assert torch.equal(seen["png-8-bit"], seen["webp-lossless"])
    assert 0 < float((seen["png-8-bit"] - seen[UNCHANGED]).abs().max()) <= 0.5 / 255 + 1e-4
    for lossy in ("webp-95", "jpeg-95"):
        loss = float((seen[lossy] - seen[UNCHANGED]).square().mean().sqrt())
        assert seen[lossy].shape == seen[UNCHANGED].shape and 1 / 255 / 4 < loss < 8 / 255, lossy


def test_pillow_s_limit_for_files_from_elsewhere_is_none_for_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = photographs()[1].load()
    expected = changed(frame, "webp-95")
    monkeypatch.setattr(Pillow, "MAX_IMAGE_PIXELS", 900)
    assert torch.equal(changed(frame, "webp-95"), expected)


@pytest.mark.parametrize(
    "words",
    [["--invariances"], ["--astigmatism"], ["--increment", "scikit-image"], ["--days", "dark"], ["--psf", "disc"]],
)
def test_options_about_blur_want_a_metric_that_follows_it(words: list[str]) -> None:
    done = CliRunner().invoke(app, ["evaluate", "robustness", "piqe,psnr", "--data", "scikit-image", *words])
    assert isinstance(done.exception, InputError) and words[0] in str(done.exception)


def test_everything_ends_on_16_bits_between_0_and_1() -> None:
    bright = Picture("bright", photo("coffee")[:96, :96]).load() * 1.3
    for name, picture in versions(bright).items():
        if name == UNCHANGED:
            continue
        assert float(picture.min()) >= 0 and float(picture.max()) <= 1, name
        grid = picture.double() * 65535
        assert float((grid - grid.round()).abs().max()) < 0.01, name


def test_damages_are_of_the_middle_and_a_jpeg_begins_on_its_grid() -> None:
    frame = framed(photographs()[0].load(), FEW)
    spoilt = {name: spoil(frame, 3) for name, spoil in DAMAGES.items()}
    assert torch.equal(spoilt[SHARP], frame)
    torch.testing.assert_close(spoilt["blur"], psf.blur(frame, psf.gaussian(1.5), border="symmetric"))
    assert float((spoilt["noise"] - frame).std()) == pytest.approx(0.06, rel=0.02)
    # Blocking: differences across the borders of 8×8 blocks exceed those inside, counted from the judged window's side.
    columns = changed(spoilt["jpeg"], UNCHANGED).mean(1).diff(dim=-1).abs().mean((0, 1))
    across = columns[7::8].mean()
    assert across > 1.1 * columns[[i for i in range(len(columns)) if i % 8 != 7]].mean()


def test_slow_metrics_see_fewer_pixels_and_too_small_ones_are_refused() -> None:
    image = Picture("coffee", photo("coffee")).load()
    protocol = replace(FEW, size=128, slow_size=40)
    assert framed(image, protocol).shape[-2:] == (160, 160)
    assert framed(image, protocol, slow=True).shape[-2:] == (40 + 2 * MARGIN,) * 2
    assert framed(image, replace(FEW, size=None)).shape == image.shape
    with pytest.raises(InputError, match=f"{LEAST}×{LEAST}"):
        framed(image[..., :40, :90], FEW)


def test_what_is_judged_does_not_depend_on_a_blur_that_is_not_applied() -> None:
    image = Picture("coffee", photo("coffee")[:200, :200]).load()
    narrow = framed(image, replace(FEW, sigma=(0.5, 1.0)))
    assert narrow.shape[-2:] == (SIZE + 2 * MARGIN,) * 2 and torch.equal(narrow, framed(image, FEW))


# What is measured.


def test_few_versions_are_in_memory_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a large picture each takes as much as the picture, and there are 64 of them."""
    made: list[weakref.ref[Tensor]] = []
    most = 0

    def counted(frame: Tensor, change: str) -> Tensor:
        nonlocal most
        most = max(most, sum(ref() is not None for ref in made) + 1)
        result = changed(frame, change)
        made.append(weakref.ref(result))
        return result

    monkeypatch.setattr(stability, "changed", counted)
    image = photographs()[0].load()
    rows = stability.measure(image, "astronaut", {"psnr": kk.metric("psnr"), "mean-level": MeanLevel()}, FEW)
    assert len(made) == len(DAMAGES) * (1 + len(CHANGES)) and most <= 4
    damages = [row["damage"] for row in rows["psnr"]]
    assert damages == [d for d in DAMAGES if d != SHARP for _ in (UNCHANGED, *CHANGES)]


@pytest.mark.parametrize(("side", "change", "file"), [(16384, "webp-95", "WebP"), (65501, "jpeg-95", "JPEG")])
def test_what_a_file_cannot_hold_is_said_clearly(side: int, change: str, file: str) -> None:
    with pytest.raises(InputError, match=rf"at most {side - 1} px a side.* {file} file, got {side}×8; .*--size"):
        changed(torch.rand(1, 1, 8 + 2 * MARGIN, side + 2 * MARGIN), change)
    # No sooner than it must be.
    fits = changed(torch.rand(1, 1, 8 + 2 * MARGIN, side - 1 + 2 * MARGIN), change)
    assert fits.shape[-2:] == (8, side - 1)


def test_a_file_that_is_too_large_stops_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stability, "LONGEST", {"WebP": SIZE - 1, "JPEG": SIZE})
    result = robustness([MeanLevel(), "gmsd"], photographs()[:2], protocol=FEW)
    assert not result.failed and not result.unmet
    for found in result.stability:
        # The damage is that of the frame, which is larger.
        assert "jpeg" not in found.changes["gain-0.9"].by_damage and "noise" in found.changes["gain-0.9"].by_damage
        silent = {name for name, change in found.changes.items() if change.silent == 1}
        assert silent == {"webp-lossless", "webp-95"} and found.changes["jpeg-95"].silent == 0
    said = [line for line in stability_tables(result)[0].remarks if line.startswith("no score")]
    # Per picture: two changes of the three damages left, of which GMSD does not judge the sharp; 16 of the JPEG.
    assert len(said) == 2 and any("(mean-level 12×, gmsd 8×): expected at most 63 px" in line for line in said)
    assert any("(mean-level 32×, gmsd 32×): expected at most 64 px" in line and "JPEG" in line for line in said)


def test_the_spread_is_that_of_a_normal_distribution_and_robust() -> None:
    scores = np.random.default_rng(0).normal(3.0, 2.0, 40_000)
    assert spread_of(scores) == pytest.approx(2.0, rel=0.02)
    assert spread_of([*scores, *[1e9] * 100, math.nan, math.inf]) == pytest.approx(2.0, rel=0.02)
    assert math.isnan(spread_of([]))


def test_movement_by_hand() -> None:
    """Differences 1, −2, 0, 4 over a spread of 2; the fifth is silent after, the sixth before."""
    before = [0.0, 10.0, 20.0, 30.0, 40.0, math.nan]
    after = [1.0, 8.0, 20.0, 34.0, math.nan, 7.0]
    found = movement(before, after, 2.0, ["blur", "blur", "noise", "noise", "jpeg", "jpeg"])
    assert (found.scores, found.median, found.bias) == (5, 0.75, 0.25)
    assert found.p90 == pytest.approx(1.7) and found.rank == pytest.approx(1.0)
    assert found.silent == pytest.approx(0.2)
    # The first two by 0.5 and 1, the next by 0 and 2.
    assert (found.by_damage["blur"], found.by_damage["noise"], found.worst) == (0.75, 1.0, "noise")
    assert math.isnan(found.by_damage["jpeg"])
    swapped = movement([1.0, 2.0, 3.0], [3.0, 2.0, 1.0], 0.0)
    assert math.isnan(swapped.median) and swapped.rank == pytest.approx(-1.0)


def test_a_mean_moves_by_what_its_change_does_to_it(measured: Robustness) -> None:
    """Gain moves the mean by itself, flips not at all, and of neither does the order change."""
    found = by_name(measured)["mean-level"]
    scores = found.scores
    base = {
        (p, d): v
        for p, d, c, v in zip(*(scores[k] for k in ("picture", "damage", "change", "value")), strict=True)
        if c == UNCHANGED
    }
    assert len(base) == 4 * len(DAMAGES) and found.pictures == 4
    quartiles = np.quantile(list(base.values()), [0.25, 0.75])
    assert found.spread == pytest.approx((quartiles[1] - quartiles[0]) / 1.349)
    expected = 0.1 * float(np.median(list(base.values()))) / found.spread
    assert found.changes["gain-0.9"].median == pytest.approx(expected, rel=1e-3)
    assert found.changes["gain-0.9"].bias == pytest.approx(-expected, rel=1e-3)
    assert found.changes["gain-1.1"].bias == pytest.approx(expected, rel=0.02)
    assert found.changes["flip-vertical"].p90 < 1e-4 < found.changes["shift-down"].p90
    assert found.changes["gain-0.9"].rank == pytest.approx(1.0)


def test_what_compares_sees_the_same_change_of_both(measured: Robustness) -> None:
    """PSNR falls and rises with the gain by 20·log10 of it, and by nothing under flips; no sharp one is judged."""
    found = by_name(measured)
    psnr = found["psnr"]
    assert psnr.changes["gain-0.9"].bias * psnr.spread == pytest.approx(-20 * math.log10(0.9), abs=0.02)
    assert psnr.changes["flip-horizontal"].p90 < 1e-3
    assert psnr.changes["gain-0.9"].scores == 4 * (len(DAMAGES) - 1) and SHARP not in psnr.scores["damage"]
    assert set(psnr.changes["gain-0.9"].by_damage) == set(DAMAGES) - {SHARP}
    assert psnr.worst in ("resize-95", "resize-105", "gain-0.9", "gain-1.1")
    # SSIM knows a gain: it divides by the local level and contrast.
    assert found["ssim"].changes["gain-0.9"].median < psnr.changes["gain-0.9"].median / 2
    assert all(0.5 < s.overall.rank <= 1 and s.overall.silent == 0 for s in found.values())


def test_equal_pixels_are_asked_once() -> None:
    metric = MeanLevel()
    robustness([metric], photographs()[:1], protocol=FEW)
    # WebP without loss equals PNG; of the JPEG-damaged one 8 bits change nothing.
    assert metric.asked == len(DAMAGES) * len(CHANGES) - 1


def test_which_metrics_are_asked_what() -> None:
    """Sharpness follows the blur, and is steady only if asked for."""
    pictures = photographs()[:2]
    plainly = robustness(["tenengrad", "psnr"], pictures, protocol=FEW)
    assert [r.spec.name for r in plainly.metrics] == ["tenengrad"] and list(by_name(plainly)) == ["psnr"]
    both = robustness(["tenengrad"], pictures, protocol=FEW, stability=True)
    assert list(by_name(both)) == ["tenengrad"] and both.metrics[0].mixed is not None
    # Gradients grow with the square of the gain.
    tenengrad = by_name(both)["tenengrad"]
    assert tenengrad.changes["gain-0.9"].bias < 0 < tenengrad.changes["gain-1.1"].bias
    row = robustness(["tenengrad"], pictures, protocol=FEW).to_row()
    assert row["stability"] == {}


def test_what_cannot_be_had_or_says_nothing_is_skipped_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def without_weights(name: str) -> Any:
        if name == "gmsd":
            raise WeightError(expected="the checkpoint of gmsd", got="none", fix="fetch it")
        return kk.metric(name)

    monkeypatch.setattr("kukkiri.evaluation.robustness.metric", without_weights)
    result = robustness(["gmsd", "ms-ssim", "psnr"], photographs()[:2], protocol=FEW)
    found = by_name(result)
    assert "checkpoint of gmsd" in (found["gmsd"].skipped or "") and "px" in (found["ms-ssim"].skipped or "")
    assert result.unmet == {"gmsd", "ms-ssim"} and found["psnr"].skipped is None
    remarks = " ".join(stability_tables(result)[0].remarks)
    assert "gmsd skipped: " in remarks and "few scores" in remarks
    json.dumps(result.to_row(), allow_nan=False)


def test_what_is_compared_is_what_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    table = dict.fromkeys(["gmsd", "rankiqa", "psnr", "niqe"])
    monkeypatch.setattr(stability, "all_specs", lambda: table)
    assert stability.compared() == ("niqe", "rankiqa", "psnr", "gmsd")
    monkeypatch.setattr(stability, "all_specs", lambda: table | {"kukkiri-nr": None})
    assert stability.compared()[:2] == ("kukkiri-nr", "niqe")


# What is written.


def test_a_result_says_how_it_was_made(measured: Robustness) -> None:
    """In words of its own: nothing was blurred by a drawn PSF, nor given a day."""
    row = measured.to_row(trials=False)
    assert "sigma" not in row["stability"]["method"] and "16 bits" in row["stability"]["method"]
    assert set(row["protocol"]) == set(stability.PROTOCOL) and row["protocol"]["size"] == SIZE
    both = robustness(["tenengrad"], photographs()[:1], protocol=FEW).to_row(trials=False)
    assert "true sigma" in both["protocol"]["method"] and both["protocol"]["days"] == ["clean"]


def test_scores_are_taken_over_as_long_as_the_code_is_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(protocol: RobustnessProtocol = FEW) -> int:
        asked.clear()
        robustness(["psnr"], photographs()[:1], protocol=protocol, journal=Journal(tmp_path / "journal"))
        return len(asked)

    asked: list[int] = []
    measure = stability.measure
    monkeypatch.setattr(stability, "measure", lambda *args: asked.append(1) or measure(*args))
    assert (run(), run()) == (1, 0)
    # What it does not follow.
    assert run(replace(FEW, days=("dark",), sigma=(0.6, 2.0), slow=("niqe",), slow_size=32)) == 0
    assert (
        run(replace(FEW, seed=1)) == run(replace(FEW, size=48)) == run(replace(FEW, slow=("psnr",), slow_size=40)) == 1
    )
    monkeypatch.setattr("kukkiri.evaluation.running.source_hash", lambda module: f"another {module}")
    assert run() == 1


def test_the_columns_say_their_units_and_directions(measured: Robustness) -> None:
    whole = stability_tables(measured)[0]
    rows = {row[0]: dict(zip(whole.columns, row, strict=True)) for row in whole.rows}
    assert rows["psnr"]["spread"].endswith(" dB") and rows["ssim"]["no\nscore ↓"] == "0 %"
    change, most = rows["psnr"]["moved most by"].split("\n"), rows["psnr"]["median ↓"].split("\n")
    found = by_name(measured)["psnr"]
    worst = found.changes[found.worst]
    assert change[0] == found.worst and most == [plain(worst.median), plain(worst.by_damage[worst.worst])]
    measures = [name for name in whole.columns if name not in ("metric", "spread", "moved most by")]
    assert all(name.endswith("↑" if "Spearman" in name else "↓") for name in measures)
    said = " ".join(whole.remarks)
    assert all(word in said for word in ("below 0.1", "from 1 on", "lower is better", "unit of the score"))


def test_tables_hold_every_metric_and_change(measured: Robustness) -> None:
    tables = all_tables(measured)
    assert len(tables) == 3 and [row[0] for row in tables[0].rows] == ["mean-level", "psnr", "ssim", "gmsd"]
    for part in tables[1:]:
        assert [row[0] for row in part.rows] == list(CHANGES) and len(part.columns) == 5
    assert (plain(0.0), plain(0.001), plain(0.126), plain(math.nan)) == ("0.00", "<0.01", "0.13", "–")


def test_a_second_run_takes_over_what_was_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = photographs()[:2]
    first = robustness(["gmsd"], pictures, protocol=FEW, journal=Journal(tmp_path / "journal"))

    def broken(*_: Any) -> Any:
        raise InputError(expected="nothing to be measured", got="a picture", fix="-")

    monkeypatch.setattr(stability, "measure", broken)
    again = robustness(["gmsd"], pictures, protocol=FEW, journal=Journal(tmp_path / "journal"))
    assert again.to_row() == first.to_row() and not again.failed
    # Other damages are other rows.
    monkeypatch.setattr(stability, "SETTINGS", {**stability.SETTINGS, "damages": {"blur": 2.0}})
    assert robustness(["gmsd"], pictures, protocol=FEW, journal=Journal(tmp_path / "journal")).failed


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, out, figure = tmp_path / "in", tmp_path / "out.json", tmp_path / "map.png"
    folder.mkdir()
    for name in ("astronaut", "coffee"):
        Pillow.fromarray(photo(name)[:110, :110]).save(folder / f"{name}.png")
    words = ["evaluate", "robustness", "psnr,gmsd", "--data", str(folder), "--reduce", "1", "--size", "64"]
    words += ["--jobs", "1", "--out", str(out)]
    shown = CliRunner().invoke(app, [*words, "--json", "--figure", str(figure)])
    assert shown.exit_code == 0, shown.output
    row = json.loads(shown.stdout)["stability"]
    assert row["settings"]["changes"] == list(CHANGES)
    assert [m["name"] for m in row["metrics"]] == ["psnr", "gmsd"] and "scores" not in row["metrics"][0]
    whole = json.loads(out.read_text())["stability"]["metrics"][0]
    assert (
        len(whole["scores"]["value"]) == 2 * 3 * (1 + len(CHANGES)) and whole["changes"] == row["metrics"][0]["changes"]
    )
    with Pillow.open(figure) as drawn:
        assert drawn.width > 800 and len(set(drawn.convert("L").tobytes())) > 10
    printed = CliRunner().invoke(app, words)
    assert printed.exit_code == 0 and "Stability" in printed.stdout and "shift-right" in printed.stdout
    assert "Over everything mixed" not in printed.stdout
    # The word stands for what is compared; what nobody named may be missing. The journal's scores are taken over.
    monkeypatch.setattr(stability, "COMPARED", ("kukkiri-xy", "rankiqa", "gmsd"))
    words[2] = "stability"
    compared = CliRunner().invoke(app, words)
    assert compared.exit_code == 0, compared.output
    assert "rankiqa skipped: expected weights" in compared.stdout and "kukkiri-xy" not in compared.stdout

    def broken(*_: Any) -> Any:
        raise InputError(expected="nothing to be measured", got="a picture", fix="-")

    monkeypatch.setattr(stability, "measure", broken)
    assert CliRunner().invoke(app, words).exit_code == 0
    fresh = CliRunner().invoke(app, [*words, "--fresh"])
    assert fresh.exit_code == 1 and "nothing to be measured" in fresh.stderr
