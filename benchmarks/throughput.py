"""How fast is `kukkiri measure`, beside a plain single-threaded loop over the same metrics, and how much memory?

    python benchmarks/throughput.py [FOLDER]

Prints one JSON line: pictures per second of loop and pipeline, in turns within one run (machines are noisy), their
ratio, and peak memory for the folder once and ten times over. Without a folder the pictures of the demonstration serve.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

ROUNDS = 3
REPEATS = 10


def loop(folder: Path) -> None:
    """What one would write in five lines: load a picture, call each metric."""
    import torch

    import kukkiri as kk
    from kukkiri.inspection.sources import find_files
    from kukkiri.metrics.table import DEFAULT_METRICS

    torch.set_num_threads(1)
    metrics = [kk.metric(name) for name in DEFAULT_METRICS]
    files = find_files(folder)
    started = time.perf_counter()
    with torch.inference_mode():
        for file in files:
            image = kk.load(file)
            for metric in metrics:
                float(metric(image))
    report(len(files), started)


def pipeline(folder: Path, repeats: int = 1) -> None:
    """The generator behind the command, with one worker a core."""
    from kukkiri.inspection.local_engine import run
    from kukkiri.inspection.measuring import batches, worker_count
    from kukkiri.inspection.settings import Settings
    from kukkiri.inspection.sources import find_files

    files = find_files(folder) * repeats
    started = time.perf_counter()
    count = sum(len(batch) for batch in run(batches(files), Settings(), workers=worker_count(None)))
    report(count, started)


def report(count: int, started: float) -> None:
    """Pictures per second and peak memory, as JSON: of this process plus the largest of those that it started."""
    peak = sum(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) / 1024
    print(json.dumps({"pictures": count, "per_second": count / (time.perf_counter() - started), "peak_mib": peak}))


def in_process(*arguments: str) -> dict[str, float]:
    """One measurement in a process of its own, so that peak memory is its own."""
    command = [sys.executable, __file__, *arguments]
    result: dict[str, float] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return result


def main(folder: Path) -> None:
    """Both ways in turns, then memory."""
    rates: dict[str, list[float]] = {"loop": [], "pipeline": []}
    peaks: list[float] = []
    count = 0.0
    for _ in range(ROUNDS):
        for way, found in rates.items():
            result = in_process(way, str(folder))
            found.append(result["per_second"])
            if way == "pipeline":
                peaks.append(result["peak_mib"])
                count = result["pictures"]
    many = in_process("pipeline", str(folder), str(REPEATS))
    ratios = [p / q for p, q in zip(rates["pipeline"], rates["loop"])]
    print(
        json.dumps(
            {
                "pictures": int(count),
                "loop_per_second": round(median(rates["loop"]), 1),
                "pipeline_per_second": round(median(rates["pipeline"]), 1),
                "ratio": round(median(ratios), 2),
                "ratios": [round(r, 2) for r in ratios],
                "peak_mib": round(median(peaks)),
                f"peak_mib_of_{REPEATS}_times_as_many": round(many["peak_mib"]),
            }
        )
    )


if __name__ == "__main__":
    if len(sys.argv) > 2:
        {"loop": loop, "pipeline": pipeline}[sys.argv[1]](Path(sys.argv[2]), *map(int, sys.argv[3:]))
    elif len(sys.argv) == 2:
        main(Path(sys.argv[1]))
    else:
        from kukkiri.inspection.demo import make_pictures

        with tempfile.TemporaryDirectory() as scratch:
            make_pictures(Path(scratch))
            main(Path(scratch))
