"""The robustness table: what is drawn, what is measured, what is said of it, and that a stopped run goes on."""

import itertools
import json
import math
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image as Pillow
from scipy import stats
from skimage import data
from torch import Tensor
from typer.testing import CliRunner

import kukkiri as kk
from kukkiri.cli.main import app
from kukkiri.errors import InputError, WeightError
from kukkiri.evaluation import astigmatism, increment, invariances
from kukkiri.evaluation.estimates import BlurEstimator, Reading, read
from kukkiri.evaluation.journal import Journal
from kukkiri.evaluation.pictures import Picture, bundled, from_files, reduced, spread
from kukkiri.evaluation.protocol import PSFS, ROUND, SLOW, RobustnessProtocol, kernel_of
from kukkiri.evaluation.robustness import Robustness, robustness
from kukkiri.evaluation.running import Done
from kukkiri.evaluation.summary import sigma_ranges, summarised
from kukkiri.evaluation.tables import text_tables
from kukkiri.evaluation.trials import Trials
from kukkiri.metrics.spec import MetricSpec
from kukkiri.optics import psf

PATCH = 9
SPEC = MetricSpec(
    name="patch-blur",
    title="Blur of a bright square, by its moments",
    answers="sharpness",
    implementation="",
    higher_is_better=False,
    value_range=(0.0, math.inf),
    unit="px",
    min_size=16,
    differentiable=False,
    evidence="exact",
    paper="",
)


@dataclass(frozen=True)
class Estimate:
    sigma: float
    interval: tuple[float, float]
    major: float
    minor: float
    angle: float
    bound: str | None = None
    abstained: str | None = None


class PatchBlur:
    """An estimator whose answer is right: a square of 1 on 0 has a variance of (9² − 1)/12, and blur adds its own."""

    spec = SPEC

    def estimate(self, image: Tensor) -> list[Estimate]:
        return [self._one(x.mean(0).double()) for x in image]

    def __call__(self, image: Tensor) -> Tensor:
        return torch.tensor([e.sigma for e in self.estimate(image)])

    def _one(self, x: Tensor) -> Estimate:
        x = (x - x.median()).abs()
        if float(x.max()) < 0.2:
            return Estimate(math.nan, (math.nan, math.nan), math.nan, math.nan, math.nan, abstained="too dark")
        own = (PATCH**2 - 1) / 12
        major, minor, angle = (float(v) for v in psf.principal_axes(x))
        major, minor = (math.sqrt(max(v * v - own, 1e-6)) for v in (major, minor))
        sigma = math.sqrt((major**2 + minor**2) / 2)
        return Estimate(sigma, (sigma / 1.1, sigma * 1.1), major, minor, angle)


def patch(side: int = 96) -> Picture:
    x = torch.zeros(1, side, side)
    at = side // 2 - PATCH // 2
    x[:, at : at + PATCH, at : at + PATCH] = 1
    return Picture(f"patch-{side}", x)


def textures(side: int = 72) -> list[Picture]:
    return [Picture(n, getattr(data, n)()[100 : 100 + side, 100 : 100 + side]) for n in ("brick", "grass", "coins")]


FEW = RobustnessProtocol(reduce=1, sigma=(0.8, 3.0), days=("clean", "gain-0.3", "inverted", "dark"))


def by_name(result: Robustness) -> dict[str, Any]:
    return {r.spec.name: r for r in result.metrics}


# What is drawn.


def test_a_trial_is_what_it_says() -> None:
    """The truth is that of the kernel applied, the picture ends on the 8-bit grid, and the size is the cut one."""
    protocol = RobustnessProtocol(reduce=2, size=40, sigma=(1.0, 2.0))
    image = textures(160)[0].load()
    prepared = protocol.prepared(image)
    assert prepared.shape[-2:] == (40 + 2 * 12, 40 + 2 * 12)  # six sigmas more on each side
    spoilt, sigma = protocol.spoilt(prepared, "x", "disc", "noise-1")
    assert spoilt.shape[-2:] == (40, 40) and 1.0 < sigma < 2.0
    torch.testing.assert_close(spoilt * 255, (spoilt * 255).round())
    assert torch.equal(spoilt, protocol.spoilt(prepared, "x", "disc", "noise-1")[0])
    assert sigma != protocol.spoilt(prepared, "y", "disc", "noise-1")[1]


