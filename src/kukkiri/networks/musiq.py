"""MUSIQ: a transformer that reads patches of one picture at several sizes (Ke et al., ICCV 2021, arXiv:2108.05997).

Names of parameters are those of the checkpoints in PyTorch's form (`conv_root.weight`, `block1.conv1.weight`,
`transformer_encoder.transformer.encoderblock_0.attention.query.weight`, …). The arithmetic is that of the authors'
JAX code, which ports differ from: weights are standardised by their population deviation, and GELU is the tanh form.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

PATCH = 32
WIDTH, HIDDEN, HEADS, LAYERS = 384, 1152, 6, 14
# The position of a patch is hashed to a table of GRID × GRID entries, its picture to one of SCALES.
GRID, SCALES = 10, 3
STEM, STEM_WIDE, STEM_SIDE = 64, 256, PATCH // 4
GROUPS = 32
# So many patches pass the convolutions at once: more would need more memory, not less time.
TOGETHER = 128


class StandardisedConv2d(nn.Conv2d):
    """A convolution whose kernels have mean 0 and deviation 1, with TensorFlow's 'same' padding; no bias."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1) -> None:
        super().__init__(inputs, outputs, kernel, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C', H / stride, W / stride), for sides that the stride divides."""
        weight = self.weight - self.weight.mean((1, 2, 3), keepdim=True)
        weight = weight / (weight.std((1, 2, 3), correction=0, keepdim=True) + 1e-5)
        zeros = self.kernel_size[0] - self.stride[0]
        before, after = zeros // 2, zeros - zeros // 2
        if before != after:
            x, before = F.pad(x, (before, after, before, after)), 0
        return F.conv2d(x, weight, None, self.stride, before)


class Bottleneck(nn.Module):
    """Three convolutions beside a projection, each with group normalisation."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = StandardisedConv2d(STEM, STEM, 1)
        self.gn1 = nn.GroupNorm(GROUPS, STEM, 1e-4)
        self.conv2 = StandardisedConv2d(STEM, STEM, 3)
        self.gn2 = nn.GroupNorm(GROUPS, STEM, 1e-4)
        self.conv3 = StandardisedConv2d(STEM, STEM_WIDE, 1)
        self.gn3 = nn.GroupNorm(GROUPS, STEM_WIDE, 1e-4)
        self.conv_proj = StandardisedConv2d(STEM, STEM_WIDE, 1)
        self.gn_proj = nn.GroupNorm(GROUPS, STEM_WIDE, 1e-4)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 64, H, W) to (N, 256, H, W)."""
        y = F.relu(self.gn1(self.conv1(x)))
        y = F.relu(self.gn2(self.conv2(y)))
        return F.relu(self.gn3(self.conv3(y)) + self.gn_proj(self.conv_proj(x)))


class Attention(nn.Module):
    """Self-attention of several heads."""

    def __init__(self) -> None:
        super().__init__()
        self.query = nn.Linear(WIDTH, WIDTH)
        self.key = nn.Linear(WIDTH, WIDTH)
        self.value = nn.Linear(WIDTH, WIDTH)
        self.out = nn.Linear(WIDTH, WIDTH)

    def forward(self, x: Tensor, asking: int) -> Tensor:
        """(N, L, 384) to (N, asking, 384): what the first `asking` tokens gather from all."""
        q, k, v = (
            t.unflatten(2, (HEADS, -1)).transpose(1, 2) for t in (self.query(x[:, :asking]), self.key(x), self.value(x))
        )
        gathered: Tensor = self.out(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))
        return gathered


