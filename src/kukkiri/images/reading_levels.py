"""Whether a file of 16 bits seems to hold fewer: its white is then far below 65535, and the file does not say so."""

from __future__ import annotations

from torch import Tensor

FULL = 65535
# Depths of the converters that such values come from.
DEPTHS = (8, 10, 12, 14)
# A picture whose brightest value stays below a sixteenth of the range is hardly one of 16 bits, whatever it shows. Up
# to a quarter it may well be a dark one: only saturation at the smaller white tells.
TELLING_BITS = 12
# Saturated: the largest value is white itself, or this near to it with so many at that one value.
NEAR_WHITE = 0.98
SATURATED_SHARE = 1e-3
# Below this there is no picture to speak of: a black frame, labels.
LEAST = 128
# Values of a file that does say its depth are scaled by it, and fall between the steps of 16 bits.
OFF_GRID = 2e-3


def unused_bits(pixels: Tensor, bit_depth: int) -> str:
    """What to tell of a picture whose values use only the lowest of 16 bits.

    Parameters
    ----------
    pixels : Tensor, (C, H, W), values in [0, 1]
        Scaled by the full range of 16 bits.
    bit_depth : int

    Returns
    -------
    str
        '' if there is nothing to tell.
    """
    if bit_depth != 16:
        return ""
    largest = pixels.max()
    top = round(float(largest) * FULL)
    bits = next((bits for bits in DEPTHS if top < 2**bits), None)
    if bits is None or top < LEAST or abs(float(largest) * FULL - top) > OFF_GRID:
        return ""
    white = 2**bits - 1
    if bits > TELLING_BITS and top != white:
        share = int((pixels == largest).count_nonzero()) / pixels.numel()
        if top < NEAR_WHITE * white or share < SATURATED_SHARE:
            return ""
    return (
        f"only {bits} of 16 bits are used (largest value {top}), so that the picture counts as dark: "
        f"if {white} is white, multiply the values by {FULL}/{white} and save it again"
    )