def test_real_pixels_beyond_the_cut_are_used() -> None:
    """Blurring a cut picture with its margin equals cutting the blurred whole."""
    protocol = RobustnessProtocol(reduce=1, size=48, sigma=(0.5, 2.0))
    image, kernel = Picture("grass", data.grass()).load(), psf.gaussian(2.0)
    expected = psf.blur(image, kernel)[..., 232:280, 232:280]
    torch.testing.assert_close(protocol.blurred(protocol.prepared(image), kernel), expected, atol=2e-6, rtol=0)


def test_sizes_are_log_uniform_and_never_twice() -> None:
    protocol = RobustnessProtocol(sigma=(0.55, 6.0))
    image = torch.zeros(1, 1, 8, 8)
    drawn = [protocol.spoilt(image, str(i), "disc", "clean")[1] for i in range(300)]
    assert len(set(drawn)) == 300
    assert min(drawn) > 0.549 and max(drawn) < 6.001
    uniform = (np.log(drawn) - math.log(0.55)) / math.log(6 / 0.55)
    assert stats.kstest(uniform, "uniform").pvalue > 0.01


@pytest.mark.parametrize("family", PSFS)
@pytest.mark.parametrize("sigma", [0.7, 1.1, 4.0])
def test_sampled_kernels_have_the_size_that_was_drawn(family: str, sigma: float) -> None:
    kernel = kernel_of(family, sigma, np.random.default_rng(1))
    smallest = 1.0 if family == "airy" else 0.0  # of a slow lens: no smaller one exists
    assert float(psf.sigma_of(kernel)) == pytest.approx(sigma, rel=1e-3) or sigma < smallest
    assert torch.equal(kernel, kernel_of(family, sigma, np.random.default_rng(1)))
    major, minor, _ = psf.principal_axes(kernel)
    assert (float(major / minor) < 1.001) == (family in ROUND)


def test_reducing_averages_and_pictures_are_spread() -> None:
    x = torch.arange(24.0).reshape(1, 1, 4, 6) / 24
    assert reduced(x, 2).shape == (1, 1, 2, 3) and float(reduced(x, 2)[0, 0, 0, 0]) == pytest.approx(3.5 / 24)
    assert reduced(x, 3).shape == (1, 1, 1, 2) and reduced(x, 1) is x
    with pytest.raises(InputError, match="at least 5×5 px, got 6×4"):
        reduced(x, 5)
    pictures = [Picture(str(i), x) for i in range(10)]
    assert [p.name for p in spread(pictures, 4)] == ["0", "2", "5", "7"] and spread(pictures, None) == pictures
    assert [p.name for p in bundled()] == ["brick", "grass", "gravel", "coins", "text"]


@pytest.mark.parametrize(
    "wrong",
    [{"sigma": (2.0, 1.0)}, {"psfs": ("discc",)}, {"days": ()}, {"reduce": 0}, {"size": 4}, {"slow_pictures": 0}],
)
def test_wrong_protocols_are_explained(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="expected .*, got .*; "):
        RobustnessProtocol(**wrong)


# What is said of it: cases with a known answer.


def trials(count: int, spread_of: Any, interval_of: Any, bound: Sequence[str | None] | None = None) -> Trials:
    """Estimates that are the truth times exp(N(0, s²)), with intervals of ±1.645·s on the logarithm."""
    random = np.random.default_rng(0)
    sigma = np.exp(random.uniform(math.log(0.5), math.log(6), count))
    s, t = (np.broadcast_to(np.asarray(f(sigma)), count) for f in (spread_of, interval_of))
    value = sigma * np.exp(s * random.normal(size=count))
    ratio = np.exp(stats.norm.ppf(0.95) * t)
    readings = tuple(
        Reading(value=v, low=v / r, high=v * r, bound=b)
        for v, r, b in zip(value, ratio, bound or [None] * count, strict=True)
    )
    names = [np.array([f"{p}{i % k}" for i in range(count)], object) for p, k in (("picture", 25), ("psf", 1), ("", 1))]
    names[1][:], names[2][:] = "gaussian", "clean"
    return Trials(*names, sigma, readings)


