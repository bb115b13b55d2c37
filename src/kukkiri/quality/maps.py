"""Where in a picture a metric sees its quality suffer: over the picture for people, and as floats for programs."""

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

from kukkiri.errors import InputError
from kukkiri.images.colour import luma
from kukkiri.replacing import replacing

if TYPE_CHECKING:
    from kukkiri.metrics.base import Metric
    from kukkiri.quality.aligning import Ready

# Longest and least side of the picture for people, pixels: larger ones are averaged, smaller ones repeated.
LONGEST, LEAST = 2000, 320
# How strong the colour is where nothing is wrong, and where most is.
FAINT, STRONG = 0.15, 0.8
# Of a map without a range of its own: the share of pixels whose values the colours span.
SPAN = (0.005, 0.995)
INK, MUTED = "#1f2933", "#667380"


class MapNames:
    """Names of maps in a folder, no two alike whatever the names of the pictures."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._taken: set[str] = set()

    def of(self, name: str) -> str:
        """The name of a picture's maps, without metric and suffix; numbered if another picture has it already."""
        stem, number = name, 1
        while stem.casefold() in self._taken:
            number += 1
            stem = f"{name}-{number}"
        self._taken.add(stem.casefold())
        return stem


def has_map(metric: Metric) -> bool:
    """Whether a metric tells where in a picture its score comes from."""
    return callable(getattr(metric, "map", None))


def map_values(metric: Metric, ready: Ready) -> Tensor:
    """The map of a metric at the size of the picture.

    Parameters
    ----------
    metric : Metric
        One that has a map.
    ready : Ready

    Returns
    -------
    Tensor, (H, W), float32
        NaN where nothing counts.

    Raises
    ------
    InputError
        If the metric has no map.
    """
    if not has_map(metric):
        raise InputError(
            expected="a metric that has a map (ssim and gmsd do)", got=metric.spec.name, fix="choose another"
        )
    pair = (ready.image,) if ready.reference is None else (ready.image, ready.reference)
    compute: Any = metric.map
    with torch.no_grad():
        values: Tensor = compute(*pair).detach().float().cpu()
    size = (ready.image.height, ready.image.width)
    if tuple(values.shape[-2:]) != size:
        values = F.interpolate(values, size=size, mode="nearest-exact")
    whole = values[0, 0]
    return whole if ready.mask is None else whole.masked_fill(ready.mask.cpu(), math.nan)


def write_map(folder: Path, stem: str, metric: Metric, ready: Ready) -> Path:
    """Write FOLDER/STEM-METRIC.png, the map in colour over the picture in grey, and .tif, its values as floats.

    Parameters
    ----------
    folder : Path
    stem : str
        May hold '/': folders are made.
    metric : Metric
    ready : Ready

    Returns
    -------
    Path
        Of the picture.

    Raises
    ------
    WriteError
        If the place cannot be written to.
    """
    import imagecodecs
    import tifffile

    values = map_values(metric, ready)
    place = folder / f"{stem}-{metric.spec.name}"
    drawn, raw = (place.with_name(place.name + suffix) for suffix in (".png", ".tif"))
    with replacing(raw) as temporary:
        tifffile.imwrite(
            temporary,
            values.numpy(),
            compression="zlib",
            predictor=True,
            photometric="minisblack",
            metadata=None,
            software="kukkiri",
            description=f"map of {metric.spec.name}; NaN where nothing counts",
        )
    with replacing(drawn) as temporary:
        picture = map_picture(values, ready.image.pixels, metric)
        temporary.write_bytes(bytes(imagecodecs.png_encode(np.ascontiguousarray(picture), level=6)))
    return drawn


def map_picture(values: Tensor, pixels: Tensor, metric: Metric) -> NDArray[np.uint8]:
    """The picture in grey, over it in colour what is worse, beside it the scale.

    Parameters
    ----------
    values : Tensor, (H, W)
        The map; NaN where nothing counts.
    pixels : Tensor, (C, H, W), values in [0, 1]
    metric : Metric
        Its direction, and its `map_range` if it has one: then one colour means one value on every picture. Otherwise
        the colours span the values of this map.

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
    low, high = _limits(values[known], metric)
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
    return _with_scale(picture, (low, high), metric)


def _limits(values: Tensor, metric: Metric) -> tuple[float, float]:
    given = getattr(metric, "map_range", None)
    if given is not None:
        return float(given[0]), float(given[1])
    if values.numel() == 0:
        return 0.0, 1.0
    thinned = values[:: max(1, values.numel() // 500_000)]
    low, high = torch.quantile(thinned, torch.tensor(SPAN)).tolist()
    return low, max(high, low + 1e-6)


def _with_scale(picture: NDArray[np.uint8], limits: tuple[float, float], metric: Metric) -> NDArray[np.uint8]:
    """The picture, pixel for pixel, and the scale beside it: what is worse on top."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    height, width = picture.shape[:2]
    zoom = min(max(max(height, width) / 900, 0.8), 2.2)
    margin, strip, dpi = round(14 * zoom), round(118 * zoom), 100 * zoom
    total = max(height, round(240 * zoom))
    canvas = margin + width + strip, total + 2 * margin
    better = metric.spec.higher_is_better
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
        figure.text(left, 1 - 20 * zoom / canvas[1], metric.spec.name, fontsize=9, color=INK, va="center")
        for at, said in ((canvas[1] - 40 * zoom, "worse"), (28 * zoom, "better")):
            figure.text(left, at / canvas[1], said, fontsize=8, color=MUTED, va="center", style="italic")
        buffer = io.BytesIO()
        figure.savefig(buffer, format="rgba", dpi=dpi)
    framed: NDArray[np.uint8] = np.frombuffer(buffer.getvalue(), np.uint8).reshape(*canvas[::-1], 4)[..., :3].copy()
    top = margin + (total - height) // 2
    framed[top : top + height, margin : margin + width] = picture
    return framed
