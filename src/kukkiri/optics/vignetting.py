"""Light that falls off towards the corners, or from one side to the other.

Each function gives a field (1, 1, H, W) or (N, 1, H, W) of factors; multiply a picture by it. All are differentiable
in their parameters.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from kukkiri.errors import InputError


def cos_fourth(size: tuple[int, int], focal_length: float | Tensor, centre: tuple[float, float] = (0.5, 0.5)) -> Tensor:
    """Natural fall-off cos⁴θ of a lens without vignetting of its own; 1 on the axis.

    Parameters
    ----------
    size : (H, W)
    focal_length : float or (N,), > 0
        In pixels: focal length / pixel pitch.
    centre : (x, y)
        Where the axis meets the picture, as shares of its width and height.

    Returns
    -------
    Tensor, (N, 1, H, W), in (0, 1]

    Raises
    ------
    InputError
        If a focal length is not above 0, a side not at least 1 px, or the centre not finite.
    """
    focal = torch.as_tensor(focal_length, dtype=torch.float32).reshape(-1, 1, 1, 1)
    if not bool((focal.detach() > 0).all()):
        raise InputError(
            expected="a focal length above 0 px",
            got=f"{float(focal.detach().min()):g}",
            fix="divide it by the pixel pitch",
        )
    x, y = _coordinates(size, centre, focal.device)
    return (1 + (x.square() + y.square()) / focal.square()).reciprocal().square()


def polynomial_shading(
    size: tuple[int, int], coefficients: Sequence[float] | Tensor, centre: tuple[float, float] = (0.5, 0.5)
) -> Tensor:
    """1 + a₁r² + a₂r⁴ + …: the usual fit to a measured flat field.

    Parameters
    ----------
    size : (H, W)
    coefficients : sequence of float, or (N, K)
        a₁, a₂, …; r is 1 at half the diagonal of the picture.
    centre : (x, y)
        Shares of width and height.

    Returns
    -------
    Tensor, (N, 1, H, W), clipped below at 0

    Raises
    ------
    InputError
        If a side is not at least 1 px, or the centre not finite.
    """
    a = torch.as_tensor(coefficients, dtype=torch.float32)
    a = a[None] if a.ndim == 1 else a
    x, y = _coordinates(size, centre, a.device)
    r2 = (x.square() + y.square()) / ((size[0] ** 2 + size[1] ** 2) / 4)
    field = torch.ones(len(a), 1, *size, device=a.device)
    for k in range(a.shape[1]):
        field = field + a[:, k, None, None, None] * r2 ** (k + 1)
    return field.clamp_min(0)


def illumination_gradient(size: tuple[int, int], strength: float | Tensor, angle: float | Tensor = 0.0) -> Tensor:
    """Light from one side: a ramp of mean 1.

    Parameters
    ----------
    size : (H, W)
    strength : float or (N,), in [0, 2]
        Difference between the brightest and the darkest corner, over the mean.
    angle : float or (N,)
        Towards the light, radians from +x towards +y (down).

    Returns
    -------
    Tensor, (N, 1, H, W), in [0, 2]

    Raises
    ------
    InputError
        If a strength is out of range, or a side not at least 1 px.
    """
    ramp = torch.as_tensor(strength, dtype=torch.float32).reshape(-1, 1, 1, 1)
    if not bool(((ramp.detach() >= 0) & (ramp.detach() <= 2)).all()):
        raise InputError(
            expected="a strength in [0, 2]",
            got=f"{float(ramp.detach().min()):g} to {float(ramp.detach().max()):g}",
            fix="2 is a ramp from 0 to twice the mean",
        )
    turn = torch.as_tensor(angle, dtype=torch.float32, device=ramp.device).reshape(-1, 1, 1, 1)
    x, y = _coordinates(size, (0.5, 0.5), ramp.device)
    along = x * torch.cos(turn) + y * torch.sin(turn)
    span = (size[1] - 1) * torch.cos(turn).abs() + (size[0] - 1) * torch.sin(turn).abs()
    return 1 + ramp * along / span.clamp_min(1e-6)


def _coordinates(size: tuple[int, int], centre: tuple[float, float], device: torch.device) -> tuple[Tensor, Tensor]:
    """Pixels from the centre, as (1, 1, 1, W) and (1, 1, H, 1)."""
    if min(size) < 1 or not all(math.isfinite(c) for c in centre):
        raise InputError(expected="a size (H, W) and a finite centre", got=f"{size}, {centre}", fix="correct them")
    x = torch.arange(size[1], dtype=torch.float32, device=device) - centre[0] * (size[1] - 1)
    y = torch.arange(size[0], dtype=torch.float32, device=device) - centre[1] * (size[0] - 1)
    return x[None, None, None, :], y[None, None, :, None]
