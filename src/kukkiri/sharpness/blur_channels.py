"""Before the network: which channels to look at, and what to put where a mask lies."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

# Channels whose correlation lies below this are pictures of different things: dyes, say.
CORRELATED = 0.35


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
