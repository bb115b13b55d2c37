"""What contrast a blur of known size and shape leaves at each spatial frequency."""

from __future__ import annotations

import math
from typing import Literal

from kukkiri.errors import InputError

Shape = Literal["gaussian", "disc", "motion"]
SHAPES: tuple[Shape, ...] = ("gaussian", "disc", "motion")
# Frequency times sigma at which the transfer function first falls to ½. Gaussian: √(ln 2 / 2π²). Disc of radius
# R = 2·sigma: 2·J1(x)/x = ½ at x = 2π·R·f = 2.21509. Motion of length L = √24·sigma: sinc(L·f) = ½ at L·f = 0.60335.
_HALF: dict[Shape, float] = {
    "gaussian": math.sqrt(math.log(2) / 2) / math.pi,
    "disc": 2.2150894 / (4 * math.pi),
    "motion": 0.6033545644 / math.sqrt(24),
}


def mtf(shape: Shape, sigma: float, frequency: float) -> float:
    """Modulation transfer function of a blur.

    Parameters
    ----------
    shape : 'gaussian' | 'disc' | 'motion'
        Gaussian: exp(−2π²σ²f²). Disc of radius 2σ: |2·J1(x)/x|, x = 4πσf. Straight motion of length √24·σ: |sinc|,
        along the motion; across it nothing is lost.
    sigma : float, ≥ 0
        Half-trace standard deviation, pixels; may be infinite.
    frequency : float, ≥ 0
        Cycles a pixel.

    Returns
    -------
    float
        In [0, 1]; NaN for a sigma of NaN.

    Raises
    ------
    InputError
        If the frequency is negative or not finite.
    """
    if not 0 <= frequency < math.inf:
        raise InputError(expected="a frequency of 0 or more", got=f"{frequency:g}", fix="give cycles in one pixel")
    if math.isnan(sigma):
        return math.nan
    if frequency == 0 or sigma == 0:
        return 1.0
    if math.isinf(sigma):
        return 0.0
    if shape == "gaussian":
        return math.exp(-2 * (math.pi * sigma * frequency) ** 2)
    if shape == "motion":
        x = math.pi * math.sqrt(24) * sigma * frequency
        return abs(math.sin(x) / x)
    from scipy.special import j1

    x = 4 * math.pi * sigma * frequency
    return abs(2 * float(j1(x)) / x) if x > 1e-8 else 1.0


def mtf50(shape: Shape, sigma: float) -> float:
    """The frequency at which `mtf` first falls to one half, cycles a pixel; infinite for a sigma of 0."""
    return math.inf if sigma == 0 else _HALF[shape] / sigma
