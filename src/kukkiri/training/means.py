"""Means of what the losses report, kept on the device: reading them at every step would stall a GPU."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping

import torch
from torch import Tensor

_SPANS = ("log", "validation")


class Means:
    """Means over the steps since the last line of the log, and since the last validation."""

    def __init__(self) -> None:
        self._sums: dict[str, dict[str, float | Tensor]] = {span: {} for span in _SPANS}
        self._counts: dict[str, dict[str, int]] = {span: {} for span in _SPANS}
        self._samples, self._since = 0, time.monotonic()

    def add(self, values: Mapping[str, float | Tensor], samples: int) -> None:
        """Take in what one step reported on so many samples."""
        for span in _SPANS:
            sums, counts = self._sums[span], self._counts[span]
            for name, value in values.items():
                plain = value.detach().float() if isinstance(value, Tensor) else float(value)
                sums[name] = sums[name] + plain if name in sums else plain
                counts[name] = counts.get(name, 0) + 1
        self._samples += samples

    def mean(self, name: str, *, since: str) -> float:
        """Mean since 'log' or 'validation'; NaN if nothing came."""
        count = self._counts[since].get(name, 0)
        return float(torch.as_tensor(self._sums[since][name])) / count if count else math.nan

    def means(self, *, since: str) -> dict[str, float]:
        """All of them."""
        return {name: self.mean(name, since=since) for name in self._sums[since]}

    def reset(self, since: str) -> None:
        """Begin anew; with 'log', the speed too."""
        self._sums[since], self._counts[since] = {}, {}
        if since == "log":
            self._samples, self._since = 0, time.monotonic()

    def leave_out(self, seconds: float) -> None:
        """Leave time that was not spent on steps out of the speed."""
        self._since += seconds

    @property
    def speed(self) -> float:
        """Samples a second since the last line of the log."""
        passed = time.monotonic() - self._since
        return self._samples / passed if passed > 0 else 0.0
