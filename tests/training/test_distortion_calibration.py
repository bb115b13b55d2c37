import json
import tomllib
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from kukkiri.optics.distort import KINDS, Ladder
from kukkiri.training.distortion_calibration import GRID, TARGETS, Measured, badness_of, calibrated, on_grid, write
from kukkiri.training.teachers import TEACHERS

BLUR = KINDS["gaussian-blur"]
LEVELS = GRID


def ladder(*values, name="sigma", identity=0.0, whole=False):
    first = BLUR.ladder.parameters[0]
    return Ladder((replace(first, name=name, values=values, identity=identity, whole=whole, scale="linear"),))


OLD = ladder(2.0, 4.0, 6.0, 8.0, 10.0)


def test_levels_are_where_the_badness_is_wanted():
    """Badness 10 a unit of the parameter: 1.5 for the first target of 15."""
    found = calibrated(OLD, LEVELS, 20 * LEVELS)
    assert found["sigma"] == pytest.approx([t / 10 for t in TARGETS])


def test_a_mild_kind_keeps_its_proportions():
    found = calibrated(OLD, LEVELS, 8.5 * LEVELS)  # 42.5 at most: half of the last target
    assert found["sigma"] == pytest.approx([10 * t / TARGETS[-1] for t in TARGETS], rel=5e-3)


def test_badness_of_calibrated_levels_is_the_target():
    badness = 100 * (LEVELS / 5) ** 2
    reached = badness_of(calibrated(OLD, LEVELS, badness), OLD, LEVELS, badness)
    assert reached == pytest.approx(TARGETS, abs=0.5)


def test_badness_keeps_what_else_it_is_of():
    badness = np.stack([20 * LEVELS, 10 * LEVELS], 1)
    assert badness_of({"sigma": [2.0, 7.0]}, OLD, LEVELS, badness) == pytest.approx(
        np.array([[20, 10], [70, 35]]), abs=0.1
    )


def test_whole_steps_mean_all_levels_that_round_to_them():
    """Levels of 0.5 to 1.5 round to a step of 1, and so on: their mean is that of the middle."""
    steps = ladder(1.0, 2.0, 3.0, 4.0, 5.0, whole=True)
    assert badness_of({"sigma": [1.0, 3.0]}, steps, LEVELS, 20 * LEVELS) == pytest.approx([20, 60], abs=0.5)


def test_every_picture_has_levels_of_its_own():
    """Two pictures, alike but tried at other levels: one curve."""
    levels = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 5.0]])
    assert on_grid(levels, 20 * levels) == pytest.approx(20 * np.stack([GRID, GRID], 1))


def test_what_is_bad_at_once_begins_there():
    """Two pictures of a kind that is 40 bad at any strength and 80 at level 5: no level is the picture itself."""
    levels = np.array([[0.2, 0.4], [0.9, 1.2], [1.3, 1.7], [5.0, 5.0]])
    curve = on_grid(levels, 40 + 8 * levels)
    assert curve[0] == pytest.approx([40.4, 40.4], abs=0.5)
    found = calibrated(OLD, GRID, curve.mean(1))["sigma"]
    assert found[0] > 0.2 and all(b > a + 1 for a, b in pairwise(found)), found


def test_the_ladder_of_a_measurement_is_kept(tmp_path):
    """A run may go on after the ladders were replaced by calibrated ones."""
    before = Measured(OLD, np.stack([LEVELS, LEVELS], 1), np.ones((len(LEVELS), 2, len(TEACHERS))))
    before.write(tmp_path / "one.npz")
    after = Measured.read(tmp_path / "one.npz", BLUR)
    assert after.ladder.parameters[0].values == (2.0, 4.0, 6.0, 8.0, 10.0)
    assert after.ladder.parameters[0].identity == 0.0
    assert after.ladder.parameters[0].values != BLUR.ladder.parameters[0].values
    assert np.array_equal(after.distances, before.distances)


def test_what_is_written(tmp_path):
    random = np.random.default_rng(0)
    tried = np.sort(random.uniform(0.2, 5, (5, 90)), 0)
    tried[-1] = 5
    grown = tried[..., None] * (1 + 0.2 * random.random((1, 90, len(TEACHERS))))
    measured = {name: Measured(KINDS[name].ladder, tried, grown) for name in ("gaussian-blur", "white-noise")}
    write(measured, tmp_path)
    levels = tomllib.loads((tmp_path / "levels.toml").read_text())
    assert set(levels) == set(measured)
    assert levels["gaussian-blur"]["sigma"] == sorted(levels["gaussian-blur"]["sigma"])
    record = json.loads((tmp_path / "calibration.json").read_text())
    assert record["targets"] == list(TARGETS)
    assert record["pictures"] == 90
    for name in measured:
        assert record["kinds"][name]["badness"] == pytest.approx(TARGETS, abs=3)
        assert all(0 < spread < 10 for spread in record["kinds"][name]["spread"])
    assert set(tomllib.loads((tmp_path / "teachers.toml").read_text())["knots"]) == set(TEACHERS)
