"""What of `kukkiri-nr` is set after its training, on pictures that it did not see."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kukkiri.networks.quality_head import AXES

# The scale of scores in the head, and the share of scores that may lie below, and above, their interval.
UNIT, MISSED = 25.0, 0.05
# Of undamaged pictures this share is to be called clean.
CLEAN = 0.96


@torch.no_grad()
def calibrate(model: nn.Module, material: dict[str, dict[str, Tensor]]) -> None:
    """Widths of intervals, the threshold of "clean", and what is like the training.

    Parameters
    ----------
    model : QualityHead
    material : dict
        'training' says what is like it; 'calibration' was not trained on.
    """
    was_training = model.training
    model.eval()
    head: Any = model
    device = head.mean.device
    part = {name: value.to(device) for name, value in material["calibration"].items()}
    head.stretch.fill_(1.0)
    head.group_bias.zero_()
    judged, logits = (x.mean(0) for x in head.each(part["features"]))
    score = (50 + UNIT * judged[:, 0]).clamp(0, 100)
    for at, miss in ((0, score - part["score"]), (1, part["score"] - score)):
        # Each side may be missed by 5 %: the stretch that does so (split conformal).
        ratio = (miss / (UNIT * F.softplus(judged[:, at + 1])))[part["score"].isfinite()]
        head.stretch[at] = ratio.quantile(1 - MISSED).clamp(0.2, 5)
    clean = part["score"] == 100
    highest = logits[clean].amax(1).quantile(CLEAN)
    head.group_bias.fill_(float(-highest.clamp(min=0) - 0.1) if highest > -0.1 else 0.0)
    x = head.standardised(material["training"]["features"].to(device))
    # The axes are found with random numbers; training must not notice, and a resumed run finds the same.
    with torch.random.fork_rng():
        torch.manual_seed(0)
        axes = torch.pca_lowrank(x[torch.randperm(len(x), generator=torch.Generator().manual_seed(0))[:6000]], AXES)[2]
    head.axes.copy_(axes)
    along = x @ axes
    beside = (x - along @ axes.T).square().mean(1, keepdim=True).sqrt()
    head.axis_scale.copy_(torch.cat([along, beside], 1).square().mean(0).sqrt().clamp_min(1e-6))
    apart = head.distance(part["features"])
    head.distances.copy_(apart.quantile(torch.linspace(0, 1, len(head.distances), device=device)))
    model.train(was_training)
