"""Batches made ahead, in other processes, in the order in which one process would make them."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from kukkiri.errors import KukkiriError
from kukkiri.training.recipe import Recipe

# Batches that each process keeps ready.
_AHEAD = 2


class _Batches(IterableDataset[Any]):
    """Process k of n makes the batches of steps k, k + n, k + 2n, …; the loader takes them in turn."""

    def __init__(self, recipe: Recipe, seed: int, step: int) -> None:
        self.recipe, self.seed, self.step = recipe, seed, step

    def __iter__(self) -> Iterator[Any]:
        worker = get_worker_info()
        if worker is None:
            raise RuntimeError("only the loader's processes make batches here")
        step = self.step + worker.id
        while True:
            try:
                yield next(iter(self.recipe.batches(self.seed, step)))
            except KukkiriError as error:
                yield error  # the loader would make another kind of error of it
                return
            step += worker.num_workers


@contextmanager
def batches(recipe: Recipe, seed: int, step: int, *, workers: int, pin: bool = False) -> Iterator[Iterator[Any]]:
    """The batches of a recipe from a step on.

    Parameters
    ----------
    recipe : Recipe
        To make them.
    seed, step : int
        As for `Recipe.batches`.
    workers : int, ≥ 0
        Processes, of one thread each, that make batches ahead; 0 makes each when it is asked for.
    pin : bool
        Keep batches where a GPU fetches them faster.

    Yields
    ------
    iterator
        Without end. The processes go with the block.
    """
    if workers == 0:
        yield iter(recipe.batches(seed, step))
        return
    next(iter(recipe.batches(seed, step)))  # the recipe reads its data once, here, not once a process
    loader = DataLoader(
        _Batches(recipe, seed, step),
        batch_size=None,
        num_workers=workers,
        prefetch_factor=_AHEAD,
        collate_fn=_as_it_is,
        worker_init_fn=_begin,
        pin_memory=pin,
    )
    running = iter(loader)
    try:
        yield _raising(running)
    finally:
        # Left to the garbage collector, it may come after the interpreter has begun to wait for these processes.
        running._shutdown_workers()  # type: ignore[attr-defined]


def _raising(running: Iterator[Any]) -> Iterator[Any]:
    for batch in running:
        if isinstance(batch, KukkiriError):
            raise batch
        yield batch


def _as_it_is(batch: Any) -> Any:
    return batch


def _begin(_: int) -> None:
    """A stop is the training process's business: it ends its helpers once the step and the checkpoint are done."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    torch.set_num_threads(1)
