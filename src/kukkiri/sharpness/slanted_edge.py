"""The spatial frequency response across a slanted edge: what lens and sensor people call the MTF (ISO 12233).

An edge that is tilted against the pixel grid by a few degrees is sampled, row after row, at ever other distances, far
more finely than one row does. All pixels together give the edge spread function (ESF); its slope is the line spread
function (LSF); the modulus of the Fourier transform of that is the spatial frequency response (SFR).

ISO 12233 is followed in what is measured and not in every step: see `slanted_edge_curve.response`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from numbers import Integral
from typing import TYPE_CHECKING, Any, overload

from kukkiri.errors import InputError
from kukkiri.sharpness.slanted_edge_result import Sfr

if TYPE_CHECKING:
    from kukkiri.images.image import ImageLike
    from kukkiri.images.masks import Box
    from kukkiri.sharpness.slanted_edge_oecf import Oecf

__all__ = ["Sfr", "sfr"]


@overload
def sfr(
    image: ImageLike,
    roi: Box | tuple[int, int, int, int],
    *,
    oecf: Oecf = ...,
    reference: ImageLike | None = ...,
    mask: Any = ...,
    most: int = ...,
    order: int | None = ...,
    on_edge: Callable[[int, int], None] | None = ...,
) -> Sfr: ...


@overload
def sfr(
    image: ImageLike,
    roi: None = ...,
    *,
    oecf: Oecf = ...,
    reference: ImageLike | None = ...,
    mask: Any = ...,
    most: int = ...,
    order: int | None = ...,
    on_edge: Callable[[int, int], None] | None = ...,
) -> tuple[Sfr, ...]: ...


def sfr(
    image: ImageLike,
    roi: Box | tuple[int, int, int, int] | None = None,
    *,
    oecf: Oecf = None,
    reference: ImageLike | None = None,
    mask: Any = None,
    most: int = 8,
    order: int | None = None,
    on_edge: Callable[[int, int], None] | None = None,
) -> Sfr | tuple[Sfr, ...]:
    """Spatial frequency response of a slanted edge, or of all that a picture has.

    Parameters
    ----------
    image : image-like
    roi : Box or (x, y, width, height), optional
        The region that the edge divides, 10×10 pixels or more; better 100×100. All its pixels count. Default: edges
        are found.
    oecf : None | 'srgb' | path | callable
        From values to light. None: the values are linear, as those of RAW files and most scientific cameras are. A
        path: a table of digital value and luminance. A function: from arrays in [0, 1] to light.
    reference : image-like, optional
        The same edge in a sharper picture of the same framing: `Sfr.ratios` then has the one response over the other.
    mask : None | 'auto' | Boolean (H, W)
        True where edges must not be looked for; not with a region.
    most : int
        How many edges to measure where they are found.
    order : int, 1 to 5, optional
        Of the polynomial that the edge is followed with; default: the lowest that the rows do not contradict.
    on_edge : function, optional
        Called with the number of edges done and of all.

    Returns
    -------
    Sfr, or tuple of Sfr if no region is given, the best edge first

    Raises
    ------
    InputError
        If no edge is found in the picture, or no edge divides the region; if pixels lie outside the table of an OECF.
    ShapeError
        If the region is outside of the picture or too small, or the reference is of another size.
    KukkiriError
        If a picture or the table of an OECF cannot be read.

    Notes
    -----
    `benchmarks/slanted_edge.py` measures rendered edges of known response. Source: ISO 12233:2017; Burns,
    "Slanted-edge MTF for digital camera and scanner analysis", Proc. PICS 2000, 135-138.
    """
    from kukkiri.sharpness.slanted_edge_measuring import Measuring

    if order is not None and not (_is_whole(order) and 1 <= order <= 5):
        raise InputError(expected="an order of 1 to 5", got=str(order), fix="leave it out")
    if not (_is_whole(most) and most >= 1):
        raise InputError(expected="a whole number of edges, at least 1", got=str(most), fix="leave it out")
    if roi is not None and mask is not None:
        raise InputError(
            expected="a region or a mask",
            got="both",
            fix="leave the mask out: in a region that is named all pixels count",
        )
    measuring = Measuring(image, oecf, reference, order)
    if roi is not None:
        return measuring.edge(_box(roi))
    return measuring.found(mask, most, on_edge)


def _is_whole(value: object) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


def _box(roi: Box | tuple[int, int, int, int]) -> Box:
    from kukkiri.images.masks import Box

    given = (roi.left, roi.top, roi.width, roi.height) if isinstance(roi, Box) else roi
    try:
        numbers = [] if isinstance(given, str) else [float(v) for v in given]
    except (TypeError, ValueError, OverflowError):
        numbers = []
    if len(numbers) != 4 or not all(math.isfinite(v) and v == int(v) for v in numbers) or min(numbers) < 0:
        raise InputError(
            expected="a region (x, y, width, height) in whole pixels",
            got=str(roi),
            fix="for example (40, 60, 120, 120)",
        )
    x, y, width, height = (int(v) for v in numbers)
    return Box(y, x, height, width)
