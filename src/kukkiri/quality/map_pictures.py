"""Maps of metrics as pictures for people: the picture in grey, what is worse in colour, and the scale."""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from kukkiri.images.colour import luma

if TYPE_CHECKING:
    from kukkiri.metrics.base import Metric

# Longest and least side of the picture for people, pixels: larger ones are averaged, smaller ones repeated.
LONGEST, LEAST = 2000, 320
# How strong the colour is where nothing is wrong, and where most is.
FAINT, STRONG = 0.15, 0.8
# Of a map without a range of its own: the share of pixels whose values the colours span.
SPAN = (0.005, 0.995)
INK, MUTED = "#1f2933", "#667380"
# Layers in a row of a sheet.
ACROSS = 3


def map_picture(
    values: Tensor,
    pixels: Tensor,
    metric: Metric,
    title: str | None = None,
    limits: tuple[float, float] | None = None,
) -> NDArray[np.uint8]:
    """The picture in grey, over it in colour what is worse, beside it the scale.

    Parameters
    ----------
    values : Tensor, (H, W)
        The map; NaN where nothing counts.
    pixels : Tensor, (C, H, W), values in [0, 1]
    metric : Metric
        Its direction, and its `map_range` if it has one: then one colour means one value on every picture. Otherwise
        the colours span the values of this map.
    title : str, optional
        Above the scale; default: the metric's name.
    limits : (float, float), optional
        What the colours span instead.

    Returns
    -------
    ndarray of uint8, (h, w, 3)
    """
    import matplotlib as mpl

    step = max(1, math.ceil(max(values.shape) / LONGEST))
    known = values.isfinite()
    # What counts alone makes the mean of a square of pixels.
    sums, counts = (
        F.avg_pool2d(t[None, None], step, ceil_mode=True, count_include_pad=False)[0, 0]
        for t in (values.nan_to_num(0.0, 0.0, 0.0), known.float())
    )
    small = sums / counts.clamp_min(1e-9)
    grey = F.avg_pool2d(luma(pixels[None].cpu()), step, ceil_mode=True, count_include_pad=False)[0, 0]
    low, high = limits or getattr(metric, "map_range", None) or _limits(values[known])
    better = metric.spec.higher_is_better
    share = ((small - low) / (high - low)).clamp(0, 1)
    worse = 1 - share if better else share
    colours = torch.from_numpy(np.asarray(mpl.colormaps["inferno"](worse.numpy())[..., :3], np.float32))
    opacity = ((FAINT + (STRONG - FAINT) * worse) * (counts > 0.5))[..., None]
    backdrop = (0.15 + 0.8 * grey.clamp(0, 1))[..., None]
    mixed = (backdrop * (1 - opacity) + colours * opacity).clamp(0, 1)
    picture = (mixed * 255).round().byte().numpy()
    enlarged = max(1, LEAST // max(picture.shape[:2]))
    picture = picture.repeat(enlarged, 0).repeat(enlarged, 1)
    return _with_scale(picture, (float(low), float(high)), title or metric.spec.name, better)


def stages_picture(stages: Tensor, pixels: Tensor, metric: Metric) -> NDArray[np.uint8]:
    """What each layer adds, drawn like `map_picture`, first layer on top left, up to three in a row.

    Parameters
    ----------
    stages : Tensor, (L, H, W)
        Each has its own scale of colours: deep layers weigh more.
    pixels : Tensor, (C, H, W), values in [0, 1]
    metric : Metric

    Returns
    -------
    ndarray of uint8, (h, w, 3)
    """
    # Each layer smaller, so that the sheet is about as large as the map.
    step = max(1, math.ceil(max(stages.shape[1:]) * 2 / LONGEST))
    smaller = (F.avg_pool2d(t, step, ceil_mode=True, count_include_pad=False) for t in (stages, pixels.cpu()))
    layers, small = smaller
    drawn = [
        map_picture(layer, small, metric, f"layer {number}", (0.0, _limits(layer[layer.isfinite()])[1]))
        for number, layer in enumerate(layers, 1)
    ]
    blank = np.full_like(drawn[0], 255)
    drawn += [blank] * (-len(drawn) % ACROSS)
    rows = [np.concatenate(drawn[at : at + ACROSS], 1) for at in range(0, len(drawn), ACROSS)]
    return np.concatenate(rows)


def _limits(values: Tensor) -> tuple[float, float]:
    if values.numel() == 0:
        return 0.0, 1.0
    thinned = values[:: max(1, values.numel() // 500_000)]
    low, high = torch.quantile(thinned, torch.tensor(SPAN)).tolist()
    return low, max(high, low + 1e-6)


def _with_scale(picture: NDArray[np.uint8], limits: tuple[float, float], title: str, better: bool) -> NDArray[np.uint8]:
    """The picture, pixel for pixel, and the scale beside it: what is worse on top."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    height, width = picture.shape[:2]
    zoom = min(max(max(height, width) / 900, 0.8), 2.2)
    margin, strip, dpi = round(14 * zoom), round(118 * zoom), 100 * zoom
    total = max(height, round(240 * zoom))
    canvas = margin + width + strip, total + 2 * margin
    with mpl.rc_context({"font.family": "sans-serif", "text.color": INK, "ytick.labelcolor": MUTED}):
        figure = Figure(figsize=((canvas[0] + 0.01) / dpi, (canvas[1] + 0.01) / dpi), dpi=dpi, facecolor="white")
        left = (margin + width + 16 * zoom) / canvas[0]
        bar = figure.add_axes(
            (left + 10 * zoom / canvas[0], 44 * zoom / canvas[1], 16 * zoom / canvas[0], 1 - 100 * zoom / canvas[1])
        )
        colours = mpl.colormaps["inferno_r" if better else "inferno"]
        scale = figure.colorbar(mpl.cm.ScalarMappable(mpl.colors.Normalize(*limits), colours), cax=bar)
        scale.outline.set_visible(False)
        bar.tick_params(length=0, labelsize=8, pad=3)
        bar.yaxis.set_major_formatter(lambda v, _: f"{v:.3g}")
        if better:
            bar.invert_yaxis()
        figure.text(left, 1 - 20 * zoom / canvas[1], title, fontsize=9, color=INK, va="center")
        for at, said in ((canvas[1] - 40 * zoom, "worse"), (28 * zoom, "better")):
            figure.text(left, at / canvas[1], said, fontsize=8, color=MUTED, va="center", style="italic")
        buffer = io.BytesIO()
        figure.savefig(buffer, format="rgba", dpi=dpi)
    framed: NDArray[np.uint8] = np.frombuffer(buffer.getvalue(), np.uint8).reshape(*canvas[::-1], 4)[..., :3].copy()
    top = margin + (total - height) // 2
    framed[top : top + height, margin : margin + width] = picture
    return framed
