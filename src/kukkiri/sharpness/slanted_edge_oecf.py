"""From digital values to light: the opto-electronic conversion function (OECF) of a camera, undone."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from kukkiri.errors import InputError, ReadError, one_line

Array = NDArray[np.float64]
# The share of a region's pixels that a table need not reach.
MOST_OUTSIDE = 0.1
# From values in [0, 1] to light, or a name, or the path of a table.
Oecf: TypeAlias = Callable[[Array], Any] | str | Path | None


def linearise(values: Array, oecf: Oecf, bit_depth: int) -> Array:
    """Light from the values of a picture.

    Parameters
    ----------
    values : ndarray, in [0, 1]
    oecf : None | 'srgb' | path | callable
        None: the values are taken as linear in light. 'srgb': the curve of IEC 61966-2-1. A path: see `read_oecf`. A
        function from values in [0, 1] to light in any unit.
    bit_depth : int
        Of the picture's file, for the digital values of a table.

    Returns
    -------
    ndarray of the same shape
        In [0, 1] unless a function gives something else.

    Raises
    ------
    InputError
        If it is none of these, or a function does not give finite light of the same shape.
    ReadError
        If a table cannot be read.
    """
    if oecf is None:
        return values
    if isinstance(oecf, str) and oecf.lower() == "srgb":
        return np.where(values <= 0.04045, values / 12.92, ((np.maximum(values, 0) + 0.055) / 1.055) ** 2.4)
    if isinstance(oecf, (str, Path)):
        digital, light = read_oecf(oecf)
        full = _full(bit_depth)
        if digital[-1] > full * 1.0001:
            raise InputError(
                expected=f"digital values up to {full:g}, as in the picture",
                got=f"{digital[-1]:g} in {one_line(oecf)}",
                fix="give the table of this camera's files, in their own digital values",
            )
        return np.asarray(np.interp(values * full, digital, light / light.max()))
    if not callable(oecf):
        raise InputError(
            expected="an OECF: 'srgb', a table or a function", got=type(oecf).__name__, fix="leave it out for none"
        )
    found = np.asarray(oecf(values), dtype=np.float64)
    if found.shape != values.shape or not np.isfinite(found).all():
        raise InputError(
            expected=f"an OECF that gives finite light of shape {values.shape}",
            got=f"shape {found.shape}, {int((~np.isfinite(found)).sum())} not finite",
            fix="let the function work on whole arrays of values in [0, 1]",
        )
    return found


def check_table(values: Array, oecf: Oecf, bit_depth: int) -> float:
    """Refuse a table that is not that of a region's pixels.

    Parameters
    ----------
    values : ndarray, (C, H, W), in [0, 1]
    oecf, bit_depth
        As `linearise` takes them.

    Returns
    -------
    float
        The share of pixels below the table's first digital value or above its last, in any channel; 0 if it is no
        table.

    Raises
    ------
    InputError
        If that is more than a tenth.
    ReadError
        If the table cannot be read.
    """
    if not isinstance(oecf, (str, Path)) or str(oecf).lower() == "srgb":
        return 0.0
    digital, _ = read_oecf(oecf)
    found = values * _full(bit_depth)
    slack = 0.5 if bit_depth <= 16 else 1e-4
    outside = float(((found < digital[0] - slack) | (found > digital[-1] + slack)).any(0).mean())
    if outside > MOST_OUTSIDE:
        raise InputError(
            expected=f"pixels from {digital[0]:g} to {digital[-1]:g}, as in {one_line(oecf)}",
            got=f"{outside:.0%} of them outside, values from {found.min():g} to {found.max():g}",
            fix="give the table of this camera's files, in their own digital values, and reaching over all of them",
        )
    return outside


def _full(bit_depth: int) -> float:
    """The digital value of white; a picture of floating point has its own from 0 to 1."""
    return 1.0 if bit_depth > 16 else 2.0**bit_depth - 1


def name_of(oecf: Oecf) -> str:
    """For people and rows: '' for none."""
    if oecf is None:
        return ""
    return one_line(oecf) if isinstance(oecf, (str, Path)) else "function"


def read_oecf(path: str | Path) -> tuple[Array, Array]:
    """A table of two columns: digital value (0 … 255 for 8 bits, say) and luminance in any linear unit.

    Columns are parted by comma, semicolon, tab or blank; a line that does not begin with a number, such as a heading or
    a remark, is passed over. Between the lines light is interpolated linearly; beyond the first and the last it stays.
    Light may fall with the digital value, as that of a scanned negative does.

    Returns
    -------
    (ndarray, ndarray), each (N,)
        Sorted by digital value.

    Raises
    ------
    ReadError
        If it cannot be read, or light does not rise, or else fall, with every digital value.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ReadError(
            expected="a table of digital values and luminance, or 'srgb'",
            got=one_line(f"{path}: {error}"),
            fix="check the path",
        ) from error
    rows = []
    for line in lines:
        cells = [cell for cell in re.split(r"[,;\s]+", line.strip()) if cell]
        try:
            rows.append([float(cell) for cell in cells[:2]])
        except ValueError:
            continue
    table = np.array(sorted(row for row in rows if len(row) == 2))
    if len(table) >= 2:
        digital, light = table.T
        steps = np.diff(light)
        if np.isfinite(table).all() and (np.diff(digital) > 0).all() and ((steps > 0).all() or (steps < 0).all()):
            return digital, light
    raise ReadError(
        expected="two lines or more of digital value and luminance, which always rises or always falls with it",
        got=f"{len(table)} such lines in {one_line(path)}",
        fix="write lines such as '128,0.2140'; each digital value once",
    )
