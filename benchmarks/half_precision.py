"""How far scores move in half precision: `precision='bfloat16'` and `'float16'` beside float32.

    python benchmarks/half_precision.py --out docs/networks/half.json

Three photographs of scikit-image in five kinds of damage, from hardly visible to strong. Networks with weights in the
package are measured with them; of some others only the architecture is, with arbitrary parameters (`tests/filling.py`).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import kukkiri as kk

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "benchmarks")]

from must_get_worse import photograph, spoil  # noqa: E402

from parity import filled_state, golden  # noqa: E402

PHOTOGRAPHS = ("astronaut", "coffee", "chelsea")
DAMAGES = (("blur", 0.3), ("noise", 0.01), ("jpeg", 80), ("blur", 1.7), ("noise", 0.08))
SIDE = 192
OWN = ("lpips-alex", "lpips-vgg", "dists")
FILLED = ("cnniqa", "wadiqam-nr", "wadiqam-fr", "paq2piq")
TYPES = ("bfloat16", "float16")


def pairs() -> Iterator[tuple[str, Tensor, Tensor]]:
    """Kind of damage, damaged picture and original, the middle 192 px of each."""
    for name in PHOTOGRAPHS:
        whole = photograph(name)
        top, left = ((side - SIDE) // 2 for side in whole.shape[-2:])
        picture = whole[..., top : top + SIDE, left : left + SIDE]
        for kind, strength in DAMAGES:
            yield f"{kind} {strength:g}", spoil(picture, kind, strength), picture


def scores(name: str, precision: str) -> list[float]:
    """One score a pair."""
    options: dict[str, Any] = {}
    if name in FILLED:
        names = golden(f"{name.replace('-', '_')}.json")["names"]
        options["weights"] = filled_state({key: tuple(shape) for key, shape in names.items()})
    metric = kk.metric(name, precision=precision, **options)
    with torch.inference_mode():
        return [float(metric(*((a, b) if metric.spec.needs_reference else (a,)))) for _, a, b in pairs()]


def main() -> None:
    """Measure, and write what was found after each metric."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("metrics", nargs="*")
    args = parser.parse_args()
    torch.set_num_threads(1)
    found: dict[str, Any] = json.loads(args.out.read_text(encoding="utf-8")) if args.out.exists() else {}
    for name in args.metrics or (*OWN, *FILLED):
        plain = scores(name, "float32")
        found[name] = {
            "weights": "arbitrary" if name in FILLED else "own",
            "damages": [kind for kind, *_ in pairs()],
            "float32": plain,
            **{kind: scores(name, kind) for kind in TYPES},
        }
        args.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        print(name, "done", flush=True)


if __name__ == "__main__":
    main()
