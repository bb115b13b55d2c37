"""The network behind `kukkiri-blur`: a shared trunk over a scale pyramid, fused from coarse to fine.

Invariant by construction to gain and offset: every level of the pyramid is standardised by its own local mean and
deviation before any weight sees it, and what is kept of the deviations are only their ratios from level to level.
Beside the trunk's features the network is told, as cues, these ratios and the direction of the gradients at each level:
a blur with axes dampens gradients along its major axis at its own scale, where what is seen has its own at all scales.
One trunk for all levels makes a blur at one scale look like half that blur at the next.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kukkiri.images.filtering import pad
from kukkiri.networks.blur_picture import DIRECTIONS, PictureEstimate, PictureHead, evidence_of, weight_of
from kukkiri.networks.blur_spectrum import Spectrum

# Whose probabilities the network gives.
FAMILIES = ("gaussian", "disc", "motion")
# Side of the cells, in pixels of their level, over which means and deviations are taken.
CELL = 8
# A deviation below this counts as none: a sixtieth of a 16-bit step, and above single precision's rounding.
FLAT = 2.5e-7


class BlurMaps(NamedTuple):
    """What the network says, at 1/8 of the picture.

    Parameters
    ----------
    logits : Tensor, (N, K, h, w)
        Of the distribution over log2 sigma, whose K bins are `BlurNet.centres`.
    widths : Tensor, (N, 4, h, w)
        log2 of the PSF's standard deviation, px, in the four `DIRECTIONS`.
    certainty : Tensor, (N, 4, h, w)
        log of the inverse variance of these, per square octave.
    family : Tensor, (N, 3, h, w)
        Logits of Gaussian, disc, motion.
    features : Tensor, (N, F, h, w)
        What the heads are computed from.
    """

    logits: Tensor
    widths: Tensor
    certainty: Tensor
    family: Tensor
    features: Tensor


class Block(nn.Module):
    """A residual block: 3×3, rectified, 1×1."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.spread = nn.Conv2d(width, width, 3, padding=1)
        self.mix = nn.Conv2d(width, width, 1)
        # Starts as the identity, which trains without normalisation layers.
        for parameter in self.mix.parameters():
            nn.init.zeros_(parameter)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, h, w) → (N, C, h, w)."""
        added: Tensor = self.mix(F.relu_(self.spread(x)))
        return added.add_(x)


class BlurNet(nn.Module):
    """Distribution of the local blur size, at 1/8 of the picture.

    Parameters
    ----------
    stem, width : int
        Channels of the trunk's first convolution and of its blocks.
    blocks : int
        Of the trunk.
    fused : tuple of int
        Channels of the fused features from the finest (1/8) to the coarsest (1/32).
    fused_blocks : int
        Of each fused level.
    """

    # Of the pyramid, each half the one before.
    levels = 4
    stride = 8
    # log2 sigma from 0.25 to 16 px in steps of an eighth of an octave.
    low, high, count = -2.0, 4.0, 49
    feature_count = 96
    centres: Tensor

    def __init__(
        self,
        stem: int = 24,
        width: int = 48,
        blocks: int = 3,
        fused: tuple[int, int, int] = (64, 96, 128),
        fused_blocks: int = 2,
    ) -> None:
        super().__init__()
        self.register_buffer("centres", self.bins(), persistent=False)
        self.stem = nn.Sequential(
            nn.Conv2d(1, stem, 5, 2, 2),
            nn.ReLU(inplace=True),
            nn.Conv2d(stem, width, 3, 2, 1),
            nn.ReLU(inplace=True),
        )
        self.trunk = nn.Sequential(*(Block(width) for _ in range(blocks)))
        fine, middle, coarse = fused
        self.from_finest = nn.Conv2d(width, fine, 2, 2)
        self.entries = nn.ModuleList(nn.Conv2d(width, c, 1) for c in fused)
        self.descents = nn.ModuleList([nn.Conv2d(middle, fine, 1), nn.Conv2d(coarse, middle, 1)])
        cues = self.levels - 1 + 2 * self.levels
        self.cues = nn.ModuleList(nn.Conv2d(cues, c, 1) for c in fused)
        self.fusions = nn.ModuleList(nn.Sequential(*(Block(c) for _ in range(fused_blocks))) for c in fused)
        self.neck = nn.Conv2d(fine, self.feature_count, 1)
        self.head = nn.Conv2d(self.feature_count + cues, self.count + 2 * len(DIRECTIONS) + len(FAMILIES), 1)
        self.picture = PictureHead(self.feature_count)
        self.spectrum = Spectrum()

    @classmethod
    def bins(cls, device: torch.device | None = None) -> Tensor:
        """log2 sigma of the K bins, (K,)."""
        return torch.linspace(cls.low, cls.high, cls.count, device=device)

    @property
    def multiple(self) -> int:
        """Sides of the input are extended to a multiple of this."""
        return 4 << (self.levels - 1)

    def forward(self, image: Tensor, judged: bool = False) -> BlurMaps | tuple[BlurMaps, Tensor, PictureEstimate]:
        """Estimate.

        Parameters
        ----------
        image : Tensor, (N, 1, H, W)
            Any range: gain and offset cancel.
        judged : bool
            Also judge each picture as a whole.

        Returns
        -------
        BlurMaps
            Of h = ⌈H / 32⌉·4 rows, and columns likewise: what lies beyond the picture is its mirror image.
        Tensor, (N,)
            Only if `judged`: weighted mean of log2 sigma, before any shift.
        PictureEstimate
            Only if `judged`.
        """
        pyramid, cues = self.standardised_pyramid(image)
        features = [self.trunk(self.stem(level)) for level in pyramid]
        maps = self.fuse(features, cues)
        return (maps, *self.judge(maps, image)) if judged else maps

    def standardised_pyramid(self, image: Tensor) -> tuple[list[Tensor], Tensor]:
        """Each level standardised; and the cues at 1/8: ratios of the deviations, directions of the gradients."""
        height, width = image.shape[-2:]
        x = pad(image, (0, -width % self.multiple, 0, -height % self.multiple), "symmetric")
        # Half precision would spoil the differences of nearly equal numbers.
        with torch.autocast(image.device.type, enabled=False):
            pyramid, deviations, directions = [], [], []
            size = [x.shape[-2] // self.stride, x.shape[-1] // self.stride]
            for level in range(self.levels):
                standard, deviation = standardise(x)
                pyramid.append(standard)
                deviations.append(resized(deviation.log2(), size))
                directions.append(resized(gradient_direction(standard), size))
                if level < self.levels - 1:
                    x = F.avg_pool2d(x, 2)
            ratios = torch.cat([fine - coarse for fine, coarse in pairwise(deviations)], 1)
            cues = torch.cat([ratios.clamp(-6, 6), *directions], 1)
        return pyramid, cues

    def fuse(self, features: list[Tensor], cues: Tensor) -> BlurMaps:
        """The trunk's features of all levels to maps at 1/8."""
        finest, *others = features
        coming = finest  # replaced by the coarsest level's before it is asked for
        for at in reversed(range(len(self.fusions))):
            x = self.entries[at](others[at])
            size = x.shape[-2:]
            x = x + self.cues[at](resized(cues, size))
            if at == 0:
                x = x + self.from_finest(finest)
            if at < len(self.descents):
                x = x + resized(self.descents[at](coming), size)
            coming = self.fusions[at](F.relu_(x))
        features_out = F.relu_(self.neck(F.relu(coming)))
        out = self.head(torch.cat([features_out, cues.to(features_out.dtype)], 1)).float()
        logits, aside, sure, family = out.split([self.count, len(DIRECTIONS), len(DIRECTIONS), len(FAMILIES)], 1)
        # Standard deviations from a sixteenth of an octave to one and a quarter.
        certainty = 2.5 + 3 * torch.tanh(sure / 3)
        mean = expectation(logits, self.centres)[0].detach()
        return BlurMaps(logits, mean + aside, certainty, family, features_out.float())

    def judge(self, maps: BlurMaps, image: Tensor) -> tuple[Tensor, PictureEstimate]:
        """Pictures (N, 1, H, W) as wholes: the mean of log2 sigma over places before any shift, (N,), and the rest."""
        with torch.autocast(maps.logits.device.type, enabled=False):
            mean, spread = expectation(maps.logits, self.centres)
            weight = weight_of(mean, evidence_of(spread))
            sums = self.picture.sums(mean, weight, maps.widths, maps.certainty, maps.family, maps.features)
            return self.picture.mean(sums), self.picture(sums, self.spectrum(image.float()))


