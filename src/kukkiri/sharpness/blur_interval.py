"""How sure: the 90 % interval of a blur size, and whether a picture is unlike all that was trained on.

Both are learned on pictures that neither the network's training nor any reported figure has seen: quantiles of the
error by the pinball loss, then widened or narrowed until the interval holds the promised share (split conformal).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# Of log2 sigma: the median itself, and how the cells lie around it.
SUMMARY = ("median", "disagreement", "spread", "sureness", "cells", "sharpest")
_HIDDEN = 24
# No interval is narrower than this on either side, octaves.
_LEAST = 0.02


def summary_of(median: float, mean: Tensor, spread: Tensor, weight: Tensor) -> Tensor:
    """What of a picture's cells tells how far its median may be off.

    Parameters
    ----------
    median : float
        Weighted median of log2 sigma.
    mean, spread, weight : Tensor, (K, h, w)

    Returns
    -------
    Tensor, (6,)
        See `SUMMARY`.
    """
    total = weight.sum().clamp_min(1e-9)
    share = weight / total
    distance = mean - median
    away = (distance.abs() * share).sum()
    lower = (distance.clamp_max(0).abs() * share).sum()
    typical = (spread.log2() * share).sum()
    # Inverse-variance sum: what the cells would promise together if they were independent.
    sureness = (spread.clamp_min(1e-3).reciprocal().square() * (weight > 0.01)).sum().clamp_min(1).log2()
    return torch.stack(
        [
            torch.tensor(median, dtype=mean.dtype),
            away.clamp_min(1e-3).log2(),
            typical,
            sureness,
            (1 + total).log2(),
            lower.clamp_min(1e-3).log2(),
        ]
    )


class IntervalHead(nn.Module):
    """From a picture's summary and pooled features to its interval.

    Parameters
    ----------
    features : int
        Of the network.
    """

    summary_mean: Tensor
    summary_scale: Tensor
    summary_low: Tensor
    summary_high: Tensor
    feature_mean: Tensor
    feature_scale: Tensor
    whitening: Tensor
    unlike_edge: Tensor
    conformal: Tensor

    def __init__(self, features: int) -> None:
        super().__init__()
        count = len(SUMMARY)
        self.register_buffer("summary_mean", torch.zeros(count))
        self.register_buffer("summary_scale", torch.ones(count))
        self.register_buffer("summary_low", torch.full((count,), -100.0))
        self.register_buffer("summary_high", torch.full((count,), 100.0))
        self.register_buffer("feature_mean", torch.zeros(features))
        self.register_buffer("feature_scale", torch.ones(features))
        self.register_buffer("whitening", torch.eye(features))
        self.register_buffer("unlike_edge", torch.ones(1))
        self.register_buffer("conformal", torch.ones(2))
        self.mix = nn.Linear(count, _HIDDEN)
        self.out = nn.Linear(_HIDDEN, 2)

    def forward(self, summary: Tensor) -> Tensor:
        """Offsets before conformal scaling, as `offsets`."""
        # A picture with more to see than any that it was fitted on is as sure as the surest of those.
        known = (summary.clamp(self.summary_low, self.summary_high) - self.summary_mean) / self.summary_scale
        return _LEAST + F.softplus(self.out(F.relu(self.mix(known))))

    @torch.no_grad()
    def learn_range(self, summary: Tensor) -> None:
        """Mean, scale and ends of the summaries (N, 6) that the quantiles are fitted on."""
        self.summary_mean.copy_(summary.mean(0))
        self.summary_scale.copy_(summary.std(0).clamp_min(1e-3))
        self.summary_low.copy_(summary.quantile(0.005, dim=0))
        self.summary_high.copy_(summary.quantile(0.995, dim=0))

    def offsets(self, summary: Tensor) -> Tensor:
        """How far the interval reaches below and above the median, octaves.

        Parameters
        ----------
        summary : Tensor, (N, 6)

        Returns
        -------
        Tensor, (N, 2), positive
        """
        found: Tensor = self(summary.to(self.conformal)) * self.conformal
        return found.cpu()

    def distance(self, features: Tensor) -> Tensor:
        """Mahalanobis distance (N,) of pooled features from those of the pictures that it was fitted on."""
        length: Tensor = (self._standard(features.to(self.conformal)) @ self.whitening).norm(dim=1)
        return length

    def unlike(self, features: Tensor) -> Tensor:
        """0 to 1 (N,): ½ at the distance that one in 200 of the held-out pictures exceeds."""
        return 1 / (1 + (self.unlike_edge / self.distance(features).clamp_min(1e-6)).pow(8))

    def _standard(self, features: Tensor) -> Tensor:
        return (features - self.feature_mean) / self.feature_scale
