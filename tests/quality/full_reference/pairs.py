"""Picture pairs that are the same byte for byte on every machine: real pictures, spoilt by integer arithmetic alone."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from skimage import data
from torch import Tensor

GOLDEN = Path(__file__).parents[2] / "golden" / "full_reference.json"
Picture = NDArray[np.uint8]

# Even and odd sizes, decimation factors 1 to 4, smooth and busy, microscope and camera, grey and colour.
PICTURES = ("camera", "moon", "coins", "cell", "mosaic", "astronaut", "chelsea", "rocket", "grains")
DISTORTIONS = ("noise", "blur", "blocks", "contrast")


@cache
def picture(name: str) -> Picture:
    """A reference, (H, W) or (H, W, 3)."""
    if name == "mosaic":  # 700×900, large enough for decimation by 3
        quilt = np.block([[picture("camera"), data.moon()], [data.brick(), data.camera()[::-1]]])
        return np.ascontiguousarray(quilt[150:850, 60:960])
    if name == "cell":
        return np.ascontiguousarray(data.cell()[200:411, 180:403])
    if name == "grains":  # pathology: small, odd, colourful
        return np.ascontiguousarray(data.immunohistochemistry()[100:299, 77:278])
    return np.ascontiguousarray(getattr(data, name)())


def distorted(name: str, kind: str) -> Picture:
    """The same picture, spoilt."""
    x = picture(name).astype(np.int64)
    if kind == "noise":  # the sum of four uniform numbers: nearly normal, sigma about 11 levels
        raw = np.random.PCG64(7).random_raw(x.size)
        parts = sum(((raw >> np.uint64(8 * i + 32)) & np.uint64(15)).astype(np.int64) for i in range(4))
        out = x + (parts.reshape(x.shape) - 30)
    elif kind == "blur":  # the binomial kernel of five taps, twice each way: sigma sqrt(2)
        out = x
        for axis in (0, 1, 0, 1):
            pad = [(2, 2) if a == axis else (0, 0) for a in range(x.ndim)]
            wide, n = np.pad(out, pad, mode="symmetric"), out.shape[axis]
            taps = [np.take(wide, range(i, i + n), axis) for i in range(5)]
            out = (taps[0] + 4 * taps[1] + 6 * taps[2] + 4 * taps[3] + taps[4] + 8) // 16
    elif kind == "blocks":  # as a strong JPEG leaves it: blocks of 8×8 drawn to their mean, then 16 levels
        h, w = x.shape[:2]
        pad = [(0, -h % 8), (0, -w % 8)] + [(0, 0)] * (x.ndim - 2)
        wide = np.pad(x, pad, mode="edge")
        tiles = wide.reshape(wide.shape[0] // 8, 8, wide.shape[1] // 8, 8, -1)
        mean = tiles.sum((1, 3), keepdims=True) // 64
        drawn = ((tiles + 2 * mean) // 3).reshape(wide.shape)[:h, :w]
        out = drawn // 16 * 16 + 8
    else:  # contrast, gain 6/5 around mid-grey
        out = 128 + (x - 128) * 6 // 5
    return out.clip(0, 255).astype(np.uint8)


def grey(array: Picture) -> Picture:
    """Whole-number luma, so that the other side is given the very same grey picture."""
    if array.ndim == 2:
        return array
    r, g, b = (array[..., i].astype(np.int64) for i in range(3))
    return ((299 * r + 587 * g + 114 * b + 500) // 1000).astype(np.uint8)


def digest(*arrays: Picture) -> str:
    """SHA-256 over shapes and bytes."""
    h = hashlib.sha256()
    for a in arrays:
        h.update(repr(a.shape).encode() + a.tobytes())
    return h.hexdigest()


def tensor(array: Picture) -> Tensor:
    """(1, C, H, W), float64 in [0, 1]."""
    return torch.from_numpy(np.moveaxis(np.atleast_3d(array), 2, 0).copy())[None].double() / 255


@cache
def golden() -> dict[str, Any]:
    """Values by metric and pair, with where they come from."""
    read: dict[str, Any] = json.loads(GOLDEN.read_text())
    return read


def pairs() -> list[tuple[str, str]]:
    """Names of all pairs."""
    return [(name, kind) for name in PICTURES for kind in DISTORTIONS]