def standardise(image: Tensor) -> tuple[Tensor, Tensor]:
    """Subtract the local mean and divide by the local deviation.

    Parameters
    ----------
    image : Tensor, (N, 1, H, W), sides multiples of 4

    Returns
    -------
    standard : Tensor, (N, 1, H, W)
    deviation : Tensor, (N, 1, ~H/8, ~W/8)
        Local standard deviation over about 24 px, at least `FLAT`.
    """
    size = image.shape[-2:]
    cell = min(CELL, *size)
    centred = image - resized(_smooth(F.avg_pool2d(image, cell)), size)
    deviation = (_smooth(F.avg_pool2d(centred.square(), cell)) + FLAT**2).sqrt()
    return centred / resized(deviation, size), deviation


def gradient_direction(standard: Tensor) -> Tensor:
    """Which way the gradients point, by their structure tensor over about 24 px.

    Parameters
    ----------
    standard : Tensor, (N, 1, H, W)

    Returns
    -------
    Tensor, (N, 2, ~H/8, ~W/8)
        (gx² − gy², 2·gx·gy) / (gx² + gy²): within the unit disc, 0 where no direction prevails.
    """
    padded = F.pad(standard, (1, 1, 1, 1), mode="replicate")
    gx = padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]
    gy = padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]
    xx, yy = gx.square(), gy.square()
    tensor = F.avg_pool2d(torch.cat([xx - yy, 2 * gx * gy, xx + yy], 1), min(CELL, *standard.shape[-2:]))
    tensor = _smooth(tensor)
    return tensor[:, :2] / (tensor[:, 2:] + 1e-6)


def _smooth(cells: Tensor) -> Tensor:
    return F.avg_pool2d(F.pad(cells, (1, 1, 1, 1), mode="replicate"), 3, 1)


def resized(maps: Tensor, size: torch.Size | list[int] | tuple[int, int]) -> Tensor:
    """Bilinear, pixel centres aligned by area."""
    if list(maps.shape[-2:]) == list(size):
        return maps
    return F.interpolate(maps, size=list(size), mode="bilinear", align_corners=False)


def expectation(logits: Tensor, centres: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of log2 sigma, each (N, 1, h, w)."""
    share = logits.softmax(1)
    bins = centres[:, None, None]
    mean = (share * bins).sum(1, keepdim=True)
    variance = (share * (bins - mean).square()).sum(1, keepdim=True)
    return mean, variance.clamp_min(1e-8).sqrt()