CLEAN = RobustnessProtocol(psfs=("gaussian",), days=("clean",))


def test_figures_of_honest_intervals_in_closed_form() -> None:
    """Errors of 10 %: median 0.6745·s, 90th percentile 1.645·s, coverage 90 %, high/low e^(3.29·s), score 4.1254·s."""
    s = 0.1
    found = summarised(SPEC, trials(3000, lambda _: s, lambda _: s), CLEAN)
    m = found.mixed
    assert m is not None and m.silent == 0 and m.trials == 3000
    assert m.median_error == pytest.approx(0.6745 * s, rel=0.05)
    assert m.p90_error == pytest.approx(1.645 * s, rel=0.05)
    assert m.bias == pytest.approx(0, abs=0.006)
    assert m.coverage == pytest.approx(0.9, abs=0.015)
    assert m.width == pytest.approx(math.exp(3.2897 * s))
    assert m.interval_score == pytest.approx(4.1254 * s, rel=0.05)
    assert m.constant_width_score == pytest.approx(4.1254 * s, rel=0.05)
    assert m.spearman == pytest.approx(0.99, abs=0.01)
    low, high = found.spearman_interval
    assert low < m.spearman < high and high - low < 0.01
    assert vars(found.by_day["clean"]) == vars(m) == vars(found.by_psf["gaussian"])


def test_intervals_that_know_where_they_err_beat_a_constant_width() -> None:
    """Errors of 2 % below 2 px and 20 % above: the same coverage as one width for all, a better score."""

    def spread_of(sigma: np.ndarray) -> np.ndarray:
        return np.where(sigma < 2, 0.02, 0.2)

    m = summarised(SPEC, trials(2000, spread_of, spread_of), CLEAN).mixed
    assert m is not None and m.coverage == pytest.approx(0.9, abs=0.02)
    assert m.interval_score < 0.8 * m.constant_width_score


def test_narrow_intervals_are_found_out() -> None:
    """Intervals of a third of the errors: ±0.548·s holds 41.6 %."""
    m = summarised(SPEC, trials(2000, lambda _: 0.3, lambda _: 0.1), CLEAN).mixed
    assert m is not None and m.coverage == pytest.approx(2 * stats.norm.cdf(1.6449 / 3) - 1, abs=0.035)
    assert m.interval_score > 1.3 * m.constant_width_score


def test_censored_answers_are_open_on_their_side() -> None:
    sigma = np.array([0.2, 20.0, 20.0, 1.0])
    readings = (
        Reading(value=0.35, low=0.3, high=0.4, bound="below"),
        Reading(value=12.0, low=11.0, high=13.0, bound="above"),
        Reading(value=0.35, low=0.3, high=0.4, bound="below"),
        Reading(value=1.0, low=0.9, high=1.2),
    )
    names = [np.array([w] * 4, object) for w in ("x", "gaussian", "clean")]
    m = summarised(SPEC, Trials(*names, sigma, readings), CLEAN).mixed
    assert m is not None and m.censored == 0.75 and m.coverage == 0.75 and m.width == pytest.approx(1.2 / 0.9)


def test_all_silent_is_skipped_with_the_commonest_reason() -> None:
    names = [np.array([w] * 3, object) for w in ("x", "gaussian", "clean")]
    readings = [Reading(value=math.nan, silence=s) for s in ("flat", "noise", "noise")]
    found = summarised(SPEC, Trials(*names, np.ones(3), tuple(readings)), CLEAN)
    assert found.skipped == "noise" and found.mixed is None