class FeedForward(nn.Module):
    """Two layers, applied to each token."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(WIDTH, HIDDEN)
        self.fc2 = nn.Linear(HIDDEN, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        """(N, L, 384) to the same."""
        y: Tensor = self.fc2(F.gelu(self.fc1(x), approximate="tanh"))
        return y


class EncoderBlock(nn.Module):
    """Attention and a feed-forward step, each after a normalisation and added to its input."""

    def __init__(self) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(WIDTH, 1e-6)
        self.attention = Attention()
        self.norm2 = nn.LayerNorm(WIDTH, 1e-6)
        self.mlp = FeedForward()

    def forward(self, x: Tensor, asking: int) -> Tensor:
        """(N, L, 384) to (N, asking, 384): the first tokens, changed by all."""
        y = x[:, :asking] + self.attention(self.norm1(x), asking)
        changed: Tensor = y + self.mlp(self.norm2(y))
        return changed


class PositionEmbedding(nn.Module):
    """Adds what belongs to the place of a patch."""

    def __init__(self) -> None:
        super().__init__()
        self.position_emb = nn.Parameter(torch.zeros(1, GRID * GRID, WIDTH))

    def forward(self, x: Tensor, places: Tensor) -> Tensor:
        """(N, L, 384) and indices (L,) to (N, L, 384)."""
        return x + self.position_emb[0, places]


class ScaleEmbedding(nn.Module):
    """Adds what belongs to the size that the picture of a patch was brought to."""

    def __init__(self) -> None:
        super().__init__()
        self.scale_emb = nn.Parameter(torch.zeros(SCALES, WIDTH))

    def forward(self, x: Tensor, scales: Tensor) -> Tensor:
        """(N, L, 384) and indices (L,) to (N, L, 384)."""
        return x + self.scale_emb[scales]


class Encoder(nn.Module):
    """The transformer; what it says stands in a token of its own, before all others."""

    def __init__(self) -> None:
        super().__init__()
        self.posembed_input = PositionEmbedding()
        self.scaleembed_input = ScaleEmbedding()
        self.cls = nn.Parameter(torch.zeros(1, 1, WIDTH))
        self.encoder_norm = nn.LayerNorm(WIDTH, 1e-6)
        self.transformer = nn.ModuleDict({f"encoderblock_{i}": EncoderBlock() for i in range(LAYERS)})

    def forward(self, x: Tensor, places: Tensor, scales: Tensor) -> Tensor:
        """(N, L, 384) and the indices (L,) of places and scales to (N, 1, 384)."""
        x = self.scaleembed_input(self.posembed_input(x, places), scales)
        x = torch.cat([self.cls.expand(x.shape[0], -1, -1).to(x.dtype), x], 1)
        *blocks, last = self.transformer.values()
        for block in blocks:
            x = block(x, x.shape[1])
        # Nothing reads the other tokens after the last block.
        said: Tensor = self.encoder_norm(last(x, 1))
        return said


class MultiscaleTransformer(nn.Module):
    """The whole network, from pictures at several sizes to one value, or to shares of the scores 1, 2, ….

    Parameters
    ----------
    outputs : int
        1: a value; more: shares that sum to 1.
    """

    def __init__(self, outputs: int = 1) -> None:
        super().__init__()
        self.conv_root = StandardisedConv2d(3, STEM, 7, 2)
        self.gn_root = nn.GroupNorm(GROUPS, STEM, 1e-6)
        self.block1 = Bottleneck()
        self.embedding = nn.Linear(STEM_WIDE * STEM_SIDE**2, WIDTH)
        self.transformer_encoder = Encoder()
        last = nn.Linear(WIDTH, outputs)
        self.head = last if outputs == 1 else nn.Sequential(last, nn.Softmax(-1))

    def forward(self, pictures: Sequence[Tensor], limit: int | None = None) -> Tensor:
        """Judge a batch.

        Parameters
        ----------
        pictures : sequence of Tensor, (N, 3, H, W), values in [−1, 1]
            The same pictures at each of three sizes, their own last.
        limit : int, optional
            At most so many patches of the last ones are read: the first in reading order, as the authors do.

        Returns
        -------
        Tensor, (N, outputs)
        """
        cut = [patches(picture) for picture in pictures]
        where = [torch.from_numpy(hashed_places(-(-p.shape[2] // PATCH), -(-p.shape[3] // PATCH))) for p in pictures]
        if limit is not None:
            cut[-1], where[-1] = cut[-1][:, :limit], where[-1][:limit]
        device = pictures[0].device
        places = torch.cat(where).to(device)
        scales = torch.cat([torch.full((len(p),), i) for i, p in enumerate(where)]).to(device)
        together = torch.cat(cut, 1)
        each = together.flatten(0, 1)
        tokens = torch.cat([self.embed(each[i : i + TOGETHER]) for i in range(0, len(each), TOGETHER)])
        said: Tensor = self.transformer_encoder(tokens.reshape(*together.shape[:2], WIDTH), places, scales)
        with torch.autocast(device.type, enabled=False):  # the steps of short numbers would show in the score
            judged: Tensor = self.head(said[:, 0].float())
        return judged

    def embed(self, parts: Tensor) -> Tensor:
        """Patches (P, 32, 32, 3) to tokens (P, 384)."""
        # Channels lie last in memory from the patch to the token: the order in which the embedding reads them.
        x = F.relu(self.gn_root(self.conv_root(parts.movedim(3, 1))))
        # Padding of one side only, so that windows begin with the first pixel; nothing is below 0 here.
        x = self.block1(F.max_pool2d(F.pad(x, (0, 1, 0, 1)), 3, 2))
        token: Tensor = self.embedding(x.movedim(1, 3).flatten(1))
        return token


def patches(picture: Tensor) -> Tensor:
    """The squares of 32 × 32 px that a picture is tiled with.

    Parameters
    ----------
    picture : Tensor, (N, C, H, W)
        Zeros complete it, evenly on both sides.

    Returns
    -------
    Tensor, (N, ⌈H / 32⌉·⌈W / 32⌉, 32, 32, C), in reading order
    """
    height, width = picture.shape[-2:]
    down, across = -height % PATCH, -width % PATCH
    padded = F.pad(picture, (across // 2, across - across // 2, down // 2, down - down // 2))
    rows, columns = (height + down) // PATCH, (width + across) // PATCH
    squares = padded.reshape(*padded.shape[:2], rows, PATCH, columns, PATCH)
    return squares.permute(0, 2, 4, 3, 5, 1).flatten(1, 2)


@lru_cache(maxsize=64)
def hashed_places(rows: int, columns: int) -> NDArray[np.int64]:
    """Entries of the table of positions for a grid of patches, in reading order: the paper's hash-based embedding."""

    def hashed(count: int) -> NDArray[np.int64]:
        # Nearest-neighbour resizing of 0 … 9 in single precision, as TensorFlow does.
        step = np.float32(GRID) / np.float32(count)
        found: NDArray[np.int64] = np.floor(np.arange(count, dtype=np.float32) * step).astype(np.int64)
        return found.clip(max=GRID - 1)

    places: NDArray[np.int64] = (hashed(rows)[:, None] * GRID + hashed(columns)).reshape(-1)
    return places
