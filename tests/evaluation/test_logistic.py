"""The logistic curves: known ones are found again, and scipy finds none that is better."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy.optimize import curve_fit

from kukkiri.errors import InputError
from kukkiri.evaluation.logistic import Curve, fit

RANDOM = np.random.default_rng(3)
SCORES = np.sort(RANDOM.uniform(10, 60, 200))


def vqeg(x, b1, b2, b3, b4):
    """VQEG's curve as its reports print it; scipy's overflow guard is ours."""
    return (b1 - b2) / (1 + np.exp(np.clip(-(x - b3) / abs(b4), -500, 500))) + b2


def sheikh(x, b1, b2, b3, b4, b5):
    """Sheikh, Sabir, Bovik, IEEE TIP 15(11), 2006, eq. 11 and 12."""
    return b1 * (0.5 - 1 / (1 + np.exp(np.clip(b2 * (x - b3), -500, 500)))) + b4 * x + b5


def squared_error(curve, x, y) -> float:
    return float(np.sum((curve(x) - y) ** 2))


class TestKnownCurves:
    @pytest.mark.parametrize(
        "truth", [(90, 10, 35, 4), (1, 5, 30, 6), (0.9, 0.1, 35, 0.05), (100, 0, 20, 2), (1e4, -1e4, 35, 20)]
    )
    def test_four_parameters(self, truth):
        found = fit(SCORES, vqeg(SCORES, *truth), "logistic-4")
        assert np.allclose(found(SCORES), vqeg(SCORES, *truth), rtol=0, atol=1e-6 * abs(truth[0] - truth[1]))
        assert found.monotone
        assert found.rising == (truth[0] > truth[1])
        assert np.allclose(vqeg(SCORES, *found.parameters), found(SCORES), rtol=1e-9, atol=1e-9)

    @pytest.mark.parametrize(
        ("truth", "monotone"),
        [((3, 0.4, 30, 0.05, 1), True), ((-3, 0.4, 40, -0.05, 1), True), ((3, 0.4, 30, -0.05, 1), False)],
    )
    def test_five_parameters(self, truth, monotone):
        found = fit(SCORES, sheikh(SCORES, *truth), "logistic-5")
        assert np.allclose(found(SCORES), sheikh(SCORES, *truth), rtol=0, atol=1e-6)
        assert np.allclose(found.parameters, truth, rtol=1e-4)
        assert found.monotone is monotone

    def test_is_the_same_on_any_scale(self):
        """Scores in millionths, opinions in thousands: the shape is the same."""
        y = vqeg(SCORES, 90, 10, 35, 4) + RANDOM.normal(size=200)
        for kind in ("logistic-4", "logistic-5"):
            plain, scaled = fit(SCORES, y, kind), fit(1e-6 * SCORES - 3, 1e3 * y, kind)
            assert np.allclose(1e3 * plain(SCORES), scaled(1e-6 * SCORES - 3), rtol=1e-5)


class TestBesideScipy:
    """`curve_fit` from the usual starts, on data with noise, outliers, few points, and no relation at all."""

    DATA = {  # noqa: RUF012
        "noise": lambda r, x: vqeg(x, 90, 10, 35, 4) + 8 * r.normal(size=len(x)),
        "falling": lambda r, x: vqeg(x, 1, 5, 30, 6) + 0.5 * r.normal(size=len(x)),
        "outliers": lambda r, x: (
            vqeg(x, 90, 10, 35, 4) + np.where(r.random(len(x)) < 0.05, 200, 1) * r.normal(size=len(x))
        ),
        "nothing": lambda r, x: r.normal(size=len(x)),
        "steep": lambda r, x: (x > 40) + 0.1 * r.normal(size=len(x)),
    }

    @pytest.mark.parametrize("count", [20, 200])
    @pytest.mark.parametrize("name", DATA)
    @pytest.mark.parametrize(("kind", "function"), [("logistic-4", vqeg), ("logistic-5", sheikh)])
    def test_is_not_beaten(self, name, kind, function, count):
        random = np.random.default_rng(count)
        x = random.uniform(10, 60, count)
        y = self.DATA[name](random, x)
        starts = {
            "logistic-4": [(y.max(), y.min(), x.mean(), x.std() / 4)],
            "logistic-5": [(y.max(), 0.1, x.mean(), 0.1, 0.1), (np.ptp(y), 1 / x.std(), x.mean(), 0, y.mean())],
        }[kind]
        theirs = []
        for start in starts:
            try:
                parameters = curve_fit(function, x, y, start, maxfev=5000)[0]
            except RuntimeError:  # scipy gave up
                continue
            theirs.append(squared_error(lambda v, p=parameters: function(v, *p), x, y))
        assert squared_error(fit(x, y, kind), x, y) <= min(theirs, default=np.inf) * (1 + 1e-6)

    @pytest.mark.parametrize("kind", ["logistic-4", "logistic-5"])
    def test_is_never_worse_than_the_line(self, kind):
        for seed in range(30):
            random = np.random.default_rng(seed)
            x, y = random.normal(size=12), random.normal(size=12)
            assert squared_error(fit(x, y, kind), x, y) <= squared_error(fit(x, y, "linear"), x, y) * (1 + 1e-12)


def weak(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Scores that say little of the opinions: many valleys of nearly the same depth."""
    random = np.random.default_rng(seed)
    n = int(random.choice([12, 30, 80]))
    x = random.normal(size=n)
    truth = [0.5 * np.tanh(3 * x), 0.1 * x, 0 * x][seed % 3]
    return x, truth + random.normal(size=n)


