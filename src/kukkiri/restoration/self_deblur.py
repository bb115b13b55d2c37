"""SelfDeblur: one blurred picture is its own training set (Ren, Zhang, Wang, Hu, Zuo, CVPR 2020).

Two networks that nobody trained make a sharp picture and a kernel from noise; both are fitted until the one convolved
with the other is the picture given. What a convolutional network makes easily looks like a picture and hardly like
noise or like its blurred copy: that is all the prior there is.

'self-deblur' follows the paper: any kernel, squared error first, then 1 − SSIM. 'self-deblur-defocus' is for optics out
of focus: the kernel is drawn towards rings and smoothness, the picture towards small total variation, with a squared
error that is weighed against the noise. No code of that variant is published: it is a reconstruction, and its weights
are assumptions (`SelfDeblurSettings`).

Beyond the paper: colour pictures have one kernel for all channels; the picture returned is an average over the last
steps, in register with the input to half a pixel; the fit ends once nothing moves; kernel sizes may be left open.
Different from the authors' code: non-local blocks see all places, not a pooled half of them; levels are interpolated to
the size of their skips where they are cropped there; SSIM counts whole windows only.
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
from kukkiri.optics.moments import sigma_of
from kukkiri.restoration.measured_kernel import covering_side, measured_blur, round_kernel
from kukkiri.restoration.restoration import Restoration
from kukkiri.restoration.self_deblur_fit import Fit
from kukkiri.restoration.self_deblur_settings import SelfDeblurSettings
from kukkiri.restoration.stretching import stretched

# Memory and time grow with the pixels: a fit of more than these takes hours and tens of gigabytes on a CPU.
MOST_PIXELS = 2**20
LEAST_SIDE = 48
# Side that holds most kernels of a shaken hand, where none is given.
SHAKEN = 31
# A kernel that has more of its largest value on its rim than this is said to be cut off; one of 5 px is all rim.
CUT_OFF, SMALLEST_RIM = 0.1, 5
# A good fit leaves up to 4 times the noise, where there is hardly any, and a few per cent of the picture's deviation.
UNEXPLAINED, UNEXPLAINED_SHARE = 8.0, 0.25
# Share of the result at the end of its range.
FULL = 1e-3
# Share of the pixels that must be known.
LEAST_KNOWN = 0.1
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
        If the kernel's size is open and the picture does not tell its blur; nearly all is missing; or the fit diverges.
    ShapeError
        If the picture is too small or too large.
    """
    if missing is not None and float((~missing).float().mean()) < LEAST_KNOWN:
        raise InputError(
            expected=f"at least {LEAST_KNOWN:.0%} of the pixels not masked",
            got=f"{float((~missing).float().mean()):.1%}",
            fix="cut out the part that is known, or mask less",
        )
    if noise is None:
        noise = estimate_noise(luma(image.pixels[None])[0, 0].cpu(), missing)
        if not math.isfinite(noise):
            raise InputError(
                expected="a mask that leaves 3×3 pixels somewhere, or the noise", got="neither", fix="pass noise="
            )
    side, sigma, start, warnings = settings.kernel_size, None, None, []
    if kernel is not None:
        side = kernel.shape[0]
        _check_size(image, side)
    else:
        _check_size(image, settings.kernel_size or 1)
        measured = measured_blur(image, missing, kernel_is_round=bool(settings.size))
        sigma = None if measured.abstained or measured.bound else measured.sigma
        if side is None:
            side = covering_side(None if sigma is None else min(measured.interval[1], 1.5 * sigma))
            # The blur of a shaken hand reads as less than it is: its kernel is a thin line with gaps.
            side = side if settings.size else max(side, SHAKEN)
        if settings.size and sigma is not None:
            start = round_kernel(measured, side)
        elif settings.size:
            warnings.append(
                "the blur could not be measured, so the kernel's size is not held: it may shrink to a point"
            )
    found = fit(
        image, settings, noise=noise, side=side, start=start,
        kernel=kernel, missing=missing, seed=seed, on_step=on_step,
    )  # fmt: skip
    report = {"task": "deblur", "method": method, **found.report, "sigma": sigma}
    report["warnings"] = [*warnings, *found.report["warnings"]]
    return replace(found, report=MappingProxyType(report))


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
    shown = stretched(image, missing)
    scaled = max(noise * shown.gain, LEAST_NOISE)
    job = Fit(
        shown.pixels, settings, noise=scaled, side=side, start=start, kernel=kernel, missing=missing, seed=seed,
        reach=shown.reach,
    )  # fmt: skip
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
        "residual": job.residual / shown.gain,
        "noise": noise,
        "kernel_size": side,
        "kernel_sigma": float(sigma_of(found)[0]),
        "kernel_given": kernel is not None,
        "stretched": shown.gain,
        "seed": seed,
        "precision": job.precision,
        "warnings": _doubts(job, kernel is None, scaled, float(shown.pixels.std()), restored),
    }
    pixels = shown.undone(restored).cpu()
    return Restoration(
        Image(pixels, image.bit_depth, image.pixel_size, image.path, image.metadata),
        kernel=found.cpu(),
        report=MappingProxyType(report),
    )


def _doubts(job: Fit, kernel_is_found: bool, noise: float, deviation: float, picture: Tensor) -> list[str]:
    """What a person should know before believing the result."""
    said = []
    if job.residual > UNEXPLAINED * noise or job.residual > UNEXPLAINED_SHARE * deviation:
        said.append(
            f"not explained: the residual is {job.residual / noise:.1f} times the noise and "
            f"{job.residual / deviation:.0%} of the picture's deviation; "
            f"do not use the result: {job.done} steps were too few, or the blur is not the same everywhere"
        )
        return said  # what else there is to say of a fit that failed would mislead
    kernel = job.kernel()
    rim = torch.cat([kernel[0], kernel[-1], kernel[:, 0], kernel[:, -1]])
    if kernel_is_found and job.side > SMALLEST_RIM and float(rim.max()) > CUT_OFF * float(kernel.max()):
        said.append(f"the kernel reaches its rim: pass a kernel_size (--kernel-size) above {job.side}")
    full = float((picture > 0.98 * job.reach).float().mean())
    if full > FULL and full > 2 * float((job.seen > 0.98 * job.reach).float().mean()):
        said.append(f"{full:.1%} of the result is at the top of its range: bright detail may be cut off")
    return said


def _check_size(image: Image, side: int) -> None:
    if min(image.height, image.width) < max(LEAST_SIDE, side + 1):
        raise ShapeError(
            expected=f"sides of at least {max(LEAST_SIDE, side + 1)} pixels",
            got=f"{image.width}×{image.height}",
            fix="pass a larger picture" + (", or a smaller kernel_size" if side >= LEAST_SIDE else ""),
        )
    if image.height * image.width > MOST_PIXELS:
        raise ShapeError(
            expected=f"at most {MOST_PIXELS / 1e6:.1f} megapixels, since one step costs seconds for each",
            got=f"{image.width}×{image.height}",
            fix="cut out the part that matters, or reduce the picture",
        )
