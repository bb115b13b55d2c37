"""Vision transformers of one width, with their tokens at several depths.

Dosovitskiy et al., ICLR 2021 (arXiv:2010.11929), Section 3.1, without the classifier. Names of parameters are timm's
(`patch_embed.proj.weight`, `pos_embed`, `blocks.0.attn.qkv.weight`, …).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kukkiri.errors import InputError, ShapeError

# Of the layer normalisations, as in the authors' own checkpoints.
EPSILON = 1e-6


class Attention(nn.Module):
    """Scaled dot-product attention among tokens with several heads (Vaswani et al. 2017).

    Parameters
    ----------
    width, heads : int
        Size of a token, and among how many heads it is divided.
    bias : bool
        Whether queries, keys and values have one.
    """

    def __init__(self, width: int, heads: int, *, bias: bool = True) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width, bias=bias)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """(N, L, C) to the same shape."""
        queries, keys, values = self.qkv(x).view(*x.shape[:2], 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(queries, keys, values)
        y: Tensor = self.proj(mixed.transpose(1, 2).flatten(2))
        return y


class Perceptron(nn.Module):
    """Two layers at every token, with the exact (not the tanh) GELU between them."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        """(…, C) to the same shape."""
        y: Tensor = self.fc2(F.gelu(self.fc1(x)))
        return y


class Block(nn.Module):
    """Attention, then the perceptron, each normalised before and added to its input."""

    def __init__(self, width: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, EPSILON)
        self.attn = Attention(width, heads)
        self.norm2 = nn.LayerNorm(width, EPSILON)
        self.mlp = Perceptron(width, hidden)

    def forward(self, x: Tensor) -> Tensor:
        """(N, L, C) to the same shape."""
        x = x + self.attn(self.norm1(x))
        y: Tensor = x + self.mlp(self.norm2(x))
        return y


class PatchEmbedding(nn.Module):
    """One token a patch, rows from left to right."""

    def __init__(self, patch: int, width: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, width, patch, patch)

    def forward(self, image: Tensor) -> Tensor:
        """(N, 3, H, W) to (N, H·W / patch², C)."""
        tokens: Tensor = self.proj(image).flatten(2).transpose(1, 2)
        return tokens


class VisionTransformer(nn.Module):
    """The tokens of a vision transformer; the defaults are those of ViT-B/8.

    Parameters
    ----------
    side, patch : int
        Side of the pictures and of a patch, pixels.
    width, heads : int
        Size of a token, and heads of an attention.
    depth : int
        Blocks that are built; the paper's base model has 12.
    """

    def __init__(self, side: int = 224, patch: int = 8, *, width: int = 768, heads: int = 12, depth: int = 12) -> None:
        super().__init__()
        self.side = side
        self.patch_embed = PatchEmbedding(patch, width)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embed = nn.Parameter(torch.zeros(1, (side // patch) ** 2 + 1, width))
        self.blocks = nn.ModuleList(Block(width, heads, 4 * width) for _ in range(depth))

    def tokens(self, image: Tensor, taps: Sequence[int]) -> tuple[Tensor, ...]:
        """What comes out of several blocks; nothing deeper than the deepest is computed.

        Parameters
        ----------
        image : Tensor, (N, 3, side, side)
            Normalised as the checkpoint wants it.
        taps : sequence of int, increasing
            Numbers of blocks, from 0.

        Returns
        -------
        tuple of Tensor, (N, 1 + (side / patch)², C) each
            The class token first. Not normalised.

        Raises
        ------
        ShapeError
            If the pictures are of another size.
        InputError
            If the taps are not increasing numbers of blocks that were built.
        """
        if image.ndim != 4 or image.shape[1:] != (3, self.side, self.side):
            raise ShapeError(
                expected=f"a batch (N, 3, {self.side}, {self.side})",
                got=str(tuple(image.shape)),
                fix="crop or resize the pictures",
            )
        last = len(self.blocks) - 1
        if not taps or list(taps) != sorted(set(taps)) or taps[0] < 0 or taps[-1] > last:
            raise InputError(expected=f"increasing taps from 0 to {last}", got=str(tuple(taps)), fix="sort them")
        patches = self.patch_embed(image)
        x = torch.cat([self.cls_token.expand(len(patches), -1, -1), patches], dim=1) + self.pos_embed
        found = []
        for number, block in enumerate(self.blocks[: taps[-1] + 1]):
            x = block(x)
            if number in taps:
                found.append(x)
        return tuple(found)
