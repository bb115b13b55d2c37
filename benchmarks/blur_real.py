"""The blur size on pictures with a truth of their own: a rendered scene with depth, and microscopes.

    python benchmarks/blur_real.py [--nuclei FOLDER]

Prints one JSON line each:
* motorcycle: correlation of the blur map with the true sigma map on thin-lens renderings of scikit-image's real picture
  with true disparity, for three focus distances fixed before any result was seen; over all cells, and over those that
  lie within one surface (the blur of a cell that two depths share is neither's).
* nuclei: BBBC006-like folder whose names hold 'aligned' for fields in focus and 'out-of-focus' for the others; whether
  the blur sizes of the first all lie below those of the others, null if there are none of either.
* speed: seconds for 512×512 and 2048×1536, grey, after loading; medians of 7.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from scipy.ndimage import distance_transform_edt
from scipy.stats import spearmanr

import kukkiri as kk
from kukkiri.metrics.score import json_number
from kukkiri.optics.defocus_rendering import render_defocus
from kukkiri.optics.lens import Lens

# Calibration of the Middlebury 2014 scene as scikit-image gives it: baseline, focal length in px, offset.
BASELINE, FOCAL_PX, OFFSET = 0.193001, 994.978, 31.086
FOCUS = (2.2, 3.0, 4.7)


def motorcycle() -> None:
    """Map against truth."""
    from skimage import data

    left, _, disparity = data.stereo_motorcycle()
    known = np.isfinite(disparity)
    nearest = distance_transform_edt(~known, return_distances=False, return_indices=True)
    disparity = disparity[tuple(nearest)]
    depth = torch.from_numpy(BASELINE * FOCAL_PX / (disparity + OFFSET)).float()[None, None]
    sharp = (torch.from_numpy(left.astype(np.float32)).movedim(2, 0)[None] / 255) ** 2.2
    for focus in FOCUS:
        # Metres a pixel such that the widest blur is about 8 px.
        lens = Lens(focal_length=0.05, f_number=1.0, pixel_pitch=1.0)
        widest = float(lens.blur_from_depth(depth, focus).max())
        lens = Lens(focal_length=0.05, f_number=1.0, pixel_pitch=widest / 8)
        truth = lens.blur_from_depth(depth, focus)
        seen = render_defocus(sharp, depth, lens, focus, rim=1).clamp(0, 1) ** (1 / 2.2)
        seen = (seen * 255).round() / 255
        found = kk.blur(seen[0])
        cells = F.avg_pool2d(truth, found.stride, ceil_mode=True)[0, 0]
        deviation = (
            (F.avg_pool2d(truth.square(), found.stride, ceil_mode=True)[0, 0] - cells.square()).clamp_min(0).sqrt()
        )
        within = deviation < 0.1 * cells + 0.05
        evident = found.evidence > 0.2
        seen_at = torch.from_numpy(known.astype(np.float32))[None, None]
        trusted = F.avg_pool2d(seen_at, found.stride, ceil_mode=True)[0, 0] > 0.99
        full = found.upsampled()
        row = {
            "what": "motorcycle",
            "focus_m": focus,
            "widest_px": 8,
            "full_size": pearson(full, truth[0, 0]),
            "all": pearson(found.map, cells),
            "evident": pearson(found.map[evident & trusted], cells[evident & trusted]),
            "evident_within_a_surface": pearson(
                found.map[evident & within & trusted], cells[evident & within & trusted]
            ),
            "spearman_evident": float(spearmanr(found.map[evident & trusted], cells[evident & trusted]).statistic),
            "share_evident": float(evident.float().mean()),
        }
        print(json.dumps({name: json_number(value) for name, value in row.items()}, allow_nan=False))


def pearson(a: torch.Tensor, b: torch.Tensor) -> float:
    """Linear correlation."""
    return float(np.corrcoef(a.flatten().numpy(), b.flatten().numpy())[0, 1])


def nuclei(folder: Path) -> None:
    """In-focus fields against far-out-of-focus ones."""
    groups: dict[str, list[float]] = {"in_focus": [], "out_of_focus": []}
    for path in sorted(folder.iterdir()):
        group = "in_focus" if "aligned" in path.name else "out_of_focus" if "out-of-focus" in path.name else None
        if group:
            found = kk.blur(path)
            groups[group].append(math.inf if found.abstained or found.bound == "above" else found.sigma)
    ordered = max(groups["in_focus"]) < min(groups["out_of_focus"]) if all(groups.values()) else None
    # What gave no size, or was out of range, ranks last and is null.
    sizes = {k: [round(v, 3) if math.isfinite(v) else None for v in vs] for k, vs in groups.items()}
    print(json.dumps({"what": "nuclei", **sizes, "ordered": ordered}, allow_nan=False))


def speed() -> None:
    """After load, warm."""
    from skimage import data

    base = np.tile(data.camera(), (3, 4))
    for shape in ((512, 512), (1536, 2048)):
        picture = base[: shape[0], : shape[1]].copy()
        kk.blur(picture)
        times = []
        for _ in range(7):
            started = time.perf_counter()
            kk.blur(picture)
            times.append(time.perf_counter() - started)
        print(json.dumps({"what": "speed", "shape": shape, "seconds": round(statistics.median(times), 4)}))


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nuclei", type=Path)
    given = parser.parse_args()
    motorcycle()
    if given.nuclei:
        nuclei(given.nuclei)
    speed()


if __name__ == "__main__":
    main()
