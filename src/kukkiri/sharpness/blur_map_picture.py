"""The blur map as a picture for people, and as a TIFF of pixels for programs.

For people: the photograph in grey, over it the blur in colour, as opaque as there is evidence, and the scale beside it.
One colour means one blur on every picture, since the scale is always that of the measurable range.
"""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from kukkiri.errors import InputError, one_line
from kukkiri.images.colour import luma
from kukkiri.images.image import ImageLike, as_image
from kukkiri.images.masks import Box
from kukkiri.images.tiles import is_file, picture_size, tiles
from kukkiri.replacing import replacing
from kukkiri.sharpness.blur import LARGEST, SMALLEST, Blur
from kukkiri.sharpness.blur_summary import LEAST_EVIDENCE
from kukkiri.sharpness.blur_upsampling import ROWS, BetweenCells, full_size, strips
from kukkiri.sharpness.figures import INK, MUTED, STYLE, blur_colours, blur_scale, ticks_within

if TYPE_CHECKING:
    from kukkiri.images.reading import ImageFile

FORMATS = (".png", ".tif", ".tiff")
# Longest and least side of the picture for people, pixels; larger ones are averaged, smaller ones repeated.
LONGEST, LEAST = 2000, 480
# The evidence from which on the colour is at its strongest, and how strong that is.
_SURE, _OPACITY = 0.6, 0.66


def check_map_path(path: Path) -> None:
    """Raise InputError unless a map can have this suffix."""
    if path.suffix.lower() not in FORMATS:
        raise InputError(
            expected=f"a map with one of the suffixes {' '.join(FORMATS)}", got=one_line(path.name), fix="rename it"
        )


def write_map(image: ImageLike | ImageFile, blur: Blur, path: Path, *, box: Box | None = None, plane: int = 0) -> None:
    """Write the blur map of a picture: .png for people, .tif for programs.

    Parameters
    ----------
    image : image-like, or an open ImageFile
        Where the blur was measured.
    blur : Blur
        The map begins at its `origin`: what a mask cut from the border of the picture, or of `box`, stays empty.
    path : Path
        .png: the picture in grey under the blur in colour. .tif: float32, sigma in pixels at the size of the picture,
        NaN where nothing counts: outside `box`, under a mask, and where there is no evidence.
    box : Box, optional
        The part of the picture that `blur` speaks of; default: all of it.
    plane : int
        Of an ImageFile.

    Raises
    ------
    InputError
        If the suffix is another.
    WriteError
        If the place cannot be written to.
    """
    check_map_path(path)
    source = image if is_file(image) else as_image(image)
    size = picture_size(source, plane)
    with replacing(path) as temporary:
        if path.suffix.lower() == ".png":
            import imagecodecs

            picture = map_picture(source, blur, box=box, plane=plane)
            temporary.write_bytes(bytes(imagecodecs.png_encode(np.ascontiguousarray(picture), level=6)))
        else:
            _write_tiff(temporary, blur, size, _begin(blur, box))


def map_pixels(blur: Blur, size: tuple[int, int], box: Box | None = None) -> Tensor:
    """Sigma at the size of the picture.

    Parameters
    ----------
    blur : Blur
    size : (int, int)
        Height and width of the picture, pixels.
    box : Box, optional
        The part of it that `blur` speaks of; default: all of it.

    Returns
    -------
    Tensor, (H, W)
        Pixels; NaN where nothing counts.
    """
    return full_size(blur, size, _begin(blur, box), LEAST_EVIDENCE)


