"""The verbs `kk.quality` and `kk.compare`: one picture in, one score out."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Any

from kukkiri.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

    from kukkiri.images.image import Image, ImageLike
    from kukkiri.metrics.base import Metric
    from kukkiri.metrics.score import Score

log = logging.getLogger("kukkiri")


def quality(image: ImageLike, metric: str | Metric = "niqe", *, mask: Any = "auto") -> Score:
    """How good (or how sharp) is a picture, by itself?

    Parameters
    ----------
    image : image-like
        Path, Image, PIL image, ndarray (H, W[, C]) or tensor ([1,] C, H, W).
    metric : str or Metric
        Any that needs no reference; 'kukkiri list' shows them.
    mask : 'auto' | None | Boolean (H, W)
        True where pixels must not count. 'auto' finds info bars, scale bars and burnt-in text.

    Returns
    -------
    Score

    Raises
    ------
    KukkiriError
        If the picture cannot be read or measured; the message says why.
    """
    return _score(image, None, metric, mask)


def compare(image: ImageLike, reference: ImageLike, metric: str | Metric = "ssim", *, mask: Any = "auto") -> Score:
    """How near is a picture to its reference?

    Parameters
    ----------
    image, reference : image-like, of one size
    metric : str or Metric
        Any that needs a reference.
    mask : 'auto' | None | Boolean (H, W)
        True where pixels must not count. 'auto' finds info bars, scale bars and burnt-in text in the reference.

    Returns
    -------
    Score

    Raises
    ------
    KukkiriError
        If a picture cannot be read, or sizes or channels differ.
    """
    return _score(image, reference, metric, mask)


def _score(image: ImageLike, reference: ImageLike | None, metric: str | Metric, mask: Any) -> Score:
    from kukkiri.images.image import as_image
    from kukkiri.images.masks import as_mask
    from kukkiri.metrics.build import metric as build

    measure = build(metric) if isinstance(metric, str) else metric
    x = as_image(image)
    r = None if reference is None else as_image(reference)
    for picture in (x, r):
        if picture is not None and picture.metadata.get("planes", 1) > 1 and isinstance(image, (str, os.PathLike)):
            log.warning("%s holds %d pictures; the first is taken", picture.path, picture.metadata["planes"])
    if isinstance(mask, str):
        if mask != "auto":
            raise InputError(
                expected="'auto', None or a Boolean array as mask", got=repr(mask), fix="load the file first"
            )
        mask = automatic_mask(x if r is None else r)
    return score(x, r, measure, None if mask is None else as_mask(mask, (x.height, x.width)))


def automatic_mask(image: Image) -> Tensor | None:
    """Where info bars, scale bars and burnt-in text lie, Boolean (H, W); None if there are none."""
    from kukkiri.images.overlays import find_overlays

    return find_overlays(image).mask


def score(image: Image, reference: Image | None, metric: Metric, mask: Tensor | None) -> Score:
    """The score of one picture by a metric that is built, with a mask that is known."""
    from kukkiri.metrics.score import Score

    if mask is not None and not bool(mask.any()):
        mask = None
    value = metric(image, reference, mask=mask)
    return Score(
        value=float(value),
        metric=metric.spec.name,
        higher_is_better=metric.spec.higher_is_better,
        unit=metric.spec.unit,
        masked=0.0 if mask is None else metric.share_left_out(mask, (image.height, image.width)),
    )
