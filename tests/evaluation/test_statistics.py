"""The statistics, against SciPy, by hand, and where the answer is known in closed form."""

import math

import numpy as np
import pytest
from scipy import stats

from kukkiri.evaluation.statistics import (
    bootstrap_interval,
    conformal_quantile,
    constant_width_scores,
    covered,
    interval_scores,
    pairwise_accuracy,
    quantile,
    relative_error,
    spearman,
)

RANDOM = np.random.default_rng(0)


def test_spearman_is_scipys_and_signed_so_that_one_is_right() -> None:
    truth = RANDOM.uniform(1, 2, 50)
    score = np.round(truth + RANDOM.normal(0, 0.3, 50), 1)  # with ties
    expected = stats.spearmanr(score, truth).statistic
    assert spearman(score, truth) == pytest.approx(expected)
    assert spearman(-score, truth, higher_is_better=True) == pytest.approx(expected)


def test_spearman_leaves_out_silence_and_ranks_infinity() -> None:
    assert spearman([1, math.nan, 2, math.inf], [1, 0, 2, 3]) == pytest.approx(1)
    assert math.isnan(spearman([1, 1, 1, 1], [1, 2, 3, 4]))
    assert math.isnan(spearman([1, math.nan, 2], [1, 2, 3]))


def test_pairwise_accuracy_by_hand() -> None:
    """Pairs (0,1) right, (0,2) right, (1,2) a tie of scores; the NaN is in no pair."""
    assert pairwise_accuracy([1, 2, 2, math.nan], [1, 2, 3, 0]) == pytest.approx(2.5 / 3)
    assert pairwise_accuracy([1, 2, 2, math.nan], [1, 2, 3, 0], higher_is_better=True) == pytest.approx(0.5 / 3)
    assert pairwise_accuracy([3, 1, 2], [5, 5, 5 + 1e-9]) == pytest.approx(0.5)  # equal truths are no pair
    assert pairwise_accuracy([math.inf, math.inf], [1, 2]) == 0.5
    assert math.isnan(pairwise_accuracy([1, 2], [1, 1]))


def test_pairwise_accuracy_is_kendalls_tau_and_its_sample_is_near() -> None:
    truth = RANDOM.uniform(1, 2, 300)
    score = truth + RANDOM.normal(0, 0.2, 300)
    exact = pairwise_accuracy(score, truth)
    assert exact == pytest.approx((stats.kendalltau(score, truth).statistic + 1) / 2)
    sampled = pairwise_accuracy(score, truth, all_pairs=20_000, seed=1)
    assert sampled != exact and sampled == pytest.approx(exact, abs=0.015)  # 4 standard errors
    assert sampled == pairwise_accuracy(score, truth, all_pairs=20_000, seed=1)


def test_relative_error_and_quantile_leave_out_silence() -> None:
    assert relative_error([1.1, math.nan, 1.8], [1, 5, 2]) == pytest.approx([0.1, -0.1])
    assert quantile([3, math.nan, 1], 0.5) == 2 and math.isnan(quantile([math.nan], 0.5))


def test_covered_with_ends_and_open_sides() -> None:
    assert covered([1, 1, 0, 3], [2, 2, 2, math.inf], [2, 2.1, 0.1, 9]).tolist() == [True, False, True, True]


def test_interval_score_by_hand() -> None:
    """Width 1, and 2/0.1 = 20 for each unit outside: 1, 1 + 20·0.5, 1 + 20·0.25."""
    assert interval_scores([0, 0, 0], [1, 1, 1], [0.3, -0.5, 1.25]) == pytest.approx([1, 11, 6])
    assert interval_scores([0], [1], [2], level=0.5) == pytest.approx([5])


def test_interval_score_of_gaussian_errors_in_closed_form() -> None:
    """Mean interval score of N(0, s²) with its own 5 % and 95 % quantiles: (4/α)·s·φ(1.645) = 4.1254·s at α = 0.1."""
    s, z = 0.2, stats.norm.ppf(0.95)
    expected = 4 / 0.1 * s * stats.norm.pdf(z)
    truth = RANDOM.normal(0, s, 60_000)
    assert interval_scores(np.full_like(truth, -z * s), np.full_like(truth, z * s), truth).mean() == pytest.approx(
        expected, rel=0.02
    )
    groups = np.arange(len(truth)) % 20
    conformal = constant_width_scores(np.zeros_like(truth), truth, groups)
    assert conformal.mean() == pytest.approx(expected, rel=0.02)
    # A constant bias costs a symmetric interval much and one with an end each nothing.
    assert constant_width_scores(np.ones_like(truth), truth, groups).mean() == pytest.approx(expected, rel=0.02)


def test_constant_width_is_learned_on_other_groups_only() -> None:
    """Group 0 errs by 1, group 1 by 0.1: each is scored with the other's width."""
    estimate, truth, groups = np.zeros(40), np.r_[np.tile([1, -1], 10), np.tile([0.1, -0.1], 10)], np.repeat([0, 1], 20)
    scores = constant_width_scores(estimate, truth, groups)
    assert scores[:20] == pytest.approx(0.2 + 20 * 0.9)
    assert scores[20:] == pytest.approx(2)
    assert np.isnan(constant_width_scores([0, 0], [1, 1], [0, 0])).all()


@pytest.mark.parametrize(("count", "rank"), [(9, 9), (19, 18), (99, 90), (5, 5)])
def test_conformal_rank(count: int, rank: int) -> None:
    """⌈(n + 1)·0.9⌉, the largest where that is past the end."""
    assert conformal_quantile(np.arange(1.0, count + 1), 0.9) == rank


def test_bootstrap_draws_whole_groups() -> None:
    """Values are constant within each of two groups: a resampled mean is 0, ½ or 1, with odds ¼, ½, ¼."""
    values, groups = np.repeat([0.0, 1.0], 50), np.repeat(["a", "b"], 50)
    drawn: list[float] = []

    def average(indices: np.ndarray) -> float:
        drawn.append(float(values[indices].mean()))
        return drawn[-1]

    assert bootstrap_interval(average, groups) == (0, 1)
    assert set(drawn) == {0, 0.5, 1} and len(drawn) == 200
    assert all(map(math.isnan, bootstrap_interval(average, ["a"] * 100)))
