"""The training loop: what it learns, what it keeps, and that a stopped run ends like one that was not."""

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from kukkiri.errors import InputError, MissingExtraError, TrainingError
from kukkiri.training.checkpoints import load_checkpoint
from kukkiri.training.loop import Result, train
from training.tiny import Tiny


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tensorboard and figures take longer than all these runs: one test brings each back."""
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    monkeypatch.setattr("kukkiri.training.logbook._draw", lambda entries, title, path: path.write_bytes(b""))


def run(recipe: Tiny, out: Path, **options: Any) -> Result:
    return train(recipe, out, **{"steps": 30, "validate_every": 10, "precision": "no", "progress": False, **options})


def state(out: Path) -> dict[str, Any]:
    """What the last checkpoint of a run says, without the times."""
    return {k: v for k, v in load_checkpoint(out / "checkpoint").items() if k not in ("minutes", "validated")}


def same(a: Any, b: Any) -> None:
    if isinstance(a, Tensor):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-7)
    elif isinstance(a, dict):
        assert a.keys() == b.keys()
        for key in a.keys() - {"minutes", "loss"}:
            same(a[key], b[key])
    elif isinstance(a, list | tuple):
        assert len(a) == len(b)
        for x, y in zip(a, b):
            same(x, y)
    else:
        assert a == b


def lines(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]


class Killed(Exception):
    pass


def kill() -> None:
    """As SIGKILL would: nothing more is written."""
    raise Killed


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    """A run of 30 steps that nothing disturbed, with its figure."""
    out = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "torch.utils.tensorboard", None)
        return out, run(Tiny(), out, log_every=5)


def test_it_learns_and_leaves_what_it_promises(whole: tuple[Path, Result], tmp_path: Path) -> None:
    out, result = whole
    assert result.finished and result.steps == 30 and 0 < result.minutes < 1
    assert [e["step"] for e in result.curve] == [10, 20, 30]
    assert result.score == min(e["score"] for e in result.curve) < result.curve[0]["score"] / 1.5
    assert (result.best, result.last) == (out / "best.safetensors", out / "last.safetensors")
    assert load_file(result.best)["0.weight"].dtype == torch.float16
    assert json.loads((out / "curve.json").read_text())[-1]["score"] == result.curve[-1]["score"]
    assert (out / "curve.png").read_bytes().startswith(b"\x89PNG")
    trained = [line for line in lines(out) if line["kind"] == "train"]
    assert [line["step"] for line in trained] == [5, 10, 15, 20, 25, 30]
    assert all({"loss", "psnr", "lr", "samples_per_second", "minutes"} <= line.keys() for line in trained)
    assert [line["step"] for line in lines(out) if line["kind"] == "validation"] == [10, 20, 30]
    card = json.loads((out / "card.json").read_text())
    assert card["finished"] and card["recipe"] == "tiny" and card["seed"] == 0 and card["steps"] == 30
    assert card["settings"]["width"] == 6 and card["settings"]["learning_rate"] == 3e-3
    assert card["best"]["score"] == result.score and {"torch", "accelerate", "kukkiri"} <= card["versions"].keys()
    assert card["parameters"] == sum(p.numel() for p in Tiny().model().parameters())


def test_the_same_seed_gives_the_same_weights_another_gives_others(whole: tuple[Path, Result], tmp_path: Path) -> None:
    run(Tiny(), tmp_path / "same")
    same(state(tmp_path / "same"), state(whole[0]))
    run(Tiny(), tmp_path / "other", seed=1)
    assert not torch.equal(state(tmp_path / "other")["model"]["0.weight"], state(whole[0])["model"]["0.weight"])


def test_a_killed_run_resumes_as_if_nothing_had_happened(whole: tuple[Path, Result], tmp_path: Path) -> None:
    """Killed at step 26, it goes on from the checkpoint of step 20."""
    recipe = Tiny()
    recipe._events = {26: kill}
    with pytest.raises(Killed):
        run(recipe, tmp_path, log_every=5)
    assert state(tmp_path)["step"] == 20 and lines(tmp_path)[-1]["step"] == 25
    torch.rand(7)  # other things happen in between
    result = run(Tiny(), tmp_path, log_every=5, resume=True)
    same(state(tmp_path), state(whole[0]))
    assert result.score == pytest.approx(whole[1].score, rel=1e-6)
    same(load_file(tmp_path / "last.safetensors"), load_file(whole[0] / "last.safetensors"))
    same(load_file(tmp_path / "best.safetensors"), load_file(whole[0] / "best.safetensors"))
    assert [(e["kind"], e["step"]) for e in lines(tmp_path)] == [(e["kind"], e["step"]) for e in lines(whole[0])]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_step_and_keeps_all(
    whole: tuple[Path, Result], tmp_path: Path, number: signal.Signals
) -> None:
    handler = signal.getsignal(number)
    recipe = Tiny()
    recipe._events = {6: lambda: os.kill(os.getpid(), number)}
    result = run(recipe, tmp_path)
    assert not result.finished and result.steps == 7 and result.best is None and result.last is None
    assert json.loads((tmp_path / "card.json").read_text())["finished"] is False
    assert signal.getsignal(number) is handler
    assert run(Tiny(), tmp_path, resume=True).finished
    same(state(tmp_path), state(whole[0]))


def test_a_signal_leaves_a_validation_at_once(whole: tuple[Path, Result], tmp_path: Path) -> None:
    reached = []

    class Slow(Tiny):
        def validate(self, model: nn.Module) -> dict[str, float]:
            try:
                os.kill(os.getpid(), signal.SIGTERM)
                reached.append("after")
            except Exception:
                reached.append("swallowed")
            return super().validate(model)

    result = run(Slow(), tmp_path)
    assert not result.finished and result.steps == 10 and not result.curve and "swallowed" not in reached
    assert [e["step"] for e in run(Tiny(), tmp_path, resume=True).curve] == [10, 20, 30]
    same(state(tmp_path), state(whole[0]))


@pytest.mark.filterwarnings("ignore:This DataLoader will create")
def test_processes_make_the_same_data(whole: tuple[Path, Result], tmp_path: Path) -> None:
    run(Tiny(), tmp_path, workers=2)
    same(state(tmp_path)["average"], state(whole[0])["average"])


@pytest.mark.filterwarnings("ignore:This DataLoader will create")
def test_an_error_of_a_process_stays_what_it_is(tmp_path: Path) -> None:
    def fail() -> None:
        raise InputError(expected="a picture", got="none", fix="look")

    recipe = Tiny()
    recipe._events = {5: fail}
    with pytest.raises(InputError, match="expected a picture, got none; look"):
        run(recipe, tmp_path, workers=1)


def test_the_best_is_chosen_by_validation_alone(tmp_path: Path) -> None:
    """Of scores 3, NaN, 1, 2 the third wins, whatever the loss says."""
    scores, seen = iter([3.0, float("nan"), 1.0, 2.0]), []

    class Scripted(Tiny):
        def validate(self, model: nn.Module) -> dict[str, float]:
            assert not model.training and not torch.is_grad_enabled()
            seen.append(model[0].weight.half().clone())
            return {"score": next(scores)}

    result = run(Scripted(), tmp_path, steps=40)
    assert result.score == 1.0 and json.loads((tmp_path / "card.json").read_text())["best"]["step"] == 30
    assert torch.equal(load_file(result.best)["0.weight"], seen[2])
    assert torch.equal(load_file(result.last)["0.weight"], seen[3])
    assert json.loads((tmp_path / "curve.json").read_text())[1]["score"] is None


def test_a_validation_without_score_is_named(tmp_path: Path) -> None:
    class Silent(Tiny):
        def validate(self, model: nn.Module) -> dict[str, float]:
            return {"error": 1.0}

    with pytest.raises(InputError, match="'score' from Silent.validate, got the entries error"):
        run(Silent(), tmp_path)


class Recorded(Tiny):
    """Keeps the weights before each step, and may spoil losses."""

    def __init__(self, bad: tuple[int, ...] = (), decay: float | None = 0.5) -> None:
        super().__init__()
        self._bad, self.ema_decay = bad, decay
        self._weights: list[Tensor] = []

    def loss(self, model: nn.Module, batch: Any) -> tuple[Tensor, dict[str, float | Tensor]]:
        self._weights.append(model[0].weight.detach().clone())
        if len(self._weights) - 1 in self._bad:
            batch = batch._replace(noisy=batch.noisy * torch.nan)
        return super().loss(model, batch)


def test_the_running_mean_is_the_formula(tmp_path: Path) -> None:
    recipe = Recorded()
    run(recipe, tmp_path, steps=12)
    weights = [*recipe._weights, state(tmp_path)["model"]["0.weight"]]
    mean = weights[0]
    for t, now in enumerate(weights[1:], start=1):
        decay = min(0.5, (1 + t) / (10 + t))
        mean = decay * mean + (1 - decay) * now
    torch.testing.assert_close(state(tmp_path)["average"]["0.weight"], mean)


def test_without_running_mean_the_weights_are_validated(tmp_path: Path) -> None:
    run(Recorded(decay=None), tmp_path, steps=12)
    same(state(tmp_path)["average"], state(tmp_path)["model"])


def test_steps_without_a_finite_loss_are_skipped(tmp_path: Path) -> None:
    recipe = Recorded(bad=(3, 4, 8))
    result = run(recipe, tmp_path, steps=12, log_every=3)
    w = recipe._weights
    assert [torch.equal(w[k], w[k + 1]) for k in range(11)] == [k in (3, 4, 8) for k in range(11)]
    kept = state(tmp_path)
    assert kept["skipped"] == 3 and kept["updates"] == 9 and result.steps == 12
    # Batch normalisation has seen NaN at these steps; its statistics must not have.
    assert all(torch.isfinite(v).all() for v in [*kept["model"].values(), *kept["average"].values()])
    assert lines(tmp_path)[-2]["skipped"] == 3 and lines(tmp_path)[0].get("skipped") is None
    assert json.loads((tmp_path / "card.json").read_text())["skipped_steps"] == 3


def test_twenty_such_steps_in_a_row_end_the_run(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="20 steps in a row without, the last of them step 33"):
        run(Recorded(bad=(2, 5, *range(13, 60))), tmp_path, steps=60)
    assert state(tmp_path)["step"] == 30


def test_minutes_are_summed_and_the_rate_follows_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A step takes 7.5 s on this clock: 2 minutes are 16 steps, over a stop and hours of pause."""
    clock = [1000.0]

    class Timed(Tiny):
        def loss(self, model: nn.Module, batch: Any) -> tuple[Tensor, dict[str, float | Tensor]]:
            clock[0] += 7.5
            return super().loss(model, batch)

    monkeypatch.setattr("kukkiri.training.run.time", SimpleNamespace(monotonic=lambda: clock[0]))
    options = {"steps": None, "validate_every": None, "validate_minutes": 0.5, "log_every": 1}
    recipe = Timed()
    recipe._events = {11: lambda: os.kill(os.getpid(), signal.SIGTERM)}
    first = run(recipe, tmp_path, minutes=2, **options)
    assert first.steps == 12 and first.minutes == 1.5
    assert [e["step"] for e in first.curve] == [4, 8]
    clock[0] += 9999
    result = run(Timed(), tmp_path, resume=True, **options)  # the budget is the one of before
    assert result.finished and result.steps == 16 and result.minutes == 2
    assert [e["step"] for e in result.curve] == [4, 8, 12, 16]
    rates = [e["lr"] for e in lines(tmp_path) if e["kind"] == "train"]
    recipe = Tiny()
    assert rates == pytest.approx([3e-3 * recipe.schedule(k / 16) for k in range(16)], rel=1e-6)


