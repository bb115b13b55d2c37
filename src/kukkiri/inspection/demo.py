"""Pictures for the demonstration: real ones that scikit-image carries, and spoilt copies of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from kukkiri.images.filtering import gaussian_blur
from kukkiri.images.image import Image, as_image

SCENES = ("astronaut", "chelsea", "coffee", "rocket", "camera", "coins", "moon", "retina")
# Of these a 16-bit scan with an info bar is made.
SPECIMENS = ("gravel", "grass")
BAR_ROWS = 40
PIXEL_SIZE = 5e-9
SEED = 0


def make_pictures(folder: Path) -> list[Path]:
    """Write the pictures of the demonstration.

    Parameters
    ----------
    folder : Path
        Made if it is not there; files of the same names are replaced.

    Returns
    -------
    list of Path
        PNG, JPEG and 16-bit TIFF files.
    """
    from skimage import data

    from kukkiri.images.writing import save

    folder.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(SEED)
    made = []
    for scene in SCENES:
        original = as_image(getattr(data, scene)())
        for label, spoil in _copies(noise).items():
            path = folder / f"{scene}-{label}.{'jpg' if 'jpeg' in label else 'png'}"
            save(Image(spoil(original.pixels), bit_depth=8), path, quality=12)
            made.append(path)
    for specimen in SPECIMENS:
        for label, sigma in (("in-focus", 0.0), ("out-of-focus", 2.5)):
            grey = as_image(getattr(data, specimen)()).pixels
            scan = gaussian_blur(grey[None], sigma)[0] if sigma else grey
            scan = (0.15 + 0.6 * scan + _noise(noise, scan, 0.01)).clamp(0, 1)
            barred = _with_info_bar(scan, f"10.0 kV   x 2,000   WD 8.1 mm   {specimen}")
            path = folder / f"sem-like-{specimen}-{label}.tif"
            save(Image(barred, bit_depth=16, pixel_size=PIXEL_SIZE), path)
            made.append(path)
    return made


def _copies(noise: np.random.Generator) -> dict[str, Callable[[Tensor], Tensor]]:
    return {
        "0-original": lambda x: x,
        "1-blur-1px": lambda x: gaussian_blur(x[None], 1.0)[0],
        "2-blur-3px": lambda x: gaussian_blur(x[None], 3.0)[0],
        "3-noise-5%": lambda x: (x + _noise(noise, x, 0.05)).clamp(0, 1),
        "4-jpeg-12": lambda x: x,
        "5-dark-gain-0.3": lambda x: x * 0.3,
    }


def _noise(generator: np.random.Generator, like: Tensor, sigma: float) -> Tensor:
    return torch.from_numpy(generator.normal(0, sigma, tuple(like.shape)).astype(np.float32))


def _with_info_bar(scan: Tensor, text: str) -> Tensor:
    from PIL import Image as Pillow
    from PIL import ImageDraw, ImageFont

    width = scan.shape[2]
    bar = Pillow.new("L", (width, BAR_ROWS), 0)
    pen = ImageDraw.Draw(bar)
    pen.text((12, 10), text, fill=255, font=ImageFont.load_default(size=16))
    pen.rectangle((width - 120, 24, width - 20, 28), fill=255)
    pen.text((width - 98, 4), "500 nm", fill=255, font=ImageFont.load_default(size=16))
    return torch.cat([scan, torch.from_numpy(np.array(bar, np.float32) / 255)[None]], 1)
