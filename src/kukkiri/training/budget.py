"""How long a run lasts, and how often it stops to look."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Intervals:
    """Minutes between checkpoints and validations; steps between validations (instead), and between log lines."""

    checkpoint_minutes: float
    validate_minutes: float
    validate_every: int | None
    log_every: int


@dataclass(frozen=True)
class Budget:
    """How long to train: steps, minutes, or what is used up first."""

    steps: int | None
    minutes: float | None

    def used(self, step: int, minutes: float) -> float:
        """Part that is used up, 0–1."""
        parts = [step / self.steps if self.steps else 0.0, minutes / self.minutes if self.minutes else 0.0]
        return min(1.0, max(parts))