def test_a_finished_run_can_be_given_more(whole: tuple[Path, Result], tmp_path: Path) -> None:
    run(Tiny(), tmp_path, steps=20)
    result = run(Tiny(), tmp_path, steps=25, resume=True)
    assert result.steps == 25 and [e["step"] for e in result.curve] == [10, 20, 25]
    again = run(Tiny(), tmp_path, steps=25, resume=True)
    assert (again.score, again.steps, len(again.curve)) == (result.score, 25, 3)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"recipe": "other"}, "expected a run of the recipe other in .*, got one of tiny"),
        ({"width": 8}, "got others .width: 6, now 8."),
        ({"seed": 3}, "got others .seed: 0, now 3."),
        ({"precision": "bf16"}, "got others .precision: no, now bf16."),
        ({"resume": False}, "expected a folder without a run"),
        ({"out": "elsewhere"}, "got no checkpoint; check --out"),
    ],
)
def test_what_is_not_the_same_run_is_refused(
    whole: tuple[Path, Result], tmp_path: Path, change: dict[str, Any], said: str
) -> None:
    before = (whole[0] / "checkpoint" / "index.json").read_bytes()
    recipe = Tiny(width=change.pop("width", 6))
    recipe.name = change.pop("recipe", "tiny")  # type: ignore[misc]
    out = tmp_path if change.pop("out", None) else whole[0]
    with pytest.raises(TrainingError, match=said):
        run(recipe, out, **{"resume": True, **change})
    assert (whole[0] / "checkpoint" / "index.json").read_bytes() == before