def test_variances_add_in_resizing() -> None:
    """Of a blob the moments before and after are compared: resized_sigma must be what the pixels really say."""

    def sigma(blob: Tensor) -> float:
        return math.sqrt(float(psf.sigma_of(blob[0])) ** 2 - invariances.PIXEL_VARIANCE)

    blob = psf.enlarged(psf.gaussian(3.0), 65)[:, :64, :64][None]
    for name, (resize, scale) in invariances.RESIZED.items():
        expected = invariances.resized_sigma(sigma(blob), scale, invariances.kernel_variance(name))
        assert sigma(resize(blob)) == pytest.approx(expected, rel=1e-3), name
    assert invariances.kernel_variance("double-bicubic") == pytest.approx(0, abs=1e-12)
    assert invariances.resized_sigma(4.0, 0.5, invariances.kernel_variance("half-area")) == pytest.approx(2.0)


def test_two_equal_bounds_are_no_invariance() -> None:
    def row(base: float | None, value: float | None, base_bound: str | None = None, bound: str | None = None) -> Any:
        its = {"psf": "disc", "transform": "flip", "sigma": 1.0, "base": base, "value": value, "expected": base}
        return its | {"base_bound": base_bound, "bound": bound}

    bounded = [row(None, None, "below", "below")] * 3 + [row(None, 1.0, "below")] + [row(1.0, None, None, "above")]
    found = invariances.summarised([row(1.0, 1.2), *bounded, row(2.0, None), row(None, 1.0)])["flip"]
    assert found["change"] == pytest.approx(0.2) and found["pictures"] == 7
    assert found["censored"] == pytest.approx(5 / 7) and found["silent"] == pytest.approx(1 / 7)
    alone = invariances.summarised(bounded)["flip"]
    assert alone["change"] is None and alone["bias"] is None and alone["censored"] == 1


class Floored(PatchBlur):
    """Sharper than 2 px is only a bound to it."""

    spec = replace(SPEC, name="floored")

    def estimate(self, image: Tensor) -> list[Any]:
        found = []
        for one in super().estimate(image):
            found.append(replace(one, sigma=2.0, bound="below", major=2.4, minor=1.5) if one.sigma < 2 else one)
        return found


def test_bounds_are_counted_apart_in_invariances_and_axes() -> None:
    protocol = RobustnessProtocol(reduce=1, sigma=(0.8, 1.6), psfs=("gaussian",), days=("clean",))
    result = robustness([Floored()], [patch(96), patch(100)], protocol=protocol, invariances=True, astigmatism=True)
    same = result.invariances["floored"]
    assert all(found["change"] is None and found["censored"] == 1 and found["silent"] == 0 for found in same.values())
    axes = result.astigmatism["floored"]
    assert all(0 < axes[family]["censored"] < 1 for family in axes)
    assert axes["gaussian"]["false_ratio"] == 0  # of those that are not bounds


class Failing(PatchBlur):
    """Fails on one picture in a way that nobody foresaw."""

    spec = replace(SPEC, name="failing")

    def __init__(self) -> None:
        self.calls = 0

    def estimate(self, image: Tensor) -> list[Any]:
        self.calls += 1
        if image.shape[-1] == 96:
            raise RuntimeError("out of luck\nand of memory")
        return super().estimate(image)


def test_a_failure_of_one_metric_on_one_picture_is_its_own() -> None:
    protocol = RobustnessProtocol(reduce=1, sigma=(0.8, 3.0), psfs=("gaussian",), days=("clean", "inverted"))
    result = robustness([Failing(), PatchBlur()], [patch(96), patch(100)], protocol=protocol)
    assert [picture["name"] for picture in result.failed] == ["patch-96"]
    assert result.failed[0]["error"].startswith("failing: expected a picture that can be measured, got RuntimeError")
    assert "\n" not in result.failed[0]["error"]
    found = by_name(result)
    assert found["failing"].pictures == 1 and found["patch-blur"].pictures == 2
    whole = robustness([PatchBlur()], [patch(96), patch(100)], protocol=protocol).metrics[0]
    assert without_time(found["patch-blur"].trials) == without_time(whole.trials)


def without_time(trials: Trials) -> dict[str, Any]:
    return {name: values for name, values in trials.to_row().items() if name != "seconds"}


def test_axes_have_no_direction() -> None:
    assert astigmatism.angle_between(1.5, -1.5) == pytest.approx(math.pi - 3)
    assert astigmatism.angle_between(0.2, -0.1) == pytest.approx(0.3)
    assert astigmatism.angle_between(0.0, math.pi / 2) == pytest.approx(math.pi / 2)


