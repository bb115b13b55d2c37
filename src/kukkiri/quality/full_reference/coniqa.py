"""ConIQA: a siamese network for few opinions and many pictures without one (Eybposh et al. 2024), reconstructed."""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kukkiri.errors import InputError, ShapeError
from kukkiri.metrics.learned import LearnedMetric
from kukkiri.weights import Weights, load_into

WIDTHS = (32, 64, 128, 256)
HIDDEN = 64
# Keeps the difference of channels that are silent in both pictures at 0.
SILENCE = 1e-6


class ConIQANetwork(nn.Module):
    """The network that is chosen here: how much the features of two pictures differ, channel by channel.

    Four stages of two 3 × 3 convolutions with ReLU, the first of stride 2 (`stages.S.0`, `stages.S.2`: 32, 64, 128 and
    256 channels), look at both pictures with the same parameters. For each of the 480 channels, d is the mean square of
    the difference over the sum of both mean squares, a number from 0 to 1. Two layers without biases (`hidden`,
    `output`; 64 units, ReLU between) make a distance of them, and the score is its exponential, exp(−distance). The
    weights of the last layer pass a softplus, so the distance is never negative; and d = 0 gives 0.
    """

    def __init__(self) -> None:
        super().__init__()
        stages: list[nn.Module] = []
        inputs = 3
        for width in WIDTHS:
            stages.append(
                nn.Sequential(
                    nn.Conv2d(inputs, width, 3, 2, 1), nn.ReLU(True), nn.Conv2d(width, width, 3, 1, 1), nn.ReLU(True)
                )
            )
            inputs = width
        self.stages = nn.ModuleList(stages)
        self.hidden = nn.Linear(sum(WIDTHS), HIDDEN, bias=False)
        self.output = nn.Linear(HIDDEN, 1, bias=False)

    def forward(self, image: Tensor, reference: Tensor) -> Tensor:
        """Scores of pairs.

        Parameters
        ----------
        image, reference : Tensor, (N, 3, H, W), values in [0, 1]

        Returns
        -------
        Tensor, (N,), from 0 to 1
            1 for identical pictures.
        """
        both = torch.cat([image, reference]) * 2 - 1
        differences = []
        for stage in self.stages:
            both = stage(both)
            x, r = both.float().chunk(2)
            energy = x.square().mean((2, 3)) + r.square().mean((2, 3))
            differences.append((x - r).square().mean((2, 3)) / (energy + SILENCE))
        seen = F.relu(self.hidden(torch.cat(differences, 1)))
        distance = F.linear(seen, F.softplus(self.output.weight))[:, 0]
        return torch.exp(-distance.float())


class ConIQA(LearnedMetric):
    """`coniqa`: predicted opinion of a rendered picture beside its target, 0 (bad) to 1 (as good as the target).

    A reconstruction: the paper's method is to train with the loss `coniqa_loss` on pairs with and without opinions;
    its network, weights and constants are not published. The network is this project's own choice (`ConIQANetwork`),
    so scores cannot be compared with the paper's (PLCC 0.98, SRCC 0.965, KRCC 0.86 on its set HQA1k). Nobody has
    trained it: bring weights.

    Pictures are taken whole and in their own size, and nothing is resized. A GPU or `max_side` is advisable above a few
    megapixels: memory grows with the picture, about 210 MB a megapixel. Identical pictures have 1, by construction; a
    mirrored pair has nearly the same score only as far as training has seen to it.

    Parameters
    ----------
    weights : path or mapping of Tensor
        In the layout of `ConIQANetwork`.

    Raises
    ------
    WeightError
        If no weights are given, or they do not fit.

    References
    ----------
    Eybposh, Cai, Moossavi, Rodriguez-Romaguera, Pégard, Scientific Reports 14, 20066, 2024,
    doi:10.1038/s41598-024-70469-5.
    """

    name = "coniqa"

    def __init__(self, weights: Weights | None = None) -> None:
        super().__init__()
        weights = self.own_weights(weights)
        self.network = ConIQANetwork()
        load_into(self.network, weights, "ConIQA")

    def rate(self, image: Tensor, reference: Tensor | None) -> Tensor:
        scores: Tensor = self.network(image, cast(Tensor, reference))
        return scores


