"""How sharp? The size of the blur in pixels: the result `Blur` and the verb `kk.blur`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from torch import Tensor

    from kukkiri.images.image import ImageLike

# What the estimator can tell apart from sharp, and the largest blur that it was trained on, px.
SMALLEST, LARGEST = 0.35, 12.0
# An axis ratio below this is round: the estimator sees no more than this on a round PSF, but for one picture in twenty.
CLEAR_RATIO = 1.2
# A family of this probability is named.
CLEAR_FAMILY = 0.7
# Above this, a picture is unlike anything that the estimator was trained on, and its blur to be doubted.
UNLIKE = 0.5


@dataclass(frozen=True)
class Blur:
    """The blur of a picture, wherever it comes from: focus, motion, optics, processing.

    Sigma is the Gaussian-equivalent standard deviation of the point-spread function: half the trace of its covariance,
    square-rooted (a disc of radius R has R/2). An ideally sharp, area-sampled picture counts as 0.

    Parameters
    ----------
    sigma : float
        Pixels; NaN if `abstained`. The evidence-weighted median of the map.
    sharpest : float
        Pixels: the evidence-weighted 5th percentile of the map. What is in focus where not everything is.
    interval : (float, float)
        Pixels: holds the true sigma with a probability of 90 %.
    bound : None | 'below' | 'above'
        'below': sharper than can be told (under 0.35 px); 'above': more blurred than the estimator knows (12 px).
        `sigma` then is a bound, not an estimate.
    major, minor : float
        Principal standard deviations, pixels; sigma² = (major² + minor²) / 2.
    angle : float
        Of the major axis, radians from +x towards +y (down), in (−π/2, π/2].
    family : dict
        Probabilities of 'gaussian', 'disc' and 'motion'.
    noise : float
        Standard deviation of white noise on [0, 1].
    map : Tensor, (h, w)
        Sigma in pixels, one value for each `stride` × `stride` pixels; NaN where a mask covers them.
    evidence : Tensor, (h, w)
        How much each place says of its blur, 0 to 1.
    stride : int
        Pixels a cell of the map.
    size : (int, int)
        Height and width of what was measured, pixels: the picture without what a mask cuts from its border.
    unlike_training : float
        0 to 1: above ½ the picture is unlike anything that the estimator was trained on.
    abstained : str or None
        Why there is no estimate.
    sigma_m : float or None
        Sigma in metres, where the size of a pixel is known.
    origin : (int, int)
        Row and column of the picture at which what was measured begins.
    whole : (int, int) or None
        Height and width of the picture, pixels; None: `size`.
    """

    sigma: float
    sharpest: float
    interval: tuple[float, float]
    bound: Literal["below", "above"] | None
    major: float
    minor: float
    angle: float
    family: dict[str, float]
    noise: float
    map: Tensor
    evidence: Tensor
    stride: int
    size: tuple[int, int]
    unlike_training: float
    abstained: str | None = None
    sigma_m: float | None = None
    origin: tuple[int, int] = (0, 0)
    whole: tuple[int, int] | None = None

    def upsampled(self) -> Tensor:
        """The map at the size of the picture, (H, W), pixels; NaN where a mask covers it.

        Between cells log sigma is interpolated, over those only that no mask covers.
        """
        from kukkiri.sharpness.blur_upsampling import full_size

        return full_size(self, self.size, (0, 0)) if self.whole is None else full_size(self, self.whole, self.origin)

    def to_row(self) -> dict[str, Any]:
        """A flat JSON-ready dict without the maps: NaN is None, an interval without end has 'Infinity'."""
        from kukkiri.metrics.score import json_number

        row: dict[str, Any] = {
            "sigma": self.sigma,
            "sigma_lo": self.interval[0],
            "sigma_hi": self.interval[1],
            "unit": "px",
            "bound": self.bound,
            "sharpest": self.sharpest,
            "major": self.major,
            "minor": self.minor,
            "angle": self.angle,
            **{f"family_{name}": share for name, share in self.family.items()},
            "noise": self.noise,
            "unlike_training": self.unlike_training,
            "abstained": self.abstained,
            "sigma_m": self.sigma_m,
        }
        return {name: json_number(value) for name, value in row.items()}

    def __repr__(self) -> str:
        if self.abstained:
            return f"Blur(abstained: {self.abstained})"
        sign = {None: "", "below": "< ", "above": "> "}[self.bound]
        return f"Blur(sigma {sign}{self.sigma:.3g} px, 90 % in {self.interval[0]:.3g}…{self.interval[1]:.3g} px)"


def blur(image: ImageLike, *, mask: Any = None) -> Blur:
    """How blurred is a picture?

    The same number on every day: it does not change with gain, offset, inversion, and hardly with gamma, noise or
    compression. Nothing has to be trained or calibrated for a new instrument.

    Parameters
    ----------
    image : image-like
        Path, Image, PIL image, ndarray (H, W[, C]) or tensor ([1,] C, H, W); at least 32 pixels a side. A
        large file is read part by part, unless the mask is 'auto'.
    mask : None | 'auto' | Boolean (H, W)
        True where pixels must not count. 'auto' finds info bars, scale bars and burnt-in text.

    Returns
    -------
    Blur

    Raises
    ------
    KukkiriError
        If the picture cannot be read or is too small; the message says why. A picture that says nothing of its blur
        is no error: see `Blur.abstained`.
    """
    from kukkiri.sharpness.blur_estimator import shared_estimator

    return shared_estimator().estimate(image, mask=mask)