# What is measured: an estimator that is right is found to be right.


@pytest.fixture(scope="module")
def right() -> Robustness:
    pictures = [patch(s) for s in (92, 94, 96, 98, 100, 102)]
    own = torch.zeros(1, 1, 128, 128)
    own[..., 60:69, 60:69] = 1
    blurred = Picture("own", psf.blur(own, psf.gaussian(1.2)).clamp(0, 1))
    return robustness([PatchBlur()], pictures, protocol=FEW, invariances=True, increment=[blurred], astigmatism=True)


def test_a_right_estimator_is_right_and_its_silence_is_counted(right: Robustness) -> None:
    assert isinstance(PatchBlur(), BlurEstimator)
    found = right.metrics[0]
    m = found.mixed
    assert m is not None and m.trials == 6 * 2 * 4 and m.silent == 0.25  # the dark day
    assert found.silences == {"too dark": 12} and found.by_day["dark"].silent == 1
    assert m.spearman > 0.995 and m.pairwise > 0.98 and m.median_error < 0.01 and m.p90_error < 0.04
    assert m.coverage > 0.95 and m.width == pytest.approx(1.21) and m.censored == 0
    assert found.worst_day in ("clean", "gain-0.3", "inverted") and found.size[0] in range(92, 103, 2)


def test_ranges_of_sigma_part_the_trials(right: Robustness) -> None:
    assert [name for name, _, _ in sigma_ranges(0.55, 6)] == ["0.55-1", "1-2", "2-4", "4-6"]
    assert sigma_ranges(0.8, 3.0) == [("0.8-1", 0, 1), ("1-2", 1, 2), ("2-3", 2, math.inf)]
    assert sigma_ranges(1.1, 1.2) == [("1.1-1.2", 0, math.inf)]
    found = right.metrics[0]
    ends = {name: (low, high) for name, low, high in sigma_ranges(*FEW.sigma)}
    assert list(found.by_sigma) == list(ends) and found.trials is not None
    for name, (low, high) in ends.items():
        inside = (found.trials.sigma >= low) & (found.trials.sigma < high)
        assert found.by_sigma[name].trials == inside.sum() and found.by_sigma[name].median_error < 0.05
    assert found.to_row()["by_sigma"]["1-2"]["trials"] == found.by_sigma["1-2"].trials


def test_an_empty_range_is_no_figure() -> None:
    protocol = RobustnessProtocol(reduce=1, sigma=(1.0, 64.0), psfs=("gaussian",), days=("clean",))
    rows = [{"psf": "gaussian", "day": "clean", "sigma": s, "value": s, "size": [9, 9]} for s in (1.2, 1.4, 1.7)]
    found = summarised(SPEC, Trials.of({"x": rows}), protocol)
    assert found.by_sigma["1-2"].spearman == 1 and found.by_sigma["8-16"].trials == 0
    assert found.to_row()["by_sigma"]["8-16"] | {"trials": None} == dict.fromkeys(vars(found.by_sigma["8-16"]))


def test_few_trials_and_censored_answers_are_said(right: Robustness) -> None:
    remarks = text_tables(right)[0].remarks
    assert any("few trials: 12 in a day" in remark for remark in remarks)
    assert "censored" in text_tables(right)[0].columns and not any("censored:" in remark for remark in remarks)
    protocol = RobustnessProtocol(reduce=1, sigma=(0.8, 3.0), days=("clean",))
    result = robustness([Floored()], [patch(90 + 2 * i) for i in range(25)], protocol=protocol)
    table = text_tables(result)[0]
    assert result.metrics[0].mixed is not None and 0.3 < result.metrics[0].mixed.censored < 0.9
    assert re.fullmatch(r"\d\d\.\d %", table.rows[0][table.columns.index("censored")])
    assert any(remark.startswith("censored: share") for remark in table.remarks)
    # 50 trials on the day, but 25 for each PSF.
    assert any("few trials: 25" in remark for remark in table.remarks)
    only = robustness([PatchBlur()], [patch()], protocol=protocol)
    assert any("one picture says nothing" in remark for remark in text_tables(only)[0].remarks)


