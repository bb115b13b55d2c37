"""What dehazing gains and costs, where the haze is known: the tables of docs/restore.md.

    python benchmarks/dehaze.py [--write docs/restore.md]
    python benchmarks/dehaze.py --photographs FOLDER [--count 40]
    python benchmarks/dehaze.py --megapixels 12

Five colour photographs of scikit-image: the motorcycle with its measured distances (the unknown ones count as
middling), the others with drawn ones. Haze of the light (0.86, 0.89, 0.92), rounded to 8 bits, β up to the farthest
place. First the pictures with haze, then the same without, then the light of the air and the filter's radius as they
are and as the authors have them. With --write the text between the two marks of that file is replaced.
--photographs: how many pictures of a folder are said to have no haze, as they are and with haze.
--megapixels: time and peak memory of one picture.
"""

from __future__ import annotations

import argparse
import math
import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import skimage.data
import torch
import torch.nn.functional as F
from torch import Tensor

import kukkiri as kk
from kukkiri.images.image import Image
from kukkiri.optics.dark_channel import SHARE, airlight_of, dark_channel, dehaze
from kukkiri.optics.haze import hazy, procedural_depth, transmission

LIGHT = torch.tensor([[0.86, 0.89, 0.92]])
SCENES = {
    "motorcycle": (0.8, 1.6, 2.4),
    "coffee": (0.8, 1.6),
    "astronaut": (0.8, 1.6),
    "rocket": (1.6,),
    "chelsea": (0.8,),
}
# The offset of the two cameras' centres, pixels of disparity, and the radius of the authors' filter at 600×400.
OFFSET, THEIR_RADIUS = 31.086, 20
MARKS = ("<!-- python benchmarks/dehaze.py -->", "<!-- end -->")


def scene(name: str, seed: int = 0) -> tuple[Tensor, Tensor]:
    """A clear picture (1, 3, H, W) and distances (1, 1, H, W), 1 the farthest."""
    if name == "motorcycle":
        array, _, disparity = skimage.data.stereo_motorcycle()
        known = np.isfinite(disparity)
        distance = 1 / (np.where(known, disparity, 0) + OFFSET)
        distance = np.where(known, distance, np.median(distance[known])) / distance[known].max()
        depth = torch.from_numpy(distance)[None, None].float()
    else:
        array = getattr(skimage.data, name)()
        depth = procedural_depth(1, *array.shape[:2], torch.Generator().manual_seed(seed))
    return torch.from_numpy(array.copy()).float().movedim(2, 0)[None] / 255, depth


def seen_through(clear: Tensor, through: Tensor) -> Tensor:
    """With haze, in 8 bits."""
    return (hazy(clear, through, LIGHT) * 255).round() / 255


def psnr(a: Tensor, b: Tensor) -> float:
    """Decibels, on [0, 1]."""
    return float(-10 * torch.log10((a - b).square().mean()))


def with_haze() -> Iterator[str]:
    """How near to the clear picture."""
    ssim = kk.metric("ssim")
    yield "| picture | β | hazy | omega 0.75 | omega 0.95 | error of t |"
    yield "|---|---|---|---|---|---|"
    for name, betas in SCENES.items():
        clear, depth = scene(name)
        for beta in betas:
            through = transmission(depth, beta)
            seen = seen_through(clear, through)
            less, full = (kk.restore(Image(seen[0]), "dehaze", omega=omega) for omega in (0.75, 0.95))
            patch, radius = full.report["patch"], full.report["radius"]
            error = float((dehaze(seen, patch=patch, radius=radius).transmission - through).abs().mean())
            told = [psnr(r.image.pixels, clear[0]) for r in (less, full)]
            best = [f"**{value:.1f} dB**" if value == max(told) else f"{value:.1f} dB" for value in told]
            like = [float(ssim(x, clear)) for x in (seen, full.image.pixels[None])]
            yield (
                f"| {name} | {beta} | {psnr(seen, clear):.1f} dB, {like[0]:.3f} | {best[0]} | {best[1]}, {like[1]:.3f} "
                f"| {error:.3f} |"
            )


def without_haze() -> Iterator[str]:
    """What is lost of a picture that had none."""
    yield "| clear picture | light said to arrive | dehazed, against the clear one | warned |"
    yield "|---|---|---|---|"
    for name in SCENES:
        clear, _ = scene(name)
        found = kk.restore(Image(clear[0]), "dehaze")
        warned = "yes" if found.report["warnings"] else "no"
        lost = psnr(found.image.pixels, clear[0])
        yield f"| {name} | {found.report['mean_transmission']:.0%} | {lost:.1f} dB | {warned} |"


