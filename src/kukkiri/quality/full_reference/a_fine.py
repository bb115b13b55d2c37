"""A-FINE: fidelity and naturalness together, where the reference need not be perfect (Chen, Wu, Ma, Zhang 2025)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kukkiri.errors import WeightError
from kukkiri.metrics.learned import LearnedMetric
from kukkiri.networks.clip_image import VIT_B_32, VisionTransformer, normalised
from kukkiri.networks.unfilled import unfilled
from kukkiri.weights import Weights, flattened, load_into, load_parts

# The checkpoint's six state dicts, which are the parts of the network too.
PARTS = ("finetuned_clip", "natural", "fidelity", "natural_scale", "fidelity_scale", "adapter")
# In the file, but nothing here is computed from it: CLIP's text tower, and constants.
UNUSED = (
    *(f"finetuned_clip.{n}" for n in ("transformer.", "token_embedding", "positional_embedding", "ln_final")),
    *(f"finetuned_clip.{n}" for n in ("text_projection", "logit_scale")),
    *(f"{part}.{n}" for part in ("natural", "fidelity") for n in ("mean", "std")),
)
# Level 0 is the picture, the others are the blocks of the tower.
CHANNELS = (3, *(VIT_B_32.width,) * VIT_B_32.layers)
STABILITY = 1e-10
# The last curve, from the combination to 0 … 100.
MIDDLE, SLOPE = -1.9710, 2.3734


@dataclass(frozen=True)
class Moments:
    """What is kept of one level.

    Parameters
    ----------
    means, variances : Tensor, (2, N, C)
        Over the tokens (the variance of a population); first of the pictures, then of the references.
    covariances : Tensor, (N, C)
        Between picture and reference.
    """

    means: Tensor
    variances: Tensor
    covariances: Tensor


@dataclass(frozen=True)
class Terms:
    """What the score is made of, one value a sample (N,) each; for all but `combined`, −2 is best and 2 is worst.

    Parameters
    ----------
    fidelity : Tensor
        How far the picture is from the reference.
    naturalness, reference_naturalness : Tensor
        How unnatural the picture and the reference are by themselves.
    combined : Tensor
        Fidelity plus weighted naturalness, no bound below: the score before its last curve; lower is better.
    """

    fidelity: Tensor
    naturalness: Tensor
    reference_naturalness: Tensor
    combined: Tensor


class Naturalness(nn.Module):
    """A value from the moments of each picture: those of all blocks pass one shared layer."""

    def __init__(self) -> None:
        super().__init__()
        hidden = 128
        self.proj_feat = nn.Linear(2 * VIT_B_32.width, hidden)
        self.proj_head = nn.Sequential(
            nn.Linear(2 * CHANNELS[0] + hidden * VIT_B_32.layers, 6 * hidden), nn.GELU(), nn.Linear(6 * hidden, 1)
        )

    def forward(self, levels: Sequence[Moments]) -> Tensor:
        """Moments of the 13 levels to (2·N,): of the pictures, then of the references."""
        picture, *blocks = (torch.cat([level.means, level.variances], 2).flatten(0, 1) for level in levels)
        value: Tensor = self.proj_head(torch.cat([picture, *map(self.proj_feat, blocks)], 1))
        return value[:, 0]


class Fidelity(nn.Module):
    """The form of DISTS on tokens: similarity of means and of structure, each channel with its own two weights."""

    def __init__(self) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.zeros(1, 1, sum(CHANNELS)))
        self.beta = nn.Parameter(torch.zeros(1, 1, sum(CHANNELS)))

    def forward(self, levels: Sequence[Moments]) -> Tensor:
        """Moments of the 13 levels to (N,): 0 where picture and reference are equal."""
        means = torch.cat([level.means for level in levels], 2)
        variances = torch.cat([level.variances for level in levels], 2)
        covariances = torch.cat([level.covariances for level in levels], 1)
        luminance = (2 * means[0] * means[1] + STABILITY) / (means.square().sum(0) + STABILITY)
        structure = (2 * covariances + STABILITY) / (variances.sum(0) + STABILITY)
        alpha, beta = F.softplus(self.alpha[0, 0]), F.softplus(self.beta[0, 0])
        similarity = (luminance * alpha + structure * beta).sum(1)
        return 1 - similarity / (alpha.sum() + beta.sum() + STABILITY)


class Curve(nn.Module):
    """A logistic curve from −2 to 2, its middle and slope kept in bounds where the authors do so."""

    def __init__(self, middle: tuple[float, float] | None = None, slope: tuple[float, float] | None = None) -> None:
        super().__init__()
        self.middle, self.slope = middle, slope
        self.yita3 = nn.Parameter(torch.tensor(0.0))
        self.yita4 = nn.Parameter(torch.tensor(1.0))

    def forward(self, x: Tensor) -> Tensor:
        """(N,) to (N,)."""
        middle = self.yita3.clamp(*self.middle) if self.middle else self.yita3
        slope = self.yita4.clamp(*self.slope) if self.slope else self.yita4
        return 4 * torch.sigmoid((x - middle) / (slope.abs() + STABILITY)) - 2


class Adapter(nn.Module):
    """Naturalness weighs the more, the more natural the picture is than its reference."""

    def __init__(self) -> None:
        super().__init__()
        self.k = nn.Parameter(torch.tensor(5.0))

    def forward(self, naturalness: Tensor, reference: Tensor, fidelity: Tensor) -> Tensor:
        """(N,) each to (N,): fidelity + exp(softplus(k)·(reference − naturalness))·naturalness."""
        return torch.exp(F.softplus(self.k) * (reference - naturalness)) * naturalness + fidelity


class Network(nn.Module):
    """All six parts, named as in the checkpoint."""

    def __init__(self) -> None:
        super().__init__()
        self.finetuned_clip = nn.ModuleDict({"visual": VisionTransformer()})
        self.natural = Naturalness()
        self.fidelity = Fidelity()
        self.natural_scale = Curve()
        self.fidelity_scale = Curve((0.05, 0.95), (0.01, 0.70))
        self.adapter = Adapter()

    def forward(self, image: Tensor, reference: Tensor) -> Terms:
        """RGB (N, 3, H, W) with sides that 32 divides, values in [0, 1], to (N,) each."""
        tower = cast(VisionTransformer, self.finetuned_clip["visual"])
        positions = stretched(tower.positional_embedding, image[0, 0].numel() // tower.tower.patch**2 + 1)
        # One pair at a time: a batch of large pictures needs little more memory than one of them.
        pairs = [torch.stack(pair) for pair in zip(image, reference, strict=True)]
        levels = [joint_moments([pair.flatten(2).transpose(1, 2) for pair in pairs])]
        tokens = [tower.tokens(normalised(pair), positions) for pair in pairs]
        for block in tower.transformer.resblocks:
            tokens = [block(pair) for pair in tokens]
            # The class token is not of a place, so that it does not count.
            levels.append(joint_moments([F.relu(pair[:, 1:].float()) for pair in tokens]))
        naturalness, natural = self.natural_scale(self.natural(levels)).chunk(2)
        fidelity = self.fidelity_scale(self.fidelity(levels))
        return Terms(fidelity, naturalness, natural, self.adapter(naturalness, natural, fidelity))


def joint_moments(pairs: Sequence[Tensor]) -> Moments:
    """The moments of N pairs (2, L, C) over their L tokens."""
    means, variances, covariances = [], [], []
    for pair in pairs:
        mean = pair.mean(1, keepdim=True)
        rest = pair - mean
        means.append(mean[:, 0])
        variances.append(rest.square().mean(1))
        covariances.append((rest[0] * rest[1]).mean(0))
    return Moments(torch.stack(means, 1), torch.stack(variances, 1), torch.stack(covariances))


def stretched(positions: Tensor, count: int) -> Tensor:
    """The tower's positions (50, width) for `count` tokens.

    The authors interpolate (bicubically) along the list of all tokens, the class token's among them, not over the
    plane: rows of patches get the places of other rows. The weights were tuned so.
    """
    if positions.shape[0] == count:
        return positions
    wanted = (count, positions.shape[1])
    return F.interpolate(positions[None, None], wanted, mode="bicubic", align_corners=False)[0, 0]


class AFINE(LearnedMetric):
    """`a-fine`: adaptive fidelity-naturalness evaluator, 0 to 100, lower is better; not symmetric.

    The reference may be worse than the picture: the score then rewards what the picture has gained, and a picture can
    score better than the reference does against itself. The order of arguments matters.

    Nothing is cropped, and pictures keep their size; sides that 32 does not divide are first enlarged to the next
    multiple (bicubic, no antialiasing), as the authors do. Both are read by a CLIP ViT-B/32 tuned for this. Time grows
    with the square of the number of 32 px patches; `max_side` bounds it.

    The file of weights is the authors' `afine.pth`: six state dicts, or their tensors as 'part.name'. Of it no
    checksum is published, so that it is not in the catalogue: pass its path.

    Source: Chen, Wu, Ma, Zhang, CVPR 2025 (arXiv:2503.11221), and the authors' inference code.

    Parameters
    ----------
    weights : str, path, or mapping
        The authors' checkpoint.

    Raises
    ------
    WeightError
        If no weights are given, or they do not fit.
    """

    name = "a-fine"

    def __init__(self, weights: Weights | None = None) -> None:
        super().__init__()
        if weights is None:
            raise WeightError(
                expected="weights for a-fine",
                got="none",
                fix="download afine.pth, whose address is in the read-me of github.com/ChrisDud0257/AFINE, and pass "
                "weights= (or --weights a-fine=FILE on the command line)",
            )
        state = {name: value for name, value in flat(weights).items() if not str(name).startswith(UNUSED)}
        self.network = unfilled(Network)
        load_into(self.network, state, "A-FINE")

    def terms(self, image: Tensor, reference: Tensor) -> Terms:
        """What the score is made of, for tensors (N, 3, H, W), float32, values in [0, 1]."""
        height, width = image.shape[-2:]
        if height % 32 or width % 32:
            size = (height + -height % 32, width + -width % 32)
            image, reference = (F.interpolate(p, size, mode="bicubic", align_corners=False) for p in (image, reference))
        terms: Terms = self.network(image, reference)
        return terms

    def rate(self, image: Tensor, reference: Tensor | None) -> Tensor:
        combined = self.terms(image, cast(Tensor, reference)).combined
        return 100 * torch.sigmoid((combined - MIDDLE) / SLOPE)


def flat(weights: Weights) -> dict[str, Tensor]:
    """The tensors of a checkpoint as 'part.name', from its file, or from a mapping that is nested or flat."""
    state = flattened(weights) if isinstance(weights, Mapping) else load_parts(weights)
    lacking = [part for part in PARTS if not any(str(name).startswith(f"{part}.") for name in state)]
    if lacking:
        raise WeightError(
            expected=f"the six parts of A-FINE's checkpoint: {', '.join(PARTS)}",
            got=f"{len(state)} tensors, none of {', '.join(lacking)}",
            fix="pass the authors' afine.pth, or its tensors as 'part.name'",
        )
    return state
