"""The local engine: threads that read and compute at once, results in order, memory bounded."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from kukkiri.inspection.settings import Settings
from kukkiri.inspection.worker import Measured, Worker


def run(
    batches: Sequence[tuple[Path, ...]], settings: Settings, *, workers: int = 1, thumbnails: bool = False
) -> Iterator[list[Measured]]:
    """Measure batches of files.

    Parameters
    ----------
    batches : sequence of tuples of Path
    settings : Settings
    workers : int
        Threads.
    thumbnails : bool
        Make a small picture of each.

    Yields
    ------
    list of Measured
        One list a batch, in order.
    """
    worker = Worker(settings, thumbnails=thumbnails)
    count = min(workers, len(batches))
    if count == 1:  # one batch: its pictures get all cores
        yield from map(worker.measure, batches)
        return
    waiting: deque[Future[list[Measured]]] = deque()
    pool = ThreadPoolExecutor(count, thread_name_prefix="kukkiri")
    try:
        with single_threaded_torch():
            for batch in batches:
                waiting.append(pool.submit(worker.measure, batch))
                # A few batches ahead keep every thread busy; more would only pile up.
                if len(waiting) > 2 * count:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def single_threaded_torch() -> Iterator[None]:
    """Within: each torch operation stays on its thread, since there is a thread a core already."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
