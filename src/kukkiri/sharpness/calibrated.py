"""The blur that a picture has beyond its instrument: how large it is, and what contrast it costs.

Blurs that follow each other add their variances and multiply their transfer functions. So what came on top of the
instrument's own blur has sigma √(sigma² − sigma0²), and its transfer function is the ratio of the picture's to the
instrument's. (Goodman, Introduction to Fourier Optics, ch. 6, for transfer functions in a row.)
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from kukkiri.errors import InputError
from kukkiri.metrics.score import json_number
from kukkiri.sharpness.blur import UNLIKE
from kukkiri.sharpness.transfer_function import SHAPES, Shape, mtf, mtf50

if TYPE_CHECKING:
    from kukkiri.sharpness.blur import Blur
    from kukkiri.sharpness.calibration import Calibration

Interval = tuple[float, float]
# Metres in the unit of a spatial frequency; None: the frequency is per pixel.
UNITS: dict[str, float | None] = {"px": None, "m": 1.0, "mm": 1e-3, "um": 1e-6, "nm": 1e-9}
# Frequencies of a row, cycles a pixel; ½ is the finest that pixels hold.
ROW_FREQUENCIES = (0.1, 0.25, 0.5)
# A picture noisier than the references by this factor is no longer taken as they were.
NOISIER = 2.0
# A shape of this probability is reckoned with in the interval of a contrast, at so many sizes.
LIKELY, SAMPLES = 0.1, 240


@dataclass(frozen=True)
class Calibrated:
    """What a picture's blur is beyond its instrument's.

    Parameters
    ----------
    blur : Blur
        Of the picture as it is.
    beyond : float
        Pixels: √(sigma² − sigma0²); 0 where the picture is not distinguishable from the instrument in focus; NaN if
        the picture abstained.
    interval : (float, float)
        Pixels: holds the true extra blur with at least 90 %. From the estimator's own intervals, which allow for
        errors that picture and references may have in common; so its lower end can be 0 where `distinguishable`,
        in which common errors cancel, is already True.
    bound : None | 'above'
        'above': the picture is more blurred than can be measured; `beyond` is the least that it can be.
    distinguishable : bool or None
        Whether the picture is more blurred than the instrument in focus, at 95 %; None if it abstained.
    sharper : bool
        Whether it is sharper than the references by as much: then they were not in focus.
    change : float
        Pixels: sigma − sigma0, signed.
    threshold : float or None
        Pixels: the change above which this picture is distinguishable: the calibration's smallest detectable change,
        wider where the estimator is less sure of this picture than it was of the references. None without a
        repeatability: then the picture's interval must lie above the baseline's.
    shape : 'gaussian' | 'disc' | 'motion'
        Of the extra blur: what the picture's blur most probably is.
    pixel_size : float or None
        Metres.
    notes : tuple of str
        What a reader should know.
    """

    blur: Blur
    beyond: float
    interval: Interval
    bound: Literal["above"] | None
    distinguishable: bool | None
    sharper: bool
    change: float
    threshold: float | None
    shape: Shape
    pixel_size: float | None = None
    notes: tuple[str, ...] = ()

    @property
    def abstained(self) -> str | None:
        """Why there is no estimate."""
        return self.blur.abstained

    @property
    def beyond_m(self) -> float | None:
        """The extra blur in metres; None where the size of a pixel is not known."""
        return None if self.pixel_size is None else self.beyond * self.pixel_size

    def mtf_ratio(self, frequency: float, per: str = "px") -> float:
        """The picture's contrast at a frequency as a share of the instrument's in focus.

        Parameters
        ----------
        frequency : float, ≥ 0
            Cycles in one `per`. Of a motion blur, along the motion.
        per : 'px' | 'm' | 'mm' | 'um' | 'nm'
            All but 'px' need a pixel size.

        Returns
        -------
        float
            1 where nothing is lost, in [0, 1]; NaN if the picture abstained. The contrast loss is 1 minus this.

        Raises
        ------
        InputError
            If the frequency is negative, or its unit not known or not available.
        """
        return mtf(self.shape, self.beyond, frequency * self._pixel(per))

    def mtf_ratio_interval(self, frequency: float, per: str = "px") -> Interval:
        """The least and the greatest ratio that an extra blur within `interval` leaves.

        Of all shapes that the picture's blur has with a probability of 0.1 or more, and of `shape`.

        Parameters
        ----------
        frequency, per : as in `mtf_ratio`

        Returns
        -------
        (float, float)
            In [0, 1]; NaN if the picture abstained.

        Raises
        ------
        InputError
            As `mtf_ratio`.
        """
        scaled = frequency * self._pixel(per)
        low, high = self.interval
        # Between the ends too: the contrast of a disc or a motion comes back beyond each of its zeros, always weaker.
        # So the extremes lie at the ends or within two zeros, which are at most 0.31/frequency apart.
        reach = min(high - low, 0.6 / scaled) if scaled > 0 else 0.0
        sizes = (low, *(low + reach * k / SAMPLES for k in range(1, SAMPLES + 1)), self.beyond, high)
        shapes = [name for name in SHAPES if name == self.shape or self.blur.family.get(name, 0.0) >= LIKELY]
        ratios = [mtf(name, sigma, scaled) for name in shapes for sigma in sizes]
        return min(ratios), max(ratios)

    def contrast_loss(self, frequency: float, per: str = "px") -> float:
        """1 − `mtf_ratio`."""
        return 1 - self.mtf_ratio(frequency, per)

    def mtf50_ratio_frequency(self, per: str = "px") -> float:
        """The frequency at which the ratio first falls to one half, cycles in one `per`; infinite without extra blur.

        Above 0.5 cycles a pixel nothing in the picture is lost by half.
        """
        return mtf50(self.shape, self.beyond) / self._pixel(per)

    def to_row(self) -> dict[str, Any]:
        """A flat JSON-ready dict: NaN is None, infinity 'Infinity'."""
        row: dict[str, Any] = {
            "beyond": self.beyond,
            "beyond_lo": self.interval[0],
            "beyond_hi": self.interval[1],
            "beyond_bound": self.bound,
            "beyond_m": self.beyond_m,
            "distinguishable": self.distinguishable,
            "sharper": self.sharper,
            "change": self.change,
            "threshold": self.threshold,
            "shape": self.shape,
            "mtf50_ratio_frequency": self.mtf50_ratio_frequency(),
            "mtf50_ratio_frequency_per_mm": None if self.pixel_size is None else self.mtf50_ratio_frequency("mm"),
            **{f"mtf_ratio_{f:g}": self.mtf_ratio(f) for f in ROW_FREQUENCIES},
            "calibration_notes": "; ".join(self.notes),
        }
        return {name: json_number(value) for name, value in row.items()}

    def __repr__(self) -> str:
        if self.abstained:
            return f"Calibrated(abstained: {self.abstained})"
        if not self.distinguishable:
            what = "sharper than its references" if self.sharper else "not distinguishable from the instrument in focus"
            return f"Calibrated({what}, extra blur ≤ {self.interval[1]:.3g} px)"
        sign = "> " if self.bound else ""
        return (
            f"Calibrated(beyond {sign}{self.beyond:.3g} px, 90 % in {self.interval[0]:.3g}…{self.interval[1]:.3g} px)"
        )

    def _pixel(self, per: str) -> float:
        """Pixels' side in units of `per`."""
        if per not in UNITS:
            raise InputError(
                expected=f"a frequency per {', '.join(UNITS)}", got=ascii(per), fix="leave it out for cycles a pixel"
            )
        unit = UNITS[per]
        if unit is None:
            return 1.0
        if self.pixel_size is None:
            raise InputError(
                expected=f"a pixel size for frequencies per {per}",
                got="a picture and a calibration without one",
                fix="pass pixel_size= in metres, or ask for cycles a pixel",
            )
        return self.pixel_size / unit


