"""The transformer of IQT: an encoder of feature differences, and a decoder that asks it for the quality.

Cheon, Yoon, Kang, Lee, CVPR Workshops 2021, Section 3.2, with what the port of anse3832 (GitHub, IQT) adds to it: heads
as wide as the tokens themselves, normalisation after each addition, and a mask in the decoder. Names of parameters are
the port's.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# Of layer normalisation.
EPSILON = 1e-12
HEADS = 4
WIDTH_OF_FEED_FORWARD = 1024


@dataclass(frozen=True)
class Shape:
    """Sizes of one published network.

    Parameters
    ----------
    side : int
        Tokens lie on a square of so many by so many.
    layers : int
        Of the encoder, and as many of the decoder.
    width, hidden : int
        Of a token, and of the hidden layer that makes the score.
    """

    side: int
    layers: int
    width: int
    hidden: int


class Attention(nn.Module):
    """Attention of several heads, each as wide as a token."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width
        self.W_Q, self.W_K, self.W_V = (nn.Linear(width, HEADS * width) for _ in range(3))
        self.linear = nn.Linear(HEADS * width, width)

    def forward(self, queries: Tensor, tokens: Tensor) -> Tensor:
        """What the queries (N, Q, D) find in the tokens (N, T, D): (N, Q, D)."""
        if queries.shape[1] == 1:
            answer: Tensor = self.linear(self._single(queries, tokens))
            return answer
        split = (HEADS, self.width)
        q = self.W_Q(queries).unflatten(2, split).transpose(1, 2)
        k, v = (project(tokens).unflatten(2, split).transpose(1, 2) for project in (self.W_K, self.W_V))
        found: Tensor = self.linear(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))
        return found

    def _single(self, query: Tensor, tokens: Tensor) -> Tensor:
        # With one query, q·(W k + b) = (Wᵀq)·k + const, which the softmax does not see, and weights that sum to 1 go
        # past the projection of the values: not one token needs to be projected.
        kernels = (HEADS, self.width, self.width)
        q = self.W_Q(query[:, 0]).unflatten(1, kernels[:2])
        asked = torch.einsum("nhw,hwd->nhd", q, self.W_K.weight.reshape(kernels))
        shares = (asked @ tokens.transpose(1, 2) * self.width**-0.5).softmax(-1)
        values = torch.einsum("nhd,hwd->nhw", shares @ tokens, self.W_V.weight.reshape(kernels))
        return (values.flatten(1) + self.W_V.bias)[:, None]


class FeedForward(nn.Module):
    """Two linear layers for each token; the port has them as convolutions of one tap."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(width, WIDTH_OF_FEED_FORWARD, 1)
        self.conv2 = nn.Conv1d(WIDTH_OF_FEED_FORWARD, width, 1)

    def forward(self, tokens: Tensor) -> Tensor:
        """(N, T, D) to the same shape."""
        hidden = F.gelu(F.linear(tokens, self.conv1.weight[..., 0], self.conv1.bias))
        return F.linear(hidden, self.conv2.weight[..., 0], self.conv2.bias)


class EncoderLayer(nn.Module):
    """Tokens look at each other, then each for itself."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.self_attn = Attention(width)
        self.layer_norm1 = nn.LayerNorm(width, EPSILON)
        self.pos_ffn = FeedForward(width)
        self.layer_norm2 = nn.LayerNorm(width, EPSILON)

    def forward(self, tokens: Tensor) -> Tensor:
        """(N, T, D) to the same shape."""
        tokens = self.layer_norm1(tokens + self.self_attn(tokens, tokens))
        normed: Tensor = self.layer_norm2(tokens + self.pos_ffn(tokens))
        return normed


class DecoderLayer(nn.Module):
    """Tokens look at each other, then at what the encoder made, then each for itself."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.self_attn = Attention(width)
        self.layer_norm1 = nn.LayerNorm(width, EPSILON)
        self.dec_enc_attn = Attention(width)
        self.layer_norm2 = nn.LayerNorm(width, EPSILON)
        self.pos_ffn = FeedForward(width)
        self.layer_norm3 = nn.LayerNorm(width, EPSILON)

    def forward(self, queries: Tensor, tokens: Tensor, encoded: Tensor) -> Tensor:
        """The queries (N, Q, D) are those of the tokens (N, T, D) whose values are wanted: (N, Q, D)."""
        queries = self.layer_norm1(queries + self.self_attn(queries, tokens))
        queries = self.layer_norm2(queries + self.dec_enc_attn(queries, encoded))
        normed: Tensor = self.layer_norm3(queries + self.pos_ffn(queries))
        return normed


class Tokens(nn.Module):
    """A token that stands for the whole before those of the places, and learned positions."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.pos_embedding = nn.Parameter(torch.randn(1, shape.side**2 + 1, shape.width))
        self.cls_token = nn.Parameter(torch.randn(1, 1, shape.width))

    def tokens(self, features: Tensor) -> Tensor:
        """Features (N, D, h, w) as tokens (N, 1 + h·w, D), by rows."""
        places = features.flatten(2).transpose(1, 2)
        return torch.cat([self.cls_token.expand(len(places), -1, -1), places], 1) + self.pos_embedding


class Encoder(Tokens):
    """Feature differences (N, D, h, w) to tokens (N, 1 + h·w, D)."""

    def __init__(self, shape: Shape) -> None:
        super().__init__(shape)
        self.layers = nn.ModuleList(EncoderLayer(shape.width) for _ in range(shape.layers))

    def forward(self, features: Tensor) -> Tensor:
        """(N, D, h, w) to (N, 1 + h·w, D)."""
        tokens = self.tokens(features)
        for layer in self.layers:
            tokens = layer(tokens)
        return tokens


class Decoder(Tokens):
    """What the token of the whole finds: only that one is asked for."""

    def __init__(self, shape: Shape) -> None:
        super().__init__(shape)
        self.layers = nn.ModuleList(DecoderLayer(shape.width) for _ in range(shape.layers))

    def forward(self, features: Tensor | None, encoded: Tensor) -> Tensor:
        """The token of the whole (N, 1, D).

        Parameters
        ----------
        features : Tensor, (N, D, h, w), or None
            Of the reference. None: masked, so that a token sees none after it. The token of the whole is the first,
            thus sees itself alone, and nothing depends on the others.
        encoded : Tensor, (N, T, D)
        """
        if features is None:
            tokens = (self.cls_token + self.pos_embedding[:, :1]).expand(len(encoded), -1, -1)
        else:
            tokens = self.tokens(features)
        for number, layer in enumerate(self.layers, start=1):
            queries = tokens[:, :1] if number == len(self.layers) else tokens
            tokens = layer(queries, tokens, encoded)
        return tokens


class Transformer(nn.Module):
    """Encoder and decoder."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.encoder = Encoder(shape)
        self.decoder = Decoder(shape)
