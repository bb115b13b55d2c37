"""Coordinates in which features hardly go together, so that all of what they say is learned about equally fast."""

from __future__ import annotations

import torch
from torch import Tensor


def zca_whitening(features: Tensor, ridge: float) -> tuple[Tensor, Tensor]:
    """Whitening that leaves each coordinate near the feature it came from (ZCA), and its inverse.

    Without it the strongest of thousands of features that go together, the content of a picture, drown the weak ones,
    which tell mild damage.

    Parameters
    ----------
    features : Tensor, (N, K)
        Standardised: mean 0, standard deviation 1 or less.
    ridge : float, > 0
        Added to variances of principal axes: axes of less stay as weak as they are.

    Returns
    -------
    whitening, inverse : Tensor, (K, K)
        `features @ whitening` has standard deviations of 1.
    """
    x = features.double()
    variances, axes = torch.linalg.eigh(x.T @ x / len(x))
    variances = variances.clamp_min(0)
    shrunk = (variances + ridge).rsqrt()
    whitening = (axes * shrunk) @ axes.T
    # Of constant features nothing is left: they stay as they are.
    deviation = ((axes.square() * (variances * shrunk.square())).sum(1)).sqrt()
    deviation = torch.where(deviation > 1e-3, deviation, torch.ones_like(deviation))
    inverse = deviation[:, None] * ((axes / shrunk) @ axes.T)
    return (whitening / deviation).float(), inverse.float()
