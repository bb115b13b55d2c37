"""From blur at single edges to a blur size of the picture and a map of it, whatever measures the edges.

Each edge is measured at several pairs of scales, and counts at the pair that tells its size best: too fine a pair sees
noise, too coarse a one sees the neighbours. Which is best follows from the noise, the contrast and the blur around.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from kukkiri.images.colour import luma
from kukkiri.images.guided_filter import box_sums, propagate
from kukkiri.images.image import ImageLike
from kukkiri.metrics.base import Metric
from kukkiri.sharpness.step_edges import ScaleSpace, scale_space

# Pairs of scales σ, 2σ: in steps of √2, from the finest that sampling allows.
PAIRS = tuple((2 ** (k / 2), 2 ** (k / 2 + 1)) for k in range(5))
# Fewer edge pixels than this tell nothing.
FEWEST = 20
# A pixel is a mean over its area. A sharp picture counts as 0, so the variance of that mean is taken off.
PIXEL = 1 / 12
# Largest blur that is told, pixels.
LARGEST = 12.0
# What neighbours do to a response at an edge, as a share of it, in choosing a pair of scales.
CROWDING = 0.1
# In choosing a pair an edge is not taken for sharper than this, pixels: the error of a vanishing size has no bound.
SHARPEST = 0.5
# Half a side of the window in which edges agree on a pair, pixels, and how many edge pixels the picture as a whole
# stands for in it.
AROUND, PRIOR = 18, 5.0
ROUNDS = 2
# In a map an edge that disagrees with those around by this factor counts half.
DISAGREEING = 0.35
# The smallest sigma on the logarithmic scale of a map, pixels.
LEAST = 0.1


@dataclass(frozen=True)
class EdgeBlur:
    """What edges say at one pair of scales.

    Parameters
    ----------
    rows, columns : Tensor, (P,), int64
    variance : Tensor, (P,)
        Of the blur, the pixel's included, pixels²; below 0 where an edge is narrower than a step can be, inf where it
        is as wide at the finer scale.
    slope : Tensor, (P,)
        Gradient across the edge at the coarse scale.
    fine, coarse : float
        The scales, pixels.
    """

    rows: Tensor
    columns: Tensor
    variance: Tensor
    slope: Tensor
    fine: float
    coarse: float

    @property
    def places(self) -> tuple[Tensor, Tensor]:
        """To index a picture with."""
        return self.rows, self.columns

    def chosen(self, these: Tensor) -> EdgeBlur:
        """Some of them."""
        rows, columns, variance, slope = (v[these] for v in (self.rows, self.columns, self.variance, self.slope))
        return EdgeBlur(rows, columns, variance, slope, self.fine, self.coarse)

    def contrast(self, variance: Tensor) -> Tensor:
        """Height of each step if its blur has this variance."""
        return self.slope * (2 * math.pi * (variance + self.coarse**2)).sqrt()


class SparseBlur(NamedTuple):
    """Blur at edge pixels: rows and columns (P,), variance (P,) as in `EdgeBlur`, contrast (P,) of the step."""

    rows: Tensor
    columns: Tensor
    variance: Tensor
    contrast: Tensor


class BlurMaps(NamedTuple):
    """Sigma in pixels of each sample: at edge pixels, (N, H, W), NaN elsewhere; and everywhere, NaN if abstained."""

    sparse: Tensor
    full: Tensor


def weighted_median(values: Tensor, weights: Tensor) -> float:
    """The value that half of the weight lies below."""
    order = values.argsort()
    reached = weights[order].double().cumsum(0)
    return float(values[order[int(torch.searchsorted(reached, reached[-1] / 2))]])


def sigma_of(variance: Tensor) -> Tensor:
    """Blur size from the variance of an edge: the pixel's own taken off, 0 to 12 px."""
    return (variance - PIXEL).clamp(0, LARGEST**2).sqrt()


