"""Seconds to start: `import kukkiri`, `kukkiri --help`, `kukkiri list` (medians of five). Prints one JSON line."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

ROUNDS = 5


def import_seconds() -> float:
    """Cumulative time of `import kukkiri` by `-X importtime`."""
    command = [sys.executable, "-X", "importtime", "-c", "import kukkiri"]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stderr
    found = re.findall(r"\|\s+(\d+) \| kukkiri$", printed, re.MULTILINE)
    return int(found[-1]) / 1e6


def command_seconds(*arguments: str) -> float:
    """Wall time of the installed command."""
    started = time.perf_counter()
    subprocess.run([str(Path(sys.executable).with_name("kukkiri")), *arguments], check=True, capture_output=True)
    return time.perf_counter() - started


if __name__ == "__main__":
    print(
        json.dumps(
            {
                "import": round(median(import_seconds() for _ in range(ROUNDS)), 3),
                "help": round(median(command_seconds("--help") for _ in range(ROUNDS)), 3),
                "list": round(median(command_seconds("list") for _ in range(ROUNDS)), 3),
            }
        )
    )
