"""What a metric says of one picture, whether it gives a bare score or an estimate with an interval and axes."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from kukkiri.errors import KukkiriError
from kukkiri.metrics.score import json_number
from kukkiri.metrics.spec import MetricSpec


class Scorer(Protocol):
    """What is evaluated: any `Metric`, or anything that looks like one."""

    @property
    def spec(self) -> MetricSpec:
        """What it promises."""

    def __call__(self, image: Tensor) -> Tensor:
        """One score a sample of a batch (N, C, H, W)."""


class BlurEstimate(Protocol):
    """A blur size with its interval and its axes; see `kukkiri.sharpness` and DESIGN's `Blur`."""

    @property
    def sigma(self) -> float:
        """Pixels; NaN if abstained."""

    @property
    def interval(self) -> tuple[float, float]:
        """90 % interval, pixels."""

    @property
    def bound(self) -> str | None:
        """'below' or 'above' if the size is outside the measurable range, else None."""

    @property
    def abstained(self) -> str | None:
        """Why there is no estimate."""

    @property
    def major(self) -> float:
        """Larger principal standard deviation, pixels."""

    @property
    def minor(self) -> float:
        """Smaller principal standard deviation, pixels."""

    @property
    def angle(self) -> float:
        """Of the major axis, radians from +x towards +y."""


@runtime_checkable
class BlurEstimator(Protocol):
    """A metric that knows how sure it is."""

    def estimate(self, image: Tensor) -> Sequence[BlurEstimate]:
        """One estimate a sample of a batch (N, C, H, W)."""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What a metric said of one picture.

    Parameters
    ----------
    value : float
        The score, or sigma in pixels; NaN if silent.
    low, high : float
        90 % interval, or NaN.
    bound : 'below' | 'above' | None
        Sigma is outside the range that can be measured.
    major, minor, angle : float
        Principal axes, pixels and radians, or NaN.
    silence : str or None
        Why there is no value.
    seconds : float
        Time of the processor that it took, for each million pixels: what else runs does not count.
    size : (int, int)
        Width and height of the picture.
    """

    value: float
    low: float = math.nan
    high: float = math.nan
    bound: str | None = None
    major: float = math.nan
    minor: float = math.nan
    angle: float = math.nan
    silence: str | None = None
    seconds: float = math.nan
    size: tuple[int, int] = (0, 0)

    @property
    def estimate(self) -> float:
        """The score or sigma itself; NaN if silent, or where it is only a bound."""
        return self.value if self.bound is None else math.nan

    def to_row(self) -> dict[str, Any]:
        """A JSON-ready dict, without what is NaN or None."""
        row = {key: json_number(value) for key, value in asdict(self).items()} | {"size": list(self.size)}
        return {key: value for key, value in row.items() if value is not None}

    @classmethod
    def from_row(cls, row: dict[str, Any]) -> Reading:
        """The reading that `to_row` made this of; other keys are passed over."""

        def number(key: str) -> float:
            return float(row.get(key, math.nan))

        width, height = row.get("size", (0, 0))
        return cls(
            value=number("value"),
            low=number("low"),
            high=number("high"),
            bound=row.get("bound"),
            major=number("major"),
            minor=number("minor"),
            angle=number("angle"),
            silence=row.get("silence"),
            seconds=number("seconds"),
            size=(width, height),
        )


def read(metric: Scorer, image: Tensor) -> Reading:
    """Let a metric judge one picture.

    Parameters
    ----------
    metric : Scorer
        A `BlurEstimator` is asked for its estimate, any other for its score.
    image : Tensor, (1, C, H, W)

    Returns
    -------
    Reading
        A picture that the metric refuses (too small, say) gives a silent one with the reason.
    """
    size = (image.shape[-1], image.shape[-2])
    start = time.process_time()
    try:
        with torch.no_grad():
            if isinstance(metric, BlurEstimator):
                reading = _of_estimate(metric.estimate(image)[0])
            else:
                value = float(metric(image))
                reading = Reading(value=value, silence="the score is not a number" if math.isnan(value) else None)
    except KukkiriError as error:
        return Reading(value=math.nan, silence=str(error), size=size)
    return replace(reading, seconds=(time.process_time() - start) / (size[0] * size[1] / 1e6), size=size)


def _of_estimate(found: BlurEstimate) -> Reading:
    low, high = (float(v) for v in found.interval)
    sigma, silence = float(found.sigma), found.abstained
    if math.isnan(sigma) and silence is None:
        silence = "no reason given"
    return Reading(
        value=sigma,
        low=low,
        high=high,
        bound=found.bound,
        major=float(found.major),
        minor=float(found.minor),
        angle=float(found.angle),
        silence=silence,
    )


def gives_sigma(spec: MetricSpec) -> bool:
    """Whether the values of a metric are blur sizes in pixels."""
    return spec.unit == "px" and not spec.higher_is_better
