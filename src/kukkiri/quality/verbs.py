"""The verbs `kk.quality` and `kk.compare`: one picture in, one score out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kukkiri.errors import InputError

if TYPE_CHECKING:
    from kukkiri.images.image import ImageLike
    from kukkiri.metrics.base import Metric
    from kukkiri.metrics.score import Score


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
    from kukkiri.images.overlays import find_overlays
    from kukkiri.metrics.build import metric as build
    from kukkiri.metrics.score import Score

    measure = build(metric) if isinstance(metric, str) else metric
    x = as_image(image)
    r = None if reference is None else as_image(reference)
    if isinstance(mask, str):
        if mask != "auto":
            raise InputError(
                expected="'auto', None or a Boolean array as mask", got=repr(mask), fix="load the file first"
            )
        mask = find_overlays(x if r is None else r).mask
    left_out = None if mask is None else as_mask(mask, (x.height, x.width))
    if left_out is not None and not bool(left_out.any()):
        left_out = None
    value = measure(x, r, mask=left_out)
    return Score(
        value=float(value),
        metric=measure.spec.name,
        higher_is_better=measure.spec.higher_is_better,
        unit=measure.spec.unit,
        masked=0.0 if left_out is None else float(left_out.float().mean()),
    )
