"""The side of a pixel in metres, from what files say about it.

A resolution (dots per inch or centimetre) counts as a pixel size unless it looks like a print setting: photo software
writes 72, 96 or 300 dpi into everything. The rule: a whole number of dots per inch up to 2400, or of dots per
centimetre up to 999, is a print setting (2400 dpi is a pixel of 10.6 µm; microscopes are finer than that). So are
the usual settings give or take 0.1 % (72 dpi, rounded to 28.34 dots per centimetre), and anything coarser than 600 dots
per inch (42 µm), a scanner's or printer's setting, odd as it may be; makers' own notes may say coarser ones. A picture
whose pixels are not square has no one pixel size and gets the mean if the sides differ by less than 1 %, else none.
"""

from __future__ import annotations

import math
import re

INCH = 0.0254
# Marks a pixel size that Kukkiri wrote itself, where the format's own field cannot hold it.
COMMENT = "kukkiri pixel size"
# A resolution below this is no pixel size, dots per inch.
COARSEST = 600
# Dots per inch that screens, printers and cameras are set to.
USUAL = (72, 75, 90, 96, 100, 120, 144, 150, 180, 200, 220, 240, 254, 300, 350, 360, 400, 600, 720, 1200, 1440, 2400)

_UNITS = {
    "m": 1.0, "meter": 1.0, "metre": 1.0, "dm": 1e-1, "cm": 1e-2, "centimeter": 1e-2, "mm": 1e-3, "millimeter": 1e-3,
    "um": 1e-6, "µm": 1e-6, "μm": 1e-6, "micron": 1e-6, "microns": 1e-6, "micrometer": 1e-6, "micrometre": 1e-6,
    "nm": 1e-9, "nanometer": 1e-9, "nanometre": 1e-9, "pm": 1e-12, "fm": 1e-15, "å": 1e-10, "angstrom": 1e-10,
    "inch": INCH, "in": INCH,
}  # fmt: skip


def metres(value: object, unit: str | None) -> float | None:
    """A length in metres, or None if the value or the unit makes no sense."""
    if not isinstance(value, (int, float, str)):
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    name = (unit or "").strip().replace("\\u00B5", "µ").replace("Â", "")
    # Unicode escapes for the micro sign and the angstrom sign come in several spellings.
    factor = _UNITS.get(name.replace("\u212b", "å").lower())
    size = number * factor if factor is not None else math.nan
    return size if math.isfinite(size) and 1e-15 < size < 1 else None


def square(x: float | None, y: float | None) -> float | None:
    """The one side of a pixel of x × y metres, or None if it is not square."""
    if x is None or y is None:
        return x if y is None else y
    return (x + y) / 2 if abs(x - y) <= 0.01 * max(x, y) else None


def from_resolution(x: float, y: float) -> float | None:
    """Pixel size from pixels per metre along x and y, unless they are a print setting."""
    if not (math.isfinite(x) and math.isfinite(y) and x > 0 and y > 0) or is_print_setting(x):
        return None
    return metres(square(1 / x, 1 / y), "m")


def is_print_setting(per_metre: float) -> bool:
    """Whether a resolution is one that software writes without knowing any."""
    per_inch, per_centimetre = per_metre * INCH, per_metre / 100
    # PNG rounds to whole pixels a metre: 72 dpi comes back as 72.009.
    whole_inch = per_inch <= 2400 and abs(per_inch - round(per_inch)) <= 0.014
    whole_centimetre = per_centimetre <= 999 and abs(per_centimetre - round(per_centimetre)) <= 1e-6
    usual = any(abs(per_inch - dpi) <= 1e-3 * dpi for dpi in USUAL)
    return per_inch < COARSEST or whole_inch or whole_centimetre or usual


def to_comment(pixel_size: float) -> str:
    """A pixel size as text for a comment."""
    return f"{COMMENT}: {pixel_size!r} m"


def without_comment(text: str) -> str:
    """A text without what `to_comment` wrote into it."""
    return re.sub(r"\s*" + COMMENT + r": [0-9.e+-]{1,32} m", "", text)


def from_comment(text: str | bytes) -> float | None:
    """The pixel size that `to_comment` wrote, or None."""
    if isinstance(text, bytes):
        text = text.decode("latin-1")
    found = re.search(COMMENT + r": ([0-9.e+-]{1,32}) m", text[:4096])
    return metres(found[1], "m") if found else None
