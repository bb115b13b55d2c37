"""LPIPS, version 0.1: a weighted distance between what the layers of a classifier see (Zhang et al. 2018).

Nothing is resized or cropped. 0 for identical pictures, higher is worse; values above 1 are rare but possible. The one
with AlexNet is the authors' choice for judging, that with VGG for optimising.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import torch
from torch import Tensor, nn

from kukkiri.images.phase_congruency import positive_sqrt
from kukkiri.metrics.base import weighted_sums
from kukkiri.networks import alexnet, squeezenet, vgg
from kukkiri.networks.stages import stages
from kukkiri.networks.unfilled import unfilled
from kukkiri.quality.full_reference.feature_comparison import FeatureComparison, averaged
from kukkiri.weights import Weights

# Mean and deviation of the authors' scaling, which they give for values in [−1, 1], for values in [0, 1].
SHIFT = tuple((1 + shift) / 2 for shift in (-0.030, -0.088, -0.188))
SCALE = tuple(scale / 2 for scale in (0.458, 0.448, 0.450))
# Added to the length of a feature vector before it divides.
EPSILON = 1e-10
# Numbers in a chunk of features: what is made of them on the way stays in the cache.
CHUNK = 1 << 17


class Head(nn.Module):
    """How much each channel of a layer counts: a 1×1 convolution to one channel, without bias."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        # The dropout that the authors trained with comes first, and gives the convolution its number.
        self.model = nn.Sequential(nn.Identity(), nn.Conv2d(channels, 1, 1, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, 1, H, W)."""
        found: Tensor = self.model(x)
        return found


class LPIPSNetwork(nn.Module):
    """A classifier's convolutional part and the heads, with the names of both published files.

    Parameters
    ----------
    features : nn.Sequential
        `features.0.weight` …
    channels : tuple of int
        Of each layer that is compared; `lin0.model.1.weight` …
    """

    def __init__(self, features: nn.Sequential, channels: tuple[int, ...]) -> None:
        super().__init__()
        self.features = features
        for number, count in enumerate(channels):
            self.add_module(f"lin{number}", Head(count))


def distance(a: Tensor, b: Tensor) -> Tensor:
    """Squared differences (N, C, h, w) of feature vectors that are first made of unit length (eq. 1)."""
    scales = [(positive_sqrt(x.square().sum(1, keepdim=True)) + EPSILON).reciprocal() for x in (a, b)]
    return (a * scales[0] - b * scales[1]).square()


class LPIPS(FeatureComparison):
    """What the three variants share.

    Parameters
    ----------
    weights : key, path, or mapping of Tensor, optional
        The heads (`lin0.model.1.weight` …), or the whole state of the authors' module (`net.slice1.0.weight` … too).
    trunk : key, path, or mapping of Tensor, optional
        The classifier in the usual layout (`features.0.weight` …), which then is taken instead of any in `weights`.
        Default: the spec's second entry, unless `weights` has one.

    Raises
    ------
    WeightError
        If a file cannot be had or does not fit.

    Notes
    -----
    `map` is the authors' spatial form. Bilinear upsampling does not keep the mean exactly: the map's mean is near the
    score, not equal to it. Large pictures (over 1 Mpx with VGG, 2 with SqueezeNet, 4 with AlexNet) are measured in
    tiles on a CPU, which give the value of the whole; but not where gradients are wanted.
    With `precision='bfloat16'` scores of pictures that differ plainly change by a percent or two, but those of pictures
    that hardly differ can be several times too large: docs/quality-networks.md has what was measured.

    Zhang, Isola, Efros, Shechtman, Wang, CVPR 2018, eq. 1, arXiv:1801.03924.
    """

    ends: ClassVar[tuple[int, ...]]
    channels: ClassVar[tuple[int, ...]]

    def __init__(self, weights: Weights | None = None, *, trunk: Weights | None = None) -> None:
        super().__init__()
        self.network = unfilled(lambda: LPIPSNetwork(self.convolutions(), self.channels))
        self.load(self.network, weights, trunk)

    def convolutions(self) -> nn.Sequential:
        """The classifier's convolutional part."""
        raise NotImplementedError  # abstract: every variant has its own

    def features(self, picture: Tensor) -> Iterator[Tensor]:
        shift, scale = (picture.new_tensor(values).view(3, 1, 1) for values in (SHIFT, SCALE))
        return stages(self.network.features, self.ends, (picture - shift) / scale)

    def local(self, layer: int, a: Tensor, b: Tensor) -> Tensor:
        head = self.network.get_submodule(f"lin{layer}")
        rows = max(1, CHUNK // (a.shape[1] * a.shape[3]))
        if torch.is_grad_enabled() and (a.requires_grad or b.requires_grad):
            rows = a.shape[2]
        return torch.cat(
            [head(distance(*part)) for part in zip(torch.split(a, rows, 2), torch.split(b, rows, 2), strict=True)], 2
        )

    def sums(self, layer: int, a: Tensor, b: Tensor, weights: Tensor) -> Tensor:
        return weighted_sums(weights, self.local(layer, a, b))

    def shares(self, totals: Tensor) -> Tensor:
        count, total = totals[:, ::2], totals[:, 1::2]
        return averaged(total, count)


class LPIPSAlex(LPIPS):
    """`lpips-alex`: five layers of AlexNet."""

    name = "lpips-alex"
    ends, channels, strides, sight = alexnet.ENDS, alexnet.CHANNELS, alexnet.STRIDES, alexnet.REACH

    def convolutions(self) -> nn.Sequential:
        return alexnet.alexnet_features()


class LPIPSVGG(LPIPS):
    """`lpips-vgg`: the ends of VGG-16's five stages."""

    name = "lpips-vgg"
    ends, channels, strides, sight = vgg.ENDS, vgg.CHANNELS, vgg.STRIDES, vgg.REACH

    def convolutions(self) -> nn.Sequential:
        return vgg.vgg16_features(last_pooling=False)


class LPIPSSqueeze(LPIPS):
    """`lpips-squeeze`: seven layers of SqueezeNet 1.1."""

    name = "lpips-squeeze"
    ends, channels, strides, sight = squeezenet.ENDS, squeezenet.CHANNELS, squeezenet.STRIDES, squeezenet.REACH

    def convolutions(self) -> nn.Sequential:
        return squeezenet.squeezenet_features()
