"""From the evidence of candidate blurs to sigma, its interval, its family and a map."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kukkiri.sharpness.evidence_prior import Candidate, Evidence

# What can be told apart from sharp, and the largest blur that windows of 64 px resolve, pixels.
SMALLEST, LARGEST = 0.35, 8.0
# The curve goes a little beyond both, so that a blur outside the range shows; in steps of 0.9 %.
ENDS = (0.31, 9.5)
FINE = 400
# However many places agree, they may be unlike the prior in the same way: together they count as so many. And what
# counts as sharp has a blur of its own, whose variance scatters by so many px². With these two, 90 % intervals of 480
# blurred photographs (24 of BSDS500's training set, the ten days) held the truth 92 times in 100.
PLACES, OWN_SCATTER = 15.0, 0.11
# A disc leaves zeros in a spectrum, and with them a peak in the evidence of discs. One beyond this sigma (pixels),
# which stands out by this share of what it lacks to the best explanation, contends with it. In 72 blurred photographs
# (12 of BSDS500's training set) none stood out by more than 0.67; in textures under discs of 8 to 12 px radius that
# would be taken for nearly sharp, by 0.87 and more.
RIVAL_FROM, RIVAL = 3.0, 0.8
# And by so many nats: in photographs of 96 px, of few places, peaks were up to 53; those textures had over 120.
RIVAL_LEAST = 80.0
# Cells of the map, pixels, and the distance over which a cell listens to places (standard deviation), in cells.
STRIDE = 16
HEARD = 1.25


@dataclass(frozen=True)
class Curve:
    """The log evidence of a picture over sigma.

    Parameters
    ----------
    sigma : array, (S,)
        Pixels, in even steps of the logarithm.
    families : tuple of str, F
    nats : array, (F, S)
        The greatest of all is 0.
    places : int
        Of which it is the sum.
    """

    sigma: NDArray[np.float64]
    families: tuple[str, ...]
    nats: NDArray[np.float64]
    places: int

    @property
    def posterior(self) -> NDArray[np.float64]:
        """Probability of each family and sigma, (F, S), sum 1, from places that count as at most `PLACES`."""
        return tempered(self.nats, self.places)

    @property
    def shares(self) -> dict[str, float]:
        """Probability of each family."""
        return dict(zip(self.families, (float(v) for v in self.posterior.sum(1)), strict=True))

    @property
    def modes(self) -> dict[str, float]:
        """The sigma of each family's greatest evidence, pixels: of the parabola through it and its neighbours."""
        step = math.log(self.sigma[1] / self.sigma[0])
        found = {}
        for family, nats in zip(self.families, self.nats, strict=True):
            at = int(nats.argmax())
            offset = 0.0
            if 0 < at < len(nats) - 1:
                before, here, after = nats[at - 1 : at + 2]
                bend = before - 2 * here + after
                offset = 0.5 * (before - after) / bend if bend < 0 else 0.0
            found[family] = float(self.sigma[at] * math.exp(step * offset))
        return found

    @property
    def best(self) -> float:
        """Sigma, pixels: the logarithmic mean of the families' modes, each as probable as its family.

        Below 1 px a disc and a somewhat larger Gaussian explain a picture alike, and neither may win by a hair.
        """
        modes, shares = self.modes, self.shares
        return math.exp(sum(shares[family] * math.log(mode) for family, mode in modes.items()))

    @property
    def rival(self) -> float | None:
        """Sigma of a disc that the evidence singles out although a blur smaller than it explains the picture better.

        The prior then is not one for this picture: content of a flatter spectrum than it knows, say.
        """
        from scipy.signal import find_peaks

        if "disc" not in self.families:
            return None
        nats = self.nats[self.families.index("disc")]
        at, found = find_peaks(nats, prominence=RIVAL_LEAST)
        contends = (self.sigma[at] > max(RIVAL_FROM, 1.5 * self.best)) & (found["prominences"] > -RIVAL * nats[at])
        return float(self.sigma[at[contends][nats[at[contends]].argmax()]]) if contends.any() else None

    def quantiles(self, levels: Sequence[float]) -> list[float]:
        """Sigma at which so much of the posterior is reached, pixels."""
        return [float(v) for v in quantiles_of(self.posterior.sum(0), self.sigma, levels)]


