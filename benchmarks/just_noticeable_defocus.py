"""How right is the sigma of `just-noticeable-defocus` on small blur, and what do other days do to it?

    python benchmarks/just_noticeable_defocus.py FOLDER [--pictures 12]

The first pictures of a folder, area-reduced by 2, under a Gaussian blur of known size, on days of the robustness table
and rounded to 8 bits. For each day and sigma: median of the absolute error, bias (median of the error), the 10th and
the 90th percentile of what was found, all in pixels, and how many pictures were called flat. Then the seconds that a
megapixel takes.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch

import kukkiri as kk
from kukkiri.inspection.sources import find_files
from kukkiri.optics import psf
from kukkiri.optics.days import day
from kukkiri.training.just_noticeable_defocus import JUDGED, kernel_of
from kukkiri.training.photographs import reduced

ON = ("clean", "noise-1", "noise-4", "gain-0.3", "dark", "low-contrast-noise", "jpeg-60", "gamma-0.5", "gamma-2")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pictures", type=int, default=12)
    given = parser.parse_args()
    metric = kk.metric("just-noticeable-defocus")
    sharp = [
        torch.from_numpy(reduced(f)).movedim(2, 0)[None].float() / 255
        for f in find_files([given.folder])[: given.pictures]
    ]
    blurred = {sigma: [psf.blur(x, kernel_of(sigma)) for x in sharp] for sigma in JUDGED}
    print(f"{len(sharp)} pictures\n{'day':<20}{'sigma':>6}{'error':>8}{'bias':>8}{'10 %':>8}{'90 %':>8}{'flat':>6}")
    for on in ON:
        for sigma in JUDGED:
            found = np.array([metric(day(x, on, seed)).item() for seed, x in enumerate(blurred[sigma])])
            flat = np.isnan(found)
            line = f"{on:<20}{sigma:>6g}"
            if not flat.all():
                off = found[~flat] - sigma
                low, high = np.quantile(found[~flat], (0.1, 0.9))
                line += f"{np.median(np.abs(off)):>8.3f}{np.median(off):>+8.3f}{low:>8.3f}{high:>8.3f}"
            else:
                line += f"{'–':>8}" * 4
            print(f"{line}{flat.sum():>6}")
    picture = torch.cat([sharp[0]] * 8, -1)[..., :1024]
    picture = torch.cat([picture] * 8, -2)[..., :1024, :]
    for sigma in (0.0, 1.0):
        seen = day(picture if sigma == 0 else psf.blur(picture, kernel_of(sigma)), "clean")
        start = time.process_time()
        metric(seen)
        print(f"{(time.process_time() - start) / seen[0, 0].numel() * 1e6:.2f} s of CPU a megapixel at sigma {sigma:g}")


if __name__ == "__main__":
    main()
