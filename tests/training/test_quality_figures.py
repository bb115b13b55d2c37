import json
import math
import sys

import pytest

from kukkiri.errors import InputError
from kukkiri.quality.judgement import Judgement
from kukkiri.training.quality_figures import METRICS, _order, _rounded, figures, main
from kukkiri.training.quality_trials import OURS, Trial

GROUPS = ("blur", "noise", "compression", "exposure", "contrast", "colour", "haze")


def probabilities(*named):
    """The named ones first, all above one half; the others below."""
    order = [*named, *(g for g in GROUPS if g not in named)]
    return {group: (0.9 if group in named else 0.3) - 0.01 * i for i, group in enumerate(order)}


def trial(kind, groups, level, truth, ours, *, named=(), others=None, interval=None, unlike=0.2):
    scores = dict.fromkeys(METRICS, ours if others is None else others) | {OURS: ours}
    interval = interval or (truth - 5, truth + 5)
    return Trial(kind, list(groups), float(level), truth, scores, interval, probabilities(*named), unlike)


def ladder(kind, group, score, *, named, others=None):
    groups = [group] if group else []
    return [
        trial(kind, groups, n, 100 - 15 * n, score(n), named=named(n), others=others and others(n)) for n in range(1, 6)
    ]


def version(pristine):
    """All trials of a picture, the picture itself as given."""
    return [
        pristine,
        *ladder("gaussian-blur", "blur", lambda n: 95 - 10 * n, named=lambda n: ("blur",) if n > 1 else ()),
        # Taken for noise at 2 and 3; the scores at 4 and 5 stand in the wrong order.
        *ladder(
            "jpeg",
            "compression",
            lambda n: (0, 90, 80, 70, 50, 60)[n],
            named=lambda n: ("noise",) if n < 4 else ("compression",),
        ),
        # A kind that no training saw: ours rises with damage, the others fall.
        *ladder("lens-blur", "blur", lambda n: 95 + n, named=lambda n: ("blur", "noise"), others=lambda n: 95 - n),
        *ladder("over-sharpening", None, lambda n: 50.0, named=lambda n: ()),
        trial("gaussian-blur+white-noise", ("blur", "noise"), 0, 20.0, 20.0, named=("noise", "blur")),
        trial("gaussian-blur+webp", ("blur", "compression"), 0, 10.0, 10.0, named=("haze", "colour", "noise", "blur")),
    ]


ODD = {"text": Judgement(12.0, (5.0, 20.0), probabilities("contrast"), 1.0)}


@pytest.fixture(scope="module")
def found():
    first = version(trial("", (), 0, 100.0, 95.0))
    second = version(trial("", (), 0, 100.0, 95.0, named=("haze",), interval=(60.0, 90.0), unlike=1.0))
    drawn = [Judgement(50.0, (40.0, 60.0), probabilities(), unlike) for unlike in (0.5, 0.995)]
    undamaged = [
        Judgement(95.0, (90.0, 100.0), probabilities(), 0.2),
        Judgement(70.0, (60.0, 80.0), probabilities("haze"), 0.995),
    ]
    return figures([first, second], undamaged, drawn, ODD)


def test_order_within_a_picture(found):
    by_kind = {kind: row["spearman"] for kind, row in found["kinds"].items()}
    assert by_kind["gaussian-blur"][OURS] == 1
    # Six ranks, two neighbours swapped: 1 − 6·2 / (6·35).
    assert by_kind["jpeg"][OURS] == pytest.approx(1 - 12 / 210)
    assert by_kind["lens-blur"] == {OURS: -1, "niqe": 1, "brisque": 1, "piqe": 1}
    # The picture itself first, then five alike: 7.5 / √(7.5 · 17.5).
    tied = 7.5 / math.sqrt(7.5 * 17.5)
    assert by_kind["over-sharpening"][OURS] == pytest.approx(tied)
    assert found["summary"]["seen"][OURS]["mean"] == pytest.approx((1 + 1 - 12 / 210 + tied) / 3)
    assert found["summary"]["seen"][OURS]["worst_kind"] == "over-sharpening"
    assert found["summary"]["unseen"][OURS]["mean"] == -1
    assert found["kinds"]["jpeg"]["levels"][OURS] == [95, 90, 80, 70, 50, 60]
    assert found["kinds"]["jpeg"]["truth"] == [100, 85, 70, 55, 40, 25]
    assert found["kinds"]["over-sharpening"]["group"] is None
    assert found["kinds"]["jpeg"]["group"] == "compression"


def test_agreement_with_the_teachers(found):
    assert found["teachers"][OURS]["unseen"] == pytest.approx(-1)
    assert found["teachers"]["niqe"]["unseen"] == pytest.approx(1)
    assert found["teachers"][OURS]["mixtures"] == pytest.approx(1)
    assert -1 < found["teachers"][OURS]["all"] < found["teachers"]["niqe"]["all"] < 1
    # Two pictures alike: within one the order is that over both.
    assert found["teachers"][OURS]["within"] == pytest.approx(found["teachers"][OURS]["all"], abs=0.01)


def test_what_is_wrong(found):
    wrong = found["wrong"]
    assert wrong["top_1"]["seen"] == 6 / 8
    assert wrong["top_1"]["unseen"] == 1
    assert wrong["top_1"]["by_kind"] == {"gaussian-blur": 1, "jpeg": 0.5, "lens-blur": 1}
    assert wrong["confusion"] == {"blur": {"blur": 1}, "compression": {"noise": 0.5, "compression": 0.5}}
    assert wrong["mixtures"] == {"seen": 1, "all": 0.5}
    assert wrong["clean"] == 0.5
    assert wrong["false_alarms"] == {group: 0.5 * (group == "haze") for group in GROUPS}


def test_intervals_and_what_is_unlike(found):
    assert found["intervals"]["pristine"] == {"coverage": 0.5, "width": 20, "error": 5}
    assert found["intervals"]["seen"]["coverage"] == 1
    unlike = found["unlike"]
    assert unlike["pristine"] == 0.5
    assert unlike["damaged"] == {str(level): 0 for level in range(1, 6)}
    assert unlike["drawn"] == 0.5
    assert unlike["odd"]["text"]["flagged"]
    assert unlike["odd"]["text"]["named"] == ("contrast",)


@pytest.mark.parametrize(
    ("scores", "expected"),
    [([1.0, 2.0, 3.0], 1), ([3.0, None, 1.0], -1), ([1.0, None, None], 0), ([2.0, 2.0, 2.0], 0)],
)
def test_order_with_missing_scores(scores, expected):
    assert _order(scores, [1.0, 2.0, 3.0]) == expected


@pytest.mark.parametrize("part", ["0/2", "3/2", "x"])
def test_what_is_no_part_is_said_at_once(part, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["quality_figures", "--data", str(tmp_path), "--out", "x.json", "--part", part])
    with pytest.raises(InputError, match="a part such as 1/2"):
        main()


def test_what_is_written_is_json():
    written = json.loads(json.dumps(_rounded({"a": (1.23456, math.nan), "b": {"c": True, "d": "x"}})))
    assert written == {"a": [1.2346, None], "b": {"c": True, "d": "x"}}
