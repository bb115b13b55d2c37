"""A plain backbone regressed to blur size: EfficientNet-Lite0's features, pooled over the picture, and a small head.

The obvious way to measure blur with a network: good on pictures like those it was trained on (clean photographs), far
too sharp where there is noise, which it takes for detail. It stands in the robustness table as what an estimator must
beat; `kukkiri-blur` is the one to use.
"""

from __future__ import annotations

import math
from itertools import pairwise, product
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kukkiri.metrics.base import Metric
from kukkiri.networks.efficientnet_lite import TAP_CHANNELS, EfficientNetLite0, efficientnet_lite0
from kukkiri.weights import check_layout, load_tensors

# Ends of the stages whose features are pooled: the first five together predicted clean held-out pictures best.
TAPS = (1, 2, 3, 4, 5)
FEATURES = 2 * sum(TAP_CHANNELS[tap] for tap in TAPS)
HIDDEN = (256, 64, 32)
# Larger pictures are looked at in parts of at most this side, px, so that memory stays bounded.
TILE = 512


def pooled_features(trunk: EfficientNetLite0, image: Tensor, tile: int = TILE) -> Tensor:
    """Mean and standard deviation over the picture of every channel at five depths.

    Parameters
    ----------
    trunk : EfficientNetLite0
    image : Tensor, (N, 3, H, W), values in [0, 1]
    tile : int
        Larger sides are cut into equal parts of at most this length; means and squares are pooled over all parts.

    Returns
    -------
    Tensor, (N, 544)
        First all means, then all standard deviations; of each, the shallowest channels first.
    """
    shares, means, variances = [], [], []
    for rows, columns in product(*(parts(side, tile) for side in image.shape[-2:])):
        piece = image[..., rows, columns]
        maps = trunk.features(piece, TAPS)
        shares.append(piece.shape[-2] * piece.shape[-1] / (image.shape[-2] * image.shape[-1]))
        means.append(torch.cat([m.mean((2, 3)) for m in maps], 1))
        variances.append(torch.cat([m.var((2, 3), correction=0) for m in maps], 1))
    share = torch.tensor(shares, dtype=image.dtype, device=image.device)[:, None, None]
    each = torch.stack(means)
    mean = (share * each).sum(0)
    variance = (share * (torch.stack(variances) + (each - mean).square())).sum(0)
    # The root has no gradient at 0, and a channel may be constant over a flat picture.
    return torch.cat([mean, (variance + 1e-10).sqrt()], 1)


def parts(length: int, longest: int) -> list[slice]:
    """A length cut into nearly equal parts of at most `longest`."""
    count = math.ceil(length / longest)
    borders = [round(i * length / count) for i in range(count + 1)]
    return [slice(a, b) for a, b in pairwise(borders)]


class BlurHead(nn.Module):
    """From pooled features to the logarithm of sigma: standardised, then three hidden layers with GELU.

    Parameters
    ----------
    dropout : float
        Share of hidden units switched off in training; of the inputs, half of that.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(FEATURES))
        self.register_buffer("scale", torch.ones(FEATURES))
        widths = (FEATURES, *HIDDEN)
        self.hidden = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))
        self.last = nn.Linear(widths[-1], 1)
        self.dropout = dropout

    def forward(self, features: Tensor) -> Tensor:
        """Natural logarithm of sigma in pixels.

        Parameters
        ----------
        features : Tensor, (N, 544)

        Returns
        -------
        Tensor, (N,)
        """
        x = F.dropout((features - self.mean) / self.scale, self.dropout / 2, self.training)
        for layer in self.hidden:
            x = F.dropout(F.gelu(layer(x)), self.dropout, self.training)
        sigma: Tensor = self.last(x)[:, 0]
        return sigma


class CNNBaseline(Metric):
    """`cnn-baseline`: sigma in pixels as a plain backbone, trained on clean pictures only, sees it.

    EfficientNet-Lite0 up to its fifth stage, pooled over the whole picture, and a small head trained by the recipe
    `cnn-baseline` on photographs under Gaussian and disc blur of sigma 0.3 to 8 px, rounded to 8 bits and not otherwise
    spoilt. Grey pictures are repeated three times. Pictures with a side above 512 px are pooled part by part.

    Parameters
    ----------
    weights : str or Path, optional
        The head: key in the catalogue, or path of a file in the layout of `BlurHead`; default: our own.
    """

    name = "cnn-baseline"

    def __init__(self, weights: str | Path | None = None) -> None:
        super().__init__()
        self.trunk = efficientnet_lite0(self.spec.weights[1])
        self.head = load_head(weights or self.spec.weights[0])

    def score(self, image: Tensor, reference: Tensor | None, weights: Tensor) -> Tensor:
        colours = image.float().expand(-1, 3, -1, -1)
        log_sigma: Tensor = self.head(pooled_features(self.trunk, colours))
        return log_sigma.exp().to(image.dtype)


def load_head(weights: str | Path) -> BlurHead:
    """A trained head, in evaluation mode, float32.

    Parameters
    ----------
    weights : str or Path
        Key in the catalogue, or path of a file; half precision is widened.

    Raises
    ------
    WeightError
        If the file cannot be had or does not fit.
    """
    state = load_tensors(weights)
    head = BlurHead()
    check_layout(state, {name: tuple(v.shape) for name, v in head.state_dict().items()}, "the head of cnn-baseline")
    head.load_state_dict({name: value.float() for name, value in state.items()})
    return head.eval().requires_grad_(False)
