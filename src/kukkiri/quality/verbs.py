"""The verbs `kk.quality` and `kk.compare`: one picture in, one score out."""

from __future__ import annotations

import logging
import math
import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

from kukkiri.errors import InputError
from kukkiri.metrics.table import DEFAULT_QUALITY, spec_of

if TYPE_CHECKING:
    from torch import Tensor

    from kukkiri.images.image import Image, ImageLike
    from kukkiri.metrics.base import Metric
    from kukkiri.metrics.learned import Precision
    from kukkiri.metrics.score import Score
    from kukkiri.quality.aligning import Align, Ready
    from kukkiri.weights import Weights

log = logging.getLogger("kukkiri")


def quality(
    image: ImageLike,
    metric: str | Metric = DEFAULT_QUALITY,
    *,
    mask: Any = "auto",
    weights: Weights | None = None,
    device: str | None = None,
    max_side: int | None = None,
    precision: Precision | None = None,
    **options: Any,
) -> Score:
    """How good (or how sharp) is a picture, by itself?

    Parameters
    ----------
    image : image-like
        Path, Image, PIL image, ndarray (H, W[, C]) or tensor ([1,] C, H, W).
    metric : str or Metric
        Any that needs no reference; 'kukkiri list' shows them. Default: 'kukkiri-nr', which says what is wrong, too.
    mask : 'auto' | None | Boolean (H, W)
        True where pixels must not count. 'auto' finds info bars, scale bars and burnt-in text.
    weights, device
        As for `kk.metric`; for a metric that is given by its name, as the two that follow.
    max_side : int, optional
        Of metrics that are networks: pictures with a longer side are reduced to it first.
    precision : 'float32' | 'bfloat16' | 'float16', optional
        Of metrics that are networks; see `kukkiri.metrics.learned`.
    **options
        The metric's own, as for `kk.metric`: crops=, seed=, downsample=, …

    Returns
    -------
    Score
        Of a metric that judges quality, as 'kukkiri-nr' does, a `QualityScore`: with interval, what is wrong, and how
        unlike the training the picture is.

    Raises
    ------
    KukkiriError
        If the picture cannot be read or measured; the message says why.
    """
    from kukkiri.images.image import as_image
    from kukkiri.quality.aligning import Ready

    measure = _built(metric, options, weights=weights, device=device, max_side=max_side, precision=precision)
    picture = as_image(image)
    _say_planes(image, picture)
    return score(Ready(picture, None, _mask(mask, picture, picture)), measure)


def compare(
    image: ImageLike,
    reference: ImageLike,
    metric: str | Metric = "ssim",
    *,
    mask: Any = "auto",
    align: Align = False,
    tones: bool = True,
    weights: Weights | None = None,
    device: str | None = None,
    max_side: int | None = None,
    precision: Precision | None = None,
    **options: Any,
) -> Score:
    """How near is a picture to its reference?

    Parameters
    ----------
    image, reference : image-like
        Of one size, unless they are aligned. If one is grey and the other in colour, the grey channel is repeated.
    metric : str or Metric
        Any that needs a reference.
    mask : 'auto' | None | Boolean (H, W) of the picture
        True where pixels must not count. 'auto' finds info bars, scale bars and burnt-in text in the reference; with
        `align` in the picture too, since they need not lie at the same place.
    align : False | True | 'translation' | 'affine' | 'homography'
        Bring the reference into register with the picture first, to a few hundredths of a pixel: a scan with its
        original. True is 'affine'. The picture's pixels stay as they are; what lies outside the reference is masked.
    tones : bool
        With `align`: bring the reference's gain, offset and gamma to the picture's too.
    weights, device
        As for `kk.metric`; for a metric that is given by its name, as the two that follow.
    max_side : int, optional
        Of metrics that are networks: pictures with a longer side are reduced to it first.
    precision : 'float32' | 'bfloat16' | 'float16', optional
        Of metrics that are networks; see `kukkiri.metrics.learned`.
    **options
        The metric's own, as for `kk.metric`: crops=, seed=, downsample=, …

    Returns
    -------
    Score
        With `align` an `AlignedScore`, whose `registration` says where the picture lies and how well they match.

    Raises
    ------
    KukkiriError
        If a picture cannot be read, sizes or channels differ, or the pictures cannot be aligned.
    """
    from kukkiri.images.image import as_image
    from kukkiri.quality.aligning import in_register

    measure = _built(metric, options, weights=weights, device=device, max_side=max_side, precision=precision)
    x, r = as_image(image), as_image(reference)
    for given, picture in ((image, x), (reference, r)):
        _say_planes(given, picture)
    if align is False:
        return score(in_register(x, r, _mask(mask, r, x), False), measure)
    # Found by itself, the mask is in two parts, each on its own grid; given, it is the picture's.
    hidden = _mask(mask, r, r) if isinstance(mask, str) else None
    return score(in_register(x, r, hidden, align, tones=tones, own_mask=_mask(mask, x, x)), measure)