def map_picture(
    image: ImageLike | ImageFile,
    blur: Blur,
    *,
    box: Box | None = None,
    plane: int = 0,
    limits: tuple[float, float] = (SMALLEST, LARGEST),
) -> NDArray[np.uint8]:
    """The picture in grey, over it the blur in colour, beside it the scale.

    Parameters
    ----------
    image : image-like, or an open ImageFile
    blur : Blur
    box : Box, optional
        The part of the picture that `blur` speaks of; default: all of it.
    plane : int
        Of an ImageFile.
    limits : (float, float)
        Of the scale, pixels.

    Returns
    -------
    ndarray of uint8, (h, w, 3)
    """
    source = image if is_file(image) else as_image(image)
    size = picture_size(source, plane)
    grey, step = _reduced(source, size, plane)
    colour, opacity = _overlay(blur, _begin(blur, box), size, step, limits)
    # A picture of full contrast would lend its light and dark to the colours.
    backdrop = (0.2 + 0.75 * grey)[..., None]
    mixed = backdrop * (1 - opacity) + colour * (0.7 + 0.3 * backdrop) * opacity
    return _with_scale((mixed.clamp(0, 1) * 255).round().byte().numpy(), blur, limits, max(1, LEAST // max(size)))


def _reduced(source: Any, size: tuple[int, int], plane: int) -> tuple[Tensor, int]:
    """The picture in grey (h, w), averaged over squares of `step` pixels; read part by part."""
    step = max(1, math.ceil(max(size) / LONGEST))
    small = torch.zeros(-(-size[0] // step), -(-size[1] // step))
    for tile in tiles(source, size=max(1, 2048 // step) * step, overlap=0, plane=plane):
        part = F.avg_pool2d(luma(tile.pixels[None]), step, ceil_mode=True, count_include_pad=False)[0, 0]
        top, left = tile.core[0].start // step, tile.core[1].start // step
        small[top : top + part.shape[0], left : left + part.shape[1]] = part
    low, high = torch.quantile(small.flatten()[:: max(1, small.numel() // 500_000)], torch.tensor([0.002, 0.998]))
    return ((small - low) / (high - low).clamp_min(1e-6)).clamp(0, 1), step


def _overlay(
    blur: Blur, begin: tuple[int, int], size: tuple[int, int], step: int, limits: tuple[float, float]
) -> tuple[Tensor, Tensor]:
    """Colours (h, w, 3) and opacity (h, w, 1) at the size of the reduced picture."""
    shape = -(-size[0] // step), -(-size[1] // step)
    y, x = ((torch.arange(count) + 0.5) * step - first for count, first in zip(shape, begin))
    logs, valid, evidence = BetweenCells(blur).at(y, x)
    colours = blur_colours()(blur_scale(limits)(np.exp2(logs.numpy())))[..., :3]
    opacity = _OPACITY * (evidence / _SURE).clamp(0, 1) * valid
    return torch.from_numpy(np.asarray(colours, np.float32)), opacity[..., None]


def _begin(blur: Blur, box: Box | None) -> tuple[int, int]:
    """Row and column of the picture at which what was measured begins: masked borders of the box were cut away."""
    top, left = (box.top, box.left) if box else (0, 0)
    return top + blur.origin[0], left + blur.origin[1]


def _with_scale(
    picture: NDArray[np.uint8], blur: Blur, limits: tuple[float, float], enlarged: int
) -> NDArray[np.uint8]:
    """The picture, pixel for pixel, and beside it the scale with the picture's own sigma."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    picture = picture.repeat(enlarged, 0).repeat(enlarged, 1)
    height, width = picture.shape[:2]
    # Letters grow with the picture, so that they can be read when it is shown as a whole.
    zoom = min(max(max(height, width) / 900, 0.8), 2.2)
    dpi = 100 * zoom
    margin, strip = round(14 * zoom), round(122 * zoom)
    total = max(height, round(300 * zoom))
    with mpl.rc_context(STYLE):
        canvas = margin + width + strip, total + 2 * margin
        figure = Figure(figsize=((canvas[0] + 0.01) / dpi, (canvas[1] + 0.01) / dpi), dpi=dpi, facecolor="white")
        bar = figure.add_axes(
            (
                (margin + width + 30 * zoom) / canvas[0],
                72 * zoom / canvas[1],
                16 * zoom / canvas[0],
                1 - 128 * zoom / canvas[1],
            )
        )
        norm = blur_scale(limits)
        scale = figure.colorbar(mpl.cm.ScalarMappable(norm, blur_colours()), cax=bar)
        scale.set_ticks(ticks_within(*limits))
        bar.yaxis.set_major_formatter(lambda v, _: f"{v:g}")
        bar.yaxis.set_minor_locator(mpl.ticker.NullLocator())
        bar.tick_params(length=0, labelsize=8, pad=3)
        bar.invert_yaxis()  # sharp on top
        scale.outline.set_visible(False)
        left = (margin + width + 16 * zoom) / canvas[0]
        figure.text(left, 1 - 22 * zoom / canvas[1], "blur, px", fontsize=9, color=MUTED, va="center")
        for height_of, end in ((canvas[1] - 40 * zoom, "sharp"), (58 * zoom, "blurred")):
            figure.text(left, height_of / canvas[1], end, fontsize=8, color=MUTED, va="center", style="italic")
        if math.isfinite(blur.sigma):
            sign = {None: "", "below": "< ", "above": "> "}[blur.bound]
            bar.axhline(min(max(blur.sigma, limits[0]), limits[1]), color=INK, lw=1.4)
            said = f"{sign}{blur.sigma:.3g} px"
        else:
            said = "no estimate"
        figure.text(left, 20 * zoom / canvas[1], said, fontsize=10, color=INK, va="center", fontweight="bold")
        figure.text(left, 36 * zoom / canvas[1], "picture", fontsize=8, color=MUTED, va="center")
        drawn = io.BytesIO()
        figure.savefig(drawn, format="rgba", dpi=dpi)
    framed: NDArray[np.uint8] = np.frombuffer(drawn.getvalue(), np.uint8).reshape(*canvas[::-1], 4)[..., :3].copy()
    top = margin + (total - height) // 2
    framed[top : top + height, margin : margin + width] = picture
    return framed


def _write_tiff(path: Path, blur: Blur, size: tuple[int, int], begin: tuple[int, int]) -> None:
    import tifffile

    tifffile.imwrite(
        path,
        (
            np.ascontiguousarray(rows[:, x : x + ROWS].numpy())
            for rows in strips(blur, size, begin, LEAST_EVIDENCE)
            for x in range(0, size[1], ROWS)
        ),
        shape=size,
        dtype=np.float32,
        tile=(ROWS, ROWS),
        compression="zlib",
        predictor=True,
        photometric="minisblack",
        metadata=None,
        software="kukkiri",
        description="blur size sigma, pixels; NaN where nothing counts",
    )
