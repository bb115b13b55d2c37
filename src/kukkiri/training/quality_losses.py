"""Losses of `kukkiri-nr`, of several networks at once."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from kukkiri.training.quality_calibration import UNIT

# What is milder must be better by at least so many points, even where the teachers hardly see a difference, and by no
# more than so many.
LEAST_STEP, LARGEST_STEP = 0.5, 12.5


def pinball(error: Tensor, share: float) -> Tensor:
    """Least where `share` of all errors are negative.

    Parameters
    ----------
    error : Tensor
        Truth less what is said of it.
    share : float, 0 to 1
    """
    return torch.maximum(share * error, (share - 1) * error).mean()


def ranking(score: Tensor, series: Tensor, truth: Tensor) -> Tensor:
    """Hinge on neighbours of a ladder: the milder must be better, by half of what the teachers say.

    Parameters
    ----------
    score, truth : Tensor, (E, N)
        In units of `UNIT` points.
    series : Tensor, (N,)
        Neighbours of one number are of one ladder, from mild to strong; negative: of none.
    """
    neighbours = (series[1:] == series[:-1]) & (series[1:] >= 0)
    gained = (score[:, :-1] - score[:, 1:])[:, neighbours]
    wanted = (truth[:, :-1] - truth[:, 1:])[:, neighbours]
    margin = (0.5 * wanted).clamp(LEAST_STEP / UNIT, LARGEST_STEP / UNIT)
    # A batch may be without a ladder.
    return F.relu(margin - gained).sum() / max(1, gained.numel())


def most_probable(logits: Tensor, target: Tensor, named: Tensor) -> Tensor:
    """Cross-entropy of groups beside each other: what is wrong must be more probable than what is not.

    Of two causes each should have half. Mild damage, with targets below 1, counts less, undamaged pictures nothing.

    Parameters
    ----------
    logits, target : Tensor, (E, N, G)
    named : Tensor, (N,)
        1 where the groups are known, else 0.
    """
    share = target / target.sum(-1, keepdim=True).clamp_min(1e-6)
    weight = target.amax(-1) * named
    entropy = -(share * F.log_softmax(logits, -1)).sum(-1)
    return (entropy * weight).sum() / weight.sum().clamp_min(1e-6)
