"""Focus series: on curves that are known, through blurs that are made up; and once with the shipped weights."""

import json
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from skimage import data

import kukkiri as kk
from blurs import InTurn, made_blur
from kukkiri.errors import InputError, ShapeError
from kukkiri.images.writing import save
from kukkiri.sharpness.blur import Blur
from kukkiri.sharpness.figures import write_figure
from kukkiri.sharpness.focus_fit import fit_optimum, valleys
from kukkiri.sharpness.focus_series import FocusSeries, series_of

Z = np.arange(15.0)


def hyperbola(z: NDArray[np.float64], z0: float, floor: float = 0.8, slope: float = 0.6) -> NDArray[np.float64]:
    return np.hypot(floor, slope * (z - z0))


def blurs(sigma: Sequence[float] | NDArray[np.float64], error: float = 0.05) -> list[Blur]:
    return [made_blur(float(s), error) for s in sigma]


@pytest.mark.parametrize("z0", [4.0, 5.3, 8.5])
def test_optimum_between_the_frames(z0: float) -> None:
    found = series_of(blurs(hyperbola(Z, z0)), Z * 0.25, unit="µm")
    assert found.verdict == "single-peaked"
    assert found.optimum == pytest.approx(z0 / 4, abs=2e-3)
    lo, hi = found.optimum_interval
    assert lo < z0 / 4 < hi < lo + 0.25
    assert found.best in (math.floor(z0), math.ceil(z0))
    assert "µm" in found.statement and "single-peaked" in found.statement
    assert found.fit is not None and found.fit.floor == pytest.approx(0.8, rel=0.01)
    assert found.fit.slope == pytest.approx(0.6 * 4, rel=0.01)


@pytest.mark.parametrize(
    ("sigma", "verdict", "word"),
    [
        (hyperbola(Z, -3), "at the start", "below frame 0"),
        (hyperbola(Z, 20), "at the end", "above frame 14"),
        (np.full(15, 1.3), "indeterminate", "flat"),
        (np.minimum(hyperbola(Z, 3), hyperbola(Z, 11, 1.2)), "several minima", "2 minima"),
        ([1.2, 1.0], "indeterminate", "takes three"),
        (hyperbola(Z, 0.6), "single-peaked", "optimum at frame 0.6"),
    ],
)
def test_verdict_says_what_the_curve_shows(sigma: NDArray[np.float64], verdict: str, word: str) -> None:
    found = series_of(blurs(sigma))
    assert found.verdict == verdict
    assert word in found.statement
    assert math.isnan(found.optimum) == (verdict != "single-peaked")


def test_minima_are_named_and_the_deepest_is_best() -> None:
    found = series_of(blurs(np.minimum(hyperbola(Z, 3), hyperbola(Z, 11, 1.2))))
    assert found.minima == (3, 11) and found.best == 3


def test_a_dip_within_the_errors_is_no_minimum() -> None:
    sigma = hyperbola(Z, 7)
    sigma[3] *= 1.08  # more blurred than its neighbours by less than they scatter
    sigma *= np.exp(0.03 * np.random.default_rng(3).standard_normal(15))
    assert series_of(blurs(sigma)).verdict == "single-peaked"


def test_frames_out_of_range_or_without_an_answer_count_as_blurrier() -> None:
    frames = blurs(hyperbola(Z, 5.3))
    frames[12] = frames[14] = made_blur(bound="above")
    frames[13] = frames[0] = made_blur(abstained="no evidence")
    found = series_of(frames)
    assert found.verdict == "single-peaked" and found.best == 5
    assert found.optimum == pytest.approx(5.3, abs=0.05)
    assert "4 frames without a blur size in range" in found.statement
    # They alone make the rise on either side.
    middle = [made_blur(abstained="no evidence"), *blurs([1.0, 0.8, 1.0]), made_blur(bound="above")]
    assert series_of(middle).verdict == "single-peaked" and series_of(middle).best == 2


def test_a_frame_without_an_answer_parts_no_minima_but_one_out_of_range_does() -> None:
    frames = blurs(hyperbola(Z, 7))
    frames[5] = made_blur(abstained="flat: the shutter was closed")
    assert series_of(frames).verdict == "single-peaked"
    frames[5] = made_blur(bound="above")
    assert series_of(frames).verdict == "several minima"


