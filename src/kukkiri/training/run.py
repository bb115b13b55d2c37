"""A run in progress: its state, its steps, its validations, its checkpoints."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from kukkiri.errors import InputError, TrainingError
from kukkiri.replacing import replacing
from kukkiri.training import device as devices
from kukkiri.training.averaging import Average
from kukkiri.training.budget import Budget, Intervals
from kukkiri.training.card import versions
from kukkiri.training.checkpoints import save_checkpoint
from kukkiri.training.interruption import Stop
from kukkiri.training.logbook import Logbook, finite
from kukkiri.training.means import Means
from kukkiri.training.progress import Reporter, Standing
from kukkiri.training.recipe import Recipe

CHECKPOINT, BEST, LAST = "checkpoint", "best.safetensors", "last.safetensors"
# So many steps in a row without a finite loss and gradient end a run: it will not recover.
MOST_SKIPPED = 20


class Run:
    """A run in progress: all that a checkpoint holds, and what is done with it."""

    logbook: Logbook
    reporter: Reporter

    def __init__(
        self,
        recipe: Recipe,
        out: Path,
        budget: Budget,
        seed: int,
        device: str | None,
        precision: Literal["bf16", "no"],
        state: dict[str, Any] | None,
    ) -> None:
        self.recipe, self.out, self.budget, self.seed, self.precision = recipe, out, budget, seed, precision
        self.settings = recipe.settings()
        self.accelerator = devices.accelerator(device, precision)
        devices.seed_all(seed)
        model = recipe.model().to(self.accelerator.device)
        if recipe.channels_last:
            model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = Average(model, recipe.ema_decay)
        optimizer = recipe.optimizer(model)
        self.rates = [group["lr"] for group in optimizer.param_groups]
        self.model: nn.Module = model
        self.step, self.updates, self.skipped, self.skipped_in_a_row = 0, 0, 0, 0
        self.before = 0.0
        self.best: dict[str, Any] | None = None
        self.curve: list[dict[str, Any]] = []
        self.validated = {"step": 0, "minutes": 0.0}
        self.sums = Means()
        self._random: dict[str, Any] | None = None
        if state is not None:
            self._restore(state, optimizer)
        self.model, self.optimizer = self.accelerator.prepare(model, optimizer)
        self._began, self._ended = time.monotonic(), 0.0

    @property
    def minutes(self) -> float:
        """Trained so far, over all resumes."""
        return self.before + ((self._ended or time.monotonic()) - self._began) / 60

    @property
    def used(self) -> float:
        """Part of the budget that is used up."""
        return self.budget.used(self.step, self.minutes)

    def go(self, source: Iterator[Any], stop: Stop, intervals: Intervals) -> None:
        """Train until the budget is used up or the user wants to stop.

        Raises
        ------
        TrainingError
            If the loss is not finite too often.
        """
        if self._random is None:
            devices.seed_all(self.seed)
        else:
            devices.set_random_state(self._random, self.accelerator.device)
        self._began = time.monotonic()
        saved = self.minutes
        while self.used < 1 and not stop.wanted:
            # Asked before a step, so that a run stopped here validates here when it is resumed.
            if self._is_validation_due(intervals):
                self._validate(stop)
                saved = self.minutes
                continue  # it took time, and the user may have wanted to stop
            if self.minutes - saved >= intervals.checkpoint_minutes:
                self.save()
                saved = self.minutes
            self._one_step(next(source))
            if self.reporter.is_due():
                self.reporter.live(self._standing)
            if self.step % intervals.log_every == 0:
                self._log()

    def finish(self, stop: Stop) -> bool:
        """Validate and write the last weights, or, if the user wanted to stop, only keep what is needed to resume.

        Returns
        -------
        bool
            Whether the run is done.
        """
        finished = self.used >= 1 and not stop.wanted
        if finished and (self.validated["step"] != self.step or not self.curve):
            self._validate(stop)
            finished = not stop.wanted
        if finished:
            self._export(LAST)
        self.save()
        self._ended = time.monotonic()
        self._card(finished)
        return finished

    def _is_validation_due(self, intervals: Intervals) -> bool:
        if self.validated["step"] == self.step:
            return False
        if intervals.validate_every:
            return self.step % intervals.validate_every == 0
        return self.minutes - self.validated["minutes"] >= intervals.validate_minutes

    def _one_step(self, batch: Any) -> None:
        factor = self.recipe.schedule(self.used)
        for group, rate in zip(self.optimizer.param_groups, self.rates, strict=True):
            group["lr"] = rate * factor
        batch = devices.moved(batch, self.accelerator.device, self.recipe.channels_last)
        self.model.train()
        loss, parts = self.recipe.loss(self.model, batch)
        self.step += 1
        if not self._learn(loss):
            self.skipped += 1
            self.skipped_in_a_row += 1
            self.average.give_back_buffers(self.model)
            if self.skipped_in_a_row >= MOST_SKIPPED:
                raise TrainingError(
                    expected="a finite loss and gradient",
                    got=f"{MOST_SKIPPED} steps in a row without, the last of them step {self.step}",
                    fix="lower the recipe's learning rate, or try --precision no; the last checkpoint is kept",
                )
            return
        self.skipped_in_a_row = 0
        self.updates += 1
        self.average.update(self.model, self.updates)
        self.sums.add({**parts, "loss": loss.detach()}, devices.samples(batch))

    def _learn(self, loss: Tensor) -> bool:
        """Move the weights; False, and nothing moved, if loss or gradient is not finite."""
        self.optimizer.zero_grad()
        self.accelerator.backward(loss)
        limit = math.inf if self.recipe.gradient_norm is None else self.recipe.gradient_norm
        norm: Tensor = self.accelerator.clip_grad_norm_(self.model.parameters(), limit)
        # One question for both: each waits for a GPU to catch up.
        if not bool(torch.isfinite(loss.detach()) & torch.isfinite(norm)):
            return False
        self.optimizer.step()
        return True

    def _validate(self, stop: Stop) -> None:
        paused = time.monotonic()
        found: dict[str, float] = {}
        with devices.undisturbed(self.seed, self.accelerator.device), torch.no_grad(), stop.abandoning():
            found = {k: float(v) for k, v in self.recipe.validate(self.average.network).items()}
        self.average.network.eval()
        if stop.wanted:
            return  # the resumed run validates anew
        if "score" not in found:
            raise InputError(
                expected=f"an entry 'score' from {type(self.recipe).__name__}.validate",
                got=f"the entries {', '.join(found) or 'none'}",
                fix="name the entry that chooses the best (lower is better) 'score'",
            )
        entry = {"step": self.step, "minutes": self.minutes, "loss": self.sums.mean("loss", since="validation")} | found
        self.sums.reset("validation")
        self.curve.append(entry)
        self.validated = {"step": self.step, "minutes": entry["minutes"]}
        better = math.isfinite(found["score"]) and (self.best is None or found["score"] < self.best["score"])
        if better:
            self._export(BEST)
            self.best = entry
        self.logbook.line(self.step, entry["minutes"], found, kind="validation")
        self.logbook.curve(self.curve, self.recipe.title)
        figures = ", ".join(f"{k} {v:.4g}" for k, v in found.items())
        self.reporter.say(f"validation at step {self.step}: {figures}{' (best so far)' if better else ''}")
        self.save()  # so that the best weights and the checkpoint speak of the same best
        self._card(False)
        self.sums.leave_out(time.monotonic() - paused)

    def _card(self, finished: bool) -> None:
        best, last = self.best, self.curve[-1] if self.curve else None
        self.logbook.card(
            {
                "recipe": self.recipe.name,
                "title": self.recipe.title,
                "settings": self.settings,
                "seed": self.seed,
                "precision": self.precision,
                "device": devices.describe(self.accelerator.device),
                "versions": versions(),
                "parameters": sum(p.numel() for p in self.model.parameters()),
                "budget": {"steps": self.budget.steps, "minutes": self.budget.minutes},
                "finished": finished,
                "steps": self.step,
                "skipped_steps": self.skipped,
                "minutes": round(self.minutes, 3),
                "best": None if best is None else finite(best),
                "last": None if last is None else finite(last),
            }
        )

    def _export(self, name: str) -> None:
        with replacing(self.out / name) as temporary:
            self.recipe.export(self.average.network, temporary)

    @property
    def _standing(self) -> Standing:
        used, minutes = self.used, self.minutes
        return Standing(
            step=self.step,
            fraction=used,
            minutes=minutes,
            minutes_left=minutes * (1 - used) / used if used else math.nan,
            loss=self.sums.mean("loss", since="log"),
            rate=self.optimizer.param_groups[0]["lr"],
            speed=self.sums.speed,
            best=None if self.best is None else self.best["score"],
        )

    def _log(self) -> None:
        standing = self._standing
        values = self.sums.means(since="log") | {"lr": standing.rate, "samples_per_second": standing.speed}
        if self.skipped:
            values["skipped"] = float(self.skipped)
        self.logbook.line(self.step, standing.minutes, values, kind="train")
        self.reporter.line(standing)
        self.sums.reset("log")

    def save(self) -> None:
        """Write the checkpoint."""
        save_checkpoint(
            self.out / CHECKPOINT,
            {
                "recipe": self.recipe.name,
                "settings": self.settings,
                "seed": self.seed,
                "precision": self.precision,
                "budget": {"steps": self.budget.steps, "minutes": self.budget.minutes},
                "step": self.step,
                "updates": self.updates,
                "skipped": self.skipped,
                "minutes": self.minutes,
                "validated": self.validated,
                "best": self.best,
                "curve": self.curve,
                "model": dict(self.model.state_dict()),
                "average": dict(self.average.network.state_dict()),
                "optimizer": self.optimizer.state_dict(),
                "random": devices.random_state(self.accelerator.device),
            },
        )

    def _restore(self, state: dict[str, Any], optimizer: torch.optim.Optimizer) -> None:
        try:
            self.model.load_state_dict(state["model"])
            self.average.network.load_state_dict(state["average"])
            optimizer.load_state_dict(state["optimizer"])
        except (RuntimeError, ValueError, KeyError) as error:
            raise TrainingError(
                expected=f"a checkpoint of the network and the optimizer of {self.recipe.name}",
                got=f"another: {error}",
                fix="resume with the recipe as it was, or train anew in another folder",
            ) from error
        devices.as_their_weights(optimizer)
        self.step, self.updates, self.skipped = state["step"], state["updates"], state["skipped"]
        self.before, self.validated = state["minutes"], state["validated"]
        self.best, self.curve = state["best"], state["curve"]
        self._random = state["random"]
