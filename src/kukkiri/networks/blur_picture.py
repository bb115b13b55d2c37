"""From what each place says of its blur to what the whole picture says.

A single place sees one edge, say, and of the blur only its width across that edge; whether the PSF is round, or a disc,
it can but guess, and its guesses lean towards what is common. The picture as a whole knows better: each direction has
places that see it, the family shows in their mean, and the spectrum shows all three. So places are pooled, each counted
by how sure it is, direction by direction; and a small network reads off them and off the spectrum by how much the
guesses of the size were wrong.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from kukkiri.networks.blur_spectrum import BANDS, LEVELS, levels_of

# The spread, in octaves, at which a place counts half.
HALF_EVIDENCE = 0.25
# No picture's sizes are corrected by more than this, octaves.
LARGEST_SHIFT = 0.6
# Directions in which widths are told, radians from +x towards +y.
DIRECTIONS = (0.0, math.pi / 4, math.pi / 2, 3 * math.pi / 4)
_HIDDEN = 128
# Standard deviations from the mean of what was learned from.
_FARTHEST = 6.0


class PictureEstimate(NamedTuple):
    """What a whole picture says of its PSF.

    Parameters
    ----------
    shift : Tensor, (N,)
        To be added to log2 sigma at every place, octaves.
    anisotropy : Tensor, (N, 2)
        (xx − yy, 2·xy) / (xx + yy) of the PSF's covariance, within the unit disc.
    family : Tensor, (N, 3)
        Logits of Gaussian, disc, motion.
    """

    shift: Tensor
    anisotropy: Tensor
    family: Tensor


def evidence_of(spread: Tensor) -> Tensor:
    """How much a place says of its blur, 0 to 1: an inverse variance that saturates.

    Parameters
    ----------
    spread : Tensor
        Standard deviation of log2 sigma, octaves.

    Returns
    -------
    Tensor
        1 for a certain place, ½ at a spread of 0.25 octaves, 0 for no idea.
    """
    return 1 / (1 + (spread / HALF_EVIDENCE).square())


def weight_of(mean: Tensor, evidence: Tensor) -> Tensor:
    """What a place counts in the judgement of the whole.

    Its evidence squared, and the inverse of its size: what is soft by itself looks blurred, nothing looks too sharp.

    Parameters
    ----------
    mean : Tensor
        Of log2 sigma.
    evidence : Tensor
        0 to 1.

    Returns
    -------
    Tensor, not negative
    """
    counted: Tensor = evidence.square() * power_of_two(-mean)
    return counted


def power_of_two(exponent: Tensor) -> Tensor:
    """2 to a power; ONNX has no such operator of its own."""
    return (exponent * math.log(2)).exp()


def anisotropy_of(widths: Tensor) -> Tensor:
    """(xx − yy, 2·xy) / (xx + yy) from log2 widths in the four `DIRECTIONS`.

    Parameters
    ----------
    widths : Tensor, (N, 4, …)

    Returns
    -------
    Tensor, (N, 2, …), within the unit disc
    """
    # (a − b) / (a + b) of variances 4^p and 4^q is tanh((p − q)·ln 2).
    found = torch.tanh((widths[:, :2] - widths[:, 2:]) * math.log(2))
    length: Tensor = found.norm(dim=1, keepdim=True)
    return found / length.clamp_min(1)


class PictureHead(nn.Module):
    """Pools the places of a picture, and judges the whole by them and by its spectrum.

    Parameters
    ----------
    features : int
        Of the network.
    """

    centre: Tensor  # octaves, added to every shift: set by the calibration
    known_mean: Tensor
    known_scale: Tensor

    def __init__(self, features: int) -> None:
        super().__init__()
        self.feature_count = features
        bands = LEVELS * BANDS
        known = 6 + 2 * bands
        layers = nn.Linear(known, _HIDDEN), nn.ReLU(), nn.Linear(_HIDDEN, _HIDDEN), nn.ReLU(), nn.Dropout(0.2)
        self.read = nn.Sequential(*layers)
        self.out = nn.Linear(_HIDDEN, 2 + bands + 3)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)
        self.register_buffer("centre", torch.zeros(()))
        # Of what the judgement is made from: measured before it is learned by itself. Heights of a spectrum are larger
        # numbers than all else.
        heights = slice(5, 5 + bands)
        mean, scale = torch.zeros(known), torch.ones(known)
        mean[heights], scale[heights] = -6.0, 4.0
        self.register_buffer("known_mean", mean)
        self.register_buffer("known_scale", scale)

    def sums(
        self, mean: Tensor, weight: Tensor, widths: Tensor, certainty: Tensor, family: Tensor, features: Tensor
    ) -> Tensor:
        """What is to be known of the places, added up: the sums of two parts of a picture are those of the whole.

        Parameters
        ----------
        mean, weight : Tensor, (N, 1, h, w)
            Of log2 sigma; and what each place counts.
        widths, certainty : Tensor, (N, 4, h, w)
        family : Tensor, (N, 3, h, w)
        features : Tensor, (N, F, h, w)

        Returns
        -------
        Tensor, (N, F + 13)
        """
        sure = (2 * certainty).exp() * weight
        # One after the other: of a large picture each is large.
        parts = (features, weight), (family, weight), (mean, weight), (weight, None), (widths, sure), (sure, None)
        return torch.cat([(x if by is None else x * by).sum((2, 3)) for x, by in parts], 1)

    def features(self, sums: Tensor) -> Tensor:
        """Weighted mean of the features, (N, F)."""
        at = self.feature_count
        return sums[:, :at] / sums[:, at + 4 : at + 5]

    def mean(self, sums: Tensor) -> Tensor:
        """Weighted mean of log2 sigma before any shift, (N,)."""
        at = self.feature_count
        return sums[:, at + 3] / sums[:, at + 4]

    def known(self, sums: Tensor, spectrum: Tensor) -> tuple[Tensor, Tensor]:
        """What the judgement is made from.

        Parameters
        ----------
        sums : Tensor, (N, F + 13)
        spectrum : Tensor, (N, 3, 10, 3)
            Of `blur_spectrum.Spectrum`.

        Returns
        -------
        Tensor, (N, 66)
            What stays as it is, or nearly, when the picture is turned. Not the features: more could be learned of
            them, but less of it would hold on other pictures.
        Tensor, (N, 31, 2)
            Directions, by the widths and by each band of the spectrum, that turn twice as far as the picture.
        """
        at = self.feature_count
        family, mean = sums[:, at : at + 3] / sums[:, at + 4 : at + 5], self.mean(sums)
        widths = (sums[:, at + 5 : at + 9] / sums[:, at + 9 :].clamp_min(1e-20)).clamp(-4, 6)
        # The size by the widths that were surest, beside that by the places that were.
        trace = 0.5 * torch.log2(power_of_two(2 * widths).mean(1)) - mean
        height, direction = levels_of(spectrum)
        directions = torch.cat([anisotropy_of(widths)[:, None], direction], 1)
        told = [family.softmax(1), mean[:, None], trace[:, None], height, directions.norm(dim=2)]
        return torch.cat(told, 1), directions

    def forward(self, sums: Tensor, spectrum: Tensor) -> PictureEstimate:
        """Judge pictures by the sums over their places and over their windows; see `known`."""
        return self.judge(*self.known(sums, spectrum), sums)

    def judge(self, known: Tensor, directions: Tensor, sums: Tensor) -> PictureEstimate:
        """Judge pictures by what is `known` of them."""
        at, bands = self.feature_count, LEVELS * BANDS
        # Nothing that was never seen may count without limit.
        read = self.read(((known - self.known_mean) / self.known_scale).clamp(-_FARTHEST, _FARTHEST))
        shift, gain, weights, family = self.out(read).split([1, 1, bands, 3], 1)
        # Directions are only weighted and added: what turns with the picture turns with it exactly.
        factors = torch.cat([torch.exp(torch.tanh(gain)), weights], 1)
        anisotropy = (factors[..., None] * directions).sum(1)
        anisotropy = anisotropy * (0.995 / anisotropy.norm(dim=1, keepdim=True).clamp_min(0.995))
        family = family + sums[:, at : at + 3] / sums[:, at + 4 : at + 5]
        return PictureEstimate(LARGEST_SHIFT * torch.tanh(shift[:, 0]) + self.centre, anisotropy, family)
