"""The one training loop: every recipe runs through it."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NoReturn

from kukkiri.errors import InputError, TrainingError, one_line
from kukkiri.training.batches import batches
from kukkiri.training.budget import Budget, Intervals
from kukkiri.training.card import differences
from kukkiri.training.checkpoints import has_checkpoint, load_checkpoint
from kukkiri.training.device import require_accelerate
from kukkiri.training.interruption import Stop
from kukkiri.training.logbook import Logbook
from kukkiri.training.progress import reporting
from kukkiri.training.recipe import Recipe
from kukkiri.training.run import BEST, CHECKPOINT, LAST, Run
from kukkiri.weights.locking import held


@dataclass(frozen=True)
class Result:
    """What a run came to.

    Parameters
    ----------
    score : float or None
        Best validation score, lower is better; None before the first validation.
    steps : int
        Steps done, over all resumes.
    minutes : float
        Minutes trained, over all resumes.
    best, last : Path or None
        Weights: with the best score; at the end (None if the run was stopped before).
    curve : tuple of dict
        One a validation: step, minutes, loss, and what the recipe measured.
    finished : bool
        False if the user stopped it: it can be resumed.
    """

    score: float | None
    steps: int
    minutes: float
    best: Path | None
    last: Path | None
    curve: tuple[dict[str, Any], ...]
    finished: bool

    def to_row(self) -> dict[str, Any]:
        """What JSON can hold, without the curve."""
        return {
            "score": self.score,
            "steps": self.steps,
            "minutes": self.minutes,
            "best": None if self.best is None else str(self.best),
            "last": None if self.last is None else str(self.last),
            "finished": self.finished,
        }


def train(
    recipe: Recipe,
    out: Path,
    *,
    steps: int | None = None,
    minutes: float | None = None,
    resume: bool = False,
    seed: int = 0,
    device: str | None = None,
    precision: Literal["bf16", "no"] = "bf16",
    checkpoint_minutes: float = 3,
    validate_minutes: float = 5,
    validate_every: int | None = None,
    log_every: int = 50,
    workers: int = 0,
    progress: bool = True,
) -> Result:
    """Train a network as a recipe says.

    Ctrl-C or SIGTERM ends the step, writes a checkpoint and returns. A step whose loss or gradient is not finite
    is skipped.

    Parameters
    ----------
    recipe : Recipe
        Data, network, loss, validation.
    out : Path
        Folder of the run: `best.safetensors`, `last.safetensors`, `card.json`, `curve.json`, `curve.png`,
        `log.jsonl`, `tensorboard/`, `checkpoint/`.
    steps, minutes : optional
        Budget: steps, or minutes of wall time trained (validation included), summed over resumes. With both, the
        one that is used up first ends the run. The learning rate follows the used part of the budget, so a busy
        machine makes a shorter run, not an unfinished one. When resuming, None: as before.
    resume : bool
        Go on from the checkpoint in `out`, with the same recipe, settings, seed and precision.
    seed : int
        Of the first weights, the data and everything else that is drawn.
    device : str, optional
        'cpu', 'cuda', 'cuda:1', 'mps'; None: cuda where there is one, else cpu.
    precision : 'bf16' or 'no'
        bfloat16 in the network's forward pass, or float32 throughout.
    checkpoint_minutes, validate_minutes : float
        Time between checkpoints, and between validations.
    validate_every : int, optional
        Steps between validations, instead of time. There is always one at the end.
    log_every : int
        Steps between lines of the log.
    workers : int
        Processes that make batches ahead; 0 makes them in line. The data are the same.
    progress : bool
        Show on standard error how it is getting on.

    Returns
    -------
    Result

    Raises
    ------
    InputError
        If there is no budget, or an argument is out of range.
    TrainingError
        If `out` holds a run and `resume` is False, or nothing that can be resumed; if another process is training
        there; if the loss is not finite 20 times in a row.
    MissingExtraError
        If accelerate is not installed.
    """
    out = Path(out)
    intervals = {"steps": steps, "minutes": minutes, "validate_every": validate_every, "log_every": log_every}
    for name, value in intervals.items():
        if value is not None and not value > 0:
            raise InputError(expected=f"{name} above 0", got=str(value), fix=f"pass a larger {name}, or leave it out")
    require_accelerate()
    out.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        stack.enter_context(held(out / ".lock", lambda: _busy(out)))
        state = _earlier(recipe, out, seed, precision, resume)
        before = state["budget"] if state else {"steps": None, "minutes": None}
        if steps is None and minutes is None:
            steps, minutes = before["steps"], before["minutes"]
        if steps is None and minutes is None:
            raise InputError(expected="a budget", got="neither steps nor minutes", fix="pass --minutes 60, say")
        run = Run(recipe, out, Budget(steps, minutes), seed, device, precision, state)
        stop = stack.enter_context(Stop())
        # The processes that make batches come first: they are copies of this one, which has no threads yet.
        source = stack.enter_context(
            batches(recipe, seed, run.step, workers=workers, pin=run.accelerator.device.type == "cuda")
        )
        run.logbook = Logbook(out, run.step)
        stack.callback(run.logbook.close)
        run.reporter = stack.enter_context(reporting(progress, recipe.name))
        run.go(source, stop, Intervals(checkpoint_minutes, validate_minutes, validate_every, log_every))
        finished = run.finish(stop)
    return Result(
        score=None if run.best is None else run.best["score"],
        steps=run.step,
        minutes=run.minutes,
        best=out / BEST if run.best is not None else None,
        last=out / LAST if finished else None,
        curve=tuple(run.curve),
        finished=finished,
    )


def _earlier(recipe: Recipe, out: Path, seed: int, precision: str, resume: bool) -> dict[str, Any] | None:
    """The checkpoint in a folder, if it is of this very recipe; None if there is none and none is wanted."""
    if not resume:
        if has_checkpoint(out / CHECKPOINT):
            raise TrainingError(
                expected="a folder without a run",
                got=f"{one_line(out)}, which holds one",
                fix="pass --resume to go on with it, or choose another --out",
            )
        return None
    if not has_checkpoint(out / CHECKPOINT):
        raise TrainingError(
            expected=f"a run to resume in {one_line(out)}", got="no checkpoint", fix="check --out, or drop --resume"
        )
    state: dict[str, Any] = load_checkpoint(out / CHECKPOINT)
    if state["recipe"] != recipe.name:
        raise TrainingError(
            expected=f"a run of the recipe {recipe.name} in {one_line(out)}",
            got=f"one of {state['recipe']}",
            fix="resume that recipe, or train this one in another folder",
        )
    now = recipe.settings() | {"seed": seed, "precision": precision}
    changed = differences(state["settings"] | {"seed": state["seed"], "precision": state["precision"]}, now)
    if changed:
        raise TrainingError(
            expected=f"the settings with which the run in {one_line(out)} began",
            got=f"others ({'; '.join(changed)})",
            fix="resume it with its own, or train anew in another folder",
        )
    return state


def _busy(out: Path) -> NoReturn:
    raise TrainingError(
        expected=f"{one_line(out)} for this run alone",
        got="another process that is training there",
        fix="wait for it to end, or choose another --out",
    )