def test_its_sections_are_right(right: Robustness) -> None:
    same = right.invariances["patch-blur"]
    assert set(same) == set(invariances.TRANSFORMS)
    for transform in ("flip", "rotation-90", "inversion"):
        assert same[transform]["change"] < 1e-4, transform
    assert same["gain-0.25"]["change"] < 0.01 and same["8-bit"]["change"] < 0.02
    lines = right.increment["patch-blur"]
    assert [(line["picture"], line["psf"]) for line in lines] == [("own", "gaussian"), ("own", "disc")]
    for line in lines:
        assert line["base"] == pytest.approx(1.2, rel=0.02) and line["worst"] < 0.05 and len(line["deviations"]) == 4
    axes = right.astigmatism["patch-blur"]
    for family in astigmatism.ELLIPTICAL:
        assert axes[family]["ratio_error"] < 0.05 and axes[family]["angle_error"] < 3, axes
    assert axes["disc"]["false_ratio"] == 0 and axes["disc"]["median_ratio"] == pytest.approx(1, abs=0.05)


def test_its_tables_and_rows_say_so(right: Robustness) -> None:
    tables = text_tables(right)
    titles = " | ".join(t.title for t in tables)
    assert all(word in titles for word in ("best first", "each PSF", "change of sigma", "Added blur", "Astigmatism"))
    assert all(len(row) == len(t.columns) for t in tables for row in t.rows)
    row = json.loads(json.dumps(right.to_row(), allow_nan=False))
    assert row["protocol"]["seed"] == 0 and row["versions"]["kukkiri"] == kk.__version__
    assert len(row["pictures"]) == 7 and all(len(p["sha256"]) == 64 for p in row["pictures"])
    columns = row["metrics"][0]["trials"]
    assert {len(v) for v in columns.values()} == {48} and {"low", "high", "silence"} <= set(columns)
    assert "trials" not in right.to_row(trials=False)["metrics"][0]


# The run.


def test_slow_metrics_see_fewer_pixels_of_the_same_pictures() -> None:
    protocol = RobustnessProtocol(reduce=1, days=("clean",), slow=("blur-effect",), slow_pictures=2, slow_size=32)
    found = by_name(robustness(["tenengrad", "blur-effect"], textures(), protocol=protocol))
    fast, slow = found["tenengrad"], found["blur-effect"]
    assert (fast.pictures, fast.size, fast.slow) == (3, (72, 72), False)
    assert (slow.pictures, slow.size, slow.slow) == (2, (32, 32), True)
    truth = dict(zip(zip(fast.trials.picture, fast.trials.psf, strict=True), fast.trials.sigma, strict=True))
    assert all(
        truth[p, f] == s for p, f, s in zip(slow.trials.picture, slow.trials.psf, slow.trials.sigma, strict=True)
    )


def test_best_first_and_what_cannot_run_last_with_the_reason() -> None:
    protocol = RobustnessProtocol(reduce=2, days=("clean", "gain-0.3"))
    result = robustness(["cpbd", "normalized-variance", "blur-effect"], textures(), protocol=protocol)
    names = [r.spec.name for r in result.metrics]
    assert names == ["blur-effect", "normalized-variance", "cpbd"]
    assert "64 px" in (result.metrics[-1].skipped or "")
    assert "cpbd skipped: " in " ".join(text_tables(result)[0].remarks)
    with pytest.raises(InputError, match="twice"):
        robustness(["cpbd", "cpbd"], textures())
    with pytest.raises(InputError, match="brick twice"):
        robustness(["cpbd"], [*textures(), textures()[0]])
    with pytest.raises(InputError, match="sharp pictures"):
        robustness(["cpbd"], [])


