"""Phase congruency: how far the Fourier components of a picture agree in phase at each pixel (Kovesi 1999).

An edge or a line is where they agree, whatever its contrast. Local frequency components come from log-Gabor filters.
"""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor

SCALES = 4
ORIENTATIONS = 4
SHORTEST_WAVELENGTH = 6.0  # pixels; each further scale doubles it
BANDWIDTH = 0.55  # standard deviation of a log-Gabor's transfer function over its centre frequency
ANGULAR_SIGMA = math.pi / ORIENTATIONS / 1.2
CUTOFF, ORDER = 0.45, 15  # the Butterworth low-pass that rounds off the corners of the spectrum
NOISE_DEVIATIONS = 2.0  # the threshold lies so many standard deviations over the mean energy of noise
# Kovesi's empirical correction: the noise estimate is derived for an older measure, and too high for this one.
NOISE_CORRECTION = 1.7
# Amplitudes below this are rounding (on a scale of 0 to 255): nothing is there to be congruent.
NOTHING = 1e-6


def frequencies(size: int) -> Tensor:
    """Frequency axis from −0.5 on, origin in the middle; odd sizes reach +0.5 too, as Kovesi's code has it."""
    if size % 2:
        return torch.arange(-(size - 1) // 2, (size - 1) // 2 + 1, dtype=torch.float64) / (size - 1)
    return torch.arange(-size // 2, size // 2, dtype=torch.float64) / size


@lru_cache(maxsize=2)
@torch.inference_mode(False)  # or a bank first built in inference mode could not be used in training
def log_gabor_bank(height: int, width: int) -> tuple[Tensor, Tensor]:
    """Transfer functions, and how much noise energy each orientation lets through.

    Parameters
    ----------
    height, width : int
        Size of the picture, pixels (at least 2).

    Returns
    -------
    (Tensor (ORIENTATIONS, SCALES, H, W), Tensor (ORIENTATIONS,)), float64
        One-sided filters with frequency 0 at the corner, and the expected squared energy of the summed even
        responses per unit of squared response at the finest scale.
    """
    y, x = frequencies(height)[:, None], frequencies(width)[None, :]
    radius = torch.fft.ifftshift(torch.sqrt(x**2 + y**2))
    theta = torch.fft.ifftshift(torch.atan2(-y.expand(height, width), x.expand(height, width)))
    low_pass = 1 / (1 + (radius / CUTOFF) ** (2 * ORDER))
    radius[0, 0] = 1  # its logarithm is taken below; the filters are 0 there
    radial = []
    for scale in range(SCALES):
        centre = 1 / (SHORTEST_WAVELENGTH * 2**scale)
        ring = torch.exp(-((radius / centre).log() ** 2) / (2 * math.log(BANDWIDTH) ** 2)) * low_pass
        ring[0, 0] = 0
        radial.append(ring)
    angular = []
    for orientation in range(ORIENTATIONS):
        turned = theta - orientation * math.pi / ORIENTATIONS
        distance = torch.atan2(turned.sin(), turned.cos()).abs()
        angular.append(torch.exp(-(distance**2) / (2 * ANGULAR_SIGMA**2)))
    bank = torch.stack(angular)[:, None] * torch.stack(radial)[None]
    # The even part of a filter has the real part of its impulse response; by Parseval's theorem the sum over pixels of
    # the squared sum of those responses over scales is the same sum over frequencies.
    mirrored = torch.roll(bank.flip(-2, -1), (1, 1), (-2, -1))
    summed = ((bank + mirrored) / 2).sum(1)
    noise_gain = 2 * summed.square().sum((-2, -1)) / bank[:, 0].square().sum((-2, -1))
    return bank, noise_gain


def length(a: Tensor, b: Tensor) -> Tensor:
    """sqrt(a² + b²) whose gradient at the origin is 0, not NaN."""
    square = a.square() + b.square()
    positive = square > 0
    return torch.where(positive, torch.where(positive, square, 1).sqrt(), 0)


def phase_congruency(image: Tensor) -> Tensor:
    """Kovesi's phase congruency PC₂ with noise compensation, summed over four orientations.

    Parameters
    ----------
    image : Tensor, (N, 1, H, W), values in [0, 255]
        The frequency domain takes it as periodic. Not quite free of scale: a constant of 1e-4 guards a division.

    Returns
    -------
    Tensor, (N, 1, H, W), values in [0, 1]
        0 where the picture is flat.

    Notes
    -----
    Kovesi, "Image features from phase congruency", Videre 1(3), 1999, with the constants of FSIM (Zhang et al. 2011):
    4 scales from a wavelength of 6 px, 4 orientations, noise threshold at 2 standard deviations.
    """
    n, _, height, width = image.shape
    bank, noise_gain = (t.to(image) for t in log_gabor_bank(height, width))
    # No filter passes the mean; without it single precision keeps more digits, and a flat picture is exactly 0.
    spectrum = torch.fft.fft2(image - image.mean((-2, -1), keepdim=True))
    energies, amplitudes = torch.zeros_like(image[:, 0]), torch.zeros_like(image[:, 0])
    for orientation in range(ORIENTATIONS):  # one at a time: all at once would take four times the memory
        response = torch.fft.ifft2(spectrum * bank[orientation])  # (N, SCALES, H, W), even + i·odd
        even, odd = response.real, response.imag
        amplitude = length(even, odd)
        mean_even, mean_odd = even.sum(1, keepdim=True), odd.sum(1, keepdim=True)
        norm = length(mean_even, mean_odd) + 1e-4
        mean_even, mean_odd = mean_even / norm, mean_odd / norm
        along = even * mean_even + odd * mean_odd
        across = (even * mean_odd - odd * mean_even).abs()
        energy = (along - across).sum(1)
        # Noise: the squared response at the finest scale is exponentially distributed, so its mean is median / ln 2.
        finest = median(amplitude[:, 0].square().flatten(1)) / math.log(2)
        rayleigh = positive_sqrt(finest * noise_gain[orientation] / 2)
        deviations = math.sqrt(math.pi / 2) + NOISE_DEVIATIONS * math.sqrt(2 - math.pi / 2)
        threshold = rayleigh * deviations / NOISE_CORRECTION
        energies = energies + (energy - threshold[:, None, None]).clamp_min(0)
        amplitudes = amplitudes + amplitude.sum(1)
    there = amplitudes > NOTHING
    return torch.where(there, energies / torch.where(there, amplitudes, 1), 0).reshape(n, 1, height, width)


def median(values: Tensor) -> Tensor:
    """Median of each row of (N, K); the mean of the middle two where K is even (torch's own takes the lower)."""
    count = values.shape[1]
    low = values.median(1, keepdim=True).values
    if count % 2:
        return low[:, 0]
    # The next in order is the same again if it comes often enough, else the smallest that is larger.
    repeated = (values <= low).sum(1) > count // 2
    above = torch.where(values > low, values, math.inf).amin(1)
    return (low[:, 0] + torch.where(repeated, low[:, 0], above)) / 2


def positive_sqrt(values: Tensor) -> Tensor:
    """Square root whose gradient at 0 is 0, not infinite."""
    positive = values > 0
    return torch.where(positive, torch.where(positive, values, 1).sqrt(), 0)
