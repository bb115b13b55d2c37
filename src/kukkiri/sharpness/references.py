"""The pictures that an instrument is calibrated with, one by one: what is measured and what is asked of them."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Any, Protocol

from kukkiri.errors import InputError, one_line
from kukkiri.images.pixel_size import metres
from kukkiri.weights import entry_of

if TYPE_CHECKING:
    from torch import Tensor

    from kukkiri.images.image import Image
    from kukkiri.images.masks import Box
    from kukkiri.sharpness.blur import Blur

# Pixel sizes that differ by more belong to different magnifications.
SAME_PIXEL = 0.01


class TraceableEstimator(Protocol):
    """What measures the blur of one picture, and says which weights it does so with."""

    @property
    def fingerprint(self) -> str:
        """What tells it from every other estimator: the sha256 of its weights."""

    def estimate(self, image: Image, *, mask: Any = None) -> Blur:
        """The blur of a picture; `mask` is None or Boolean (H, W), True where pixels must not count."""


class ShippedEstimator:
    """The estimator of `kk.blur`."""

    @property
    def fingerprint(self) -> str:
        """The sha256 of the shipped weights."""
        return entry_of("kukkiri-blur").sha256

    def estimate(self, image: Image, *, mask: Any = None) -> Blur:
        """As `kk.blur`."""
        from kukkiri.sharpness.blur import blur

        return blur(image, mask=mask)


@dataclass(frozen=True)
class Reference:
    """One of the pictures that an instrument was calibrated with.

    Parameters
    ----------
    name : str
        Of its file, without the folder; 'stack.tif [2]' for a plane of a file.
    field : int
        Which field of view it shows, counted from 1.
    sigma : float or None
        Pixels; None if the picture abstained.
    interval : (float, float) or None
        Pixels, 90 %; the upper end is None where it is infinite.
    major, minor, angle : float or None
        As of `Blur`.
    noise : float or None
        Standard deviation on [0, 1].
    left_out : str or None
        Why it does not count.
    """

    name: str
    field: int
    sigma: float | None
    interval: tuple[float, float | None] | None
    major: float | None
    minor: float | None
    angle: float | None
    noise: float | None
    left_out: str | None = None


def resolved_mask(image: Image, mask: Any) -> Any:
    """None or a Boolean tensor (H, W): 'auto' is answered for this picture, several masks add."""
    if mask is None:
        return None
    if isinstance(mask, tuple):
        found = [one for one in (resolved_mask(image, part) for part in mask) if one is not None]
        return reduce(or_, found) if found else None
    if isinstance(mask, str) and mask == "auto":
        from kukkiri.images.overlays import find_overlays

        return find_overlays(image).mask
    from kukkiri.images.masks import as_mask

    return as_mask(mask, (image.height, image.width))


def cut(image: Image, left_out: Tensor | None, roi: Box | None) -> tuple[Image, Tensor | None]:
    """A region of a picture, and the mask within.

    Parameters
    ----------
    image : Image
    left_out : Tensor of bool, (H, W), or None
        Of the whole picture.
    roi : Box or None
        None: all of it.

    Returns
    -------
    Image
    Tensor of bool or None

    Raises
    ------
    ShapeError
        If the region reaches outside.
    """
    if roi is None:
        return image, left_out
    rows, columns = roi.checked_inside(image.height, image.width).slices
    part = replace(image, pixels=image.pixels[:, rows, columns].contiguous())
    return part, None if left_out is None else left_out[rows, columns]


def same_pixel_size(a: float, b: float) -> bool:
    """Whether two pixel sizes are of one magnification."""
    return abs(a - b) <= SAME_PIXEL * max(a, b)


def checked_pixel_size(pixel_size: float | str | None) -> float | None:
    """The side of a pixel in metres.

    Parameters
    ----------
    pixel_size : float, str or None
        Metres, or a length with its unit: '1.3 nm', '0.65um'.

    Returns
    -------
    float or None
        None stays None.

    Raises
    ------
    InputError
        If it is no length between 1 fm and 1 m.
    """
    if pixel_size is None:
        return None
    length: float | None = None
    if isinstance(pixel_size, str):
        parts = re.fullmatch(r"\s*([0-9.]+(?:[eE][-+]?[0-9]+)?)\s*([^\W\d_]*)\s*", pixel_size)
        length = metres(parts[1], parts[2] or "m") if parts else None
    elif isinstance(pixel_size, (int, float)) and not isinstance(pixel_size, bool):
        length = metres(pixel_size, "m")
    if length is None:
        raise InputError(
            expected="the side of a pixel in metres, or a length such as '1.3 nm'",
            got=one_line(ascii(pixel_size), 80),
            fix="give 1.3e-9 or '1.3 nm'; units are m, mm, um, nm and pm",
        )
    return length
