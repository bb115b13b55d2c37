"""A score that says what is wrong, from the verb, the rows of a command, and its table."""

import copy
import inspect
import json
import pickle
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image as Pillow
from skimage import data
from typer.testing import CliRunner

import kukkiri as kk
from judging import SPEC, judge, made_judgement
from kukkiri.cli.main import app
from kukkiri.cli.quality_tables import wrong_column, wrong_words
from kukkiri.metrics.table import DEFAULT_METRICS, DEFAULT_QUALITY
from kukkiri.quality.judgement import Judgement
from kukkiri.quality.quality_score import JUDGED_KEYS, QualityScore, quality_score

__all__ = ["judge"]  # a fixture


def test_a_judgement_becomes_a_score() -> None:
    score = quality_score(made_judgement(61.0, 0.995, haze=0.7, blur=0.9), SPEC, 0.25)
    assert isinstance(score, kk.Score) and float(score) == 61
    assert (score.interval, score.masked, score.metric) == ((51, 71), 0.25, "made-judge")
    assert score.named == ("blur", "haze") and list(score.wrong)[:2] == ["blur", "haze"]
    assert score.is_unlike_training and score.unlike_training == 0.995
    row = json.loads(json.dumps(score.to_row(), allow_nan=False))
    plain = kk.Score(61.0, "made-judge", True, (51.0, 71.0), "", 0.25).to_row()
    assert {name: row[name] for name in plain} == json.loads(json.dumps(plain))
    assert list(row) == [*plain, *JUDGED_KEYS]
    assert row["named"] == ["blur", "haze"] and row["wrong"]["blur"] == 0.9
    with pytest.raises(TypeError, match="item assignment"):
        score.wrong["blur"] = 0.0  # type: ignore[index]


def test_a_score_is_copied_pickled_hashed_and_taken_apart() -> None:
    said = made_judgement(61.0, 0.995, haze=0.7, blur=0.912345)
    for one in (said, quality_score(said, SPEC), QualityScore(1.0, "made-judge", True, wrong={"blur": 0.25})):
        for again in (pickle.loads(pickle.dumps(one)), copy.copy(one), copy.deepcopy(one), replace(one)):
            assert again == one and hash(again) == hash(one) and list(again.wrong) == list(one.wrong)
            with pytest.raises(TypeError, match="read-only"):
                again.wrong["blur"] = 0.0  # type: ignore[index]
        parts = json.loads(json.dumps(asdict(one)))
        assert list(parts["wrong"].items()) == list(one.wrong.items())
        assert len({one, replace(one, wrong={"blur": 0.5})}) == 2
    assert "wrong={'blur': 0.912, 'haze': 0.7, 'noise': 0.05" in repr(said)


def test_probabilities_are_read_only() -> None:
    given = {"blur": 0.5}
    wrong = Judgement(1.0, (0.0, 2.0), given, 0.0).wrong
    given["blur"] = 0.25
    changes: list[Callable[[Any], Any]] = [
        lambda w: w.update(blur=0.0),
        lambda w: w.clear(),
        lambda w: w.pop("blur"),
        lambda w: w.popitem(),
        lambda w: w.setdefault("noise", 0.0),
        lambda w: w.__delitem__("blur"),
        lambda w: w.__ior__({"noise": 0.0}),
    ]
    for change in changes:
        with pytest.raises(TypeError, match="read-only"):
            change(wrong)
    assert wrong == {"blur": 0.5} and wrong | {"noise": 0.1} == {"blur": 0.5, "noise": 0.1}


def test_the_verb_leaves_out_what_is_masked(judge: str) -> None:
    picture = torch.full((1, 40, 60), 0.25)
    picture[:, 30:] = 1
    mask = torch.zeros(40, 60, dtype=torch.bool)
    mask[30:] = True
    whole, part = kk.quality(picture, judge, mask=None), kk.quality(picture, judge, mask=mask)
    assert isinstance(whole, QualityScore) and isinstance(part, QualityScore)
    assert whole.value == pytest.approx(43.75) and part.value == pytest.approx(25)
    assert (whole.masked, part.masked) == (0, 0.25) and part.named == ("exposure",)


def test_a_metric_that_does_not_judge_gives_a_plain_score() -> None:
    assert type(kk.quality(torch.rand(1, 32, 32), "tenengrad")) is kk.Score


def test_the_default_says_what_is_wrong() -> None:
    assert inspect.signature(kk.quality).parameters["metric"].default == DEFAULT_QUALITY == "kukkiri-nr"
    assert DEFAULT_METRICS[:2] == ("kukkiri-blur", DEFAULT_QUALITY)


@pytest.mark.parametrize(
    ("column", "words"),
    [("noise 0.93; blur 0.61", "noise 93 %, blur 61 %"), ("haze 1.00", "haze 100 %"), ("", "clean"), (None, "–")],
)
def test_words_for_people(column: str | None, words: str) -> None:
    assert wrong_column(column) == words


def test_words_of_pairs() -> None:
    assert wrong_words([("noise", 0.504), ("blur", 0.5)]) == "noise 50 %, blur 50 %"


def test_the_command_says_it_in_words_and_in_json(judge: str, tmp_path: Path) -> None:
    files = [tmp_path / f"{name}.png" for name in ("bright", "dark", "missing")]
    Pillow.fromarray(np.full((64, 64), 250, np.uint8)).save(files[0])
    Pillow.fromarray(data.moon()[:96, :96] // 4).save(files[1])
    arguments = ["quality", *map(str, files), "-m", f"{judge},tenengrad", "--no-auto-mask"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 1
    printed = done.stdout
    for text in ("90 %", "88 … 108", "noise 98 %", "exposure 8", f"{judge}: unlike most pictures of its training"):
        assert text in printed, text
    assert "dark.png: made-judge: unlike" not in printed and "missing.png: expected" in done.stderr
    rows = [json.loads(line) for line in CliRunner().invoke(app, [*arguments, "--json"]).stdout.splitlines()]
    bright, plain, _, _, failed, _ = rows
    assert bright["named"] == ["noise"] and bright["wrong"]["exposure"] == pytest.approx(1 - 250 / 255)
    assert bright["is_unlike_training"] is True and len(bright["interval"]) == 2
    assert set(failed) == set(bright) and failed["wrong"] is None and "wrong" not in plain
    alone = CliRunner().invoke(app, ["quality", str(files[1]), "-m", "tenengrad"]).stdout
    assert "what is wrong" not in alone
