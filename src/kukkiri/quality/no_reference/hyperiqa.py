"""HyperIQA: a network whose weights another network chooses for each picture (Su et al. 2020).

ResNet-50 sees a crop of 224 × 224 px. Averages over small windows of its four stages give a vector of 224 numbers; its
deepest features give all weights of the small network that turns the vector into a score (Fig. 2, eq. 4 to 6).
"""

from __future__ import annotations

import re
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kukkiri.networks.memory import channels_last
from kukkiri.networks.resnet import ResNet
from kukkiri.quality.no_reference.cropped import SIDE, CroppedMetric, Grid
from kukkiri.weights import Weights, load_into

CELLS = 7  # the deepest features are 7 × 7, and so are the windows that are averaged
HYPER_CHANNELS = 112
# Widths of the small network, from the vector to the score.
WIDTHS = (224, 112, 56, 28, 14)
LOCAL = 16  # numbers of the vector from each of the first three stages; the fourth gives the rest

# Names in IQA-PyTorch's checkpoint and in the authors'.
_RENAMED = (
    (re.compile(r"^base_model\."), "res."),
    (re.compile(r"^lda_modules\.([012])\.0\."), lambda m: f"res.lda{int(m[1]) + 1}_pool.0."),
    (re.compile(r"^lda_modules\.([012])\.3\."), lambda m: f"res.lda{int(m[1]) + 1}_fc."),
    (re.compile(r"^lda_modules\.3\.2\."), "res.lda4_fc."),
    (re.compile(r"^fc_w_modules\.([0-3])\."), lambda m: f"fc{int(m[1]) + 1}w_conv."),
    (re.compile(r"^fc_w_modules\.4\.2\."), "fc5w_fc."),
    (re.compile(r"^fc_b_modules\.(\d)\.2\."), lambda m: f"fc{int(m[1]) + 1}b_fc."),
)


def authors_names(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of a checkpoint in the authors' or in IQA-PyTorch's layout, by the authors' names."""
    renamed = {}
    for name, value in state.items():
        for pattern, replacement in _RENAMED:
            name = pattern.sub(replacement, name)
        renamed[name] = value
    return renamed


class LocalAwareResNet(ResNet):
    """ResNet-50 with the local distortion aware module: also a vector of 224 numbers."""

    def __init__(self) -> None:
        super().__init__(50)
        for number, (channels, narrow) in enumerate(zip(self.channels[1:4], (16, 32, 64), strict=True), start=1):
            windows = SIDE // (4 * 2 ** (number - 1)) // CELLS
            self.add_module(f"lda{number}_pool", nn.Sequential(nn.Conv2d(channels, narrow, 1, bias=False)))
            self.add_module(f"lda{number}_fc", nn.Linear(narrow * windows**2, LOCAL))
        self.lda4_fc = nn.Linear(self.channels[4], WIDTHS[0] - 3 * LOCAL)

    def both(self, crop: Tensor) -> tuple[Tensor, Tensor]:
        """From normalised crops (N, 3, 224, 224) to the deepest features (N, 2048, 7, 7) and the vector (N, 224)."""
        stages = self.features(crop, (1, 2, 3, 4))
        vector = []
        for number, stage in enumerate(stages[:3], start=1):
            # The mean over windows comes before the 1 × 1 convolution, not after: the same, for a 49th of the work.
            means = self.get_submodule(f"lda{number}_pool")(F.avg_pool2d(stage, CELLS))
            vector.append(self.get_submodule(f"lda{number}_fc")(means.flatten(1)))
        vector.append(self.lda4_fc(stages[3].mean((2, 3))))
        return stages[3], torch.cat(vector, 1)


class HyperNetwork(nn.Module):
    """The whole of it, for crops of 224 × 224 px; parameters by the authors' names."""

    def __init__(self) -> None:
        super().__init__()
        self.res = LocalAwareResNet()
        self.conv1 = nn.Sequential(
            nn.Conv2d(self.res.channels[4], 1024, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(1024, 512, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(512, HYPER_CHANNELS, 1),
            nn.ReLU(inplace=True),
        )
        for number, (inputs, outputs) in enumerate(pairwise(WIDTHS), start=1):
            # 7 × 7 places times this many channels are the weights of one layer.
            channels = inputs * outputs // CELLS**2
            self.add_module(f"fc{number}w_conv", nn.Conv2d(HYPER_CHANNELS, channels, 3, padding=1))
            self.add_module(f"fc{number}b_fc", nn.Linear(HYPER_CHANNELS, outputs))
        self.fc5w_fc = nn.Linear(HYPER_CHANNELS, WIDTHS[-1])
        self.fc5b_fc = nn.Linear(HYPER_CHANNELS, 1)

    def layers(self, features: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Weights (N, outputs, inputs) and biases (N, outputs, 1) of the small network's five layers."""
        chosen = self.conv1(features)
        mean = chosen.mean((2, 3))
        found = []
        for number, (inputs, outputs) in enumerate(pairwise(WIDTHS), start=1):
            weight = self.get_submodule(f"fc{number}w_conv")(chosen).reshape(-1, outputs, inputs)
            found.append((weight, self.get_submodule(f"fc{number}b_fc")(mean)[..., None]))
        return [*found, (self.fc5w_fc(mean)[:, None], self.fc5b_fc(mean)[..., None])]

    def forward(self, crop: Tensor) -> Tensor:
        """From normalised crops (N, 3, 224, 224) to scores (N,)."""
        features, vector = self.res.both(crop)
        return small_network(vector, self.layers(features))


def small_network(vector: Tensor, layers: list[tuple[Tensor, Tensor]]) -> Tensor:
    """A fully connected network with weights of its own for each sample; a sigmoid follows all layers but the last.

    Parameters
    ----------
    vector : Tensor, (N, inputs)
    layers : list of (Tensor (N, outputs, inputs), Tensor (N, outputs, 1))
        Weights and biases; the last has one output.

    Returns
    -------
    Tensor, (N,)
    """
    x = vector[..., None]
    for weight, bias in layers[:-1]:
        x = torch.baddbmm(bias, weight, x).sigmoid()
    weight, bias = layers[-1]
    return torch.baddbmm(bias, weight, x).flatten()


class HyperIQA(CroppedMetric):
    """`hyperiqa`: mean score of 25 crops of 224 × 224 px, about 0 to 1 or 0 to 100 as the checkpoint; higher is better.

    The crops are a fixed regular set at the picture's own resolution. The authors draw them at random: `seed` does so
    too, as torchvision's `RandomCrop` after `torch.manual_seed(seed)`. Before that, they resize pictures of KonIQ-10k
    to 512 px down and 384 px across, whatever their shape: `resize=(512, 384)`.

    Pitfall: 25 crops are a small part of a large picture; take more of them, or `max_side`.

    Parameters
    ----------
    weights : str, Path, or mapping of Tensor, optional
        Default: IQA-PyTorch's, trained on KonIQ-10k. The authors' layout is accepted too. Of weights that were
        trained on differential opinions (LIVE, CSIQ) as they are, higher is worse: the spec does not know.
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

    name = "hyperiqa"

    def __init__(
        self,
        weights: Weights | None = None,
        *,
        crops: int = 25,
        seed: int | None = None,
        grid: Grid = "even",
        resize: tuple[int, int] | None = None,
    ) -> None:
        super().__init__(crops, seed, grid, resize)
        network = HyperNetwork()
        load_into(network, self.own_weights(weights), "HyperIQA", inside=("params",), rename=authors_names)
        network.res.fold()
        channels_last(network)
        self.network = network
