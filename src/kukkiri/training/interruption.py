"""Ctrl-C and SIGTERM: the first asks to stop at the next good moment, the second stops at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any


class _Abandoned(KeyboardInterrupt):
    """Not an `Exception`: no recipe's own handling may swallow it."""


class Stop:
    """Whether the user wants to stop; a context in which signals are listened to."""

    def __init__(self) -> None:
        self.wanted = False
        self._may_abandon = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Stop:
        if threading.current_thread() is threading.main_thread():  # only there may handlers be set
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._on_signal) or signal.SIG_DFL
        return self

    def __exit__(self, *_: object) -> None:
        self._give_back()

    @contextmanager
    def abandoning(self) -> Iterator[None]:
        """A block that is left at once when a signal comes: it must be one that can be done again."""
        self._may_abandon = True
        try:
            with suppress(_Abandoned):
                yield
        finally:
            self._may_abandon = False

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self.wanted = True
        self._give_back()
        if self._may_abandon:
            raise _Abandoned

    def _give_back(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}
