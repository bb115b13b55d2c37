"""Noise of light and sensors, and rounding to levels.

All functions take pictures (N, C, H, W) on [0, 1] and clip nothing, so that noise keeps its mean; `quantise` clips.
A strength is a float, or a tensor (N,) with one value a sample. A seed is an int, or a torch.Generator whose own
device draws the numbers: the same seed gives the same noise on every device if the generator is on the CPU, as it is
for an int.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from kukkiri.errors import InputError

Seed = int | torch.Generator
Strength = float | Tensor


def shot_noise(image: Tensor, photons: Strength, seed: Seed = 0) -> Tensor:
    """Poisson noise of counting photons or electrons: variance image / photons.

    The draw itself has no derivative; gradients pass as through its mean, which is the picture.

    Parameters
    ----------
    image : Tensor, (N, C, H, W), ≥ 0
        Negative values count as 0.
    photons : float or (N,), > 0
        Mean count where the picture is 1.
    seed : int or torch.Generator

    Returns
    -------
    Tensor, (N, C, H, W)
        Multiples of 1/photons, mean `image`, not clipped above.

    Raises
    ------
    InputError
        If photons are not above 0 and finite, or there is neither one value nor one a sample.
    """
    generator = _generator(seed)
    count = _strength("photons", photons, image, above_zero=True)
    clean = image.clamp_min(0)
    # Drawn in double precision: single counts only to 2^24.
    rate = (clean.detach() * count.detach()).double().to(generator.device)
    drawn = (torch.poisson(rate, generator).to(image.device) / count).to(image.dtype)
    return clean + (drawn - clean).detach()


def read_noise(image: Tensor, sigma: Strength, seed: Seed = 0) -> Tensor:
    """White Gaussian noise. Differentiable in both arguments.

    Parameters
    ----------
    image : Tensor, (N, C, H, W)
    sigma : float or (N,), ≥ 0
        Standard deviation on [0, 1].
    seed : int or torch.Generator

    Returns
    -------
    Tensor, (N, C, H, W)

    Raises
    ------
    InputError
        If a sigma is negative or not finite, or there is neither one value nor one a sample.
    """
    return image + _strength("sigma", sigma, image) * _normal(image.shape, image, _generator(seed))


def line_noise(image: Tensor, sigma: Strength, axis: Literal["rows", "columns"] = "rows", seed: Seed = 0) -> Tensor:
    """An offset that is the same along every line: a scan generator's, a row amplifier's or a column converter's.

    Differentiable in `image` and `sigma`.

    Parameters
    ----------
    image : Tensor, (N, C, H, W)
    sigma : float or (N,), ≥ 0
        Standard deviation of the offsets on [0, 1].
    axis : 'rows' | 'columns'
        'rows' gives each row one offset (horizontal stripes).
    seed : int or torch.Generator

    Returns
    -------
    Tensor, (N, C, H, W)

    Raises
    ------
    InputError
        If a sigma is negative or not finite, there is neither one value nor one a sample, or the axis is another.
    """
    if axis not in ("rows", "columns"):
        raise InputError(expected="'rows' or 'columns'", got=ascii(axis), fix="name the lines that share an offset")
    n, c, h, w = image.shape
    shape = (n, c, h, 1) if axis == "rows" else (n, c, 1, w)
    return image + _strength("sigma", sigma, image) * _normal(shape, image, _generator(seed))


def sensor_noise(
    image: Tensor,
    gain: Strength,
    read: Strength = 0.0,
    *,
    offset: Strength = 0.0,
    lines: Strength = 0.0,
    bits: int | None = None,
    seed: Seed = 0,
) -> Tensor:
    """A linear sensor: shot noise, then read noise, then offset, then levels (the model of EMVA 1288).

    Variance: gain·image + read² (+ lines²), + 1/12 level² with `bits`. Gradients as for the single kinds.

    Parameters
    ----------
    image : Tensor, (N, C, H, W), ≥ 0
    gain : float or (N,), > 0
        Signal of one electron on [0, 1]: 1 / (electrons where the picture is 1).
    read : float or (N,), ≥ 0
        Standard deviation of the read noise on [0, 1].
    offset : float or (N,), ≥ 0
        Black level, added last, so that noise about black is not cut off.
    lines : float or (N,), ≥ 0
        Standard deviation of an offset for each row.
    bits : int or None
        Depth of the converter; None does not round (nor clip).
    seed : int or torch.Generator

    Returns
    -------
    Tensor, (N, C, H, W)

    Raises
    ------
    InputError
        If a value is not finite or out of its range, or there is neither one nor one a sample.
    """
    generator = _generator(seed)
    per_unit = 1 / _strength("gain", gain, image, above_zero=True).reshape(-1)
    noisy = read_noise(shot_noise(image, per_unit, generator), read, generator)
    if not isinstance(lines, float) or lines:
        noisy = line_noise(noisy, lines, "rows", generator)
    noisy = noisy + _strength("offset", offset, image)
    return noisy if bits is None else quantise(noisy, bits)


def quantise(image: Tensor, bits: int) -> Tensor:
    """Clip to [0, 1] and round to 2^bits levels.

    Gradients pass straight through the rounding, and are 0 where the picture is clipped.

    Parameters
    ----------
    image : Tensor, (N, C, H, W)
    bits : int, in 1..16

    Returns
    -------
    Tensor, (N, C, H, W)
        Multiples of 1/(2^bits − 1).

    Raises
    ------
    InputError
        If bits are out of range.
    """
    if not 1 <= bits <= 16:
        raise InputError(expected="1 to 16 bits", got=str(bits), fix="give 8 for most files, 12 for most sensors")
    top = (1 << bits) - 1
    clipped = image.clamp(0, 1)
    return clipped + ((clipped * top).round() / top - clipped).detach()


def _generator(seed: Seed) -> torch.Generator:
    return seed if isinstance(seed, torch.Generator) else torch.Generator().manual_seed(seed)


def _normal(shape: tuple[int, ...], like: Tensor, generator: torch.Generator) -> Tensor:
    return torch.randn(shape, generator=generator, device=generator.device, dtype=like.dtype).to(like.device)


def _strength(name: str, value: Strength, image: Tensor, *, above_zero: bool = False) -> Tensor:
    """(N or 1, 1, 1, 1), checked."""
    strength = torch.as_tensor(value, dtype=image.dtype, device=image.device).reshape(-1)
    lowest = float(strength.detach().min())
    if not (lowest > 0 if above_zero else lowest >= 0) or not bool(torch.isfinite(strength.detach()).all()):
        raise InputError(
            expected=f"a finite {name} {'above 0' if above_zero else 'of 0 or more'}",
            got=f"{lowest:g}",
            fix="correct it",
        )
    if len(strength) not in (1, len(image)):
        raise InputError(
            expected=f"one {name}, or {len(image)}", got=str(len(strength)), fix="give one for all or one a sample"
        )
    return strength.reshape(-1, 1, 1, 1)