def test_no_answer_at_all() -> None:
    found = series_of([made_blur(abstained="no evidence")] * 5)
    assert found.verdict == "indeterminate" and found.best is None and math.isnan(found.optimum)


def test_of_frames_sharper_than_can_be_told_the_middle_one_is_best() -> None:
    sigma = hyperbola(Z, 7, floor=0.1, slope=0.25)
    frames = [made_blur(float(s)) if s > 0.4 else made_blur(bound="below") for s in sigma]
    found = series_of(frames)
    assert found.best == 7 and found.verdict == "single-peaked"
    assert found.optimum == pytest.approx(7, abs=0.15)
    assert "< 0.35" in found.statement


def test_order_of_the_frames_does_not_matter() -> None:
    sigma, shuffled = hyperbola(Z, 5.3), np.random.default_rng(0).permutation(15)
    straight, mixed = series_of(blurs(sigma), Z), series_of(blurs(sigma[shuffled]), Z[shuffled])
    assert mixed.optimum == pytest.approx(straight.optimum)
    assert mixed.best is not None and shuffled[mixed.best] == straight.best
    backwards = series_of(blurs(sigma), -Z)
    assert backwards.optimum == pytest.approx(-straight.optimum, abs=1e-3) and backwards.best == straight.best


@pytest.mark.parametrize(("error", "scatter"), [(0.05, 0.05), (0.05, 0.01)])
def test_interval_of_the_optimum_holds_it(error: float, scatter: float) -> None:
    """90 % promised; errors common to all frames, which do not move the optimum, may make it too wide."""
    random = np.random.default_rng(7)
    held = []
    for _ in range(40):
        z0 = 5 + 4 * random.random()
        sigma = hyperbola(Z, z0) * np.exp(scatter * random.standard_normal(15) + error * random.standard_normal())
        lo, hi = series_of(blurs(sigma, error), Z).optimum_interval
        held.append(lo <= z0 <= hi)
    assert np.mean(held) >= 0.8


@pytest.mark.parametrize("spacing", [0.3, 0.6])
def test_asymmetric_curve_takes_a_local_parabola(spacing: float) -> None:
    z = np.arange(-4, 4.01, spacing)
    sigma = np.hypot(0.8, np.where(z < 0.2, 1.1, 0.35) * (z - 0.2))
    found = series_of(blurs(sigma), z)
    assert found.fit is not None and found.fit.model == "parabola"
    assert found.optimum_interval[0] < 0.2 < found.optimum_interval[1]


def test_one_wild_frame_does_not_move_the_optimum() -> None:
    sigma = hyperbola(Z, 7.4)
    sigma[9] *= 1.6
    found = fit_optimum(Z, np.log(sigma), np.full(15, 0.05), np.zeros(15, bool))
    assert found is not None and found.position == pytest.approx(7.4, abs=0.1)


def test_smooth_curve_is_judged_by_its_scatter_not_by_wide_intervals() -> None:
    """An error of 60 % that all frames share does not hide which of them is sharper; three frames alone cannot tell."""
    assert series_of(blurs(hyperbola(Z, 7), error=0.6)).verdict == "single-peaked"
    assert series_of(blurs([2.0, 1.0, 2.0], error=0.6)).verdict == "indeterminate"


def test_valleys_by_hand() -> None:
    low, high = np.array([3.0, 1.0, 2.5, 0.5, 4.0]), np.array([3.2, 1.2, 2.7, 0.7, 4.2])
    assert valleys(low, high) == [(0, 2), (3, 4)]
    assert valleys(low - 2, high + 2) == [(0, 4)]
    assert fit_optimum(np.array([1.0, 1.0, 1.0]), np.zeros(3), np.ones(3), np.zeros(3, bool)) is None


def test_row_is_json_and_figure_is_drawn(tmp_path: Path) -> None:
    frames = [made_blur(abstained="no evidence"), *blurs(hyperbola(Z, 7)), made_blur(bound="above")]
    found = series_of(frames, unit="mm", positions=[v / 10 for v in range(17)])
    row = json.loads(json.dumps(found.to_row(), allow_nan=False))
    assert row["verdict"] == "single-peaked" and row["sigma"][0] is None and row["sigma_hi"][-1] == "Infinity"
    assert row["best_position"] == pytest.approx(0.8)
    write_figure(found.figure(), tmp_path / "curve.png")
    write_figure(series_of(frames[:1]).figure(), tmp_path / "empty.svg")
    assert (tmp_path / "curve.png").stat().st_size > 5000
    with pytest.raises(InputError, match="suffixes"):
        write_figure(found.figure(), tmp_path / "curve.jpg")


