"""The network of DIQaM and WaDIQaM: quality, and how much it counts, of patches of 32×32 px.

Bosse, Maniry, Müller, Wiegand, Samek, IEEE TIP 27(1), 2018 (doi:10.1109/TIP.2017.2760518), Figs. 2 and 3. Names of
parameters are those of the published PyTorch checkpoints (`features.0.weight` … `fc_w.3.bias`).
"""

from __future__ import annotations

import re
from collections import OrderedDict
from typing import Literal

import torch
from torch import Tensor, nn

SIDE = 32
FEATURES = 512
_WIDTHS = (32, 64, 128, 256, 512)

# What is added to a patch's weight, so that their sum is never 0: in the authors' code, and in the published port.
AUTHORS_FLOOR, PORT_FLOOR = 1e-6, 1e-8

# The authors' names of the layers, and those of two PyTorch ports by one writer, to ours. Convolutions are conv1 … 10
# in all of them.
_HEADS = {
    "fc1": "fc_q.0",
    "fc2": "fc_q.3",
    "fc1_a": "fc_w.0",
    "fc2_a": "fc_w.3",
    "fc1_q": "fc_q.0",
    "fc2_q": "fc_q.3",
    "fc1_w": "fc_w.0",
    "fc2_w": "fc_w.3",
    "fc1q_nr": "fc_q.0",
    "fc2q_nr": "fc_q.3",
    "fc1w_nr": "fc_w.0",
    "fc2w_nr": "fc_w.3",
}
# What chainer's and PyTorch's files call the tensors of a layer.
_KINDS = {"W": "weight", "b": "bias"}


def _trunk() -> nn.Sequential:
    layers: list[nn.Module] = []
    inputs = 3
    for width in _WIDTHS:
        for _ in range(2):
            layers += [nn.Conv2d(inputs, width, 3, padding=1), nn.ReLU(inplace=True)]
            inputs = width
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers)


def _head(inputs: int) -> nn.Sequential:
    # 2 is the place of dropout, which does nothing outside of training.
    return nn.Sequential(
        OrderedDict([("0", nn.Linear(inputs, 512)), ("1", nn.ReLU(inplace=True)), ("3", nn.Linear(512, 1))])
    )


class PatchQuality(nn.Module):
    """What DIQaM and WaDIQaM say of single patches.

    Parameters
    ----------
    reference : bool
        Whether a patch is compared with that of a reference.
    weighted : bool
        Whether patches say how much they count (WaDIQaM), or all count alike (DIQaM).
    """

    def __init__(self, *, reference: bool, weighted: bool) -> None:
        super().__init__()
        inputs = 3 * FEATURES if reference else FEATURES
        self.features = _trunk()
        self.fc_q = _head(inputs)
        self.weighted = weighted
        if weighted:
            self.fc_w = _head(inputs)
        # Set by what is loaded: see `from_any_layout`.
        self.floor = PORT_FLOOR
        self.layout: Literal["own", "authors", "port"] = "own"

    def forward(self, patches: Tensor, reference: Tensor | None = None) -> Tensor:
        """Quality and weight of each patch.

        Parameters
        ----------
        patches, reference : Tensor, (B, 3, 32, 32), RGB, values in [0, 1]
            The reference exactly if the network was made for one.

        Returns
        -------
        Tensor, (B, 2) if weighted, else (B, 1)
            Quality, on the scale of the opinions it was trained on; weight, above 0.
        """
        if reference is None:
            features = self.features(patches).flatten(1)
        else:
            one, other = self.features(torch.cat((patches, reference))).flatten(1).chunk(2)
            features = torch.cat((other, one, one - other), 1)
        quality: Tensor = self.fc_q(features)
        if not self.weighted:
            return quality
        return torch.cat((quality, torch.relu(self.fc_w(features)) + self.floor), 1)

    def from_any_layout(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """The tensors of any published layout by the names of this network; remembers `layout` and its `floor`.

        Parameters
        ----------
        state : dict of Tensor
            One of three: this network's own names (IQA-PyTorch); the authors' chainer names (`conv1/W`, `fc1_a/b`, '.'
            for '/' allowed), made for pixels 0 … 255 and features in the order difference, picture, reference; those of
            the earlier PyTorch port (`conv1.weight`, `fc1_q.weight`, `fc1q_nr.weight`), in the authors' order for
            pixels in [0, 1]. Any name of a layout tells it, so that a file that lacks some is read as what it is.

        Returns
        -------
        dict of Tensor
            Names that belong to no layout are left as they are.
        """
        state = {name.replace("/", "."): value for name, value in state.items()}
        self.layout = _layout(state)
        self.floor = PORT_FLOOR if self.layout == "own" else AUTHORS_FLOOR
        if self.layout == "own":
            return state
        places = [place for place, layer in enumerate(self.features) if isinstance(layer, nn.Conv2d)]
        layers = _HEADS | {f"conv{i}": f"features.{place}" for i, place in enumerate(places, start=1)}
        found: dict[str, Tensor] = {}
        for name, value in state.items():
            layer, _, kind = name.rpartition(".")
            found[f"{layers[layer]}.{_KINDS.get(kind, kind)}" if layer in layers else name] = value
        first = found.get("features.0.weight")
        if self.layout == "authors" and first is not None and first.is_floating_point():
            found["features.0.weight"] = first.float() * 255
        for name in {"fc_q.0.weight", "fc_w.0.weight"} & found.keys():
            if found[name].shape[1:] == (3 * FEATURES,):
                found[name] = torch.cat(found[name].chunk(3, 1)[::-1], 1)
        return found


def _layout(state: dict[str, Tensor]) -> Literal["own", "authors", "port"]:
    """Whose names these are: chainer's, the earlier port's, or those of this network (also where none is known)."""
    kinds = {
        name.rpartition(".")[2]
        for name in state
        if name.rpartition(".")[0] in _HEADS or re.match(r"conv([1-9]|10)\.", name)
    }
    if kinds & _KINDS.keys():
        return "authors"
    return "port" if kinds & set(_KINDS.values()) else "own"
