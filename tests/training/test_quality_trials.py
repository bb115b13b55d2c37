import copy
import time
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image as Pillow
from skimage import data

from kukkiri.networks.efficientnet_lite import efficientnet_lite0
from kukkiri.networks.quality_head import QualityHead
from kukkiri.optics.distort import GROUPS, KINDS
from kukkiri.quality.judgement import Judgement
from kukkiri.quality.no_reference import kukkiri_nr
from kukkiri.quality.no_reference.quality_features import FEATURES, quality_features
from kukkiri.training import quality_cost, quality_trials
from kukkiri.training.quality_cost import _measured
from kukkiri.training.quality_trials import (
    BESIDE,
    MIXTURES,
    ODD,
    OURS,
    Observed,
    Observers,
    drawn,
    fingerprint,
    odd,
    of_photograph,
    trials,
    versions,
)
from kukkiri.training.teachers import TEACHERS

CHOSEN = tuple(KINDS[name] for name in ("gaussian-blur", "white-noise"))


class Untrained(torch.nn.Module):
    """Says what an untrained head says."""

    def __init__(self, weights=None):
        super().__init__()
        torch.manual_seed(0)
        self.trunk, self.head = efficientnet_lite0(), QualityHead(FEATURES).eval()

    @torch.inference_mode()
    def judge(self, picture):
        features = quality_features(self.trunk, picture)
        said, unlike = self.head(features), self.head.unlike_training(features)
        return [
            Judgement(
                float(said.score[i]),
                (float(said.lower[i]), float(said.upper[i])),
                dict(zip(GROUPS, said.logits[i].sigmoid().tolist(), strict=True)),
                float(unlike[i]),
            )
            for i in range(len(picture))
        ]


@pytest.fixture(scope="module")
def untrained():
    return Untrained()


@pytest.fixture
def photograph(tmp_path):
    path = tmp_path / "cat.png"
    Pillow.fromarray(data.chelsea()[60:244, 100:292]).save(path)
    return path


class Difference:
    """In place of the teachers, who are slow: how far values are apart."""

    def distances(self, damaged, reference):
        return (damaged - reference).abs().mean((1, 2, 3), dtype=torch.float64)[:, None].expand(-1, len(TEACHERS))


class Counting:
    """Observers that count how often they are asked, and see the same in all."""

    def __init__(self):
        self.asked = 0

    def observed(self, reference, made):
        self.asked += 1
        about = [said for _, said in made]
        beside = np.full((len(about), len(BESIDE)), np.nan)
        beside[:, 0] = np.arange(len(about))
        return Observed(about, torch.rand(len(about), FEATURES), np.linspace(100, 0, len(about)), beside)


def test_a_stopped_run_goes_on(photograph, tmp_path):
    observers, kept = Counting(), tmp_path / "kept"
    first = of_photograph(photograph, 0, kept, lambda: observers, CHOSEN)
    again = of_photograph(photograph, 0, kept, pytest.fail, CHOSEN)
    assert again.about == first.about and len(first.about) == 1 + 5 * len(CHOSEN) + MIXTURES
    assert torch.equal(again.features, first.features)
    np.testing.assert_array_equal(again.truth, first.truth)
    np.testing.assert_array_equal(again.beside, first.beside)
    of_photograph(photograph, 0, kept, lambda: observers, CHOSEN[:1])
    assert observers.asked == 2, "other kinds are other versions"
    of_photograph(photograph, 1, kept, lambda: observers, CHOSEN)
    assert observers.asked == 3, "of another number other damage is drawn"
    Pillow.fromarray(data.coffee()[60:244, 100:292]).save(photograph)
    of_photograph(photograph, 0, kept, lambda: observers, CHOSEN)
    assert observers.asked == 4, "of a name, there may be several files"
    assert not list(kept.glob("*.part"))