def compared(calibration: Calibration, blur: Blur, pixel_size: float | None) -> Calibrated:
    """What a blur is beyond the instrument's, by a calibration of it."""
    nan = math.nan
    if blur.abstained is not None:
        change = calibration.smallest_change
        return Calibrated(blur, nan, (nan, nan), None, None, False, nan, change, "gaussian", pixel_size)
    change, threshold = blur.sigma - calibration.sigma, _threshold(calibration, blur)
    if threshold is not None:
        larger, smaller = change > threshold, change < -threshold
    else:
        larger = blur.bound != "below" and blur.interval[0] > calibration.interval[1]
        smaller = calibration.bound is None and blur.interval[1] < calibration.interval[0]
    beyond, (low, high) = quadrature(blur.sigma, blur.interval, calibration.sigma, calibration.interval)
    return Calibrated(
        blur=blur,
        beyond=beyond if larger else 0.0,
        interval=(low if larger else 0.0, high),
        bound="above" if blur.bound == "above" else None,
        distinguishable=larger,
        sharper=smaller,
        change=change,
        threshold=threshold,
        shape=max(SHAPES, key=lambda name: blur.family.get(name, 0.0)),
        pixel_size=pixel_size,
        notes=tuple(_notes(calibration, blur, smaller)),
    )