def test_another_network_in_the_checkpoint_is_refused(tmp_path: Path) -> None:
    class Deeper(Tiny):
        def model(self) -> nn.Module:
            return nn.Sequential(super().model(), nn.Conv2d(1, 1, 1))

    run(Tiny(), tmp_path, steps=2)
    with pytest.raises(TrainingError, match="checkpoint of the network and the optimizer of tiny"):
        run(Deeper(), tmp_path, resume=True)


def test_two_runs_do_not_share_a_folder(tmp_path: Path) -> None:
    said = []

    def second() -> None:
        with pytest.raises(TrainingError, match="another process that is training there") as caught:
            run(Tiny(), tmp_path)
        said.append(caught)

    recipe = Tiny()
    recipe._events = {1: second}
    run(recipe, tmp_path, steps=3)
    assert said


@pytest.mark.parametrize(
    "wrong",
    [{"steps": None}, {"steps": 0}, {"minutes": -1}, {"log_every": 0}, {"device": "abacus"}, {"precision": "fp8"}],
)
def test_wrong_arguments(tmp_path: Path, wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        run(Tiny(), tmp_path, **wrong)
    assert not (tmp_path / "checkpoint").exists()


def test_a_missing_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "accelerate", None)
    with pytest.raises(MissingExtraError, match=r"'accelerate'.*pip install 'kukkiri\[train\]'"):
        run(Tiny(), tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("precision", "inside"), [("bf16", torch.bfloat16), ("no", torch.float32)])
