"""How a calibration is learned: measure every reference, leave out what does not belong, summarise the rest."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kukkiri.errors import InputError, one_line
from kukkiri.images.image import Image, ImageLike, as_image
from kukkiri.images.sniffing import SUFFIXES
from kukkiri.sharpness.calibration import Calibration
from kukkiri.sharpness.estimating import anisotropy_of, without_maps
from kukkiri.sharpness.frames import count_planes, each_picture
from kukkiri.sharpness.photon_transfer import Array, fit_transfer, flat_cells
from kukkiri.sharpness.references import Reference, TraceableEstimator, cut, resolved_mask, same_pixel_size
from kukkiri.sharpness.repeatability import outliers, repeatability, spatial_median

if TYPE_CHECKING:
    from kukkiri.images.masks import Box
    from kukkiri.sharpness.blur import Blur

SEVERAL = "a folder, or several pictures"


@dataclass(frozen=True)
class Observed:
    """One reference as it was measured; its pixels are gone."""

    reference: Reference
    blur: Blur
    pixel_size: float | None
    cells: Array
    digest: bytes
    folder: Path | None


def learn(
    images: ImageLike | Iterable[ImageLike],
    pixel_size: float | None,
    mask: Any,
    roi: Box | None,
    fields: str | Sequence[Hashable],
    estimator: TraceableEstimator,
) -> Calibration:
    """A calibration from pictures; parameters and errors as of `kk.calibrate`."""
    observed = [
        observe(picture, name or f"picture {i + 1}", mask, estimator, roi=roi)
        for i, (name, picture) in enumerate(_each(images))
    ]
    _check_all_different(observed)
    size = pixel_size or _common_pixel_size(observed)
    observed = _with_fields(observed, fields)
    observed = _judged(observed)
    return summarise(observed, size, estimator.fingerprint)


def observe(
    picture: ImageLike, name: str, mask: Any, estimator: TraceableEstimator, *, roi: Box | None = None
) -> Observed:
    """Measure one reference.

    Parameters
    ----------
    picture : image-like
    name : str
    mask, roi : as in `kk.calibrate`
    estimator : TraceableEstimator

    Returns
    -------
    Observed
    """
    whole = as_image(picture)
    image, left_out = cut(whole, resolved_mask(whole, mask), roi)
    blur = estimator.estimate(image, mask=left_out)
    reason = None
    if blur.abstained:
        reason = blur.abstained
    elif blur.bound == "above":
        reason = "more blurred than can be measured"
    answered = blur.abstained is None
    return Observed(
        Reference(
            name=name,
            field=1,
            sigma=blur.sigma if answered else None,
            interval=(blur.interval[0], _finite(blur.interval[1])) if answered else None,
            major=blur.major if answered else None,
            minor=blur.minor if answered else None,
            angle=blur.angle if answered else None,
            noise=_finite(blur.noise),
            left_out=reason,
        ),
        without_maps(blur),
        image.pixel_size,
        flat_cells(image.pixels[1 if image.channels == 3 else 0], left_out),
        _digest(image),
        None if image.path is None else Path(image.path).parent,
    )


def summarise(observed: Sequence[Observed], pixel_size: float | None, fingerprint: str) -> Calibration:
    """A calibration from judged references.

    Parameters
    ----------
    observed : sequence of Observed
    pixel_size : float or None
        Metres.
    fingerprint : str
        Of the estimator.

    Returns
    -------
    Calibration

    Raises
    ------
    InputError
        If no reference counts.
    """
    used = [o for o in observed if o.reference.left_out is None]
    if not used:
        reasons = dict.fromkeys(f"{o.reference.name}: {o.reference.left_out}" for o in observed)
        raise InputError(
            expected="pictures in focus whose blur can be measured",
            got="; ".join(list(reasons)[:3]) + ("; …" if len(reasons) > 3 else ""),
            fix="give pictures with fine structure all over, in focus and not saturated",
        )
    blurs = [o.blur for o in used]
    bounded = any(blur.bound == "below" for blur in blurs)
    sigmas = [blur.sigma for blur in blurs]
    spread = None if bounded else repeatability(sigmas, [o.reference.field for o in used])
    sigma = spread.centre if spread else float(np.mean(sigmas))
    half_width = spread.half_width if spread else 0.0
    # What the estimator promises for a single reference, about the mean of them all.
    low = sigma * float(np.median([blur.interval[0] / blur.sigma for blur in blurs]))
    high = sigma * float(np.median([blur.interval[1] / blur.sigma for blur in blurs]))
    stretch, angle = _anisotropy(blurs)
    noises = [blur.noise for blur in blurs if math.isfinite(blur.noise)]
    return Calibration(
        sigma=sigma,
        interval=(0.0 if bounded else max(0.0, min(low, sigma - half_width)), max(high, sigma + half_width)),
        bound="below" if bounded else None,
        major=sigma * math.sqrt(1 + stretch),
        minor=sigma * math.sqrt(1 - stretch),
        angle=angle,
        family={name: float(np.mean([blur.family[name] for blur in blurs])) for name in blurs[0].family},
        noise=float(np.median(noises)) if noises else math.nan,
        photon_transfer=fit_transfer([o.cells for o in used]),
        repeatability=spread,
        pixel_size=pixel_size,
        pictures=tuple(o.reference for o in observed),
        # By name: the package itself stands above every floor, but its version is no part of any.
        version=import_module("kukkiri").__version__,
        weights=fingerprint,
        made=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _each(images: ImageLike | Iterable[ImageLike]) -> Iterator[tuple[str, ImageLike]]:
    if isinstance(images, (str, Path)):
        place = Path(images)
        if place.is_dir():
            images = _pictures_in(place)
        elif not place.exists() or count_planes(place) < 2:
            raise InputError(
                expected=SEVERAL,
                got=one_line(place),
                fix="give a list: one picture tells nothing of repeatability" if place.exists() else "check the path",
            )
    yield from each_picture(images, expected=SEVERAL)


def _pictures_in(folder: Path) -> list[Path]:
    known = {suffix for suffixes in SUFFIXES.values() for suffix in suffixes}
    found = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in known and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )
    if not found:
        raise InputError(
            expected="pictures in the folder", got=f"none in {one_line(folder)}", fix="name the folder that holds them"
        )
    return found


def _check_all_different(observed: Sequence[Observed]) -> None:
    if not observed:
        raise InputError(expected="pictures in focus", got="none", fix="give at least three, better ten")
    seen: dict[bytes, str] = {}
    for one in observed:
        name = one.reference.name
        if one.digest in seen:
            raise InputError(
                expected="pictures that were taken one by one",
                got=f"the same pixels in {seen[one.digest]} and {name}",
                fix="leave one out: a copy would make the repeatability look better than it is",
            )
        seen[one.digest] = name


def _common_pixel_size(observed: Sequence[Observed]) -> float | None:
    known = [(o.reference.name, o.pixel_size) for o in observed if o.pixel_size is not None]
    if not known:
        return None
    name, first = known[0]
    other = next(((n, size) for n, size in known if not same_pixel_size(first, size)), None)
    if other:
        raise InputError(
            expected="pictures of one magnification",
            got=f"pixels of {first:.4g} m in {name} and of {other[1]:.4g} m in {other[0]}",
            fix="calibrate each magnification by itself, or give the pixel size if the files are wrong",
        )
    if len(known) < len(observed):
        silent = next(o.reference.name for o in observed if o.pixel_size is None)
        raise InputError(
            expected="a pixel size in every picture, or in none",
            got=f"{len(known)} of {len(observed)}; none in {silent}",
            fix="give the pixel size, if all are of one magnification",
        )
    return float(np.median([size for _, size in known]))


def _with_fields(observed: Sequence[Observed], fields: str | Sequence[Hashable]) -> list[Observed]:
    if isinstance(fields, str):
        if fields not in ("different", "same", "folder"):
            raise InputError(
                expected="'different', 'same', 'folder' or one label a picture",
                got=ascii(fields),
                fix="choose one of them",
            )
        labels: list[Hashable] = list(range(len(observed))) if fields == "different" else [0] * len(observed)
        if fields == "folder":
            labels = [one.folder for one in observed]
            if None in labels:
                raise InputError(expected="files for fields='folder'", got="pictures in memory", fix="give labels")
    else:
        labels = list(fields)
        if len(labels) != len(observed):
            raise InputError(
                expected=f"one field for each of {len(observed)} pictures",
                got=f"{len(labels)}",
                fix="give a label for every picture, in their order",
            )
    number = {label: i + 1 for i, label in enumerate(dict.fromkeys(labels))}
    return [replace(o, reference=replace(o.reference, field=number[f])) for o, f in zip(observed, labels)]


def _judged(observed: Sequence[Observed]) -> list[Observed]:
    """The same, with outliers marked as left out.

    Bounds take no part: they all have one value, and would make every size that was measured an outlier.
    """
    places = [i for i, o in enumerate(observed) if o.reference.left_out is None and o.blur.bound is None]
    sigmas = [observed[i].blur.sigma for i in places]
    strange = {places[i] for i in outliers(sigmas, [observed[i].reference.field for i in places])}
    rest = [observed[i].blur.sigma for i in places if i not in strange]
    judged = list(observed)
    for i in strange:
        one = observed[i]
        side = "more blurred" if one.blur.sigma > np.mean(rest) else "sharper"
        reason = f"{side} than the others by more than they differ among each other"
        judged[i] = replace(one, reference=replace(one.reference, left_out=reason))
    return judged


def _anisotropy(blurs: Sequence[Blur]) -> tuple[float, float]:
    """(major² − minor²)/(major² + minor²) of the spatial median, and the angle of its major axis; 0 of bounds alone."""
    points = np.array([anisotropy_of(blur) for blur in blurs])
    points = points[np.isfinite(points).all(1)]
    if len(points) == 0:
        return 0.0, 0.0
    along, across = spatial_median(points).tolist()
    angle = math.atan2(across, along) / 2
    return min(math.hypot(along, across), 0.999), math.pi / 2 if angle <= -math.pi / 2 else angle


def _digest(image: Image) -> bytes:
    state = hashlib.blake2b(repr(tuple(image.pixels.shape)).encode(), digest_size=16)
    state.update(image.pixels.detach().cpu().contiguous().numpy().data)
    return state.digest()


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
