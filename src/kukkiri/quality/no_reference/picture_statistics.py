"""What can be counted in a picture that tells damage: noise, bands of frequency, blocks, tones, colours, haze.

A network made for recognising things looks away from most of these; together with its features they say what is wrong.
All are of pictures in [0, 1] as they are displayed, averages over the picture, and none has a parameter that was
trained.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from kukkiri.images.colour import luma
from kukkiri.images.filtering import gaussian_blur

# Added before a logarithm: a quarter of a level of 8 bits, squared, for powers; a level for amplitudes.
POWER_FLOOR, LEVEL = (0.25 / 255) ** 2, 1 / 255
OCTAVES = 5
PERIODS = (8, 16)
QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
LOCAL_STATISTICS, TONAL_STATISTICS = 39, 32


def local_statistics(image: Tensor) -> Tensor:
    """Of fine structure, at the picture's own pixels.

    Parameters
    ----------
    image : Tensor, (N, 3, H, W), values in [0, 1], sides of at least 32 px

    Returns
    -------
    Tensor, (N, 39)
        Logarithms of powers and amplitudes, and shares.
    """
    grey = luma(image)
    chroma = image[:, 0::2] - grey  # red and blue less luma
    found = [
        *_noise(grey),
        *_noise(chroma),
        *_bands(grey),
        *_bands(chroma),
        *_blocks(grey),
        *_levels(image, grey),
        *_lines(grey),
        *_peaks(grey),
    ]
    return torch.stack(found, 1)


def tonal_statistics(image: Tensor) -> Tensor:
    """Of tones and colours, in a picture that was reduced: noise and sharpness do not matter.

    Parameters
    ----------
    image : Tensor, (N, 3, H, W), values in [0, 1]

    Returns
    -------
    Tensor, (N, 32)
    """
    grey = luma(image)
    flat = grey.flatten(1)
    high, low = image.amax(1, keepdim=True), image.amin(1, keepdim=True)
    chroma = high - low
    saturation = (chroma / (high + LEVEL)).flatten(1)
    side = max(3, min(image.shape[-2:]) // 24 * 2 + 1)
    dark = -_largest(-low, side).flatten(1)
    bright = _largest(high, side).flatten(1)
    channel_means = image.mean((2, 3))
    # The brightest twentieth: what a white balance is judged by.
    count = max(1, flat.shape[1] // 20)
    brightest = flat.topk(count, 1).indices
    at_brightest = image.flatten(2).gather(2, brightest[:, None].expand(-1, 3, -1)).mean(2)
    log_means, log_brightest = (torch.log(m + LEVEL) for m in (channel_means, at_brightest))
    histogram = torch.stack([torch.histc(f, 64, 0, 1) for f in torch.split(flat, 1)]) / flat.shape[1]
    entropy = -(histogram * torch.log(histogram + 1e-8)).sum(1)
    return torch.cat(
        [
            _quantiles(flat, QUANTILES),
            torch.log(flat.std(1, correction=0) + LEVEL)[:, None],
            flat.mean(1, keepdim=True),
            entropy[:, None],
            _quantiles(saturation, (0.1, 0.5, 0.9, 0.99)),
            chroma.mean((1, 2, 3))[:, None],
            _quantiles(dark, (0.1, 0.5, 0.9)),
            _quantiles(bright, (0.1, 0.5, 0.9)),
            log_means[:, 0:1] - log_means[:, 1:2],
            log_means[:, 2:3] - log_means[:, 1:2],
            log_brightest[:, 0:1] - log_brightest[:, 1:2],
            log_brightest[:, 2:3] - log_brightest[:, 1:2],
            torch.log((image - grey).flatten(2).std(2, correction=0) + LEVEL),
            *(_share(condition) for condition in (high >= 1 - LEVEL, low <= LEVEL, high <= LEVEL)),
            (saturation > 0.98).float().mean(1, keepdim=True),
        ],
        1,
    )


def _quantiles(flat: Tensor, shares: tuple[float, ...]) -> Tensor:
    ordered = flat.sort(1).values
    places = [min(ordered.shape[1] - 1, int(share * ordered.shape[1])) for share in shares]
    return ordered[:, places]


def _largest(x: Tensor, side: int) -> Tensor:
    """Maximum over squares, one axis after the other."""
    return F.max_pool2d(F.max_pool2d(x, (side, 1), 1, (side // 2, 0)), (1, side), 1, (0, side // 2))


def _share(condition: Tensor) -> Tensor:
    return condition.flatten(1).float().mean(1, keepdim=True)


def _noise(x: Tensor) -> list[Tensor]:
    """Median and low quantile of diagonal detail at three scales: where nothing is to be seen, noise is left."""
    found = []
    for _ in range(3):
        a, b, c, d = x[..., :-1, :-1], x[..., :-1, 1:], x[..., 1:, :-1], x[..., 1:, 1:]
        detail = (a - b - c + d).abs() / 2
        blocks = F.avg_pool2d(detail, 8).flatten(1) if min(detail.shape[-2:]) >= 8 else detail.flatten(1)
        quantiles = _quantiles(blocks, (0.1, 0.5))
        found += [torch.log(quantiles[:, i] + 0.1 * LEVEL) for i in (0, 1)]
        x = F.avg_pool2d(x, 2)
    return found


def _bands(x: Tensor) -> list[Tensor]:
    """Power in each octave of a Laplacian pyramid."""
    found = []
    for _ in range(OCTAVES):
        smooth = gaussian_blur(x, 1.0)
        found.append(torch.log((x - smooth).square().mean((1, 2, 3)) + POWER_FLOOR))
        if min(x.shape[-2:]) >= 8:
            x = smooth[..., ::2, ::2]
    return found


def _blocks(grey: Tensor) -> list[Tensor]:
    """How much larger steps are at one phase of a period than at the others, of both axes."""
    found = []
    for side in (-1, -2):
        second = grey.diff(n=2, dim=side).abs()
        other = -1 if side == -2 else -2
        profile = second.mean((1, other))
        for period in PERIODS:
            whole = profile.shape[1] // period * period
            phases = profile[:, :whole].reshape(len(profile), -1, period).mean(1)
            ordered = phases.sort(1).values
            # Two phases see a border of blocks; the rest is what the picture itself has.
            high, usual = ordered[:, -2:].mean(1), ordered[:, : period // 2].mean(1)
            found.append(torch.log((high + 0.1 * LEVEL) / (usual + 0.1 * LEVEL)))
    return found


def _levels(image: Tensor, grey: Tensor) -> list[Tensor]:
    """Neighbours of equal value, and levels of 8 bits that do not occur between those that do."""
    equal = (image.diff(dim=-1).abs() < 0.25 * LEVEL).all(1).flatten(1).float().mean(1)
    down = (image.diff(dim=-2).abs() < 0.25 * LEVEL).all(1).flatten(1).float().mean(1)
    empty = []
    for picture in (grey * 255).round().byte():
        used = torch.bincount(picture.flatten().int(), minlength=256).nonzero().flatten()
        empty.append(1 - len(used) / float(used[-1] - used[0] + 1))
    steps = grey.diff(dim=-1).abs().flatten(1)
    strong = _quantiles(steps, (0.5, 0.9, 0.99))
    return [equal, down, steps.new_tensor(empty), *(torch.log(strong[:, i] + 0.1 * LEVEL) for i in range(3))]


def _lines(grey: Tensor) -> list[Tensor]:
    """Offsets of whole rows and columns, and detail along and across."""
    detail = grey - gaussian_blur(grey, 2.0)
    rows, columns = detail.mean(-1).flatten(1).std(1), detail.mean(-2).flatten(1).std(1)
    across, down = grey.diff(dim=-1).square().mean((1, 2, 3)), grey.diff(dim=-2).square().mean((1, 2, 3))
    return [torch.log(v + 0.1 * LEVEL) for v in (rows, columns)] + [
        torch.log((across + POWER_FLOOR) / (down + POWER_FLOOR)).abs()
    ]


def _peaks(grey: Tensor) -> list[Tensor]:
    """Single pixels unlike their neighbours, overshoot beside edges, and how heavy the tails of detail are."""
    around = F.unfold(F.pad(grey, (1, 1, 1, 1), mode="replicate"), 3).view(len(grey), 9, *grey.shape[-2:])
    others = around[:, [0, 1, 2, 3, 5, 6, 7, 8]]
    outside = F.relu(grey[:, 0] - others.amax(1)) + F.relu(others.amin(1) - grey[:, 0])
    flat = outside.flatten(1)
    detail = (grey - gaussian_blur(grey, 1.5)).flatten(1)
    variance = detail.square().mean(1)
    tails = detail.pow(4).mean(1) / (variance.square() + POWER_FLOOR**2)
    return [
        torch.log(flat.mean(1) + 0.1 * LEVEL),
        torch.log(_quantiles(flat, (0.999,))[:, 0] + LEVEL),
        (flat > 0.1).float().mean(1),
        torch.log(tails.clamp_min(1)),
    ]
