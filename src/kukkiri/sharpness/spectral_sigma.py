"""Spectral sigma: the blur size that makes a natural picture's power spectrum fall as the measured one does.

Pictures of nature have a power spectrum of about f^−2, whatever they show (Field 1987). Blur multiplies it by the
squared transfer function, noise adds a floor; both are found by fitting, see `kukkiri.sharpness.spectral_model`. Gain
and offset do not matter, and neither does white noise, as long as some of the spectrum rises above it.

What the assumption costs: the content's own departure from f^−2 is taken for blur, or for its absence. On fields that
fall as f^−1.5 or f^−2.5 sigma comes out some 2 to 6 % too small or too large, on f^−3.5 by 12 to 34 %, and sharp ones
of that kind seem blurred by half a pixel. Lattices, text and sparse particles are no power law at all;
`Blur.unlike_training` says so of the worst. What JPEG leaves at high frequencies is no white noise, and misleads at
strong compression. The blur is taken for round and without tails: of a motion, whose transfer function falls like a
power law itself when it is averaged over directions, two thirds of the size are missed, and intervals of blurs other
than Gaussians and discs are too narrow. Where the blur varies, the sharp parts hold most of the power at high
frequency, and the value is nearer to theirs; the map tells them apart.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from kukkiri.errors import ShapeError
from kukkiri.images.colour import luma
from kukkiri.images.image import Image, ImageLike, as_batch, as_image
from kukkiri.images.masks import Box, as_mask
from kukkiri.images.tiles import is_file, picture_size, tiles
from kukkiri.metrics.base import Metric
from kukkiri.networks.blur_picture import evidence_of
from kukkiri.sharpness.blur import SMALLEST, Blur
from kukkiri.sharpness.blur_cells import weighted_quantiles
from kukkiri.sharpness.estimating import free_part
from kukkiri.sharpness.spectral_blocks import BLOCK, CELL, STRIDE, Spectra
from kukkiri.sharpness.spectral_model import explain

if TYPE_CHECKING:
    from kukkiri.images.reading import ImageFile

# Larger blur leaves too few rings of a block above the noise, pixels.
HIGHEST = 10.0
# An interval whose ends are further apart than this tells nothing.
WIDEST = 3.0
# Root mean square of log power about the fit at which a picture is half as unlike a natural one as can be.
UNLIKE = 1.0
# A mean square below this, of values on [0, 1], is rounding.
FLAT = 1e-13
# Pictures of more pixels are walked over in tiles of this side; blocks of the map that are explained at once.
WHOLE, TILE, CHUNK = 1 << 22, 2048, 64


class SpectralSigma(Metric):
    """`spectral-sigma`: blur size in pixels from the power spectrum; NaN where it does not tell.

    Luma is cut into half-overlapping blocks of 128 px (64 where a side is shorter, or a mask leaves no larger one),
    whose spectra are averaged. Each block thus counts by its power: what has the strongest structure says most.
    `estimate` gives the interval and the map as well. The value is 0.35 or 10 where the blur lies outside that range.
    """

    name = "spectral-sigma"
    takes_weights = True

    def estimate(self, image: ImageLike, *, mask: Any = None) -> list[Blur]:
        """The blur of each picture of a batch.

        Parameters
        ----------
        image : image-like, or Tensor (N, C, H, W), values in [0, 1]
        mask : Boolean (H, W) or (N, H, W), optional
            True where pixels must not count.

        Returns
        -------
        list of Blur
            The model is round: `major` and `minor` are equal, whatever the blur. Its families are 'gaussian' and
            'disc'. `interval` is the posterior's, `noise` that of the fit, `map` has a value for each 32 px from blocks
            of 64, and `unlike_training` says how far the spectrum is from that of a natural picture.

        Raises
        ------
        ShapeError
            If the masks do not fit or are not as many as the pictures, or too little is left to measure.
        """
        picture = as_image(image) if isinstance(image, (str, Path)) else image
        if isinstance(picture, Image):
            return [self._estimate(picture, mask, picture.pixel_size)]
        batch = as_batch(picture)
        masks = [mask] * len(batch) if mask is None or torch.as_tensor(mask).ndim == 2 else list(mask)
        if len(masks) != len(batch):
            raise ShapeError(
                expected=f"one mask, or {len(batch)}", got=f"{len(masks)}", fix="give one mask, or one a sample"
            )
        return [self._estimate(x[None], m) for x, m in zip(batch, masks, strict=True)]

    def estimate_file(
        self, source: ImageLike | ImageFile, *, mask: Tensor | None = None, plane: int = 0, box: Box | None = None
    ) -> Blur:
        """The blur of a picture that is never in memory as a whole."""
        if isinstance(source, (str, Path)):
            from kukkiri.images.reading import open_image

            with open_image(source) as file:
                return self.estimate_file(file, mask=mask, plane=plane, box=box)
        pixel_size = source.header(plane).pixel_size if is_file(source) else getattr(source, "pixel_size", None)
        return self._estimate(source, mask, pixel_size, plane, box)

    def score(self, image: Tensor, reference: Tensor | None, weights: Tensor) -> Tensor:
        values = []
        for picture, counted in zip(image.detach(), weights):
            left_out = counted[0] == 0
            mask = left_out if bool(left_out.any()) else None
            gathered, _, _ = self._gather(picture[None], mask)
            values.append(summary(gathered).sigma)
        return torch.tensor(values, dtype=image.dtype, device=image.device)

    def _estimate(
        self,
        source: ImageLike | ImageFile,
        mask: Any,
        pixel_size: float | None = None,
        plane: int = 0,
        box: Box | None = None,
    ) -> Blur:
        gathered, inner, box = self._gather(source, mask, plane, box)
        origin = (inner.top - box.top, inner.left - box.left)
        return summary(gathered, maps=True, pixel_size=pixel_size, origin=origin, whole=(box.height, box.width))

    @torch.inference_mode()
    def _gather(
        self, source: ImageLike | ImageFile, mask: Any, plane: int = 0, box: Box | None = None
    ) -> tuple[Spectra, Box, Box]:
        height, width = picture_size(source, plane)
        box = box or Box(0, 0, height, width)
        left_out = None if mask is None else as_mask(mask, (box.height, box.width))
        inner, left_out = free_part(box, left_out)
        if min(inner.height, inner.width) < self.spec.min_size:
            raise ShapeError(
                expected=f"at least {self.spec.min_size}×{self.spec.min_size} pixels to measure a spectrum of",
                got=f"{inner.width}×{inner.height}",
                fix="crop or mask less of the picture",
            )
        gathered = Spectra(inner.height, inner.width)
        large = inner.height * inner.width > WHOLE
        size, overlap = (TILE, BLOCK) if large else (max(inner.height, inner.width), 0)
        for tile in tiles(source, size=size, overlap=overlap, box=inner, plane=plane):
            grey = luma(tile.pixels[None].to(self.device, torch.float64))[0, 0]
            place = slice(tile.top, tile.top + grey.shape[0]), slice(tile.left, tile.left + grey.shape[1])
            outside = None if left_out is None else left_out[place].to(self.device)
            gathered.add(grey, outside, tile.top, tile.left, tile.core)
        return gathered, inner, box


def summary(
    gathered: Spectra,
    *,
    maps: bool = False,
    pixel_size: float | None = None,
    origin: tuple[int, int] = (0, 0),
    whole: tuple[int, int] | None = None,
) -> Blur:
    """The `Blur` of a picture from its spectra.

    Parameters
    ----------
    gathered : Spectra
    maps : bool
        With map and sharpest part; without, both are those of the whole.
    pixel_size : float, optional
        Metres.
    origin, whole : (int, int)
        As `Blur` has them.
    """
    rows, columns = (-(-n // STRIDE) for n in gathered.size)
    cells, evidence = torch.full((rows, columns), math.nan), torch.zeros(rows, columns)
    found = gathered.whole()
    reason = _silence(gathered) if found is None or float(found[0].amax()) < FLAT else None
    nan = math.nan
    lo = hi = sigma = noise = disc = unlike = sharpest = nan
    bound: Any = None
    if found is not None and reason is None:
        explained = explain(*found)
        lo, sigma, hi = explained.sigma[0].tolist()
        noise, disc = math.sqrt(float(explained.noise[0])), float(explained.disc[0])
        unlike = 1 / (1 + (UNLIKE / max(float(explained.misfit[0]), 1e-6)) ** 4)
        if maps:
            cells, evidence = _maps(gathered, rows, columns)
        if max(hi, SMALLEST) > WIDEST * max(lo, SMALLEST):
            reason = "no evidence: nothing but noise, or no structure finer than the blur"
            lo = hi = sigma = disc = nan
        elif sigma < SMALLEST:
            bound, lo, sigma, hi = "below", 0.0, SMALLEST, max(SMALLEST, hi)
        elif sigma > HIGHEST:
            bound, lo, sigma, hi = "above", min(HIGHEST, lo), HIGHEST, math.inf
        sharpest = sigma
        if maps and reason is None and bool((evidence > 0).any()):
            known = evidence > 0
            sharpest = min(sigma, *weighted_quantiles(cells[known], evidence[known].square(), (0.05,)))
    return Blur(
        sigma=sigma,
        sharpest=sharpest,
        interval=(lo, hi),
        bound=bound,
        major=sigma,
        minor=sigma,
        angle=nan if reason else 0.0,
        family={"gaussian": 1 - disc, "disc": disc},
        noise=noise,
        map=cells,
        evidence=evidence,
        stride=STRIDE,
        size=gathered.size,
        unlike_training=unlike,
        abstained=reason,
        sigma_m=None if pixel_size is None or reason else sigma * pixel_size,
        origin=origin,
        whole=whole,
    )


def _silence(gathered: Spectra) -> str:
    low, high = gathered.range
    if not gathered.cells:
        return "nothing is left by the mask"
    if high - low < 1e-5:
        return "saturated: all pixels are at the highest value" if low >= 1 else "flat: all pixels have one value"
    return "no evidence: nothing but noise, or no structure finer than the blur"


def _maps(gathered: Spectra, rows: int, columns: int) -> tuple[Tensor, Tensor]:
    """Sigma and evidence (rows, columns), each cell from the up to four blocks that hold it."""
    power, places = torch.cat(gathered.cells), torch.cat(gathered.places)
    octaves, sure = torch.zeros(2, len(power)).unbind(0)
    told = (power.amax(1) >= FLAT).nonzero()[:, 0]
    for some in torch.split(told, CHUNK):
        explained = explain(power[some], CELL, every=2)
        octaves[some.cpu()] = explained.sigma[:, 1].clamp_min(SMALLEST).log2().float().cpu()
        sure[some.cpu()] = evidence_of(explained.spread).float().cpu()
    # What is flat is shown as the rest is, without evidence.
    octaves[sure == 0] = (octaves * sure).sum() / sure.sum().clamp_min(1e-6)
    total, weight, evidence, count = torch.zeros(4, rows, columns).unbind(0)
    for down, across in ((0, 0), (0, 1), (1, 0), (1, 1)):
        place = (places[:, 0] + down, places[:, 1] + across)
        total.index_put_(place, octaves * (sure + 1e-6), accumulate=True)
        weight.index_put_(place, sure + 1e-6, accumulate=True)
        evidence.index_put_(place, sure, accumulate=True)
        count.index_put_(place, torch.ones_like(sure), accumulate=True)
    cells = torch.where(count > 0, (total / weight.clamp_min(1e-12)).exp2(), math.nan)
    evidence /= count.clamp_min(1)
    for values in (cells, evidence):
        # No block ends in the last few pixels of a side that is no multiple of the stride.
        if gathered.size[0] % STRIDE and rows > 1:
            values[-1] = values[-2]
        if gathered.size[1] % STRIDE and columns > 1:
            values[:, -1] = values[:, -2]
    return cells, evidence
