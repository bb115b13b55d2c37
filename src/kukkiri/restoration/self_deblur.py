"""SelfDeblur: one blurred picture is its own training set (Ren, Zhang, Wang, Hu, Zuo, CVPR 2020).

Two networks that nobody trained make a sharp picture and a kernel from noise; both are fitted until the one convolved
with the other is the picture given. What a convolutional network makes easily looks like a picture and hardly like
noise or like its blurred copy: that is all the prior there is.

'self-deblur' follows the paper: any kernel, squared error first, then 1 − SSIM. 'self-deblur-defocus' is for optics out
of focus: the kernel is drawn towards rings and smoothness, the picture towards small total variation, with a squared
error that is weighed against the noise. No code of that variant is published: it is a reconstruction, and its weights
are assumptions (`SelfDeblurSettings`).

Beyond the paper: colour pictures have one kernel for all channels; the picture returned is an average over the last
steps, in register with the input; the fit ends once nothing moves; kernel sizes may be left open.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from kukkiri.errors import InputError, ShapeError
from kukkiri.images.colour import luma
from kukkiri.images.image import Image
from kukkiri.images.statistics import estimate_noise
from kukkiri.optics import psf
from kukkiri.optics.moments import sigma_of
from kukkiri.restoration.restoration import Restoration
from kukkiri.restoration.self_deblur_fit import Fit
from kukkiri.restoration.self_deblur_settings import LARGEST_KERNEL, SelfDeblurSettings
from kukkiri.sharpness.blur import Blur, blur

# Memory and time grow with the pixels: a fit of more than these takes hours and tens of gigabytes on a CPU.
MOST_PIXELS = 2**20
LEAST_SIDE = 48
# Side that holds most kernels of a shaken hand, where none is given.
SHAKEN = 31
# Share of a kernel on its rim, from which it is said to be cut off.
CUT_OFF = 0.02
# A good fit leaves up to 4 times the noise; one that leaves more than this has not explained the picture.
UNEXPLAINED = 8.0
# A picture of a smaller range is stretched to this; what is deblurred reaches further down and, more so, up.
FILLED, ROOM_BELOW = 0.5, 0.15
# Rounding to 8 bits, in a picture without noise: what is weighed against the noise needs some.
LEAST_NOISE = 1 / 255 / math.sqrt(12)
Progress = Callable[[int, int], None]


def deblur_from_itself(
    image: Image,
    method: str,
    settings: SelfDeblurSettings,
    *,
    noise: float | None = None,
    kernel: Tensor | None = None,
    missing: Tensor | None = None,
    seed: int = 0,
    on_step: Progress | None = None,
) -> Restoration:
    """Measure what the fit must know, then fit.

    Parameters
    ----------
    image : Image
    method : 'self-deblur' | 'self-deblur-defocus'
        Decides whether the measured blur starts and holds the kernel.
    settings : SelfDeblurSettings
    noise : float or None
        Standard deviation on [0, 1]; None: estimated.
    kernel, missing, seed, on_step
        As `fit` takes them.

    Returns
    -------
    Restoration

    Raises
    ------
    InputError
        If the kernel's size is open, and the picture does not tell its blur.
    ShapeError
        If the picture is too small or too large.
    """
    if noise is None:
        noise = estimate_noise(luma(image.pixels[None])[0, 0].cpu(), missing)
    side, sigma, start = settings.kernel_size, None, None
    if kernel is not None:
        side = kernel.shape[0]
    else:
        _check_size(image, settings.kernel_size or 1)
        measured = blur(image, mask=missing)
        sigma = None if measured.abstained or measured.bound else measured.sigma
        if side is None:
            side = covering_side(None if sigma is None else min(measured.interval[1], 1.5 * sigma))
            # The blur of a shaken hand reads as less than it is: its kernel is a thin line with gaps.
            side = side if settings.size else max(side, SHAKEN)
        if settings.size:
            start = round_kernel(measured, side)
    found = fit(
        image, settings, noise=noise, side=side, start=start,
        kernel=kernel, missing=missing, seed=seed, on_step=on_step,
    )  # fmt: skip
    return replace(found, report=MappingProxyType({"task": "deblur", "method": method, **found.report, "sigma": sigma}))


def round_kernel(measured: Blur, side: int) -> Tensor | None:
    """What a picture's blur looks like if it is round: Gaussian and disc, as probable as they were found.

    Returns
    -------
    Tensor, (side, side), of sum 1; or None
        None where the blur is not known.
    """
    if measured.abstained or measured.bound:
        return None
    shares = [max(measured.family.get(name, 0.0), 0.0) for name in ("gaussian", "disc")]
    total = sum(shares) or 1.0
    found = torch.zeros(side, side)
    for share, kernel in zip(shares, (psf.gaussian(measured.sigma)[0], psf.disc(2 * measured.sigma)[0]), strict=True):
        middle = kernel.shape[0] // 2
        reach = min(middle, side // 2)
        inner, outer = slice(middle - reach, middle + reach + 1), slice(side // 2 - reach, side // 2 + reach + 1)
        found[outer, outer] += share / total * kernel[inner, inner].float()
    whole: Tensor = found / found.sum()
    return whole


def covering_side(sigma: float | None) -> int:
    """Side of a square that a kernel of this sigma fits in: six of them, and room to drift.

    Raises
    ------
    InputError
        If it is not known.
    """
    if sigma is None or not math.isfinite(sigma):
        raise InputError(
            expected="a picture that tells its blur, or a kernel_size",
            got="one whose blur is out of range or cannot be measured",
            fix="pass kernel_size=, an odd number of pixels larger than the blur",
        )
    return min(2 * math.ceil(3 * sigma) + 3, LARGEST_KERNEL)


def fit(
    image: Image,
    settings: SelfDeblurSettings,
    *,
    noise: float,
    side: int,
    start: Tensor | None = None,
    kernel: Tensor | None = None,
    missing: Tensor | None = None,
    seed: int = 0,
    on_step: Progress | None = None,
) -> Restoration:
    """Fit picture and kernel.

    Parameters
    ----------
    image : Image
    settings : SelfDeblurSettings
    noise : float
        Standard deviation of the noise, on [0, 1].
    side : int
        Of the kernel, pixels, odd.
    start : Tensor, (side, side), or None
        Kernel as measured: where the fit begins, and whose size it is held to.
    kernel : Tensor, (side, side), or None
        Known, so that only the picture is fitted.
    missing : Tensor of bool, (H, W), optional
        True where pixels are not known.
    seed : int
        The same seed gives the same result on the same machine.
    on_step : callable, optional
        Called after each step with how many are done, and of how many at most.

    Returns
    -------
    Restoration

    Raises
    ------
    ShapeError
        If the picture is too small or too large.
    """
    _check_size(image, side)
    shown, gain, offset = stretched(image, missing)
    least = max(noise * gain, LEAST_NOISE)
    job = Fit(shown, settings, noise=least, side=side, start=start, kernel=kernel, missing=missing, seed=seed)
    began = time.monotonic()
    for done in range(settings.steps):
        ended = job.step()
        if on_step is not None:
            on_step(done + 1, settings.steps)
        if ended:
            break
    restored, found = job.result()
    report: dict[str, Any] = {
        "steps": job.done,
        "ended": "nothing improved" if job.done < settings.steps else "all steps done",
        "seconds": round(time.monotonic() - began, 1),
        "residual": job.residual / gain,
        "noise": noise,
        "kernel_size": side,
        "kernel_sigma": float(sigma_of(found)[0]),
        "kernel_given": kernel is not None,
        "stretched": gain,
        "seed": seed,
        "precision": job.precision,
        "warnings": [],
    }
    rim = 1 - float(job.kernel()[1:-1, 1:-1].sum())
    if kernel is None and rim > CUT_OFF:
        report["warnings"].append(f"{rim:.0%} of the kernel lies on its rim: pass a kernel_size above {side}")
    if job.residual > UNEXPLAINED * least:
        report["warnings"].append(
            f"the residual is {job.residual / least:.1f} times the noise: "
            "the fit failed, or the blur is not the same everywhere"
        )
    pixels = ((restored - offset) / gain).clamp(0, 1).cpu()
    return Restoration(
        Image(pixels, image.bit_depth, image.pixel_size, image.path, image.metadata),
        kernel=found.cpu(),
        report=MappingProxyType(report),
    )


def stretched(image: Image, missing: Tensor | None) -> tuple[Image, float, float]:
    """A picture that fills less than half of the range, brought to that, with room above and below.

    Networks and SSIM know only the range from 0 to 1: a dark 16-bit picture would be all but flat to them.

    Returns
    -------
    (Image, float, float)
        The picture, and gain and offset: shown = gain · pixels + offset.
    """
    pixels = image.pixels
    known = pixels if missing is None else pixels[:, ~missing.to(pixels.device)]
    low, high = (float(v) for v in torch.aminmax(known)) if known.numel() else (0.0, 1.0)
    if not 0 < high - low < FILLED:
        return image, 1.0, 0.0
    gain = FILLED / (high - low)
    offset = ROOM_BELOW - gain * low
    return replace(image, pixels=(gain * pixels + offset).clamp(0, 1)), gain, offset


def _check_size(image: Image, side: int) -> None:
    if min(image.height, image.width) < max(LEAST_SIDE, side + 1):
        raise ShapeError(
            expected=f"sides of at least {max(LEAST_SIDE, side + 1)} pixels for a kernel of {side}",
            got=f"{image.width}×{image.height}",
            fix="pass a larger picture, or a smaller kernel_size",
        )
    if image.height * image.width > MOST_PIXELS:
        raise ShapeError(
            expected=f"at most {MOST_PIXELS / 1e6:.1f} megapixels, since one step costs seconds for each",
            got=f"{image.width}×{image.height}",
            fix="cut out the part that matters, or reduce the picture",
        )
