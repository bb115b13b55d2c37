"""A convolution that looks where its input tells it to (Dai et al., ICCV 2017, arXiv:1703.06211)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SIDE = 3


class DeformableConv2d(nn.Module):
    """A 3 × 3 convolution without bias whose nine places are moved, at every pixel, by a convolution of the input.

    Between pixels the input is interpolated linearly; outside it is 0. Names of parameters: `p_conv` for the moves, all
    nine rows before all nine columns, and `conv`.

    Parameters
    ----------
    inputs, outputs : int
        Channels.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, SIDE, bias=False)
        self.p_conv = nn.Conv2d(inputs, 2 * SIDE**2, SIDE, padding=SIDE // 2)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W), H and W over 1, to (N, C', H, W)."""
        count, _, height, width = x.shape
        moves = self.p_conv(x).view(count, 2, SIDE, SIDE, height, width)
        near = torch.arange(SIDE, device=x.device) - SIDE // 2
        rows = moves[:, 0] + near[:, None, None, None] + torch.arange(height, device=x.device)[:, None]
        columns = moves[:, 1] + near[:, None, None] + torch.arange(width, device=x.device)
        # From pixels to the -1 … 1 of grid_sample, of which the ends are the middles of the outermost pixels.
        grid = torch.stack([columns * (2 / (width - 1)) - 1, rows * (2 / (height - 1)) - 1], dim=-1)
        seen = F.grid_sample(x, grid.view(count, SIDE**2, height * width, 2), align_corners=True)
        weight = self.conv.weight.flatten(1)
        return (weight @ seen.flatten(1, 2)).view(count, -1, height, width)
