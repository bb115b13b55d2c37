"""The running mean of a network's weights: steadier than the weights themselves (Polyak & Juditsky 1992)."""

from __future__ import annotations

import copy

import torch
from torch import nn


class Average:
    """A second network that follows a first one.

    Its weights are `mean ← mean + (1 − d)·(weights − mean)` with d = min(decay, (1 + t) / (10 + t)) at the t-th
    update, t = 1, 2, …; its buffers (statistics of normalisation, say) are copies.

    Parameters
    ----------
    model : Module
        To follow.
    decay : float in [0, 1), or None
        None: the mean is the last weights alone.
    """

    def __init__(self, model: nn.Module, decay: float | None) -> None:
        self.decay = decay
        self.network = copy.deepcopy(model).requires_grad_(False).eval()

    @torch.no_grad()
    def update(self, model: nn.Module, count: int) -> None:
        """Take in the weights after the `count`-th update (1, 2, …)."""
        decay = 0.0 if self.decay is None else min(self.decay, (1 + count) / (10 + count))
        for mean, now in zip(self.network.parameters(), model.parameters(), strict=True):
            mean.lerp_(now, 1 - decay)
        for kept, buffer in zip(self.network.buffers(), model.buffers(), strict=True):
            kept.copy_(buffer)

    @torch.no_grad()
    def give_back_buffers(self, model: nn.Module) -> None:
        """Undo what a step without a finite loss has done to the buffers."""
        for kept, buffer in zip(self.network.buffers(), model.buffers(), strict=True):
            buffer.copy_(kept)
