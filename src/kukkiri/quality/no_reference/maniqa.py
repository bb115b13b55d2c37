"""MANIQA: attention across channels and within windows, on tokens of a vision transformer (Yang et al. 2022)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kukkiri.errors import InputError
from kukkiri.metrics.learned import LearnedMetric
from kukkiri.networks.swin import SwinBlock
from kukkiri.networks.unfilled import unfilled
from kukkiri.networks.vit import VisionTransformer
from kukkiri.quality.no_reference.crops import check_crops, even_places, mean_over_crops, numpy_places
from kukkiri.quality.no_reference.options import check_factor
from kukkiri.weights import Weights, load_into

SIDE = 224
# Crops that are rated at once: about 0.3 GB, and with gradients 2 GB.
CHUNK = 4
# Of what a layer of windows adds to its input, in the training for PIPAL, and in the authors' for their other files.
PIPAL, OTHERS = 0.13, 0.8
# What the authors' files hold and the score does not need: the transformer beyond its tenth block, a convolution that
# is never called, and tables that follow from the sizes.
UNUSED = (
    *("vit.blocks.10.", "vit.blocks.11.", "vit.norm.", "vit.fc_norm.", "vit.head."),
    *("swintransformer1.downsample.", "swintransformer2.downsample."),
)
TABLES = ("relative_position_index", "attn_mask")


class TransposedAttention(nn.Module):
    """Attention of every channel to every other; the places are what a channel is made of (Section 3.2).

    Parameters
    ----------
    places : int
        Tokens of a picture.
    """

    def __init__(self, places: int) -> None:
        super().__init__()
        self.c_q, self.c_k, self.c_v = (nn.Linear(places, places) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, L) to the same shape."""
        queries, keys, values = (layer(x)[:, None] for layer in (self.c_q, self.c_k, self.c_v))
        mixed = F.scaled_dot_product_attention(queries, keys, values)[:, 0]
        # The authors transpose and then only reinterpret: their checkpoints were trained with this shuffle.
        return mixed.transpose(1, 2).reshape(x.shape) + x


