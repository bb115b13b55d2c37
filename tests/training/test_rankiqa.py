"""The recipe of RankIQA: series, pairs, both of its stages on a narrow VGG-16, and the file that it writes."""

from __future__ import annotations

import csv
import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image as PillowImage
from safetensors.torch import load_file
from skimage import data
from torch import Tensor, nn
from typer.testing import CliRunner

import kukkiri as kk
from kukkiri.cli.main import app
from kukkiri.errors import InputError, ReadError, TrainingError, UnknownNameError
from kukkiri.networks import vgg
from kukkiri.optics.distort import find_kind
from kukkiri.training import rankiqa
from kukkiri.training.loop import Result, train
from kukkiri.training.rank_pictures import VERSIONS, Pictures
from kukkiri.training.rankiqa import Crops, TrainRankIQA, begin_with_imagenet, pairs, said
from kukkiri.training.recipe import generator
from kukkiri.training.recipes import build_recipe
from kukkiri.training.scored_pictures import read_scored

KINDS = ("gaussian-blur", "white-noise")
# Which of two is darker a narrow network learns at once.
SMALL: dict[str, Any] = {"crop": 48, "batch": 12, "kinds": ("darker",), "rate": 2e-3}


class Narrow(vgg.VGG16):
    """VGG-16 of a few channels: layers, names and order are those of the real one."""

    def __init__(self, outputs: int = 1) -> None:
        nn.Module.__init__(self)
        torch.manual_seed(5)
        layers: list[nn.Module] = []
        for stage in vgg.STAGES:
            for _ in stage:
                layers += [nn.Conv2d(3 if not layers else 8, 8, 3, padding=1), nn.ReLU()]
                nn.init.kaiming_normal_(layers[-2].weight, nonlinearity="relu")  # type: ignore[arg-type]
            layers.append(nn.MaxPool2d(2, 2))
        self.features = nn.Sequential(*layers)
        self.classifier = small_classifier(8, outputs)


