"""Does a run that is killed again and again end with the table of an uninterrupted one?

    python benchmarks/kill_and_resume.py FOLDER [KILLS]

Runs `kukkiri measure FOLDER`, kills it (SIGKILL) at random moments, starts it again each time, lets the last run end,
and compares the tables byte for byte. Prints one JSON line; exit code 1 if they differ.
"""

from __future__ import annotations

import csv
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def command(folder: str, out: Path) -> list[str]:
    """The real command."""
    return [sys.executable, "-m", "kukkiri", "measure", folder, "--out", str(out)]


def main(folder: str, kills: int) -> int:
    """Measure whole, then in pieces; compare."""
    with tempfile.TemporaryDirectory() as scratch:
        whole, pieces = Path(scratch) / "whole.csv", Path(scratch) / "pieces.csv"
        started = time.monotonic()
        subprocess.run(command(folder, whole), check=True, capture_output=True)
        seconds = time.monotonic() - started
        moments = random.Random(0)
        killed = 0
        for _ in range(kills):
            process = subprocess.Popen(command(folder, pieces), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            # Together about nine tenths of the work, so that some of it is always left.
            time.sleep(moments.uniform(0, 2 * (2 + 0.9 * seconds / kills)))
            killed += process.poll() is None
            process.kill()
            process.wait()
        last = subprocess.run(command(folder, pieces), check=True, capture_output=True, text=True)
        with pieces.open(newline="", encoding="utf-8") as file:
            paths = [row["path"] for row in csv.DictReader(file)]
        equal = whole.read_bytes() == pieces.read_bytes()
        print(
            json.dumps(
                {
                    "rows": len(paths),
                    "rows_twice": len(paths) - len(set(paths)),
                    "killed_while_running": killed,
                    "equal_byte_for_byte": equal,
                    "last_run": last.stderr.strip().splitlines()[0],
                }
            )
        )
        return 0 if equal else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 10))
