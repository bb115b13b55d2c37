"""Spectral slope: how fast the power spectrum falls with frequency (Field 1987; Field and Brady 1997).

Pictures of nature fall as f^−2 or so; blur makes the fall steeper, noise makes it flatter. Gain and offset do not
change it, so it compares pictures of one kind under different light, though not of different kinds.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from kukkiri.errors import InputError
from kukkiri.images.colour import luma
from kukkiri.metrics.base import Metric

# Below this standard deviation (a fraction of one 16-bit level) there is nothing to measure but rounding.
FLAT = 1e-6


def radial_power(grey: Tensor, edges: Tensor) -> tuple[Tensor, Tensor]:
    """Mean power, and mean logarithm of frequency, in rings of the spectrum.

    The picture is windowed (Hann, separable) after the mean under that window is taken off, so that neither the border
    nor the mean leaks into the rings.

    Parameters
    ----------
    grey : Tensor, (N, 1, H, W)
    edges : Tensor, (K + 1,)
        Limits of the rings, cycles/pixel, increasing.

    Returns
    -------
    (Tensor (N, K), Tensor (K,)), float64
        Power; natural logarithm of frequency in cycles/pixel. NaN for a ring without a sample.
    """
    x = grey[:, 0].double()
    height, width = x.shape[-2:]
    # The window of length n + 2 without its zeros: no pixel is thrown away.
    rows, columns = (
        torch.hann_window(n + 2, periodic=False, dtype=x.dtype, device=x.device)[1:-1] for n in (height, width)
    )
    window = rows[:, None] * columns
    x = (x - (x * window).sum((1, 2), keepdim=True) / window.sum()) * window
    power = torch.view_as_real(torch.fft.rfft2(x)).square().sum(-1)
    fy = torch.fft.fftfreq(height, dtype=x.dtype, device=x.device)[:, None]
    fx = torch.fft.rfftfreq(width, dtype=x.dtype, device=x.device)
    frequency = torch.sqrt(fy.square() + fx.square())
    # The half plane stands for the whole: columns other than 0 and Nyquist have a twin of equal power.
    twins = torch.full_like(fx, 2.0)
    twins[0] = 1
    if width % 2 == 0:
        twins[-1] = 1
    count = torch.where(frequency > 0, twins.expand_as(frequency), 0.0).flatten()
    ring = torch.bucketize(frequency.flatten(), edges, right=True)
    rings = len(edges) + 1  # with those below and above the band

    def ring_sums(values: Tensor) -> Tensor:
        sums = torch.zeros(*values.shape[:-1], rings, dtype=values.dtype, device=values.device)
        return sums.index_add(-1, ring, values)[..., 1:-1]

    samples = ring_sums(count)
    log_frequency = ring_sums(count * frequency.flatten().clamp_min(1e-9).log()) / samples
    return ring_sums(power.flatten(1) * count) / samples, log_frequency


class SpectralSlope(Metric):
    """`spectral-slope`: d log(power) / d log(frequency), dimensionless; the nearer to 0, the sharper.

    A straight line is fitted by least squares to the logarithm of the mean power of luma in half-octave rings of the
    band. A field of power f^−a gives −a, white noise 0, photographs −2 to −3. NaN where the picture is flat, or its
    spectrum empty in a ring.

    Parameters
    ----------
    band : (float, float)
        Lowest and highest frequency, cycles/pixel; at least an octave, the highest at most 0.5.
    """

    name = "spectral-slope"

    def __init__(self, *, band: tuple[float, float] = (1 / 32, 1 / 2)) -> None:
        super().__init__()
        low, high = band
        if low <= 0 or not 2 * low <= high <= 0.5:
            raise InputError(
                expected="a band (low, high) of at least an octave within (0, 0.5] cycles/pixel",
                got=str(band),
                fix="leave it at (1/32, 1/2)",
            )
        self.band = (low, high)

    def score(self, image: Tensor, reference: Tensor | None, weights: Tensor) -> Tensor:
        low, high = self.band
        rings = round(2 * math.log2(high / low))
        edges = low * (high / low) ** (torch.arange(rings + 1, dtype=torch.float64, device=image.device) / rings)
        # Many a frequency lies on an edge. Rounding must not decide: it belongs to the ring above, or to the last.
        edges[:-1] *= 1 - 1e-9
        edges[-1] *= 1 + 1e-9
        grey = luma(image)
        power, log_frequency = radial_power(grey, edges)
        flat = (grey.double().std((1, 2, 3), correction=0) < FLAT)[:, None] | (power <= 0)
        deviation = log_frequency - log_frequency.mean()
        log_power = torch.where(flat, 1.0, power).log()
        slope = (log_power * deviation).sum(1) / deviation.square().sum()
        return torch.where(flat.any(1), torch.nan, slope).to(image.dtype)
