"""RankIQA: VGG-16 that first learnt which of two pictures is worse (Liu, van de Weijer, Bagdanov 2017).

The mean over crops of 224 × 224 px, which the network takes as blue, green, red from 0 to 255, without subtracting a
mean. Nothing is resized.

The authors published four Caffe files, two that only rank (`Rank_live`, `Rank_tid2013`) and two fine-tuned to opinions
(`FT_live`, `FT_tid2013`), at addresses that no program can fetch (https://github.com/xialeiliu/RankIQA, folder
`pre-trained`). Converted to PyTorch (https://github.com/YunanZhu/Pytorch-TestRankIQA links to such files), they can be
given as `weights`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Literal, get_args

import torch
from torch import Tensor

from kukkiri.errors import InputError, WeightError
from kukkiri.metrics.learned import LearnedMetric
from kukkiri.networks.memory import channels_last
from kukkiri.networks.unfilled import unfilled
from kukkiri.networks.vgg import STAGES, VGG16
from kukkiri.quality.no_reference.crops import (
    Place,
    check_crops,
    even_places,
    mean_over_crops,
    numpy_places,
)
from kukkiri.weights import Weights, load_into

SIDE = 224
# The authors' number of crops.
MOST_CROPS = 30
# Crops that go through the network at once.
TOGETHER = 4

Opinions = Literal["mean", "difference"]
# The last layer in the authors' networks that only rank; in those tuned to opinions it is `fc8`.
_RANKS = re.compile(r"(^|\.)fc8_m\.")

# Caffe's names of the layers, and the usual ones: a stage's convolutions are followed by an activation each, and by a
# pooling after the last.
LAYERS = {
    f"conv{stage}_{number}": f"features.{sum(2 * len(before) + 1 for before in STAGES[: stage - 1]) + 2 * (number - 1)}"
    for stage, channels in enumerate(STAGES, start=1)
    for number in range(1, len(channels) + 1)
} | {"fc6": "classifier.0", "fc7": "classifier.3", "fc8": "classifier.6"}


class RankIQA(LearnedMetric):
    """`rankiqa`: what VGG-16 with one output says, the mean over crops.

    Parameters
    ----------
    weights : path, or mapping of Tensor
        A file of the authors' converted to PyTorch: with Caffe's names (`conv1_1.weight` … `fc8.bias`, or `fc8_m.bias`
        as in the files that only rank), or the usual ones (`features.0.weight` … `classifier.6.bias`).
    crops : int, optional
        How many crops; fewer where regular ones would coincide. Default: about as many as cover the picture, at most
        30.
    seed : int, optional
        Crops as the authors' code draws them with NumPy's global generator (RandomState, MT19937), seeded with this
        before the picture; with 30 crops their whole procedure. Default: regular crops, the same for every picture.
    opinions : 'mean' | 'difference', optional
        What the network was trained to: higher is better ('mean', for `FT_tid2013`, and the two that only rank), or
        higher is worse, as in LIVE ('difference', for `FT_live`), where the sign is turned. May be left out only for
        the files that rank, which their last layer's name (`fc8_m`) tells apart: nothing else does.

    Raises
    ------
    InputError
        If an option is out of range, or `opinions` is not given where no name tells it.
    WeightError
        If no weights are given, or they do not fit.

    Notes
    -----
    The scale is that of the training: of the two that only rank it means nothing by itself.

    Liu, van de Weijer, Bagdanov, ICCV 2017, section 3, arXiv:1707.08347.
    """

    name = "rankiqa"

    def __init__(
        self,
        weights: Weights | None = None,
        *,
        crops: int | None = None,
        seed: int | None = None,
        opinions: Opinions | None = None,
    ) -> None:
        super().__init__()
        check_crops(MOST_CROPS if crops is None else crops, seed)
        if opinions not in (None, *get_args(Opinions)):
            raise InputError(expected=" or ".join(get_args(Opinions)), got=repr(opinions), fix="choose one")
        if weights is None:
            raise WeightError(
                expected="weights= for rankiqa, whose authors' Caffe files no program can fetch",
                got="none",
                fix="take one from https://github.com/xialeiliu/RankIQA, convert it to PyTorch, and pass its path",
            )
        self.crops, self.seed, self.sign = crops, seed, -1 if opinions == "difference" else 1
        self.network = unfilled(lambda: VGG16(1))
        shapes = {name: value.shape for name, value in self.network.state_dict().items()}
        ranks = False

        def renamed(state: dict[str, Tensor]) -> dict[str, Tensor]:
            nonlocal ranks
            ranks = any(_RANKS.search(name) for name in state)
            return usual_names(state, shapes)

        load_into(self.network, self.own_weights(weights), "RankIQA", rename=renamed)
        if opinions is None and not ranks:
            raise InputError(
                expected="opinions= with weights tuned to opinions, since nothing in a file tells their direction",
                got="none",
                fix="pass opinions='difference' for FT_live (higher is worse there), 'mean' for FT_tid2013",
            )
        channels_last(self.network)

    def places(self, height: int, width: int) -> tuple[Place, ...]:
        """Where the crops of a picture of this size lie: (top, left) each."""
        if self.seed is not None:
            return numpy_places(height, width, SIDE, self.crops or MOST_CROPS, self.seed)
        covering = -(-height // SIDE) * -(-width // SIDE)
        return even_places(height, width, SIDE, self.crops or min(covering, MOST_CROPS))

    def rate(self, image: Tensor, reference: Tensor | None) -> Tensor:
        return self.sign * mean_over_crops(image, self.places(*image.shape[-2:]), SIDE, self.judged, TOGETHER)

    def judged(self, crops: Tensor) -> Tensor:
        """What the network says of crops (N, 3, 224, 224), RGB in [0, 1]: (N,)."""
        blue_first = (crops.flip(1) * 255).contiguous(memory_format=torch.channels_last)
        found: Tensor = self.network(blue_first)
        return found.flatten()


def usual_names(state: Mapping[str, Tensor], shapes: Mapping[str, Sequence[int]]) -> dict[str, Tensor]:
    """Caffe's names as the usual ones, and its four-dimensional vectors and matrices in the usual shapes."""
    found = {}
    for name, value in state.items():
        caffe = re.fullmatch(r"(?:features\.|classifier\.)?(conv\d_\d|fc[678])(?:_m)?\.(weight|bias)", name)
        usual = f"{LAYERS.get(caffe[1], caffe[1])}.{caffe[2]}" if caffe else name
        shape = shapes.get(usual, value.shape)
        found[usual] = value.reshape(tuple(shape)) if value.numel() == math.prod(shape) else value
    return found
