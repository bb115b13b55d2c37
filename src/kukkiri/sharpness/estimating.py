"""What the verbs built on a blur size ask of an estimator, and how its intervals become errors of log sigma."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from kukkiri.sharpness.blur import LARGEST, SMALLEST

if TYPE_CHECKING:
    from torch import Tensor

    from kukkiri.images.masks import Box
    from kukkiri.sharpness.blur import Blur

# A 90 % interval reaches this many standard deviations to either side.
HALF_90 = 1.6448536269514722
# No single picture's log sigma is surer than this.
_LEAST_ERROR = 0.005


class Estimator(Protocol):
    """Anything that tells the blur of a picture, as `BlurEstimator` does."""

    def estimate(self, image: Any, *, mask: Any = None, box: Box | None = None) -> Blur:
        """The blur of one picture, or of a box of it; see `BlurEstimator.estimate`."""


class HasSigma(Protocol):
    """A blur size with its interval: a `Blur`, or a part of one."""

    @property
    def sigma(self) -> float:
        """Pixels; NaN if abstained."""

    @property
    def interval(self) -> tuple[float, float]:
        """90 %, pixels."""

    @property
    def bound(self) -> Literal["below", "above"] | None:
        """Where `sigma` is only a bound."""

    @property
    def abstained(self) -> str | None:
        """Why there is none."""


class HasAxes(Protocol):
    """The principal axes of a blur: a `Blur`, or a part of one."""

    @property
    def bound(self) -> Literal["below", "above"] | None:
        """Where the size is only a bound."""

    @property
    def major(self) -> float:
        """Larger principal standard deviation, pixels; NaN if abstained."""

    @property
    def minor(self) -> float:
        """Smaller principal standard deviation, pixels; NaN if abstained."""

    @property
    def angle(self) -> float:
        """Of the major axis, radians from +x towards +y."""


class LogSigma(NamedTuple):
    """Natural logarithm of a blur size, with its errors.

    Parameters
    ----------
    value : float
        NaN where the picture gave none.
    below, above : float
        Standard deviations towards smaller and larger; infinite on the side on which the size is not bounded.
    """

    value: float
    below: float
    above: float


def log_sigma(blur: HasSigma) -> LogSigma:
    """Log sigma of a picture and its errors, as half-normal as its interval says.

    Parameters
    ----------
    blur : Blur, or a part of one

    Returns
    -------
    LogSigma
        Of a picture outside the measurable range the bound, and the error on the bounded side.
    """
    lo, hi = blur.interval
    if blur.abstained is not None or not blur.sigma > 0:
        return LogSigma(math.nan, math.inf, math.inf)
    value = math.log(blur.sigma)
    below = (value - math.log(lo)) / HALF_90 if lo > 0 else math.inf
    above = (math.log(hi) - value) / HALF_90 if math.isfinite(hi) else math.inf
    if blur.bound == "below":
        return LogSigma(math.log(SMALLEST), math.inf, max(above, _LEAST_ERROR))
    if blur.bound == "above":
        return LogSigma(math.log(LARGEST), max(below, _LEAST_ERROR), math.inf)
    return LogSigma(value, max(below, _LEAST_ERROR), max(above, _LEAST_ERROR))


def error_of(log: LogSigma) -> float:
    """One standard deviation for both sides; infinite where there is none."""
    sides = [v for v in (log.below, log.above) if math.isfinite(v)]
    return sum(sides) / len(sides) if sides else math.inf


def spread_of(
    jacobian: NDArray[np.float64], squares: float, count: int, parameters: int
) -> tuple[NDArray[np.float64], float]:
    """How well a least-squares fit to blur sizes knows its parameters.

    Errors of blur sizes of one scene have much in common, and what is common moves neither the optimum of a series nor
    the tilt of a field. So the scatter about the fit is what counts, with the errors of the single sizes as prior
    information of one degree of freedom.

    Parameters
    ----------
    jacobian : ndarray, (N, P)
        Of the residuals in units of their errors.
    squares : float
        Sum of squares of these residuals.
    count, parameters : int
        N and P.

    Returns
    -------
    ndarray, (P, P)
        Covariance.
    float
        By how many standard deviations a 90 % interval reaches to either side (Student's t).
    """
    covariance = np.asarray(np.linalg.pinv(jacobian.T @ jacobian), dtype=np.float64)
    spare = count - parameters
    if spare < 1:
        return covariance, HALF_90
    from scipy.stats import t

    covariance = covariance * ((1 + squares) / (1 + spare))
    return covariance, float(t.ppf(0.95, 1 + spare))


def free_part(box: Box, left_out: Tensor | None) -> tuple[Box, Tensor | None]:
    """The smallest box that holds all that counts, as an estimator cuts it, and the mask within.

    Parameters
    ----------
    box : Box
    left_out : Tensor of bool, (box.height, box.width), optional

    Returns
    -------
    Box
        Empty if nothing counts.
    Tensor or None
        None if everything in there counts.
    """
    from kukkiri.images.masks import Box, bounding_box

    if left_out is None or not bool(left_out.any()):
        return box, None
    free = bounding_box(~left_out)
    inner = left_out[free.slices]
    return Box(box.top + free.top, box.left + free.left, free.height, free.width), inner if bool(inner.any()) else None


def ratio_of(blur: Blur) -> float:
    """Major over minor axis; NaN if there is none."""
    return blur.major / blur.minor if blur.minor > 0 else math.nan


def anisotropy_of(blur: HasAxes) -> tuple[float, float]:
    """The axes of a blur as a vector that a mean may be taken of: opposite axes cancel.

    Parameters
    ----------
    blur : Blur, or a part of one

    Returns
    -------
    (float, float)
        (xx − yy, 2·xy) / (xx + yy) of its PSF, each from −1 to 1; NaN where it abstained, and outside the measurable
        range, where the axes are not known.
    """
    if blur.bound is not None or not blur.minor > 0:
        return math.nan, math.nan
    stretch = (blur.major**2 - blur.minor**2) / (blur.major**2 + blur.minor**2)
    return stretch * math.cos(2 * blur.angle), stretch * math.sin(2 * blur.angle)


def without_maps(blur: Blur) -> Blur:
    """The same without its map and its evidence: there may be thousands to hold until the end."""
    return replace(blur, map=blur.map.new_empty(0, 0), evidence=blur.evidence.new_empty(0, 0))


def default_estimator() -> Estimator:
    """The one with the shipped weights."""
    from kukkiri.sharpness.blur_estimator import shared_estimator

    return shared_estimator()
