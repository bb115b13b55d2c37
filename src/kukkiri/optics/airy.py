"""The diffraction pattern of a lens: the incoherent PSF of a round pupil with defocus and other aberrations.

Scalar diffraction (Born and Wolf, Principles of Optics, §8.8 and §9.2). The optical transfer function, the
autocorrelation of the pupil, is multiplied by that of a square pixel and transformed to whole pixels; so the
integration over a pixel is exact, and so is the aliasing of a pattern finer than the pixels.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from kukkiri.errors import InputError

# The third dark ring of the Airy pattern, in units of wavelength / NA.
THIRD_DARK_RING = 1.619
# Samples across the pupil, at least: finer ones move no pixel of the pattern by more than 1e-3 of its peak.
MIN_PUPIL = 64
# A wider kernel is most likely a mistake of units.
MAX_SIDE = 2047


def airy(
    wavelength: float | Tensor,
    numerical_aperture: float | Tensor,
    pixel_size: float | Tensor,
    defocus: float | Tensor = 0.0,
    *,
    refractive_index: float | Tensor = 1.0,
    spherical: float | Tensor = 0.0,
    astigmatism: float | Tensor = 0.0,
    angle: float | Tensor = 0.0,
    fill: float = 1.0,
    size: int | None = None,
) -> Tensor:
    """PSF of a microscope objective or lens, integrated over square pixels.

    All parameters are floats or tensors (N,). Differentiable in all of them.

    Parameters
    ----------
    wavelength : float or Tensor, > 0
        In vacuum, metres.
    numerical_aperture : float or Tensor, in (0, refractive_index)
        On the side where `pixel_size` and `defocus` are measured.
    pixel_size : float or Tensor, > 0
        Metres (on the specimen, if `numerical_aperture` is the objective's).
    defocus : float or Tensor
        Distance from the plane of best focus, metres. The phase is that of a spherical wave,
        n·dz·(1 − √(1 − (NA·ρ/n)²))/λ, which is NA²·dz·ρ²/(2nλ) at low aperture.
    refractive_index : float or Tensor, > 0
    spherical, astigmatism, angle, fill, size
        As for `defocused_airy`.

    Returns
    -------
    Tensor, (N, k, k), float32, each summing to 1, k odd

    Raises
    ------
    InputError
        If a value is not finite or out of its range, `size` is even, or the pattern would need more than 2047 pixels.
    """
    _check_positive("wavelength", wavelength, "metres")
    _check_positive("numerical_aperture", numerical_aperture, "")
    _check_positive("pixel_size", pixel_size, "metres")
    _check_positive("refractive_index", refractive_index, "")
    wave, aperture, pixel, distance, index = _together(
        wavelength, numerical_aperture, pixel_size, defocus, refractive_index
    )
    # In double precision: single would lose digits of a wavelength of 5e-7 m squared.
    steepness = (aperture / index).square()
    if not bool((steepness < 1).all()):
        raise InputError(
            expected="a numerical aperture below the refractive index",
            got=f"{float((aperture / index).max()):g} times the index",
            fix="give the index of the immersion medium as refractive_index",
        )
    waves = steepness * index * distance / (2 * wave)
    return _pattern(aperture * pixel / wave, waves, spherical, astigmatism, angle, steepness, fill, size)


def defocused_airy(
    cutoff: float | Tensor,
    waves: float | Tensor = 0.0,
    *,
    spherical: float | Tensor = 0.0,
    astigmatism: float | Tensor = 0.0,
    angle: float | Tensor = 0.0,
    fill: float = 1.0,
    size: int | None = None,
) -> Tensor:
    """The same PSF in pixel units, for a lens of low aperture.

    All parameters are floats or tensors (N,). Differentiable in all of them. Far from focus it is a disc of radius
    4·waves/cutoff pixels, whose sigma is 2·waves/cutoff.

    Parameters
    ----------
    cutoff : float or Tensor, > 0
        Frequency beyond which the lens passes nothing, 2·NA·pixel/wavelength, cycles a pixel.
    waves : float or Tensor
        Defocus W₂₀ in wavelengths, peak to valley over the pupil: the wavefront is W₂₀·ρ².
    spherical : float or Tensor
        Spherical aberration W₄₀ in wavelengths, balanced by defocus: W₄₀·(ρ⁴ − ρ²).
    astigmatism : float or Tensor
        In wavelengths: A·ρ²·cos 2(θ − angle). The defocus is W₂₀ + A along `angle` and W₂₀ − A across it.
    angle : float or Tensor
        Radians from +x towards +y (down).
    fill : float, in [0, 1]
        Side of the light-sensitive square of a pixel, pixels. 0 samples the pattern at points: for a picture whose
        pixels have integrated the light already, which 1 would do to it a second time (a variance of 1/12 px²).
    size : int, odd, or None
        Side of the kernel. None takes what the geometric blur and three dark rings need, and leaves out what lies
        beyond, sample by sample: the variance of an ideal Airy pattern is infinite (its tail falls with the third
        power of the distance), so that the sigma of a kernel with the whole tail would be that of its window.

    Returns
    -------
    Tensor, (N, k, k), float32, each summing to 1, k odd

    Raises
    ------
    InputError
        If a value is not finite or out of its range, `size` is even, or the pattern would need more than 2047 pixels.
    """
    _check_positive("cutoff", cutoff, "cycles a pixel")
    half, defocus = _together(cutoff, waves)
    return _pattern(half / 2, defocus, spherical, astigmatism, angle, torch.zeros_like(half), fill, size)


def _pattern(
    coherent: Tensor,
    waves: Tensor,
    spherical: float | Tensor,
    astigmatism: float | Tensor,
    angle: float | Tensor,
    steepness: Tensor,
    fill: float,
    size: int | None,
) -> Tensor:
    """`coherent`: radius of the pupil in cycles a pixel, NA·pixel/wavelength; `steepness`: (NA/n)²."""
    if not 0 <= fill <= 1:
        raise InputError(expected="a fill in [0, 1]", got=f"{fill:g}", fix="give the side of the sensitive square, px")
    coherent, waves, w40, a22, turn, steepness = (
        x.float() for x in _together(coherent, waves, spherical, astigmatism, angle, steepness)
    )
    # The steepest slope of the wavefront is the radius of the geometric blur (in units of wavelength / NA).
    slope = 2 * waves.abs() / (1 - steepness).sqrt() + 2 * a22.abs() + 2 * w40.abs()
    radius = ((slope + THIRD_DARK_RING) / coherent).detach() + 1
    side = _side(size, float(radius.max()))
    # Sampling the pupil repeats the pattern; the repetition must lie beyond the window.
    needed = 2 * float((coherent * (side / math.sqrt(2)) + slope).detach().max() + 2 * THIRD_DARK_RING)
    samples = max(MIN_PUPIL, 32 * math.ceil(needed / 32))

    otf = _transfer(samples, waves, w40, a22, turn, steepness)
    lags = torch.fft.fftfreq(2 * samples, device=otf.device) * 4  # in radii of the pupil
    frequency = lags * coherent[:, None]
    pixels = torch.arange(side, device=otf.device) - side // 2
    wave = torch.exp(2j * math.pi * frequency[:, None, :] * pixels[:, None]) * torch.sinc(fill * frequency)[:, None, :]
    kernel = (wave @ otf @ wave.transpose(1, 2)).real.clamp_min(0)
    if size is None:
        distance = torch.hypot(*torch.meshgrid(pixels.float(), pixels.float(), indexing="ij"))
        kernel = kernel * (radius[:, None, None] + 0.5 - distance).clamp(0, 1)
    return kernel / kernel.sum((1, 2), keepdim=True)


def _transfer(
    samples: int, waves: Tensor, spherical: Tensor, astigmatism: Tensor, angle: Tensor, steepness: Tensor
) -> Tensor:
    """Autocorrelation of the pupil, (N, 2·samples, 2·samples), lag 0 first, 1 there."""
    u = (torch.arange(samples, device=waves.device) + 0.5) * (2 / samples) - 1
    y, x = torch.meshgrid(u, u, indexing="ij")
    rho2 = x.square() + y.square()
    # Pixels of the pupil that its rim cuts count by their share.
    amplitude = ((1 - rho2.sqrt()) * (samples / 2) + 0.5).clamp(0, 1)
    rho2 = rho2.clamp_max(1.0)
    waves, spherical, astigmatism, angle, steepness = (
        p[:, None, None] for p in (waves, spherical, astigmatism, angle, steepness)
    )
    cap = 2 * rho2 / (1 + (1 - steepness * rho2).sqrt())  # the sphere; ρ² where the aperture is low
    twofold = (x.square() - y.square()) * torch.cos(2 * angle) + 2 * x * y * torch.sin(2 * angle)
    wavefront = waves * cap + spherical * (rho2.square() - rho2) + astigmatism * twofold
    field = torch.fft.fft2(torch.polar(amplitude.expand_as(wavefront), 2 * math.pi * wavefront), (2 * samples,) * 2)
    otf: Tensor = torch.fft.ifft2(field.real.square() + field.imag.square())
    return otf / otf[:, :1, :1].real


def _side(size: int | None, radius: float) -> int:
    if size is not None:
        if size < 1 or size % 2 == 0:
            raise InputError(expected="an odd size of at least 1", got=str(size), fix="give for example size=31")
        return size
    if not radius <= MAX_SIDE // 2:
        raise InputError(
            expected=f"a pattern within {MAX_SIDE} pixels and finite parameters",
            got=f"a radius of {radius:g} px",
            fix="check the units (wavelength, pixel_size and defocus are in metres), or give size",
        )
    return 2 * math.ceil(radius) + 1


def _check_positive(name: str, value: float | Tensor, unit: str) -> None:
    low = torch.as_tensor(value).detach().min()
    if not bool((low > 0) & torch.isfinite(torch.as_tensor(value).detach()).all()):
        raise InputError(
            expected=f"a finite {name} above 0{' ' if unit else ''}{unit}", got=f"{float(low):g}", fix="correct it"
        )


def _together(*values: float | Tensor) -> tuple[Tensor, ...]:
    """All as tensors (N,) of double precision on one device."""
    device = next((v.device for v in values if isinstance(v, Tensor)), None)
    tensors = [torch.as_tensor(v, dtype=torch.float64, device=device).reshape(-1) for v in values]
    count = max(len(t) for t in tensors)
    return tuple(t.expand(count) for t in tensors)
