"""Features at several depths of a plain chain of layers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from torch import Tensor, nn


def stages(layers: nn.Sequential, ends: Sequence[int], x: Tensor) -> Iterator[Tensor]:
    """Run a chain of layers and give what comes out at several depths, one after the other.

    A generator: what follows is computed when it is asked for, so that a caller who is done with one depth before the
    next holds one of them in memory. Nothing deeper than the last is computed.

    Parameters
    ----------
    layers : nn.Sequential
    ends : sequence of int, increasing
        How many layers lie before each depth.
    x : Tensor, (N, C, H, W)

    Yields
    ------
    Tensor, (N, C, h, w)
    """
    first = 0
    for end in ends:
        for number in range(first, end):
            x = layers[number](x)
        first = end
        yield x