def test_wrong_use() -> None:
    with pytest.raises(InputError, match="at least one"):
        series_of([])
    with pytest.raises(ShapeError, match="a position for each of 3"):
        series_of(blurs([1, 2, 3]), [0, 1])
    with pytest.raises(ShapeError, match="a name for each of 3"):
        series_of(blurs([1, 2, 3]), names=["a", "b"])
    with pytest.raises(InputError, match="finite"):
        series_of(blurs([1, 2, 3]), [0, 1, math.nan])


def test_frames_come_from_files_and_planes(tmp_path: Path) -> None:
    sigma, seen = hyperbola(np.arange(5.0), 2), []
    for i in range(5):
        save(np.full((40, 40), i * 10, np.uint8), tmp_path / f"f{i}.png")
    found = kk.focus_series(
        [tmp_path / f"f{i}.png" for i in range(5)],
        estimator=InTurn(blurs(sigma)),
        on_frame=lambda i, blur: seen.append((i, blur.sigma)),
    )
    assert found.names == tuple(f"f{i}.png" for i in range(5)) and "f2.png" in found.statement
    assert seen == [(i, pytest.approx(s)) for i, s in enumerate(sigma)]
    tifffile.imwrite(tmp_path / "stack.tif", np.zeros((5, 40, 40), np.uint8), photometric="minisblack")
    planes: FocusSeries = kk.focus_series(tmp_path / "stack.tif", estimator=InTurn(blurs(sigma)))
    assert len(planes.sigma) == 5 and planes.best == 2 and planes.names[2] == "stack.tif [2]"
    # In a list too: its first plane alone would be taken for the frame.
    listed = kk.focus_series([tmp_path / "stack.tif", tmp_path / "f0.png"], estimator=InTurn(blurs([*sigma, 3.0])))
    assert listed.names == (*planes.names, "f0.png") and listed.best == 2


def test_counts_are_checked_before_anything_is_measured(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "stack.tif", np.zeros((5, 40, 40), np.uint8), photometric="minisblack")
    arrays = [np.zeros((40, 40))] * 3
    for options, said in (
        ({"positions": [0, 1, 2, 3]}, "a position for each of 5 frames, got 4"),
        ({"names": ["a", "b"]}, "a name for each of 5 frames, got 2"),
        ({"positions": range(6)}, "got 6"),
        ({"positions": [0, 1, math.nan, 3, 4]}, r"finite positions, got \[0.0, 1.0, nan"),
    ):
        with pytest.raises(InputError, match=said):
            kk.focus_series(tmp_path / "stack.tif", estimator=InTurn([]), **options)
    with pytest.raises(ShapeError, match="a name for each of 3 frames, got 0"):
        kk.focus_series(arrays, names=[], estimator=InTurn([]))
    # An iterator is stopped at the first frame too many.
    with pytest.raises(ShapeError, match="each of 3 or more frames, got 2"):
        kk.focus_series(iter(arrays), [0, 1], estimator=InTurn(blurs([1, 2])))
    with pytest.raises(ShapeError, match="each of 3 frames, got 4"):
        kk.focus_series(iter(arrays), range(4), estimator=InTurn(blurs([1, 2, 3])))
    with pytest.raises(InputError, match="expected several pictures, got one array of shape"):
        kk.focus_series(np.zeros((64, 64, 3)), estimator=InTurn([]))


def test_shipped_estimator_prefers_the_sharper_frames() -> None:
    sharp = data.brick()[:192, :192] / 255.0
    frames = [gaussian_filter(sharp, s).astype(np.float32) for s in (5, 2.5, 1.2, 2.5, 5)]
    found = kk.focus_series(frames)
    assert found.best == 2 and found.verdict != "several minima"
    assert found.sigma[0] > found.sigma[1] > found.sigma[2] < found.sigma[3] < found.sigma[4]
