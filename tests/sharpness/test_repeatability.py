"""The statistics of a calibration, by hand and by simulation with known truth."""

import math

import numpy as np
import pytest

from kukkiri.sharpness import repeatability as module
from kukkiri.sharpness.repeatability import outliers, repeatability, spatial_median


def test_one_picture_a_field_by_hand() -> None:
    """Values 1, 2, 3, 4: mean 2.5, s² = 5/3, t(0.975, 3) = 3.18245, t(0.95, 3) = 2.35336."""
    found = repeatability([1.0, 2.0, 3.0, 4.0])
    assert found is not None and found.between == "fields" and found.within is None
    assert found.centre == 2.5
    assert found.deviation == pytest.approx(math.sqrt(5 / 3))
    assert found.smallest_change == pytest.approx(3.182446 * math.sqrt(5 / 3) * math.sqrt(1.25), rel=1e-6)
    assert found.half_width == pytest.approx(2.353363 * math.sqrt(5 / 3) / 2, rel=1e-6)


def test_one_field_is_the_same_formula_and_says_so() -> None:
    one, many = repeatability([1.0, 2.0, 3.0, 4.0], ["a"] * 4), repeatability([1.0, 2.0, 3.0, 4.0])
    assert one is not None and many is not None
    assert one.between == "pictures of one field" and one.within == pytest.approx(one.deviation)
    assert (one.smallest_change, one.half_width) == pytest.approx((many.smallest_change, many.half_width))


def test_two_pictures_a_field_by_hand() -> None:
    """Fields (1, 3), (4, 6), (7, 9): means 2, 5, 8 with variance 9; within fields 2, of which means hide a half."""
    found = repeatability([1.0, 3, 4, 6, 7, 9], list("aabbcc"))
    assert found is not None and found.between == "fields"
    assert found.centre == 5 and found.within == pytest.approx(math.sqrt(2))
    assert found.deviation == pytest.approx(math.sqrt(9 + 1))
    freedom = (12 + 1) ** 2 / (12**2 / 2 + 1**2 / 3)
    assert found.smallest_change == pytest.approx(module.student(0.975, freedom) * math.sqrt(13))


def test_fewer_than_three_tell_nothing() -> None:
    assert repeatability([1.0, 2.0]) is None and repeatability([]) is None


@pytest.mark.parametrize(
    ("sizes", "between", "within"),
    [
        ([1] * 3, 0.03, 0.01),
        ([1] * 10, 0.03, 0.0),
        ([5], 0.0, 0.03),
        ([3] * 4, 0.01, 0.03),
        ([1, 3, 5, 1, 3], 0.02, 0.02),
    ],
)
def test_one_new_picture_in_twenty_passes_the_smallest_change(sizes: list[int], between: float, within: float) -> None:
    """The unchanged instrument: 5 % beyond either limit, 2.5 % above; 90 % of the intervals hold the true mean."""
    random = np.random.default_rng(7)
    labels = [i for i, size in enumerate(sizes) for _ in range(size)]
    outside = above = held = 0
    runs = 2500
    for _ in range(runs):
        values = 1 + random.normal(0, between, len(sizes))[labels] * (len(sizes) > 1)
        found = repeatability(values + random.normal(0, within, len(labels)), labels)
        assert found is not None
        new = 1 + random.normal(0, math.hypot(within, between if len(sizes) > 1 else 0)) - found.centre
        outside += abs(new) > found.smallest_change
        above += new > found.smallest_change
        held += abs(found.centre - 1) < found.half_width
    assert outside / runs == pytest.approx(0.05, abs=0.015)
    assert above / runs == pytest.approx(0.025, abs=0.01)
    assert held / runs == pytest.approx(0.9, abs=0.025)


def test_outliers_of_rosners_example(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rosner (1983): at 5 %, these 54 values hold three outliers, though the first two tests alone find none."""
    values = (
        "-0.25 0.68 0.94 1.15 1.20 1.26 1.26 1.34 1.38 1.43 1.49 1.49 1.55 1.56 1.58 1.65 1.69 1.70 1.76 1.77 1.81 "
        "1.91 1.94 1.96 1.99 2.06 2.09 2.10 2.14 2.15 2.23 2.24 2.26 2.35 2.37 2.40 2.47 2.54 2.62 2.64 2.90 2.92 "
        "2.92 2.93 3.21 3.26 3.30 3.59 3.68 4.30 4.64 5.34 5.42 6.01"
    )
    x = [float(v) for v in values.split()]
    monkeypatch.setattr(module, "OUTLIER_LEVEL", 0.05)
    assert outliers(x) == [51, 52, 53]
    monkeypatch.setattr(module, "OUTLIER_LEVEL", 0.01)
    assert outliers(x) == []


def test_sets_without_outliers_lose_one_in_a_hundred() -> None:
    random = np.random.default_rng(0)
    lost = sum(bool(outliers(random.normal(1, 0.05, 8))) for _ in range(1500))
    assert 0.003 < lost / 1500 < 0.02


def test_outliers_that_hide_each_other_are_found() -> None:
    assert outliers([0.80, 0.82, 0.79, 0.81, 0.83, 0.80, 0.78, 0.81, 2.0, 2.1]) == [8, 9]
    assert outliers([0.80, 0.82, 2.0, 0.79]) == []  # too few to judge
    assert outliers([0.8] * 6) == []


def test_fields_that_differ_are_no_outliers_but_a_slipped_picture_is() -> None:
    random = np.random.default_rng(1)
    values = np.concatenate([level + random.normal(0, 0.004, 3) for level in (0.8, 0.81, 0.82, 1.1)])
    labels = [i // 3 for i in range(12)]
    assert outliers(values, labels) == []
    values[4] += 0.3
    assert outliers(values, labels) == [4]
    strange = np.concatenate([level + random.normal(0, 0.004, 2) for level in (0.8, 0.81, 0.82, 0.8, 0.81, 0.79, 2.0)])
    assert outliers(strange, [i // 2 for i in range(14)]) == [12, 13]


def test_spatial_median_turns_with_its_points_and_shrugs_off_a_few() -> None:
    points = np.random.default_rng(0).normal([3, 1], 1, (31, 2))
    turn = np.array([[0.6, -0.8], [0.8, 0.6]])
    np.testing.assert_allclose(spatial_median(points @ turn.T), turn @ spatial_median(points), atol=1e-6)
    far = np.concatenate([points, np.full((8, 2), 1e6)])
    assert np.linalg.norm(spatial_median(far) - spatial_median(points)) < 0.5
    np.testing.assert_allclose(spatial_median(np.array([[1.0, 2.0]])), [1, 2])
