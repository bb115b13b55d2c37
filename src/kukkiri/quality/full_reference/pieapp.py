"""PieAPP: how much worse people would find a picture than its reference, patch by patch (Prashnani et al. 2018)."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kukkiri.errors import InputError
from kukkiri.images.patches import over_patches, regular_places
from kukkiri.metrics.learned import LearnedMetric
from kukkiri.weights import Weights, load_into

Sampling = Literal["dense", "sparse"]

SIDE = 64
STRIDES: dict[str, int] = {"dense": 6, "sparse": 27}
# Outputs of the convolutions 1 … 11. Those of even number but the last are followed by a maximum over 2×2 pixels, those
# of odd number from the third are what patches are compared by.
_WIDTHS = (64, 64, 64, 128, 128, 128, 256, 256, 256, 512, 512)
_FEATURES, _COARSE = 120832, 2048
# Patches of each picture: compared at once (the first comparing layer is 247 MB, read anew each time), and through the
# convolutions at once (what these keep of more does not fit a processor's cache).
AT_ONCE, TOGETHER = 64, 4
# The authors' script cuts the grid of patches into parts of so many by so many.
_PART = 10


def patch_starts(length: int, stride: int) -> list[int]:
    """Where the authors' script has patches along one side.

    It means to add one patch flush with the border, but then walks in parts of ten patches, from the first of each part
    in whole strides. The flush one is thus there only if it begins a part (or lies on the grid anyhow), and may then
    cost the part before it the last of its ten.

    Parameters
    ----------
    length : int
        Of the side, pixels, at least 64.
    stride : int

    Returns
    -------
    list of int
        Increasing.
    """
    meant = [*range(0, length - SIDE, stride), length - SIDE]
    found: list[int] = []
    for first in range(0, len(meant), _PART):
        last = length - SIDE if first + _PART >= len(meant) else meant[first + _PART] - stride
        found += range(meant[first], last + 1, stride)
    return found


class Network(nn.Module):
    """The layers, by the names of the published checkpoint (`conv1` … `conv11`, `fc1_score`, …)."""

    def __init__(self) -> None:
        super().__init__()
        inputs = 3
        for number, width in enumerate(_WIDTHS, start=1):
            self.add_module(f"conv{number}", nn.Conv2d(inputs, width, 3, padding=1))
            inputs = width
        # 62 million numbers, which are all loaded: drawing them first would take longer than reading them.
        self.fc1_score = nn.Linear(_FEATURES, 512, device="meta").to_empty(device="cpu")
        self.fc2_score = nn.Linear(512, 1)
        self.fc1_weight = nn.Linear(_COARSE, 512)
        self.fc2_weight = nn.Linear(512, 1)
        self.ref_score_subtract = nn.Linear(1, 1)

    def features(self, patches: Tensor) -> list[Tensor]:
        """Five depths of patches (B, 3, 64, 64), BGR, 0 … 255: each (B, K), K = 120832 together."""
        found = []
        x = patches
        for number in range(1, len(_WIDTHS) + 1):
            x = self.get_submodule(f"conv{number}")(x)
            if number % 2 == 0:
                x = F.max_pool2d(x, 2)  # before the activation: the same maximum of a quarter of the values
            x = torch.relu(x)
            if number % 2 and number > 1:
                found.append(x.flatten(1))
        return found

    def forward(self, patches: Tensor, reference: Tensor) -> Tensor:
        """Error and weight of patches.

        Parameters
        ----------
        patches, reference : Tensor, (B, 3, 64, 64), BGR, values 0 … 255

        Returns
        -------
        Tensor, (B, 2)
            Error; weight, of either sign.
        """
        differences, coarse = [], []
        for some, others in zip(*(torch.split(x, TOGETHER) for x in (patches, reference)), strict=True):
            found = [
                other - one for one, other in (depth.chunk(2) for depth in self.features(torch.cat((some, others))))
            ]
            differences.append(torch.cat(found, 1))
            coarse.append(found[-1])
        error = self.ref_score_subtract(0.01 * self.fc2_score(torch.relu(self.fc1_score(torch.cat(differences)))))
        weight = self.fc2_weight(torch.relu(self.fc1_weight(torch.cat(coarse)))) + 1e-6
        return torch.cat((error, weight), 1)


def with_a_matrix(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The one factor of `ref_score_subtract` as a matrix: IQA-PyTorch's network has it as a vector."""
    name = "ref_score_subtract.weight"
    return {key: value.view(1, 1) if key == name and value.numel() == 1 else value for key, value in state.items()}


class PieAPP(LearnedMetric):
    """`pieapp`: version 0.1, 0 for no error, higher is worse.

    Where two pictures' values differ by d, a share 1 / (1 + exp(−d)) of people should prefer the lower: 73 % for 1.

    Nothing is resized. Patches of 64×64 px of picture and reference go through one network, and their errors are
    averaged with weights that it gives. Patches overlap by far, but each is surrounded by black of its own in every
    layer, so that they share no computation: 512×512 px are 5625 patches of each picture, minutes on a CPU.

    Parameters
    ----------
    weights : str, Path, or mapping of Tensor
        Default: the authors' (as IQA-PyTorch keeps them).
    sampling : 'dense' | 'sparse'
        A patch every 6 px, which the authors recommend for comparing methods, or every 27 px, some 20 times as fast.
        Patches lie where the authors' script has them (`patch_starts`); IQA-PyTorch's sparse ones are a plain grid.

    Raises
    ------
    InputError
        If the sampling is not known.
    WeightError
        If the checkpoint cannot be had or does not fit.
    """

    name = "pieapp"

    def __init__(self, weights: Weights | None = None, *, sampling: Sampling = "dense") -> None:
        super().__init__()
        if sampling not in STRIDES:
            raise InputError(expected="a sampling: 'dense' or 'sparse'", got=repr(sampling), fix="choose one")
        self.stride = STRIDES[sampling]
        self.network = Network()
        load_into(self.network, self.own_weights(weights), self.spec.name, inside=("params",), rename=with_a_matrix)

    def rate(self, image: Tensor, reference: Tensor | None) -> Tensor:
        places = regular_places(*(patch_starts(side, self.stride) for side in image.shape[-2:]))
        pictures = [picture.flip(1) * 255 for picture in (image, reference) if picture is not None]
        error, weight = over_patches(self.network, pictures, places, SIDE, at_once=AT_ONCE).unbind(-1)
        return (error * weight).sum(1) / weight.sum(1)