def ratio_of_five_to_four(x, y) -> float:
    four, five = (squared_error(fit(x, y, kind), x, y) for kind in ("logistic-4", "logistic-5"))
    return five / four


class TestValleys:
    @pytest.mark.parametrize("seed", [75, 145])
    def test_more_parameters_are_never_worse_on_what_once_was(self, seed):
        """Sets on which a search of three valleys left the curve of five parameters behind that of four."""
        random = np.random.default_rng(seed)
        n = int(random.choice([12, 30, 80, 200, 1500, 3000]))
        x = random.normal(size=n)
        y = [np.tanh(3 * x), 0.1 * x, x, np.zeros(n)][seed % 4] + [0.5, 1, 0.3, 1][seed % 4] * random.normal(size=n)
        assert ratio_of_five_to_four(x, y) <= 1 + 1e-9

    @pytest.mark.slow
    def test_more_parameters_are_never_worse(self):
        for seed in range(200):
            assert ratio_of_five_to_four(*weak(seed)) <= 1 + 1e-9, seed

    @pytest.mark.slow
    @pytest.mark.parametrize(("kind", "function"), [("logistic-4", vqeg), ("logistic-5", sheikh)])
    def test_many_starts_find_nothing_better(self, kind, function):
        for seed in range(30):
            x, y = weak(seed)
            random = np.random.default_rng(seed)
            ours = squared_error(fit(x, y, kind), x, y)
            for _ in range(25):
                steep, where = 10 ** random.uniform(-1, 1.5), np.quantile(x, random.random())
                way = random.choice([-1, 1])
                four = (y.mean() + way * np.ptp(y) / 2, y.mean() - way * np.ptp(y) / 2, where, 1 / steep)
                start = four if kind == "logistic-4" else (way * np.ptp(y), steep, where, 0, y.mean())
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    try:
                        found = curve_fit(function, x, y, start, maxfev=1000)[0]
                    except RuntimeError:  # scipy gave up
                        continue
                theirs = float(np.sum((function(x, *found) - y) ** 2))
                assert ours <= theirs * 1.001, seed


class TestStraight:
    def test_line_by_hand(self):
        """Through (0, 1), (1, 3), (2, 5), (3, 7)."""
        found = fit([0, 1, 2, 3], [1, 3, 5, 7], "linear")
        assert np.allclose(found.parameters, (2, 1))
        assert found.straight
        assert found.rising

    def test_a_logistic_that_is_no_better_is_the_line(self):
        found = fit(SCORES, 3 - 0.2 * SCORES, "logistic-4")
        assert found.straight
        assert np.allclose(found.parameters, (-0.2, 3))
        assert not found.rising


class TestMonotone:
    def test_a_turn_of_less_than_a_hundredth_does_not_count(self):
        x = np.linspace(0, 100, 400)
        slight, clear = (fit(x, sheikh(x, 80, 0.3, 50, slope, 10), "logistic-5") for slope in (-0.005, -0.3))
        assert slight.monotone
        assert not clear.monotone

    def test_turns_are_where_the_curve_turns(self):
        """Against a dense sampling of the same curves."""
        for slope in (-1.0, -0.3, -0.05, 0.0, 0.2):
            curve = fit(SCORES, sheikh(SCORES, 60, 0.3, 35, slope, 0), "logistic-5")
            way = np.diff(curve(np.linspace(SCORES[0], SCORES[-1], 20001)))
            back = min(-way[way < 0].sum(), way[way > 0].sum())
            assert curve.monotone == (back <= 0.01 * abs(np.ptp(np.cumsum([0, *way]))))


class TestRefuses:
    @pytest.mark.parametrize(("kind", "least"), [("linear", 2), ("logistic-4", 6), ("logistic-5", 7)])
    def test_too_few_different_scores(self, kind, least):
        x = np.arange(20) % least
        assert fit(x, np.arange(20.0), kind) is not None
        assert fit(x % (least - 1), np.arange(20.0), kind) is None

    def test_equal_opinions(self):
        assert fit(np.arange(9.0), np.ones(9), "logistic-4") is None

    @pytest.mark.parametrize(
        ("x", "y", "kind"), [([1, 2], [1], "linear"), ([1, np.nan], [1, 2], "linear"), ([1, 2], [1, 2], "cubic")]
    )
    def test_wrong_input(self, x, y, kind):
        with pytest.raises(InputError):
            fit(x, y, kind)


def test_a_start_leads_to_the_same_curve():
    y = vqeg(SCORES, 90, 10, 35, 4) + 5 * RANDOM.normal(size=200)
    for kind in ("linear", "logistic-4", "logistic-5"):
        searched = fit(SCORES, y, kind)
        again = fit(SCORES, y, kind, start=searched)
        assert isinstance(again, Curve)
        assert np.allclose(searched(SCORES), again(SCORES), rtol=1e-4)
