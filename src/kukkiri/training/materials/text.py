"""Text and line drawings: words, digits, tables, curves and simple figures, 5 to 60 px high."""

from __future__ import annotations

from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from kukkiri.training.materials.canvas import F32, SUPERSAMPLING, area_average, chance, expose, log_uniform
from kukkiri.training.materials.fields import fractal

# The bundled faces that hold the Latin alphabet; the others are symbols.
_FACES = (
    "DejaVuSans DejaVuSans-Bold DejaVuSans-Oblique DejaVuSansMono DejaVuSansMono-Bold DejaVuSerif DejaVuSerif-Bold "
    "DejaVuSerif-Italic STIXGeneral STIXGeneralBol STIXGeneralItalic cmr10 cmss10 cmtt10 cmb10"
).split()
_LETTERS = np.array(list("eeeeeeeetttttaaaaaooooiiiinnnnssssrrrhhhldducmfpgwybvkxjqz"))
_SIGNS = np.array(list("0123456789012345678901234567890123456789.,:;-+=%/()#*?!&"))


@lru_cache(maxsize=256)
def _font(face: str, height: int) -> ImageFont.FreeTypeFont:
    found = find_spec("matplotlib")
    # Matplotlib is a requirement of the package, and finding it does not import it.
    places = found.submodule_search_locations if found is not None else None
    folder = Path((places or ["."])[0]) / "mpl-data" / "fonts" / "ttf"
    return ImageFont.truetype(str(folder / f"{face}.ttf"), height)


def _words(length: int, rng: np.random.Generator) -> str:
    """About `length` characters of words with the letter frequencies of English, some capitals and numbers."""
    words: list[str] = []
    total = 0
    numeric = rng.uniform(0, 0.5)
    while total < length:
        size = int(rng.integers(1, 10))
        if rng.random() < numeric:
            word = "".join(rng.choice(_SIGNS, min(size, 6)))
        else:
            word = "".join(rng.choice(_LETTERS, size))
            word = word.upper() if rng.random() < 0.15 else word.capitalize() if rng.random() < 0.2 else word
        words.append(word)
        total += len(word) + 1
    return " ".join(words)


def _page(pen: ImageDraw.ImageDraw, side: int, rng: np.random.Generator) -> None:
    """Lines of one size, with the spacing and margins of a page."""
    height = log_uniform(rng, 5, 60) * SUPERSAMPLING
    # Sizes are rounded to eighths of an octave, so that few fonts are opened.
    height = 2 ** (round(8 * np.log2(height)) / 8)
    font = _font(str(rng.choice(_FACES)), int(height))
    leading = height * rng.uniform(1.0, 2.2)
    margin = rng.uniform(0, 0.2) * side
    top = rng.uniform(0, leading) - 0.2 * leading
    ragged = rng.uniform(0, 0.5)
    while top < side:
        room = (side - margin) * (1 - ragged * rng.random())
        pen.text((margin, top), _words(max(1, int(room / (0.55 * height))), rng), fill=255, font=font)
        top += leading * (1 if rng.random() < 0.9 else 2)


def _labels(pen: ImageDraw.ImageDraw, side: int, rng: np.random.Generator) -> None:
    """Single words of many sizes, strewn about."""
    largest = log_uniform(rng, 12, 60)
    for _ in range(int(log_uniform(rng, 6, 60))):
        height = 2 ** (round(4 * np.log2(log_uniform(rng, 5, largest) * SUPERSAMPLING)) / 4)
        x, y = rng.uniform(-0.1, 0.9, 2) * side
        pen.text(
            (x, y), _words(int(rng.integers(1, 12)), rng), fill=255, font=_font(str(rng.choice(_FACES)), int(height))
        )


def _drawing(pen: ImageDraw.ImageDraw, side: int, rng: np.random.Generator) -> None:
    """Rules, boxes, circles, arcs, arrows and plotted curves, of one pen or of several."""
    nib = log_uniform(rng, 0.5, 5) * SUPERSAMPLING
    if chance(rng, 0.4):
        columns, rows = rng.integers(2, 12, 2)
        for x in np.linspace(0.05, 0.95, columns) * side:
            pen.line([(x, 0.05 * side), (x, 0.95 * side)], fill=255, width=max(1, round(nib / 2)))
        for y in np.linspace(0.05, 0.95, rows) * side:
            pen.line([(0.05 * side, y), (0.95 * side, y)], fill=255, width=max(1, round(nib / 2)))
    for _ in range(int(rng.integers(4, 18))):
        width = max(1, round(nib * log_uniform(rng, 0.6, 1.6)))
        (left, right), (top, bottom) = np.sort(rng.uniform(-0.1, 1.1, (2, 2)), axis=1) * side
        shape = rng.random()
        if shape < 0.25:
            pen.rectangle((left, top, right, bottom), outline=255, width=width)
        elif shape < 0.5:
            pen.ellipse((left, top, right, bottom), outline=255, width=width)
        elif shape < 0.65:
            start, end = rng.uniform(0, 360, 2)
            pen.arc((left, top, right, bottom), start, end, fill=255, width=width)
        elif shape < 0.8:
            x = np.linspace(left, right, 60)
            y = (top + bottom) / 2 + (bottom - top) / 2 * np.sin(np.linspace(0, rng.uniform(2, 30), 60))
            pen.line(np.stack([x, y], axis=-1).ravel().tolist(), fill=255, width=width)
        else:
            pen.line([(left, bottom), (right, top)], fill=255, width=width)
            if chance(rng, 0.5):
                tip = np.array([(0, 0), (-4, -1.5), (-4, 1.5)]) * width
                pen.polygon((tip + np.array([right, top])).ravel().tolist(), fill=255)


def _ink(size: int, rng: np.random.Generator) -> F32:
    """Coverage by ink of a printed sheet, upright or turned: (size, size), in [0, 1]."""
    side = size * SUPERSAMPLING
    turned = chance(rng, 0.5)
    # A turned sheet must be half as large again, or its corners would be bare.
    full = int(side * 1.5) if turned else side
    sheet = Image.new("L", (full, full), 0)
    pen = ImageDraw.Draw(sheet)
    pen.fontmode = "1"  # FreeType without its own antialiasing
    style = rng.random()
    if style < 0.5:
        _page(pen, full, rng)
    elif style < 0.8:
        _labels(pen, full, rng)
    if style >= 0.65:
        _drawing(pen, full, rng)
    if turned:
        angle = rng.normal(0, 4) if chance(rng, 0.4) else rng.uniform(0, 360)
        sheet = sheet.rotate(angle, Image.Resampling.NEAREST)
        start = (full - side) // 2
        sheet = sheet.crop((start, start, start + side, start + side))
    return area_average(np.asarray(sheet)) / np.float32(255)


def text(size: int, rng: np.random.Generator) -> F32:
    """Printed matter, labels and drawings, upright or turned; dark on bright or bright on dark."""
    ink = _ink(size, rng)
    for _ in range(8):
        if ink.mean() > 0.01:
            break
        ink = _ink(size, rng)
    paper = np.ones_like(ink)
    if chance(rng, 0.4):
        paper += np.float32(rng.uniform(0.01, 0.1)) * fractal(size, rng.uniform(0.6, 1.2), rng)
    picture = paper * (1 - np.float32(rng.uniform(0.5, 1)) * ink)
    return expose(picture, rng, inverted=0.45)
