"""Blurs that are made up, and estimators that give them: what is built on a blur size is tested without one."""

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from kukkiri.images.masks import Box
from kukkiri.sharpness.blur import LARGEST, SMALLEST, Blur

HALF_90 = 1.6448536269514722


def made_blur(
    sigma: float = 1.0,
    error: float = 0.05,
    *,
    bound: Literal["below", "above"] | None = None,
    abstained: str | None = None,
    ratio: float = 1.0,
    angle: float = 0.0,
    size: tuple[int, int] = (128, 128),
    cells: Tensor | None = None,
    evidence: Tensor | None = None,
    family: str = "disc",
    unlike: float = 0.1,
    sigma_m: float | None = None,
) -> Blur:
    """A blur with a log-normal interval of this relative error."""
    h, w = (-(-n // 8) for n in size)
    cells = torch.full((h, w), sigma) if cells is None else cells
    evidence = torch.full((h, w), 0.8) if evidence is None else evidence
    shares = {name: 0.9 if name == family else 0.05 for name in ("gaussian", "disc", "motion")}
    nan = math.nan
    if abstained:
        shares = dict.fromkeys(shares, nan)
        return Blur(
            nan, nan, (nan, nan), None, nan, nan, nan, shares, 0.01, cells, 0 * evidence, 8, size, nan, abstained
        )
    interval = (sigma * math.exp(-HALF_90 * error), sigma * math.exp(HALF_90 * error))
    if bound == "above":
        sigma, interval = LARGEST, (LARGEST * 0.9, math.inf)
    if bound == "below":
        sigma, interval = SMALLEST, (0.0, SMALLEST * 1.1)
    e = (ratio**2 - 1) / (ratio**2 + 1)
    major, minor = sigma * math.sqrt(1 + e), sigma * math.sqrt(1 - e)
    return Blur(
        sigma, 0.8 * sigma, interval, bound, major, minor, angle, shares, 0.01, cells, evidence, 8, size, unlike, None,
        sigma_m,
    )  # fmt: skip


class InTurn:
    """An estimator that gives these blurs one after the other, whatever it is shown."""

    def __init__(self, blurs: Sequence[Blur]) -> None:
        self.left = list(blurs)

    def estimate(self, image: Any, *, mask: Any = None, box: Box | None = None) -> Blur:
        return self.left.pop(0)


class OverTheFrame:
    """An estimator that knows sigma (and the axes) as a function of x and y from the centre, pixels.

    Calls count the channel by its mean: `channel` multiplies sigma.
    """

    def __init__(
        self,
        sigma: Callable[[Tensor, Tensor], Tensor],
        axes: Callable[[float, float], tuple[float, float]] = lambda x, y: (1.0, 0.0),
        *,
        size: tuple[int, int],
        error: float = 0.03,
        silent: Callable[[float, float], bool] = lambda x, y: False,
        channel: Callable[[Tensor], float] = lambda pixels: 1.0,
    ) -> None:
        self.sigma, self.axes, self.size, self.error = sigma, axes, size, error
        self.silent, self.channel = silent, channel
        self.boxes: list[Box | None] = []

    def estimate(self, image: Any, *, mask: Any = None, box: Box | None = None) -> Blur:
        self.boxes.append(box)
        height, width = self.size
        box = box or Box(0, 0, height, width)
        y = torch.arange(-(-box.height // 8)) * 8 + 4.0 + box.top - height / 2
        x = torch.arange(-(-box.width // 8)) * 8 + 4.0 + box.left - width / 2
        cells = self.sigma(*torch.meshgrid(x, y, indexing="xy")) * self.channel(image.pixels)
        middle = box.left + box.width / 2 - width / 2, box.top + box.height / 2 - height / 2
        ratio, angle = self.axes(*middle)
        if self.silent(*middle) and box.height < height:
            return made_blur(abstained="no evidence", size=(box.height, box.width), cells=cells)
        return made_blur(
            float(cells.median()), self.error, ratio=ratio, angle=angle, size=(box.height, box.width), cells=cells
        )