def test_other_weights_say_something_else_of_what_was_observed(untrained, photograph, tmp_path):
    seen = of_photograph(photograph, 0, tmp_path, Counting, CHOSEN)
    found = trials(seen, untrained.head)
    assert [t.truth for t in found] == seen.truth.tolist()
    assert found[3].scores == {OURS: found[3].scores[OURS], BESIDE[0]: 3.0, BESIDE[1]: None, BESIDE[2]: None}
    other = copy.deepcopy(untrained.head)
    for member in other.members:
        member.judgement.bias.data[0] += 0.2
    changed = trials(seen, other)
    for before, after in zip(found, changed, strict=True):
        assert after.scores[OURS] == pytest.approx(min(100, before.scores[OURS] + 5), abs=1e-3)
        assert after.wrong == before.wrong


def test_versions_say_what_was_done():
    picture = torch.from_numpy(data.coffee()[:64, :80].copy()).movedim(-1, 0)[None].float() / 255
    made = list(versions(picture, CHOSEN, 3))
    assert torch.equal(made[0][0], (picture * 255).round() / 255)
    assert [about["level"] for _, about in made[1:6]] == [1, 2, 3, 4, 5]
    away = [float((x - picture).abs().mean()) for x, _ in made[1:6]]
    assert away == sorted(away)
    for _, about in made[-MIXTURES:]:
        assert set(about["groups"]) == {"blur", "noise"}
        assert about["kind"] == "gaussian-blur+white-noise"
    again = list(versions(picture, CHOSEN, 3))
    assert all(torch.equal(a, b) for (a, _), (b, _) in zip(made, again, strict=True))


def test_all_judge_a_photograph(untrained, photograph, tmp_path, monkeypatch):
    monkeypatch.setattr(quality_trials, "Teachers", Difference)
    found = trials(of_photograph(photograph, 0, tmp_path / "kept", Observers, CHOSEN[:1]), untrained.head)
    assert [t.level for t in found] == [0, 1, 2, 3, 4, 5]
    truth = [t.truth for t in found]
    assert truth[0] == 100
    assert truth == sorted(truth, reverse=True)
    for t in found:
        assert set(t.scores) == {OURS, *BESIDE}
        assert t.interval[0] <= t.scores[OURS] <= t.interval[1]
        assert list(t.wrong.values()) == sorted(t.wrong.values(), reverse=True)
    # As bad is higher with NIQE, its scores are turned round.
    assert found[0].scores["niqe"] > found[-1].scores["niqe"]


def test_fingerprint_follows_the_weights(untrained):
    before = fingerprint(untrained.head)
    assert fingerprint(untrained.head) == before
    other = copy.deepcopy(untrained.head)
    other.stretch[0] += 1
    assert fingerprint(other) != before


def test_drawn_pictures_are_judged_one_by_one(untrained):
    found = drawn(untrained, 2)
    assert len(found) == 2
    assert found[0].value != found[1].value


def test_odd_pictures_come_with_the_package(monkeypatch):
    """Nothing is fetched, and none is left out."""
    monkeypatch.setattr(data._fetchers, "_image_fetcher", None)
    asked = SimpleNamespace(judge=lambda picture: [picture.shape])
    assert list(odd(asked)) == list(ODD)


def test_time_of_every_stage(monkeypatch):
    monkeypatch.setattr(kukkiri_nr, "KukkiriNR", Untrained)
    # Time of this process: what others do meanwhile does not count.
    monkeypatch.setattr(quality_cost, "time", SimpleNamespace(perf_counter=time.process_time))
    threads = torch.get_num_threads()
    try:
        found = _measured(None, ("piqe",), (224, 256))
    finally:
        torch.set_num_threads(threads)
    assert len(found["stages"]) == 9
    assert all(ms > 0 for ms in found["stages"].values())
    assert found["beside"]["piqe"] > 0
    # The stages are all there is: apart from noise, they make up the whole.
    assert 0.4 < sum(found["stages"].values()) / found["ms"] < 2
