"""What the measurement of a slanted edge gives."""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import field as attribute
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from kukkiri.images.masks import Box
    from kukkiri.sharpness.slanted_edge_ratio import SfrRatio

Array = NDArray[np.float64]
Channel = Literal["red", "green", "blue", "luma"]
# Significant digits of curves in rows: no response is known to more.
DIGITS = 5


@dataclass(frozen=True)
class SfrCurve:
    """The response of one channel.

    Parameters
    ----------
    channel : 'red' | 'green' | 'blue' | 'luma'
        Luma is that of BT.601; with an OECF the luminance of BT.709, as ISO 12233 has it. Grey pictures have luma only.
    mtf50, mtf10 : float
        Frequencies at which the response first falls to 0.5 and 0.1, cycles a pixel; NaN if it does not below 1.
    mtf50_error, mtf10_error : float
        Standard errors: what noise and texture let them vary by, from 400 wild-bootstrap replicates of the residuals,
        blocks of 4 rows. They know nothing of a wrong OECF or of an edge that is blurred itself. Infinite where one
        replicate in ten never falls so low, and where the edge does not cross one whole column of pixels.
    mtf50_interval, mtf10_interval : (float, float)
        90 %, from the errors.
    nyquist : float
        The response at 0.5 cycles a pixel: what can alias.
    peak : float
        The largest response below `mtf50`; above 1 where the picture has been sharpened.
    rise : float
        Distance in which the edge rises from 10 % to 90 %, pixels.
    low, high : float
        Levels of the two sides, in light: [0, 1] unless a function is the OECF.
    contrast : float
        (high − low) / (high + low).
    noise : float
        Standard deviation of single pixels about the edge spread function, in light.
    shift : float
        Of the edge from where luma has it, pixels along the normal: lateral chromatic aberration. Positive to the right
        (downwards, for an edge that is nearer to the horizontal).
    sfr, sfr_error : ndarray, (401,)
        Response at `frequency`, and its standard error.
    distance, esf, lsf : ndarray, (M,)
        Edge spread function, 0 to 1, and line spread function, 1 / pixel, at distances in steps of ¼ pixel. They are
        means over bins and differences of those, to be looked at; the response is not made of them.
    warnings : tuple of str
        What casts doubt on this channel.
    """

    channel: Channel
    mtf50: float
    mtf50_error: float
    mtf50_interval: tuple[float, float]
    mtf10: float
    mtf10_error: float
    mtf10_interval: tuple[float, float]
    nyquist: float
    peak: float
    rise: float
    low: float
    high: float
    contrast: float
    noise: float
    shift: float
    sfr: Array = attribute(repr=False, compare=False)
    sfr_error: Array = attribute(repr=False, compare=False)
    distance: Array = attribute(repr=False, compare=False)
    esf: Array = attribute(repr=False, compare=False)
    lsf: Array = attribute(repr=False, compare=False)
    warnings: tuple[str, ...] = ()

    @property
    def frequency(self) -> Array:
        """0 to 1 cycles a pixel, along the normal of the edge."""
        from kukkiri.sharpness.slanted_edge_curve import FREQUENCIES

        return FREQUENCIES.copy()

    def to_row(self) -> dict[str, Any]:
        """A JSON-ready dict, curves included; NaN is None, infinity 'Infinity'."""
        from kukkiri.metrics.score import json_number

        curves = {"frequency": self.frequency, "sfr": self.sfr, "sfr_error": self.sfr_error}
        curves |= {"distance": self.distance, "esf": self.esf, "lsf": self.lsf}
        row: dict[str, Any] = {"channel": self.channel}
        for name in ("mtf50", "mtf10"):
            lo, hi = getattr(self, f"{name}_interval")
            row |= {name: getattr(self, name), f"{name}_lo": lo, f"{name}_hi": hi}
            row[f"{name}_error"] = getattr(self, f"{name}_error")
        for name in ("nyquist", "peak", "rise", "low", "high", "contrast", "noise", "shift"):
            row[name] = getattr(self, name)
        row = {name: json_number(value) for name, value in row.items()}
        row["warnings"] = list(self.warnings)
        return row | {name: [float(f"{v:.{DIGITS}g}") for v in values] for name, values in curves.items()}