def small_classifier(channels: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        *(nn.Linear(channels * vgg.CELLS**2, 16), nn.ReLU(), nn.Dropout(0.1)),
        *(nn.Linear(16, 16), nn.ReLU(), nn.Dropout(0.1), nn.Linear(16, outputs)),
    )


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Networks small enough to be trained in a test, by recipe and metric alike; no figures, which take long."""
    monkeypatch.setattr(rankiqa, "VGG16", Narrow)
    monkeypatch.setattr("kukkiri.quality.no_reference.rankiqa.VGG16", Narrow)
    trunk = {f"features.{name}": value for name, value in Narrow().features.state_dict().items()}
    monkeypatch.setattr(rankiqa, "load_tensors", lambda _key: trunk)
    monkeypatch.setattr(rankiqa, "SERIES", 6)
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    monkeypatch.setattr("kukkiri.training.logbook._draw", lambda entries, title, path: path.write_bytes(b""))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty photographs of 96 px."""
    place = tmp_path_factory.mktemp("photographs")
    for name in ("astronaut", "coffee", "chelsea", "rocket"):
        array = getattr(data, name)()
        for i in range(5):
            PillowImage.fromarray(array[60 : 60 + 96, 40 * i : 40 * i + 96]).save(place / f"{name}-{i}.png")
    return place


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty pictures of 64 px, darker and darker, and scores from 1 to 5 that say so."""
    place = tmp_path_factory.mktemp("rated")
    rows = []
    for i in range(30):
        array = data.astronaut()[8 * i : 8 * i + 64, 100:164]
        PillowImage.fromarray((array * (1 - 0.03 * i)).astype(np.uint8)).save(place / f"{i:02d}.png")
        rows.append((f"{i:02d}.png", 5 - 4 * i / 29, f"content {i % 15}"))
    return written(place / "scores.csv", ("image", "mos", "reference"), rows)


def written(path: Path, header: tuple[str, ...], rows: list[Any]) -> Path:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def run(recipe: TrainRankIQA, out: Path, steps: int, **options: Any) -> Result:
    return train(recipe, out, steps=steps, precision="no", device="cpu", progress=False, log_every=5, **options)


def losses(out: Path) -> list[float]:
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    return [line["loss"] for line in lines if line["kind"] == "train"]


def crop_of(size: int = 224) -> Tensor:
    return torch.from_numpy(data.coffee()[:size, :size].copy()).movedim(2, 0)[None]


@pytest.mark.usefixtures("narrow")
def test_ranking_is_learned_and_the_metric_takes_the_file(folder: Path, tmp_path: Path) -> None:
    recipe = TrainRankIQA((folder,), **SMALL)
    result = run(recipe, tmp_path / "run", 40)
    found = losses(tmp_path / "run")
    assert np.mean(found[-3:]) < 0.7 * found[0], found
    assert result.best is not None and result.curve[-1]["spearman"] > 0.5
    assert {"conv1_1.weight", "conv5_3.bias", "fc6.weight", "fc8_m.bias"} < load_file(result.best).keys()
    # The network that was trained, seen through the file: another order and range of channels, the same answer.
    again = TrainRankIQA((folder,), init=result.best, **SMALL).model().eval()
    metric = kk.metric("rankiqa", weights=result.best, crops=1)
    with torch.no_grad():
        expected = float(said(again, crop_of()))
    assert float(metric(crop_of().float() / 255)) == pytest.approx(expected, rel=1e-3, abs=1e-4)
    # What was learned holds for a picture of another size.
    assert float(metric(crop_of().float() / 255)) > float(metric(crop_of().float() / 1000))


@pytest.mark.usefixtures("narrow")
def test_scores_are_learned_in_their_own_units(table: Path, folder: Path, tmp_path: Path) -> None:
    recipe = TrainRankIQA(scores=table, crop=48, batch=16, rate=2e-3)
    result = run(recipe, tmp_path / "run", 40)
    found = losses(tmp_path / "run")
    assert np.mean(found[-3:]) < 0.6 * found[0], found
    assert result.last is not None and result.curve[-1]["spearman"] > 0.8
    with pytest.raises(InputError, match="expected opinions="):
        kk.metric("rankiqa", weights=result.last)
    metric = kk.metric("rankiqa", weights=result.last, opinions="mean", crops=1)
    values = []
    for name in ("00.png", "29.png"):
        tile = torch.from_numpy(np.asarray(PillowImage.open(table.parent / name)).copy()).movedim(2, 0)[None]
        values.append(float(metric(tile.tile(1, 1, 4, 4)[..., :224, :224].float() / 255)))
    # In the units of the table, whose scores go from 1 to 5, and not around 0.
    assert values[1] < values[0] and 1.5 < np.mean(values) < 4.5


@pytest.mark.usefixtures("narrow")
def test_scores_of_which_the_highest_is_the_worst_keep_their_direction(table: Path, tmp_path: Path) -> None:
    same, turned = (TrainRankIQA(scores=table, higher_is_worse=worse, crop=48) for worse in (False, True))
    torch.testing.assert_close(same._standard, -turned._standard)
    model = Narrow()
    for recipe, name in ((same, "mean"), (turned, "difference")):
        recipe.export(model, tmp_path / name)
    up, down = (
        float(kk.metric("rankiqa", weights=load_file(tmp_path / name), opinions=name, crops=1)(crop_of().float() / 255))
        for name in ("mean", "difference")
    )
    # What the network says is standardised, higher is better: u·σ + μ here, and −(−u·σ + μ) there.
    assert up - recipe.middle == pytest.approx(down + recipe.middle, abs=1e-2)


class Stopped(TrainRankIQA):
    """The user stops it while the fourth batch is made."""

    stopping = True

    def batches(self, seed: int, step: int) -> Iterator[Crops]:
        for number, batch in enumerate(super().batches(seed, step), step):
            if number == 3 and self.stopping:
                os.kill(os.getpid(), signal.SIGTERM)
            yield batch

    def settings(self) -> dict[str, Any]:
        return {key: value for key, value in super().settings().items() if key != "stopping"}


@pytest.mark.usefixtures("narrow")
@pytest.mark.parametrize("stage", ["ranks", "opinions"])
def test_a_resumed_run_ends_like_one_that_was_not_stopped(
    stage: str, folder: Path, table: Path, tmp_path: Path
) -> None:
    options: dict[str, Any] = {"data": (folder,)} if stage == "ranks" else {"scores": table}
    options |= {"crop": 48, "batch": 12} | ({"kinds": KINDS} if stage == "ranks" else {})
    stopped = Stopped(**options)
    assert not run(stopped, tmp_path / "stopped", 8).finished
    stopped.stopping = False
    resumed = run(stopped, tmp_path / "stopped", 8, resume=True)
    whole = run(TrainRankIQA(**options), tmp_path / "whole", 8)
    assert resumed.finished and resumed.last is not None and whole.last is not None
    first, second = load_file(resumed.last), load_file(whole.last)
    assert all(torch.equal(value, second[name]) for name, value in first.items())
    if stage == "ranks":
        with pytest.raises(TrainingError, match="margin"):
            run(Stopped(**options, margin=2.0), tmp_path / "stopped", 9, resume=True)


def test_series_grow_worse_at_one_place(folder: Path) -> None:
    pictures = Pictures(48, reduce=True)
    file = folder / "coffee-2.png"
    blurred, noisy = (pictures.series(file, find_kind(kind), generator(1, 2)) for kind in KINDS)
    assert blurred.shape == (VERSIONS, 3, 48, 48) and blurred.dtype == torch.uint8
    # The first is a piece of the photograph as it is, and the same for another kind.
    assert torch.equal(blurred[0], noisy[0])
    everywhere = pictures.picture(file).unfold(1, 48, 1).unfold(2, 48, 1)
    assert (everywhere == blurred[0][:, None, None]).flatten(3).all(3).all(0).any()
    detail = blurred.float().diff(dim=-1).abs().mean((1, 2, 3))
    assert (detail.diff() < 0).all()
    apart = (noisy.float() - noisy[0].float()).square().mean((1, 2, 3))
    assert (apart.diff() > 0).all()


def test_pairs_are_those_of_known_order() -> None:
    """By hand: of two series of answers every pair within one, none across."""
    first, second = torch.tensor([5.0, 4, 3, 2, 1, 0]), torch.tensor([0.0, 0, 0, 0, 0, 9])
    found = pairs(torch.cat([first, second]))
    assert found.shape == (2, 15)
    assert sorted(found[0].tolist()) == [1] * 5 + [2] * 4 + [3] * 3 + [4] * 2 + [5]
    assert sorted(found[1].tolist()) == [-9] * 5 + [0] * 10


@pytest.mark.usefixtures("narrow")
def test_the_loss_is_the_mean_hinge(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = TrainRankIQA((folder,), **SMALL, margin=2.0)
    monkeypatch.setattr(rankiqa, "said", lambda _model, _pictures: torch.tensor([5.0, 4, 3, 2, 1, 0]))
    loss, parts = recipe.loss(nn.Identity(), Crops(torch.empty(0), torch.empty(0)))
    assert float(loss) == pytest.approx(5 / 15) and float(parts["wrong"]) == 0


def test_the_first_layer_sees_what_imagenets_saw() -> None:
    """Within the picture; at its border black stands around, where ImageNet's mean stood."""

    class Real(Narrow):
        def __init__(self) -> None:
            nn.Module.__init__(self)
            self.features = vgg.vgg16_features()
            self.classifier = small_classifier(512, 1)

    network = Real()
    begin_with_imagenet(network)
    original = kk_tensors()
    picture = crop_of(64).float() / 255
    with torch.no_grad():
        here = network.features[0](picture / torch.tensor(vgg.DEVIATION).view(1, 3, 1, 1))
        there = F.conv2d(vgg.normalised(picture), original["features.0.weight"], original["features.0.bias"])
    torch.testing.assert_close(here[..., 1:-1, 1:-1], there, rtol=1e-4, atol=1e-4)


