"""TRIQ: a small transformer on the deepest features of a ResNet-50 (You, Korhonen 2021)."""

from __future__ import annotations

import re
from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kukkiri.errors import InputError, ShapeError
from kukkiri.metrics.learned import LearnedMetric
from kukkiri.networks.memory import channels_last
from kukkiri.networks.pointwise import with_pointwise
from kukkiri.networks.resnet import TAP_STRIDES, ResNet
from kukkiri.quality.no_reference.options import check_whole
from kukkiri.weights import Weights, load_into

# The authors' numbers: size of a token, heads, hidden layer, blocks; places that have a position; levels of quality.
WIDTH, HEADS, HIDDEN, DEPTH = 32, 8, 64, 2
PLACES = 192
LEVELS = 5
# Feature maps with at least so many rows are pooled.
ROWS = 16
STRIDE = TAP_STRIDES[-1]
# Keras' constant in batch normalisation.
EPSILON = 1.001e-5


class Attention(nn.Module):
    """Scaled dot-product attention among tokens, queries, keys and values from a layer each."""

    def __init__(self) -> None:
        super().__init__()
        self.wq, self.wk, self.wv, self.dense = (nn.Linear(WIDTH, WIDTH) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        """(N, L, C) to the same shape."""
        queries, keys, values = (
            layer(x).view(*x.shape[:2], HEADS, -1).transpose(1, 2) for layer in (self.wq, self.wk, self.wv)
        )
        mixed = F.scaled_dot_product_attention(queries, keys, values)
        y: Tensor = self.dense(mixed.transpose(1, 2).flatten(2))
        return y


class Block(nn.Module):
    """Attention, then two layers with a ReLU between them, each added to its input and normalised after."""

    def __init__(self) -> None:
        super().__init__()
        self.mha = Attention()
        self.ffn = nn.Sequential(nn.Linear(WIDTH, HIDDEN), nn.Linear(HIDDEN, WIDTH))
        self.layernorm1 = nn.LayerNorm(WIDTH, 1e-6)
        self.layernorm2 = nn.LayerNorm(WIDTH, 1e-6)

    def forward(self, x: Tensor) -> Tensor:
        """(N, L, C) to the same shape."""
        x = self.layernorm1(x + self.mha(x))
        y: Tensor = self.layernorm2(x + self.ffn[1](F.relu(self.ffn[0](x))))
        return y


class Network(nn.Module):
    """The whole network; a picture of any size to the shares of the five levels.

    Parameters
    ----------
    pooling : int, optional
        Side of the windows in which the features are pooled; default: see `TRIQ`.
    """

    def __init__(self, pooling: int | None = None) -> None:
        super().__init__()
        self.pooling = pooling
        self.resnet = ResNet(50, stride_first=True, bias=True, epsilon=EPSILON)
        self.feature_proj_conv = nn.Conv2d(2048, WIDTH, 1)
        self.quality_emb = nn.Parameter(torch.zeros(1, 1, WIDTH))
        self.pos_emb = nn.Parameter(torch.zeros(1, PLACES + 1, WIDTH))
        self.enc_layers = nn.Sequential(*(Block() for _ in range(DEPTH)))
        # Number 1 is the place of a dropout.
        self.mlp_head = nn.ModuleDict({"0": nn.Linear(WIDTH, HIDDEN), "2": nn.Linear(HIDDEN, LEVELS)})

    def forward(self, image: Tensor) -> Tensor:
        """(N, 3, H, W), values in [0, 1], to (N, 5), which sum to 1."""
        x = self.feature_proj_conv(self.resnet((image * 2 - 1).contiguous(memory_format=torch.channels_last)))
        windows = check_windows(x.shape[2], x.shape[3], self.pooling)
        if max(windows) > 1:
            x = F.max_pool2d(x, windows)
        tokens = torch.cat([self.quality_emb.expand(len(x), -1, -1), x.flatten(2).transpose(1, 2)], dim=1)
        tokens = self.enc_layers(tokens + self.pos_emb[:, : tokens.shape[1]])
        hidden = F.gelu(self.mlp_head["0"](tokens[:, 0]), approximate="tanh")
        shares: Tensor = self.mlp_head["2"](hidden).softmax(-1)
        return shares


def window_of(rows: int, columns: int) -> int:
    """Side of the windows in which features of this size are pooled: the authors' rule, then doubled until it fits."""
    window = 2 if rows >= ROWS else 1
    while _places(rows, columns, window) > PLACES:
        window *= 2
    return window


def check_windows(rows: int, columns: int, pooling: int | None) -> tuple[int, int]:
    """Height and width of the windows, of the side that is given or chosen; a strip narrower than it is one row.

    Raises
    ------
    ShapeError
        If features of this size then have more places than there are positions, or no window fits either way.
    """
    window = window_of(rows, columns) if pooling is None else pooling
    if window > max(rows, columns) or _places(rows, columns, window) > PLACES:
        fits = window_of(rows, columns)
        raise ShapeError(
            expected=f"1 to {PLACES} windows of features for triq",
            got=f"windows of {window}×{window}, of {columns}×{rows} features",
            fix=f"leave pooling out, which then is {fits}",
        )
    return min(window, rows), min(window, columns)


def _places(rows: int, columns: int, window: int) -> int:
    """How many windows there are: along a side shorter than they are, one."""
    return max(rows // window, 1) * max(columns // window, 1)


def from_keras(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of the authors' Keras model by our names, in the order of axes that PyTorch has.

    Keras counts the layers that a process makes, so that of 'dense_7' and the like only the order tells which it is.

    Parameters
    ----------
    state : dict of Tensor
        By the names of `model.weights` ('conv2_block1_0_bn/gamma:0', …), whatever groups stand before it;
        or already by our names, which are given back.

    Raises
    ------
    InputError
        If a Keras name belongs to no layer of the model.
    """
    if not any(name.endswith(":0") for name in state):
        return state
    short = {_SHORT.sub("", name.removesuffix(":0")): value for name, value in state.items()}
    layers = list(dict.fromkeys(name.rpartition("/")[0] for name in short))
    ours = {"": "", **_in_order(layers, "dense", _DENSE), **_in_order(layers, "layer_normalization", _NORMALISED)}
    ours |= _in_order(layers, "conv2d", ("feature_proj_conv",))
    renamed = {}
    for name, value in short.items():
        layer, _, kind = name.rpartition("/")
        found = ours.get(layer) if layer in ours else _in_resnet(layer)
        if found is None:
            raise InputError(
                expected="the layers of TRIQ as its authors' Keras model names them",
                got=name,
                fix="give all of model.weights by their names, and nothing else",
            )
        axes = {("kernel", 4): (3, 2, 0, 1), ("kernel", 2): (1, 0)}.get((kind, value.ndim))
        key = _KINDS.get(kind, kind)
        renamed[f"{found}.{key}" if found else key] = value if axes is None else value.permute(axes)
    return renamed


# All before a layer and its array, or before an array that belongs to the whole model.
_SHORT = re.compile(r".*/(?=[^/]+/[^/]+$)|.*/(?=(pos_emb|quality_emb)$)")
_KINDS = {
    "kernel": "weight",
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}
_DENSE = (
    *(
        f"enc_layers.{block}.{layer}"
        for block in range(DEPTH)
        for layer in ("mha.wq", "mha.wk", "mha.wv", "mha.dense", "ffn.0", "ffn.1")
    ),
    "mlp_head.0",
    "mlp_head.2",
)
_NORMALISED = tuple(f"enc_layers.{block}.layernorm{number}" for block in range(DEPTH) for number in (1, 2))


def _in_order(layers: Iterable[str], kind: str, names: tuple[str, ...]) -> dict[str, str]:
    """Keras' layers of one kind, in the order of their numbers, to our names of them."""
    numbers = {layer: int(m[1] or 0) for layer in layers if (m := re.fullmatch(rf"{kind}(?:_(\d+))?", layer))}
    return dict(zip(sorted(numbers, key=numbers.__getitem__), names, strict=False))


def _in_resnet(layer: str) -> str | None:
    """Our name of a layer of Keras' ResNet-50; None if it is none."""
    if layer in ("conv1_conv", "conv1_bn"):
        return f"resnet.{layer.removeprefix('conv1_')}1"
    match = re.fullmatch(r"conv([2-5])_block(\d+)_([0-3])_(conv|bn)", layer)
    if match is None:
        return None
    stage, block, number, kind = match.groups()
    last = f"{kind}{number}" if number != "0" else f"downsample.{int(kind == 'bn')}"
    return f"resnet.layer{int(stage) - 1}.{int(block) - 1}.{last}"


class TRIQ(LearnedMetric):
    """`triq`: the mean of five levels of quality, 1 (bad) to 5 (excellent).

    You, Korhonen, ICIP 2021 (arXiv:2101.01097). The whole picture at full resolution. It has positions for 192 places
    only, each 32 px wide, or 64 px where the picture has more than 480 rows; the authors' code fails where that is not
    enough (above 768 × 1024 px, say, but also at 480 × 640) and tells its user to pool more. Here the windows are then
    doubled until the places suffice; along a side that is narrower than a window there is one place. Memory grows with
    the picture: some 170 bytes a pixel.

    Parameters
    ----------
    weights : optional
        The authors publish a Keras file only, which nothing here reads. A file in safetensors or PyTorch's format is
        taken that has the arrays of `model.weights` by their Keras names, or the same by our names (`from_keras`).
    pooling : int, optional
        Side of the windows in which the features are pooled; default: as said. A picture that then has more places
        than positions, or no window, is refused before the network runs.

    Raises
    ------
    InputError
        If the pooling is not a whole number from 1.
    WeightError
        If there are no weights, or they do not fit.
    """

    name = "triq"

    def __init__(self, weights: Weights | None = None, *, pooling: int | None = None) -> None:
        super().__init__()
        if pooling is not None:
            check_whole("pooling", pooling, 1, "leave it out to have it chosen")
        network = Network(pooling)
        load_into(network, self.own_weights(weights), "TRIQ", inside=("params", "state_dict"), rename=from_keras)
        network.resnet.fold()
        channels_last(network)
        with_pointwise(network)
        self.network = network

    def rate(self, image: Tensor, reference: Tensor | None) -> Tensor:
        # Before the network runs, which may take long. A feature is 32 px, the last one perhaps less.
        rows, columns = (-(-side // STRIDE) for side in image.shape[-2:])
        check_windows(rows, columns, self.network.pooling)
        shares = self.network(image)
        levels = torch.arange(1, LEVELS + 1, device=shares.device)
        mean: Tensor = (shares.float() * levels).sum(1)
        return mean