def curve_of(nats: Tensor, candidates: Sequence[Candidate], places: int) -> Curve:
    """The curve of a picture from the sum of its places.

    Parameters
    ----------
    nats : Tensor, (K,)
    candidates : sequence of Candidate, K
    places : int
    """
    families, sigma, fine = spline(nats.double().numpy(), candidates)
    return Curve(sigma, families, fine - fine.max(), places)


def spline(
    nats: NDArray[np.float64], candidates: Sequence[Candidate]
) -> tuple[tuple[str, ...], NDArray[np.float64], NDArray[np.float64]]:
    """Cubic splines through the candidates of each family, over log sigma.

    Parameters
    ----------
    nats : array, (…, K)
    candidates : sequence of Candidate, K

    Returns
    -------
    families : tuple of str, F
    sigma : array, (S,)
        Pixels.
    fine : array, (…, F, S)
    """
    from scipy.interpolate import CubicSpline

    families = tuple(dict.fromkeys(c.family for c in candidates))
    sigma = np.geomspace(*ENDS, FINE)
    curves = []
    for family in families:
        members = [i for i, c in enumerate(candidates) if c.family == family]
        known = np.log([candidates[i].sigma for i in members])
        curves.append(CubicSpline(known, nats[..., members], axis=-1)(np.log(sigma)))
    return families, sigma, np.stack(curves, -2)


def tempered(nats: NDArray[np.float64], places: NDArray[np.float64] | float) -> NDArray[np.float64]:
    """Probabilities (…, F, S) from log evidence, which counts as that of at most `PLACES` places."""
    scaled = nats * np.minimum(1.0, PLACES / np.maximum(places, 1e-9))
    weights = np.exp(scaled - scaled.max((-2, -1), keepdims=True))
    return np.asarray(weights / weights.sum((-2, -1), keepdims=True))


def quantiles_of(
    probability: NDArray[np.float64], sigma: NDArray[np.float64], levels: Sequence[float]
) -> NDArray[np.float64]:
    """Sigma (…, L) at which these shares of a probability (…, S) are reached."""
    reached = probability.cumsum(-1) - probability / 2
    flat = reached.reshape(-1, reached.shape[-1])
    found = [np.exp(np.interp(levels, row, np.log(sigma))) for row in flat]
    return np.array(found).reshape(*reached.shape[:-1], len(levels))


def maps_of(evidence: Evidence, candidates: Sequence[Candidate], size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Sigma and its evidence, cell by cell of `STRIDE` pixels.

    Parameters
    ----------
    evidence : Evidence
    candidates : sequence of Candidate
    size : (int, int)
        Height and width of the picture, pixels.

    Returns
    -------
    sigma : Tensor, (h, w)
        Pixels: of the greatest evidence of the places around, each heard as its distance allows; NaN without places.
    sureness : Tensor, (h, w)
        0 to 1: how much narrower the cell's 90 % interval is, in logarithms, than if nothing were known.
    """
    if not len(evidence.rows):
        cells = tuple(-(-n // STRIDE) for n in size)
        return torch.full(cells, math.nan), torch.zeros(cells)
    rows, columns = (STRIDE * torch.arange(-(-n // STRIDE)) + (STRIDE - 1) / 2 for n in size)
    # Wider where a large picture has places farther apart than the cells.
    reach = max(HEARD * STRIDE, 0.6 * math.sqrt(size[0] * size[1] / len(evidence.rows)))
    across = torch.exp(-0.5 * ((columns[:, None] - evidence.columns) / reach).square())
    found = []
    for row in rows:
        weight = across * torch.exp(-0.5 * ((row - evidence.rows) / reach).square())
        nats = (weight @ evidence.nats).double().numpy()
        _, sigma, fine = spline(nats, candidates)
        best = sigma[fine.max(1).argmax(1)]
        ends = quantiles_of(tempered(fine, weight.sum(1).double().numpy()[:, None, None]).sum(1), sigma, (0.05, 0.95))
        width = np.log(ends[:, 1] / ends[:, 0]) / (0.9 * math.log(sigma[-1] / sigma[0]))
        found.append(np.stack([best.clip(SMALLEST, LARGEST), (1 - width).clip(0, 1)]))
    sigma_map, sureness = torch.from_numpy(np.stack(found, 1)).float()
    return sigma_map, sureness
