"""How far does a quality score move when its picture hardly does: shifted by a pixel, flipped, saved again, brighter?

Each picture is judged sharp and damaged, then every one of these is changed a little and judged again. A metric that
compares with a reference sees the same change of both, so that all but a resizing should leave it where it was.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kukkiri.errors import InputError, KukkiriError
from kukkiri.evaluation.estimates import Reading, Scorer, read
from kukkiri.evaluation.pictures import centre, reduced
from kukkiri.evaluation.protocol import RobustnessProtocol, on_grid
from kukkiri.evaluation.trials import Row
from kukkiri.images.resampling import imresize
from kukkiri.metrics.spec import MetricSpec
from kukkiri.metrics.table import all_specs
from kukkiri.optics import codecs, psf
from kukkiri.optics.codecs import read_back
from kukkiri.optics.jpeg import jpeg
from kukkiri.optics.noise import read_noise

# Pixels around what is judged, so that a shift brings in real ones. A multiple of JPEG's 8×8 blocks and of the 16×16
# of its halved chroma: unshifted, the grid of a JPEG begins where the picture does.
MARGIN = 16
# Below this side nothing is left to crop and resize.
LEAST = 2 * MARGIN + 16
# Longest side that a file of the format can have, pixels.
LONGEST: Mapping[str, int] = MappingProxyType({"WebP": codecs.LONGEST["WEBP"], "JPEG": codecs.LONGEST["JPEG"]})
# What docs/stability.md compares, as far as it is there.
COMPARED = tuple("kukkiri-nr niqe brisque piqe rankiqa psnr ssim ms-ssim fsim gmsd vif lpips-alex".split())
# Of a Gaussian, pixels; white noise, standard deviation on [0, 1]; libjpeg's scale: the middle of what surveys use.
BLUR, NOISE, QUALITY = 1.5, 0.06, 25

SHARP, UNCHANGED = "sharp", "unchanged"
DAMAGES: Mapping[str, Callable[[Tensor, int], Tensor]] = MappingProxyType(
    {
        SHARP: lambda x, seed: x,
        "blur": lambda x, seed: psf.blur(x, psf.gaussian(BLUR), border="symmetric"),
        "noise": lambda x, seed: read_noise(x, NOISE, seed),
        "jpeg": lambda x, seed: _jpeg(x, QUALITY),
    }
)


def compared() -> tuple[str, ...]:
    """Names of the metrics that docs/stability.md compares: those of `COMPARED` that are in the table of metrics."""
    return tuple(name for name in COMPARED if name in all_specs())


def _check_fits(image: Tensor, kind: str) -> None:
    height, width = image.shape[-2:]
    if max(height, width) > LONGEST[kind]:
        raise InputError(
            expected=f"at most {LONGEST[kind]} px a side, more do not fit into a {kind} file",
            got=f"{width}×{height}",
            fix="cut it with --size, or reduce it with --reduce",
        )


def _jpeg(image: Tensor, quality: int) -> Tensor:
    """Pixels after a JPEG file was written and read."""
    _check_fits(image, "JPEG")
    return jpeg(image, quality)


def _webp(image: Tensor, *, lossless: bool) -> Tensor:
    """Pixels after a WebP file, lossless or of quality 95, was written and read."""
    from PIL import Image as Pillow

    _check_fits(image, "WebP")
    # The format knows no grey: three equal channels, of which the mean is read back.
    levels = (image[0].clamp(0, 1) * 255).round().to(torch.uint8).expand(3, -1, -1).movedim(0, 2).numpy()
    after = read_back(Pillow.fromarray(levels), "WEBP", lossless=lossless, quality=95)
    decoded = torch.from_numpy(np.asarray(after.convert("RGB")).copy()).movedim(2, 0)[None].to(image.dtype) / 255
    return decoded if image.shape[1] == 3 else decoded.mean(1, keepdim=True)


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
        "jpeg-95": lambda x: _jpeg(_inner(x), 95),
        "gain-0.9": lambda x: 0.9 * _inner(x),
        "gain-1.1": lambda x: 1.1 * _inner(x),
        "gamma-0.9": lambda x: _inner(x) ** 0.9,
        "gamma-1.1": lambda x: _inner(x) ** 1.1,
        "crop-90": lambda x: _crop(_inner(x)),
        "resize-95": lambda x: imresize(_inner(x), 0.95),
        "resize-105": lambda x: imresize(_inner(x), 1.05),
    }
)
# Said of every result, so that its numbers can be made again.
METHOD = (
    "picture reduced by area, cut with a margin of real pixels, sharp or damaged, then changed, clipped and rounded to "
    "16 bits; what compares is given the sharp picture with the same change; moves: score after a change less score "
    "before, divided by the spread: interquartile range / 1.349 of the scores of the unchanged pictures"
)
# Of the protocol, what this section follows.
PROTOCOL = ("reduce", "size", "slow", "slow_size", "slow_pictures", "seed")
# All that the numbers depend on beside the protocol: part of the journal's keys and of the result.
SETTINGS: Mapping[str, Any] = MappingProxyType(
    {
        "margin": MARGIN,
        "damages": {"blur": BLUR, "noise": NOISE, "jpeg": QUALITY},
        "changes": list(CHANGES),
    }
)


def key_fields(protocol: RobustnessProtocol, slow: bool) -> dict[str, Any]:
    """What of a protocol the scores of one metric and picture depend on, JSON-ready."""
    return {"reduce": protocol.reduce, "size": _size(protocol, slow), "seed": protocol.seed}


def _size(protocol: RobustnessProtocol, slow: bool) -> int | None:
    """What a metric sees at most, pixels a side; None: all."""
    sizes = [size for size in (protocol.size, protocol.slow_size if slow else None) if size is not None]
    return min(sizes, default=None)


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
    size = _size(protocol, slow)
    # Not `protocol.prepared`: its margin is that of a blur, which is none of this section's.
    frame = centre(reduced(image, protocol.reduce), None if size is None else size + 2 * MARGIN)
    height, width = frame.shape[-2:]
    if min(height, width) < LEAST:
        raise InputError(
            expected=f"pictures of at least {LEAST}×{LEAST} px",
            got=f"{width}×{height}",
            fix="reduce less, or leave it out",
        )
    return frame


def damaged(frame: Tensor, damage: str, seed: int) -> Tensor:
    """A framed picture (1, C, H, W) with one of `DAMAGES`, of 16 bits.

    Raises
    ------
    InputError
        If it does not fit into the file that the damage writes.
    """
    return on_grid(DAMAGES[damage](frame, seed), 16)


def changed(frame: Tensor, change: str) -> Tensor:
    """A framed picture (1, C, H, W) without its margin: as it is, or after one of `CHANGES`.

    Raises
    ------
    InputError
        If it does not fit into the file that the change writes.
    """
    return _inner(frame) if change == UNCHANGED else on_grid(CHANGES[change](frame), 16)


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
        seeds = {d: int(protocol.random("stability", name, d).integers(2**31)) for d in DAMAGES}
        for damage, change, key, reading in _readings(frame, seeds, chosen):
            rows[key].append({"damage": damage, "change": change} | reading.to_row())
    for its in rows.values():
        its.sort(key=lambda row: list(DAMAGES).index(row["damage"]))
    return rows


def _readings(
    frame: Tensor, seeds: Mapping[str, int], metrics: Mapping[str, Scorer]
) -> Iterator[tuple[str, str, str, Reading]]:
    """Damage, change, metric, and what it says; change after change, so that few versions are in memory at a time."""
    spoilt = {damage: _made(partial(damaged, damage=damage, seed=seeds[damage]), frame) for damage in DAMAGES}
    # Pixels that equal others to the last bit are asked once.
    known: dict[tuple[str, bytes, bytes], Reading] = {}
    for change in (UNCHANGED, *CHANGES):
        after = partial(changed, change=change)
        reference = _made(after, frame)
        for damage, source in spoilt.items():
            picture = reference if damage == SHARP else _made(after, source)
            asked = {k: m for k, m in metrics.items() if damage != SHARP or not m.spec.needs_reference}
            if isinstance(picture, KukkiriError) or isinstance(reference, KukkiriError):
                why = picture if isinstance(picture, KukkiriError) else reference
                size = (frame.shape[-1] - 2 * MARGIN, frame.shape[-2] - 2 * MARGIN)
                silent = Reading(value=math.nan, silence=str(why), size=size)
                yield from ((damage, change, key, silent) for key in asked)
                continue
            pixels, beside = _digest(picture), _digest(reference)
            for key, metric in asked.items():
                compares = metric.spec.needs_reference
                asking = (key, pixels, beside if compares else b"")
                if asking not in known or not metric.spec.deterministic:
                    known[asking] = read(Against(metric, reference) if compares else metric, picture)
                yield damage, change, key, known[asking]


def _made(make: Callable[[Tensor], Tensor], source: Tensor | KukkiriError) -> Tensor | KukkiriError:
    """What becomes of a picture, or why it cannot: one version that cannot be had stops no other."""
    if isinstance(source, KukkiriError):
        return source
    try:
        return make(source)
    except KukkiriError as error:
        # Its traceback would keep the frames alive, and with them their pictures.
        return error.with_traceback(None)


def _digest(image: Tensor) -> bytes:
    """Of shape and pixels."""
    found = hashlib.blake2b(str(tuple(image.shape)).encode(), digest_size=16)
    found.update(image.detach().cpu().contiguous().numpy().data)
    return found.digest()
