"""The verb `kk.measure`: many files in, one record a picture out."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kukkiri.errors import InputError, UnknownNameError
from kukkiri.inspection.settings import WHOLE_LIMIT, Settings
from kukkiri.inspection.sources import find_files
from kukkiri.metrics.table import metric_names

if TYPE_CHECKING:
    from kukkiri.images.masks import Box
    from kukkiri.inspection.record import Record
    from kukkiri.inspection.worker import Measured

# An engine takes batches of files and yields each batch's results, in the same order.
Engine = Callable[..., "Generator[list[Measured], None, None]"]
ENGINES = {"local": "kukkiri.inspection.local_engine:run"}
# Files a batch. A batch that was interrupted is measured anew as it was: what is measured together may differ in the
# last digits from what is measured alone, as a single file is that failed or changed.
BATCH = 8


def measure(
    paths: str | Path | Iterable[str | Path],
    metrics: Sequence[str] | str | None = None,
    *,
    engine: str = "local",
    workers: int | None = None,
    roi: Box | None = None,
    mask: str | Path | None = None,
    auto_mask: bool = True,
    whole_limit: int = WHOLE_LIMIT,
    device: str = "cpu",
) -> Iterator[Record]:
    """Measure pictures: one record each, in order, as they come.

    Parameters
    ----------
    paths : path or iterable of paths
        Files, folders (searched with their sub-folders) and patterns such as 'scan_*/*.tif'.
    metrics : names, optional
        Any that need no reference; 'kukkiri list' shows them.
    engine : str
        'local': processes on this machine.
    workers : int, optional
        Default: one a core.
    roi : Box, optional
        Only this part of each picture.
    mask : path, optional
        A picture that is white where pixels must not count; for pictures of its size.
    auto_mask : bool
        Find and leave out info bars, scale bars and burnt-in text.
    whole_limit : int
        Pixels; larger pictures are measured tile by tile, by the metrics that can.
    device : str
        Where to compute: 'cpu', 'cuda'.

    Yields
    ------
    Record
        A file that cannot be read gives a record with an error; nothing stops the others.

    Raises
    ------
    InputError
        At once, if a metric, the engine or an option is wrong, or nothing is found.
    """
    settings = Settings(
        metrics=metric_names(metrics),
        roi=roi,
        mask=None if mask is None else Path(mask),
        auto_mask=auto_mask,
        whole_limit=whole_limit,
        device=device,
    )
    run = engine_of(engine)
    files = find_files(paths)
    results = run(batches(files), settings, workers=worker_count(workers), thumbnails=False)
    return (measured.record for batch in results for measured in batch)


def engine_of(name: str) -> Engine:
    """The engine of that name.

    Raises
    ------
    UnknownNameError
        If there is none.
    """
    if name not in ENGINES:
        raise UnknownNameError(
            expected=f"one of the engines {', '.join(ENGINES)}", got=repr(name), fix="use engine='local'"
        )
    module, _, function = ENGINES[name].partition(":")
    engine: Engine = getattr(import_module(module), function)
    return engine


def batches(files: Sequence[Path], size: int = BATCH) -> list[tuple[Path, ...]]:
    """Files in batches of a fixed size, counted from the first."""
    if size < 1:
        raise InputError(expected="a batch of at least one file", got=str(size), fix="leave it out")
    return [tuple(files[i : i + size]) for i in range(0, len(files), size)]


def worker_count(wanted: int | None) -> int:
    """How many workers to start.

    Raises
    ------
    InputError
        If `wanted` is less than one.
    """
    import os

    if wanted is not None and wanted < 1:
        raise InputError(expected="at least one worker", got=str(wanted), fix="leave it out for one a core")
    available: Any = getattr(os, "sched_getaffinity", None)
    return wanted or (len(available(0)) if available else os.cpu_count() or 1)