def test_a_missing_checkpoint_is_a_reason_to_skip(monkeypatch: pytest.MonkeyPatch) -> None:
    def without_weights(name: str) -> Any:
        if name == "brenner":
            raise WeightError(expected="the checkpoint of brenner", got="none", fix="fetch it")
        return kk.metric(name)

    monkeypatch.setattr("kukkiri.evaluation.robustness.metric", without_weights)
    protocol = RobustnessProtocol(reduce=1, days=("clean",), psfs=("gaussian",))
    result = robustness(["brenner", "tenengrad"], textures(), protocol=protocol)
    assert [r.spec.name for r in result.metrics] == ["tenengrad", "brenner"]
    assert "fetch it" in (result.metrics[1].skipped or "") and result.to_row()["metrics"][1]["skipped"]


def test_reading_of_a_refused_picture_is_silent() -> None:
    reading = read(kk.metric("cpbd"), torch.rand(1, 1, 20, 20))
    assert math.isnan(reading.value) and "64 px" in (reading.silence or "")
    row = json.loads(json.dumps(reading.to_row()))
    again = Reading.from_row(row)
    assert again.silence == reading.silence and again.size == (20, 20) and math.isnan(again.value)
    assert Reading.from_row(Reading(value=math.inf).to_row()).value == math.inf


def test_waiting_costs_no_time() -> None:
    """What else a machine does is no cost of the metric."""

    class Waiting(PatchBlur):
        def estimate(self, image: Tensor) -> list[Any]:
            time.sleep(0.5)
            return super().estimate(image)

    reading = read(Waiting(), torch.rand(1, 1, 40, 50))
    assert 0 < reading.seconds < 0.25 / (40 * 50 / 1e6)


def without_seconds(result: Robustness) -> dict[str, Any]:
    row = result.to_row()
    for one in row["metrics"]:
        one.pop("seconds_per_megapixel")
    return row


def test_a_stopped_run_goes_on_and_processes_do_not_matter(tmp_path: Path) -> None:
    files = []
    for p in textures():
        files.append(tmp_path / f"{p.name}.png")
        Pillow.fromarray(p.source).save(files[-1])
    pictures, journal = from_files(files), tmp_path / "r.json.journal"
    protocol = RobustnessProtocol(reduce=1, days=("clean", "noise-4"))
    seen: list[str] = []

    def stop(done: Done) -> None:
        seen.append(done.job.picture.name)
        if len(seen) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        robustness(["tenengrad"], pictures, protocol=protocol, journal=Journal(journal), on_done=stop)
    kept = journal.read_bytes()
    assert kept.count(b'"key"') == 2
    journal.write_bytes(kept[:-40])  # killed while writing: the second picture's line is cut off
    Pillow.fromarray(textures()[0].source[::-1].copy()).save(files[0])  # and the first is another picture now
    in_two = robustness(["tenengrad"], pictures, protocol=protocol, journal=Journal(journal), processes=2)
    assert journal.read_bytes().count(b'"key"') == 1 + 1 + 3  # whole, cut off, and all three anew
    alone = robustness(["tenengrad"], pictures, protocol=protocol)
    assert without_seconds(in_two) == without_seconds(alone)
    resumed = robustness(["tenengrad", "brenner"], pictures, protocol=protocol, journal=Journal(journal))
    assert journal.read_bytes().count(b'"key"') == 5 + 3  # only the new metric was measured
    assert by_name(resumed)["tenengrad"].to_row() == by_name(in_two)["tenengrad"].to_row()  # seconds too: taken over
    other = robustness(
        ["tenengrad"], pictures, protocol=RobustnessProtocol(reduce=1, days=("clean", "noise-4"), seed=1)
    )
    assert by_name(other)["tenengrad"].trials.sigma.tolist() != by_name(alone)["tenengrad"].trials.sigma.tolist()


