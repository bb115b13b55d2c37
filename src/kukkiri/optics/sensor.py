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
import torch.nn.functional as F
from torch import Tensor

from kukkiri.errors import InputError, ShapeError
from kukkiri.optics.variance_line import BLACK, CLEARANCE, variance_line

# How far beyond [0, 1] noise may reach in frames that keep it.
BEYOND = 0.5
# Side of the least picture that tells anything, and of the windows that an even surface is averaged over.
CELL, EVEN = 16, 15


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
    return torch.where((gain > 0) & (missing > 0), rounded, noisy)


def sensor_from_pairs(pairs: Sequence[tuple[Tensor, Tensor]], *, levels: int = 255) -> SensorNoise:
    """A sensor's noise from pairs of exposures that differ in nothing but noise.

    The difference of a pair holds no scene, only twice the noise's variance; sorted by the mean of the two, it gives
    the line variance = read² + signal / electrons. The scene must hold dark and bright places, or the pairs must
    be of several exposures. Places so dark or bright that their noise was cut off do not count.

    Parameters
    ----------
    pairs : sequence of (Tensor (H, W) or (C, H, W), the same)
        Linear values, black at 0 and white at 1: raw frames, or a scientific camera's. Where the frames keep the
        noise that reaches below black, darker places count. One pair is enough for a scene with a wide range of
        brightness.
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
    signals, differences = [], []
    for first, second in pairs:
        a, b = _frame(first), _frame(second)
        if a.shape != b.shape or min(a.shape[-2:]) < CELL:
            raise ShapeError(
                expected=f"two exposures of one size, of at least {CELL}×{CELL} px",
                got=f"{tuple(a.shape)} and {tuple(b.shape)}",
                fix="take the same part of both",
            )
        # Light that flickers between the two is a gain; without it the difference would hold the scene. Dark frames
        # have no light, and nothing to tell a gain by.
        if min(float(a.mean()), float(b.mean())) > BLACK:
            b = b * (a.mean() / b.mean())
        signals.append((a + b) / 2)
        differences.append(a - b)
    if not signals:
        raise InputError(expected="at least one pair of exposures", got="none", fix="photograph one scene twice")
    return _found(signals, differences, None, 2.0, [frame for pair in pairs for frame in pair], levels)


def sensor_from_flats(frames: Sequence[Tensor], *, levels: int = 255) -> SensorNoise:
    """A sensor's noise from single frames of even surfaces: differences of neighbours stand for those of pairs.

    What is the same in every exposure (pixels or rows that differ in themselves) cannot be told from noise here, and
    counts as such; `sensor_from_pairs` is free of it.

    Parameters
    ----------
    frames : sequence of Tensor (H, W) or (C, H, W)
        Linear values, black at 0 and white at 1, evenly lit and out of focus, of several brightnesses; or one with a
        strong fall-off. Noise must not be shared between neighbours, as it is where colours were interpolated.
    levels : int
        As for `sensor_from_pairs`.

    Returns
    -------
    SensorNoise

    Raises
    ------
    ShapeError, InputError
        As `sensor_from_pairs`.
    """
    signals, differences, squares = [], [], []
    for frame in frames:
        a = _frame(frame)
        if min(a.shape[-2:]) < CELL:
            raise ShapeError(
                expected=f"frames of at least {CELL}×{CELL} px", got=str(tuple(a.shape)), fix="take a larger part"
            )
        # The second difference down the columns keeps nothing of a plane, 6 times the variance and the noise of rows;
        # the second difference of that along the rows keeps 36 times the variance, and nothing of the rows.
        down = a[..., 2:, 1:-1] - 2 * a[..., 1:-1, 1:-1] + a[..., :-2, 1:-1]
        rough = a[..., 2:, :] - 2 * a[..., 1:-1, :] + a[..., :-2, :]
        rough = rough[..., 2:] - 2 * rough[..., 1:-1] + rough[..., :-2]
        even = F.avg_pool2d(a[:, None], EVEN, 1, EVEN // 2, count_include_pad=False)[:, 0]
        signals.append(even[..., 1:-1, 1:-1])
        differences.append(down)
        squares.append(rough.square() / 36)
    if not signals:
        raise InputError(expected="at least one frame", got="none", fix="photograph an evenly lit wall out of focus")
    return _found(signals, differences, squares, 6.0, frames, levels)


def _frame(frame: Tensor) -> Tensor:
    """(C, H, W) in double precision."""
    if frame.ndim not in (2, 3) or 0 in frame.shape:
        raise ShapeError(
            expected="frames (H, W) or (C, H, W)", got=str(tuple(frame.shape)), fix="give pictures one by one"
        )
    values = frame.detach().double().cpu()
    low, high = float(values.min()), float(values.max())
    if not bool(torch.isfinite(values).all()) or low < -BEYOND or high > 1 + BEYOND:
        raise InputError(
            expected="linear values on [0, 1], or a little beyond",
            got=f"{low:g} to {high:g}",
            fix="subtract the black level and divide by the white level",
        )
    return values if values.ndim == 3 else values[None]


def _found(
    signals: list[Tensor],
    differences: list[Tensor],
    squares: list[Tensor] | None,
    kept: float,
    frames: Sequence[Tensor],
    levels: int,
) -> SensorNoise:
    """The sensor, from differences that keep `kept` times the variance and the noise of rows; `squares` are free of it.

    Signals and differences are (C, H, W). Without `squares` those of the differences are taken, less their rows.
    """
    if levels < 1:
        raise InputError(expected="levels of 1 or more", got=str(levels), fix="255 for 8 bits, 4095 for 12")
    # Frames that go beyond black or white keep what others cut off there.
    ends = min(0.0, *(float(f.min()) for f in frames)), max(1.0, *(float(f.max()) for f in frames))
    with_rows = [d.square() / kept for d in differences] if squares is None else squares
    offset, slope = variance_line(signals, with_rows, ends)
    excess, clear, rest = [], [], []
    for signal, difference in zip(signals, differences, strict=True):
        reach = CLEARANCE * (offset + slope * signal).clamp_min(0).sqrt()
        free = (signal - ends[0] > reach) & (ends[1] - signal > reach)
        count = free.double().sum(-1, keepdim=True)
        mean = (difference * free).sum(-1, keepdim=True) / count.clamp_min(1)
        own = difference - mean
        spread = (own.square() * free).sum(-1, keepdim=True) / (count - 1).clamp_min(1)
        told = count >= CELL
        clear.append(signal[free & told])
        rest.append((own.square() * count / (count - 1).clamp_min(1) / kept)[free & told])
        if int(told.sum()) > 1:
            # Variance of row means, less what independent pixels give them.
            excess.append(float(mean[told].var(correction=1) - (spread / count)[told].mean()))
    lines = max(0.0, sum(excess) / len(excess)) / kept if excess else 0.0
    if squares is None:
        offset, slope = variance_line(clear, rest, ends)
    full_well = 1 / slope
    gain = full_well / levels
    # What rounding to levels adds is no read noise.
    read = max(0.0, offset * full_well**2 - gain**2 / 12)
    return SensorNoise(full_well, math.sqrt(read), gain, math.sqrt(lines) * full_well)
