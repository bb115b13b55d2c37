"""Resize as MATLAB's `imresize` does: the classical metrics were all published on pictures made small with it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache

import torch
from torch import Tensor

from kukkiri.errors import InputError
from kukkiri.images.filtering import mirrored_indices


def cubic(x: Tensor) -> Tensor:
    """Keys' cubic convolution kernel with a = −1/2, support [−2, 2] (IEEE TASSP 29(6), 1981, eq. 15)."""
    d = x.abs()
    near = (1.5 * d - 2.5) * d.square() + 1
    far = ((-0.5 * d + 2.5) * d - 4) * d + 2
    return torch.where(d <= 1, near, torch.where(d <= 2, far, torch.zeros_like(d)))


def triangle(x: Tensor) -> Tensor:
    """The kernel of linear interpolation, support [−1, 1]."""
    return (1 - x.abs()).clamp_min(0)


# Kernel and the width of its support.
METHODS: dict[str, tuple[Callable[[Tensor], Tensor], float]] = {"bicubic": (cubic, 4.0), "bilinear": (triangle, 2.0)}


@lru_cache(maxsize=64)
@torch.inference_mode(False)  # or taps first built in inference mode could not be used in training
def resampling_taps(
    length: int, new_length: int, scale: float, method: str = "bicubic", antialias: bool = True
) -> tuple[Tensor, Tensor]:
    """Which samples make each new one, and with what weight: one row a new sample.

    Parameters
    ----------
    length, new_length : int
        Number of samples before and after.
    scale : float
        Pixel pitch before over pixel pitch after; not always new_length / length.
    method : 'bicubic' | 'bilinear'
    antialias : bool
        Widen the kernel by 1 / scale where the picture shrinks.

    Returns
    -------
    (Tensor (new_length, P), int64; Tensor (new_length, P), float64)
        Positions before the border is mirrored (they may be negative or past the end), and weights that sum to 1.
    """
    kernel, width = METHODS[method]
    shrink = min(scale, 1.0) if antialias else 1.0
    width /= shrink
    # Pixel centres of the two grids, counted from 0: the grids share their outer edges, not their first centres.
    centre = (torch.arange(new_length, dtype=torch.float64) + 0.5) / scale - 0.5
    first = torch.floor(centre - width / 2).long()
    positions = first[:, None] + torch.arange(math.ceil(width) + 2)
    weights = kernel((centre[:, None] - positions) * shrink)
    weights = weights / weights.sum(1, keepdim=True)
    used = (weights != 0).any(0).nonzero().flatten()
    kept = slice(int(used[0]), int(used[-1]) + 1)
    return positions[:, kept].contiguous(), weights[:, kept].contiguous()


def imresize(
    image: Tensor,
    scale: float | None = None,
    *,
    size: tuple[int, int] | None = None,
    method: str = "bicubic",
    antialias: bool = True,
) -> Tensor:
    """Resize a batch with the values that MATLAB's `imresize` gives for floating-point pictures.

    Borders are mirrored half-sample symmetrically. Values may overshoot; nothing is clipped or rounded.

    Parameters
    ----------
    image : Tensor, (N, C, H, W), floating point
    scale : float, optional
        Factor of both sides; the new size is rounded up.
    size : (int, int), optional
        New height and width, each side with its own factor. Give this or `scale`.
    method : 'bicubic' | 'bilinear'
    antialias : bool
        Low-pass before shrinking, as MATLAB does unless told not to.

    Returns
    -------
    Tensor, (N, C, H', W'), dtype of the input; gradients reach the input

    Raises
    ------
    InputError
        If neither or both of scale and size are given, one is not positive, or the method is not known.
    """
    if (scale is None) == (size is None):
        raise InputError(
            expected="a scale or a size", got="none" if scale is None else "both", fix="give exactly one of them"
        )
    if method not in METHODS:
        raise InputError(expected=" or ".join(METHODS), got=repr(method), fix="check the spelling")
    if not image.is_floating_point():
        raise InputError(expected="a floating-point picture", got=str(image.dtype), fix="divide by its full range")
    height, width = image.shape[-2:]
    if scale is not None:
        if not (scale > 0 and math.isfinite(scale)):
            raise InputError(expected="a positive scale", got=str(scale), fix="give 0.5 to halve the sides")
        size, scales = (math.ceil(height * scale), math.ceil(width * scale)), (scale, scale)
    else:
        size = size or (0, 0)
        if min(size) < 1:
            raise InputError(expected="a size of at least 1×1", got=f"{size[1]}×{size[0]}", fix="give height and width")
        scales = (size[0] / height, size[1] / width)
    # The side that shrinks most goes first: less work for the other one.
    for side in sorted((-2, -1), key=lambda s: scales[s]):
        if image.shape[side] != size[side] or scales[side] != 1:
            taps = resampling_taps(image.shape[side], size[side], scales[side], method, antialias)
            image = resample(image, side, *taps)
    return image


def resample(image: Tensor, side: int, positions: Tensor, weights: Tensor) -> Tensor:
    """Weighted sums along one side of a batch, borders mirrored.

    Parameters
    ----------
    image : Tensor, (N, C, H, W)
    side : −2 (rows) or −1 (columns)
    positions, weights : Tensor, (L, P)
        As `resampling_taps` gives them.

    Returns
    -------
    Tensor, the length of `side` changed to L
    """
    length, count = image.shape[side], positions.shape[0]
    before = max(0, -int(positions.min()))
    after = max(0, int(positions.max()) + 1 - length)
    mirrored = mirrored_indices(length, before, after, image.device)
    padded = image.index_select(side, mirrored) if before or after else image
    step = int(positions[1, 0] - positions[0, 0]) if count > 1 else 1
    # Halving, thirding and so on use one set of weights everywhere: views instead of gathered copies.
    uniform = bool((positions[1:] - positions[:-1] == step).all()) and bool((weights - weights[:1]).abs().max() < 1e-14)
    if uniform:
        every = [slice(phase, None, step) for phase in range(step)]
        # Every step-th row is a cheap view already; every step-th column is worth copying once.
        phases = [padded[..., e, :] if side == -2 else padded[..., e].contiguous() for e in every]
        starts = (positions[0] + before).tolist()
        terms = (phases[start % step].narrow(side, start // step, count) for start in starts)
        return weighted_sum(terms, weights[0].tolist())
    gains = weights.T.to(image)
    columns = (positions.T + before).to(image.device)
    gathered = (padded.index_select(side, index) for index in columns)
    return weighted_sum(gathered, [gain[:, None] if side == -2 else gain for gain in gains])


def weighted_sum(terms: Iterable[Tensor], gains: Sequence[float | Tensor]) -> Tensor:
    """The sum of tensors of one shape, each times its gain, one pass a term."""
    pairs = iter(zip(terms, gains, strict=True))
    term, gain = next(pairs)
    total = term * gain
    for term, gain in pairs:  # in place: the sum is this function's own until it returns
        total = total.add_(term, alpha=gain) if isinstance(gain, float) else total.addcmul_(term, gain)
    return total