def as_the_authors() -> Iterator[str]:
    """The light of the air as the mean and as the brightest, and windows of four patches and of the authors' size."""
    yield "| picture | β | error of A: mean | brightest | PSNR: radius 4 patches | 4/3 patches |"
    yield "|---|---|---|---|---|---|"
    for name, betas in SCENES.items():
        for beta in betas:
            errors = []
            for seed in range(1 if name == "motorcycle" else 4):
                clear, depth = scene(name, seed)
                seen = seen_through(clear, transmission(depth, beta))
                dark = dark_channel(seen)
                chosen = dark.flatten().topk(math.ceil(SHARE * dark.numel())).indices
                pixels = seen[0].flatten(1)[:, chosen]
                brightest = pixels[:, pixels.sum(0).argmax()][None]
                errors.append([float((a - LIGHT).abs().mean()) for a in (airlight_of(seen, dark), brightest)])
            clear, depth = scene(name)
            seen = seen_through(clear, transmission(depth, beta))
            patch = int(kk.restore(Image(seen[0]), "dehaze").report["patch"])
            gains = [psnr(dehaze(seen, patch=patch, radius=round(r * patch)).image, clear) for r in (4, 4 / 3)]
            mean, bright = np.mean(errors, 0)
            yield f"| {name} | {beta} | {mean:.3f} | {bright:.3f} | {gains[0]:.1f} dB | {gains[1]:.1f} dB |"


def photographs(folder: Path, count: int) -> Iterator[str]:
    """How often "no haze" is said."""
    files = sorted(file for file in folder.iterdir() if file.suffix.lower() in (".jpg", ".png"))
    files = files[:: max(1, len(files) // count)][:count]
    betas = (0.0, 0.4, 0.8, 1.6)
    said, lost = dict.fromkeys(betas, 0), []
    for seed, file in enumerate(files):
        clear = kk.load(file).pixels[None]
        depth = procedural_depth(1, *clear.shape[2:], torch.Generator().manual_seed(seed))
        for beta in betas:
            found = kk.restore(Image(seen_through(clear, transmission(depth, beta))[0]), "dehaze")
            warned = any("no haze" in text or "hardly any haze" in text for text in found.report["warnings"])
            said[beta] += warned
            if beta == 0:
                lost.append((warned, psnr(found.image.pixels, clear[0])))
    yield f"{len(files)} pictures; said to have no haze: " + ", ".join(f"β {b}: {n}" for b, n in said.items())
    for told in (True, False):
        values = [value for warned, value in lost if warned == told]
        if values:
            yield f"clear, warned {told}: dehazed at {np.median(values):.1f} dB from the clear one (median)"


def large(megapixels: float) -> Iterator[str]:
    """One picture in a fresh process: run nothing else before it."""
    clear, _ = scene("astronaut")
    side = round(math.sqrt(megapixels * 1e6 * 3 / 4))
    picture = Image(F.interpolate(clear, (side, side * 4 // 3), mode="bilinear")[0])
    per_gigabyte = 1e9 if sys.platform == "darwin" else 1e6
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / per_gigabyte
    began, work = time.monotonic(), time.process_time()
    kk.restore(picture, "dehaze")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / per_gigabyte
    yield (
        f"{picture.width}×{picture.height}: {time.monotonic() - began:.1f} s ({time.process_time() - work:.1f} s of "
        f"work), peak {peak:.2f} GB, {before:.2f} GB of it before"
    )


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", type=Path, help="a file with the two marks")
    parser.add_argument("--photographs", type=Path, help="a folder")
    parser.add_argument("--count", type=int, default=40)
    parser.add_argument("--megapixels", type=float)
    chosen = parser.parse_args()
    if chosen.megapixels or chosen.photographs:
        for line in large(chosen.megapixels) if chosen.megapixels else photographs(chosen.photographs, chosen.count):
            print(line, flush=True)
        return
    lines: list[str] = []
    for table in (with_haze, without_haze, as_the_authors):
        lines += ["", *table()]
    print("\n".join(lines))
    if chosen.write:
        text = chosen.write.read_text(encoding="utf-8")
        before, rest = text.split(MARKS[0])
        after = rest.split(MARKS[1])[1]
        whole = f"{before}{MARKS[0]}\n" + "\n".join(lines) + f"\n\n{MARKS[1]}{after}"
        chosen.write.write_text(whole, encoding="utf-8")


if __name__ == "__main__":
    main()
