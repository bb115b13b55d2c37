"""Damage that belongs to no group: too much processing, echoes, things out of place."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from kukkiri.images.filtering import gaussian_blur, pad
from kukkiri.optics.distort.drawing import angles, column, generators, moved, uniform

# Standard deviation of the blur that an unsharp mask takes away, pixels.
MASK = 1.5
# TID2013's patches out of place and blocks of colour: sides and reach, pixels.
PATCH, REACH, COLOUR_BLOCK = 15, 10, 32


def over_sharpening(image: Tensor, parameters: Mapping[str, Tensor], generator: torch.Generator) -> Tensor:
    """The picture plus `amount` times what a blur of 1.5 px takes from it."""
    return image + column(parameters["amount"], image) * (image - gaussian_blur(image, MASK, border="symmetric"))


def ringing(image: Tensor, parameters: Mapping[str, Tensor], generator: torch.Generator) -> Tensor:
    """All frequencies above `cutoff` times Nyquist's cut off at once, so that edges ring."""
    h, w = image.shape[-2:]
    down = torch.fft.fftfreq(2 * h, device=image.device)[:, None]
    across = torch.fft.rfftfreq(2 * w, device=image.device)
    passed = (down.square() + across.square()).sqrt() <= 0.5 * column(parameters["cutoff"], image)
    filtered = []
    # Mirrored whole there is no seam, but four times as much to hold: one channel at a time.
    for channel in torch.split(image, 1, 1):
        spectrum = torch.fft.rfft2(pad(channel, (0, w, 0, h), "symmetric"))
        whole: Tensor = torch.fft.irfft2(spectrum * passed, (2 * h, 2 * w))
        filtered.append(whole[..., :h, :w])
    return torch.cat(filtered, 1)


def ghosting(image: Tensor, parameters: Mapping[str, Tensor], generator: torch.Generator) -> Tensor:
    """The picture with itself shown through, shifted by `distance` px in a random direction."""
    direction, distance = angles(len(image), generator), parameters["distance"].cpu()
    dx, dy = ((distance * f(direction)).reshape(-1, 1, 1) for f in (torch.cos, torch.sin))
    return torch.lerp(image, moved(image, dx, dy), column(parameters["opacity"], image))


def eccentric_patches(image: Tensor, parameters: Mapping[str, Tensor], generator: torch.Generator) -> Tensor:
    """Patches of 15×15 px, a `share` of the area, that show what is up to 10 px beside them (TID2013's no. 14)."""
    n, _, h, w = image.shape
    side = min(PATCH, h, w)
    result = image.clone()
    for i, each in enumerate(generators(n, generator)):
        count = max(1, round(_laid(float(parameters["share"][i])) * h * w / side**2))
        for top, left, down, across in uniform((count, 4), each).tolist():
            y, x = int(top * (h - side + 1)), int(left * (w - side + 1))
            other_y = min(max(y + round((2 * down - 1) * REACH), 0), h - side)
            other_x = min(max(x + round((2 * across - 1) * REACH), 0), w - side)
            result[i, :, y : y + side, x : x + side] = image[i, :, other_y : other_y + side, other_x : other_x + side]
    return result


def colour_blocks(image: Tensor, parameters: Mapping[str, Tensor], generator: torch.Generator) -> Tensor:
    """Squares of 32×32 px, a `share` of the area, each of one random colour (TID2013's no. 15).

    Where the share is less than one such square, a smaller one.
    """
    n, c, h, w = image.shape
    result = image.clone()
    for i, each in enumerate(generators(n, generator)):
        area = _laid(float(parameters["share"][i])) * h * w
        count = max(1, round(area / COLOUR_BLOCK**2))
        side = min(COLOUR_BLOCK, h, w, max(1, round((area / count) ** 0.5)))
        for top, left, *colour in uniform((count, 2 + c), each).tolist():
            y, x = int(top * (h - side + 1)), int(left * (w - side + 1))
            result[i, :, y : y + side, x : x + side] = image.new_tensor(colour)[:, None, None]
    return result


def _laid(share: float) -> float:
    """Area of squares at random places, of the picture's, that cover a share of it: some lie on others."""
    return -math.log1p(-min(share, 0.999))


def pixelate(image: Tensor, parameters: Mapping[str, Tensor], generator: torch.Generator) -> Tensor:
    """The mean of every square of `side` px."""
    result = torch.empty_like(image)
    for i, side in enumerate(parameters["side"].tolist()):
        result[i] = _means(_means(image[i], side, 1), side, 2)
    return result


def _means(picture: Tensor, side: float, axis: int) -> Tensor:
    """The mean of every `side` px along one axis, in place of each of them; sides need not be whole."""
    length = picture.shape[axis]
    small = max(1, min(length, round(length / side)))
    cell = ((torch.arange(length, device=picture.device) + 0.5) * (small / length)).long().clamp_max(small - 1)
    shape = [*picture.shape]
    shape[axis] = small
    sums = picture.new_zeros(shape).index_add(axis, cell, picture)
    counts = torch.bincount(cell, minlength=small).to(picture)
    return (sums / counts.reshape([-1 if a == axis else 1 for a in range(picture.ndim)])).index_select(axis, cell)
