"""LPC-SI: sharpness from local phase coherence (Hassen, Wang and Salama 2013).

At a sharp edge the phases of a complex wavelet transform line up across scales: that of the finest follows from those
of the coarser ones. Blur breaks the line.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from kukkiri.errors import InputError
from kukkiri.images.colour import luma_255
from kukkiri.metrics.base import Metric

FINEST = 4.0  # wavelength at scale 1, pixels
CUTOFF, ORDER = 0.45, 15  # of the Butterworth low pass that keeps the corners of the spectrum out


def log_gabor(
    size: tuple[int, int],
    scales: Sequence[float],
    orientations: int,
    bandwidth: float,
    device: torch.device | str = "cpu",
) -> Tensor:
    """Kovesi's log-Gabor filters, in the frequency plane with frequency 0 at the corner.

    Parameters
    ----------
    size : (int, int)
        Height and width of the picture.
    scales : sequence of float
        Wavelengths, in units of 4 pixels.
    orientations : int
        How many, over half a turn; the standard deviation in angle is two thirds of their spacing.
    bandwidth : float
        Ratio of the standard deviation of log frequency to the centre, in (0, 1); nearer to 1 is narrower.

    Returns
    -------
    Tensor, (orientations, len(scales), H, W), float64
    """
    # An odd axis is divided by n − 1, as Kovesi does: its frequencies are a trifle too high.
    fy, fx = (
        torch.fft.ifftshift(torch.arange(n, dtype=torch.float64, device=device) - n // 2) / (n - n % 2) for n in size
    )
    radius = torch.sqrt(fy[:, None].square() + fx.square())
    angle = torch.atan2(-fy[:, None], fx)
    low_pass = 1 / (1 + (radius / CUTOFF) ** (2 * ORDER))
    radius[0, 0] = 1
    radial = torch.stack(
        [torch.exp(-(torch.log(radius * FINEST * s) ** 2) / (2 * math.log(bandwidth) ** 2)) * low_pass for s in scales]
    )
    radial[:, 0, 0] = 0
    centres = torch.arange(orientations, dtype=torch.float64, device=device) * (math.pi / orientations)
    distance = angle - centres[:, None, None]
    distance = torch.atan2(distance.sin(), distance.cos())
    spread = torch.exp(-(distance**2) / (2 * (math.pi / orientations / 1.5) ** 2))
    return spread[:, None] * radial


class LPCSI(Metric):
    """`lpc-si`: the local-phase-coherence sharpness index, 0 (blurred) to 1 (sharp).

    On luma 0..255 (whole levels where the picture came from 8 bits), per orientation: the coherence is the cosine of
    the phase predicted minus measured, no less than 0; the energy is the magnitude at the finest scale above its mean
    plus two standard deviations. The map is Σ coherence·energy / (Σ energy + C) over orientations. Its values but for
    a border of a sixteenth are sorted downwards and averaged with weights exp(−i/(n−1)/β), i = 0 … n−1.

    Parameters
    ----------
    bandwidth : float
        Of the log-Gabor filters. 0.75 is in the authors' release 1.0; 0.33, which gives higher values, is in other
        copies that circulate.
    scales, scale_weights : tuple of float
        Scale factors, finest first, and their weights in the phase: (1, 3/2, 2) and (1, −3, 2). The paper also has
        (1, 2, 3) with (1, −4, 3), and (1, 2, 4) with (1, −3, 2). The weights add up to 0.
    orientations : int
    c, beta : float
        Constants C and β of the paper.
    """

    name = "lpc-si"

    def __init__(
        self,
        *,
        bandwidth: float = 0.75,
        scales: tuple[float, ...] = (1.0, 1.5, 2.0),
        scale_weights: tuple[float, ...] = (1.0, -3.0, 2.0),
        orientations: int = 8,
        c: float = 2.0,
        beta: float = 1e-4,
    ) -> None:
        super().__init__()
        if not 0 < bandwidth < 1:
            raise InputError(expected="a bandwidth in (0, 1)", got=str(bandwidth), fix="take 0.75, or 0.33")
        if len(scales) != len(scale_weights) or len(scales) < 2:
            raise InputError(
                expected="as many weights as scales, two or more",
                got=f"{len(scales)} scales and {len(scale_weights)} weights",
                fix="leave them at (1, 3/2, 2) and (1, -3, 2)",
            )
        if orientations < 1 or c <= 0 or beta <= 0:
            raise InputError(
                expected="orientations, c and beta above 0", got=f"{orientations}, {c}, {beta}", fix="leave them alone"
            )
        self.bandwidth, self.scales, self.scale_weights = bandwidth, scales, scale_weights
        self.orientations, self.c, self.beta = orientations, c, beta

    def coherence_map(self, image: Tensor) -> Tensor:
        """Local phase coherence, energy-weighted over orientations, without the border.

        Parameters
        ----------
        image : Tensor, (N, C, H, W), values in [0, 1]

        Returns
        -------
        Tensor, (N, H − 2b, W − 2b), values in [0, 1)
            b is a sixteenth of the shorter side, rounded.
        """
        grey = luma_255(image)[:, 0]
        height, width = grey.shape[-2:]
        border = math.floor(min(height, width) / 16 + 0.5)
        filters = log_gabor((height, width), self.scales, self.orientations, self.bandwidth, grey.device)
        filters = filters.to(grey.dtype)
        spectrum = torch.fft.fft2(grey)
        upper = torch.zeros_like(grey[:, border : height - border, border : width - border])
        lower = upper + self.c
        for oriented in filters:  # one at a time: all at once would take 48 times the picture's memory
            response = torch.fft.ifft2(spectrum[:, None] * oriented)
            response = response[..., border : height - border, border : width - border]
            magnitude = response[:, 0].abs()
            deviation, mean = torch.std_mean(magnitude, (1, 2), keepdim=True)
            energy = (magnitude - (mean + 2 * deviation)).clamp_min(0)
            strong = energy > 0  # a twentieth of the pixels: only there does the phase matter
            phase = sum(w * response[:, s][strong].angle() for s, w in enumerate(self.scale_weights))
            upper = upper.index_put((strong,), torch.cos(phase).clamp_min(0) * energy[strong], accumulate=True)
            lower = lower + energy
        return upper / lower

    def score(self, image: Tensor, reference: Tensor | None, weights: Tensor) -> Tensor:
        values = self.coherence_map(image).flatten(1)
        last = values.shape[1] - 1
        # Further down the weights are below e^−40.
        top = values.topk(min(last + 1, math.ceil(40 * self.beta * last) + 1), 1).values
        ranks = torch.arange(top.shape[1], dtype=torch.float64, device=top.device)
        weight = torch.exp(-ranks / last / self.beta)
        return ((top.double() * weight).sum(1) / weight.sum()).to(values.dtype)
