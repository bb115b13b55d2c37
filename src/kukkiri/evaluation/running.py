"""Run the sections of an evaluation over pictures: in processes, resumable, to the same numbers however many."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from threading import Thread

import kukkiri
from kukkiri.errors import KukkiriError
from kukkiri.evaluation.estimates import Scorer
from kukkiri.evaluation.journal import Journal, key_of
from kukkiri.evaluation.pictures import Picture
from kukkiri.evaluation.protocol import RobustnessProtocol
from kukkiri.evaluation.sources import source_hash
from kukkiri.evaluation.trials import Row
from kukkiri.inspection.record import explain
from kukkiri.inspection.threads import single_threaded_torch
from kukkiri.metrics.build import metric
from kukkiri.metrics.spec import MetricSpec

# Modules with a function measure(image, name, metrics, protocol) -> {metric: rows}. Where one has SETTINGS, JSON-ready,
# its rows depend on them as well; where it has a function key_fields(protocol, slow), on that much of the protocol.
SECTIONS = {
    name: f"kukkiri.evaluation.{name}" for name in ("trials", "invariances", "increment", "astigmatism", "stability")
}


@dataclass(frozen=True)
class Job:
    """One picture in one section.

    Parameters
    ----------
    section : str
        One of `SECTIONS`.
    picture : Picture
    metrics : tuple of str
        Names among those of the run.
    """

    section: str
    picture: Picture
    metrics: tuple[str, ...]


@dataclass(frozen=True)
class Done:
    """What came of a job.

    Parameters
    ----------
    job : Job
    rows : dict
        Metric → rows, JSON-ready.
    error : str or None
        Why the picture could not be measured, by one metric at least.
    sha256 : str
        Of the picture; '' if it cannot be read.
    """

    job: Job
    rows: Mapping[str, list[Row]]
    error: str | None = None
    sha256: str = ""


class Worker:
    """Does jobs one after the other; a metric that is given by name is built when first needed.

    Parameters
    ----------
    metrics : mapping
        Name → the metric, or None to build it.
    protocol : RobustnessProtocol
    """

    def __init__(self, metrics: Mapping[str, Scorer | None], protocol: RobustnessProtocol) -> None:
        self.metrics, self.protocol = dict(metrics), protocol

    def __call__(self, job: Job) -> Done:
        """Measure one picture; whatever goes wrong with it gives an error, not an exception.

        A picture that one metric fails on is measured by the others, each by itself.
        """
        measure = import_module(SECTIONS[job.section]).measure
        try:
            chosen = {name: self._metric(name) for name in job.metrics}
            return Done(job, measure(job.picture.load(), job.picture.name, chosen, self.protocol))
        except KukkiriError as error:
            return Done(job, {}, str(error))
        except Exception as error:
            if len(job.metrics) == 1:
                return Done(job, {}, f"{job.metrics[0]}: {explain(error)}")
        alone = [self(Job(job.section, job.picture, (name,))) for name in job.metrics]
        rows = {name: its for done in alone for name, its in done.rows.items()}
        return Done(job, rows, "; ".join(done.error for done in alone if done.error) or None)

    def _metric(self, name: str) -> Scorer:
        found = self.metrics[name]
        if found is None:
            found = self.metrics[name] = metric(name)
        return found


def run(
    jobs: Sequence[Job],
    metrics: Mapping[str, Scorer | None],
    protocol: RobustnessProtocol,
    *,
    processes: int = 1,
    journal: Journal | None = None,
    on_done: Callable[[Done], None] | None = None,
) -> list[Done]:
    """Do jobs, those that the journal does not have.

    Parameters
    ----------
    jobs : sequence of Job
    metrics : mapping
        Name → the metric, or None to build it by its name. Only the latter are kept in the journal: of an object
        nobody knows what it will be in the next run.
    protocol : RobustnessProtocol
    processes : int
        1 works in this one. The numbers are the same: torch computes on one thread in each.
    journal : Journal, optional
    on_done : function(Done), optional
        Called after each job, not in order.

    Returns
    -------
    list of Done
        In the order of the jobs.

    Raises
    ------
    KukkiriError
        If a process is ended by the system, or the journal cannot be written.
    """
    journal = journal or Journal(None)
    results: dict[int, Done] = {}
    todo: dict[int, Job] = {}
    keys: dict[tuple[int, str], str] = {}
    for index, job in enumerate(jobs):
        try:
            sha256 = job.picture.sha256()
        except KukkiriError as error:
            results[index] = Done(job, {}, str(error))
        else:
            keys |= {(index, name): _key(job, name, sha256, protocol) for name in job.metrics if metrics[name] is None}
            found = {name: journal.get(keys.get((index, name), "")) for name in job.metrics}
            have = {name: rows for name, rows in found.items() if rows is not None}
            results[index] = Done(job, have, sha256=sha256)
            if missing := tuple(name for name in job.metrics if name not in have):
                todo[index] = Job(job.section, job.picture, missing)
        if index not in todo and on_done:
            on_done(results[index])
    for index, done in _results(todo, Worker(metrics, protocol), processes):
        for name, rows in done.rows.items():
            if (index, name) in keys:
                journal.add(keys[index, name], rows)
        results[index] = Done(jobs[index], {**results[index].rows, **done.rows}, done.error, results[index].sha256)
        if on_done:
            on_done(results[index])
    return [results[index] for index in range(len(jobs))]


def _key(job: Job, name: str, sha256: str, protocol: RobustnessProtocol) -> str:
    """All that the rows of one picture, section and metric depend on."""
    from kukkiri.metrics.table import spec_of

    section, slow = import_module(SECTIONS[job.section]), name in protocol.slow
    # Of the slow ones only whether this one is among them counts, so that another may join or leave.
    settings = protocol.to_row() | {"slow": slow, "slow_pictures": None}
    if hasattr(section, "key_fields"):
        settings = section.key_fields(protocol, slow)
    own = getattr(section, "SETTINGS", None)
    version = [*version_of(spec_of(name)), source_hash(SECTIONS[job.section])]
    more = [] if own is None else [dict(own)]
    return key_of(version, settings, job.section, job.picture.name, sha256, name, *more)


def version_of(spec: MetricSpec) -> list[str]:
    """Kukkiri's version, the hashes of a metric's weights, and that of its code."""
    from kukkiri.weights import catalogue

    entries = catalogue()
    code = source_hash(spec.implementation.partition(":")[0])
    return [kukkiri.__version__, *(entries[key].sha256 for key in spec.weights), code]


def _results(todo: Mapping[int, Job], worker: Worker, processes: int) -> Iterator[tuple[int, Done]]:
    if processes < 2 or len(todo) < 2:
        with single_threaded_torch():
            for index, job in todo.items():
                yield index, worker(job)
        return
    from concurrent.futures import as_completed
    from concurrent.futures.process import BrokenProcessPool

    from loky import ProcessPoolExecutor

    pool = ProcessPoolExecutor(
        min(processes, len(todo)),
        initializer=_start,
        initargs=(os.getpid(), worker),
        env={"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"},
    )
    try:
        futures = {pool.submit(_work, job): index for index, job in todo.items()}
        for future in as_completed(futures):
            yield futures[future], future.result()
    except BrokenProcessPool as error:
        raise KukkiriError(
            expected="every process to live until the end",
            got="one that the system ended, for want of memory say",
            fix="run the same command again: it goes on where it stopped; with --jobs 1 if it happens again",
        ) from error
    finally:
        pool.shutdown(wait=True, kill_workers=True)


# Of the processes that this one starts.
_worker: Worker | None = None


def _start(parent: int, worker: Worker) -> None:
    global _worker
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    Thread(target=_end_with, args=(parent,), daemon=True).start()
    import torch

    torch.set_num_threads(1)
    _worker = worker


def _end_with(parent: int) -> None:
    """Do not outlive a parent that was killed."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


def _work(job: Job) -> Done:
    if _worker is None:
        raise KukkiriError(expected="a process that has been started", got="none", fix="report it")
    return _worker(job)
