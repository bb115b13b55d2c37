import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image as Pillow

import kukkiri as kk
from kukkiri.errors import InputError
from kukkiri.images.masks import Box
from kukkiri.inspection.blur_view import note_of
from kukkiri.inspection.record import COLUMNS, columns
from kukkiri.inspection.settings import Settings, parse_roi
from kukkiri.inspection.worker import Worker
from kukkiri.sharpness.blur_estimator import BlurEstimator

FAST = ("laplacian-variance", "tenengrad")


def test_values_are_those_of_the_metric(photographs: Path) -> None:
    records = list(kk.measure(photographs))
    assert [Path(r.path).name for r in records] == sorted(p.name for p in photographs.iterdir())
    for record in records[:6]:
        assert record.error is None
        for name, value in record.scores.items():
            expected = kk.quality(record.path, name).value
            assert value == pytest.approx(expected, rel=1e-5, abs=1e-7, nan_ok=True), (record.path, name)


def test_row_has_the_columns_of_the_design(photographs: Path) -> None:
    row = next(kk.measure(photographs, FAST)).to_row()
    assert tuple(row) == (*COLUMNS, *FAST)
    assert row["width"], row["height"] == (240, 200)
    assert row["channels"] == 3 and row["bit_depth"] == 8 and row["sigma"] is None
    assert row["version"] == kk.__version__
    with_weights = next(kk.measure(photographs, "niqe"))
    assert with_weights.version.startswith(f"{kk.__version__}+w.") and len(with_weights.version.split(".")[-1]) == 8


def test_sigma_is_that_of_the_one_estimate(photographs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The columns of sigma, the metric's own column and the report come from one run of the network a picture."""
    files = sorted(photographs.iterdir())[:6]
    expected = [kk.blur(file) for file in files]
    count: list[int] = []
    plain = BlurEstimator.estimate

    def counted(self: BlurEstimator, *args: Any, **options: Any) -> kk.Blur:
        count.append(1)
        return plain(self, *args, **options)

    monkeypatch.setattr(BlurEstimator, "estimate", counted)
    measured = Worker(Settings(metrics=("tenengrad", "kukkiri-blur")), thumbnails=True).measure(files)
    assert len(count) == len(files)
    for one, blur in zip(measured, expected, strict=True):
        row = one.record.to_row()
        wanted = [math.nan if v is None else v for v in (row["sigma"], row["sigma_lo"], row["sigma_hi"])]
        assert wanted == pytest.approx([blur.sigma, *blur.interval], rel=1e-5, nan_ok=True)
        assert row["kukkiri-blur"] == row["sigma"] and row["error"] is None
        assert one.blur and one.blur.figures["bound"] == blur.bound and (one.blur.map is None) == bool(blur.abstained)
        assert row["sigma_note"] == note_of(blur)
    assert any(math.isfinite(blur.sigma) for blur in expected)


def test_a_picture_without_evidence_is_no_failure(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).normal(128, 12, (96, 128)).clip(0, 255).astype(np.uint8)
    pictures = {
        "flat": np.full((96, 128), 90, np.uint8),
        "noise": noise,
        "saturated": np.full((96, 128), 255, np.uint8),
    }
    for name, array in pictures.items():
        Pillow.fromarray(array).save(tmp_path / f"{name}.png")
    metrics = ("kukkiri-blur", "tenengrad")
    for record, reason in zip(kk.measure(tmp_path, metrics), ("flat: ", "no evidence: ", "saturated: "), strict=True):
        row = record.to_row()
        assert tuple(row) == (*COLUMNS, *metrics, "sigma_note") == columns(metrics)
        assert row["error"] is row["sigma"] is row["sigma_lo"] is row["sigma_hi"] is row["kukkiri-blur"] is None
        assert row["sigma_note"].startswith(f"abstained: {reason}")


def test_workers_do_not_change_the_numbers(photographs: Path) -> None:
    one = [r.to_row() for r in kk.measure(photographs, workers=1)]
    assert one == [r.to_row() for r in kk.measure(photographs, workers=3)]
    assert one == [r.to_row() for r in kk.measure(photographs)]


def test_one_row_a_plane(tmp_path: Path) -> None:
    planes = np.random.default_rng(0).integers(0, 65535, (5, 40, 60), np.uint16)
    tifffile.imwrite(tmp_path / "stack.tif", planes, photometric="minisblack")
    records = list(kk.measure(tmp_path, FAST))
    assert [r.plane for r in records] == list(range(5))
    assert {(r.channels, r.bit_depth, r.width, r.height) for r in records} == {(1, 16, 60, 40)}
    for record, plane in zip(records, planes):
        assert record.mean == pytest.approx(plane.mean() / 65535, rel=1e-5)


def test_a_failure_is_one_row_and_stops_nothing(photographs: Path, tmp_path: Path) -> None:
    for name in ("a.png", "c.png"):
        shutil.copy(photographs / "00.png", tmp_path / name)
    (tmp_path / "b.png").write_bytes(b"\x89PNG\r\n\x1a\n not really")
    Pillow.fromarray(np.zeros((1, 1), np.uint8)).save(tmp_path / "tiny.png")
    rows = list(kk.measure([tmp_path, tmp_path / "missing.png"], FAST))
    assert [r.error is None for r in rows] == [True, False, True, False, False]
    for record in rows:
        if record.error:
            assert "expected" in record.error and ", got " in record.error and "\n" not in record.error
    assert rows[3].width == 1 and rows[3].mean == 0 and rows[3].scores == dict.fromkeys(FAST)


def test_a_metric_that_cannot_leaves_the_others(tmp_path: Path) -> None:
    """64×64 is too small for NIQE, 20×20 for a blur size, neither for the Laplacian."""
    Pillow.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64), np.uint8)).save(tmp_path / "small.png")
    (record,) = kk.measure(tmp_path, ("laplacian-variance", "niqe"))
    assert record.scores["laplacian-variance"] and record.scores["niqe"] is None
    assert record.error and record.error.startswith("niqe: expected")
    Pillow.fromarray(np.random.default_rng(0).integers(0, 255, (20, 20), np.uint8)).save(tmp_path / "small.png")
    (record,) = kk.measure(tmp_path, ("kukkiri-blur", "laplacian-variance"))
    assert record.scores["laplacian-variance"] and record.scores["kukkiri-blur"] is record.sigma is None
    assert record.error and record.error.startswith("kukkiri-blur: expected at least 32×32") and record.sigma_note == ""


