"""The local engine: processes that read and compute at once, results in order, memory bounded.

Threads would share one interpreter lock and gain nothing: the metrics are many short operations. This process works
too, from the first moment, while the others are still starting.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

from kukkiri.errors import KukkiriError
from kukkiri.inspection.allocation import keep_freed_memory
from kukkiri.inspection.budget import AbandonedError, PixelBudget
from kukkiri.inspection.settings import Settings
from kukkiri.inspection.threads import single_threaded_torch
from kukkiri.inspection.worker import Measured, Worker

if TYPE_CHECKING:
    from concurrent.futures import Future

# With fewer batches the work is done before another process has started.
WORTH_STARTING = 3
# Batches that wait for each process: enough to keep it busy while this one measures a batch of its own.
QUEUED = 2


def run(
    batches: Sequence[tuple[Path, ...]], settings: Settings, *, workers: int = 1, thumbnails: bool = False
) -> Generator[list[Measured], None, None]:
    """Measure batches of files.

    Parameters
    ----------
    batches : sequence of tuples of Path
    settings : Settings
    workers : int
        Processes, this one among them.
    thumbnails : bool
        Make a small picture of each.

    Yields
    ------
    list of Measured
        One list a batch, in order.

    Raises
    ------
    KukkiriError
        If a process is ended by the system, for want of memory say.
    """
    keep_freed_memory()
    others = min(workers - 1, len(batches) - 1)
    # A daemonic process may not have children of its own.
    alone = settings.device != "cpu" or multiprocessing.current_process().daemon
    if others < 1 or len(batches) < WORTH_STARTING or alone:
        worker = Worker(settings, thumbnails=thumbnails)
        yield from map(worker.measure, batches)  # torch's own threads use the cores
        return
    yield from _with_others(batches, settings, others, thumbnails)


def _with_others(
    batches: Sequence[tuple[Path, ...]], settings: Settings, others: int, thumbnails: bool
) -> Iterator[list[Measured]]:
    from concurrent.futures.process import BrokenProcessPool

    from loky import ProcessPoolExecutor
    from loky.backend.context import get_context

    context = get_context("loky")
    budget = PixelBudget(context)
    pool = ProcessPoolExecutor(
        others,
        context=context,
        initializer=_start,
        initargs=(os.getpid(), settings, thumbnails, budget),
        env={"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"},
    )
    waiting: dict[int, Future[list[Measured]]] = {}
    done: dict[int, list[Measured]] = {}

    def still_alive() -> None:
        for future in waiting.values():
            if future.done() and future.exception() is not None:
                raise AbandonedError

    try:
        ours: Worker | None = None
        following = iter(enumerate(batches))
        due = 0
        while due < len(batches):
            while len(waiting) < QUEUED * others and (job := next(following, None)):
                waiting[job[0]] = pool.submit(_measure, job[1])
            if ours is None:  # built only now, so that the others start meanwhile
                ours = Worker(settings, thumbnails=thumbnails, budget=budget, while_waiting=still_alive)
            if job := next(following, None):
                with single_threaded_torch():
                    done[job[0]] = ours.measure(job[1])
            elif due not in done:
                waiting[due].result()
            done.update((i, future.result()) for i, future in waiting.items() if future.done())
            waiting = {i: future for i, future in waiting.items() if i not in done}
            while due in done:
                yield done.pop(due)
                due += 1
    except (BrokenProcessPool, AbandonedError) as error:
        raise KukkiriError(
            expected="every process to live until the end",
            got="one that the system ended, for want of memory or by a crash in a decoder",
            fix="run the same command again: it goes on where it stopped; with --workers 1 if it happens again",
        ) from error
    finally:
        pool.shutdown(wait=True, kill_workers=True)


# Of the processes that this one starts.
_worker: Worker | None = None


def _start(parent: int, settings: Settings, thumbnails: bool, budget: PixelBudget) -> None:
    global _worker
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    keep_freed_memory()
    Thread(target=_end_with, args=(parent,), daemon=True).start()
    import torch

    torch.set_num_threads(1)
    _worker = Worker(settings, thumbnails=thumbnails, budget=budget)


def _end_with(parent: int) -> None:
    """Do not outlive a parent that was killed."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


def _measure(batch: tuple[Path, ...]) -> list[Measured]:
    if _worker is None:
        raise KukkiriError(expected="a process that has been started", got="none", fix="report it")
    return _worker.measure(batch)
