"""Wrong colours. RGB only."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from kukkiri.images.colour import BT601, luma
from kukkiri.optics import psf
from kukkiri.optics.distort.drawing import angles, column, moved, signs
from kukkiri.optics.distort.exposure import from_light, to_light

# Cb and Cr reach from −0.5 to 0.5 (ITU-R BT.601): the range of blue − luma and of red − luma.
_BLUE, _RED = 2 * (1 - BT601[2]), 2 * (1 - BT601[0])


def to_ycbcr(image: Tensor) -> tuple[Tensor, Tensor]:
    """Luma and colour differences (ITU-R BT.601, full range).

    Parameters
    ----------
    image : Tensor, (N, 3, H, W)

    Returns
    -------
    (Tensor (N, 1, H, W) in [0, 1], Tensor (N, 2, H, W) in [−0.5, 0.5])
        Y; Cb and Cr.
    """
    y = luma(image)
    return y, torch.cat([(image[:, 2:3] - y) / _BLUE, (image[:, 0:1] - y) / _RED], 1)


def from_ycbcr(y: Tensor, chroma: Tensor) -> Tensor:
    """RGB of luma and colour differences, not clipped; the inverse of `to_ycbcr`."""
    blue, red = y + _BLUE * chroma[:, 0:1], y + _RED * chroma[:, 1:2]
    return torch.cat([red, (y - BT601[0] * red - BT601[2] * blue) / BT601[1], blue], 1)


def saturation_down(image: Tensor, parameters: Mapping[str, Tensor], generator: torch.Generator) -> Tensor:
    """Cb and Cr times `factor`; at 0 the picture is grey."""
    y, chroma = to_ycbcr(image)
    return from_ycbcr(y, chroma * column(parameters["factor"], image))


def saturation_up(image: Tensor, parameters: Mapping[str, Tensor], generator: torch.Generator) -> Tensor:
    """Cb and Cr times `factor`, above 1; what leaves [0, 1] is clipped."""
    return saturation_down(image, parameters, generator)


def colour_cast(image: Tensor, parameters: Mapping[str, Tensor], generator: torch.Generator) -> Tensor:
    """A gain of each channel's light, as from a wrong white balance; grey keeps its luma.

    The gains are exp(`strength`·cos(hue − 0°, 120°, 240°)) with a random hue.
    """
    hue = angles(len(image), generator)[:, None] - torch.tensor([0.0, 2.0, 4.0]) * (math.pi / 3)
    gains = torch.exp(parameters["strength"].cpu()[:, None] * torch.cos(hue))
    gains = gains / (gains * torch.tensor(BT601)).sum(1, keepdim=True)
    return from_light(to_light(image) * gains.to(image)[:, :, None, None])


def hue_shift(image: Tensor, parameters: Mapping[str, Tensor], generator: torch.Generator) -> Tensor:
    """Cb and Cr turned by `angle` degrees, one way or the other."""
    y, chroma = to_ycbcr(image)
    turn = torch.deg2rad(parameters["angle"].cpu()) * signs(len(image), generator)
    cos, sin = column(torch.cos(turn), image), column(torch.sin(turn), image)
    blue, red = chroma[:, 0:1], chroma[:, 1:2]
    return from_ycbcr(y, torch.cat([cos * blue - sin * red, sin * blue + cos * red], 1))


def chromatic_aberration(image: Tensor, parameters: Mapping[str, Tensor], generator: torch.Generator) -> Tensor:
    """Red shifted by `distance` px in a random direction, blue the other way."""
    direction, distance = angles(len(image), generator), parameters["distance"].cpu()
    dx, dy = ((distance * f(direction)).reshape(-1, 1, 1) for f in (torch.cos, torch.sin))
    red, blue = moved(image[:, 0:1], dx, dy, "bicubic"), moved(image[:, 2:3], -dx, -dy, "bicubic")
    return torch.cat([red, image[:, 1:2], blue], 1)


def colour_diffusion(image: Tensor, parameters: Mapping[str, Tensor], generator: torch.Generator) -> Tensor:
    """Cb and Cr blurred with a Gaussian of `sigma` px; Y stays sharp."""
    y, chroma = to_ycbcr(image)
    return from_ycbcr(y, psf.blur(chroma, psf.gaussian(parameters["sigma"])))
