"""SaTQA: what a contrastively trained encoder sees asks a transformer where it is distorted (Shi, Gao, Qin 2024)."""

from __future__ import annotations

import re

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kukkiri.metrics.learned import LearnedMetric
from kukkiri.networks.deformable import DeformableConv2d
from kukkiri.networks.memory import channels_last
from kukkiri.networks.pointwise import with_pointwise
from kukkiri.networks.resnet import ResNet
from kukkiri.networks.unfilled import unfilled
from kukkiri.networks.vit import Attention, VisionTransformer
from kukkiri.quality.no_reference.crops import (
    check_crops,
    check_resize,
    even_places,
    mean_over_crops,
    resized,
    torch_places,
)
from kukkiri.weights import Weights, load_into

SIDE = 224
WIDTH = 768
# Blocks of the vision transformer whose tokens are taken.
TAPS = (1, 2, 5, 6)
# For each stage of multi-stream blocks: their number, and the channels of the three streams.
STAGES = ((1, (256, 256, 256)), (5, (192, 192, 384)), (3, (48, 48, 672)))
HEADS = 8
# Grid of the last stage and of the encoder's features.
CELLS = 7
# Channels of the encoder's features: those of two stages of ResNet-50 as they are, and two that are narrowed.
NARROW = 512
FEATURES = 256 + 512 + 2 * NARROW
# Crops that are rated at once: about 0.2 GB, and with gradients 1.3 GB.
CHUNK = 4
# What the authors' files hold and the score does not need: the transformer beyond its seventh block, a layer that only
# a grid of odd sides needs, the encoder a second time, and the head of its contrastive training.
UNUSED = (
    *(f"vit.blocks.{number}." for number in range(TAPS[-1] + 1, 12)),
    *("vit.norm.", "vit.fc_norm.", "vit.head."),
    *(f"block.{2 * stage}.{number}.ups_proj." for stage in (0, 1) for number in range(STAGES[stage][0])),
    *("cmodel.model.", "cmodel.projector."),
)
_RENAMED = (
    (re.compile(r"^cmodel\.pre_process\.0\."), "cmodel.resnet.conv1."),
    (re.compile(r"^cmodel\.pre_process\.1\."), "cmodel.resnet.bn1."),
    (re.compile(r"^cmodel\.(layer[1-4]\.)"), r"cmodel.resnet.\1"),
)


class ChannelAttention(nn.Module):
    """How much each channel counts, from its largest value and its mean."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc = nn.Sequential(
            nn.Conv2d(width, width // 16, 1, bias=False), nn.ReLU(), nn.Conv2d(width // 16, width, 1, bias=False)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the same shape."""
        asked = self.fc(x.amax((2, 3), keepdim=True)) + self.fc(x.mean((2, 3), keepdim=True))
        return x * torch.sigmoid(asked)


class SpatialAttention(nn.Module):
    """How much each place counts, from the mean and the largest value of its channels."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 1, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the same shape."""
        asked = self.conv(torch.cat([x.mean(1, keepdim=True), x.amax(1, keepdim=True)], dim=1))
        return x * torch.sigmoid(asked)


class Separable(nn.Module):
    """A convolution of each channel, then one of each place."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.depth_wise = nn.Conv2d(inputs, inputs, 3, padding=1, groups=inputs)
        self.point_wise = nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C', H, W)."""
        y: Tensor = self.point_wise(self.depth_wise(x))
        return y


class MultiStream(nn.Module):
    """Three views of the tokens beside each other, added to the tokens that two attentions have weighed (Fig. 3).

    Parameters
    ----------
    side : int
        Tokens of a row and of a column.
    streams : (int, int, int)
        Channels of the deformable convolution, of the separable one at half the resolution, and of the attention;
        together the width of a token.
    """

    def __init__(self, side: int, streams: tuple[int, int, int]) -> None:
        super().__init__()
        width = sum(streams)
        self.side = side
        self.ca, self.sa = ChannelAttention(width), SpatialAttention()
        self.dconv = DeformableConv2d(width, streams[0])
        self.dconv_proj = nn.Linear(streams[0], streams[0])
        self.dwconv = Separable(width, streams[1])
        self.attn = Attention(width, HEADS, bias=False)
        self.attn_proj = nn.Linear(width, streams[2])
        if side % 2:
            # Half of an odd side is rounded down: the places that are then missing are made of those that are there.
            self.ups_proj = nn.Linear((side - 1) ** 2, side**2)

    def forward(self, x: Tensor) -> Tensor:
        """(N, side², C) to the same shape."""
        planes = x.transpose(1, 2).reshape(len(x), -1, self.side, self.side)
        moved = self.dconv_proj(self.dconv(planes).flatten(2).transpose(1, 2))
        half = F.interpolate(self.dwconv(F.max_pool2d(planes, 2)), scale_factor=2, mode="nearest").flatten(2)
        coarse = (self.ups_proj(half) if self.side % 2 else half).transpose(1, 2)
        mixed = self.attn_proj(self.attn(x))
        weighed = self.sa(self.ca(planes)).flatten(2).transpose(1, 2)
        streams = torch.cat([moved, coarse, mixed], dim=2)
        y: Tensor = streams + weighed
        return y


class Halve(nn.Module):
    """Every second token of every second row, by a convolution."""

    def __init__(self, side: int) -> None:
        super().__init__()
        self.side = side
        self.down_conv = nn.Conv2d(WIDTH, WIDTH, 3, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, side², C) to (N, side² / 4, C)."""
        planes = x.transpose(1, 2).reshape(len(x), -1, self.side, self.side)
        y: Tensor = self.down_conv(planes).flatten(2).transpose(1, 2)
        return y


class Narrowed(nn.Module):
    """A stage's features with fewer channels, averaged over 7 × 7 cells."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, NARROW, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, 512, 7, 7)."""
        # The mean before the convolution of single places, not after: the same, for less work.
        y: Tensor = self.conv(F.adaptive_avg_pool2d(x, CELLS))
        return y


