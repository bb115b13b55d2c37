"""Photometric days: the same scene, equally sharp, under another light, gain, noise or file format.

A sharpness that means something must not change from one day to the next. The ten days here are those of the
robustness table; every one ends in 8 bits, as most cameras and microscopes deliver.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import torch
from torch import Tensor

from kukkiri.errors import unknown_name


def _noisy(image: Tensor, sigma: float, generator: torch.Generator) -> Tensor:
    return image + sigma * torch.randn(image.shape, generator=generator, dtype=image.dtype).to(image.device)


def _jpeg(image: Tensor, generator: torch.Generator) -> Tensor:
    from kukkiri.optics.jpeg import jpeg

    return jpeg(image, 60)


_DAYS: Mapping[str, Callable[[Tensor, torch.Generator], Tensor]] = MappingProxyType(
    {
        "clean": lambda x, g: x,
        "gain-0.3": lambda x, g: 0.3 * x,
        "dark": lambda x, g: _noisy(0.1 * x, 0.002, g),
        "gamma-0.5": lambda x, g: x.clamp_min(0) ** 0.5,
        "gamma-2": lambda x, g: x.clamp_min(0) ** 2,
        "noise-1": lambda x, g: _noisy(x, 0.01, g),
        "noise-4": lambda x, g: _noisy(x, 0.04, g),
        "low-contrast-noise": lambda x, g: _noisy(0.4 + 0.2 * x, 0.01, g),
        "jpeg-60": _jpeg,
        "inverted": lambda x, g: 1 - x,
    }
)
DAYS: tuple[str, ...] = tuple(_DAYS)


def day(image: Tensor, name: str, seed: int = 0) -> Tensor:
    """A picture on another day.

    Parameters
    ----------
    image : Tensor, (N, C, H, W), values in [0, 1]
    name : str
        One of `DAYS`: 'clean', 'gain-0.3' (×0.3), 'dark' (×0.1 with noise 0.002), 'gamma-0.5', 'gamma-2',
        'noise-1' and 'noise-4' (white, standard deviation 0.01 and 0.04), 'low-contrast-noise' (0.4 + 0.2·x with
        noise 0.01), 'jpeg-60', 'inverted'.
    seed : int
        Of the noise.

    Returns
    -------
    Tensor, (N, C, H, W)
        Clipped to [0, 1] and rounded to 8 bits.

    Raises
    ------
    UnknownNameError
        If there is no such day.
    """
    if name not in _DAYS:
        raise unknown_name("the name of a day", name, _DAYS, f"one of {', '.join(DAYS)}")
    changed = _DAYS[name](image, torch.Generator().manual_seed(seed))
    return (changed.clamp(0, 1) * 255).round() / 255