def blended(
    image: Tensor, reference: Tensor, blend: Tensor | float, *, mirrored: Tensor | bool = False
) -> tuple[Tensor, Tensor]:
    """A pair of which something is known without asking anybody: the method's augmentation.

    Parameters
    ----------
    image, reference : Tensor, (N, C, H, W)
    blend : float or Tensor (N,), from 0 to 1
        Share of the image in its average with the reference: 1 leaves it, 0 gives the reference.
    mirrored : bool or Boolean Tensor (N,)
        Mirror both pictures, left to right.

    Returns
    -------
    (Tensor, Tensor), (N, C, H, W) each
        The new image and the new reference.

    Raises
    ------
    ShapeError
        If the shapes differ.
    InputError
        If a share is outside 0 to 1.
    """
    if image.ndim != 4 or image.shape != reference.shape:
        raise ShapeError(
            expected="two batches (N, C, H, W) of the same shape",
            got=f"{tuple(image.shape)} and {tuple(reference.shape)}",
            fix="give each image its reference",
        )
    share = _shares(blend, image).reshape(-1, 1, 1, 1)
    flip = torch.as_tensor(mirrored, device=image.device).reshape(-1, 1, 1, 1)
    mixed = share * image + (1 - share) * reference
    return torch.where(flip, mixed.flip(-1), mixed), torch.where(flip, reference.flip(-1), reference)


def coniqa_loss(
    predicted: Tensor,
    opinions: Tensor,
    unlabelled: Tensor,
    augmented: Tensor,
    *,
    blend: Tensor | float = 1.0,
    best: float = 1.0,
    weight: float = 1.0,
) -> Tensor:
    """What is minimised: errors on pairs with opinions, and inconsistency on pairs without.

    The first is the smooth L1 distance. The second is the squared distance of the score of an augmented pair from what
    it must be: for a share a of the image in the blend, a times the score of the plain pair and 1 − a times the best
    score. That target is taken as it is: no gradient goes through it. The terms follow the paper's description; their
    exact form and weight are not published.

    Parameters
    ----------
    predicted, opinions : Tensor, (N,)
        Scores of pairs that people have rated, and the ratings. N may be 0.
    unlabelled, augmented : Tensor, (M,)
        Scores of pairs without ratings, before and after `blended`. M may be 0.
    blend : float or Tensor (M,), from 0 to 1
        The share that `blended` was given; 1 where a pair was only mirrored.
    best : float
        Score of identical pictures.
    weight : float
        Of the second term.

    Returns
    -------
    Tensor, ()
        0 or more.

    Raises
    ------
    ShapeError
        If the shapes do not go together.
    InputError
        If a share is outside 0 to 1, or the weight is negative.
    """
    if (
        predicted.shape != opinions.shape
        or unlabelled.shape != augmented.shape
        or predicted.ndim + unlabelled.ndim != 2
    ):
        raise ShapeError(
            expected="(N,) and (N,) with opinions, (M,) and (M,) without",
            got=", ".join(str(tuple(value.shape)) for value in (predicted, opinions, unlabelled, augmented)),
            fix="give one score a pair",
        )
    if weight < 0:
        raise InputError(expected="a weight of at least 0", got=str(weight), fix="take 0 to leave the second term out")
    share = _shares(blend, unlabelled)
    target = share * unlabelled.detach() + (1 - share) * best
    error = F.smooth_l1_loss(predicted, opinions, reduction="sum") / max(len(predicted), 1)
    inconsistency = (augmented - target).square().sum() / max(len(unlabelled), 1)
    return error + weight * inconsistency


def _shares(blend: Tensor | float, like: Tensor) -> Tensor:
    """Shares from 0 to 1, one a sample of `like`, or one for all."""
    share = torch.as_tensor(blend, dtype=like.dtype, device=like.device).reshape(-1)
    if len(share) not in (1, len(like)) or not bool(((share >= 0) & (share <= 1)).all()):
        raise InputError(
            expected=f"one share from 0 to 1, or {len(like)}",
            got=f"{len(share)} from {float(share.amin()):g} to {float(share.amax()):g}" if len(share) else "none",
            fix="1 leaves the image, 0 gives the reference",
        )
    return share
