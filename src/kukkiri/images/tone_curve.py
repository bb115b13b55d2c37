"""How the tones of one picture follow from those of another: gain, offset and gamma."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

# Gammas that are looked for; between any two devices it is far less.
LEAST_GAMMA, MOST_GAMMA = 0.25, 4.0
# Values this near to black or white may be clipped: the curve does not hold there.
CLIPPED = 0.004
FEWEST = 64
# Values that spread no more than this tell nothing of gain and gamma.
FLAT = 1e-3
_GOLDEN = (math.sqrt(5) - 1) / 2


@dataclass(frozen=True)
class ToneCurve:
    """Values v of one channel become gain · v ** gamma + offset.

    Parameters
    ----------
    gain, offset, gamma : float
        For values in [0, 1].
    """

    gain: float = 1.0
    offset: float = 0.0
    gamma: float = 1.0

    def __call__(self, values: Tensor) -> Tensor:
        """The tones (any shape), cut to [0, 1]."""
        return (values.clamp(0, 1) ** self.gamma * self.gain + self.offset).clamp(0, 1)


def fit_tones(target: Tensor, source: Tensor) -> ToneCurve:
    """The curve that takes `source` nearest to `target`, least squares with a few outliers forgiven.

    Parameters
    ----------
    target, source : Tensor, (P,), values in [0, 1]
        The same places of two pictures in register.

    Returns
    -------
    ToneCurve
        Only an offset where the source is flat; the identity where fewer than 64 places are not clipped.
    """
    counts = (target > CLIPPED) & (target < 1 - CLIPPED)
    x, y = source[counts].double().clamp(0, 1), target[counts].double()
    if x.numel() < FEWEST:
        return ToneCurve()
    weights = torch.ones_like(x)
    if float(x.std()) < FLAT:
        return ToneCurve(1.0, float(y.mean() - x.mean()), 1.0)
    curve = ToneCurve()
    for _ in range(3):
        curve = _fit(x, y, weights)
        error = curve.gain * x**curve.gamma + curve.offset - y
        spread = 1.4826 * float(error.abs().median()) + 1e-6
        weights = 1 / (1 + (error / (3 * spread)).square())
    return curve


def _fit(x: Tensor, y: Tensor, weights: Tensor) -> ToneCurve:
    """Golden-section search of log gamma; gain and offset follow."""
    low, high = math.log(LEAST_GAMMA), math.log(MOST_GAMMA)
    inner = [high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)]
    errors = [_line(x, y, weights, math.exp(g))[1] for g in inner]
    while high - low > 1e-4:
        if errors[0] <= errors[1]:
            high, inner[1], errors[1] = inner[1], inner[0], errors[0]
            inner[0] = high - _GOLDEN * (high - low)
            errors[0] = _line(x, y, weights, math.exp(inner[0]))[1]
        else:
            low, inner[0], errors[0] = inner[0], inner[1], errors[1]
            inner[1] = low + _GOLDEN * (high - low)
            errors[1] = _line(x, y, weights, math.exp(inner[1]))[1]
    return _line(x, y, weights, math.exp((low + high) / 2))[0]


def _line(x: Tensor, y: Tensor, weights: Tensor, gamma: float) -> tuple[ToneCurve, float]:
    """Gain and offset at this gamma, and the weighted squared error."""
    bent = x**gamma
    total = weights.sum()
    mean_x, mean_y = (weights * bent).sum() / total, (weights * y).sum() / total
    variance = (weights * (bent - mean_x).square()).sum()
    covariance = (weights * (bent - mean_x) * (y - mean_y)).sum()
    # Tones that run backwards are no tone curve: a flat one is the best of those that do not.
    gain = max(float(covariance / variance.clamp_min(1e-12)), 0.0)
    offset = float(mean_y) - gain * float(mean_x)
    return ToneCurve(gain, offset, gamma), float((weights * (gain * bent + offset - y).square()).sum())
