"""The recipe of kukkiri-nr on material whose truth is known, and on a user's own scores."""

from __future__ import annotations

import csv
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image as PillowImage
from safetensors.torch import load_file
from skimage import data

from kukkiri.errors import InputError
from kukkiri.networks.quality_head import QualityHead
from kukkiri.optics.distort import GROUPS
from kukkiri.quality.no_reference.quality_features import FEATURES
from kukkiri.training import scored_pictures
from kukkiri.training.kukkiri_nr import KukkiriNR
from kukkiri.training.loop import train
from kukkiri.training.quality_material import Prepared, Samples, drawing
from kukkiri.training.recipes import build_recipe
from kukkiri.training.teachers import TEACHERS, Scales
from kukkiri.weights import load_into

PICTURES, DRAWINGS = 33, 7
SERIES, STEPS = 3, 5


def material(number: int) -> Samples:
    """Versions of one picture as if features were its content and, along one direction a group, its damage.

    Damage of level l has the distance from the original at which each teacher's scale says a badness of 18 l.
    """
    directions = np.random.default_rng(1).normal(size=(len(GROUPS), FEATURES))
    random = np.random.default_rng((2, number))
    content = 0.5 * random.normal(size=FEATURES)
    levels = np.zeros((2 + SERIES * STEPS, len(GROUPS)), np.float32)
    series, level = (np.full(len(levels), fill) for fill in (-1, 0.0))
    for one in range(SERIES):
        rows = slice(1 + one * STEPS, 1 + (one + 1) * STEPS)
        level[rows] = np.arange(STEPS) + 0.6
        levels[rows, random.integers(len(GROUPS))] = level[rows]
        series[rows] = one
    again = np.full(len(levels), -1)
    again[-1] = STEPS  # the first series' last version, seen again
    levels[-1] = levels[STEPS]
    knots = Scales.shipped().knots
    badness = 18.0 * levels.sum(1)
    distances = [np.interp(badness, np.linspace(0, 100, len(knots[name])), knots[name]) for name in TEACHERS]
    features = content + levels @ directions + 0.1 * random.normal(size=(len(levels), FEATURES))
    return Samples(
        features=features.astype(np.float16),
        distances=np.stack(distances, 1).astype(np.float32),
        groups=levels,
        series=series.astype(np.int16),
        level=level.astype(np.float32),
        again=again.astype(np.int16),
        kind=np.array([""] * len(levels)),
    )


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders `photographs`, small drawn pictures, and `prepared`, what is known of them."""
    root = tmp_path_factory.mktemp("material")
    (root / "photographs").mkdir()
    (root / "prepared").mkdir()
    random = np.random.default_rng(0)
    pixels = (drawing(random)[0, :, :48, :48] * 255).byte().movedim(0, 2).numpy()
    for number in range(PICTURES):
        PillowImage.fromarray(np.roll(pixels, number)).save(root / "photographs" / f"{number:02d}.png")
    prepared = Prepared(sorted((root / "photographs").iterdir()), root / "prepared")
    assert len(prepared) == PICTURES + DRAWINGS
    for number in range(len(prepared)):
        np.savez(prepared.path(number), **vars(material(number)))
    return root


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty pictures of 40 px, blank more and more, with scores from 1 to 5 that say so."""
    root = tmp_path_factory.mktemp("rated")
    rows = [("image", "mos")]
    for i in range(20):
        seen = data.chelsea()[3 * i : 3 * i + 40, 100:140] * (1 - i / 20) + 120 * i / 20
        PillowImage.fromarray(seen.astype(np.uint8)).save(root / f"{i:02d}.png")
        rows.append((f"{i:02d}.png", f"{5 - 4 * i / 19:.3f}"))
    with (root / "scores.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return root / "scores.csv"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tensorboard and figures take longer than the runs."""
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    monkeypatch.setattr("kukkiri.training.logbook._draw", lambda entries, title, path: path.write_bytes(b""))


def recipe(place: Path, **options: Any) -> KukkiriNR:
    return KukkiriNR((place / "photographs",), prepared=place / "prepared", pictures=8, **options)


def run(made: KukkiriNR, out: Path, **options: Any) -> Any:
    return train(
        made,
        out,
        **{"steps": 15, "precision": "no", "device": "cpu", "progress": False, "log_every": 5} | options,
    )


def logged(out: Path, name: str) -> list[float]:
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    return [line[name] for line in lines if line["kind"] == "train"]


def test_what_the_material_holds_is_learned(place: Path, tmp_path: Path) -> None:
    made = recipe(place)
    result = run(made, tmp_path / "run")
    found = result.curve[-1]
    assert found["spearman"] > 0.9 and found["ladder"] > 0.9 and found["top_1"] > 0.9, found
    losses = logged(tmp_path / "run", "loss")
    assert losses[-1] < 0.6 * losses[0]
    head = QualityHead(FEATURES, len(GROUPS))
    load_into(head, result.best, "kukkiri-nr")
    # What the card says is true of the file.
    best = min(result.curve, key=lambda row: row["score"])
    assert made.validate(head.eval())["inside"] == pytest.approx(best["inside"], abs=0.03)
    # What is set after the training is in the file: on the pictures it was set by, 90 of 100 intervals hold.
    part = made.material()["calibration"]
    said = head(part["features"])
    inside = (said.lower <= part["score"] + 0.5) & (part["score"] <= said.upper + 0.5)
    assert float(inside.float().mean()) >= 0.85
    assert float(head.unlike_training(part["features"]).median()) < 0.9
    assert float(head.unlike_training(part["features"] + 20 * torch.randn(FEATURES)).min()) == 1


def test_pictures_are_parted_and_batches_are_whole_pictures(place: Path) -> None:
    made = recipe(place)
    sizes = {part: len(arrays["score"]) // 17 for part, arrays in made.material().items()}
    # Of 40 pictures 0, 10, 20, 30 are held out, by turns for validation and calibration.
    assert sizes == {"training": 36, "validation": 2, "calibration": 2}
    batches = made.batches(4, 7)
    next(batches)
    batch, again = next(batches), next(recipe(place).batches(4, 8))
    assert all(torch.equal(value, again[name]) for name, value in batch.items())
    assert len(batch["score"]) == 8 * 17
    twin = batch["again"].long()
    at = torch.arange(len(twin))[twin >= 0]
    assert len(at) == 8 and torch.equal(batch["groups"][at], batch["groups"][twin[at]])


def test_all_versions_of_a_picture_have_the_same_noise(place: Path) -> None:
    noisy, plain = (next(recipe(place, noise=noise).batches(4, 7)) for noise in (0.4, 0.0))
    added = (noisy["features"] - plain["features"]).reshape(8, 17, FEATURES)
    torch.testing.assert_close(added, added[:, :1].expand_as(added), atol=1e-4, rtol=0)
    made = recipe(place)
    white = added[:, 0] / made.model().scale @ made.whitening()[0]
    assert float(white.std()) == pytest.approx(0.4, rel=0.05)
    assert abs(float(torch.corrcoef(white).tril(-1).abs().max())) < 0.15


def test_scores_of_own_pictures_are_learned(
    place: Path, table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: Any = build_recipe(
        "kukkiri-nr",
        [place / "photographs"],
        {"prepared": str(place / "prepared"), "pictures": "8", "scale": "0,5", "opinions": "2"},
        scores=table,
    )
    features, points = made.rated(held_out=False)
    others, their_points = made.rated(held_out=True)
    assert features.shape == (18, FEATURES) and others.shape == (2, FEATURES)
    # From 0 to 5: the score 1 is 20 of 100.
    assert points.min() == pytest.approx(20, abs=0.1) and their_points.max() == 100
    result = run(made, tmp_path / "run", steps=45)
    losses = logged(tmp_path / "run", "opinions")
    last = result.curve[-1]
    assert losses[-1] < 0.5 * losses[0] and last["opinions_error"] < 20 and last["opinions"] > 0.9
    # Two pictures must not choose the weights; ten may.
    counted = ("spearman", "ladder", "top_1")
    assert result.score == pytest.approx(1 - sum(last[name] for name in counted) / 3, abs=1e-6)
    monkeypatch.setattr("kukkiri.training.kukkiri_nr.ENOUGH_RATED", 2)
    with torch.inference_mode():
        again = made.validate(made.model().eval())
    assert again["score"] == pytest.approx(1 - sum(again[name] for name in (*counted, "opinions")) / 4, abs=1e-6)
    # Features are kept: nothing is computed again.
    monkeypatch.setattr("kukkiri.networks.efficientnet_lite.efficientnet_lite0", None)
    again = scored_pictures.features_of_files(made._rated.files, place / "prepared")
    assert torch.equal(again[made._rated.part(False)], features)


def test_scores_change_nothing_else_that_is_drawn(place: Path, table: Path) -> None:
    plain, rated = (next(recipe(place, scores=scores).batches(0, 3)) for scores in (None, table))
    assert rated.keys() - plain.keys() == {"rated_features", "rated_score"}
    assert all(torch.equal(value, rated[name]) for name, value in plain.items())


def test_a_resumed_run_ends_like_one_that_was_not_stopped(place: Path, table: Path, tmp_path: Path) -> None:
    made = recipe(place, scores=table)
    batches = made.batches

    def stopping(seed: int, step: int) -> Any:
        for number, batch in enumerate(batches(seed, step), step):
            if number == 1:
                os.kill(os.getpid(), signal.SIGTERM)
            yield batch

    made.batches = stopping  # type: ignore[method-assign]
    assert not run(made, tmp_path / "run", steps=3).finished
    resumed = run(recipe(place, scores=table), tmp_path / "run", steps=3, resume=True)
    whole = run(recipe(place, scores=table), tmp_path / "whole", steps=3)
    first, second = load_file(resumed.last), load_file(whole.last)
    assert first.keys() == second.keys()
    assert all(torch.equal(value, second[name]) for name, value in first.items())


def test_wrong_scores_are_explained(place: Path, table: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds all scores \(1 to 5\), got 2,5"):
        recipe(place, scores=table, scale=(2.0, 5.0))
    with pytest.raises(InputError, match=r"a scale, low and high"):
        recipe(place, scores=table, scale=(5.0, 1.0))
    small = tmp_path / "small.csv"
    names = []
    for i in range(20):
        PillowImage.fromarray(np.full((20, 60, 3), i, np.uint8)).save(tmp_path / f"{i}.png")
        names.append(f"{i}.png,{i}")
    small.write_text("\n".join(["image,mos", *names]))
    with pytest.raises(InputError, match="at least 32 px a side, got 60×20 in 0.png"):
        recipe(place, scores=small).rated(held_out=False)
