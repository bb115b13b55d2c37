"""From a picture of any size to its `Blur`: the network tile by tile, evidence, median, interval.

A picture above `WHOLE` pixels is walked over in tiles on a fixed grid, whether it lies in memory or in a file: both
give the same numbers, because both are the same walk.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kukkiri.errors import InputError, ShapeError
from kukkiri.images.colour import luma
from kukkiri.images.filtering import dilate
from kukkiri.images.image import Image, ImageLike, as_image
from kukkiri.images.masks import Box, as_mask, bounding_box
from kukkiri.images.statistics import estimate_noise
from kukkiri.images.tiles import is_file, picture_size, tiles
from kukkiri.networks.blur_net import BlurMaps, BlurNet, evidence_of, expectation
from kukkiri.sharpness.blur import LARGEST, SMALLEST, Blur
from kukkiri.weights import check_layout, load_tensors

if TYPE_CHECKING:
    from kukkiri.images.reading import ImageFile

FAMILIES = ("gaussian", "disc", "motion")
MIN_SIZE = 32
# Pictures of more pixels are walked over in tiles of this core and margin.
WHOLE, CORE, MARGIN = 1 << 22, 2048, 192
# How far from a masked pixel a cell still sees it, px.
REACH = 16
# Where the upper hundredth of the evidence lies below this, nothing in the picture tells its blur.
LEAST_EVIDENCE = 0.15
# Channels whose correlation lies below this are pictures of different things: dyes, say.
CORRELATED = 0.35


@dataclass(frozen=True)
class Cells:
    """What the network says of one or more channels of one picture, one value a cell.

    Parameters
    ----------
    mean, spread, evidence, weight : Tensor, (K, h, w)
        log2 sigma, its standard deviation (octaves), the evidence, and evidence times the share that counts;
        K channels.
    anisotropy : Tensor, (2,)
        Weighted mean.
    family : Tensor, (3,)
        Weighted mean logits.
    features : Tensor, (F,)
        Weighted mean of the network's features.
    """

    mean: Tensor
    spread: Tensor
    evidence: Tensor
    weight: Tensor
    anisotropy: Tensor
    family: Tensor
    features: Tensor


class BlurEstimator(nn.Module):
    """The network with what turns its maps into a `Blur`.

    Parameters
    ----------
    weights : str or Path
        Key in the catalogue, or path of a file in our own layout.
    """

    def __init__(self, weights: str | Path = "kukkiri-blur") -> None:
        super().__init__()
        from kukkiri.sharpness.blur_interval import IntervalHead

        self.net = BlurNet()
        self.head = IntervalHead(self.net.feature_count)
        state = load_tensors(weights)
        check_layout(state, {name: tuple(v.shape) for name, v in self.state_dict().items()}, "kukkiri-blur")
        self.load_state_dict({name: value.float() for name, value in state.items()})
        self.requires_grad_(False).eval()
        for parameter in self.net.parameters():
            if parameter.ndim == 4:
                parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return self.net.centres.device

    def estimate(
        self,
        image: ImageLike | ImageFile,
        *,
        mask: Any = None,
        plane: int = 0,
        box: Box | None = None,
        pixel_size: float | None = None,
    ) -> Blur:
        """The blur of one picture.

        Parameters
        ----------
        image : image-like, or an open ImageFile
        mask : None | 'auto' | Boolean (H, W)
            True where pixels must not count; of the size of the box, if there is one.
        plane : int
            Of an ImageFile.
        box : Box, optional
            Only this part of the picture.
        pixel_size : float, optional
            Metres; default: what the picture says.

        Returns
        -------
        Blur

        Raises
        ------
        ShapeError
            If a side is under 32 px, or less is left by the mask.
        InputError
            If the mask is neither 'auto' nor an array.
        """
        source: Image | ImageFile
        if is_file(image):
            source, pixel_size = image, pixel_size or image.header(plane).pixel_size
        else:
            source = as_image(image)
            pixel_size = pixel_size or source.pixel_size
        left_out = self._mask(source, mask, box)
        height, width = picture_size(source, plane)
        box = box or Box(0, 0, height, width)
        inner = box
        if left_out is not None:
            # What is masked along the border is cut away: a picture with an info bar then equals one without.
            free = bounding_box(~left_out)
            inner = Box(box.top + free.top, box.left + free.left, free.height, free.width)
            left_out = left_out[free.slices]
        if min(inner.height, inner.width) < MIN_SIZE:
            raise ShapeError(
                expected=f"at least {MIN_SIZE}×{MIN_SIZE} pixels to measure a blur in",
                got=f"{inner.width}×{inner.height}",
                fix="crop or mask less of the picture",
            )
        parts = self._walk(source, plane, inner, left_out)
        found = summarise(parts, self.head, (inner.height, inner.width), pixel_size)
        origin = (inner.top - box.top, inner.left - box.left)
        return replace(found, origin=origin, whole=(box.height, box.width))

    def _mask(self, source: Image | ImageFile, mask: Any, box: Box | None) -> Tensor | None:
        if mask is None:
            return None
        if isinstance(mask, str) and mask == "auto":
            from kukkiri.images.overlays import find_overlays

            if is_file(source):
                raise InputError(
                    expected="a mask array with an open file", got="'auto'", fix="find the overlays first, or give none"
                )
            found = find_overlays(source).mask
            if found is None or box is None:
                return found if found is not None and bool(found.any()) else None
            return found[box.slices]
        if isinstance(mask, str):
            raise InputError(expected="'auto', None or a Boolean mask", got=repr(mask), fix="load the file first")
        size = (box.height, box.width) if box else picture_size(source)
        given = as_mask(mask, size)
        return given if bool(given.any()) else None

    def _walk(self, source: Image | ImageFile, plane: int, box: Box, left_out: Tensor | None) -> Walked:
        whole = box.height * box.width <= WHOLE
        size, overlap = (max(box.height, box.width), 0) if whole else (CORE, MARGIN)
        walked = Walked(box.height, box.width, self.net.stride)
        separate: bool | None = None
        for tile in tiles(source, size=size, overlap=overlap, box=box, plane=plane):
            pixels = tile.pixels
            outside = None
            if left_out is not None:
                place = slice(tile.top, tile.top + pixels.shape[1]), slice(tile.left, tile.left + pixels.shape[2])
                outside = left_out[place]
                pixels = filled(pixels, outside)
            if separate is None:  # decided once: the first tile stands for the picture
                separate = different_channels(pixels)
            channels = pixels[:, None] if separate else luma(pixels[None])
            walked.add(tile.top, tile.left, tile.core, self.maps(channels), pixels, outside)
        return walked

    @torch.inference_mode()
    def maps(self, channels: Tensor) -> BlurMaps:
        """What the network says of pictures (N, 1, H, W)."""
        x = channels.to(self.device, torch.float32).contiguous(memory_format=torch.channels_last)
        maps: BlurMaps = self.net(x)
        return maps


class Walked:
    """The maps of a picture as its tiles come in."""

    def __init__(self, height: int, width: int, stride: int) -> None:
        self.size, self.stride = (height, width), stride
        self.rows, self.columns = -(-height // stride), -(-width // stride)
        self.mean = self.spread = self.share = torch.empty(0)
        self.sums: Tensor | None = None
        self.noise: list[tuple[float, int]] = []
        self.high = 0.0
        self.range = [math.inf, -math.inf]

    def add(
        self, top: int, left: int, core: tuple[slice, slice], maps: BlurMaps, pixels: Tensor, outside: Tensor | None
    ) -> None:
        """Take over the core of one tile.

        Parameters
        ----------
        top, left : int
            Where the tile's pixels begin.
        core : (slice, slice)
            The pixels that it answers for.
        maps : BlurMaps
            Of (K, 1, H, W).
        pixels : Tensor, (C, H, W)
        outside : Tensor of bool, (H, W), optional
            What does not count.
        """
        stride = self.stride
        y, x = core[0].start // stride, core[1].start // stride
        rows, columns = -(-core[0].stop // stride) - y, -(-core[1].stop // stride) - x
        y0, x0 = y - top // stride, x - left // stride
        inside = (..., slice(y0, y0 + rows), slice(x0, x0 + columns))
        mean, spread = expectation(maps.logits[inside], _centres(maps))
        share = _free_share(pixels.shape[-2:], outside, stride)[inside].to(mean)
        if self.mean.numel() == 0:
            shape = (len(mean), self.rows, self.columns)
            self.mean, self.spread = torch.zeros(shape), torch.zeros(shape)
            self.share = torch.zeros(1, self.rows, self.columns)
        place = (slice(None), slice(y, y + rows), slice(x, x + columns))
        self.mean[place], self.spread[place], self.share[place] = mean[:, 0].cpu(), spread[:, 0].cpu(), share.cpu()
        weight = weight_of(evidence_of(spread)) * share
        held = torch.cat(
            [maps.anisotropy[inside], maps.family[inside], maps.features[inside], torch.ones_like(mean)], 1
        )
        sums = (held * weight).double().sum((0, 2, 3)).cpu()
        self.sums = sums if self.sums is None else self.sums + sums
        self._statistics(pixels, outside)

    def _statistics(self, pixels: Tensor, outside: Tensor | None) -> None:
        grey = luma(pixels[None])[0, 0]
        count = pixels[0].numel()
        noise = estimate_noise(grey, outside)
        if not math.isnan(noise):
            self.noise.append((noise, count))
        counted = pixels if outside is None else pixels[:, ~outside]
        if counted.numel():
            low, high = (float(v) for v in torch.aminmax(counted))
            self.range = [min(self.range[0], low), max(self.range[1], high)]
            self.high += float((counted >= 1).float().mean()) * count

    @property
    def evidence(self) -> Tensor:
        """(K, h, w), 0 to 1."""
        return evidence_of(self.spread) * (self.share > 0)

    @property
    def weight(self) -> Tensor:
        """(K, h, w): what each cell counts."""
        return weight_of(evidence_of(self.spread)) * self.share


def weight_of(evidence: Tensor) -> Tensor:
    """What a cell counts: its evidence squared, so that wide empty places do not outvote few full ones."""
    return evidence.square()


def summarise(walked: Walked, head: Any, size: tuple[int, int], pixel_size: float | None) -> Blur:
    """The `Blur` of a picture from its cells.

    Parameters
    ----------
    walked : Walked
    head : IntervalHead
    size : (int, int)
    pixel_size : float or None
        Metres.

    Returns
    -------
    Blur
    """
    from kukkiri.sharpness.blur_interval import summary_of

    evidence, weight = walked.evidence, walked.weight
    noise = _median_noise(walked.noise)
    reason = _reason_to_abstain(walked, evidence)
    sigma_map = map_of(walked.mean, weight, walked.share[0])
    strongest = evidence.amax(0)
    nan = math.nan
    if reason is not None or walked.sums is None:
        return Blur(
            nan, nan, (nan, nan), None, nan, nan, nan, dict.fromkeys(FAMILIES, nan), noise, sigma_map, strongest,
            walked.stride, size, nan, reason or "nothing is left to measure",
        )  # fmt: skip
    pooled = (walked.sums[:-1] / walked.sums[-1]).float()
    middle, low_end = weighted_quantiles(walked.mean, weight, (0.5, 0.05))
    summary = summary_of(middle, walked.mean, walked.spread, weight)
    below, above = head.offsets(summary[None], pooled[None, 5:])[0].tolist()
    sigma, lo, hi = 2**middle, 2 ** (middle - below), 2 ** (middle + above)
    bound: Literal["below", "above"] | None = "below" if sigma < SMALLEST else "above" if sigma > LARGEST else None
    if bound == "below":
        sigma, lo, hi = SMALLEST, 0.0, max(SMALLEST, hi)
    elif bound == "above":
        sigma, lo, hi = LARGEST, min(LARGEST, lo), math.inf
    along, across = pooled[:2].tolist()
    stretch = min(math.hypot(along, across), 0.999)
    angle = math.atan2(across, along) / 2
    return Blur(
        sigma=sigma,
        sharpest=min(sigma, 2**low_end),
        interval=(lo, hi),
        bound=bound,
        major=sigma * math.sqrt(1 + stretch),
        minor=sigma * math.sqrt(1 - stretch),
        angle=math.pi / 2 if angle <= -math.pi / 2 else angle,
        family=dict(zip(FAMILIES, pooled[2:5].softmax(0).tolist())),
        noise=noise,
        map=sigma_map,
        evidence=strongest,
        stride=walked.stride,
        size=size,
        unlike_training=head.unlike(pooled[None, 5:]).item(),
        sigma_m=None if pixel_size is None else sigma * pixel_size,
    )


def map_of(mean: Tensor, weight: Tensor, share: Tensor) -> Tensor:
    """Sigma (h, w), px: over channels, the mean of log sigma weighted by evidence; NaN where nothing counts."""
    total = weight.sum(0)
    combined = torch.where(total > 0, (mean * weight).sum(0) / total.clamp_min(1e-12), mean.mean(0))
    return torch.where(share > 0, combined.exp2(), torch.full_like(combined, math.nan))


def weighted_quantiles(values: Tensor, weights: Tensor, levels: tuple[float, ...]) -> list[float]:
    """Values at which these shares of the weight are reached, interpolated between neighbours."""
    flat, order = values.flatten().sort()
    reached = weights.flatten()[order].double().cumsum(0)
    middle = reached - weights.flatten()[order].double() / 2
    wanted = torch.tensor(levels, dtype=torch.float64) * reached[-1]
    above = torch.searchsorted(middle, wanted).clamp(1, len(flat) - 1)
    gap = (middle[above] - middle[above - 1]).clamp_min(1e-30)
    t = ((wanted - middle[above - 1]) / gap).clamp(0, 1)
    found: list[float] = (flat[above - 1] + t * (flat[above] - flat[above - 1])).tolist()
    return found


def filled(pixels: Tensor, outside: Tensor) -> Tensor:
    """Masked pixels replaced by the mean of what counts around them: a smooth patch tells nothing of a blur."""
    if not bool(outside.any()):
        return pixels
    free = (~outside).to(pixels)[None]
    total, amount = (pixels * free)[None], free[None]
    result = pixels
    holes = outside.clone()
    for cell in (16, 64, 256, 10**9):
        side = [min(cell, n) for n in pixels.shape[-2:]]
        value = F.avg_pool2d(total, side, ceil_mode=True, count_include_pad=False)
        share = F.avg_pool2d(amount, side, ceil_mode=True, count_include_pad=False)
        mean = F.interpolate(value / share.clamp_min(1e-6), size=pixels.shape[-2:], mode="nearest")[0]
        ok = F.interpolate(share, size=pixels.shape[-2:], mode="nearest")[0, 0] > 0.05
        result = torch.where(holes & ok, mean, result)
        holes = holes & ~ok
        if not bool(holes.any()):
            break
    return result


def different_channels(pixels: Tensor) -> bool:
    """Whether the channels (C, H, W) show different things (dyes, say), so that luma would mix them.

    A channel without signal is not another picture.
    """
    if len(pixels) == 1:
        return False
    step = max(1, int(math.sqrt(pixels[0].numel() / 65536)))
    flat = pixels[:, ::step, ::step].flatten(1).double()
    flat = flat - flat.mean(1, keepdim=True)
    deviation = flat.square().mean(1).sqrt()
    live = deviation > max(1e-4, 0.02 * float(deviation.max()))
    if int(live.sum()) < 2:
        return False
    flat = flat[live] / deviation[live, None]
    return float((flat @ flat.T / flat.shape[1]).min()) < CORRELATED


@cache
def shared_estimator() -> BlurEstimator:
    """The estimator with the shipped weights, loaded once."""
    return BlurEstimator()


def _centres(maps: BlurMaps) -> Tensor:
    return torch.linspace(BlurNet.low, BlurNet.high, BlurNet.count, device=maps.logits.device)


def _free_share(size: torch.Size, outside: Tensor | None, stride: int) -> Tensor:
    """(1, rows, columns): the share of each cell that counts, 0 within reach of what does not."""
    rows, columns = (-(-n // stride) for n in size)
    free = torch.ones(1, 1, *size)
    if outside is not None:
        free = (~dilate(outside, REACH)).float()[None, None]
    padded = F.pad(free, (0, columns * stride - size[1], 0, rows * stride - size[0]))
    return F.avg_pool2d(padded, stride)[0]


def _median_noise(parts: list[tuple[float, int]]) -> float:
    values = sorted(value for value, _ in parts)
    return values[len(values) // 2] if values else math.nan


def _reason_to_abstain(walked: Walked, evidence: Tensor) -> str | None:
    """Why the picture says nothing of its blur, in words; None if it does."""
    low, high = walked.range
    if high - low < 1e-5:
        return "saturated: all pixels are at the highest value" if low >= 1 else "flat: all pixels have one value"
    if walked.high > 0.995 * walked.size[0] * walked.size[1]:
        return "saturated: nearly all pixels are at the highest value"
    counted = evidence[(walked.share > 0).expand_as(evidence)]
    if counted.numel() == 0:
        return "nothing is left by the mask"
    best = torch.sort(counted, descending=True).values[: max(4, counted.numel() // 100)]
    if float(best.mean()) < LEAST_EVIDENCE:
        return "no evidence: nothing but noise, or no structure finer than the blur"
    return None
