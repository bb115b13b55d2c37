"""Random fields: fractal and band-limited noise, and the pixel textures that fill shapes."""

from __future__ import annotations

import numpy as np
from PIL import Image
from scipy import fft

from kukkiri.training.materials.canvas import F32, SUPERSAMPLING, area_average, chance, log_uniform


def _shaped(size: int, response: F32, rng: np.random.Generator) -> F32:
    """White noise with the given amplitude response over `rfft2` frequencies; zero mean, unit deviation."""
    spectrum = fft.rfft2(rng.standard_normal((size, size), dtype=np.float32)) * response
    spectrum[0, 0] = 0
    field = fft.irfft2(spectrum, s=(size, size))
    shaped: F32 = (field / max(float(field.std()), 1e-12)).astype(np.float32)
    return shaped


def _frequencies(size: int, angle: float, stretch: float) -> F32:
    """Cycles a pixel at every `rfft2` frequency, the axis along `angle` stretched by `stretch`."""
    fx, fy = fft.rfftfreq(size)[None, :], fft.fftfreq(size)[:, None]
    along, across = fx * np.cos(angle) + fy * np.sin(angle), fy * np.cos(angle) - fx * np.sin(angle)
    frequency: F32 = np.hypot(along * stretch, across / stretch).astype(np.float32)
    return frequency


def fractal(
    size: int,
    exponent: float,
    rng: np.random.Generator,
    *,
    angle: float = 0.0,
    stretch: float = 1.0,
    coarsest: float = 1e9,
) -> F32:
    """1/f^a noise on the pixels, (size, size), zero mean and unit deviation.

    Parameters
    ----------
    exponent : float
        a, of the amplitude: 0 is white, 1 is what photographs have.
    angle, stretch : float
        Structures are `stretch` squared times longer along `angle` (radians) than across.
    coarsest : float, px
        Wavelengths beyond it are not amplified any further.
    """
    frequency = np.maximum(_frequencies(size, angle, stretch), max(0.5 / size, 1 / coarsest))
    return _shaped(size, frequency ** np.float32(-exponent), rng)


def banded(
    size: int,
    wavelength: float,
    bandwidth: float,
    rng: np.random.Generator,
    *,
    angle: float = 0.0,
    stretch: float = 1.0,
) -> F32:
    """Noise around one wavelength (px): a log-normal band `bandwidth` octaves wide; zero mean, unit deviation."""
    frequency = np.maximum(_frequencies(size, angle, stretch), 0.25 / size)
    octaves = np.log2(frequency * np.float32(wavelength)) / np.float32(bandwidth)
    return _shaped(size, np.exp(-0.5 * octaves**2), rng)


def enlarged(field: F32) -> F32:
    """A field on the supersamples, by cubic interpolation: meant to be thresholded there, which makes the edge hard."""
    side = field.shape[0] * SUPERSAMPLING
    return np.asarray(Image.fromarray(field).resize((side, side), Image.Resampling.BICUBIC), dtype=np.float32)


def pixel_texture(size: int, rng: np.random.Generator) -> F32:
    """A texture to fill shapes with: fractal noise or hard-edged speckles; about zero mean, unit deviation.

    Noise of a coarse band alone is not among them: it cannot be told from finer noise that has been blurred.
    """
    angle = rng.uniform(0, np.pi)
    stretch = 1.0 if chance(rng, 0.6) else log_uniform(rng, 1.1, 2.5)
    style = rng.random()
    if style < 0.5:
        return fractal(size, rng.uniform(0.5, 1.2), rng, angle=angle, stretch=stretch)
    if style < 0.6:
        field = fractal(size, rng.uniform(0.9, 1.8), rng, angle=angle, stretch=stretch)
    else:
        wavelength = log_uniform(rng, 3.0, max(4.0, size / 8))
        field = banded(size, wavelength, rng.uniform(0.3, 1.2), rng, angle=angle, stretch=stretch)
    share = area_average(enlarged(field) > rng.uniform(-0.7, 1.3))
    texture: F32 = (share - share.mean()) / np.float32(max(float(share.std()), 1e-3))
    return texture
