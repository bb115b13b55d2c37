"""From features of a picture to what is said of it: score and interval, what is wrong, how unlike the training."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# Standardised features are cut here: what never occurred says no more than "very".
REACH = 6.0
# Principal axes by which likeness to the training is judged.
AXES = 64


class Opinion(NamedTuple):
    """What is said of pictures.

    Parameters
    ----------
    score : Tensor, (N,)
        0 to 100, higher is better.
    lower, upper : Tensor, (N,)
        Ends of the 90 % interval.
    logits : Tensor, (N, G)
        Of each group of damage; probabilities by the logistic function.
    """

    score: Tensor
    lower: Tensor
    upper: Tensor
    logits: Tensor


class Member(nn.Module):
    """One of several networks that differ in their first weights.

    Parameters
    ----------
    features, groups : int
    widths : (int, int)
    dropout : float
    """

    def __init__(self, features: int, groups: int, widths: tuple[int, int], dropout: float) -> None:
        super().__init__()
        self.first = nn.Linear(features, widths[0])
        self.second = nn.Linear(widths[0], widths[1])
        # Score, and how far below and above it the truth may lie.
        self.judgement = nn.Linear(widths[1], 3)
        self.groups = nn.Linear(widths[1], groups)
        self.dropout = dropout

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(N, features), standardised, to (N, 3) and (N, groups)."""
        x = F.dropout(x, self.dropout / 2, self.training)
        x = F.dropout(F.gelu(self.first(x)), self.dropout, self.training)
        x = F.dropout(F.gelu(self.second(x)), self.dropout, self.training)
        return self.judgement(x), self.groups(x)


class QualityHead(nn.Module):
    """The head of `kukkiri-nr`.

    Parameters
    ----------
    features : int
        Numbers a picture.
    groups : int
        Groups of damage.
    members : int
        Networks whose answers are averaged.
    widths : (int, int)
        Of their hidden layers.
    dropout : float
        In training, of hidden units; of the inputs, half of that.
    """

    mean: Tensor
    scale: Tensor
    stretch: Tensor
    group_bias: Tensor
    axes: Tensor
    axis_scale: Tensor
    distances: Tensor
    whitening: Tensor | None

    def __init__(
        self,
        features: int,
        groups: int = 7,
        *,
        members: int = 3,
        widths: tuple[int, int] = (512, 192),
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        self.members = nn.ModuleList(Member(features, groups, widths, dropout) for _ in range(members))
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("scale", torch.ones(features))
        # What is set after the training, on pictures that it did not see.
        self.register_buffer("stretch", torch.ones(2))
        self.register_buffer("group_bias", torch.zeros(groups))
        self.register_buffer("axes", torch.zeros(features, AXES))
        self.register_buffer("axis_scale", torch.ones(AXES + 1))
        # Quantiles, in steps of 1 %, of the distance of pictures like those of the training.
        self.register_buffer("distances", torch.linspace(0, 1, 101))
        # In training alone: coordinates in which it learns. See `fold`.
        self.register_buffer("whitening", None, persistent=False)

    def standardised(self, features: Tensor) -> Tensor:
        """Features (N, K) around 0, by what the training had."""
        return ((features - self.mean) / self.scale).clamp(-REACH, REACH)

    def each(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """What each member says: (E, N, 3) and (E, N, G)."""
        x = self.standardised(features)
        if self.whitening is not None:
            x = x @ self.whitening
        said = [member(x) for member in self.members]
        return torch.stack([s[0] for s in said]), torch.stack([s[1] for s in said])

    def fold(self) -> None:
        """Make the whitening a part of the first layers: the answers stay the same without it."""
        if self.whitening is None:
            return
        with torch.no_grad():
            for member in self.members:
                if isinstance(member, Member):
                    member.first.weight.copy_(member.first.weight @ self.whitening.T)
        self.whitening = None

    def forward(self, features: Tensor) -> Opinion:
        """What is said of pictures.

        Parameters
        ----------
        features : Tensor, (N, K)

        Returns
        -------
        Opinion
        """
        judgements, logits = self.each(features)
        judged = judgements.mean(0)
        score = (50 + 25 * judged[:, 0]).clamp(0, 100)
        below, above = (25 * F.softplus(judged[:, i]) * self.stretch[i - 1] for i in (1, 2))
        return Opinion(
            score, (score - below).clamp(0, 100), (score + above).clamp(0, 100), logits.mean(0) + self.group_bias
        )

    def distance(self, features: Tensor) -> Tensor:
        """How far from the middle of the training, (N,): along its main axes, and beside them."""
        x = self.standardised(features)
        along = x @ self.axes
        beside = (x - along @ self.axes.T).square().mean(1, keepdim=True).sqrt()
        return (torch.cat([along, beside], 1) / self.axis_scale).square().mean(1).sqrt()

    def unlike_training(self, features: Tensor) -> Tensor:
        """Share of pictures like those of the training that are nearer to its middle, (N,) in 0..1, rounded down."""
        # Between two quantiles the lower one counts: 0.99 is reached by 1 in 100, not by 2.
        place = torch.searchsorted(self.distances, self.distance(features).contiguous()) - 1
        return (place.float() / (len(self.distances) - 1)).clamp(0, 1)
