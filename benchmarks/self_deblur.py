"""How clear does a picture become from itself alone, and how right is the kernel?

    python benchmarks/self_deblur.py levin DIR [--pictures 1_1 3_4 …] [--out FOLDER] [--steps N] [--channels N]
    python benchmarks/self_deblur.py disc [--radii 2 3 5] [--noise 0.01] [--out FOLDER] …
    python benchmarks/self_deblur.py defocused FILE … [--reduce 2] [--out FOLDER] …

`levin`: the pictures of Levin, Weiss, Durand, Freeman (CVPR 2009), im{i}_kernel{k}_img.png with gt/im{i}.png in DIR.
PSNR and SSIM of the blurred and of the restored picture, each after the field's alignment (up to 5 px, border of 15).
With --open the kernel's size is not told.
`disc`: photographs reduced by 2, blurred by a disc and given noise: error of the kernel's radius (twice its sigma)
against that of the kernel applied, with what was measured before; PSNR likewise. `defocused`: real pictures without a
truth: the radius found. With --out, the pictures before and after, and a line of JSON each (results.jsonl).
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import skimage.data
import torch
import torch.nn.functional as F

import kukkiri as kk
from kukkiri.evaluation.aligned import compare_aligned
from kukkiri.images.image import Image
from kukkiri.optics import psf
from kukkiri.restoration.figure import restoration_figure

# Sides that hold the eight kernels, as the authors of the method give them; --open does without.
LEVIN_SIDES = (17, 15, 13, 27, 11, 19, 21, 21)
PHOTOGRAPHS = ("camera", "coffee", "brick")


def levin(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Real shaken pictures."""
    rows = []
    for name in options.pictures:
        picture, kernel = map(int, name.split("_"))
        seen = kk.load(options.folder / f"im{picture}_kernel{kernel}_img.png")
        truth = kk.load(options.folder / "gt" / f"im{picture}.png").pixels.mean(0)
        row = _restored(
            f"im{picture}_kernel{kernel}",
            seen,
            options,
            "self-deblur",
            truth,
            None if options.open else LEVIN_SIDES[kernel - 1],
        )
        rows.append(row)
    return rows


def disc(options: argparse.Namespace) -> list[dict[str, Any]]:
    """A lens out of focus, with the truth known."""
    rows = []
    for name in options.photographs:
        array = getattr(skimage.data, name)()
        sharp = torch.from_numpy(np.atleast_3d(array)).movedim(2, 0).float().mean(0)[None, None] / 255
        sharp = F.avg_pool2d(sharp, 2)[..., :256, :256]
        for radius in options.radii:
            kernel = psf.disc(radius)
            blurred = psf.blur(sharp, kernel, "valid")
            noise = torch.randn(blurred.shape, generator=torch.Generator().manual_seed(1)) * options.noise
            seen = Image((blurred + noise).clamp(0, 1)[0])
            margin = kernel.shape[-1] // 2
            truth = sharp[0, 0, margin : sharp.shape[2] - margin, margin : sharp.shape[3] - margin]
            row = _restored(f"{name}_disc{radius:g}", seen, options, "self-deblur-defocus", truth)
            true = 2 * float(psf.sigma_of(kernel)[0])
            row |= {"true_radius": true, "radius_error": row["radius"] / true - 1}
            row["measured_error"] = None if row["measured"] is None else row["measured"] / true - 1
            rows.append(_recorded(row, options))
    return rows


def defocused(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Real pictures out of focus."""
    rows = []
    for file in options.files:
        seen = kk.load(file)
        pixels = F.avg_pool2d(seen.pixels, options.reduce) if options.reduce > 1 else seen.pixels
        row = _restored(file.stem, replace(seen, pixels=pixels), options, "self-deblur-defocus")
        rows.append(_recorded(row, options))
    return rows


def _restored(
    name: str, seen: Image, options: argparse.Namespace, method: str, truth: Any = None, side: int | None = None
) -> dict[str, Any]:
    chosen: dict[str, Any] = {"seed": options.seed}
    if options.steps:
        chosen["steps"] = options.steps
    if options.channels:
        chosen["channels"] = options.channels
    if side or options.kernel_size:
        chosen["kernel_size"] = side or options.kernel_size
    result = kk.restore(seen, "deblur", method=method, progress=options.progress, **chosen)
    report = result.report
    row: dict[str, Any] = {"name": name, "minutes": report["seconds"] / 60, "steps": report["steps"]}
    row |= {"residual": report["residual"], "noise": report["noise"], "radius": 2 * report["kernel_sigma"]}
    row["measured"] = None if report["sigma"] is None else 2 * report["sigma"]
    if truth is not None:
        border, most = (15, 5) if method == "self-deblur" else (8, 2)
        for what, image in (("before", seen), ("after", result.image)):
            grey = image.pixels.mean(0).double().numpy()
            found = compare_aligned(grey, truth.double().numpy(), most=most, border=border)
            row |= {f"psnr_{what}": found.psnr, f"ssim_{what}": found.ssim}
    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
        restoration_figure(seen, result, options.out / f"{name}.png")
    return row


def _recorded(row: dict[str, Any], options: argparse.Namespace) -> dict[str, Any]:
    if options.out is not None:
        with (options.out / "results.jsonl").open("a") as lines:
            lines.write(json.dumps(row) + "\n")
    print("  ".join(f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in row.items()), flush=True)
    return row


def main() -> None:
    """Run one of the three."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--out", type=Path)
    shared.add_argument("--steps", type=int)
    shared.add_argument("--channels", type=int)
    shared.add_argument("--kernel-size", type=int)
    shared.add_argument("--seed", type=int, default=0)
    shared.add_argument("--threads", type=int, default=0)
    shared.add_argument("--progress", action="store_true")
    kinds = parser.add_subparsers(dest="kind", required=True)
    one = kinds.add_parser("levin", parents=[shared])
    one.add_argument("folder", type=Path)
    one.add_argument("--pictures", nargs="+", default=["1_1", "1_6", "3_3", "3_4"])
    one.add_argument("--open", action="store_true", help="leave the kernel's size open, as a user would")
    two = kinds.add_parser("disc", parents=[shared])
    two.add_argument("--radii", type=float, nargs="+", default=[2.0, 3.0, 5.0])
    two.add_argument("--noise", type=float, default=0.01)
    two.add_argument("--photographs", nargs="+", default=list(PHOTOGRAPHS))
    three = kinds.add_parser("defocused", parents=[shared])
    three.add_argument("files", type=Path, nargs="+")
    three.add_argument("--reduce", type=int, default=1)
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    {"levin": levin, "disc": disc, "defocused": defocused}[options.kind](options)


if __name__ == "__main__":
    main()