class Encoder(nn.Module):
    """The contrastively trained ResNet-50: features of four depths on one grid."""

    def __init__(self) -> None:
        super().__init__()
        self.resnet = ResNet(50)
        self.pool1, self.pool2 = Narrowed(self.resnet.channels[3]), Narrowed(self.resnet.channels[4])

    def forward(self, crops: Tensor) -> Tensor:
        """(N, 3, 224, 224), values in [0, 1], to (N, 1792, 7, 7)."""
        picture = crops.contiguous(memory_format=torch.channels_last)
        first, second, third, fourth = self.resnet.features(picture, (1, 2, 3, 4))
        plain = [F.adaptive_avg_pool2d(x, CELLS) for x in (first, second)]
        return torch.cat([*plain, self.pool1(third), self.pool2(fourth)], dim=1)


class Network(nn.Module):
    """The whole network for crops of 224 × 224 px; parameters by the authors' names, the encoder's under `cmodel.`."""

    def __init__(self) -> None:
        super().__init__()
        self.cmodel = Encoder()
        self.vit = VisionTransformer(SIDE, 8, depth=TAPS[-1] + 1)
        self.feature_proj = nn.Linear(len(TAPS) * WIDTH, WIDTH, bias=False)
        layers: list[nn.Module] = []
        for number, (repeats, streams) in enumerate(STAGES):
            side = SIDE // 8 // 2**number
            if number:
                layers.append(Halve(2 * side))
            layers.append(nn.Sequential(*(MultiStream(side, streams) for _ in range(repeats))))
        self.block = nn.Sequential(*layers)
        self.fea_proj = nn.Sequential(nn.Conv2d(FEATURES, WIDTH, 1))
        self.W_Q, self.W_K, self.W_V = (nn.Linear(WIDTH, WIDTH, bias=False) for _ in range(3))
        self.ffn = nn.Sequential(
            nn.Linear(WIDTH, 4 * WIDTH, bias=False), nn.GELU(), nn.Linear(4 * WIDTH, WIDTH, bias=False), nn.GELU()
        )
        self.fc = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.Linear(WIDTH, 1))

    def forward(self, crops: Tensor) -> Tensor:
        """The score of each crop: (N, 3, 224, 224), values in [0, 1], to (N,)."""
        degradation = self.fea_proj(self.cmodel(crops)).flatten(2).transpose(1, 2)
        tokens = torch.cat([t[:, 1:] for t in self.vit.tokens(crops, TAPS)], dim=2)
        distortion = self.block(self.feature_proj(tokens))
        queries, keys, values = self.W_Q(degradation), self.W_K(distortion), self.W_V(distortion)
        x = F.scaled_dot_product_attention(queries, keys, values)
        score: Tensor = self.fc((x + self.ffn(x)).mean(1))
        return score[:, 0]


def our_names(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of the authors' two files by the names of `Network`."""
    renamed = {}
    for name, value in state.items():
        for pattern, replacement in _RENAMED:
            name = pattern.sub(replacement, name)
        renamed[name] = value
    return renamed


class SaTQA(LearnedMetric):
    """`satqa`: higher is better, on the scale of the opinions that the weights were trained on.

    Shi, Gao, Qin, AAAI 2024 (arXiv:2312.06995). The mean over 8 crops of 224 × 224 px at full resolution, RGB in [0, 1]
    without further normalisation; sides under 224 px are refused. The authors draw the crops at random; here they are
    spread evenly over the picture unless a seed is given. For KonIQ-10k they first resize every picture to 512 px down
    and 384 px across (`resize=(512, 384)`), for FLIVE to 512 × 512.

    Parameters
    ----------
    weights
        No weights are published: train with the authors' code. A file or mapping of all tensors of their `NIQA`
        (`model_q.py`) by their names, and of their `CModel` (`model_scl.py`) by theirs after `cmodel.`.
    crops : int
        How many crops; fewer where they would coincide.
    seed : int, optional
        Draw the crops as torchvision's `RandomCrop` does after `torch.manual_seed(seed)`.
    resize : (int, int), optional
        Height and width to which pictures are resized first (linearly, antialiased), whatever their shape.

    Raises
    ------
    InputError
        If `crops`, `seed` or `resize` is impossible.
    WeightError
        If there are no weights, or they do not fit.
    """

    name = "satqa"

    def __init__(
        self,
        weights: Weights | None = None,
        *,
        crops: int = 8,
        seed: int | None = None,
        resize: tuple[int, int] | None = None,
    ) -> None:
        super().__init__()
        check_crops(crops, seed)
        self.crops, self.seed, self.resize = crops, seed, check_resize(resize, SIDE)
        given = self.own_weights(weights)
        network = unfilled(Network)
        load_into(network, given, "SaTQA", inside=("params", "state_dict", "net"), rename=our_names, unused=UNUSED)
        network.cmodel.resnet.fold()
        channels_last(network.cmodel)
        with_pointwise(network.cmodel)
        self.network = network

    def rate(self, image: Tensor, reference: Tensor | None) -> Tensor:
        image = resized(image, self.resize)
        height, width = image.shape[-2:]
        if self.seed is None:
            places = even_places(height, width, SIDE, self.crops)
        else:
            places = torch_places(height, width, SIDE, self.crops, self.seed)
        return mean_over_crops(image, places, SIDE, self.network, CHUNK)
