"""A metric must get worse: does every score fall with the strength of blur, noise and JPEG?

    python benchmarks/must_get_worse.py --out docs/networks/worse.json [METRIC …]

Five photographs of scikit-image, each as it is and in five strengths of every kind; per picture the Spearman
correlation of score and strength, signed so that +1 is right. A metric whose checkpoint is not here is listed with
that reason, not measured.
"""

from __future__ import annotations

import argparse
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image as Pillow
from skimage import data
from torch import Tensor

import kukkiri as kk
from kukkiri.errors import WeightError
from kukkiri.evaluation.statistics import spearman
from kukkiri.images.filtering import gaussian_blur
from kukkiri.weights.catalogue import catalogue

PHOTOGRAPHS = ("astronaut", "coffee", "chelsea", "rocket", "camera")
SIDE = 384
STRENGTHS: dict[str, tuple[float, ...]] = {
    "blur": (0.6, 1.0, 1.7, 2.8, 4.5),  # sigma, px
    "noise": (0.01, 0.02, 0.04, 0.08, 0.16),  # sigma on [0, 1]
    "jpeg": (80, 50, 30, 15, 7),  # quality
}


def photograph(name: str) -> Tensor:
    """The middle of a picture, at most 384 px a side; (1, C, H, W)."""
    array = np.atleast_3d(getattr(data, name)()).astype(np.float32) / 255
    picture = torch.from_numpy(array).movedim(2, 0)[None]
    height, width = (min(side, SIDE) for side in picture.shape[-2:])
    top, left = (picture.shape[-2] - height) // 2, (picture.shape[-1] - width) // 2
    return picture[..., top : top + height, left : left + width].contiguous()


def spoil(picture: Tensor, kind: str, strength: float) -> Tensor:
    """The picture under one kind of damage, on the 8-bit grid."""
    if kind == "blur":
        picture = gaussian_blur(picture, strength)
    elif kind == "noise":
        noise = np.random.default_rng(0).normal(0, strength, tuple(picture.shape)).astype(np.float32)
        picture = picture + torch.from_numpy(noise)
    pixels = (picture.clamp(0, 1) * 255).round().byte()
    if kind == "jpeg":
        stream = io.BytesIO()
        array = pixels[0].movedim(0, 2).squeeze(-1).numpy()
        Pillow.fromarray(array).save(stream, "JPEG", quality=int(strength))
        decoded = np.atleast_3d(np.asarray(Pillow.open(stream)))
        pixels = torch.from_numpy(decoded.copy()).movedim(2, 0)[None]
    return pixels.float() / 255


def correlations(name: str, pictures: dict[str, Tensor]) -> dict[str, list[float]]:
    """Of every kind, one correlation a picture."""
    metric = kk.metric(name)
    found: dict[str, list[float]] = {kind: [] for kind in STRENGTHS}
    for sharp in pictures.values():
        for kind, strengths in STRENGTHS.items():
            batch = torch.cat([sharp, *(spoil(sharp, kind, strength) for strength in strengths)])
            with torch.inference_mode():
                values = metric(batch, sharp.expand_as(batch)) if metric.spec.needs_reference else metric(batch)
            found[kind].append(
                spearman(values.numpy(), np.arange(len(batch)), higher_is_better=metric.spec.higher_is_better)
            )
    return found


def plain(correlation: float) -> float | None:
    """What JSON holds: None where all scores are equal."""
    return None if np.isnan(correlation) else round(correlation, 3)


def reason(spec: kk.MetricSpec) -> str:
    """Why a metric cannot be measured here: in the record, no path of the machine it was made on."""
    if spec.needs_weights:
        return "no checkpoint of it can be fetched; it runs with weights of your own"
    keys = ", ".join(entry.key for key in spec.weights if (entry := catalogue()[key]).kind != "shipped")
    return f"its checkpoint is not here: kukkiri weights fetch {keys}"


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("metrics", nargs="*", help="default: all")
    parser.add_argument("--out", type=Path, help="a .json file; what it already has of other metrics stays")
    chosen = parser.parse_args()
    pictures = {name: photograph(name) for name in PHOTOGRAPHS}
    rows: dict[str, Any] = json.loads(chosen.out.read_text()) if chosen.out and chosen.out.exists() else {}
    specs = {spec.name: spec for spec in kk.metrics()}
    for name in chosen.metrics or specs:
        try:
            rows[name] = {kind: list(map(plain, values)) for kind, values in correlations(name, pictures).items()}
        except WeightError:
            rows[name] = {"skipped": reason(specs[name])}
        shown = rows[name].get("skipped") or "  ".join(
            f"{kind} {np.nanmean(told):+.3f} (least {np.nanmin(told):+.2f})"
            for kind, values in rows[name].items()
            for told in [np.array(values, float)]
        )
        print(f"{name:24s} {shown}", flush=True)
        if chosen.out:
            chosen.out.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
