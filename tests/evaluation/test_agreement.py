"""Statistics of agreement: against scipy, by hand, and the coverage of the intervals by simulation."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from scipy import stats

from kukkiri.errors import InputError
from kukkiri.evaluation.agreement import agreement
from kukkiri.evaluation.agreement_statistics import STATISTICS, fitted, statistics_of
from kukkiri.evaluation.correlation import intervals, krcc, resampled, srcc

RANDOM = np.random.default_rng(5)
SCORES = RANDOM.normal(50, 10, 150)
OPINIONS = 1 + 4 / (1 + np.exp(-(SCORES - 55) / 4)) + 0.3 * RANDOM.normal(size=150)
# Ties on both sides, as in real data: opinions in fifths, scores rounded.
TIED = (SCORES.round(-1), (OPINIONS * 5).round() / 5)


@pytest.mark.parametrize(("x", "y"), [(SCORES, OPINIONS), TIED], ids=["continuous", "ties"])
def test_correlations_are_scipys(x, y):
    found = agreement(x, y, draws=0)
    assert found.srcc == pytest.approx(stats.spearmanr(x, y).statistic, abs=1e-12)
    assert found.krcc == pytest.approx(stats.kendalltau(x, y).statistic, abs=1e-12)
    assert found.plcc == pytest.approx(stats.pearsonr(x, y).statistic, abs=1e-12)
    line = stats.linregress(x, y)
    assert found.rmse == pytest.approx(np.sqrt(np.mean((line.slope * x + line.intercept - y) ** 2)), abs=1e-12)


def test_a_perfect_order_is_one():
    """Unrounded, τ-b of some lengths is 0.9999999999999999."""
    for n in range(3, 40):
        assert (srcc(np.arange(n), np.arange(n) ** 2), krcc(np.arange(n), np.arange(n) ** 2)) == (1, 1)


def test_kendall_by_hand():
    """Five pairs agree, none disagrees, one is tied in the scores: τ-b = 5/√(5·6)."""
    assert agreement([1, 1, 2, 3], [1, 2, 3, 4], draws=0).krcc == pytest.approx(5 / math.sqrt(30))


def test_after_a_curve_the_correlation_is_that_of_its_values():
    found = agreement(SCORES, OPINIONS, draws=0)
    for name, ending in (("logistic-4", "_logistic4"), ("logistic-5", "_logistic5")):
        expected = found.curves[name](SCORES)
        assert getattr(found, f"plcc{ending}") == pytest.approx(stats.pearsonr(expected, OPINIONS).statistic, abs=1e-12)
        assert getattr(found, f"rmse{ending}") == pytest.approx(np.sqrt(np.mean((expected - OPINIONS) ** 2)), abs=1e-12)
    assert found.plcc < found.plcc_logistic4 <= found.plcc_logistic5 + 1e-4
    assert found.rmse_logistic4 == pytest.approx(0.3, rel=0.15)  # the noise that was added


@pytest.mark.parametrize("better", [True, False])
@pytest.mark.parametrize("worse", [True, False])
def test_plus_is_agreement_whatever_the_directions(better, worse):
    x, y = (SCORES if better else -SCORES), (-OPINIONS if worse else OPINIONS)
    right = agreement(x, y, higher_is_better=better, higher_is_worse=worse, draws=0)
    wrong = agreement(-x, y, higher_is_better=better, higher_is_worse=worse, draws=0)
    plain = agreement(SCORES, OPINIONS, draws=0)
    for name in STATISTICS:
        sign = 1 if name.startswith("rmse") else -1
        assert getattr(right, name) == pytest.approx(getattr(plain, name), abs=1e-6), name
        assert getattr(wrong, name) == pytest.approx(sign * getattr(plain, name), abs=1e-6), name


def test_infinite_scores_do_not_turn_the_sign_after_a_curve():
    """The finite scores run against the opinions; with two infinite ones the ranks run with them, a little."""
    x = np.array([np.inf, np.inf, *range(1, 8)], float)
    found = agreement(x, np.arange(9.0)[::-1], draws=20)
    assert found.srcc > 0
    assert found.plcc == found.plcc_logistic4 == pytest.approx(-1)
    assert found.intervals["plcc_logistic4"][1] < 0
    assert "against" not in found.cautions


def test_what_is_missing_and_infinite():
    x, y = SCORES.copy(), OPINIONS.copy()
    x[:2], y[5] = np.nan, np.nan
    x[10] = np.inf
    found = agreement(x, y, draws=0)
    there = np.isfinite(x) & ~np.isnan(y)
    ranked = there | np.isinf(x)
    assert (found.n, found.failed, found.infinite) == (147, 3, 1)
    assert found.srcc == pytest.approx(stats.spearmanr(x[ranked], y[ranked]).statistic)
    assert found.plcc == pytest.approx(stats.pearsonr(x[there], y[there]).statistic)


class TestCautions:
    def test_nothing_to_say(self):
        assert agreement(SCORES, OPINIONS, draws=0).cautions == ()

    def test_equal(self):
        found = agreement(SCORES, np.ones(150), draws=0)
        assert found.cautions == ("equal",)
        assert math.isnan(found.srcc) and math.isnan(found.plcc_logistic4)
        assert "nothing to agree with" in found.notes[0]

    def test_few(self):
        found = agreement([1, 2, 3, 4], [1, 3, 2, 4], draws=0)
        assert "few" in found.cautions
        assert math.isnan(found.plcc_logistic4)
        assert found.plcc == pytest.approx(0.8)

    def test_turning(self):
        x = np.linspace(0, 10, 60)
        assert "turning" in agreement(x, 5 * x - 0.4 * x**2, draws=0).cautions

    def test_step(self):
        x = np.linspace(0, 10, 60)
        assert "step" in agreement(x, (x > 4.3) + 0.01 * np.sin(9 * x), draws=0).cautions
        assert "step" not in agreement(x, 1 / (1 + np.exp(4.3 - x)), draws=0).cautions

    def test_straight(self):
        assert "straight" in agreement(SCORES, 2 * SCORES, draws=0).cautions

    def test_few_contents(self):
        def said(count, draws=4):
            return agreement(SCORES, OPINIONS, groups=[str(i % count) for i in range(150)], draws=draws).cautions

        assert (said(3), said(4), said(5)) == (("no_intervals",), ("contents",), ())
        assert said(3, draws=0) == said(4, draws=0) == ()  # nothing to say of intervals that are not there

    def test_step_of_the_curve_of_five(self):
        """It falls from 55 to 38 within a hundredth of the scores, on a slope that only five parameters follow."""
        x = np.linspace(0, 1, 25)
        y = 60 - 10 * x - 17 / (1 + np.exp(-(x - 0.5) / 0.001)) + 0.3 * np.sin(40 * x)
        found = agreement(x, y, higher_is_better=False, draws=0)
        assert 4.4 / abs(found.curves["logistic-5"].parameters[1]) < 0.05
        assert "step" in found.cautions

    def test_a_curve_against_the_ranks(self):
        """No relation: the sign is that of the ranks, not of the ends of a curve; a note tells where they differ."""
        seen = 0
        for seed in range(8):
            random = np.random.default_rng(seed)
            found = agreement(random.normal(size=40), random.normal(size=40), draws=0)
            for kind, value in (("logistic-4", found.plcc_logistic4), ("logistic-5", found.plcc_logistic5)):
                assert np.sign(value) == np.sign(found.srcc)
                opposed = found.curves[kind].rising != (found.srcc > 0)
                assert not opposed or "against" in found.cautions
                seen += opposed
        assert seen > 0


class TestIntervals:
    def test_all_statistics_have_one_around_their_value(self):
        found = agreement(SCORES, OPINIONS, draws=60)
        assert set(found.intervals) == set(STATISTICS)
        for name, (low, high) in found.intervals.items():
            assert low < getattr(found, name) < high, name

    def test_seed(self):
        one, same, other = (agreement(SCORES, OPINIONS, draws=20, seed=seed).intervals for seed in (0, 0, 1))
        assert one == same != other

    def test_are_as_wide_as_those_of_a_full_search_in_each_draw(self):
        """A weak relation, where each draw has a best valley of its own."""
        random = np.random.default_rng(2)
        x = random.normal(size=60)
        y = 0.2 * np.tanh(2 * x) + 0.7 * random.normal(size=60)
        found = agreement(x, y, draws=20)
        values = {"plcc_logistic4": [], "plcc_logistic5": []}
        for indices in resampled(np.arange(60), 20, 0):
            drawn = statistics_of(x[indices], y[indices], 1.0, fitted(x[indices], y[indices]))
            for name, its in values.items():
                its.append(drawn[name])
        for name, its in values.items():
            assert found.intervals[name] == pytest.approx(np.quantile(its, [0.05, 0.95]), abs=0.03), name

    def test_do_not_depend_on_taking_neighbours_together(self, monkeypatch):
        """More scores than are searched: neighbours count as one, which must not be seen in the interval."""
        random = np.random.default_rng(3)
        x = random.normal(size=600)
        y = np.tanh(2 * x) + 0.5 * random.normal(size=600)
        exact = agreement(x, y, draws=20)
        monkeypatch.setattr("kukkiri.evaluation.logistic_search.MOST", 200)
        near = agreement(x, y, draws=20)
        for name, ends in exact.intervals.items():
            assert near.intervals[name] == pytest.approx(ends, abs=1e-3), name

    def test_none(self):
        for found in (agreement(SCORES, OPINIONS, draws=0), agreement(SCORES, OPINIONS, groups=["a"] * 150, draws=5)):
            assert all(math.isnan(low) and math.isnan(high) for low, high in found.intervals.values())

    def test_coverage(self):
        """Normal pairs of correlation 0.8: Spearman's is 6/π·asin(0.4). 100 samples of 60, intervals of 90 %.

        With that many samples a coverage of 90 % is seen as 81 to 99 % (three standard errors).
        """
        truth, hits = 6 / math.pi * math.asin(0.4), 0
        for seed in range(100):
            random = np.random.default_rng(seed)
            x = random.normal(size=60)
            y = 0.8 * x + 0.6 * random.normal(size=60)
            found = intervals(lambda i, x=x, y=y: {"srcc": srcc(x[i], y[i])}, np.arange(60), ("srcc",), draws=80)
            low, high = found["srcc"]
            hits += low <= truth <= high
        assert 0.81 <= hits / 100 <= 0.99

    def test_coverage_with_contents(self):
        """30 contents of 6 pictures that share an offset: drawing contents covers, drawing pictures does not."""
        hits = {"contents": 0, "pictures": 0}
        groups = np.repeat(np.arange(30), 6)

        def sample(random, count):
            offset = np.repeat(random.normal(size=count), 6)
            x = offset + 0.3 * random.normal(size=6 * count)
            y = offset + np.repeat(random.normal(size=count), 6) + 0.3 * random.normal(size=6 * count)
            return x, y

        truth = srcc(*sample(np.random.default_rng(99), 20_000))
        for seed in range(50):
            x, y = sample(np.random.default_rng(seed), 30)
            for name, labels in (("contents", groups), ("pictures", np.arange(180))):
                found = intervals(lambda i, x=x, y=y: {"srcc": srcc(x[i], y[i])}, labels, ("srcc",), draws=50)
                hits[name] += found["srcc"][0] <= truth <= found["srcc"][1]
        assert hits["contents"] >= 36  # of 50, where 45 would be right
        assert hits["pictures"] <= 30

    def test_whole_groups_are_drawn(self):
        seen = []
        labels = np.array([2, 0, 1, 0, 2, 2])

        def look(indices):
            seen.append(np.bincount(indices, minlength=6))
            return {"x": 0.0}

        intervals(look, labels, ("x",), draws=50)
        for counts in seen:
            assert len(set(counts[[0, 4, 5]])) == len(set(counts[[1, 3]])) == 1
            assert counts[0] + counts[1] + counts[2] == 3
        assert len({tuple(counts) for counts in seen}) > 5


class TestRefuses:
    @pytest.mark.parametrize(
        ("x", "y", "options", "fix"),
        [
            ([1, 2, 3], [1, 2], {}, "one length"),
            ([1, 2, 3], [1, 2, 3], {"groups": ["a"]}, "one length"),
            ([1, 2, np.nan], [1, 2, 3], {}, "errors of the others"),
            ([1, 2, 3], [1, 2, np.inf], {}, "leave the picture out"),
            ([1, 2, 3], [1, 2, 3], {"level": 1.0}, "correct"),
            ([1, 2, 3], [1, 2, 3], {"draws": -1}, "correct"),
        ],
    )
    def test_wrong_input(self, x, y, options, fix):
        with pytest.raises(InputError, match=fix):
            agreement(x, y, **options)


def test_row_is_json():
    row = json.loads(json.dumps(agreement([1, 2, 3, 4], [1, 3, 2, 4], draws=3).to_row(), allow_nan=False))
    assert row["plcc_logistic4"] is None
    assert row["srcc"] == pytest.approx(0.8)
    assert row["curves"]["linear"]["parameters"] == pytest.approx([0.8, 0.5])
    assert set(row["intervals"]) == set(STATISTICS)
