"""DISTS: how much texture and structure agree in what VGG-16 sees (Ding, Ma, Wang, Simoncelli 2022).

Global means say whether textures agree, global covariances whether their details lie alike; a repainted texture of the
same kind scores well, where pixelwise measures would not. 0 for identical pictures, higher is worse.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kukkiri.errors import InputError
from kukkiri.images.resampling import imresize
from kukkiri.networks import vgg
from kukkiri.networks.stages import stages
from kukkiri.networks.unfilled import unfilled
from kukkiri.quality.full_reference.feature_comparison import FeatureComparison, averaged
from kukkiri.weights import Weights

# The first layer is the picture itself.
CHANNELS = (3, *vgg.CHANNELS)
# c1 and c2 of eq. 4 and 5.
STABILITY = 1e-6
# Under the root of the pooling.
EPSILON = 1e-12
# Numbers in a chunk of features: what is made of them on the way stays in the cache.
CHUNK = 1 << 17


class L2Pooling(nn.Module):
    """Root of the locally averaged square: 3×3 Hann window, stride 2 (eq. 2)."""

    window: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        hann = torch.tensor([0.25, 0.5, 0.25], device="cpu")
        self.register_buffer("window", torch.outer(hann, hann).repeat(channels, 1, 1, 1), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C, ⌈H / 2⌉, ⌈W / 2⌉); beyond the border lies 0."""
        # In half precision EPSILON is 0, and the root's gradient then infinite.
        with torch.autocast(x.device.type, enabled=False):
            x = x.to(self.window.dtype)
            mean = F.conv2d(x.square(), self.window, stride=2, padding=1, groups=x.shape[1])
            return (mean + EPSILON).sqrt()


class DISTSNetwork(nn.Module):
    """VGG-16 with another pooling, and the weights of both terms, with the names of both published files."""

    def __init__(self) -> None:
        super().__init__()
        self.features = vgg.vgg16_features(pooling=L2Pooling, last_pooling=False)
        self.alpha = nn.Parameter(torch.empty(1, sum(CHANNELS), 1, 1))
        self.beta = nn.Parameter(torch.empty(1, sum(CHANNELS), 1, 1))