def kk_tensors() -> dict[str, Tensor]:
    from kukkiri.weights import load_tensors

    return {name: value.float() for name, value in load_tensors(rankiqa.TRUNK).items()}


def test_versions_of_one_content_are_held_out_together(table: Path) -> None:
    rated = read_scored(table)
    of_content: dict[int, set[bool]] = {}
    for at, out in enumerate(rated.held_out):
        of_content.setdefault(at % 15, set()).add(out)
    assert all(len(kinds) == 1 for kinds in of_content.values()) and sum(rated.held_out) == 4
    assert rated.part(True) == [at for at, out in enumerate(rated.held_out) if out]
    assert rated.points()[0] == 100 and rated.points()[-1] == 0 and rated.points((0.0, 5.0))[-1] == pytest.approx(20)
    assert read_scored(table, higher_is_worse=True).points((0.0, 5.0))[-1] == pytest.approx(80)
    with pytest.raises(InputError, match="holds all scores"):
        rated.points((2.0, 5.0))


def test_rows_that_nobody_has_rated_yet_are_left_out(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [(f"{i:02d}.png", "" if i in (3, 7) else i) for i in range(30)]
    path = written(table.parent / "half.csv", ("image", "mos"), rows)
    rated = read_scored(path)
    assert [name for name, _ in rated.judged] == [f"{i:02d}.png" for i in range(30) if i not in (3, 7)]
    assert capsys.readouterr().err.endswith("half.csv: rows without a score are left out: 2\n")


@pytest.mark.parametrize(
    ("header", "change", "kind", "said_"),
    [
        (("image", "dmos"), {}, InputError, "higher_is_worse=true, or false"),
        (("image", "mos"), {3: ("03.png", "good")}, InputError, "expected a number in column 'mos'"),
        (("image", "mos"), {3: ("none.png", 3)}, ReadError, "no file"),
        (("image", "mos"), {"all": 12}, InputError, "at least 20 pictures"),
        (("image", "mos"), {"same": 3.0}, InputError, "1 scores"),
        (("image", "marks"), {}, InputError, "a column 'mos'"),
    ],
)
def test_tables_that_will_not_do(
    table: Path, header: tuple[str, ...], change: dict[Any, Any], kind: type[Exception], said_: str
) -> None:
    rows: list[Any] = [(f"{i:02d}.png", change.get("same", i)) for i in range(change.get("all", 30))]
    for at in change.keys() - {"all", "same"}:
        rows[at] = change[at]
    path = written(table.parent / "wrong.csv", header, rows)
    with pytest.raises(kind) as caught:
        TrainRankIQA(scores=path)
    assert said_ in str(caught.value)


def test_what_the_recipe_needs(folder: Path, table: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="at least 20 sharp photographs"):
        TrainRankIQA((tmp_path,))
    with pytest.raises(InputError, match="a batch of at least 6"):
        TrainRankIQA((folder,), batch=5)
    with pytest.raises(InputError, match="a crop of at least 32"):
        TrainRankIQA((folder,), crop=16)
    with pytest.raises(InputError, match="margin and rate above 0"):
        TrainRankIQA((folder,), margin=0.0)
    with pytest.raises(UnknownNameError, match="gaussian-blur"):
        TrainRankIQA((folder,), kinds=("gausian-blur",))
    with pytest.raises(InputError, match="pictures of at least 224 px a side, got 96×96"):
        next(TrainRankIQA((folder,), kinds=KINDS).batches(0, 0))


def test_what_does_nothing_is_refused(folder: Path, table: Path) -> None:
    for name, value in (("data", (folder,)), ("margin", 1.0), ("kinds", KINDS)):
        options: dict[str, Any] = {name: value}
        with pytest.raises(InputError, match=f"expected no {name} with scores"):
            TrainRankIQA(scores=table, **options)
    with pytest.raises(InputError, match="expected no higher_is_worse without scores"):
        TrainRankIQA((folder,), higher_is_worse=True)
    with pytest.raises(InputError, match="no margin with scores"):
        build_recipe("rankiqa", options={"margin": "1"}, scores=table)
    assert TrainRankIQA((folder,)).margin == 1


def test_scores_are_for_recipes_that_take_them(table: Path, folder: Path) -> None:
    made: Any = build_recipe("rankiqa", scores=table)
    assert made.scores == table and made.settings()["scores"] == "scores.csv"
    assert made.settings()["judged"].startswith("30 values, sha256 ")
    with pytest.raises(InputError, match="learns from people's scores, got cnn-baseline"):
        build_recipe("cnn-baseline", [folder], scores=table)
    arguments = ["train", "cnn-baseline", "--out", "x", "--steps", "1", "--scores", str(table)]
    with pytest.raises(InputError, match="learns from people's scores"):
        CliRunner().invoke(app, arguments, catch_exceptions=False)
