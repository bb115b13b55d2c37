"""The transformer encoder of DETR, in its variant that normalises first (Carion et al., ECCV 2020, arXiv:2005.12872).

Names of parameters are those of PyTorch's `MultiheadAttention` and of DETR's own code
(`layers.0.self_attn.in_proj_weight`, `layers.0.linear1.weight`, `norm.weight`, …).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Attention(nn.Module):
    """Self-attention of several heads, with positions seen by queries and keys, but not by values."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        # Not initialised: a checkpoint fills them, and drawing a hundred million numbers first takes seconds.
        self.in_proj_weight = nn.Parameter(torch.empty(3 * width, width))
        self.in_proj_bias = nn.Parameter(torch.empty(3 * width))
        with torch.device("meta"):
            self.out_proj = nn.Linear(width, width)
        self.out_proj = self.out_proj.to_empty(device="cpu")

    def forward(self, x: Tensor, positions: Tensor) -> Tensor:
        """(N, L, C) and positions (L, C) to (N, L, C)."""
        width = x.shape[2]
        wide, bias = self.in_proj_weight, self.in_proj_bias
        pair = F.linear(x + positions, wide[: 2 * width], bias[: 2 * width])
        value = F.linear(x, wide[2 * width :], bias[2 * width :])
        query, key, value = (
            t.reshape(*t.shape[:2], self.heads, -1).transpose(1, 2) for t in (*pair.chunk(2, 2), value)
        )
        mixed = F.scaled_dot_product_attention(query, key, value)
        out: Tensor = self.out_proj(mixed.transpose(1, 2).flatten(2))
        return out


class EncoderLayer(nn.Module):
    """Attention, then two fully connected layers; each is normalised before and added to its input."""

    def __init__(self, width: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.self_attn = Attention(width, heads)
        self.linear1 = nn.Linear(width, hidden)
        self.linear2 = nn.Linear(hidden, width)
        self.norm1 = nn.LayerNorm(width)
        self.norm2 = nn.LayerNorm(width)

    def forward(self, x: Tensor, positions: Tensor) -> Tensor:
        """(N, L, C) and positions (L, C) to (N, L, C)."""
        x = x + self.self_attn(self.norm1(x), positions)
        wide = F.relu(self.linear1(self.norm2(x)))
        found: Tensor = x + self.linear2(wide)
        return found


class Encoder(nn.Module):
    """Several layers, and a normalisation at the end.

    Parameters
    ----------
    width : int
        Channels of a token.
    heads, hidden, layers : int
        Heads of attention, width between the two fully connected layers, and number of layers.
    """

    def __init__(self, width: int, heads: int, hidden: int, layers: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(EncoderLayer(width, heads, hidden) for _ in range(layers))
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor, positions: Tensor) -> Tensor:
        """Tokens (N, L, C) and their positions (L, C) to tokens (N, L, C)."""
        for layer in self.layers:
            x = layer(x, positions)
        found: Tensor = self.norm(x)
        return found
