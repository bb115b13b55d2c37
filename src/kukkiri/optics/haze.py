"""Haze: the light of things fades with distance, and the light of the air takes its place.

I = J t + A (1 − t) with t = exp(−β d): Koschmieder's law in the form of Narasimhan and Nayar, IJCV 48(3), 2002, eqs. 5
and 9. J is the clear picture, d the distance, β how much the air scatters, A the light of the air. Everything is
differentiable in pictures, distances, β and A. Pictures are taken as they are, as the literature does, not in linear
light.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from kukkiri.errors import InputError, ShapeError

# Cells across the grids of random values that make a turbulent field, and how much each adds.
OCTAVES = ((3, 1.0), (6, 0.5), (12, 0.25), (24, 0.125))
# Layers of things that stand in the procedural scene, and how sharp their outlines are.
LAYERS, OUTLINE = 3, 60.0


def transmission(depth: Tensor, beta: float | Tensor) -> Tensor:
    """Share of the light that arrives, t = exp(−β d).

    Parameters
    ----------
    depth : Tensor, (N, 1, H, W), ≥ 0
        Distance, in any unit.
    beta : float or (N,), ≥ 0
        Scattering coefficient, per unit of the distance.

    Returns
    -------
    Tensor, (N, 1, H, W), values in (0, 1]

    Raises
    ------
    ShapeError, InputError
        If the distance is no map, there is neither one β nor one a sample, or a value is negative or not finite.
    """
    if depth.ndim != 4 or depth.shape[1] != 1:
        raise ShapeError(expected="distances (N, 1, H, W)", got=str(tuple(depth.shape)), fix="give one map a picture")
    strength = torch.as_tensor(beta, dtype=depth.dtype, device=depth.device).reshape(-1)
    if len(strength) not in (1, len(depth)):
        raise ShapeError(
            expected=f"one beta, or {len(depth)}", got=str(len(strength)), fix="give one for all or one a sample"
        )
    for name, value in (("beta", strength), ("distances", depth)):
        if not bool(torch.isfinite(value.detach()).all()) or bool((value.detach() < 0).any()):
            raise InputError(
                expected=f"{name} of 0 or more, finite",
                got=f"{float(value.detach().min()):g} to {float(value.detach().max()):g}",
                fix="replace unknown distances by the farthest",
            )
    return torch.exp(-strength.view(-1, 1, 1, 1) * depth)


def hazy(image: Tensor, through: Tensor, airlight: float | Tensor = 0.9) -> Tensor:
    """A picture seen through the air, I = J t + A (1 − t).

    Parameters
    ----------
    image : Tensor, (N, C, H, W), values in [0, 1]
        J, the clear picture.
    through : Tensor, (N, 1, H, W) or (N, 1, 1, 1), values in [0, 1]
        t, the transmission.
    airlight : float, (N,), (C,) as (1, C), or (N, C), values in [0, 1]
        A, the colour of the air.

    Returns
    -------
    Tensor, (N, C, H, W), values in [0, 1]

    Raises
    ------
    ShapeError
        If the shapes do not fit.
    """
    light = as_airlight(airlight, image)
    fits = through.ndim == 4 and through.shape[1] == 1 and len(through) in (1, len(image))
    if not fits or tuple(through.shape[2:]) not in (tuple(image.shape[2:]), (1, 1)):
        raise ShapeError(
            expected=f"a transmission ({len(image)}, 1, {image.shape[2]}, {image.shape[3]})",
            got=str(tuple(through.shape)),
            fix="make it of the size of the picture",
        )
    return image * through + light * (1 - through)


def as_airlight(airlight: float | Tensor, image: Tensor) -> Tensor:
    """The light of the air as (N or 1, C or 1, 1, 1), of the type and device of a batch (N, C, H, W).

    Raises
    ------
    ShapeError
        If the batch is none, or the light is neither one value, one a sample, nor one a channel of each.
    """
    if image.ndim != 4:
        raise ShapeError(expected="pictures (N, C, H, W)", got=str(tuple(image.shape)), fix="index with None")
    light = torch.as_tensor(airlight, dtype=image.dtype, device=image.device)
    light = light.reshape(-1, 1) if light.ndim < 2 else light
    if light.ndim != 2 or len(light) not in (1, len(image)) or light.shape[1] not in (1, image.shape[1]):
        raise ShapeError(
            expected=f"a light of the air ({len(image)}, {image.shape[1]}), or one number",
            got=str(tuple(light.shape)),
            fix="give one row a picture, one value a channel",
        )
    return light[:, :, None, None]


def smooth_field(count: int, height: int, width: int, cells: int, generator: torch.Generator) -> Tensor:
    """Random values on a coarse grid, smooth between: the same field at every size of the picture.

    Parameters
    ----------
    count, height, width : int
        Pictures, rows and columns.
    cells : int ≥ 1
        Grid values along each side.
    generator : torch.Generator
        On the CPU.

    Returns
    -------
    Tensor, (count, 1, height, width), values in [0, 1]
    """
    grid = torch.rand((count, 1, cells, cells), generator=generator)
    return F.interpolate(grid, (height, width), mode="bicubic", align_corners=False).clamp_(0, 1)


def turbulence(count: int, height: int, width: int, generator: torch.Generator) -> Tensor:
    """A field with structure at several sizes, as smoke and clouds have (sum of octaves; Perlin 1985).

    Parameters
    ----------
    count, height, width : int
    generator : torch.Generator
        On the CPU.

    Returns
    -------
    Tensor, (count, 1, height, width)
        0 at the least and 1 at the greatest value of each sample.
    """
    field = torch.zeros(count, 1, height, width)
    for cells, gain in OCTAVES:
        field += gain * smooth_field(count, height, width, cells, generator)
    low, high = field.amin((2, 3), keepdim=True), field.amax((2, 3), keepdim=True)
    return (field - low) / (high - low).clamp_min(1e-6)


def procedural_depth(count: int, height: int, width: int, generator: torch.Generator) -> Tensor:
    """Distances for pictures that have none: ground up to a horizon, air above it, things standing on it.

    On the ground the distance goes as 1 / (rows below the horizon); horizon, tilt and the distance of the foreground
    are drawn, and so are a few layers of things with smooth outlines.

    Parameters
    ----------
    count, height, width : int
        Pictures, rows and columns.
    generator : torch.Generator
        On the CPU.

    Returns
    -------
    Tensor, (count, 1, height, width), values in (0, 1]
        1 is the farthest. The same scene at every size.
    """

    def draw(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand((count, 1, 1, 1), generator=generator)

    horizon, tilt, near = draw(0.05, 0.5), draw(-0.15, 0.15), draw(0.08, 0.3)
    y = ((torch.arange(height) + 0.5) / height)[:, None]
    x = ((torch.arange(width) + 0.5) / width)[None, :]
    below = ((y + tilt * (x - 0.5) - horizon) / (1 - horizon)).clamp_min(0)
    depth = near / (below + near)
    for _ in range(LAYERS):
        distance, cover = draw(0.15, 0.85), draw(0.5, 0.8)
        outline = torch.sigmoid(OUTLINE * (smooth_field(count, height, width, 5, generator) - cover))
        # What is nearer hides what is farther, never the other way round.
        depth = depth + outline * (torch.minimum(depth, distance) - depth)
    return depth
