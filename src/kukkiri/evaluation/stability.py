"""How far does a quality score move when its picture hardly does: shifted by a pixel, flipped, saved again, brighter?

Each picture is judged sharp and damaged, then every one of these is changed a little and judged again. A metric that
compares with a reference sees the same change of both, so that all but a resizing should leave it where it was.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kukkiri.errors import InputError
from kukkiri.evaluation.estimates import Reading, Scorer, read
from kukkiri.evaluation.pictures import centre
from kukkiri.evaluation.protocol import RobustnessProtocol, on_grid
from kukkiri.evaluation.trials import Row
from kukkiri.images.resampling import imresize
from kukkiri.metrics.spec import MetricSpec
from kukkiri.optics import psf
from kukkiri.optics.jpeg import jpeg
from kukkiri.optics.noise import read_noise

# Pixels around what is judged, so that a shift brings in real ones. A multiple of JPEG's 8×8 blocks and of the 16×16
# of its halved chroma: unshifted, the grid of a JPEG begins where the picture does.
MARGIN = 16
# Below this side nothing is left to crop and resize.
LEAST = 2 * MARGIN + 16
# Of a Gaussian, pixels; white noise, standard deviation on [0, 1]; libjpeg's scale: the middle of what surveys use.
BLUR, NOISE, QUALITY = 1.5, 0.06, 25

SHARP, UNCHANGED = "sharp", "unchanged"
DAMAGES: Mapping[str, Callable[[Tensor, int], Tensor]] = MappingProxyType(
    {
        SHARP: lambda x, seed: x,
        "blur": lambda x, seed: psf.blur(x, psf.gaussian(BLUR), border="symmetric"),
        "noise": lambda x, seed: read_noise(x, NOISE, seed),
        "jpeg": lambda x, seed: jpeg(x, QUALITY),
    }
)


def _webp(image: Tensor, *, lossless: bool) -> Tensor:
    """Pixels after a WebP file, lossless or of quality 95, was written and read."""
    from PIL import Image as Pillow

    # The format knows no grey: three equal channels, of which the mean is read back.
    levels = (image[0].clamp(0, 1) * 255).round().to(torch.uint8).expand(3, -1, -1).movedim(0, 2).numpy()
    file = io.BytesIO()
    Pillow.fromarray(levels).save(file, "WEBP", lossless=lossless, quality=95)
    decoded = torch.from_numpy(np.asarray(Pillow.open(file).convert("RGB")).copy()).movedim(2, 0)[None]
    read_back = decoded.to(image.dtype) / 255
    return read_back if image.shape[1] == 3 else read_back.mean(1, keepdim=True)


def _inner(image: Tensor, *, down: int = 0, right: int = 0) -> Tensor:
    """What is judged of a framed picture, the window moved by so many pixels."""
    height, width = image.shape[-2:]
    return image[..., MARGIN + down : height - MARGIN + down, MARGIN + right : width - MARGIN + right]


def _crop(image: Tensor) -> Tensor:
    """The middle, 90 % of each side."""
    height, width = (round(0.9 * side) for side in image.shape[-2:])
    top, left = (image.shape[-2] - height) // 2, (image.shape[-1] - width) // 2
    return image[..., top : top + height, left : left + width]


# Of framed pictures; after each the picture is clipped and has 16 bits, so that rounding to 8 is a change of its own.
CHANGES: Mapping[str, Callable[[Tensor], Tensor]] = MappingProxyType(
    {
        "shift-right": lambda x: _inner(x, right=-1),
        "shift-down": lambda x: _inner(x, down=-1),
        "flip-horizontal": lambda x: _inner(x).flip(-1),
        "flip-vertical": lambda x: _inner(x).flip(-2),
        "png-8-bit": lambda x: on_grid(_inner(x), 8),
        "webp-lossless": lambda x: _webp(_inner(x), lossless=True),
        "webp-95": lambda x: _webp(_inner(x), lossless=False),
        "jpeg-95": lambda x: jpeg(_inner(x), 95),
        "gain-0.9": lambda x: 0.9 * _inner(x),
        "gain-1.1": lambda x: 1.1 * _inner(x),
        "gamma-0.9": lambda x: _inner(x) ** 0.9,
        "gamma-1.1": lambda x: _inner(x) ** 1.1,
        "crop-90": lambda x: _crop(_inner(x)),
        "resize-95": lambda x: imresize(_inner(x), 0.95),
        "resize-105": lambda x: imresize(_inner(x), 1.05),
    }
)
# All that the numbers depend on beside the protocol: part of the journal's keys and of the result.
SETTINGS: Mapping[str, Any] = MappingProxyType(
    {
        "margin": MARGIN,
        "damages": {"blur": BLUR, "noise": NOISE, "jpeg": QUALITY},
        "changes": list(CHANGES),
    }
)


class Against:
    """A metric that compares, with its reference held: it scores a picture as one that needs none does.

    Parameters
    ----------
    metric : Scorer
        That takes a reference beside the picture.
    reference : Tensor, (1, C, H, W)
    """

    def __init__(self, metric: Scorer, reference: Tensor) -> None:
        self._metric: Any = metric
        self._reference = reference

    @property
    def spec(self) -> MetricSpec:
        """That of the metric."""
        spec: MetricSpec = self._metric.spec
        return spec

    def __call__(self, image: Tensor) -> Tensor:
        """One score a sample of a batch (N, C, H, W)."""
        score: Tensor = self._metric(image, self._reference)
        return score


def framed(image: Tensor, protocol: RobustnessProtocol, *, slow: bool = False) -> Tensor:
    """A picture reduced and cut, with `MARGIN` pixels around what will be judged.

    Parameters
    ----------
    image : Tensor, (1, C, H, W)
        As loaded.
    protocol : RobustnessProtocol
    slow : bool
        Cut to the size that slow metrics see.

    Raises
    ------
    InputError
        If a side is under `LEAST` pixels.
    """
    sizes = [size for size in (protocol.size, protocol.slow_size if slow else None) if size is not None]
    frame = centre(protocol.prepared(image), min(sizes) + 2 * MARGIN if sizes else None)
    height, width = frame.shape[-2:]
    if min(height, width) < LEAST:
        raise InputError(
            expected=f"pictures of at least {LEAST}×{LEAST} px",
            got=f"{width}×{height}",
            fix="reduce less, or leave it out",
        )
    return frame


def versions(frame: Tensor) -> dict[str, Tensor]:
    """A framed picture (1, C, H, W) without its margin: as it is, and after each of `CHANGES`."""
    return {UNCHANGED: _inner(frame)} | {name: on_grid(change(frame), 16) for name, change in CHANGES.items()}


def measure(
    image: Tensor, name: str, metrics: Mapping[str, Scorer], protocol: RobustnessProtocol
) -> dict[str, list[Row]]:
    """Scores of one picture, sharp and damaged, before and after each change.

    Parameters
    ----------
    image : Tensor, (1, C, H, W)
        As loaded.
    name : str
        Of the picture: it decides the noise.
    metrics : mapping
        One that needs a reference is given the sharp picture, changed alike, and judges the damaged ones only.
    protocol : RobustnessProtocol

    Returns
    -------
    dict
        Metric → rows: damage (one of `DAMAGES`), change (one of `CHANGES`, or `UNCHANGED`), and what
        `Reading.to_row` gives.
    """
    rows: dict[str, list[Row]] = {key: [] for key in metrics}
    for slow in (False, True):
        chosen = {key: metric for key, metric in metrics.items() if (key in protocol.slow) == slow}
        if not chosen:
            continue
        frame = on_grid(framed(image, protocol, slow=slow), 16)
        references = versions(frame)
        for damage, spoil in DAMAGES.items():
            seed = int(protocol.random("stability", name, damage).integers(2**31))
            seen = references if damage == SHARP else versions(on_grid(spoil(frame, seed), 16))
            for key, metric in chosen.items():
                if metric.spec.needs_reference and damage == SHARP:
                    continue
                readings = _readings(metric, seen, references)
                rows[key] += [{"damage": damage, "change": c} | reading.to_row() for c, reading in readings.items()]
    return rows


def _readings(metric: Scorer, pictures: Mapping[str, Tensor], references: Mapping[str, Tensor]) -> dict[str, Reading]:
    """What a metric says of each version; of one that equals another to the last bit it is asked once."""
    found: dict[str, Reading] = {}
    compares = metric.spec.needs_reference
    for change, picture in pictures.items():
        reference = references[change]
        same = [
            name
            for name in found
            if torch.equal(picture, pictures[name]) and (not compares or torch.equal(reference, references[name]))
        ]
        if same and metric.spec.deterministic:
            found[change] = found[same[0]]
        else:
            found[change] = read(Against(metric, reference) if compares else metric, picture)
    return found