def test_precision_is_of_the_forward_pass(tmp_path: Path, precision: str, inside: torch.dtype) -> None:
    seen: dict[str, set[torch.dtype]] = {"train": set(), "validation": set()}

    class Watched(Tiny):
        def model(self) -> nn.Module:
            made = super().model()
            made[0].register_forward_hook(lambda m, i, o: seen["train" if m.training else "validation"].add(o.dtype))
            return made

        def loss(self, model: nn.Module, batch: Any) -> tuple[Tensor, dict[str, float | Tensor]]:
            assert model(batch.noisy).dtype == torch.float32
            return super().loss(model, batch)

    run(Watched(), tmp_path, steps=2, precision=precision)
    assert seen == {"train": {inside}, "validation": {torch.float32}}
    assert state(tmp_path)["model"]["0.weight"].dtype == torch.float32


def test_channels_last_also_after_resuming(tmp_path: Path) -> None:
    strides = []

    class Last(Tiny):
        channels_last = True

        def loss(self, model: nn.Module, batch: Any) -> tuple[Tensor, dict[str, float | Tensor]]:
            strides.append(model[4].weight.is_contiguous(memory_format=torch.channels_last))
            return super().loss(model, batch)

        def optimizer(self, model: nn.Module) -> torch.optim.Optimizer:
            self._made = super().optimizer(model)
            return self._made

    run(Last(), tmp_path, steps=2)
    recipe = Last()
    run(recipe, tmp_path, steps=4, resume=True)
    assert strides == [True] * 4
    for weight, kept in recipe._made.state.items():
        assert kept["exp_avg"].stride() == weight.stride()


def test_tensorboard_gets_the_curves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "torch.utils.tensorboard")
    run(Tiny(), tmp_path, steps=10, log_every=5)
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [e.step for e in events.Scalars("train/loss")] == [5, 10]
    assert [e.step for e in events.Scalars("validation/score")] == [10]


def test_plain_lines_where_there_is_no_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(Tiny(), tmp_path, steps=20, log_every=10, progress=True)
    said = capsys.readouterr()
    assert said.out == ""
    assert [line.split("step ")[1].split()[0].rstrip(":") for line in said.err.splitlines()] == ["10", "10", "20", "20"]
    assert "50%" in said.err and "samples/s" in said.err and "best so far" in said.err


def test_a_live_line_on_a_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from rich.console import Console

    written = (tmp_path / "terminal").open("w+")
    monkeypatch.setattr(
        "kukkiri.training.progress.Console", lambda **_: Console(file=written, force_terminal=True, width=160)
    )
    monkeypatch.setattr("kukkiri.training.progress._PAUSE", 0)
    run(Tiny(), tmp_path / "run", steps=20, progress=True)
    written.seek(0)
    shown = written.read()
    assert "samples/s" in shown and "left" in shown and "validation at step 10: score" in shown


def test_a_thread_cannot_listen_to_signals_but_can_train(tmp_path: Path) -> None:
    import threading

    results: list[Result] = []
    work: Callable[[], None] = lambda: results.append(run(Tiny(), tmp_path, steps=3))  # noqa: E731
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert results[0].finished


def test_batches_of_many_kinds() -> None:
    from dataclasses import dataclass

    from kukkiri.training.device import moved, samples

    @dataclass(frozen=True)
    class Batch:
        image: Tensor
        names: list[str]
        more: dict[str, Tensor]

    batch = moved(Batch(torch.rand(3, 2, 4, 4), ["a"], {"x": torch.rand(3)}), torch.device("cpu"), True)
    assert batch.image.is_contiguous(memory_format=torch.channels_last) and batch.names == ["a"]
    assert samples(batch) == 3 and samples({"n": 1, "x": (torch.rand(5, 2),)}) == 5 and samples("none") == 1


def iterate(recipe: Tiny, seed: int, step: int, count: int) -> list[Any]:
    source: Iterator[Any] = recipe.batches(seed, step)
    return [next(source) for _ in range(count)]


def test_the_tiny_recipe_keeps_the_contract() -> None:
    """What the resumed runs above stand on."""
    same(iterate(Tiny(), 1, 5, 3)[2], iterate(Tiny(), 1, 7, 1)[0])
    assert not torch.equal(iterate(Tiny(), 1, 5, 1)[0].noisy, iterate(Tiny(), 1, 6, 1)[0].noisy)
