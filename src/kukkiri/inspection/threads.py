"""One thread for torch while pictures are measured."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def single_threaded_torch() -> Iterator[None]:
    """Within: each torch operation stays on its thread.

    There is a process a core already. And the order in which a convolution sums depends on the number of threads: with
    one, a table is the same whoever measured which picture.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