class DISTS(FeatureComparison):
    """`dists`: deep image structure and texture similarity.

    Parameters
    ----------
    weights : key, path, or mapping of Tensor, optional
        `alpha` and `beta`, or the whole state of the authors' module (`stage1.0.weight` … too).
    trunk : key, path, or mapping of Tensor, optional
        VGG-16 in the usual layout (`features.0.weight` …), which then is taken instead of any in `weights`.
    resize : int, optional
        Pictures whose shorter side is larger are first reduced to it, bilinearly and antialiased. Default: the full
        resolution, like the authors' function. Their demonstration reduces to 256, and rounds to 8 bits on the way,
        which ours does not: scores differ from it by a percent or two. State which one you used.
    window : int, odd
        Of `map` only: side of the windows, cells of each layer.

    Raises
    ------
    InputError
        If resize is below the smallest side that is taken, or the window is not an odd number.
    WeightError
        If a file cannot be had or does not fit.

    Notes
    -----
    The authors define no map. `map` here is ours: the same two terms, in windows instead of over the whole picture, so
    that its mean is of the score's kind but not equal to it. Pictures over 1 Mpx are measured in tiles on a CPU, which
    give the value of the whole; but not where gradients are wanted.

    Ding, Ma, Wang, Simoncelli, IEEE TPAMI 44(5), 2022, doi:10.1109/TPAMI.2020.3045810.
    """

    name = "dists"
    strides, sight = (1, *vgg.STRIDES), vgg.REACH
    # How much of the score each channel's terms are; together 1.
    texture_shares: Tensor
    structure_shares: Tensor

    def __init__(
        self,
        weights: Weights | None = None,
        *,
        trunk: Weights | None = None,
        resize: int | None = None,
        window: int = 7,
    ) -> None:
        super().__init__()
        if resize is not None and (type(resize) is not int or resize < self.spec.min_size):
            raise InputError(
                expected=f"resize of at least {self.spec.min_size} px", got=repr(resize), fix="the authors have 256"
            )
        if type(window) is not int or window < 1 or window % 2 == 0:
            raise InputError(expected="a window of an odd number of cells", got=repr(window), fix="leave it out")
        self.resize, self.window = resize, window // 2
        self.network = unfilled(DISTSNetwork)
        self.load(self.network, weights, trunk)
        alpha, beta = (x.detach().double().flatten() for x in (self.network.alpha, self.network.beta))
        total = alpha.sum() + beta.sum()
        self.register_buffer("texture_shares", alpha / total, persistent=False)
        self.register_buffer("structure_shares", beta / total, persistent=False)

    def measured_size(self, height: int, width: int) -> tuple[int, int]:
        height, width = super().measured_size(height, width)
        short = min(height, width)
        if self.resize is None or short <= self.resize:
            return height, width
        # The longer side is rounded down, as the authors' tool does.
        return height * self.resize // short, width * self.resize // short

    def prepared(self, picture: Tensor) -> Tensor:
        colours = super().prepared(picture)
        size = self.measured_size(colours.shape[-2], colours.shape[-1])
        if colours.shape[-2:] == size:
            return colours
        return imresize(colours, size=size, method="bilinear").clamp(0, 1)

    def features(self, picture: Tensor) -> Iterator[Tensor]:
        yield picture
        yield from stages(self.network.features, vgg.ENDS, vgg.normalised(picture))

    def sums(self, layer: int, a: Tensor, b: Tensor, weights: Tensor) -> Tensor:
        a, b, weights = (x.permute(0, 2, 3, 1).flatten(1, 2) for x in rectangle(a, b, weights))
        found = moments(a, b, None if bool((weights == 1).all()) else weights)
        return torch.cat((weights.double().sum(1), found.flatten(1)), 1)

    def shares(self, totals: Tensor) -> Tensor:
        layers, place, first = [], 0, 0
        for channels in CHANNELS:
            count, rest = totals[:, place : place + 1, None], totals[:, place + 1 : place + 1 + 5 * channels]
            a, b, *squares = averaged(rest.reshape(-1, 5, channels), count).unbind(1)
            # Rounding may leave tiny negative numbers where nothing varies.
            variances = [(m - c.square()).clamp_min(0) for m, c in zip(squares, (a, b, a - b), strict=True)]
            layers.append(self._weighted(a, b, variances, slice(first, first + channels)).sum(1))
            place, first = place + 1 + 5 * channels, first + channels
        return torch.stack(layers, 1)

    def local(self, layer: int, a: Tensor, b: Tensor) -> Tensor:
        first, size = sum(CHANNELS[:layer]), a.shape[-2:]
        few = max(1, 4 * CHUNK // (size[0] * size[1]))
        found = a.new_zeros(a.shape[0], 1, *size)
        for x, y in zip(*(torch.split(x.contiguous(), few, 1) for x in (a, b)), strict=True):
            centres = [v.mean((2, 3), keepdim=True) for v in (x, y)]
            offsets = [v - centre for v, centre in zip((x, y), centres, strict=True)]
            offsets.append(offsets[0] - offsets[1])
            inside = [self._averaged(v) for v in offsets]
            variances = [
                (self._averaged(v.square()) - mean.square()).clamp_min(0)
                for v, mean in zip(offsets, inside, strict=True)
            ]
            means = [centre + mean for centre, mean in zip(centres, inside, strict=False)]
            channels = slice(first, first + x.shape[1])
            terms = self._weighted(means[0], means[1], variances, channels, trailing=2)
            found = found + terms.sum(1, keepdim=True).to(found)
            first += x.shape[1]
        return found

    def _weighted(self, a: Tensor, b: Tensor, variances: list[Tensor], channels: slice, trailing: int = 0) -> Tensor:
        """Both terms' shares of these channels: eq. 4 to 6, each similarity taken from 1.

        `variances` are those of the first, of the second, and of their difference: with that instead of the
        covariance a term is 0, not nearly 0, where the features agree.
        """
        alpha, beta = (
            shares[channels].to(a)[(..., *(None,) * trailing)]
            for shares in (self.texture_shares, self.structure_shares)
        )
        texture = (a - b).square() / (a.square() + b.square() + STABILITY)
        structure = variances[2] / (variances[0] + variances[1] + STABILITY)
        return alpha * texture + beta * structure

    def _averaged(self, x: Tensor) -> Tensor:
        """Mean over the windows around every cell, as far as they lie inside."""
        side = 2 * self.window + 1
        return F.avg_pool2d(x, side, 1, self.window, count_include_pad=False)


def moments(a: Tensor, b: Tensor, counted: Tensor | None = None) -> Tensor:
    """Sums of both pictures' features, of their squares, and of the squares of their difference.

    Parameters
    ----------
    a, b : Tensor, (N, P, C)
        Features of P cells.
    counted : Tensor, (N, P, 1), optional
        1 where a cell counts, else 0.

    Returns
    -------
    Tensor, (N, 5, C), float64
        From deviations, which are small, so that single precision is enough for the cells.
    """
    weights = counted if counted is not None else a.new_ones(1, 1, 1).expand(1, a.shape[1], 1)
    count = weights.double().sum(1)
    rows = max(1, CHUNK // a.shape[2])
    chunks = list(zip(*(torch.split(x, rows, 1) for x in (a, b, weights)), strict=True))
    sums = [torch.zeros((), dtype=torch.float64, device=a.device)] * 2
    for *pair, part in chunks:
        kept = pair if counted is None else [x * part for x in pair]
        sums = [total + x.sum(1).double() for total, x in zip(sums, kept, strict=True)]
    means = [(total / count).to(a.dtype) for total in sums]
    around = [torch.zeros((), dtype=torch.float64, device=a.device)] * 3
    for *pair, part in chunks:
        deviations = [x - mean[:, None] for x, mean in zip(pair, means, strict=True)]
        if counted is not None:
            deviations = [x * part for x in deviations]
        deviations.append(deviations[0] - deviations[1])
        around = [total + x.square().sum(1).double() for total, x in zip(around, deviations, strict=True)]
    sums.append(sums[0] - sums[1])
    means.append(means[0] - means[1])
    # Back from squares around the mean to squares around 0: in float64 nothing is lost.
    squares = [
        square + 2 * mean.double() * total - count * mean.double().square()
        for square, total, mean in zip(around, sums, means, strict=True)
    ]
    return torch.stack((sums[0], sums[1], *squares), 1)


def rectangle(a: Tensor, b: Tensor, weights: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Features and weights cut to the smallest rectangle around the cells that count; as they are if none do."""
    free = weights.amax((0, 1)) > 0
    if not bool(free.any()) or bool(free.all()):
        return a, b, weights
    rows, columns = (along.nonzero().flatten() for along in (free.any(1), free.any(0)))
    place = (slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1))
    return a[..., *place], b[..., *place], weights[..., *place]
