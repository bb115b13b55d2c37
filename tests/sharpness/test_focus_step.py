"""Two pictures a focus step apart: against the algebra, through blurs that are made up."""

import json
import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from skimage import data

import kukkiri as kk
from blurs import InTurn, made_blur
from kukkiri.errors import InputError
from kukkiri.sharpness.blur import Blur
from kukkiri.sharpness.focus_posterior import Readings, candidates, sample
from kukkiri.sharpness.focus_step import FocusStep, step_of


def at(z: float, focus: float, apart: float, angle: float, slope: float, baseline: float, error: float = 0.03) -> Blur:
    """The blur of a picture at z: variances along and across the axis, from the two line foci."""
    along = baseline**2 + slope**2 * (z - focus - apart / 2) ** 2
    across = baseline**2 + slope**2 * (z - focus + apart / 2) ** 2
    major = angle if along >= across else angle + math.pi / 2
    wrapped = (major + math.pi / 2) % math.pi - math.pi / 2
    ratio = math.sqrt(max(along, across) / min(along, across))
    return made_blur(math.sqrt((along + across) / 2), error, ratio=ratio, angle=wrapped)


def pair(
    focus: float, apart: float = 0.0, angle: float = 0.0, *, slope: float = 2.0, baseline: float = 0.8, h: float = 1.0
) -> tuple[Blur, Blur, float]:
    """Two pictures, and the step between them: the arguments of `step_of`."""
    a, b = (at(z, focus, apart, angle, slope, baseline) for z in (0.0, h))
    return a, b, h


def width(found: FocusStep) -> float:
    return found.interval[1] - found.interval[0]


@pytest.mark.parametrize("focus", [-1.5, 0.0, 0.4, 1.0, 2.5])
def test_known_slope_gives_the_one_answer(focus: float) -> None:
    """m = h/2 + (A² − B²) / (2 k² h), whatever the baseline."""
    found = step_of(*pair(focus, slope=2.0), slope=2.0)
    by_hand = 0.5 + (found.sigma_a**2 - found.sigma_b**2) / (2 * 2.0**2)
    assert by_hand == pytest.approx(focus)
    assert not found.ambiguous
    assert found.interval[0] <= focus <= found.interval[1]
    assert found.distance == pytest.approx(focus, abs=0.1)


@pytest.mark.parametrize("focus", [-2.0, 0.4, 2.5])
def test_unknown_slope_leaves_the_two_solutions_of_the_algebra(focus: float) -> None:
    """h A/(A + B) and h A/(A − B), about equally likely."""
    found = step_of(*pair(focus, baseline=0.8), baseline=0.8)
    a, b = (math.sqrt(s**2 - 0.8**2) for s in (found.sigma_a, found.sigma_b))
    assert found.ambiguous and len(found.candidates) == 2
    assert all(0.2 < c.weight < 0.8 for c in found.candidates)
    near, far = sorted(found.candidates, key=lambda c: abs(c.distance - 0.5))
    for candidate, by_hand in ((near, a / (a + b)), (far, a / (a - b))):
        assert candidate.interval[0] < by_hand < candidate.interval[1]
        assert candidate.distance == pytest.approx(by_hand, rel=0.05)
    assert near.slope == pytest.approx(a + b, rel=0.05) and far.slope == pytest.approx(abs(a - b), rel=0.1)
    assert "ambiguous" in found.statement and f"third picture at {near.distance:+.3g}" in found.statement


def test_the_more_is_known_the_surer() -> None:
    nothing, slope, both = (step_of(*pair(2.5), **known) for known in
                            ({}, {"slope": 2.0}, {"slope": 2.0, "baseline": 0.8}))  # fmt: skip
    assert width(both) < 0.5 * width(slope) < 0.25 * width(nothing)
    assert both.distance == pytest.approx(2.5, abs=0.03)
    assert nothing.interval[0] < 2.5 < nothing.interval[1] or nothing.ambiguous


def test_slope_within_an_interval() -> None:
    found = step_of(*pair(-1.5), slope=(1.5, 2.7))
    assert found.interval[0] < -1.5 < found.interval[1] and found.towards_b < 0.02
    assert "away from b" in found.statement


@pytest.mark.parametrize(
    ("focus", "apart", "slope", "where"), [(0.4, 0.5, 4.0, "between a and b"), (2.0, 0.8, 2.0, "beyond b")]
)
def test_astigmatism_tells_the_way_without_slope_or_baseline(
    focus: float, apart: float, slope: float, where: str
) -> None:
    """The long axis turns by 90° between the pictures if focus lies there, and else does not."""
    found = step_of(*pair(focus, apart, 0.5, slope=slope))
    assert not found.ambiguous and where in found.statement
    best = found.candidates[0]
    assert best.interval[0] < focus < best.interval[1]
    assert best.astigmatic and "astigmatism" in found.statement
    assert best.astigmatism_interval[0] < apart < best.astigmatism_interval[1]
    assert best.angle == pytest.approx(0.5, abs=0.1)


def test_round_spots_prove_no_astigmatism() -> None:
    found = step_of(*pair(2.5), slope=2.0)
    assert not found.candidates[0].astigmatic and "no astigmatism is proven" in found.statement


@pytest.mark.parametrize("angle", [-1.2, 0.3])
def test_angle_is_that_of_the_axis_that_focuses_later(angle: float) -> None:
    """Before both line foci, the spot is longest along the axis whose focus is the farther one."""
    a, b, h = pair(2, 0.8, angle)
    assert a.angle == pytest.approx(angle)
    assert step_of(a, b, h, slope=2.0).candidates[0].angle == pytest.approx(angle, abs=0.1)


