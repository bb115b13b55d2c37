"""A sensor's own noise: electrons, read noise, full well, lines; and how to find them from a few exposures.

The model is that of EMVA 1288 (release 4.0, section 2): the variance of a level grows linearly with its mean, and the
slope is the signal of one electron. The photon transfer method (Janesick, Photon Transfer, SPIE 2007) reads it from
exposures that differ in nothing but their noise.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from kukkiri.errors import InputError, ShapeError

# Values this near to 0 or 1 have had their noise cut off.
BLACK, WHITE = 0.005, 0.98
# Side of the cells of a flat frame, and of the least picture that tells anything.
CELL = 16
# Signals are sorted into so many bins; one counts from so many pixels.
BINS, FEWEST = 64, 200


@dataclass(frozen=True)
class SensorNoise:
    """What a sensor adds to a picture.

    Parameters
    ----------
    full_well : float > 0
        Electrons where the picture is 1.
    read : float ≥ 0
        Standard deviation of the read noise, electrons.
    gain : float ≥ 0
        Electrons per level of the converter; 0 does not round.
    lines : float ≥ 0
        Standard deviation of an offset that is the same along each row, electrons.

    Raises
    ------
    InputError
        If a value is out of its range.
    """

    full_well: float = 12000.0
    read: float = 3.0
    gain: float = 3.0
    lines: float = 0.6

    def __post_init__(self) -> None:
        good = all(math.isfinite(v) and v >= 0 for v in (self.full_well, self.read, self.gain, self.lines))
        if not good or self.full_well == 0:
            raise InputError(
                expected="a full well above 0, and read noise, gain and line noise of 0 or more electrons",
                got=f"{self.full_well:g}, {self.read:g}, {self.gain:g}, {self.lines:g}",
                fix="estimate them with sensor_from_pairs",
            )

    def variance(self, signal: float) -> float:
        """Variance of a pixel on [0, 1], lines included, where the picture is `signal`."""
        electrons = signal * self.full_well + self.read**2 + self.lines**2 + self.gain**2 / 12
        return electrons / self.full_well**2


def to_light(image: Tensor) -> Tensor:
    """Display values [0, 1] to linear light, by the curve of IEC 61966-2-1 (sRGB)."""
    return torch.where(image <= 0.04045, image / 12.92, ((image.clamp_min(0.04045) + 0.055) / 1.055) ** 2.4)


def to_display(light: Tensor) -> Tensor:
    """Linear light [0, 1] to display values, the inverse of `to_light`; what is below 0 becomes 0."""
    light = light.clamp_min(0)
    return torch.where(light <= 0.0031308, light * 12.92, 1.055 * light.clamp_min(0.0031308) ** (1 / 2.4) - 0.055)


def expose(
    light: Tensor,
    sensor: SensorNoise,
    amplification: float | Tensor = 1.0,
    *,
    generator: torch.Generator,
    kept: float | Tensor = 0.0,
) -> Tensor:
    """A noisy exposure in linear light, brought back to the brightness of the scene.

    Parameters
    ----------
    light : Tensor, (N, C, H, W), values in [0, 1]
    sensor : SensorNoise
    amplification : float or (N,), ≥ 0
        1: a full exposure. k: a k-th of the light, amplified k times before it is converted to levels, as a higher
        ISO does; 0 adds no noise.
    generator : torch.Generator
        On the CPU.
    kept : float or (N,), in [0, 1]
        Share of the noise's variance that the picture carries already, and that is not added again.

    Returns
    -------
    Tensor, (N, C, H, W)
        Mean `light`; not clipped.
    """
    n, c, h, w = light.shape
    gain = torch.as_tensor(amplification).to(light).reshape(-1, 1, 1, 1)
    missing = (1 - torch.as_tensor(kept).to(light).reshape(-1, 1, 1, 1)).clamp(0, 1)
    # Photons that the shown brightness stands for; the counts' deviation from their mean is what is added.
    electrons = sensor.full_well / gain.clamp_min(1e-9)
    rate = (light.detach().clamp_min(0) * electrons).double().cpu()
    counted = (torch.poisson(rate, generator) - rate).to(light)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=light.dtype).to(light.device)

    read = sensor.read * normal(n, c, h, w) + sensor.lines * normal(n, c, h, 1)
    noisy = light + missing.sqrt() * (counted + read) / electrons
    if sensor.gain == 0:
        return noisy
    step = sensor.gain / sensor.full_well
    rounded = noisy + ((noisy / step).round() * step - noisy).detach()
    return torch.where(gain > 0, rounded, noisy)


def sensor_from_pairs(pairs: Sequence[tuple[Tensor, Tensor]], *, levels: int = 255) -> SensorNoise:
    """A sensor's noise from pairs of exposures that differ in nothing but noise.

    The difference of a pair holds no scene, only twice the noise's variance; sorted by the mean of the two, it gives
    the line variance = read² + signal / electrons. The scene must hold dark and bright places, or the pairs must
    be of several exposures.

    Parameters
    ----------
    pairs : sequence of (Tensor (H, W) or (C, H, W), the same)
        Linear values on [0, 1], black at 0: raw frames, or a scientific camera's. One pair is enough for a scene with
        a wide range of brightness.
    levels : int
        Of the file: 255 for 8 bits, 4095 for 12.

    Returns
    -------
    SensorNoise
        `full_well` means electrons where the picture is 1.

    Raises
    ------
    ShapeError, InputError
        If a pair does not fit, or the pictures do not tell the line.
    """
    signals, squares, offsets = [], [], []
    for first, second in pairs:
        a, b = _frame(first), _frame(second)
        if a.shape != b.shape or min(a.shape[-2:]) < CELL:
            raise ShapeError(
                expected=f"two exposures of one size, of at least {CELL}×{CELL} px",
                got=f"{tuple(a.shape)} and {tuple(b.shape)}",
                fix="take the same part of both",
            )
        # Light that flickers between the two is a gain; without it the difference would hold the scene.
        b = b * (a.mean() / b.mean().clamp_min(1e-12))
        mean, difference = (a + b) / 2, a - b
        rows = difference.mean(-1)
        # Variance of row means, less what independent pixels give them.
        rest = difference - rows[..., None]
        offsets.append(float((rows.var(correction=1) - rest.square().mean() / a.shape[-1]).clamp_min(0)) / 2)
        signals.append(mean.flatten())
        squares.append(rest.square().flatten() / 2 * a.shape[-1] / (a.shape[-1] - 1))
    if not signals:
        raise InputError(expected="at least one pair of exposures", got="none", fix="photograph one scene twice")
    return _fitted(torch.cat(signals), torch.cat(squares), sum(offsets) / len(offsets), levels)


def sensor_from_flats(frames: Sequence[Tensor], *, levels: int = 255) -> SensorNoise:
    """A sensor's noise from single frames of even surfaces: differences of neighbours stand for those of pairs.

    Parameters
    ----------
    frames : sequence of Tensor (H, W) or (C, H, W)
        Linear values on [0, 1], evenly lit and out of focus, of several brightnesses; or one with a strong fall-off.
        Noise must not be shared between neighbours, as it is where colours were interpolated.
    levels : int
        As for `sensor_from_pairs`.

    Returns
    -------
    SensorNoise
        `lines` is 0: rows cannot be told from an uneven light here, and their noise is part of `read`.

    Raises
    ------
    ShapeError, InputError
        As `sensor_from_pairs`.
    """
    signals, squares = [], []
    for frame in frames:
        a = _frame(frame)
        if min(a.shape[-2:]) < CELL:
            raise ShapeError(
                expected=f"frames of at least {CELL}×{CELL} px", got=str(tuple(a.shape)), fix="take a larger part"
            )
        # The second difference along both axes keeps 36 times the variance, and nothing of a plane.
        rough = a[..., :, 2:] - 2 * a[..., :, 1:-1] + a[..., :, :-2]
        rough = rough[..., 2:, :] - 2 * rough[..., 1:-1, :] + rough[..., :-2, :]
        signals.append(torch.nn.functional.avg_pool2d(a[:, None], 3, 1).flatten())
        squares.append(rough.square().flatten() / 36)
    if not signals:
        raise InputError(expected="at least one frame", got="none", fix="photograph an evenly lit wall out of focus")
    return _fitted(torch.cat(signals), torch.cat(squares), 0.0, levels)


def _frame(frame: Tensor) -> Tensor:
    """(C, H, W) in double precision."""
    if frame.ndim not in (2, 3) or 0 in frame.shape:
        raise ShapeError(
            expected="frames (H, W) or (C, H, W)", got=str(tuple(frame.shape)), fix="give pictures one by one"
        )
    values = frame.detach().double().cpu()
    if not bool(torch.isfinite(values).all()) or float(values.min()) < -0.1 or float(values.max()) > 1.1:
        raise InputError(
            expected="linear values on [0, 1]",
            got=f"{float(values.min()):g} to {float(values.max()):g}",
            fix="subtract the black level and divide by the white level",
        )
    return values if values.ndim == 3 else values[None]


def _fitted(signal: Tensor, square: Tensor, lines: float, levels: int) -> SensorNoise:
    """The line through variances in bins of like signal, weighted by how well each is known."""
    if levels < 1:
        raise InputError(expected="levels of 1 or more", got=str(levels), fix="255 for 8 bits, 4095 for 12")
    free = (signal > BLACK) & (signal < WHITE)
    signal, square = signal[free], square[free]
    bins = (signal * BINS).long().clamp(0, BINS - 1)
    count = torch.bincount(bins, minlength=BINS).double()
    used = count >= FEWEST
    if int(used.sum()) < 2:
        raise InputError(
            expected="exposures with dark and bright places",
            got=f"{int(used.sum())} brightness with {FEWEST} or more pixels that are neither black nor white",
            fix="add pairs of other exposures",
        )
    x, y = (torch.bincount(bins, v, minlength=BINS)[used] / count[used] for v in (signal, square))
    # The square of a normal number has twice its squared variance as variance. Fitted twice: the weights need the line.
    expected = y.clamp_min(y.max() * 1e-3)
    for _ in range(10):
        weight = count[used] / expected.square()
        total = weight.sum()
        mean_x, mean_y = (weight * x).sum() / total, (weight * y).sum() / total
        spread = (weight * (x - mean_x).square()).sum()
        slope = (weight * (x - mean_x) * (y - mean_y)).sum() / spread
        offset = mean_y - slope * mean_x
        expected = (offset + slope * x).clamp_min(float(y.max()) * 1e-3)
    error = spread.rsqrt() * math.sqrt(2)
    if not float(slope) > 2 * float(error):
        raise InputError(
            expected="noise that grows with the light",
            got=f"a slope of {float(slope):.3g} ± {float(error):.1g}",
            fix="use linear frames (raw, no tone curve, no denoising) with dark and bright places",
        )
    full_well = 1 / float(slope)
    gain = full_well / levels
    # What rounding to levels adds is no read noise.
    read = max(0.0, float(offset) * full_well**2 - gain**2 / 12)
    return SensorNoise(full_well, math.sqrt(read), gain, math.sqrt(lines) * full_well)
