"""Pictures like those of scanning electron microscopes, with the info bars that their makers' software draws.

Everything is drawn here, from random numbers and Pillow's own font; no maker's picture is needed. A bar is put below
(or above, or beside) the specimen, so that the picture without the bar is known exactly.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

CONTENTS = ("particles", "fibres", "grains", "smooth", "dark", "bright")


def specimen(
    content: str, height: int, width: int, *, noise: float = 0.04, psf: float = 1.0, seed: int = 0
) -> NDArray[np.float32]:
    """A specimen (H, W), values in [0, 1]: structure, the beam's Gaussian spread (`psf`, px), shot-like noise."""
    rng = np.random.default_rng(seed)
    h, w = -(-height // 4), -(-width // 4)  # structure is drawn on a coarse grid and enlarged
    white = rng.standard_normal((h, w)).astype(np.float32)

    def field(sigma: float) -> NDArray[np.float32]:
        f = ndimage.gaussian_filter(white, sigma, mode="wrap")
        return f / f.std()

    if content == "particles":
        base = 0.35 + 0.5 * (field(3) > 0.8) - 0.12 * (field(1) > 1.2) + 0.04 * field(12)
    elif content == "fibres":
        base = 0.25 + 0.55 * np.exp(-3 * np.abs(field(5))) + 0.05 * field(1)
    elif content == "grains":
        base = 0.5 + 0.12 * np.sign(field(4)) + 0.1 * np.sign(np.roll(field(7), 31, 1)) + 0.05 * field(1.2)
    elif content == "smooth":
        base = 0.5 + 0.15 * field(min(h, w) / 12)
    elif content == "dark":  # a few particles on a background that touches black
        base = 0.004 + 0.6 * (field(4) > 2.0) * (1 + 0.2 * field(1))
    elif content == "bright":  # charging: most of the picture near white, much of it clipped
        base = 0.97 - 0.5 * (field(4) > 1.6) + 0.02 * field(2)
    else:
        raise ValueError(content)
    coarse = Image.fromarray(base.astype(np.float32))
    fine = np.asarray(coarse.resize((4 * w, 4 * h), Image.Resampling.BICUBIC))[:height, :width]
    fine = ndimage.gaussian_filter(fine, psf) if psf > 0 else fine
    if noise > 0:
        tile = rng.standard_normal((min(height, 1024), min(width, 1024))).astype(np.float32)
        grain = np.tile(tile, (-(-height // tile.shape[0]), -(-width // tile.shape[1])))[:height, :width]
        fine = fine + noise * np.sqrt(0.25 + np.clip(fine, 0, 1)) * grain
    return np.clip(fine, 0, 1).astype(np.float32)


@dataclass(frozen=True)
class BarStyle:
    """How a maker's software draws its bar: colours 0..255, size as a share of the picture's height."""

    background: int | tuple[int, int, int]
    ink: int | tuple[int, int, int]
    share: float = 0.065
    rule: int | None = None  # level of a full-width line along the picture's edge
    rows: int = 1  # lines of text
    layout: str = "plain"  # plain | boxes | table | ruler | sparse
    second: int | None = None  # background of every other box
    smooth: bool = True  # anti-aliased letters
    side: str = "bottom"


STYLES: dict[str, BarStyle] = {
    "jeol": BarStyle(0, 255, 0.0625, layout="scale"),
    "jeol-bitmap": BarStyle(0, 255, 0.05, layout="scale", smooth=False),
    "zeiss-white": BarStyle(255, 0, 0.09, rule=0, rows=2, layout="boxes"),
    "zeiss-grey": BarStyle(192, 0, 0.08, rule=0, rows=2, layout="boxes", second=255),
    "zeiss-black": BarStyle(0, 255, 0.08, rule=255, rows=2, layout="boxes"),
    "fei-table": BarStyle(0, 255, 0.0625, rule=255, rows=2, layout="table"),
    "fei-white": BarStyle(255, 0, 0.07, rule=None, rows=2, layout="table"),
    "hitachi": BarStyle(0, 255, 0.06, layout="ruler"),
    "hitachi-grey": BarStyle(80, 255, 0.065, layout="ruler"),
    "tescan": BarStyle(0, 255, 0.12, rows=3, layout="table"),
    "dark-grey": BarStyle(51, 230, 0.08, rows=2, layout="table"),
    "sparse": BarStyle(0, 255, 0.045, layout="sparse"),
    "mid-grey": BarStyle(128, 0, 0.07, rule=None, rows=1, layout="scale"),
    "coloured": BarStyle((20, 40, 110), (255, 255, 255), 0.07, rows=2, layout="table"),
    "top": BarStyle(0, 255, 0.06, layout="scale", side="top"),
    "left": BarStyle(0, 255, 0.16, layout="column", side="left"),
}

FIELDS = ("HV 15.00 kV", "WD 9.8 mm", "Mag 5,000 x", "Det: SE2", "Spot 3.0", "HFW 25.4 um", "11/22/2026", "10:41:07 AM")


def draw_bar(style: BarStyle, width: int, height: int) -> NDArray[np.uint8]:
    """The bar alone, (height, width) or (height, width, 3)."""
    colour = isinstance(style.background, tuple)
    canvas = Image.new("RGB" if colour else "L", (width, height), style.background)
    draw = ImageDraw.Draw(canvas)
    draw.fontmode = "L" if style.smooth else "1"
    line = height / style.rows
    size = max(9.0, min(line * 0.62, width / 45 if style.layout != "column" else width / 8))
    font = ImageFont.load_default(size=size)
    thick = max(1, round(height / 64))

    def write(x: float, row: int, text: str) -> None:
        draw.text((x, line * (row + 0.5)), text, fill=style.ink, font=font, anchor="lm")

    if style.layout == "column":
        for i, text in enumerate(FIELDS):
            draw.text((width * 0.08, height * 0.05 + i * 2 * size), text, fill=style.ink, font=font, anchor="lm")
    elif style.layout == "sparse":
        write(width * 0.72, 0, "x5.0k  10 um")
    elif style.layout in ("plain", "scale", "ruler"):
        for i, text in enumerate(("SEI", "15.0kV", "X5,000", "WD 9.8mm", "10:41")):
            write(width * (0.02 + 0.13 * i), 0, text)
        if style.layout == "scale":
            y = height // 2
            draw.rectangle((width * 0.7, y - 2 * thick, width * 0.82, y + thick), fill=style.ink)
            write(width * 0.84, 0, "5 um")
        if style.layout == "ruler":  # eleven marks
            for x in np.linspace(width * 0.7, width * 0.95, 11):
                draw.rectangle((x, height * 0.6, x + 2 * thick, height * 0.9), fill=style.ink)
            draw.text((width * 0.8, height * 0.32), "10.0um", fill=style.ink, font=font, anchor="lm")
    else:
        edges = np.linspace(0, width, 5).astype(int)
        for i, (left, right) in enumerate(pairwise(edges)):
            if style.second is not None and i % 2:
                draw.rectangle((left, 0, right, height), fill=style.second)
            for row in range(style.rows):
                write(left + 0.04 * width / 4 + size / 2, row, FIELDS[(i + 4 * row) % len(FIELDS)])
            if style.layout == "boxes":
                draw.rectangle((left, 0, right - 1, height - 1), outline=style.ink, width=thick)
            else:
                draw.rectangle((right - thick, 0, right - 1, height - 1), fill=style.ink)
    if style.rule is not None:
        draw.rectangle((0, 0, width, thick), fill=style.rule)
    return np.asarray(canvas)


@dataclass(frozen=True)
class Barred:
    """A picture with its bar, the same without, and where the bar lies (rows for top and bottom, columns for left)."""

    picture: NDArray[np.generic]
    clean: NDArray[np.generic]
    start: int
    stop: int


def with_bar(clean: NDArray[np.float32], style: str, *, bits: int = 8, jpeg: int | None = None) -> Barred:
    """Join a specimen (H, W) in [0, 1] and a bar; quantise, and compress if asked.

    The size of the result is that of the specimen plus the bar. With JPEG, `clean` is the specimen's part cut out
    of the compressed picture.
    """
    s = STYLES[style]
    whole = clean.shape[1] if s.side == "left" else clean.shape[0]
    thickness = round(whole * s.share / (1 - s.share))
    width = clean.shape[1]
    bar = draw_bar(s, thickness, clean.shape[0]) if s.side == "left" else draw_bar(s, width, thickness)
    top = 65535 if bits == 16 else 255
    kind = np.uint16 if bits == 16 else np.uint8
    body = np.round(clean * top).astype(kind)
    if bar.ndim == 3:
        body = np.repeat(body[:, :, None], 3, 2)
    drawn = bar.astype(kind) * (257 if bits == 16 else 1)
    axis = 1 if s.side == "left" else 0
    joined = np.concatenate([body, drawn] if s.side == "bottom" else [drawn, body], axis)
    if jpeg is not None:
        joined = jpeg_copy(joined, jpeg)
    start, stop = (joined.shape[0] - thickness, joined.shape[0]) if s.side == "bottom" else (0, thickness)
    kept = [slice(None)] * 2
    kept[axis] = slice(0, start) if s.side == "bottom" else slice(stop, None)
    return Barred(joined, joined[tuple(kept)], start, stop)


def jpeg_copy(picture: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    """What JPEG leaves of it."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer))


def write_text(
    picture: NDArray[np.uint8],
    text: str,
    at: tuple[int, int],
    size: float,
    *,
    ink: int | tuple[int, int, int] = 255,
    box: int | tuple[int, int, int] | None = None,
    outline: int | None = None,
    smooth: bool = True,
) -> tuple[NDArray[np.uint8], tuple[int, int, int, int]]:
    """Burn text into a picture at (row, column). Returns the picture and the text's (top, left, bottom, right)."""
    canvas = Image.fromarray(picture)
    draw = ImageDraw.Draw(canvas)
    draw.fontmode = "L" if smooth else "1"
    font = ImageFont.load_default(size=size)
    stroke = 0 if outline is None else 1
    left, top, right, bottom = draw.textbbox((at[1], at[0]), text, font=font, stroke_width=stroke)
    if box is not None:
        draw.rectangle((left - 6, top - 5, right + 6, bottom + 5), fill=box)
    draw.text((at[1], at[0]), text, fill=ink, font=font, stroke_width=stroke, stroke_fill=outline)
    return np.asarray(canvas), (int(top), int(left), int(bottom), int(right))


def draw_scale_bar(
    picture: NDArray[np.uint8],
    at: tuple[int, int],
    size: tuple[int, int],
    *,
    ink: int | tuple[int, int, int] = 255,
    ticks: int = 0,
) -> NDArray[np.uint8]:
    """Burn in a solid bar with its top left corner at (row, column), of (height, width), with end ticks if asked."""
    result = picture.copy()
    (top, left), (height, width) = at, size
    result[top : top + height, left : left + width] = ink
    if ticks:
        for x in (left, left + width - height):
            result[top - ticks : top + height + ticks, x : x + height] = ink
    return result