def test_distances_are_in_the_unit_of_the_step_and_have_its_sign() -> None:
    a, b, _ = pair(2, 0.8, 0.5)
    micrometres, nanometres = step_of(a, b, 1.0, slope=2.0), step_of(a, b, 1000.0, slope=0.002)
    assert nanometres.distance == pytest.approx(1000 * micrometres.distance)
    assert nanometres.candidates[0].astigmatism == pytest.approx(1000 * micrometres.candidates[0].astigmatism)
    assert nanometres.candidates[0].slope == pytest.approx(micrometres.candidates[0].slope / 1000)
    # b on the other side of a: signs and the axis stay those of the scale.
    mirrored = step_of(*pair(-2, 0.8, 0.5, h=-1.0), slope=2.0)
    assert mirrored.distance == pytest.approx(-2, abs=0.1) and mirrored.towards_b > 0.98
    assert mirrored.candidates[0].angle == pytest.approx(0.5, abs=0.1)


def test_seeds() -> None:
    first, again, other = (step_of(*pair(2.0), slope=2.0, seed=s) for s in (0, 0, 1))
    assert first == again
    assert other.distance == pytest.approx(first.distance, abs=0.05)


@pytest.mark.parametrize("known", [{"slope": True}, {"slope": True, "baseline": True}])
def test_intervals_hold_the_truth(known: dict[str, bool]) -> None:
    """Of 20 pairs with noise as the intervals promise; 90 % promised."""
    random = np.random.default_rng(11)
    held = []
    for seed in range(20):
        focus, slope, baseline = random.uniform(-2, 3), random.uniform(1, 3), random.uniform(0.5, 1)
        noisy = []
        for z in (0.0, 1.0):
            true = at(z, focus, 0, 0, slope, baseline)
            x, y = 0.075 * random.standard_normal(2)
            stretch = math.hypot(x, y)
            noisy.append(
                made_blur(
                    true.sigma * math.exp(0.04 * random.standard_normal()), 0.04,
                    ratio=math.sqrt((1 + stretch) / (1 - stretch)), angle=math.atan2(y, x) / 2,
                )
            )  # fmt: skip
        base = (baseline * 0.98, baseline * 1.02) if "baseline" in known else None
        drawn = sample(Readings.of(*noisy, 0.075), base, (slope * 0.98, slope * 1.02), seed, count=1000)
        found = candidates(drawn, 1.0)
        held.append(any(c.interval[0] <= focus <= c.interval[1] for c in found))
    assert np.mean(held) >= 0.8


def test_one_picture_out_of_range_still_shows_the_way() -> None:
    found = step_of(made_blur(bound="above"), made_blur(2.0), 1.0, baseline=0.8)
    assert found.abstained is None and found.towards_b > 0.95 and found.interval[0] > 0.5
    sharp = step_of(made_blur(4.0), made_blur(bound="below"), 1.0)
    assert sharp.interval[0] < 1 < sharp.interval[1]


def test_no_answer_has_a_reason() -> None:
    silent = step_of(made_blur(1.0), made_blur(abstained="flat: all pixels have one value"), 1.0)
    assert silent.abstained == "picture b gives no blur size: flat: all pixels have one value"
    assert math.isnan(silent.distance) and silent.candidates == ()
    both = step_of(made_blur(bound="above"), made_blur(bound="above"), 1.0)
    assert both.abstained is not None and "more blurred than can be told" in both.statement
    assert json.loads(json.dumps(both.to_row(), allow_nan=False))["distance"] is None


def test_row_is_json() -> None:
    row = json.loads(json.dumps(step_of(*pair(0.4), baseline=0.8).to_row(), allow_nan=False))
    assert row["step"] == 1 and row["ambiguous"] in (True, False)
    assert row["distance_lo"] < row["distance"] < row["distance_hi"]
    assert {"weight", "distance", "interval", "astigmatism"} <= set(row["candidates"][0])


def test_calibration_as_baseline() -> None:
    calibration: Any = SimpleNamespace(interval=(0.7, 0.9))
    assert step_of(*pair(2.5), baseline=calibration) == step_of(*pair(2.5), baseline=(0.7, 0.9))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"step": 0.0}, "not 0"),
        ({"step": math.nan}, "not 0"),
        ({"step": 1.0, "slope": -1.0}, "positive slope"),
        ({"step": 1.0, "baseline": (0.0, 1.0)}, "positive baseline"),
        ({"step": 1.0, "anisotropy_error": 0.0}, "anisotropy_error"),
    ],
)
def test_wrong_use(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        step_of(made_blur(1), made_blur(2), **arguments)


def test_pictures_go_through_the_estimator() -> None:
    flat = np.zeros((40, 40), np.uint8)
    found = kk.focus_step(flat, flat, 2.0, slope=1.0, estimator=InTurn([made_blur(3.0), made_blur(1.5)]))
    assert (found.sigma_a, found.sigma_b) == (3.0, 1.5) and found.step == 2.0
    by_hand = 1 + (3.0**2 - 1.5**2) / (2 * 2.0)
    assert found.interval[0] < by_hand < found.interval[1]


def test_shipped_estimator() -> None:
    picture = data.brick()[:128, :128]
    found = kk.focus_step(picture, np.full_like(picture, 90), 1.0)
    assert found.abstained is not None and "flat" in found.abstained