def test_region_and_mask(photographs: Path, tmp_path: Path) -> None:
    picture = photographs / "00.png"
    array = np.asarray(Pillow.open(picture))
    height, width = array.shape[:2]
    (record,) = kk.measure(picture, FAST, roi=parse_roi("10,20,100,80"))
    assert record.scores["tenengrad"] == pytest.approx(kk.quality(array[20:100, 10:110], "tenengrad").value)
    assert record.masked == "outside 100×80 at 10,20" and record.width == width
    mask = np.zeros((height, width), np.uint8)
    mask[-50:] = 255
    Pillow.fromarray(mask).save(tmp_path / "mask.png")
    (record,) = kk.measure(picture, FAST, mask=tmp_path / "mask.png")
    assert record.scores["tenengrad"] == pytest.approx(kk.quality(array[:-50], "tenengrad").value)
    assert record.mean == pytest.approx(kk.metrics and float(kk.load(picture).pixels[:, :-50].mean()), rel=0.1)
    assert "mask.png" in record.masked
    (record,) = kk.measure(picture, FAST, roi=Box(0, 0, 5000, 10))
    assert record.error and "a region inside" in record.error


def test_tile_by_tile_equals_whole(photographs: Path) -> None:
    whole = [r.to_row() for r in kk.measure(photographs, (*FAST, "cpbd"))]
    tiled = [r.to_row() for r in kk.measure(photographs, (*FAST, "cpbd"), whole_limit=1000)]
    for a, b in zip(whole, tiled):
        assert a["error"] is None and b["error"] is None
        for name in ("mean", "contrast", "clipped_low", "clipped_high", "noise", *FAST, "cpbd"):
            assert b[name] == pytest.approx(a[name], rel=1e-4, abs=1e-6), name
    blurs = [
        list(kk.measure(sorted(photographs.iterdir())[:4], "kukkiri-blur", whole_limit=n)) for n in (1000, 1 << 26)
    ]
    assert [r.to_row() for r in blurs[0]] == [r.to_row() for r in blurs[1]]
    (record,) = kk.measure(photographs / "00.png", ("niqe", "tenengrad"), whole_limit=1000)
    assert record.error and "tileable" in record.error and record.scores["tenengrad"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"metrics": "niqee"}, "did you mean niqe"),
        ({"metrics": "psnr"}, "kukkiri compare"),
        ({"engine": "spark"}, "one of the engines local"),
        ({"workers": 0}, "at least one worker"),
    ],
)
def test_wrong_use_is_explained_at_once(photographs: Path, options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        kk.measure(photographs, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["", "1,2,3", "a,b,c,d", "-1,0,5,5", "0,0,0,5", "0,0,5,5,5"])
def test_a_wrong_region_is_explained(text: str) -> None:
    with pytest.raises(InputError, match="X,Y,WIDTH,HEIGHT"):
        parse_roi(text)


def test_missing_values_are_none_in_a_row() -> None:
    assert kk.Record("a", noise=math.nan, scores={"cpbd": math.nan}).to_row()["cpbd"] is None


@pytest.mark.parametrize("roi", [None, Box(10, 20, 480, 400)])
def test_tile_by_tile_finds_the_info_bar_too(tmp_path: Path, roi: Box | None) -> None:
    from kukkiri.inspection.demo import make_pictures

    bar = next(p for p in make_pictures(tmp_path) if p.name == "sem-like-gravel-out-of-focus.tif")
    found = [Worker(Settings((*FAST, "kukkiri-blur"), roi, whole_limit=n), thumbnails=True) for n in (1 << 26, 1000)]
    (one,), (other,) = (worker.measure([bar]) for worker in found)
    whole, tiled = one.record, other.record
    assert "info-bar" in whole.masked and "info-bar" in tiled.masked
    assert whole.sigma == tiled.sigma and whole.sigma_hi == tiled.sigma_hi and one.blur == other.blur
    for name in FAST:
        assert tiled.scores[name] == pytest.approx(whole.scores[name], rel=0.02)


@pytest.mark.parametrize(
    "options",
    [{"device": "nonsense"}, {"device": "cuda:99"}, {"mask": "nowhere.png"}, {"whole_limit": -3}, {"metrics": []}],
)
def test_wrong_options_are_explained_at_once(photographs: Path, options: dict[str, object]) -> None:
    with pytest.raises(InputError, match="expected .*, got .*; "):
        kk.measure(photographs, **options)  # type: ignore[arg-type]


def test_arrays_are_sent_elsewhere() -> None:
    with pytest.raises(InputError, match="kk.quality"):
        kk.measure([np.zeros((8, 8))])  # type: ignore[list-item]