def _built(metric: str | Metric, options: dict[str, Any], **common: Any) -> Metric:
    from kukkiri.metrics.build import metric as build

    shared = {name: value for name, value in common.items() if value is not None}
    chosen = options | shared
    if isinstance(metric, str):
        if "," in metric:
            raise InputError(
                expected="the name of one metric",
                got=repr(metric),
                fix="call it once a metric, or use 'kukkiri compare -m a,b' or 'kukkiri quality -m a,b'",
            )
        _check_shared(metric, [name for name in shared if name in ("max_side", "precision")])
        return build(metric, **chosen)
    if chosen:
        raise InputError(
            expected=f"the name of a metric with {', '.join(chosen)}",
            got="a metric that is built already",
            fix="give it to kk.metric(name, …) instead",
        )
    return metric


def _check_shared(name: str, given: list[str]) -> None:
    """Options that learned metrics share are theirs alone."""
    if not given:
        return
    from kukkiri.metrics.learned import LearnedMetric

    module, _, kind = spec_of(name).implementation.partition(":")
    if not issubclass(getattr(import_module(module), kind), LearnedMetric):
        raise InputError(
            expected=f"a metric that takes {' and '.join(given)} (learned metrics do, "
            "kukkiri-nr looks at its own parts)",
            got=name,
            fix="leave it out",
        )


def _say_planes(given: ImageLike, picture: Image) -> None:
    if picture.metadata.get("planes", 1) > 1 and isinstance(given, (str, os.PathLike)):
        log.warning("%s holds %d pictures; the first is taken", picture.path, picture.metadata["planes"])


def _mask(mask: Any, searched: Image, measured: Image) -> Tensor | None:
    """The mask that is meant, Boolean (H, W): found in one picture, or given for the other."""
    from kukkiri.images.masks import as_mask

    if mask is None:
        return None
    if isinstance(mask, str):
        if mask != "auto":
            raise InputError(
                expected="'auto', None or a Boolean array as mask", got=repr(mask), fix="load the file first"
            )
        mask, measured = automatic_mask(searched), searched
        if mask is None:
            return None
    return as_mask(mask, (measured.height, measured.width))


def automatic_mask(image: Image) -> Tensor | None:
    """Where info bars, scale bars and burnt-in text lie, Boolean (H, W); None if there are none."""
    from kukkiri.images.overlays import find_overlays

    return find_overlays(image).mask


def score(ready: Ready, metric: Metric) -> Score:
    """The score by a metric that is built, of pictures that are read and, if need be, aligned.

    Raises
    ------
    InputError
        If a network gives no finite number, or another metric an infinity that its range does not have.
    """
    from kukkiri.metrics.estimating import JudgesQuality
    from kukkiri.metrics.score import Score
    from kukkiri.quality.aligning import AlignedScore
    from kukkiri.quality.quality_score import quality_score

    image, mask = ready.image, ready.mask
    if mask is not None and not bool(mask.any()):
        mask = None
    masked = 0.0 if mask is None else metric.share_left_out(mask, (image.height, image.width))
    if isinstance(metric, JudgesQuality):
        (judgement,) = metric.judge(image, mask=mask)
        _check_value(judgement.value, metric)
        return quality_score(judgement, metric.spec, masked)
    value = float(metric(image, ready.reference, mask=mask))
    _check_value(value, metric)
    found = Score(
        value=value,
        metric=metric.spec.name,
        higher_is_better=metric.spec.higher_is_better,
        unit=metric.spec.unit,
        masked=masked,
    )
    if ready.registration is None:
        return found
    return AlignedScore(**vars(found), registration=ready.registration, tones=ready.tones)


def _check_value(value: float, metric: Metric) -> None:
    from kukkiri.metrics.learned import LearnedMetric

    network = isinstance(metric, LearnedMetric)
    # NaN of a classical metric says that there is nothing to measure; PSNR of identical pictures is infinite.
    if math.isfinite(value) or (not network and (math.isnan(value) or value in metric.spec.value_range)):
        return
    short = network and metric.precision == "float16"
    raise InputError(
        expected=f"a finite score of {metric.spec.name}",
        got=str(value),
        fix="take precision bfloat16 or float32: float16 overflows" if short else "check its weights and the picture",
    )
