"""From a picture's cells to its `Blur`: median, bounds, axes, interval, or the reason why there is none."""

from __future__ import annotations

import math
from statistics import median_high
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from kukkiri.networks.blur_net import FAMILIES
from kukkiri.networks.blur_picture import PictureEstimate
from kukkiri.sharpness.blur import LARGEST, SMALLEST, Blur
from kukkiri.sharpness.blur_cells import Walked, weighted_quantiles
from kukkiri.sharpness.blur_interval import IntervalHead, summary_of

# Where the upper hundredth of the evidence lies below this, nothing in the picture tells its blur.
LEAST_EVIDENCE = 0.15
# Below this it is doubtful, and an interval wider than so many octaves is no answer: noise lies here, pictures do not.
DOUBTFUL_EVIDENCE, WIDEST = 0.25, 2.3
_NO_EVIDENCE = "no evidence: nothing but noise, or no structure finer than the blur"


def summarise(walked: Walked, head: IntervalHead, size: tuple[int, int], pixel_size: float | None) -> Blur:
    """The `Blur` of a picture from its cells.

    Parameters
    ----------
    walked : Walked
    head : IntervalHead
    size : (int, int)
    pixel_size : float or None
        Metres.

    Returns
    -------
    Blur
    """
    evidence = walked.evidence
    noise = median_high(walked.noise) if walked.noise else math.nan
    reason = _reason_to_abstain(walked, evidence)
    found = size_of(walked)
    below, above = (math.inf, math.inf) if found is None else head.offsets(found.summary[None])[0].tolist()
    best = _best_evidence(walked, evidence)
    if reason is None and (best < LEAST_EVIDENCE or (best < DOUBTFUL_EVIDENCE and below + above > WIDEST)):
        reason = _NO_EVIDENCE
    sigma_map = map_of(walked.mean if found is None else found.mean, walked.weight, walked.share[0])
    strongest = evidence.amax(0)
    nan = math.nan
    if reason is not None or found is None:
        return Blur(
            nan, nan, (nan, nan), None, nan, nan, nan, dict.fromkeys(FAMILIES, nan), noise, sigma_map, strongest,
            walked.stride, size, nan, reason or "nothing is left to measure",
        )  # fmt: skip
    middle = found.median
    sigma, lo, hi = 2**middle, 2 ** (middle - below), 2 ** (middle + above)
    bound: Literal["below", "above"] | None = "below" if sigma < SMALLEST else "above" if sigma > LARGEST else None
    if bound == "below":
        sigma, lo, hi = SMALLEST, 0.0, max(SMALLEST, hi)
    elif bound == "above":
        sigma, lo, hi = LARGEST, min(LARGEST, lo), math.inf
    along, across = found.judged.anisotropy[0].tolist()
    stretch = min(math.hypot(along, across), 0.999)
    angle = math.atan2(across, along) / 2
    return Blur(
        sigma=sigma,
        sharpest=min(sigma, 2**found.low_end),
        interval=(lo, hi),
        bound=bound,
        major=sigma * math.sqrt(1 + stretch),
        minor=sigma * math.sqrt(1 - stretch),
        angle=math.pi / 2 if angle <= -math.pi / 2 else angle,
        family=dict(zip(FAMILIES, found.judged.family[0].softmax(0).tolist())),
        noise=noise,
        map=sigma_map,
        evidence=strongest,
        stride=walked.stride,
        size=size,
        unlike_training=head.unlike(found.features).item(),
        sigma_m=None if pixel_size is None else sigma * pixel_size,
    )


class Size(NamedTuple):
    """What a picture's cells say of its size, all of them together.

    Parameters
    ----------
    median, low_end : float
        Weighted median and 5th percentile of log2 sigma.
    mean : Tensor, (K, h, w)
        log2 sigma of the cells, as judged by the whole.
    judged : PictureEstimate
    features : Tensor, (1, F)
    summary : Tensor, (6,)
        See `blur_interval.SUMMARY`.
    """

    median: float
    low_end: float
    mean: Tensor
    judged: PictureEstimate
    features: Tensor
    summary: Tensor


def size_of(walked: Walked) -> Size | None:
    """The size of a picture from its cells; None if nothing was walked over."""
    if walked.sums is None or walked.spectrum is None:
        return None
    judged = walked.head(walked.sums[None].float(), walked.spectrum[None].float())
    mean = walked.mean + judged.shift.item()
    weight = walked.weight
    median, low_end = weighted_quantiles(mean, weight, (0.5, 0.05))
    features = walked.head.features(walked.sums[None]).float()
    return Size(median, low_end, mean, judged, features, summary_of(median, mean, walked.spread, weight))


def map_of(mean: Tensor, weight: Tensor, share: Tensor) -> Tensor:
    """Sigma (h, w), px: over channels, the mean of log sigma weighted by evidence; NaN where nothing counts."""
    total = weight.sum(0)
    combined = torch.where(total > 0, (mean * weight).sum(0) / total.clamp_min(1e-12), mean.mean(0))
    return torch.where(share > 0, combined.exp2(), torch.full_like(combined, math.nan))


def _reason_to_abstain(walked: Walked, evidence: Tensor) -> str | None:
    """Why the picture says nothing of its blur, in words; None if it does."""
    low, high = walked.range
    if high - low < 1e-5:
        return "saturated: all pixels are at the highest value" if low >= 1 else "flat: all pixels have one value"
    if walked.high > 0.995 * walked.counted:
        return "saturated: nearly all pixels are at the highest value"
    counted = evidence[(walked.share > 0).expand_as(evidence)]
    if counted.numel() == 0:
        return "nothing is left by the mask"
    return None


def _best_evidence(walked: Walked, evidence: Tensor) -> float:
    """Mean of the best hundredth of the cells, four at least; 0 if none counts."""
    counted = evidence[(walked.share > 0).expand_as(evidence)]
    best = torch.sort(counted, descending=True).values[: max(4, counted.numel() // 100)]
    return float(best.mean()) if best.numel() else 0.0
