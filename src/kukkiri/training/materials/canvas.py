"""What every material is drawn on: a supersampled sheet that is averaged over boxes, and nothing else.

A picture is drawn at `SUPERSAMPLING` times its resolution with hard, aliased edges and reduced by box averages, so that
an edge is exactly one pixel's box wide. Whatever varies slowly within a pixel (shading, texture that is defined on the
pixels) is multiplied in after the reduction: coverage times value is the same area average, and far cheaper.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

F32 = NDArray[np.float32]
Labels = NDArray[np.intp]

SUPERSAMPLING = 4


def area_average(canvas: NDArray[Any]) -> F32:
    """Box averages of a supersampled canvas.

    Parameters
    ----------
    canvas : ndarray, (SUPERSAMPLING × size, SUPERSAMPLING × size)
        Any real type; bool counts as 0 and 1.

    Returns
    -------
    ndarray, float32, (size, size)
    """
    image = Image.fromarray(np.ascontiguousarray(canvas, dtype=np.float32))
    return np.array(image.reduce(SUPERSAMPLING), dtype=np.float32)


def area_sample(labels: Labels, table: NDArray[Any]) -> F32:
    """Box averages of `table[labels]`: one value a label, (size, size)."""
    return area_average(np.asarray(table, dtype=np.float32).take(labels, mode="clip"))


def coordinates(size: int) -> tuple[F32, F32]:
    """Centres of the pixels, in pixels from the picture's corner: x of shape (1, size), y of shape (size, 1)."""
    line = np.arange(size, dtype=np.float32) + np.float32(0.5)
    return line[None, :], line[:, None]


def fine_coordinates(size: int) -> tuple[F32, F32]:
    """Centres of the supersamples, in picture pixels: x (1, n) and y (n, 1), with n = SUPERSAMPLING × size."""
    line = (np.arange(size * SUPERSAMPLING, dtype=np.float32) + np.float32(0.5)) / np.float32(SUPERSAMPLING)
    return line[None, :], line[:, None]


class Sheet:
    """Flat shapes with hard edges, painted over one another at the supersampled resolution.

    All lengths are in pixels of the final picture. A value is a grey level or, with `labels=True`, an integer label.
    """

    def __init__(self, size: int, ground: float = 0.0, *, labels: bool = False) -> None:
        side = size * SUPERSAMPLING
        self._image = Image.new("I" if labels else "F", (side, side), int(ground) if labels else ground)
        self._draw = ImageDraw.Draw(self._image)
        self._type = int if labels else float

    @staticmethod
    def _flat(points: NDArray[Any]) -> list[float]:
        # Pillow counts from the centre of the first sample, the picture from its corner; it also truncates.
        flat: list[float] = np.rint(np.asarray(points) * SUPERSAMPLING - 0.5).ravel().tolist()
        return flat

    def polygon(self, outline: NDArray[Any], value: float) -> None:
        """Fill the polygon with vertices (V, 2), each (x, y), to the nearest sample.

        The samples of the outline belong to it, so that it is about a tenth of a pixel larger all round; its edge is
        as hard as any other.
        """
        self._draw.polygon(self._flat(outline), fill=self._type(value))

    def line(self, points: NDArray[Any], width: float, value: float) -> None:
        """Draw a polyline through points (P, 2); the width is rounded to supersamples and at least one of them."""
        self._draw.line(self._flat(points), fill=self._type(value), width=max(1, round(width * SUPERSAMPLING)))

    def disc(self, x: float, y: float, radius: float, value: float) -> None:
        """Fill a disc, to the nearest sample; one that is smaller than a sample still marks one."""
        width = max(round(2 * radius * SUPERSAMPLING), 1) - 1
        left, top = round(x * SUPERSAMPLING - 0.5 - width / 2), round(y * SUPERSAMPLING - 0.5 - width / 2)
        self._draw.ellipse((left, top, left + width, top + width), fill=self._type(value))

    def rectangle(self, left: float, top: float, right: float, bottom: float, value: float) -> None:
        """Fill an upright rectangle, exactly to the nearest sample's border."""
        x0, y0, x1, y1 = (round(side * SUPERSAMPLING) for side in (left, top, right, bottom))
        if x1 > x0 and y1 > y0:
            self._draw.rectangle((x0, y0, x1 - 1, y1 - 1), fill=self._type(value))

    def canvas(self) -> F32:
        """The supersampled grey canvas."""
        return np.asarray(self._image, dtype=np.float32)

    def labels(self) -> Labels:
        """The supersampled label map."""
        return np.asarray(self._image).astype(np.intp)

    def averaged(self) -> F32:
        """The grey canvas, averaged over the pixels' boxes: (size, size)."""
        return np.array(self._image.reduce(SUPERSAMPLING), dtype=np.float32)


def log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """One number between `low` and `high`, uniform in its logarithm."""
    return float(np.exp(rng.uniform(np.log(low), np.log(max(high, low)))))


def log_uniforms(rng: np.random.Generator, low: float, high: float, count: int) -> NDArray[np.float64]:
    """`count` numbers between `low` and `high`, uniform in their logarithm."""
    return np.exp(rng.uniform(np.log(low), np.log(max(high, low)), count))


def chance(rng: np.random.Generator, probability: float) -> bool:
    """True with the given probability."""
    return bool(rng.random() < probability)


def smooth_field(size: int, rng: np.random.Generator, cells: int = 3) -> F32:
    """A slowly varying field in [-1, 1], (size, size): `cells` random values a side with cubic interpolation."""
    grid = rng.uniform(-1, 1, (cells, cells)).astype(np.float32)
    field = Image.fromarray(grid).resize((size, size), Image.Resampling.BICUBIC)
    return np.clip(np.asarray(field, dtype=np.float32), -1, 1)


def expose(
    picture: F32,
    rng: np.random.Generator,
    *,
    inverted: float = 0.0,
    dark: float = 0.0,
    illumination: float = 0.4,
) -> F32:
    """Give a drawing its grey levels: polarity, contrast, background level and a slow unevenness of the light.

    Parameters
    ----------
    picture : ndarray, (size, size)
        Any range; it is brought to [0, 1] first. A flat drawing stays flat.
    inverted : float, in [0, 1]
        How often the polarity is turned over.
    dark : float, in [0, 1]
        How often the darkest level stays near black, as in fluorescence, whatever the contrast.
    illumination : float, in [0, 1]
        How often the light is uneven.

    Returns
    -------
    ndarray, float32, (size, size), values in [0, 1]
    """
    low, high = float(picture.min()), float(picture.max())
    if high - low < 1e-6:
        return np.full_like(picture, 0.5)
    result = (picture - np.float32(low)) / np.float32(high - low)
    if chance(rng, inverted):
        result = 1 - result
    if chance(rng, illumination):
        strength = np.float32(rng.uniform(0.1, 0.6))
        field = smooth_field(picture.shape[0], rng, int(rng.integers(2, 4)))
        if chance(rng, 0.5):
            result = result * (1 - strength * (0.5 + 0.5 * field))
        else:
            result = (result + strength * (0.5 + 0.5 * field)) / (1 + strength)
    contrast = 0.2 + 0.8 * rng.beta(2.0, 1.0)
    base = rng.uniform(0, 0.05) if chance(rng, dark) else rng.uniform(0, 1 - contrast)
    exposed: F32 = np.clip(np.float32(min(base, 1 - contrast)) + np.float32(contrast) * result, 0, 1)
    return exposed
