"""The image tower of CLIP as a vision transformer (Radford et al., ICML 2021, arXiv:2103.00020).

Names of parameters are those of OpenAI's checkpoints below `visual.` (`conv1.weight`, `class_embedding`,
`transformer.resblocks.0.attn.in_proj_weight`, …).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kukkiri.errors import ShapeError

# Mean and deviation of the pixels that the towers were trained on, by channel (RGB, values in [0, 1]).
MEAN = (0.48145466, 0.4578275, 0.40821073)
DEVIATION = (0.26862954, 0.26130258, 0.27577711)


@dataclass(frozen=True)
class Tower:
    """Sizes of one tower.

    Parameters
    ----------
    patch, grid : int
        Side of a patch in pixels, and patches along the side of the pictures that it was trained on.
    width, layers, heads : int
        Numbers of a token, blocks, and heads of the attention.
    outputs : int
        Length of the embedding that it shares with the text.
    """

    patch: int
    grid: int
    width: int
    layers: int
    heads: int
    outputs: int


VIT_B_32 = Tower(patch=32, grid=7, width=768, layers=12, heads=12, outputs=512)


def normalised(image: Tensor) -> Tensor:
    """RGB (N, 3, H, W) with values in [0, 1] as CLIP reads it."""
    mean, deviation = (image.new_tensor(v).view(3, 1, 1) for v in (MEAN, DEVIATION))
    return (image - mean) / deviation


class Attention(nn.Module):
    """Self-attention of several heads; queries, keys and values come from one matrix."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.in_proj_weight = nn.Parameter(torch.empty(3 * width, width))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * width))
        self.out_proj = nn.Linear(width, width)
        nn.init.xavier_uniform_(self.in_proj_weight)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """(N, L, width) to the same; `mask` (L, L) is added to the logits."""
        q, k, v = (
            t.reshape(*t.shape[:2], self.heads, -1).transpose(1, 2)
            for t in F.linear(x, self.in_proj_weight, self.in_proj_bias).chunk(3, 2)
        )
        gathered = F.scaled_dot_product_attention(q, k, v, mask)
        y: Tensor = self.out_proj(gathered.transpose(1, 2).flatten(2))
        return y


class FeedForward(nn.Module):
    """Two layers, applied to each token, with the quick form of GELU between: x·σ(1.702·x)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.c_fc = nn.Linear(width, 4 * width)
        self.c_proj = nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """(N, L, width) to the same."""
        y = self.c_fc(x)
        z: Tensor = self.c_proj(y * torch.sigmoid(1.702 * y))
        return z


class ResidualBlock(nn.Module):
    """Attention and a feed-forward step, each after a normalisation and added to its input."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(width)
        self.attn = Attention(width, heads)
        self.ln_2 = nn.LayerNorm(width)
        self.mlp = FeedForward(width)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """(N, L, width) to the same."""
        x = x + self.attn(self.ln_1(x), mask)
        changed: Tensor = x + self.mlp(self.ln_2(x))
        return changed


class Transformer(nn.Module):
    """A stack of blocks, without a normalisation at its end."""

    def __init__(self, width: int, layers: int, heads: int) -> None:
        super().__init__()
        self.resblocks = nn.ModuleList(ResidualBlock(width, heads) for _ in range(layers))

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """(N, L, width) to the same."""
        for block in self.resblocks:
            x = block(x, mask)
        return x


class VisionTransformer(nn.Module):
    """From a picture to its embedding, or to the tokens on the way.

    Parameters
    ----------
    tower : Tower
    """

    def __init__(self, tower: Tower = VIT_B_32) -> None:
        super().__init__()
        self.tower = tower
        width = tower.width
        self.conv1 = nn.Conv2d(3, width, tower.patch, tower.patch, bias=False)
        self.class_embedding = nn.Parameter(torch.zeros(width))
        self.positional_embedding = nn.Parameter(torch.zeros(tower.grid**2 + 1, width))
        self.ln_pre = nn.LayerNorm(width)
        self.transformer = Transformer(width, tower.layers, tower.heads)
        self.ln_post = nn.LayerNorm(width)
        self.proj = nn.Parameter(torch.zeros(width, tower.outputs))

    def tokens(self, image: Tensor, positions: Tensor | None = None) -> Tensor:
        """What the first block is given: the class token, then those of the patches in reading order.

        Parameters
        ----------
        image : Tensor, (N, 3, H, W), normalised
            What is left over at the right and below a whole number of patches is not read.
        positions : Tensor, (1 + patches, width), optional
            What belongs to the places of the tokens. Default: the tower's own, for pictures of its own size.

        Returns
        -------
        Tensor, (N, 1 + patches, width)

        Raises
        ------
        ShapeError
            If there are not as many places as tokens.
        """
        x = self.conv1(image).flatten(2).transpose(1, 2)
        x = torch.cat([self.class_embedding.to(x.dtype).expand(x.shape[0], 1, -1), x], 1)
        places = self.positional_embedding if positions is None else positions
        if places.shape[0] != x.shape[1]:
            side = self.tower.patch * self.tower.grid
            raise ShapeError(
                expected=f"positions of {x.shape[1]} tokens",
                got=f"{places.shape[0]}",
                fix=f"bring the picture to {side}×{side} px, or interpolate the positions",
            )
        ready: Tensor = self.ln_pre(x + places)
        return ready

    def forward(self, image: Tensor) -> Tensor:
        """The embedding (N, outputs) of normalised pictures (N, 3, H, W) of the tower's own size."""
        x = self.transformer(self.tokens(image))
        embedding: Tensor = self.ln_post(x[:, 0]) @ self.proj
        return embedding
