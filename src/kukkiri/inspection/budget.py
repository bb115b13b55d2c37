"""A shared allowance of pixels in memory, so that many threads on large pictures stay within bounds."""

from __future__ import annotations

from threading import Condition


class PixelBudget:
    """Threads take pixels before they decode and give them back when they are done.

    A thread that holds some must not wait for more (`take_at_once` first, and let go of what it holds if that fails),
    so those that wait hold nothing and the holders can always finish.

    Parameters
    ----------
    total : int
        Pixels that may be decoded at once. One picture larger than that is let in when it is alone.
    """

    def __init__(self, total: int) -> None:
        self.total = total
        self.used = 0
        self._changed = Condition()

    def take_at_once(self, pixels: int) -> bool:
        """Take if there is room now."""
        with self._changed:
            if self.used and self.used + pixels > self.total:
                return False
            self.used += pixels
            return True

    def take(self, pixels: int) -> None:
        """Wait for room, then take."""
        with self._changed:
            self._changed.wait_for(lambda: not self.used or self.used + pixels <= self.total)
            self.used += pixels

    def give_back(self, pixels: int) -> None:
        """Return what was taken."""
        with self._changed:
            self.used -= pixels
            self._changed.notify_all()
