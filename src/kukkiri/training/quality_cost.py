"""Time and memory that `kukkiri-nr` takes for one large picture, stage by stage, on one thread."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

# 12 megapixels, as a camera's.
HEIGHT, WIDTH = 3000, 4000
REPEATS = 3
STATUS, PEAK_RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def cost(
    weights: str | None = None, beside: Sequence[str] = (), size: tuple[int, int] = (HEIGHT, WIDTH)
) -> dict[str, Any]:
    """Measured in a process of its own, so that memory used before does not count.

    Parameters
    ----------
    weights : str, optional
        Of the head, as for `KukkiriNR`.
    beside : sequence of str
        Other metrics whose time is measured too.
    size : (int, int)
        Height and width.

    Returns
    -------
    dict
        'size'; 'ms', of all; 'stages', name → ms; 'memory_mb', the peak above what was in use before, None where the
        system does not tell; 'beside', metric → ms. Times are the least of three; those of others are of one call.
    """
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        found: dict[str, Any] = pool.apply(_measured, (weights, tuple(beside), size))
    return found


def _measured(weights: str | None, beside: Sequence[str], size: tuple[int, int]) -> dict[str, Any]:
    import torch

    from kukkiri.metrics.build import metric
    from kukkiri.quality.no_reference import quality_features as module
    from kukkiri.quality.no_reference.kukkiri_nr import KukkiriNR

    torch.set_num_threads(1)
    ours = KukkiriNR(weights)
    height, width = size
    wave = torch.sin(torch.linspace(0, 40, height))[:, None] * torch.cos(torch.linspace(0, 60, width))
    picture = torch.rand((1, 3, height, width), generator=torch.Generator().manual_seed(0))
    picture.mul_(0.1).add_(wave, alpha=0.3).add_(0.45)
    del wave
    ours.judge(picture[..., :256, :256])
    before, peak, least = _memory_anew(), None, float("inf")
    stages: dict[str, float] = {}
    for number in range(REPEATS):
        start = time.perf_counter()
        ours.judge(picture)
        least = min(least, time.perf_counter() - start)
        if number == 0:
            peak = _memory("VmHWM")
    for _ in range(REPEATS):
        once: dict[str, float] = {}
        with _timed(module, once), torch.inference_mode():
            features = module.quality_features(_Timed(ours.trunk, once), picture)  # type: ignore[arg-type]  # has what is called
            start = time.perf_counter()
            ours.head(features)
            ours.head.unlike_training(features)
            once["head"] = time.perf_counter() - start
        stages = {name: min(stages.get(name, value), value) for name, value in once.items()}
    others = {}
    for name in beside:
        one = metric(name).eval()
        start = time.perf_counter()
        with torch.inference_mode():
            one(picture)
        others[name] = round(1000 * (time.perf_counter() - start), 1)
    return {
        "size": [height, width],
        "ms": round(1000 * least, 1),
        "stages": {name: round(1000 * value, 1) for name, value in stages.items()},
        "memory_mb": None if before is None or peak is None else round((peak - before) / 1024, 1),
        "beside": others,
    }


class _Timed:
    """A trunk that notes its time, apart for parts and for the whole."""

    def __init__(self, trunk: Any, seconds: dict[str, float]) -> None:
        self.trunk, self.seconds = trunk, seconds

    def features(self, image: Any, taps: tuple[int, ...]) -> Any:
        from kukkiri.quality.no_reference.quality_features import LOCAL_TAPS

        name = "network on parts" if tuple(taps) == LOCAL_TAPS else "network on the whole"
        return _noted(self.trunk.features, name, self.seconds)(image, taps)


STAGES = {
    "local_statistics": "statistics of parts",
    "shifts": "shifts between the colours of parts",
    "brisque_features": "natural-scene statistics of parts",
    "reduced": "reducing the whole",
    "tonal_statistics": "tones of the whole",
    "hues": "hues of the whole",
}


@contextmanager
def _timed(module: Any, seconds: dict[str, float]) -> Iterator[None]:
    """The functions of a module note their time while this lasts."""
    before = {name: getattr(module, name) for name in STAGES}
    try:
        for name, stage in STAGES.items():
            setattr(module, name, _noted(before[name], stage, seconds))
        yield
    finally:
        for name, function in before.items():
            setattr(module, name, function)


def _noted(function: Callable[..., Any], stage: str, seconds: dict[str, float]) -> Callable[..., Any]:
    def noted(*given: Any) -> Any:
        start = time.perf_counter()
        found = function(*given)
        seconds[stage] = seconds.get(stage, 0.0) + time.perf_counter() - start
        return found

    return noted


def _memory_anew() -> int | None:
    """Memory in use, KiB, from which on the peak is counted anew."""
    try:
        PEAK_RESET.write_text("5", encoding="ascii")
    except OSError:  # another system, or one that forbids it
        return None
    return _memory("VmRSS")


def _memory(field: str) -> int | None:
    """Of this process, in KiB: VmRSS is in use, VmHWM the most there was."""
    if not STATUS.exists():
        return None
    for line in STATUS.read_text(encoding="ascii", errors="replace").splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1])
    return None
