"""What a prior of sharp pictures must offer, so that the blur of a picture can be found by its evidence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from kukkiri.optics import psf


@dataclass(frozen=True)
class Candidate:
    """A point-spread function that may have blurred the picture.

    Parameters
    ----------
    family : 'gaussian' | 'disc'
    length : float
        Standard deviation or radius, pixels.
    """

    family: str
    length: float

    @cached_property
    def kernel(self) -> Tensor:
        """Sampled on pixels, (k, k)."""
        return (psf.disc if self.family == "disc" else psf.gaussian)(self.length)[0]

    @cached_property
    def sigma(self) -> float:
        """Half-trace standard deviation of the kernel, pixels."""
        return float(psf.sigma_of(self.kernel))


class Evidence(NamedTuple):
    """What a prior says of candidates, place by place.

    Parameters
    ----------
    nats : Tensor, (P, K)
        Natural logarithm of the probability density of each place's pixels under each candidate, up to a constant of
        the place's own. The picture's is the sum over its places.
    rows, columns : Tensor, (P,)
        Where the places have their middles, pixels.
    """

    nats: Tensor
    rows: Tensor
    columns: Tensor


def undecided_beyond(nats: Tensor, candidates: Sequence[Candidate], limit: float) -> Tensor:
    """Evidence (P, K) of places that cannot tell blurs beyond a sigma, pixels: there that of the best candidate of all.

    A kernel nearly as wide as a place leaves its spectrum no more than a few coefficients; what they say of large blurs
    is about the edge of the place, and must not overrule larger places.
    """
    beyond = torch.tensor([candidate.sigma > limit for candidate in candidates], device=nats.device)
    best = int(nats.double().sum(0).argmax())
    return torch.where(beyond, nats[:, best : best + 1], nats)


class EvidencePrior(Protocol):
    """What knows how sharp pictures look, and says how well it explains a blurred one.

    `SparseGradientPrior` is one. A diffusion prior is another as soon as it bounds the logarithm of
    p(y | k, n) = ∫ p(x) N(y; k∗x, n²) dx, by its evidence lower bound over samples of x given y, say. One that sees a
    picture only as a whole has a single place.
    """

    def log_evidence(self, picture: Tensor, candidates: Sequence[Candidate], noise: float) -> Evidence:
        """Evidence of each candidate.

        Parameters
        ----------
        picture : Tensor, (H, W), float32
            Luma, shifted and scaled to mean 0 and variance 1. What lies beyond its border is not known.
        candidates : sequence of Candidate, K
        noise : float
            Standard deviation of white noise in these units, as estimated; fine texture makes it too large.

        Returns
        -------
        Evidence
            Of no place if the picture is too small.
        """
