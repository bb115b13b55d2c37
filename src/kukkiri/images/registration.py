"""Bring a reference into register with a picture: a scan with its original, a camera's view with the chart.

The picture is what is measured, so its pixels stay as they are: it is the reference that is resampled onto its grid,
with a spline that keeps all but the very finest detail, and whose tones are brought to the picture's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from kukkiri.errors import InputError, ShapeError
from kukkiri.images.colour import luma
from kukkiri.images.filtering import gaussian_blur
from kukkiri.images.image import Image, ImageLike, as_image
from kukkiri.images.registration_checks import coded_coarsely, likeness_of_parts, misfit, significance
from kukkiri.images.registration_fit import (
    STEPS_FINE,
    Motion,
    climb,
    finest_level,
    refine,
    sampled,
    softness,
)
from kukkiri.images.registration_level import filled, make_level, with_mask
from kukkiri.images.registration_start import SCALE, find_start
from kukkiri.images.resampling import imresize
from kukkiri.images.tone_curve import ToneCurve, fit_tones
from kukkiri.images.warping import Matrix, scale_at, scaling, transformed, warp, warp_mask

LEAST_SIDE = 48
# Below this correlation of structure little is left of a scene. Judged with this longer side: noise is averaged away.
LEAST_CORRELATION, JUDGED = 0.4, 256
# Of chance, in standard deviations of the correlation: of pictures of two scenes the best motion stays below 6.5.
LEAST_SIGNIFICANCE = 7.0
# Of the detail of most parts: two pages of one layout stay below it. So do textures at JPEG quality 5.
LEAST_LIKENESS, CODED_LIKENESS = 0.92, 0.75
# Of a start: no refinement lifts so little that far.
HOPELESS = 0.25
# More left between the parts than this, pixels of the finest level, is not the motion that was asked for.
MOST_MISFIT = 1.2
PHRASES = {"translation": "a shift", "affine": "an affine motion", "homography": "a homography"}
FIXES = {
    "translation": "check that both show one scene, or try an affine motion",
    "affine": "check that both show one scene, or try a homography",
    "homography": "check that both show one scene, and correct the distortion of the lens first",
}
LEAST_OVERLAP = 0.25


@dataclass(frozen=True)
class Registration:
    """Where a picture lies in its reference.

    Parameters
    ----------
    motion : 'translation' | 'affine' | 'homography'
    matrix : ndarray, (3, 3)
        From pixel positions (x, y, 1) of the picture to those of the reference; centres of pixels are whole numbers.
    size : (int, int)
        Height and width of the picture.
    correlation : float
        Of the local structure of both, −1 to 1, at a resolution of about 256 pixels a side.
    misfit : float
        Pixels of the picture: median of how far parts of it are off by themselves. NaN where none has structure.
    overlap : float
        Share of the picture that lies in the reference.
    tones : tuple of ToneCurve
        For each channel, from the reference's tones to the picture's.
    residual : float
        Root mean square of what is left between the lumas after all that, on [0, 1], at that resolution.
    """

    motion: Motion
    matrix: Matrix
    size: tuple[int, int]
    correlation: float
    misfit: float
    overlap: float
    tones: tuple[ToneCurve, ...]
    residual: float

    @property
    def scale(self) -> float:
        """Pixels of the reference to one of the picture, in its middle."""
        return scale_at(self.matrix, (self.size[1] - 1) / 2, (self.size[0] - 1) / 2)

    @property
    def turn(self) -> float:
        """By how much the picture is turned against the reference in its middle, degrees, from +x towards +y."""
        y, x = ((n - 1) / 2 for n in self.size)
        a, b = (np.array(transformed(self.matrix, np.array([x + d]), np.array([y])))[:, 0] for d in (-0.5, 0.5))
        return math.degrees(math.atan2(b[1] - a[1], b[0] - a[0]))

    @property
    def shift(self) -> tuple[float, float]:
        """Where the middle of the picture lies in the reference, seen from its middle: right and down, its pixels."""
        y, x = ((n - 1) / 2 for n in self.size)
        across, down = transformed(self.matrix, np.array([x]), np.array([y]))
        return float(across[0]), float(down[0])

    def apply(self, reference: Image, *, tones: bool = True) -> tuple[Image, Tensor]:
        """The reference as the picture's grid sees it.

        Parameters
        ----------
        reference : Image
        tones : bool
            Bring its tones to the picture's.

        Returns
        -------
        (Image, Tensor of bool (H, W))
            Of the picture's size, and where it must not count: outside the reference.
        """
        pixels, valid = warp(reference, self.matrix, self.size)
        if tones:
            pixels = torch.stack([curve(channel) for curve, channel in zip(self.tones, pixels)])
        return Image(pixels, bit_depth=32, path=reference.path, metadata=reference.metadata), ~valid

    def describe(self) -> str:
        """For people: motion, residual, overlap and tones on one line."""
        at = f"its middle at {self.shift[0]:.2f}, {self.shift[1]:.2f} of the reference"
        moved = at if self.motion == "translation" else f"scale {self.scale:.4f}, turned {self.turn:.3f}°, {at}"
        tones = ", ".join(f"{t.gain:.3f}·v^{t.gamma:.3f}{t.offset:+.3f}" for t in self.tones)
        left = "unknown" if math.isnan(self.misfit) else f"{self.misfit:.3f} px"
        return (
            f"{self.motion}: {moved}; parts off by {left}, residual {self.residual:.4f}, "
            f"correlation {self.correlation:.3f}, overlap {self.overlap:.1%}; tones {tones}"
        )

    def to_row(self) -> dict[str, Any]:
        """A JSON-ready dict."""
        return {
            "motion": self.motion,
            "matrix": [[float(v) for v in row] for row in self.matrix],
            "scale": self.scale,
            "turn": self.turn,
            "overlap": self.overlap,
            "correlation": self.correlation,
            "misfit": None if math.isnan(self.misfit) else self.misfit,
            "residual": self.residual,
            "gain": [t.gain for t in self.tones],
            "offset": [t.offset for t in self.tones],
            "gamma": [t.gamma for t in self.tones],
        }


def register(
    image: ImageLike,
    reference: ImageLike,
    motion: Motion = "affine",
    *,
    mask: Tensor | None = None,
    reference_mask: Tensor | None = None,
) -> Registration:
    """Find where a picture lies in its reference, to a few hundredths of a pixel.

    Parameters
    ----------
    image, reference : image-like
        Of any sizes, equal in channels. They may differ in gain, offset, gamma and vignetting, in blur and noise, be
        turned by any angle, and differ in scale up to 2.8 times beyond what their sizes say. Not mirrored.
    motion : 'translation' | 'affine' | 'homography'
        Translation: the same scale, upright. Affine: a flat-bed scan. Homography: a camera that looks at a plane.
    mask, reference_mask : Tensor of bool, (H, W) of the picture, and of the reference, optional
        True where pixels say nothing: an info bar would hold the motion fast and bend the tones.

    Returns
    -------
    Registration

    Raises
    ------
    InputError
        If they do not show the same, or not by such a motion, or too little is in common; or the motion is not known.
    ShapeError
        If one is too small, or their channels differ.
    """
    if motion not in get_args(Motion):
        raise InputError(
            expected=f"a motion: {', '.join(get_args(Motion))}", got=repr(motion), fix="affine fits most scans"
        )
    x, r = as_image(image), as_image(reference)
    _check(x, r)
    masks = tuple(None if m is None else m.cpu() for m in (mask, reference_mask))
    near, far = (with_mask(luma(p.pixels.detach().cpu()[None]), m) for p, m in zip((x, r), masks))
    start = find_start(near, far, motion)
    size = (x.height, x.width)
    if start.correlation < HOPELESS:
        raise _unlike(start.correlation)
    fit = refine(near, far, start.matrix, motion)
    scale = scale_at(fit.matrix, x.width / 2, x.height / 2)
    if not SCALE[0] < scale < SCALE[1]:
        raise _unlike(start.correlation)
    # Bent tones and a blur on one side only move edges: with both matched, a last time.
    (bent,), _ = _tones(near[:, :1], far[:, :1], fit.matrix, masks)
    far = torch.cat([bent(far[:, :1]), far[:, 1:]], 1)
    factor = max(1.0, 1 / scale, max(size) / JUDGED)
    soften, _ = softness(near, far, fit.matrix, factor)
    finest = finest_level(near, far, scale, soften)
    fit = climb(finest, fit.matrix, motion, STEPS_FINE)
    judged = make_level(near, far, scale, factor, soften=soften)
    seen = sampled(judged, judged.of_whole(fit.matrix))
    if seen is None or seen[3] < LEAST_CORRELATION:
        raise _unlike(seen[3] if seen else 0.0)
    above = significance(judged, judged.of_whole(fit.matrix))
    if above < LEAST_SIGNIFICANCE:
        raise InputError(
            expected=f"a likeness of at least {LEAST_SIGNIFICANCE:g} standard deviations above chance",
            got=f"{above:.1f}, correlation {seen[3]:.2f} of little structure",
            fix="check that both show one scene; give more of it, or a larger picture",
        )
    if seen[4] < LEAST_OVERLAP:
        raise InputError(
            expected=f"a reference that covers at least {LEAST_OVERLAP:.0%} of the picture",
            got=f"{seen[4]:.1%}",
            fix="crop the picture to what the reference shows",
        )
    off = misfit(finest, finest.of_whole(fit.matrix))
    most = MOST_MISFIT * finest.pitch
    if off > most:
        raise InputError(
            expected=f"{PHRASES[motion]} that leaves less than {most:.2g} px between parts of picture and reference",
            got=f"{off:.2f} px",
            fix=FIXES[motion],
        )
    alike = likeness_of_parts(near, far, fit.matrix)
    least = CODED_LIKENESS if alike < LEAST_LIKENESS and coded_coarsely(near) else LEAST_LIKENESS
    if alike < least:  # NaN, under much noise, is not
        raise InputError(
            expected=f"parts that look alike in detail (by {least} at least, 1 being the same)",
            got=f"{alike:.2f}",
            fix="check that both show one page or scene, not two of one layout; mask what differs",
        )
    tones, residual = _tones(x.pixels[None], r.pixels[None], fit.matrix, masks)
    return Registration(motion, fit.matrix, size, seen[3], off, seen[4], tones, residual)


def _check(image: Image, reference: Image) -> None:
    for picture in (image, reference):
        if min(picture.height, picture.width) < LEAST_SIDE:
            raise ShapeError(
                expected=f"sides of at least {LEAST_SIDE} px to align pictures",
                got=f"{picture.width}×{picture.height}",
                fix="leave the alignment out, or crop less",
            )
    if image.channels != reference.channels:
        raise ShapeError(
            expected=f"a reference of {image.channels} channels",
            got=str(reference.channels),
            fix="convert both to grey or to RGB",
        )


def _unlike(correlation: float) -> InputError:
    return InputError(
        expected=f"pictures of one scene (correlation of their structure at least {LEAST_CORRELATION})",
        got=f"{max(correlation, 0.0):.2f} at best",
        fix="check that the reference belongs to the picture, that neither is mirrored or inverted, and crop what "
        "only one of them shows",
    )


def _tones(
    image: Tensor, reference: Tensor, matrix: Matrix, masks: Sequence[Tensor | None]
) -> tuple[tuple[ToneCurve, ...], float]:
    """The curve of each channel and the residual of luma, from copies in register; masks (H, W) of both."""
    sizes = [(int(x.shape[-2]), int(x.shape[-1])) for x in (image, reference)]
    scale = scale_at(matrix, sizes[0][1] / 2, sizes[0][0] / 2)
    factor = max(1.0, 1 / scale, max(sizes[0]) / JUDGED)
    # Both reduced in one way, and blurred alike: what one has finer than the other must not look like contrast.
    small = [(max(1, round(h / f)), max(1, round(w / f))) for (h, w), f in zip(sizes, (factor, factor * scale))]
    whole = [x.detach().cpu() if m is None else filled(x.detach().cpu(), m) for x, m in zip((image, reference), masks)]
    near, far = (imresize(x, size=s) for x, s in zip(whole, small))
    hidden = [
        None if m is None else F.adaptive_max_pool2d(m[None, None].float(), s)[0, 0] > 0 for m, s in zip(masks, small)
    ]
    back, forth = (scaling(z, s) for z, s in zip(sizes, small))
    inner = forth @ matrix @ np.linalg.inv(back)
    far, valid = warp(Image(far[0].clamp(0, 1)), inner, small[0])
    if hidden[0] is not None:
        valid &= ~hidden[0]
    if hidden[1] is not None:
        valid &= ~warp_mask(hidden[1], inner, small[0])
    near = gaussian_blur(near, 1.5)
    far, near = gaussian_blur(far[None], 1.5).clamp(0, 1), near.clamp(0, 1)
    inside = -F.max_pool2d(-valid[None, None].float(), 9, 1, 4)[0, 0] > 0.5
    inside = inside if bool(inside.any()) else valid
    if not bool(inside.any()):
        return tuple(ToneCurve() for _ in near[0]), math.nan
    curves = tuple(fit_tones(n[inside], f[inside]) for n, f in zip(near[0], far[0]))
    matched = torch.stack([curve(f) for curve, f in zip(curves, far[0])])[None]
    left = (luma(near) - luma(matched))[0, 0][inside]
    return curves, float(left.square().mean().sqrt())
