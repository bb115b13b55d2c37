"""EXIF orientation: find it, undo it, reset it."""

from __future__ import annotations

import struct

from torch import Tensor

from kukkiri.images.masks import Box

ORIENTATION = 0x0112


def find_orientation(exif: bytes) -> tuple[int, int | None]:
    """Orientation 1…8 of an EXIF block, and the place of its value in the block.

    Parameters
    ----------
    exif : bytes
        With or without the leading ``Exif\\0\\0``.

    Returns
    -------
    (int, int or None)
        (1, None) if the block has none, or is damaged.
    """
    start = 6 if exif[:6] == b"Exif\0\0" else 0
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(exif[start : start + 4])
    if order is None:
        return 1, None
    try:
        at = start + struct.unpack_from(order + "I", exif, start + 4)[0]
        for i in range(struct.unpack_from(order + "H", exif, at)[0]):
            tag, kind, count = struct.unpack_from(order + "HHI", exif, at + 2 + 12 * i)
            if tag == ORIENTATION and count == 1 and kind in (3, 4):
                place = at + 2 + 12 * i + 8
                value = struct.unpack_from(order + ("H" if kind == 3 else "I"), exif, place)[0]
                return (value, place) if 1 <= value <= 8 else (1, None)
    except struct.error:
        pass
    return 1, None


def reset_orientation(exif: bytes) -> bytes:
    """The same EXIF block with orientation 1; nothing else moves, so makers' notes stay valid."""
    value, place = find_orientation(exif)
    if place is None or value == 1:
        return exif
    little = exif[6:8] == b"II" if exif[:6] == b"Exif\0\0" else exif[:2] == b"II"
    patched = bytearray(exif)
    patched[place : place + 2] = b"\1\0" if little else b"\0\1"
    if bytes(patched[place - 6 : place - 4]) in (b"\4\0", b"\0\4"):  # stored as a 32-bit number
        patched[place : place + 4] = b"\1\0\0\0" if little else b"\0\0\0\1"
    return bytes(patched)


def orient(pixels: Tensor, orientation: int) -> Tensor:
    """Turn stored pixels (…, H, W) upright.

    Parameters
    ----------
    pixels : Tensor, (…, H, W)
    orientation : int
        TIFF/EXIF value 1…8: the side of the scene that row 0 and column 0 show.

    Returns
    -------
    Tensor, (…, H, W), or (…, W, H) for 5…8
    """
    if orientation in (5, 6, 7, 8):
        pixels = pixels.transpose(-1, -2)
    if orientation in (3, 4, 7, 8):
        pixels = pixels.flip(-2)
    if orientation in (2, 3, 6, 7):
        pixels = pixels.flip(-1)
    return pixels.contiguous()


def stored_box(box: Box, orientation: int, height: int, width: int) -> Box:
    """The rectangle of the stored plane (height × width) whose upright form is `box`."""
    top, left, h, w = box.top, box.left, box.height, box.width
    upright_height, upright_width = (width, height) if orientation >= 5 else (height, width)
    if orientation in (3, 4, 7, 8):
        top = upright_height - top - h
    if orientation in (2, 3, 6, 7):
        left = upright_width - left - w
    return Box(left, top, w, h) if orientation >= 5 else Box(top, left, h, w)