@dataclass(frozen=True)
class Sfr:
    """A slanted edge and its spatial frequency response in each channel.

    Parameters
    ----------
    box : Box
        The region that was measured.
    orientation : 'vertical' | 'horizontal'
        What the edge is nearer to.
    angle : float
        Degrees from there, in [−45, 45]: positive if a vertical edge moves to the right going down, and if a horizontal
        one moves down going right.
    rows : int
        Rows (of a horizontal edge: columns) that were used.
    bend : float
        How far the edge strays from a straight line at most, pixels; it is followed as a polynomial of up to order 5.
    unevenness : float
        Deviation of the rows about that, beyond what noise explains, pixels. It blurs the edge.
    upper_bound : bool
        A side ends before the line spread function does, as that of a pen stroke: the response reads too high, and
        MTF50 and MTF10 are upper bounds.
    curves : tuple of SfrCurve
        Luma last.
    pixel_size : float or None
        Metres.
    oecf : str
        What made the values linear in light; '' if they were taken as linear.
    line : tuple of (float, float)
        Points of it in the picture from one end to the other: x and y in pixels, 0 at the centre of the first one.
    ratios : tuple of SfrRatio
        Against a reference, one a channel, if there was one.
    warnings : tuple of str
        What casts doubt on all channels.
    patch : ndarray, (h, w)
        The region in grey, for the figure.
    """

    box: Box
    orientation: Literal["vertical", "horizontal"]
    angle: float
    rows: int
    bend: float
    unevenness: float
    upper_bound: bool
    curves: tuple[SfrCurve, ...] = attribute(repr=False)
    pixel_size: float | None
    oecf: str
    line: tuple[tuple[float, float], ...]
    ratios: tuple[SfrRatio, ...] = ()
    warnings: tuple[str, ...] = ()
    patch: Any = attribute(default=None, repr=False, compare=False)

    @property
    def luma(self) -> SfrCurve:
        """The curve of luma."""
        return self.curves[-1]

    @property
    def mtf50(self) -> float:
        """Of luma, cycles a pixel."""
        return self.luma.mtf50

    def per_mm(self, frequency: float) -> float | None:
        """Cycles (line pairs) a millimetre from cycles a pixel; None if the pixel size is not known."""
        return None if self.pixel_size is None else frequency / (self.pixel_size * 1e3)

    def to_row(self) -> dict[str, Any]:
        """A JSON-ready dict: the edge, MTF50 of luma, and all channels with their curves."""
        from kukkiri.metrics.score import json_number

        luma = self.luma
        per_mm = self.per_mm(luma.mtf50)
        row: dict[str, Any] = {
            "left": self.box.left,
            "top": self.box.top,
            "width": self.box.width,
            "height": self.box.height,
            "orientation": self.orientation,
            "edge_angle": self.angle,
            "rows": self.rows,
            "bend": self.bend,
            "unevenness": self.unevenness,
            "mtf50": luma.mtf50,
            "mtf50_lo": luma.mtf50_interval[0],
            "mtf50_hi": luma.mtf50_interval[1],
            "mtf50_per_mm": per_mm,
            "mtf10": luma.mtf10,
            "unit": "cycles/pixel",
            "upper_bound": self.upper_bound,
            "pixel_size": self.pixel_size,
            "oecf": self.oecf,
        }
        row = {name: json_number(value) for name, value in row.items()}
        row["warnings"] = list(self.warnings)
        row["channels"] = [curve.to_row() for curve in self.curves]
        row["ratios"] = [ratio.to_row() for ratio in self.ratios]
        return row

    def figure(self) -> Figure:
        """The region, its ESF and LSF, and the SFR of each channel."""
        from kukkiri.sharpness.slanted_edge_figure import sfr_figure

        return sfr_figure([self])

    def __repr__(self) -> str:
        sign = "< " if self.upper_bound else ""
        at = f"{self.box.left},{self.box.top},{self.box.width},{self.box.height}"
        return f"Sfr({self.orientation} edge in {at}, {self.angle:.2f}°, MTF50 {sign}{self.mtf50:.4g} cycles/pixel)"
