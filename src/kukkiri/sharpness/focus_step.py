"""The signed way to focus, and the astigmatism, from two pictures a known focus step apart.

An electron probe of convergence half-angle α widens linearly with defocus, in quadrature to all other blur; astigmatism
gives it two line foci. With `z` the position of a picture, `m` that of focus, `k` the slope (pixels a unit of
position; of a thin lens likewise) and `d` the distance between the two line foci, whose axis is at angle φ:

    variance along φ        s0² + k² (z − m − d/2)²
    variance across         s0² + k² (z − m + d/2)²
    hence  sigma²(z)      = s0² + k² ((z − m)² + d²/4)
           anisotropy     = −k² (z − m) d / sigma²(z), in the direction 2φ

where anisotropy is (major² − minor²) / (major² + minor²). From pictures at z = 0 and z = h, with A² = sigma_a² − s0²
and B² = sigma_b² − s0² (d = 0):

* slope known: m = h/2 + (A² − B²) / (2 k² h). One answer, and s0 is not needed, for it cancels.
* slope not known: m = h A/(A + B), focus between the pictures, or m = h A/(A − B), focus outside. Both explain the two
  sizes equally well. A known slope tells them apart, and so does a third picture taken at the first of the two; a step
  greater than the defocus can be makes the second unlikely, a step much smaller than it the first, which then would
  take an absurd slope.
* with astigmatism neither slope nor s0 is needed: with E = anisotropy × sigma², m = h E_a / (E_a − E_b). The long axis
  of the spot turns by 90° when focus is passed, so that E changes its sign between the pictures if focus lies there.
  A motion, which draws both spots out the same way, passes for focus outside.
* s0 not known: it is anything from half of the least that can be told (0.175 px) to 1.5 times the smaller of both
  sizes, which may itself be measured too small; the interval covers all of that.

All of it at once, with the intervals of both pictures, is Bayes' rule: the posterior of (m, d, φ, k, s0), sampled.
Sources: for the probe Reimer, Scanning Electron Microscopy, 2nd ed., 1998, chapter 2. A pair of pictures as
a way to the sign: Schubert, Saxena, Kornfeld, Nature Communications 15, 2024, doi:10.1038/s41467-024-45042-3, by a
learned estimator.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from kukkiri.errors import InputError
from kukkiri.sharpness.blur import SMALLEST
from kukkiri.sharpness.estimating import Estimator, default_estimator
from kukkiri.sharpness.focus_words import statement_of

if TYPE_CHECKING:
    from kukkiri.images.image import ImageLike
    from kukkiri.sharpness.blur import Blur
    from kukkiri.sharpness.calibration import Calibration

# A candidate that has this share of the posterior stands alone.
DECIDED = 0.9
# Standard deviation of either component of the anisotropy: a ratio of 1.2 is then seen on one round spot in twenty.
ANISOTROPY_ERROR = 0.075


@dataclass(frozen=True)
class FocusCandidate:
    """One place where focus may lie. Distances are from picture a, on the scale on which b lies at `step`.

    Parameters
    ----------
    weight : float
        Its share of the posterior, 0 to 1.
    distance : float
        From a to focus: the middle between both line foci.
    interval : (float, float)
        90 %.
    astigmatism : float
        Distance between the two line foci, not negative.
    astigmatism_interval : (float, float)
        90 %; reaches below 0 where none is proven.
    angle : float
        Of the axis along which the spot is narrowest at the line focus of the greater distance, radians from +x towards
        +y (down), in (−π/2, π/2].
    slope, slope_interval : float, (float, float)
        Blur that one unit of defocus adds, pixels.
    baseline, baseline_interval : float, (float, float)
        Sigma in focus, pixels.
    """

    weight: float
    distance: float
    interval: tuple[float, float]
    astigmatism: float
    astigmatism_interval: tuple[float, float]
    angle: float
    slope: float
    slope_interval: tuple[float, float]
    baseline: float
    baseline_interval: tuple[float, float]

    @property
    def astigmatic(self) -> bool:
        """Whether the interval of the astigmatism leaves out 0."""
        return self.astigmatism_interval[0] > 0


@dataclass(frozen=True)
class FocusStep:
    """The way to focus from two pictures. Distances are from picture a, on the scale on which b lies at `step`.

    Parameters
    ----------
    step : float
        From a to b.
    distance, interval : float, (float, float)
        From a to focus, and its 90 % interval: of the likeliest candidate. NaN if abstained.
    towards_b : float
        Probability that focus lies on b's side of a.
    candidates : tuple of FocusCandidate
        All places where focus may lie, the likeliest first.
    sigma_a, sigma_b : float
        Blur sizes of the pictures, pixels.
    statement : str
        The same in a plain sentence.
    abstained : str or None
        Why there is no answer.
    """

    step: float
    distance: float
    interval: tuple[float, float]
    towards_b: float
    candidates: tuple[FocusCandidate, ...] = field(repr=False)
    sigma_a: float
    sigma_b: float
    statement: str
    abstained: str | None = None

    @property
    def ambiguous(self) -> bool:
        """Whether another candidate is to be reckoned with."""
        return is_ambiguous(self.candidates)

    def to_row(self) -> dict[str, Any]:
        """A JSON-ready dict; NaN is None. The figures of the likeliest candidate, then all candidates."""
        from kukkiri.metrics.score import json_number

        best = asdict(self.candidates[0]) if self.candidates else {}
        row: dict[str, Any] = {
            "distance": self.distance,
            "distance_lo": self.interval[0],
            "distance_hi": self.interval[1],
            "towards_b": self.towards_b,
            "ambiguous": self.ambiguous,
            "step": self.step,
            "sigma_a": self.sigma_a,
            "sigma_b": self.sigma_b,
        }
        for name in ("astigmatism", "slope", "baseline"):
            lo, hi = best.get(f"{name}_interval", (math.nan, math.nan))
            row |= {name: best.get(name, math.nan), f"{name}_lo": lo, f"{name}_hi": hi}
        row["angle"] = best.get("angle", math.nan)
        row = {name: json_number(value) for name, value in row.items()}
        row["candidates"] = [asdict(c) | {"interval": list(c.interval)} for c in self.candidates]
        return row | {"statement": self.statement, "abstained": self.abstained}

    def __repr__(self) -> str:
        return f"FocusStep({self.statement})"


def is_ambiguous(candidates: Sequence[FocusCandidate]) -> bool:
    """Whether another candidate than the first, the likeliest, is to be reckoned with."""
    return len(candidates) > 1 and candidates[0].weight < DECIDED


def focus_step(
    image_a: ImageLike,
    image_b: ImageLike,
    step: float,
    *,
    baseline: float | Sequence[float] | Calibration | None = None,
    slope: float | Sequence[float] | None = None,
    anisotropy_error: float = ANISOTROPY_ERROR,
    mask: Any = None,
    estimator: Estimator | None = None,
    seed: int = 0,
) -> FocusStep:
    """Which way, and how far, to focus from picture a; and the astigmatism.

    Parameters
    ----------
    image_a, image_b : image-like
        The same place at two focus settings.
    step : float, not 0
        From a to b, in any unit and with its sign; all distances are in that unit.
    baseline : float, (float, float) or Calibration, optional
        Sigma in focus, pixels, or its 90 % interval, or the calibration of the instrument at this magnification.
        Unless given, anything from 0.175 px to 1.5 times the smaller of both blurs, equally likely on a logarithmic
        scale.
    slope : float or (float, float), optional
        Blur that one unit of defocus adds, pixels, or its 90 % interval. With it there is one answer; without it there
        are often two, see the module.
    anisotropy_error : float
        Standard deviation of the anisotropy (major² − minor²) / (major² + minor²), each component.
    mask : None | 'auto' | Boolean (H, W)
        True where pixels must not count, as in `kk.blur`.
    estimator : optional
        What tells the blur of a picture; default: `kukkiri-blur`.
    seed : int
        Of the sampling.

    Returns
    -------
    FocusStep
        Abstained where one of the pictures gives no blur size, or both lie beyond the measurable range.

    Raises
    ------
    InputError
        If the step is 0 or not finite, or a baseline or slope is not positive.
    KukkiriError
        If a picture cannot be read.
    """
    teller = estimator or default_estimator()
    blur_a, blur_b = (teller.estimate(image, mask=mask) for image in (image_a, image_b))
    return step_of(blur_a, blur_b, step, baseline=baseline, slope=slope, anisotropy_error=anisotropy_error, seed=seed)


def step_of(
    blur_a: Blur,
    blur_b: Blur,
    step: float,
    *,
    baseline: float | Sequence[float] | Calibration | None = None,
    slope: float | Sequence[float] | None = None,
    anisotropy_error: float = ANISOTROPY_ERROR,
    seed: int = 0,
) -> FocusStep:
    """The same from blurs that are known already; parameters as of `focus_step`."""
    if not (math.isfinite(step) and step != 0):
        raise InputError(expected="a step that is not 0", got=str(step), fix="give the way from a to b")
    if not anisotropy_error > 0:
        raise InputError(expected="a positive anisotropy_error", got=str(anisotropy_error), fix="leave it out")
    base = _interval(_of_instrument(baseline), "baseline")
    steepness = _interval(slope, "slope")
    for name, blur in (("a", blur_a), ("b", blur_b)):
        if blur.abstained is not None:
            return _silent(step, blur_a, blur_b, f"picture {name} gives no blur size: {blur.abstained}")
    if blur_a.bound == blur_b.bound and blur_a.bound is not None:
        how = "more blurred" if blur_a.bound == "above" else "sharper"
        return _silent(step, blur_a, blur_b, f"both pictures are {how} than can be told")
    from kukkiri.sharpness.focus_posterior import Readings, candidates, sample

    readings = Readings.of(blur_a, blur_b, anisotropy_error)
    scaled = None if steepness is None else (steepness[0] * abs(step), steepness[1] * abs(step))
    particles = sample(readings, base, scaled, seed)
    found = candidates(particles, step)
    towards_b = float((particles.focus > 0).mean())
    return FocusStep(
        step=step,
        distance=found[0].distance,
        interval=found[0].interval,
        towards_b=towards_b,
        candidates=found,
        sigma_a=blur_a.sigma,
        sigma_b=blur_b.sigma,
        statement=statement_of(found, step, ambiguous=is_ambiguous(found)),
    )


def _of_instrument(baseline: float | Sequence[float] | Calibration | None) -> float | Sequence[float] | None:
    """The interval of a calibration; anything else stays as it is."""
    if baseline is None or isinstance(baseline, (int, float, Sequence)):
        return baseline
    lo, hi = baseline.interval
    # An instrument sharper than can be told is taken as anything below the bound.
    return max(lo, SMALLEST / 2), max(hi, SMALLEST)


def _interval(given: float | Sequence[float] | None, what: str) -> tuple[float, float] | None:
    """A 90 % interval; a single value is taken as known to one percent."""
    if given is None:
        return None
    values = [float(v) for v in (given if isinstance(given, Sequence) else [given])]
    lo, hi = (values[0] * 0.99, values[0] * 1.01) if len(values) == 1 else (min(values), max(values))
    if len(values) > 2 or not 0 < lo <= hi < math.inf:
        raise InputError(
            expected=f"a positive {what}, or its 90 % interval", got=str(given), fix=f"for example {what}=(0.8, 1.2)"
        )
    return lo, max(hi, lo * 1.001)


def _silent(step: float, blur_a: Blur, blur_b: Blur, reason: str) -> FocusStep:
    nan = math.nan
    return FocusStep(
        step, nan, (nan, nan), nan, (), blur_a.sigma, blur_b.sigma, f"no answer: {reason}", abstained=reason
    )
