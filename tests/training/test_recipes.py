"""Recipes by name, their options as typed, what a recipe says of itself, and `kukkiri train`."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Literal

import pytest
import torch
from safetensors import safe_open
from torch import nn
from typer.testing import CliRunner

from kukkiri.cli.main import app
from kukkiri.errors import InputError, MissingExtraError, UnknownNameError
from kukkiri.training import recipes
from kukkiri.training.recipe import Recipe, generator
from kukkiri.training.recipes import RECIPES, RecipeEntry, build_recipe, recipe_class
from training.tiny import Tiny


class Optional(Tiny):
    """Every kind of option."""

    name = "optional"

    def __init__(
        self,
        data: tuple[Path, ...] = (),
        *,
        count: int = 1,
        rate: float | None = None,
        fast: bool = False,
        kind: Literal["a", "b"] = "a",
        sizes: tuple[int, ...] = (),
        pair: tuple[float, float] = (0, 1),
        where: Path = Path(),
    ) -> None:
        super().__init__(data)
        self.got = {"count": count, "rate": rate, "fast": fast, "kind": kind, "sizes": sizes, "pair": pair}
        self.where = where


class Interrupted(Tiny):
    name = "interrupted"

    def __init__(self, data: tuple[Path, ...] = ()) -> None:
        super().__init__(data)
        self._events = {4: lambda: os.kill(os.getpid(), signal.SIGTERM)}


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> None:
    mine = (
        RecipeEntry("tiny", Tiny.title, "training.tiny:Tiny"),
        RecipeEntry("optional", Tiny.title, f"{__name__}:Optional"),
        RecipeEntry("interrupted", Tiny.title, f"{__name__}:Interrupted"),
    )
    monkeypatch.setattr(recipes, "RECIPES", mine)
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)


def run(*arguments: object, code: int = 0) -> tuple[str, str]:
    result = CliRunner().invoke(app, ["train", *map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result.stdout, result.stderr


@pytest.mark.parametrize("entry", RECIPES, ids=lambda e: e.name)
def test_the_table_is_true(entry: RecipeEntry) -> None:
    kind = recipe_class(entry.name)
    assert issubclass(kind, Recipe) and (kind.name, kind.title) == (entry.name, entry.title)
    recipes.recipe_options(kind)


def test_the_table_needs_no_torch() -> None:
    code = "import sys, kukkiri.cli.train, kukkiri.training.recipes; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0


@pytest.mark.usefixtures("table")
def test_options_are_converted_to_what_the_recipe_takes() -> None:
    typed = {"count": "3", "rate": "1e-3", "fast": "yes", "kind": "b", "sizes": "1,2,3", "pair": "0.5,2", "where": "in"}
    made: Any = build_recipe("optional", options=typed)
    assert made.got == {
        "count": 3, "rate": 1e-3, "fast": True, "kind": "b", "sizes": (1, 2, 3), "pair": (0.5, 2.0)
    }  # fmt: skip
    assert made.where == Path("in")
    assert build_recipe("optional", options={"rate": "none"}).got["rate"] is None  # type: ignore[attr-defined]


@pytest.mark.usefixtures("table")
@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"cuont": "3"}, "did you mean count? it takes: count, rate, fast, kind, sizes, pair, where"),
        ({"data": "x"}, "it takes: count"),
        ({"count": "3.5"}, "expected a whole number for the option count, got '3.5'"),
        ({"rate": "quick"}, "expected a number for the option rate"),
        ({"fast": "maybe"}, "expected true or false"),
        ({"kind": "c"}, "expected one of a, b"),
        ({"pair": "1"}, "expected 2 values parted by commas"),
    ],
)
def test_wrong_options_are_named(typed: dict[str, str], said: str) -> None:
    with pytest.raises(InputError) as caught:
        build_recipe("optional", options=typed)
    assert said in str(caught.value)


@pytest.mark.usefixtures("table")
def test_data_are_folders_that_exist(tmp_path: Path) -> None:
    assert build_recipe("tiny", [tmp_path]).data == (tmp_path,)  # type: ignore[attr-defined]
    with pytest.raises(InputError, match="a folder of training data"):
        build_recipe("tiny", [tmp_path / "nothing"])


def test_settings_are_what_is_plain() -> None:
    recipe = Tiny(data=[Path("some/a"), Path("b")], width=9)
    found = recipe.settings()
    assert found["width"] == 9 and found["data"] == ["a", "b"] and found["weight_decay"] == 0.01
    assert not {"name", "title", "model", "_picture"} & found.keys()
    assert Tiny(data=[Path(str(k)) for k in range(400)]).settings()["data"].startswith("400 values, sha256 ")
    assert json.loads(json.dumps(found)) == found


def test_the_schedule_rises_and_falls() -> None:
    recipe = Tiny()
    rate = [recipe.schedule(k / 1000) for k in range(1001)]
    assert rate[0] == pytest.approx(0.01) and rate[30] == pytest.approx(1) and rate[1000] == pytest.approx(0.01)
    assert rate[15] == pytest.approx(0.505) and rate[515] == pytest.approx(0.505)
    assert rate[:31] == sorted(rate[:31]) and rate[30:] == sorted(rate[30:], reverse=True)


def test_only_weights_of_two_dimensions_decay() -> None:
    groups = Tiny().optimizer(Tiny().model()).param_groups
    assert [(g["weight_decay"], {p.ndim > 1 for p in g["params"]}) for g in groups] == [(0.01, {True}), (0.0, {False})]


def test_export_is_half_where_half_can_hold_it(tmp_path: Path) -> None:
    model = Tiny().model()
    with torch.no_grad():
        model[4].bias.fill_(1e5)
    Tiny().export(model, tmp_path / "weights")
    (tmp_path / "any").touch()
    assert (tmp_path / "weights").stat().st_mode == (tmp_path / "any").stat().st_mode  # others may read it too
    with safe_open(tmp_path / "weights", "pt") as file:
        kinds = {name: file.get_tensor(name).dtype for name in file.keys()}  # noqa: SIM118 (not a dictionary)
        assert file.metadata()["recipe"] == "tiny" and json.loads(file.metadata()["settings"])["width"] == 6
        assert float(file.get_tensor("4.bias")) == 1e5
    assert kinds["0.weight"] == torch.float16 and kinds["4.bias"] == torch.float32
    assert kinds["1.num_batches_tracked"] == torch.int64 and kinds.keys() == model.state_dict().keys()


def test_streams_of_random_numbers_are_their_own() -> None:
    draws = {k: torch.rand(4, generator=generator(*k)) for k in [(0, 1), (1, 0), (0, 2), (0, 1, 1), (0, 0)]}
    assert len({tuple(d.tolist()) for d in draws.values()}) == len(draws)
    assert torch.equal(torch.rand(4, generator=generator(0, 1)), draws[0, 1])


def test_a_recipe_must_be_whole() -> None:
    class Half(Recipe):
        name, title = "half", "Half"

        def model(self) -> nn.Module:
            return nn.Identity()

    with pytest.raises(TypeError, match="abstract"):
        Half()  # type: ignore[abstract]


def test_list() -> None:
    assert "kukkiri-blur" in run("--list")[0] and "cnn-baseline" in run("--list")[0]
    assert [r["name"] for r in json.loads(run("--list", "--json")[0])] == [e.name for e in RECIPES]


@pytest.mark.usefixtures("table")
def test_train_trains_and_says_what_came_out(tmp_path: Path) -> None:
    out = tmp_path / "run"
    common = ["tiny", "--out", out, "--precision", "no", "--set", "width=4"]
    printed, said = run(*common, "--steps", 3, "--json")
    row = json.loads(printed)
    assert row["steps"] == 3 and row["finished"] and Path(row["best"]).is_file() and "validation at step 3" in said
    printed, _ = run(*common, "--steps", 4, "--resume")
    assert "score" in printed and str(out / "last.safetensors") in printed
    assert json.loads((out / "card.json").read_text())["settings"]["width"] == 4


@pytest.mark.usefixtures("table")
def test_a_stopped_run_says_how_to_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = ["interrupted", "--out", str(tmp_path / "a run"), "--steps", "50", "--precision", "no"]
    monkeypatch.setattr(sys, "argv", ["kukkiri", "train", *arguments])
    _, said = run(*arguments, code=130)
    assert f"stopped at step 5; go on with: kukkiri train interrupted --out '{tmp_path}/a run' --steps 50" in said
    assert said.rstrip().endswith("--precision no --resume")


@pytest.mark.usefixtures("table")
@pytest.mark.parametrize(
    ("arguments", "kind", "said"),
    [
        (["tinny", "--out", "x", "--steps", "1"], UnknownNameError, "did you mean tiny?"),
        (["tinny"], UnknownNameError, "did you mean tiny?"),  # before --out is asked for
        (["tiny", "--steps", "1"], InputError, "--out"),
        (["--steps", "1"], InputError, "the name of a recipe (tiny"),
        (["tiny", "--out", "x", "--steps", "1", "--set", "width"], InputError, "key=value"),
        (["tiny", "--out", "x", "--steps", "1", "--set", "wide=3"], UnknownNameError, "it takes: width, noise"),
        (["tiny", "--out", "{}"], InputError, "expected a budget"),
    ],
)
def test_wrong_use(tmp_path: Path, arguments: list[str], kind: type[Exception], said: str) -> None:
    with pytest.raises(kind) as caught:
        run(*(a.replace("{}", str(tmp_path)) for a in arguments))
    assert said in str(caught.value)


@pytest.mark.usefixtures("table")
def test_a_missing_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "accelerate", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'kukkiri\[train\]'"):
        run("tiny", "--out", tmp_path, "--steps", "1")
