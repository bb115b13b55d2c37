"""How far what is said of damaged pictures agrees with what is known of them."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from kukkiri.networks.quality_head import Opinion

# The causes of a mixture should be among so many.
FIRST = 3


def agreement(said: Opinion, part: dict[str, Tensor]) -> dict[str, float]:
    """Correlations, shares and the mean error over versions of pictures.

    Parameters
    ----------
    said : Opinion
    part : dict of Tensor (N,) or (N, G)
        'score' (NaN where the teachers did not judge), 'groups', 'series', 'level'.

    Returns
    -------
    dict
        'spearman', with the teachers; 'ladder', mean within series; 'top_1', share whose most probable group is right,
        from level 2 on; 'both', share of mixtures with both causes among the first three, if there are mixtures;
        'clean', share of undamaged pictures of which nothing is named; 'inside', share of scores in their interval;
        'error', mean, in points.
    """
    truth, groups, series = part["score"], part["groups"], part["series"]
    judged = truth.isfinite()
    found = {"spearman": spearman(said.score[judged], truth[judged])}
    within = [spearman(-said.score[series == n], part["level"][series == n]) for n in torch.unique(series[series >= 0])]
    found["ladder"] = float(np.mean(within))
    clear = (groups.max(1).values >= 2) & ((groups > 0).sum(1) == 1)
    right = said.logits.argmax(1) == groups.argmax(1)
    found["top_1"] = float(right[clear].float().mean())
    mixed = (groups > 0).sum(1) == 2
    if mixed.any():
        first = torch.zeros_like(groups).scatter_(1, said.logits.topk(FIRST, 1).indices, 1.0)
        found["both"] = float(((groups > 0) <= (first > 0)).all(1)[mixed].float().mean())
    clean = (groups.sum(1) == 0) & (truth == 100)
    inside = (said.lower <= truth) & (truth <= said.upper)
    return found | {
        "clean": float((said.logits.amax(1) < 0)[clean].float().mean()),
        "inside": float(inside[judged].float().mean()),
        "error": float((said.score - truth)[judged].abs().mean()),
    }


def spearman(a: Tensor, b: Tensor) -> float:
    """Spearman's correlation; 0 where one side is constant."""
    from scipy.stats import spearmanr

    return float(np.nan_to_num(spearmanr(a.numpy(), b.numpy()).statistic))
