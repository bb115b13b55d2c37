"""TReS: a transformer over the features of all stages of a ResNet-50 (Golestaneh, Dadsetan, Kitani 2022).

The four stages, made equally fine, are the tokens of an encoder; the score is linear in the mean of its output and of
the deepest features (Fig. 2, Section 3). Relative ranking and self-consistency, which gave the method its name, are
losses: nothing of them is computed here.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kukkiri.networks.detr_encoder import Encoder
from kukkiri.networks.memory import channels_last
from kukkiri.networks.resnet import ResNet
from kukkiri.networks.sine_positions import sine_positions
from kukkiri.quality.no_reference.cropped import CroppedMetric, Grid
from kukkiri.weights import Weights, load_into

CELLS = 7  # of the deepest features, and of the tokens
HEADS, LAYERS, HIDDEN = 16, 2, 64
# The window of the L2 pooling: a Hann window of 5 without its zeros, normalised.
WINDOW = (0.25, 0.5, 0.25)
STABILITY = 1e-12

# What the checkpoint has besides: ImageNet's classifier, and the window of the pooling once a channel.
UNUSED = ("model.fc.", "L2pooling_")


class L2Pooling(nn.Module):
    """The root of the windowed mean of squares, then the mean over cells, so that 7 × 7 are left."""

    window: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        line = torch.tensor(WINDOW)
        window = torch.outer(line, line).expand(channels, 1, -1, -1).contiguous(memory_format=torch.channels_last)
        self.register_buffer("window", window, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W), H and W multiples of 7, to (N, C, 7, 7)."""
        smooth = F.conv2d(F.normalize(x, dim=1).square(), self.window, padding=1, groups=x.shape[1])
        return F.avg_pool2d((smooth + STABILITY).sqrt(), x.shape[-1] // CELLS)


class Transformer(nn.Module):
    """Holds the encoder by its official name."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.encoder = Encoder(width, HEADS, HIDDEN, LAYERS)


class TransformerNetwork(nn.Module):
    """The whole of it, for crops of 224 × 224 px; parameters by the authors' names."""

    positions: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.model = ResNet(50)
        channels = self.model.channels[1:]
        width = sum(channels)
        self.pooling = nn.ModuleList(L2Pooling(count) for count in channels)
        self.transformer = Transformer(width)
        self.fc2 = nn.Linear(width, channels[-1])
        self.fc = nn.Linear(2 * channels[-1], 1)
        positions = sine_positions(width, CELLS, CELLS).flatten(1).T.contiguous()
        self.register_buffer("positions", positions, persistent=False)

    def forward(self, crop: Tensor) -> Tensor:
        """From normalised crops (N, 3, 224, 224) to scores (N,)."""
        stages = self.model.features(crop, (1, 2, 3, 4))
        pooled = [pool(stage) for pool, stage in zip(self.pooling, stages, strict=True)]
        tokens = torch.cat(pooled, 1).flatten(2).transpose(1, 2).contiguous()
        whole = self.fc2(self.transformer.encoder(tokens, self.positions).mean(1))
        score: Tensor = self.fc(torch.cat((whole, stages[3].mean((2, 3))), 1))
        return score.flatten()


class TReS(CroppedMetric):
    """`tres`: mean score of 50 crops of 224 × 224 px, about 0 to 100; higher is better.

    The crops are a fixed regular set at the picture's own resolution. The authors draw them at random: `seed` does so
    too, as torchvision's `RandomCrop` after `torch.manual_seed(seed)`. Before that, they resize pictures of KonIQ-10k
    to 512 px down and 384 px across, whatever their shape: `resize=(512, 384)`.

    Pitfalls: 50 crops are a small part of a large picture; take more of them, or `max_side`. There are 150
    million parameters, most of them in the encoder: on a laptop, 50 crops take many seconds.

    Parameters
    ----------
    weights : str, Path, or mapping of Tensor, optional
        'tres-koniq' (default: trained on KonIQ-10k), 'tres-flive' (on FLIVE), or a file in the authors' layout.
        Of weights that were trained on differential opinions (LIVE, CSIQ) as they are, higher is worse: the spec does
        not know.
    crops : int
        How many.
    seed : int, optional
        Random crops instead of regular ones.
    grid : 'even' | 'iqa-pytorch'
        The regular set: over the whole picture, or as IQA-PyTorch has it, which misses the right and lower border.
    resize : (int, int), optional
        Height and width to which pictures are resized first (linearly, antialiased).

    Raises
    ------
    InputError
        If an option is out of range.
    WeightError
        If the checkpoint cannot be had or does not fit.
    """

    name = "tres"

    def __init__(
        self,
        weights: Weights | None = None,
        *,
        crops: int = 50,
        seed: int | None = None,
        grid: Grid = "even",
        resize: tuple[int, int] | None = None,
    ) -> None:
        super().__init__(crops, seed, grid, resize)
        network = TransformerNetwork()
        load_into(network, self.own_weights(weights), "TReS", unused=UNUSED)
        network.model.fold()
        channels_last(network.model)
        self.network = network
