"""The pictures of tests/golden/no_reference.json, and the numbers that the authors' code gives for them."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from scipy import ndimage
from skimage import data

NAMES = ("camera", "astronaut", "coffee", "chelsea", "astronaut_blurred", "coffee_noisy", "camera_odd")
MATLAB_LUMA = np.array([0.298936021293776, 0.587043074451121, 0.114020904255103])


@cache
def golden() -> dict[str, Any]:
    file = Path(__file__).parents[2] / "golden" / "no_reference.json"
    numbers: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))["pictures"]
    return numbers


@cache
def picture(name: str) -> np.ndarray:
    """(H, W) or (H, W, 3), uint8."""
    if name == "astronaut_blurred":
        soft = ndimage.gaussian_filter(data.astronaut().astype(float), (1.5, 1.5, 0), mode="reflect", truncate=4)
        return np.floor(soft + 0.5).clip(0, 255).astype(np.uint8)
    if name == "coffee_noisy":
        noise = np.random.default_rng(0).normal(0, 12.0, data.coffee().shape)
        return np.floor(data.coffee() + noise + 0.5).clip(0, 255).astype(np.uint8)
    if name == "camera_odd":
        return data.camera()[37:350, 101:396]
    whole = getattr(data, name)()
    return whole[:, 30:430] if name == "chelsea" else whole


def grey(name: str) -> np.ndarray:
    """(H, W), uint8: luma as MATLAB has it in double precision, rounded."""
    array = picture(name)
    if array.ndim == 2:
        return array
    return np.floor((array.astype(float) * MATLAB_LUMA).sum(2) + 0.5).astype(np.uint8)
