"""Zhuo and Sim's blur at edges: how much a second blur takes from their gradient (Zhuo, Sim 2011).

A step of blur s has a gradient of A / √(2πs²) at its middle. Blurred again by a Gaussian σ₀ it has A / √(2π(s² + σ₀²)),
so that their ratio R = √((s² + σ₀²) / s²) gives s = σ₀ / √(R² − 1), whatever the contrast A.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from kukkiri.errors import InputError
from kukkiri.sharpness.edge_blur import CROWDING, PAIRS, EdgeBlur, EdgeBlurMetric
from kukkiri.sharpness.step_edges import Edges, ScaleSpace, find_edges, gradient_noise

# The gradient at the finer scale must exceed its noise by this factor.
CLEAR = 3.0
# Rounds in which the blur and the place of a gradient's peak find each other.
ROUNDS = 5
# The least that R² is above 1.
LEAST_GAIN = 1e-6


def reblur_ratio(space: ScaleSpace, edges: Edges, fine: float, coarse: float) -> tuple[Tensor, Tensor]:
    """R of each edge: the gradient at the finer scale over that at the coarser one, both at their peaks.

    Gradients are derivatives of Gaussians, σ₁ = `fine`, so that a step of blur s has v = s² + σ₁² before and v + σ₀²
    after blurring again by σ₀² = coarse² − fine². An edge pixel lies up to half a pixel beside the peak; the second
    derivative there tells how far, and with it how much higher the peak is.

    Parameters
    ----------
    space : ScaleSpace
    edges : Edges
    fine, coarse : float
        Pixels.

    Returns
    -------
    (Tensor, Tensor), (P,) each, float64
        R, and v = σ₀² / (R² − 1); inf where R ≤ 1.
    """
    again = coarse**2 - fine**2
    before, after = space.at(fine), space.at(coarse)
    slopes = [edges.slope(d).double().clamp_min(torch.finfo(torch.float32).tiny) for d in (before, after)]
    offsets = [edges.bend(d)[0].double() / g for d, g in zip((before, after), slopes, strict=True)]
    plain = 2 * (slopes[0] / slopes[1]).log()
    gain = torch.expm1(plain)
    for _ in range(ROUNDS):
        variance = (again / gain.clamp_min(LEAST_GAIN)).clamp_min(fine**2)
        # A Gaussian's logarithmic slope at a distance d from its peak is −d / v; it is trusted up to one σ.
        here = (variance * offsets[0]).clamp(-fine, fine).square() / variance
        there = ((variance + again) * offsets[1]).clamp(-coarse, coarse).square() / (variance + again)
        gain = torch.expm1(plain + here - there)
    return (1 + gain).sqrt(), torch.where(gain > LEAST_GAIN, again / gain.clamp_min(LEAST_GAIN), torch.inf)


class ZhuoSim(EdgeBlurMetric):
    """`zhuo-sim`: sigma in pixels from the re-blur ratio at edges; NaN without edges.

    The median over edge pixels, weighted by the square of their contrast. `blur_maps` gives it at the edges and, by the
    guided filter, everywhere.

    The paper has one re-blur for all pictures, and spreads the map with the matting Laplacian. Here σ₀ is chosen for
    each edge, from √3 to 4·√3 px (ours): it grows with the noise, by which too small a one is misled, and with the
    blur, on which too small a one has no effect. Edges are found above the noise at the coarser scale; gradients are
    read at their own peaks. The pixel's own blur, a variance of 1/12 px², is taken off, so that a sharp picture counts
    as 0. A value of 12 px stands for 12 or more: a slow gradation has it.

    Parameters
    ----------
    sigma0 : float, optional
        One re-blur for all edges, as published, pixels (theirs is about 1); 0.5 to 16. Default: chosen.

    Raises
    ------
    InputError
        If `sigma0` is out of range.
    """

    name = "zhuo-sim"

    def __init__(self, *, sigma0: float | None = None) -> None:
        super().__init__()
        if sigma0 is not None and not 0.5 <= sigma0 <= 16:
            raise InputError(
                expected="a re-blur sigma0 of 0.5 to 16 px", got=f"{sigma0:g}", fix="leave it out to have it chosen"
            )
        self.pairs = PAIRS if sigma0 is None else ((1.0, math.hypot(1.0, sigma0)),)

    def measure(self, space: ScaleSpace, fine: float, coarse: float) -> EdgeBlur:
        edges = find_edges(space, coarse)
        # The direction is the coarser scale's, so that noise at the finer one adds to its gradient as often as not.
        edges = edges[edges.slope(space.at(fine)) > CLEAR * space.noise * gradient_noise(fine)]
        _, variance = reblur_ratio(space, edges, fine, coarse)
        slope = edges.slope(space.at(coarse))
        return EdgeBlur(edges.rows, edges.columns, variance - fine**2, slope, fine, coarse)

    def relative_error(self, variance: Tensor, contrast: Tensor, noise: float, fine: float, coarse: float) -> Tensor:
        again = coarse**2 - fine**2
        before, after = variance + fine**2, variance + coarse**2
        a, b = (
            noise * gradient_noise(s) * (2 * math.pi * v).sqrt() / contrast
            for s, v in ((fine, before), (coarse, after))
        )
        # The noise of the two gradients is partly the same.
        common = (2 * fine * coarse / (fine**2 + coarse**2)) ** 2
        spread = (a.square() + b.square() - 2 * common * a * b + CROWDING**2).sqrt()
        return before * after / (again * variance) * spread
