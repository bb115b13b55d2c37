"""Blur by explanation: the sigma under which a prior of sharp pictures explains a picture best, noise included.

Each candidate point-spread function is asked how probable it makes the picture itself, everything sharp integrated out
(`gradient_prior`). There is no network; a few constants, of its interval and of when it abstains, were set on
pictures of known blur. No light, gain or contrast is left in the picture before it is asked.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from kukkiri.errors import InputError, ShapeError
from kukkiri.images.colour import luma
from kukkiri.images.image import Image, ImageLike, as_image
from kukkiri.images.masks import as_mask, largest_free_box
from kukkiri.images.statistics import estimate_noise
from kukkiri.metrics.base import Metric
from kukkiri.sharpness.blur import Blur
from kukkiri.sharpness.blur_cells import weighted_quantiles
from kukkiri.sharpness.estimating import HALF_90
from kukkiri.sharpness.evidence_posterior import LARGEST, OWN_SCATTER, SMALLEST, STRIDE, Curve, curve_of, maps_of
from kukkiri.sharpness.evidence_prior import Candidate, Evidence, EvidencePrior
from kukkiri.sharpness.gradient_prior import SparseGradientPrior

FAMILIES = ("gaussian", "disc")
# Sizes of a family that are asked for; between them its evidence is a smooth curve. That of a disc is a narrow peak on
# texture, where its transfer function has zeros: on a grid twice as wide a peak may fall between two sizes.
ASKED = {"gaussian": 20, "disc": 60}
# Where the interval is wider than this ratio, the picture does not tell its blur.
WIDEST = 5.0
# A picture of a smaller standard deviation is flat: a fraction of one 16-bit level.
FLAT = 1e-6


@cache
def candidates_of(families: tuple[str, ...]) -> tuple[Candidate, ...]:
    """What is asked for: sizes of each family, a little beyond the range of sigma on both sides."""
    ends = {"gaussian": (0.41, 10), "disc": (0.62, 20)}
    return tuple(
        Candidate(family, float(length)) for family in families for length in np.geomspace(*ends[family], ASKED[family])
    )


class PriorEvidence(Metric):
    """`prior-evidence`: sigma in pixels at which a sparse-gradient prior explains the picture best.

    `estimate` gives interval, family and map as well; `curve` the evidence itself. NaN where the picture says nothing
    of its blur; 0.35 or 8 where that lies outside the range.

    Parameters
    ----------
    families : str or tuple of str
        Of 'gaussian' and 'disc': round blurs that are asked for.
    prior : EvidencePrior, optional
        What knows how sharp pictures look; default: `SparseGradientPrior()`.

    Raises
    ------
    InputError
        If a family is neither of the two.

    Notes
    -----
    A prior of two-dimensional spectra knows no direction: under motion or astigmatism the sharpest direction decides.
    What JPEG has emptied is left out where the picture still shows the steps of its file (`jpeg_steps`); resized since,
    it shows them no more, and neither does a file with another table than the standard's. Texture whose spectrum hardly
    falls, such as gravel or brick, is unlike the prior: under a disc of more than 7 px radius a nearly sharp picture of
    a steep spectrum may explain it better. The zeros of the disc still show in the evidence; then there is no answer.
    """

    name = "prior-evidence"

    def __init__(self, *, families: str | Sequence[str] = FAMILIES, prior: EvidencePrior | None = None) -> None:
        super().__init__()
        families = (families,) if isinstance(families, str) else families
        if not families or set(families) - set(FAMILIES):
            raise InputError(
                expected="families of 'gaussian' and 'disc'", got=", ".join(families) or "none", fix="leave them out"
            )
        self.families = tuple(dict.fromkeys(families))
        self.prior = SparseGradientPrior() if prior is None else prior

    def score(self, image: Tensor, reference: Tensor | None, weights: Tensor) -> Tensor:
        sigmas = []
        for grey in luma(image.detach())[:, 0]:
            asked = self._asked(grey)
            sigmas.append(math.nan if asked is None else verdict(self._curve(asked))[0])
        return torch.tensor(sigmas, dtype=image.dtype, device=image.device)

    def estimate(self, image: ImageLike, *, mask: Any = None) -> list[Blur]:
        """The blur of each picture of a batch.

        Parameters
        ----------
        image : image-like, or Tensor (N, C, H, W), values in [0, 1]
        mask : Boolean (H, W) or (N, H, W), optional
            True where pixels must not count: the largest rectangle without them is measured.

        Returns
        -------
        list of Blur
            Axes are NaN, since the candidates are round, and so is `unlike_training`: there was none. The map has cells
            of 16 px; the tail of its sharper end is `sharpest`.

        Raises
        ------
        ShapeError
            If the mask does not fit, or leaves no rectangle of 64 px a side.
        """
        picture = as_image(image) if isinstance(image, (str, Path)) else image
        pixel_size = picture.pixel_size if isinstance(picture, Image) else None
        grey = luma(self.check(picture, None)[0])[:, 0]
        if mask is None:
            return [self._blur(one, pixel_size) for one in grey]
        left_out = as_mask(mask, grey.shape[-2:], grey.device)
        masks = [left_out] * len(grey) if left_out.ndim == 2 else list(left_out)
        if len(masks) != len(grey):
            raise ShapeError(
                expected=f"one mask, or {len(grey)}", got=f"{len(masks)}", fix="give one mask, or one a sample"
            )
        return [self._within(one, out, pixel_size) for one, out in zip(grey, masks, strict=True)]

    def curve(self, image: ImageLike) -> list[Curve | None]:
        """The evidence over sigma of each picture of a batch; None where one is flat."""
        asked = [self._asked(grey) for grey in luma(self.check(image, None)[0])[:, 0]]
        return [None if one is None else self._curve(one) for one in asked]

    def _asked(self, grey: Tensor) -> Evidence | None:
        """What the prior says of a picture (H, W), or None if there is nothing in it."""
        pixels = grey.detach().cpu().double()
        spread = float(pixels.std(correction=0))
        if spread < FLAT:
            return None
        standard = ((pixels - pixels.mean()) / spread).float()
        return self.prior.log_evidence(standard, candidates_of(self.families), estimate_noise(standard))

    def _curve(self, asked: Evidence) -> Curve:
        return curve_of(asked.nats.double().sum(0), candidates_of(self.families), len(asked.nats))

    def _within(self, grey: Tensor, left_out: Tensor, pixel_size: float | None) -> Blur:
        """The blur of the largest rectangle without a masked pixel."""
        box = self.inside(largest_free_box(left_out))
        whole = (int(grey.shape[-2]), int(grey.shape[-1]))
        return replace(self._blur(grey[box.slices], pixel_size), origin=(box.top, box.left), whole=whole)

    def _blur(self, grey: Tensor, pixel_size: float | None) -> Blur:
        size = (int(grey.shape[-2]), int(grey.shape[-1]))
        noise = estimate_noise(grey.detach().cpu().float())
        nan, asked = math.nan, self._asked(grey)
        cells = tuple(-(-n // STRIDE) for n in size)
        sigma_map, sureness = torch.full(cells, nan), torch.zeros(cells)
        silent = "flat: all pixels have one value"
        if asked is not None:
            curve = self._curve(asked)
            sigma_map, sureness = maps_of(asked, candidates_of(self.families), size)
            sigma, interval, bound = verdict(curve)
            if not math.isnan(sigma):
                sharpest = weighted_quantiles(sigma_map.log(), sureness.clamp_min(1e-6), (0.05,))[0]
                metres = None if pixel_size is None else sigma * pixel_size
                return Blur(
                    sigma, min(sigma, math.exp(sharpest)), interval, bound, nan, nan, nan, curve.shares, noise,
                    sigma_map, sureness, STRIDE, size, nan, sigma_m=metres,
                )  # fmt: skip
            silent = "no evidence: nothing but noise, or no structure finer than the blur"
            if (rival := curve.rival) is not None:
                silent = f"two explanations: {curve.best:.2g} px, and a disc of {rival:.2g} px"
        shares = dict.fromkeys(self.families, nan)
        return Blur(
            nan, nan, (nan, nan), None, nan, nan, nan, shares, noise, sigma_map, sureness, STRIDE, size, nan, silent
        )


def verdict(curve: Curve) -> tuple[float, tuple[float, float], Literal["below", "above"] | None]:
    """Sigma, its 90 % interval, and whether it is only a bound.

    NaN where the interval is wider than `WIDEST`, or a much larger disc contends (`Curve.rival`).
    """
    sigma = curve.best
    low, high = curve.quantiles((0.05, 0.95))
    # In px², since variances of blurs add.
    below = math.hypot(sigma**2 - min(low, sigma) ** 2, HALF_90 * OWN_SCATTER)
    above = math.hypot(max(high, sigma) ** 2 - sigma**2, HALF_90 * OWN_SCATTER)
    low, high = math.sqrt(max(sigma**2 - below, 0.0)), math.sqrt(sigma**2 + above)
    if min(high, LARGEST) > WIDEST * max(low, SMALLEST) or curve.rival is not None:
        return math.nan, (math.nan, math.nan), None
    low, high = low if low > SMALLEST else 0.0, high if high < LARGEST else math.inf
    if sigma < SMALLEST:
        return SMALLEST, (0.0, max(high, SMALLEST)), "below"
    if sigma > LARGEST:
        return LARGEST, (min(low, LARGEST), math.inf), "above"
    return sigma, (low, high), None
