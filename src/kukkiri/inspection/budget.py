"""A shared allowance of pixels in memory, so that many processes on large pictures stay within bounds."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

# What is taken and given back at once.
UNIT = 1 << 22
# Decoding and the default metrics need about 100 bytes a pixel at their peak (measured); rarer ones up to four times
# that, which the free half has room for.
BYTES_A_PIXEL = 128
# Of the memory that is free when a run begins.
SHARE = 0.5
# Where the system does not say how much is free.
ASSUMED_FREE = 4 << 30
# Seconds between looks at whether waiting still makes sense.
PATIENCE = 0.5


class AbandonedError(BaseException):
    """The run is over: passes through every handler that turns an exception into a row."""


class PixelBudget:
    """Processes take pixels before they decode a large picture and give them back when it is measured.

    Parameters
    ----------
    context : multiprocessing context
        Makes the primitives; the object may then be passed to its processes.
    pixels : int, optional
        How many may be decoded at once over all processes; default from the memory that is free. A picture that needs
        more than all waits until it is alone.
    """

    def __init__(self, context: Any, pixels: int | None = None) -> None:
        pixels = pixels if pixels is not None else int(SHARE * free_memory() / BYTES_A_PIXEL)
        self.units = max(1, pixels // UNIT)
        self._free = context.Semaphore(self.units)
        # One at a time gathers units: two that each hold half of what they need would wait for ever.
        self._turnstile = context.Lock()

    @contextmanager
    def holding(self, pixels: int, meanwhile: Callable[[], None] | None = None) -> Iterator[None]:
        """Within: this many pixels are ours. Do not nest.

        Parameters
        ----------
        pixels : int
        meanwhile : function, optional
            Called now and then while waiting; raises if that has become vain, since a process that was killed never
            gives back what it held.
        """
        wanted = min(self.units, -(-pixels // UNIT))
        held = 0
        try:
            _acquire(self._turnstile, meanwhile)
            try:
                while held < wanted:
                    _acquire(self._free, meanwhile)
                    held += 1
            finally:
                self._turnstile.release()
            yield
        finally:
            for _ in range(held):
                self._free.release()


def _acquire(primitive: Any, meanwhile: Callable[[], None] | None) -> None:
    while not primitive.acquire(timeout=PATIENCE):
        if meanwhile:
            meanwhile()


def free_memory() -> int:
    """Bytes of physical memory that are free, as far as the system says."""
    try:
        with open("/proc/meminfo", encoding="ascii") as file:  # noqa: PTH123 (counts what caches would give back)
            for line in file:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    except (ValueError, OSError, AttributeError):
        return ASSUMED_FREE