def run(*arguments: object, code: int = 0) -> tuple[str, str]:
    result = CliRunner().invoke(app, ["evaluate", "robustness", *map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result.stdout, result.stderr


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    where = tmp_path_factory.mktemp("sharp")
    for p in textures(100):
        Pillow.fromarray(p.source).save(where / f"{p.name}.png")
    return where


def test_command_writes_table_json_and_figure(folder: Path, tmp_path: Path) -> None:
    out, figure = tmp_path / "new" / "r.json", tmp_path / "r.png"
    options = ["--data", folder, "--days", "clean,gain-0.3", "--reduce", "1", "--sigma", "0.6", "3", "-j", "1"]
    arguments = ["tenengrad", "blur-effect", *options, "-o", out]
    printed, said = run(*arguments, "-f", figure)
    assert printed.index("blur-effect") < printed.index("tenengrad") and "3 pictures" in printed
    assert str(out) in said and str(figure) in said
    whole = json.loads(out.read_text(encoding="utf-8"))
    assert whole["kind"] == "robustness" and len(whole["metrics"][0]["trials"]["value"]) == 12
    with Pillow.open(figure) as drawn:
        assert drawn.size[0] > 1000 and len(np.unique(np.asarray(drawn.convert("L")))) > 50
    first = out.read_bytes()
    printed, _ = run(*arguments, "--json", "-f", tmp_path / "r.svg")  # nothing is left to measure: seconds are the same
    assert out.read_bytes() == first
    brief = json.loads(printed)
    assert [m["name"] for m in brief["metrics"]] == ["blur-effect", "tenengrad"] and "trials" not in brief["metrics"][0]
    svg = (tmp_path / "r.svg").read_text(encoding="utf-8")
    assert "tenengrad" in svg and "gain-0.3" in svg


def test_command_says_what_failed(folder: Path, tmp_path: Path) -> None:
    options = ["--days", "clean", "--psf", "gaussian", "--reduce", "2", "--size", "48", "-j", "1", "--pictures", "2"]
    printed, _ = run("cpbd,tenengrad", "--data", folder, *options, code=1)
    assert "cpbd skipped" in printed and "64 px" in printed
    run("tenengrad", "--data", folder, *options)
    (tmp_path / "broken.png").write_bytes(b"nothing")
    _, said = run("tenengrad", "--data", folder, "--data", tmp_path, *options[:-1], "9", code=1)
    assert "broken.png" in said and "expected" in said
    for wrong in (
        ["--out", "r.csv"],
        ["--figure", "r.bmp"],
        ["--psf", "discc"],
        ["--days", "sunny"],
        ["--sigma", 2, 1],
    ):
        with pytest.raises(InputError, match="expected .*, got .*; "):
            run("tenengrad", "--data", folder, *wrong)


def test_command_takes_all_and_pictures_of_scikit_image() -> None:
    """All sharpness metrics at once: those without their checkpoint are skipped, which is no failure of 'all'."""
    arguments = ["all", "--data", "scikit-image", "--days", "clean", "--psf", "gaussian", "--size", "96", "-j", "1"]
    printed, _ = run(*arguments, "--pictures", "2", "--slow-pictures", "1", "--slow-size", "64", "--json")
    found = json.loads(printed)
    expected = {s.name for s in kk.metrics() if s.answers == "sharpness" and not s.needs_reference}
    assert {m["name"] for m in found["metrics"]} == expected and len(found["pictures"]) == 2
    measured = [m["mixed"]["spearman"] for m in found["metrics"] if m["skipped"] is None]
    known = list(itertools.takewhile(lambda s: s is not None, measured))
    assert known == sorted(known, reverse=True) and all(s is None for s in measured[len(known) :])


def test_help_names_the_slow_ones() -> None:
    printed, _ = run("--help")
    assert all(name in printed for name in SLOW)


def test_help_names_the_options() -> None:
    result = CliRunner().invoke(app, ["evaluate", "--help"])
    assert result.exit_code == 0 and "robustness" in result.stdout
    assert all(option in run("--help")[0] for option in ("--data", "--jobs", "--increment", "--json"))


def test_increment_is_silent_where_sigma_is_a_bound() -> None:
    class Bounded(PatchBlur):
        def _one(self, x: Tensor) -> Estimate:
            return Estimate(0.35, (0.2, 0.35), 0.35, 0.35, 0.0, bound="below")

    rows = increment.measure(torch.rand(1, 1, 48, 48), "x", {"patch-blur": Bounded()}, FEW)["patch-blur"]
    assert all(row["bound"] == "below" and "deviation" not in row for row in rows)
    lines = increment.summarised({"x": rows})
    assert lines[0]["worst"] is None and lines[0]["base"] == 0.35
