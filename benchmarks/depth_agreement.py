"""Does a 16-bit picture score as its float original does? And a tiled run as the whole?

    python benchmarks/depth_agreement.py

Over pictures of scikit-image, mixed so that they hold values between the 8-bit levels. Prints one line a metric: the
largest relative difference of 16 bits and of tiles (where the metric is tileable).
"""

from __future__ import annotations

import numpy as np
import torch
from skimage import data

import kukkiri as kk
from kukkiri.images.filtering import gaussian_blur

SCENES = ("astronaut", "coffee", "chelsea", "camera", "brick", "moon")


def picture(name: str) -> torch.Tensor:
    """A real scene as a fine camera would give it, (1, C, H, W)."""
    array = np.atleast_3d(getattr(data, name)())[:400, :480]
    fine = torch.from_numpy(np.moveaxis(array, 2, 0).copy())[None].float() / 255
    return (gaussian_blur(fine, 0.6) * 0.9 + 0.0137).clamp(0, 1)


def sixteen_bits(x: torch.Tensor) -> np.ndarray:
    """The same as uint16, channels last."""
    return np.moveaxis((x[0].double() * 65535).round().numpy().astype(np.uint16), 0, 2)


if __name__ == "__main__":
    for spec in kk.metrics():
        metric = kk.metric(spec.name)
        depth = tiles = 0.0
        for scene in SCENES:
            x = picture(scene)
            pair = (gaussian_blur(x, 0.8), x) if spec.needs_reference else (x,)
            value = float(metric(*pair))
            depth = max(depth, abs(float(metric(*map(sixteen_bits, pair))) / value - 1))
            if spec.tileable:
                tiles = max(tiles, abs(kk.metrics.measure_tiled(metric, *pair, size=128) / value - 1))
        shown = f"{tiles:.1e}" if spec.tileable else "–"
        print(f"{spec.name:20s} 16 bits {depth:.1e}   tiles {shown}   continuous={spec.continuous}")
