"""From a file's own numbers to pixels in [0, 1]: scaling, colour spaces, alpha.

The rules, each recorded in the notes of the picture where it changes anything:

* Unsigned integers up to 16 bits are divided by the full range of the file's own depth (8 bits: 255, 12: 4095,
  16: 65535), whatever part of it is used.
* Signed integers up to 16 bits are shifted by half of their range first: the type's minimum is 0, its maximum 1.
* Floats in [0, 1] stay as they are, give or take rounding of 1e-4. Other floats from 0 to at most 255 are divided by
  255, those to at most 65535 by 65535, so that the pictures of a series stay comparable. What passes 1 or 255 by less
  than a factor of 2 is no such scale but an overshoot: such floats, negative and larger ones, and integers of 32 or
  64 bits (which hold counts, not grey levels) are scaled by the minimum and the maximum of the plane.
* NaN and infinity are errors: no value for them would be true.
* CMYK becomes RGB by (1 − C)(1 − K), …; the embedded profile is not applied. CIE L*a*b* becomes sRGB with its own
  white as white. RGB stays in the file's own space, whatever its profile.
* A transparent picture is laid on the mean colour of its own visible edge.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kukkiri.errors import ReadError
from kukkiri.images.colour import composite_alpha

# How far rounding may carry floats beyond 0 and 1: as much as arrays are allowed.
TOLERANCE = 1e-4


@dataclass(frozen=True)
class Encoding:
    """What the samples of a plane mean.

    Parameters
    ----------
    colour : 'grey' | 'rgb' | 'cmyk' | 'lab' | 'icclab' | 'ycbcr'
    alpha : '' | 'straight' | 'premultiplied'
        Whether the last sample is alpha.
    low, high : float or None
        The values that stand for black and white; None: found in the plane.
    inverted : bool
        Whether white is the smaller one where they are found in the plane.
    """

    colour: str = "grey"
    alpha: str = ""
    low: float | None = 0.0
    high: float | None = 255.0
    inverted: bool = False

    @property
    def channels(self) -> int:
        """1 (grey) or 3 (everything else)."""
        return 1 if self.colour == "grey" else 3

    @property
    def samples(self) -> int:
        """Samples a pixel, alpha included."""
        return {"grey": 1, "cmyk": 4}.get(self.colour, 3) + bool(self.alpha)


def full_range_of(dtype: np.dtype[Any], bits: int, *, inverted: bool = False) -> tuple[float | None, float | None]:
    """The values that stand for black and white in samples of a type and depth, by the rules above."""
    if dtype.kind == "f" or bits > 16:
        return None, None
    low, high = (0.0, 2.0**bits - 1) if dtype.kind in "ub" else (-(2.0 ** (bits - 1)), 2.0 ** (bits - 1) - 1)
    return (high, low) if inverted else (low, high)


def finite_range(array: NDArray[Any]) -> tuple[float, float]:
    """Smallest and largest value.

    Raises
    ------
    ReadError
        If there are NaN or infinite values; it says how many.
    """
    low, high = float(array.min()), float(array.max())
    if array.dtype.kind == "f" and not (np.isfinite(low) and np.isfinite(high)):
        bad = int(array.size - np.isfinite(array).sum())
        raise ReadError(
            expected="finite pixel values",
            got=f"{bad} of {array.size} that are NaN or infinite",
            fix="replace them before saving (numpy.nan_to_num), or crop them away",
        )
    return low, high


def black_and_white(low: float, high: float, *, inverted: bool, integer: bool) -> tuple[float, float, str | None]:
    """The values that stand for 0 and 1 where the type does not say it, and a note of what was done."""
    top = None if integer else usual_top(low, high)
    if top == 1:
        return (1.0, 0.0, None) if inverted else (0.0, 1.0, None)
    if top is not None:
        note = f"float values {low:g}…{high:g} taken as 0…{top:g}"
        low, high = 0.0, top
    else:
        note = f"{'integer' if integer else 'float'} values {low:g}…{high:g} scaled to 0…1"
    if high == low:
        high = low + (abs(low) or 1.0)  # a plane of one value becomes black
    return (high, low, note) if inverted else (low, high, note)


def usual_top(low: float, high: float) -> float | None:
    """1, 255 or 65535 if floats are likely to be on that scale, else None.

    A plane that passes a scale's end by less than a factor of 2 has overshot it rather than being on the next one.
    """
    if low < -TOLERANCE:
        return None
    if high <= 1 + TOLERANCE:
        return 1.0
    return next((top for below, top in ((1.0, 255.0), (255.0, 65535.0)) if 2 * below < high <= top), None)


def scaled(array: NDArray[Any], low: float, high: float) -> Tensor:
    """Samples (H, W, S) as a tensor (S, H, W), float32, low → 0 and high → 1."""
    if array.dtype == np.uint8:
        # Channels are brought to the front while they are bytes, which moves a quarter of the memory.
        pixels = torch.from_numpy(np.array(np.moveaxis(array, 2, 0), order="C")).to(torch.float32)
    else:
        precise = array.dtype.itemsize > 2 and (low, high) != (0.0, 1.0)
        planes = np.moveaxis(array, 2, 0)
        if precise:  # float32 would cancel digits in v − low
            planes = (planes.astype(np.float64) - low) / (high - low)
            return torch.from_numpy(np.ascontiguousarray(planes, np.float32)).clamp_(0, 1)
        pixels = torch.from_numpy(np.array(planes, np.float32, order="C"))
    if low:
        pixels -= low
    if array.dtype.kind == "f":
        return pixels.div_(high - low).clamp_(0, 1)
    return pixels if high - low == 1 else pixels.div_(high - low)


def split(array: NDArray[Any], encoding: Encoding) -> tuple[Tensor, Tensor | None]:
    """Straight colour (1 or 3, H, W) and alpha (1, H, W) if there is one, from samples of known black and white."""
    low, high = encoding.low or 0.0, 1.0 if encoding.high is None else encoding.high
    pixels = scaled(array, low, high)
    if not encoding.alpha:
        return to_rgb(pixels, encoding), None
    alpha = scaled(array[:, :, -1:], *alpha_range(array[:, :, -1:], low, high))
    colour = to_rgb(pixels[:-1], encoding)
    if encoding.alpha == "premultiplied" and not bool((alpha >= 1).all()):
        colour = (colour / alpha.clamp_min(1e-6)).clamp_(0, 1)
    return colour, alpha


def edge_sums(colour: Tensor, alpha: Tensor) -> tuple[Tensor, Tensor]:
    """What `composite_alpha` takes the mean over: weighted colour (C, H, W) and weights (1, H, W).

    Pixels count if they are covered and touch one that is not, or the border.
    """
    covered = alpha > 0
    padded = torch.nn.functional.pad((~covered).to(colour.dtype)[None], (1, 1, 1, 1), value=1.0)
    weights = alpha * (covered & (torch.nn.functional.max_pool2d(padded, 3, stride=1)[0] > 0))
    return colour * weights, weights


def to_pixels(
    array: NDArray[Any], encoding: Encoding, *, ground: Tensor | None = None
) -> tuple[Tensor, tuple[str, ...], dict[str, Any]]:
    """Pixels (1 or 3, H, W) in [0, 1] from samples (H, W, S), with notes and metadata.

    Parameters
    ----------
    array : ndarray, (H, W, S)
    encoding : Encoding
        Of a whole plane; `low` and `high` may be None.
    ground : Tensor, (1 or 3,), optional
        The colour that transparency is laid on, for parts of a plane; else it is found in `array`.
    """
    notes: list[str] = []
    metadata: dict[str, Any] = {}
    low, high = encoding.low, encoding.high
    if low is None or high is None:
        colour = array[:, :, :-1] if encoding.alpha else array
        low, high, note = black_and_white(
            *finite_range(colour), inverted=encoding.inverted, integer=array.dtype.kind in "iu"
        )
        if note:
            notes.append(note)
    pixels, alpha = split(array, replace(encoding, low=low, high=high))
    if alpha is not None:
        if ground is not None:
            pixels = (pixels * alpha + ground[:, None, None] * (1 - alpha)).clamp_(0, 1)
        elif bool((alpha >= 1).all()):
            notes.append("alpha channel opaque everywhere, dropped")
        else:
            pixels, background = composite_alpha(pixels, alpha)
            metadata["alpha"] = f"composited on the edge-mean colour {background}"
            notes.append(f"transparency composited on the edge-mean colour {background}")
    if encoding.colour in ("cmyk", "lab", "icclab", "ycbcr"):
        notes.append(
            {"cmyk": "CMYK converted to RGB without its profile", "ycbcr": "YCbCr converted to RGB"}.get(
                encoding.colour, "CIE L*a*b* converted to sRGB"
            )
        )
    return pixels.contiguous(), tuple(notes), metadata


def alpha_range(alpha: NDArray[Any], low: float, high: float) -> tuple[float, float]:
    """The values that stand for clear and opaque in the alpha of a whole plane, beside colours from low to high.

    Raises
    ------
    ReadError
        If there are NaN or infinite values.
    """
    if alpha.dtype.kind == "f":
        least, most = finite_range(alpha)
        return 0.0, usual_top(max(0.0, least), most) or 1.0
    if alpha.dtype.itemsize > 2:
        return 0.0, float(np.iinfo(alpha.dtype).max)
    return min(low, high), max(low, high)


def to_rgb(pixels: Tensor, encoding: Encoding) -> Tensor:
    """Grey or RGB from scaled samples (S, H, W) of any colour space."""
    if encoding.colour == "cmyk":
        return (1 - pixels[:3]) * (1 - pixels[3:4])
    if encoding.colour == "ycbcr":
        y, cb, cr = pixels[0], pixels[1] - 128 / 255, pixels[2] - 128 / 255
        return torch.stack([y + 1.402 * cr, y - 0.344136 * cb - 0.714136 * cr, y + 1.772 * cb]).clamp_(0, 1)
    if encoding.colour in ("lab", "icclab"):
        return _lab_to_rgb(pixels, signed=encoding.colour == "lab", deep=(encoding.high or 0) > 255)
    return pixels


def _lab_to_rgb(pixels: Tensor, *, signed: bool, deep: bool) -> Tensor:
    """SRGB from L* 0…1; a*, b* as two's complement (signed) or with an offset of half the range.

    Samples of 16 bits hold a* and b* times 256; the ICC's form then has L* 100 at 65280.
    """
    from skimage.color import lab2rgb

    ab = pixels[1:] * (65535 / 256 if deep else 255)
    ab = torch.where(ab >= 128, ab - 256, ab) if signed else ab - 128
    top = 100 * 65535 / 65280 if deep and not signed else 100.0
    lab = torch.cat([pixels[:1] * top, ab]).permute(1, 2, 0).numpy()
    rgb = lab2rgb(lab.astype(np.float64)).astype(np.float32)
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(rgb, 2, 0))).clamp_(0, 1)
