"""Edge width from the Laplacian of Gaussian at two scales (after Marr, Hildreth 1980; Elder, Zucker 1998).

A step of contrast A and blur s has, under a Laplacian of Gaussian of scale σ, a zero crossing between two extrema of
height E = A / (√(2πe)·(s² + σ²)), 2·√(s² + σ²) apart. The heights at two scales give s whatever the contrast:
E₁ / E₂ = (s² + σ₂²) / (s² + σ₁²). The lower of the two extrema counts more: what crowds in on one side raises that one.
"""

from __future__ import annotations

import math

import torch
from scipy import ndimage
from torch import Tensor

from kukkiri.sharpness.edge_blur import CROWDING, EdgeBlur, EdgeBlurMetric
from kukkiri.sharpness.step_edges import Edges, ScaleSpace, find_edges, laplacian_noise

# How far an extremum is looked for, and how finely, in units of the scale.
REACH, STEP = 4.0, 0.25
# An extremum must exceed the noise of its scale by this factor.
CLEAR = 4.0
# The least that E₁/E₂ is above 1.
LEAST_GAIN = 1e-6
# A side of the edge counts by its extremum at the coarser scale to the power of minus this: the lower one more.
POWER = 4.0
# Gradient and extrema must be those of one step: the variances of its profile that follow differ by less than this
# factor. The ripples of a slow gradation have the gradient of the gradation.
UNLIKE = 4.0


def first_peaks(profile: Tensor) -> tuple[Tensor, Tensor]:
    """The first positive local maximum of each row, refined by a parabola.

    Parameters
    ----------
    profile : Tensor, (P, L)

    Returns
    -------
    (Tensor, Tensor), (P,) each
        Position in samples, and height; NaN where there is none.
    """
    before, middle, after = profile[:, :-2], profile[:, 1:-1], profile[:, 2:]
    peak = (middle >= before) & (middle > after) & (middle > 0)
    first = peak.to(torch.uint8).argmax(1, keepdim=True)
    a, b, c = (v.gather(1, first)[:, 0] for v in (before, middle, after))
    bend = (a - 2 * b + c).clamp_max(-torch.finfo(profile.dtype).tiny)
    offset = (0.5 * (a - c) / bend).clamp(-1, 1)
    there = peak.any(1)
    position, height = first[:, 0] + 1 + offset, b - 0.25 * (a - c) * offset
    return torch.where(there, position, torch.nan), torch.where(there, height, torch.nan)


def extrema(space: ScaleSpace, edges: Edges, sigma: float) -> tuple[Tensor, Tensor]:
    """Distance and height of the Laplacian's extrema on both sides of each edge.

    Parameters
    ----------
    space : ScaleSpace
    edges : Edges
    sigma : float
        Scale, pixels.

    Returns
    -------
    (Tensor, Tensor), (2, P) each
        Pixels from the edge pixel, and height, positive; the darker side first. NaN where there is none within 4·sigma.
    """
    d = space.at(sigma)
    laplacian = d.xx + d.yy
    t = torch.arange(0, REACH + STEP, STEP, device=laplacian.device) * sigma
    found = []
    # The Laplacian is positive on the darker side, negative on the brighter one.
    for way in (-1.0, 1.0):
        x = edges.columns[:, None] + way * edges.right[:, None] * t
        y = edges.rows[:, None] + way * edges.down[:, None] * t
        position, height = first_peaks(-way * _sampled(laplacian, x, y))
        found.append((position * STEP * sigma, height))
    distances, heights = zip(*found, strict=True)
    return torch.stack(distances), torch.stack(heights)


def _sampled(field: Tensor, x: Tensor, y: Tensor) -> Tensor:
    # Cubic splines: linear interpolation and cubic convolution err by several percent at the finest scale. On the CPU.
    places = torch.stack([y, x]).flatten(1).cpu().numpy()
    values = ndimage.map_coordinates(field.cpu().numpy(), places, order=3, mode="nearest")
    return torch.from_numpy(values).reshape(x.shape).to(field)


class LogEdgeWidth(EdgeBlurMetric):
    """`log-edge-width`: sigma in pixels from the Laplacian of Gaussian at both sides of edges; NaN without edges.

    The median over edge pixels, weighted by the square of their contrast. `blur_maps` gives it at the edges and, by the
    guided filter, everywhere.

    Edges stand out of the estimated noise at the finer of two scales σ and 2σ, and so do both extrema; σ is chosen for
    each edge from 1 to 4 px by its noise, contrast and blur. The pixel's own blur, a variance of 1/12 px², is taken
    off, so that a sharp picture counts as 0. There is no value above 12 px, and soon beyond that no edge.
    """

    name = "log-edge-width"

    def measure(self, space: ScaleSpace, fine: float, coarse: float) -> EdgeBlur:
        edges = find_edges(space, fine)
        heights = [extrema(space, edges, sigma)[1] for sigma in (fine, coarse)]
        clear = [h > CLEAR * space.noise * laplacian_noise(s) for h, s in zip(heights, (fine, coarse), strict=True)]
        slope = edges.slope(space.at(coarse))
        chosen = torch.stack(clear).all(0).all(0) & (slope > 0)
        edges, slope = edges[chosen], slope[chosen].double()
        first, second = (h[:, chosen].double() for h in heights)
        share = second.log().mul(-POWER).softmax(0)
        first, second = ((share * h).sum(0) for h in (first, second))
        gain, again = first / second - 1, coarse**2 - fine**2
        profile = torch.where(gain > LEAST_GAIN, again / gain.clamp_min(LEAST_GAIN), torch.inf) + again
        # The height of the step, by its gradient A / √(2πv) and by its extrema.
        agree = (slope / second).square() / math.e < UNLIKE * profile
        found = EdgeBlur(edges.rows, edges.columns, profile - coarse**2, slope, fine, coarse)
        return found.chosen(agree)

    def relative_error(self, variance: Tensor, contrast: Tensor, noise: float, fine: float, coarse: float) -> Tensor:
        again = coarse**2 - fine**2
        before, after = variance + fine**2, variance + coarse**2
        a, b = (
            noise * laplacian_noise(s) * v * math.sqrt(2 * math.pi * math.e) / contrast
            for s, v in ((fine, before), (coarse, after))
        )
        # The noise of the two responses is partly the same.
        common = (2 * fine * coarse / (fine**2 + coarse**2)) ** 3
        spread = (a.square() + b.square() - 2 * common * a * b + CROWDING**2).sqrt()
        return before * after / (2 * again * variance) * spread
