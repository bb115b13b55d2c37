"""Before the network: which channels to look at, and what to put where a mask lies."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from kukkiri.images.statistics import estimate_noise

# Channels whose correlation lies below this are pictures of different things: dyes, say.
CORRELATED = 0.35
# A channel shows something if it varies by more than this times its noise.
ABOVE_NOISE = 1.25
# Surroundings, px.
_CELL = 16


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

    Compared is what differs from its surroundings: an empty corner is common to all dyes. A channel without signal, or
    with nothing but noise, is not another picture.
    """
    if len(pixels) == 1:
        return False
    cell = [min(_CELL, n) for n in pixels.shape[-2:]]
    level = F.interpolate(F.avg_pool2d(pixels[None], cell, ceil_mode=True), size=pixels.shape[-2:], mode="bilinear")[0]
    step = max(1, int(math.sqrt(pixels[0].numel() / 65536)))
    flat = (pixels - level)[:, ::step, ::step].flatten(1).double()
    variance = flat.square().mean(1)
    noise = torch.tensor([estimate_noise(channel) for channel in pixels]).nan_to_num(0.0)
    deviation = variance.sqrt()
    live = (deviation > max(1e-4, 0.02 * float(deviation.max()))) & (deviation > ABOVE_NOISE * noise)
    if int(live.sum()) < 2:
        return False
    # Noise is not shared: without it the correlation of a noisy colour picture is that of the clean one.
    scale = (variance - noise.square()).sqrt()[live]
    together = flat[live] @ flat[live].T / flat.shape[1]
    return float((together / (scale[:, None] * scale)).min()) < CORRELATED