def quadrature(sigma: float, interval: Interval, sigma0: float, interval0: Interval) -> tuple[float, Interval]:
    """The blur that, added in quadrature to `sigma0`, makes `sigma`.

    The interval is that of a difference of two quantities (here squares) of which each has its own: the distances of
    estimate and limit add in quadrature, each side by itself (Zou and Donner, Statistics in Medicine 27(10), 2008,
    doi:10.1002/sim.3095). If the two errors are alike (an error common to all pictures of an instrument), it is wider
    than needed.

    Parameters
    ----------
    sigma, sigma0 : float, ≥ 0
        Pixels.
    interval, interval0 : (float, float)
        Theirs, of one level; an upper end may be infinite.

    Returns
    -------
    float, (float, float)
        0 where the difference of the squares is below 0; the level of the interval is kept.
    """
    square, square0 = sigma**2, sigma0**2
    (low, high), (low0, high0) = ((a**2, b**2) for a, b in (interval, interval0))
    difference = square - square0
    under = difference - math.hypot(square - low, high0 - square0)
    over = difference + math.hypot(high - square, square0 - low0)
    root, lower, upper = (math.sqrt(max(0.0, v)) for v in (difference, under, over))
    return root, (lower, upper)


def _threshold(calibration: Calibration, blur: Blur) -> float | None:
    """The smallest detectable change for this picture.

    Repeatability was learned on references. Where the estimator itself is less sure of a picture (more noise, less
    structure), its values scatter more, by as much as its interval is wider.
    """
    if calibration.repeatability is None:
        return None
    usual = sorted(w for w in (_width(picture.interval) for picture in calibration.used) if w is not None)
    width = _width(blur.interval) if blur.bound is None else None
    wider = width / usual[len(usual) // 2] if usual and width is not None and usual[len(usual) // 2] > 0 else 1.0
    return calibration.repeatability.smallest_change * max(1.0, wider)


def _notes(calibration: Calibration, blur: Blur, sharper: bool) -> Iterator[str]:
    if sharper:
        yield "sharper than the references: they were not in focus, or this picture was taken or processed otherwise"
    if calibration.bound and blur.bound != "below":
        yield "the baseline is an upper bound, so this is the least extra blur"
    if blur.bound == "above":
        yield "more blurred than can be measured: this is the least extra blur"
    if blur.noise > NOISIER * calibration.noise:
        yield f"noise of {blur.noise:.2g} against {calibration.noise:.2g} in the references"
    if blur.unlike_training > UNLIKE:
        yield "unlike anything that the estimator was trained on"


def _width(interval: tuple[float, float | None] | None) -> float | None:
    """Of an interval, octaves; None where an end is not known."""
    if interval is None or interval[1] is None or interval[0] <= 0 or math.isinf(interval[1]):
        return None
    return math.log2(interval[1] / interval[0])
