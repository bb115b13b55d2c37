"""Blocks of the Swin transformer: attention within windows that are shifted from block to block.

Liu et al., ICCV 2021 (arXiv:2103.14030), Section 3.2. Names of parameters are the authors' (`norm1.weight`,
`attn.relative_position_bias_table`, `attn.qkv.weight`, `mlp.fc1.weight`, …). What their files hold besides, the tables
`relative_position_index` and `attn_mask`, follows from the sizes and is not loaded.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from kukkiri.networks.vit import Perceptron

# Added to what must not be attended to; the authors' number.
FORBIDDEN = -100.0


class WindowAttention(nn.Module):
    """Attention within windows, biased by where one token lies from the other.

    Parameters
    ----------
    width, heads, window : int
        Size of a token, heads, and side of a window in tokens.
    """

    def __init__(self, width: int, heads: int, window: int) -> None:
        super().__init__()
        self.heads = heads
        self.relative_position_bias_table = nn.Parameter(torch.zeros((2 * window - 1) ** 2, heads))
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self.register_buffer("_places", relative_places(window), persistent=False)
        self._places: Tensor

    def forward(self, x: Tensor, forbidden: Tensor | None = None) -> Tensor:
        """(N, windows, L, C) to the same shape.

        Parameters
        ----------
        x : Tensor, (N, windows, L, C)
        forbidden : Tensor, (windows, 1, L, L), optional
            Added to the logits of all heads.
        """
        shape = (*x.shape[:3], 3, self.heads, x.shape[3] // self.heads)
        queries, keys, values = self.qkv(x).view(shape).permute(3, 0, 1, 4, 2, 5)
        bias = self.relative_position_bias_table[self._places].permute(2, 0, 1)
        if forbidden is not None:
            bias = bias + forbidden
        # Without the fused kernel, which is slower for so few tokens.
        weights = (queries * queries.shape[-1] ** -0.5) @ keys.transpose(-2, -1)
        mixed = (weights + bias).softmax(-1) @ values
        y: Tensor = self.proj(mixed.transpose(2, 3).flatten(3))
        return y


class SwinBlock(nn.Module):
    """Attention within (shifted) windows, then a perceptron, each normalised before and added to its input.

    Parameters
    ----------
    side : int
        Tokens of a row and of a column; a multiple of `window`.
    width, heads, window, hidden : int
        Size of a token, heads, side of a window, and size of the perceptron's hidden layer.
    shift : int
        By how many tokens the windows are shifted up and to the left, around the border.
    """

    def __init__(self, side: int, width: int, heads: int, *, window: int, shift: int, hidden: int) -> None:
        super().__init__()
        self.side, self.window, self.shift = side, window, shift
        self.norm1 = nn.LayerNorm(width)
        self.attn = WindowAttention(width, heads, window)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = Perceptron(width, hidden)
        self.register_buffer("_forbidden", across_the_border(side, window, shift) if shift else None, persistent=False)
        self._forbidden: Tensor | None

    def forward(self, x: Tensor) -> Tensor:
        """(N, side², C) to the same shape."""
        y = self.norm1(x).view(len(x), self.side, self.side, -1)
        if self.shift:
            y = y.roll((-self.shift, -self.shift), (1, 2))
        y = from_windows(self.attn(to_windows(y, self.window), self._forbidden), self.side)
        if self.shift:
            y = y.roll((self.shift, self.shift), (1, 2))
        x = x + y.flatten(1, 2)
        z: Tensor = x + self.mlp(self.norm2(x))
        return z


def to_windows(x: Tensor, window: int) -> Tensor:
    """(N, H, W, C) to (N, H·W / window², window², C)."""
    count, height, width, size = x.shape
    parts = x.reshape(count, height // window, window, width // window, window, size)
    return parts.transpose(2, 3).reshape(count, -1, window**2, size)


def from_windows(x: Tensor, side: int) -> Tensor:
    """The inverse of `to_windows`: (N, windows, L, C) to (N, side, side, C)."""
    window = round(x.shape[2] ** 0.5)
    parts = x.view(len(x), side // window, side // window, window, window, -1)
    return parts.transpose(2, 3).reshape(len(x), side, side, -1)


def relative_places(window: int) -> Tensor:
    """For every pair of tokens of a window, where in the table of biases their displacement stands: (L, L)."""
    place = torch.arange(window, device="cpu")
    rows, columns = torch.meshgrid(place, place, indexing="ij")
    down = rows.flatten()[:, None] - rows.flatten() + window - 1
    across = columns.flatten()[:, None] - columns.flatten() + window - 1
    return down * (2 * window - 1) + across


def across_the_border(side: int, window: int, shift: int) -> Tensor:
    """What keeps tokens apart that only the shift around the border has brought into one window.

    Returns
    -------
    Tensor, (windows, 1, L, L)
        0, or -100 between tokens of different sides.
    """
    # Three bands: those of whole windows, and the last one's two parts, before and behind the border.
    place = torch.arange(side, device="cpu")
    band = (place >= side - window).long() + (place >= side - shift)
    region = to_windows((3 * band[:, None] + band)[None, :, :, None].float(), window)[0, :, :, 0]
    return (region[:, None, :, None] != region[:, None, None, :]).float() * FORBIDDEN