class EdgeBlurMetric(Metric):
    """A metric whose value is the contrast-weighted median of sigma over edge pixels, and which has a map.

    A subclass implements `measure` and `relative_error`.
    """

    pairs: Sequence[tuple[float, float]] = PAIRS

    def measure(self, space: ScaleSpace, fine: float, coarse: float) -> EdgeBlur:
        """The blur of every edge that can be measured with these two scales."""
        raise NotImplementedError  # abstract: every subclass has its own

    def relative_error(self, variance: Tensor, contrast: Tensor, noise: float, fine: float, coarse: float) -> Tensor:
        """How far s of an edge may be off at a pair of scales, as a share of s: half the share of s².

        Parameters
        ----------
        variance, contrast : Tensor, (P,)
            About those of the edge.
        noise : float
            In the units of the contrast.
        fine, coarse : float
            Pixels.

        Returns
        -------
        Tensor, (P,)
        """
        raise NotImplementedError  # abstract: every subclass has its own

    def edges(self, image: Tensor) -> SparseBlur | None:
        """The blur at the edges of one picture.

        Parameters
        ----------
        image : Tensor, (1, C, H, W), values in [0, 1]

        Returns
        -------
        SparseBlur or None
            None with fewer than 20 edge pixels.
        """
        space = scale_space(image)
        if space is None:
            return None
        found = [each for each in (self.measure(space, *pair) for pair in self.pairs) if len(each.rows)]
        return self._chosen(found, space)

    def score(self, image: Tensor, reference: Tensor | None, weights: Tensor) -> Tensor:
        return torch.stack([self._sigma(self.edges(picture)) for picture in image.detach()[:, None]]).to(image)

    def blur_maps(self, image: ImageLike) -> BlurMaps:
        """Sigma at the edges, and spread from them over the picture along its edges.

        Parameters
        ----------
        image : image-like, or Tensor (N, C, H, W), values in [0, 1]

        Returns
        -------
        BlurMaps
            In the full map edges that disagree with those around count little.
        """
        x, _ = self.check(image, None)
        maps = [_maps(picture, self.edges(picture)) for picture in x[:, None]]
        return BlurMaps(*(torch.stack(each).to(x) for each in zip(*maps, strict=True)))

    @staticmethod
    def _sigma(found: SparseBlur | None) -> Tensor:
        if found is None:
            return torch.tensor(torch.nan)
        return sigma_of(torch.tensor(weighted_median(found.variance, found.contrast.square())))

    def _chosen(self, found: list[EdgeBlur], space: ScaleSpace) -> SparseBlur | None:
        """Each edge at its best pair of scales."""
        enough = [each for each in found if len(each.rows) >= FEWEST]
        if not enough:
            return None
        # From the coarsest, which noise moves least, to the one that is best for the picture as a whole.
        current = enough[-1]
        for _ in enough:
            best = min(enough, key=lambda each: float(self._error(*_middle(current), space, each)))
            if best is current:
                break
            current = best
        sparse = SparseBlur(*current.places, current.variance, current.contrast(_middle(current)[0]))
        for _ in range(ROUNDS):
            refined = self._refined(sparse, found, space)
            if len(refined.rows) < FEWEST:
                break
            sparse = refined
        return sparse

    def _error(self, variance: Tensor, contrast: Tensor, space: ScaleSpace, pair: EdgeBlur) -> Tensor:
        return self.relative_error(variance.clamp_min(SHARPEST**2), contrast, space.noise, pair.fine, pair.coarse)

    def _refined(self, sparse: SparseBlur, found: list[EdgeBlur], space: ScaleSpace) -> SparseBlur:
        """Every edge of every pair that is the best one where it lies, by the blur and contrast around."""
        log_sigma, contrast = _around(sparse, space.size)
        parts = []
        for index, each in enumerate(found):
            variance, height = (2 * log_sigma[each.places]).exp(), contrast[each.places]
            errors = torch.stack([self._error(variance, height, space, other) for other in found])
            best = errors.argmin(0) == index
            parts.append((each.rows[best], each.columns[best], each.variance[best], each.contrast(variance)[best]))
        return SparseBlur(*(torch.cat(column) for column in zip(*parts, strict=True)))


def _middle(each: EdgeBlur) -> tuple[Tensor, Tensor]:
    """Typical variance and contrast of edges, as scalars: medians, weighted by the square of the gradient."""
    weights = each.slope.square()
    variance = torch.tensor(weighted_median(each.variance, weights)).double().clamp(SHARPEST**2, LARGEST**2)
    return variance, torch.tensor(weighted_median(each.contrast(variance), weights)).double()


def _log_sigma(variance: Tensor) -> Tensor:
    return variance.double().clamp(LEAST**2, LARGEST**2).log() / 2


def _sureness(contrast: Tensor) -> Tensor:
    # Bounded, so that a strong edge does not speak for a faint one far from it.
    contrast = contrast.double()
    return contrast / (contrast + contrast.median())


def _around(sparse: SparseBlur, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Means of log sigma and of contrast over the edges around each pixel, (H, W) each."""
    weights, log_sigma = _sureness(sparse.contrast), _log_sigma(sparse.variance)
    contrast = sparse.contrast.double()
    sums = torch.zeros(3, *size, dtype=torch.float64, device=weights.device)
    for plane, values in zip(sums, (weights, weights * log_sigma, weights * contrast), strict=True):
        plane.index_put_((sparse.rows, sparse.columns), values, accumulate=True)
    count, *totals = box_sums(sums, AROUND)
    middle = [weighted_median(v, weights) for v in (log_sigma, contrast)]
    near, height = ((t + PRIOR * m) / (count + PRIOR) for t, m in zip(totals, middle, strict=True))
    return near, height


def _maps(image: Tensor, found: SparseBlur | None) -> tuple[Tensor, Tensor]:
    """Sparse and full sigma of a picture (1, C, H, W), each (H, W)."""
    size = (image.shape[-2], image.shape[-1])
    if found is None:
        empty = torch.full(size, torch.nan, dtype=torch.float64)
        return empty, empty
    guide = luma(image).double()
    # Means: an edge pixel may be there at two pairs of scales.
    weight, total, sigma = (torch.zeros(size, dtype=torch.float64, device=image.device) for _ in range(3))
    place, sure = (found.rows, found.columns), _sureness(found.contrast)
    own = sigma_of(found.variance.double())
    weight.index_put_(place, sure, accumulate=True)
    total.index_put_(place, sure * own.clamp_min(LEAST).log(), accumulate=True)
    sigma.index_put_(place, sure * own, accumulate=True)
    known = weight > 0
    values, sure = torch.where(known, total / weight, torch.nan), weight.clamp_max(1)
    full = _around(found._replace(variance=own.square()), size)[0]
    for _ in range(ROUNDS):
        off = (values - full) / DISAGREEING
        trusted = torch.where(known, sure / (1 + off.square()), 0.0)
        full = propagate(values[None, None], trusted[None, None], guide)[0, 0]
    return torch.where(known, sigma / weight, torch.nan), full.exp().clamp(0, LARGEST)