class ScaledLayer(nn.Module):
    """A block of plain and a block of shifted windows, then a convolution (Section 3.3)."""

    def __init__(self, side: int, width: int, heads: int, window: int, hidden: int) -> None:
        super().__init__()
        self.side = side
        self.blocks = nn.Sequential(
            *(SwinBlock(side, width, heads, window=window, shift=s, hidden=hidden) for s in (0, window // 2))
        )
        self.conv = nn.Conv2d(width, width, 3, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, side², C) to the same shape."""
        planes = self.blocks(x).transpose(1, 2).view(len(x), -1, self.side, self.side)
        return F.relu(self.conv(planes)).flatten(2).transpose(1, 2)


class ScaledSwin(nn.Module):
    """Two such layers, each multiplied by a constant and added to its input."""

    def __init__(self, side: int, width: int, heads: int, window: int, hidden: int, scale: float) -> None:
        super().__init__()
        self.scale = scale
        self.layers = nn.ModuleList(ScaledLayer(side, width, heads, window, hidden) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        """(N, side², C) to the same shape."""
        for layer in self.layers:
            x = torch.add(x, layer(x), alpha=self.scale)
        return x


class Network(nn.Module):
    """The whole network; the defaults are the authors'.

    Parameters
    ----------
    scale : float
        Of what a layer of windows adds to its input.
    side, patch, width, heads : int
        Of the vision transformer: side of a crop and of a patch in pixels, size of a token, heads.
    taps : sequence of int
        Blocks of the vision transformer whose tokens are taken.
    """

    def __init__(
        self,
        scale: float,
        *,
        side: int = SIDE,
        patch: int = 8,
        width: int = 768,
        heads: int = 12,
        taps: Sequence[int] = (6, 7, 8, 9),
    ) -> None:
        super().__init__()
        self.taps = tuple(taps)
        across, half = side // patch, width // 2
        self.vit = VisionTransformer(side, patch, width=width, heads=heads, depth=taps[-1] + 1)
        self.tablock1 = nn.Sequential(*(TransposedAttention(across**2) for _ in range(2)))
        self.conv1 = nn.Conv2d(len(taps) * width, width, 1)
        self.swintransformer1 = ScaledSwin(across, width, 4, 4, width, scale)
        self.tablock2 = nn.Sequential(*(TransposedAttention(across**2) for _ in range(2)))
        self.conv2 = nn.Conv2d(width, half, 1)
        self.swintransformer2 = ScaledSwin(across, half, 4, 4, width, scale)
        # Number 2 is the place of a dropout.
        self.fc_score = nn.Sequential(nn.Linear(half, half), nn.ReLU(), nn.Identity(), nn.Linear(half, 1), nn.ReLU())
        self.fc_weight = nn.Sequential(
            nn.Linear(half, half), nn.ReLU(), nn.Identity(), nn.Linear(half, 1), nn.Sigmoid()
        )

    def forward(self, crops: Tensor) -> Tensor:
        """The score of each crop: (N, 3, side, side), values in [0, 1], to (N,)."""
        tokens = self.vit.tokens(crops * 2 - 1, self.taps)
        # Channels first; the class token is dropped.
        x = torch.cat([t[:, 1:].transpose(1, 2) for t in tokens], dim=1)
        x = self.swintransformer1(at_every_place(self.conv1, self.tablock1(x)))
        x = self.swintransformer2(at_every_place(self.conv2, self.tablock2(x.transpose(1, 2))))
        scores, weights = self.fc_score(x), self.fc_weight(x)
        rated: Tensor = (scores * weights).sum(1) / weights.sum(1)
        return rated[:, 0]


def at_every_place(convolution: nn.Conv2d, x: Tensor) -> Tensor:
    """A convolution of 1 × 1 on channels first, (N, C, L), that gives tokens, (N, L, C')."""
    return F.linear(x.transpose(1, 2), convolution.weight.flatten(1), convolution.bias)


def without_tables(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of a file without those that follow from the sizes."""
    return {name: value for name, value in state.items() if not name.endswith(TABLES)}


class MANIQA(LearnedMetric):
    """`maniqa`: nominally 0 (worst) to 1 (best), the scale of the opinions that the checkpoint was trained on.

    Yang, Wu, Shi, Lao, Gong, Cao, Wang, Yang, CVPR Workshops 2022 (arXiv:2204.08958). The mean over crops of 224 × 224
    px at full resolution; nothing is resized, and sides under 224 px are refused. The authors draw 20 crops at random;
    here 20 are spread evenly over the picture unless a seed is given. IQA-PyTorch's port differs: it weighs the places
    of all crops together, leaves the picture's lower border out, and enlarges small pictures. One crop takes some
    270 billion multiplications and additions, seconds on one CPU core: give fewer `crops`, or a GPU.

    Parameters
    ----------
    weights : optional
        Default: the authors' PIPAL checkpoint. The authors' files and IQA-PyTorch's have one layout.
    scale : float, optional
        Of what a layer of windows adds to its input, as trained: 0.13 for PIPAL, 0.8 for the authors' checkpoints of
        KonIQ-10k and KADID-10k. Nothing in a file tells which, and the wrong one gives another score: it must be given
        with any weights but the catalogue's, for which it is known.
    crops : int
        How many crops; fewer where they would coincide.
    seed : int, optional
        Draw the crops as the authors' `predict_one_image.py` does after `numpy.random.seed(seed)` (theirs is 20).

    Raises
    ------
    InputError
        If `crops`, `seed` or `scale` is impossible, or no scale is given with weights of one's own.
    WeightError
        If the checkpoint cannot be had or does not fit.
    """

    name = "maniqa"

    def __init__(
        self, weights: Weights | None = None, *, scale: float | None = None, crops: int = 20, seed: int | None = None
    ) -> None:
        super().__init__()
        check_crops(crops, seed)
        if scale is None:
            if weights is not None and not (isinstance(weights, str) and weights in self.spec.weights):
                raise InputError(
                    expected="scale= with weights of your own, since nothing in a file of MANIQA tells it",
                    got="none",
                    fix=f"pass scale={PIPAL} for weights trained on PIPAL, {OTHERS} for the authors' of KonIQ-10k and "
                    "KADID-10k",
                )
            scale = PIPAL
        check_factor("scale", scale, f"pass {PIPAL} (PIPAL) or {OTHERS} (KonIQ-10k, KADID-10k)")
        self.crops, self.seed = crops, seed
        self.network = unfilled(lambda: Network(float(scale)))
        load_into(
            self.network,
            self.own_weights(weights),
            "MANIQA",
            inside=("params", "state_dict"),
            rename=without_tables,
            unused=UNUSED,
        )

    def rate(self, image: Tensor, reference: Tensor | None) -> Tensor:
        height, width = image.shape[-2:]
        if self.seed is None:
            places = even_places(height, width, SIDE, self.crops)
        else:
            places = numpy_places(height, width, SIDE, self.crops, self.seed)
        return mean_over_crops(image, places, SIDE, self.network, CHUNK)
