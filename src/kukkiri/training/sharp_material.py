"""Sharp pictures to cut training pictures from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


class Material:
    """Sharp grey pictures to cut from: photographs area-reduced so that their own blur is small, and drawn ones.

    Parameters
    ----------
    photographs : sequence of ndarray (H, W, 3), uint8
        Already reduced.
    drawn : ndarray (M, S, S), uint8
    share_drawn : float
        How often a drawn picture is taken.
    """

    def __init__(
        self, photographs: Sequence[NDArray[np.uint8]], drawn: NDArray[np.uint8], share_drawn: float = 0.4
    ) -> None:
        self.photographs, self.drawn, self.share_drawn = photographs, drawn, share_drawn

    def cut(self, side: int, random: np.random.Generator) -> Tensor:
        """A random square (side, side) in [0, 1], turned and mirrored at random."""
        if random.random() < self.share_drawn:
            picture = self.drawn[int(random.integers(len(self.drawn)))].astype(np.float32) / 255
        else:
            colours = self.photographs[int(random.integers(len(self.photographs)))]
            # Any mixture of the channels is a grey picture of the same sharpness.
            mix = random.dirichlet((1.0, 2.0, 1.0)).astype(np.float32) / 255
            picture = colours @ mix
        missing = [max(0, side - n) for n in picture.shape]
        if any(missing):
            before = [int(random.integers(m + 1)) for m in missing]
            picture = np.pad(picture, [(b, m - b) for b, m in zip(before, missing)], mode="symmetric")
        top, left = (int(random.integers(n - side + 1)) for n in picture.shape)
        picture = picture[top : top + side, left : left + side]
        if random.random() < 0.5:
            picture = picture.T
        picture = picture[:: random.choice((1, -1)), :: random.choice((1, -1))]
        return torch.from_numpy(np.ascontiguousarray(picture))
