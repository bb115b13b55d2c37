"""The blur of files one after the other: what counts of each plane, its estimate, and what goes wrong."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kukkiri.errors import one_line
from kukkiri.inspection.record import explain, printable

if TYPE_CHECKING:
    from kukkiri.images.image import Image
    from kukkiri.images.masks import Box
    from kukkiri.images.reading import ImageFile
    from kukkiri.sharpness.blur import Blur
    from kukkiri.sharpness.calibrated import Calibrated
    from kukkiri.sharpness.calibration import Calibration


@dataclass(frozen=True)
class Counting:
    """Which pixels count, and what they are compared with.

    Parameters
    ----------
    mask : Image or None
        White where pixels must not count, in every picture of its size.
    auto_mask : bool
        Leave out info bars, scale bars and burnt-in text.
    roi : Box or None
    pixel_size : float or None
        Metres; default: what a file says.
    calibration : Calibration or None
    """

    mask: Image | None = None
    auto_mask: bool = True
    roi: Box | None = None
    pixel_size: float | None = None
    calibration: Calibration | None = None


@dataclass(frozen=True)
class Picture:
    """One plane of one file.

    Parameters
    ----------
    path : Path
    plane, planes : int
        Which of how many.
    blur : Blur or None
        None if it failed.
    error : str or None
        What went wrong, in one line.
    box : Box or None
        The part of the picture that `blur` speaks of.
    image : Image or None
        The decoded picture, unless it is too large to hold.
    left_out : Tensor of bool, (H, W), or None
        What does not count, of the size of the whole picture.
    masked : str
        What was found and left out, in words.
    calibrated : Calibrated or None
    """

    path: Path
    plane: int = 0
    planes: int = 1
    blur: Blur | None = None
    error: str | None = None
    box: Box | None = None
    image: Image | None = None
    left_out: Any = None
    masked: str = ""
    calibrated: Calibrated | None = None

    @property
    def name(self) -> str:
        """For people: the path, and the plane if there are several."""
        return one_line(self.path) + (f" [{self.plane}]" if self.planes > 1 else "")

    def without_pixels(self) -> Picture:
        """The same without pixels and maps: there may be thousands."""
        from kukkiri.sharpness.estimating import without_maps

        blur = None if self.blur is None else without_maps(self.blur)
        calibrated = self.calibrated
        if calibrated is not None:
            calibrated = replace(calibrated, blur=without_maps(calibrated.blur))
        return replace(self, image=None, left_out=None, blur=blur, calibrated=calibrated)

    def with_error(self, error: Exception) -> Picture:
        """The same, with one more thing that went wrong."""
        return replace(self, error="; ".join(filter(None, (self.error, explain(error)))))

    def to_row(self, *, calibrated: bool = False) -> dict[str, Any]:
        """A flat JSON-ready dict: path, plane, error, then `Blur`'s, what was left out, and the calibration's.

        Parameters
        ----------
        calibrated : bool
            Whether there is a calibration: then its columns are there, None where it could not be applied.
        """
        row: dict[str, Any] = {"path": printable(self.path), "plane": self.plane, "error": self.error}
        row |= (self.blur or no_blur("")).to_row()
        if self.blur is None:
            row["abstained"] = None
        row["masked"] = self.masked
        if self.calibrated is not None:
            row |= self.calibrated.to_row()
        elif calibrated:
            row |= _no_calibrated()
        return row


def pictures(files: Sequence[Path], counting: Counting, *, estimate: bool = True) -> Iterator[Picture]:
    """Every plane of every file.

    Parameters
    ----------
    files : sequence of Path
    counting : Counting
    estimate : bool
        False leaves `blur` None: only what counts is found out.

    Yields
    ------
    Picture
        Whatever goes wrong with one is said in its `error`.
    """
    from kukkiri.images.reading import open_image

    for file in files:
        try:
            with open_image(file) as source:
                for plane in range(source.planes):
                    try:
                        yield _plane(source, plane, counting, estimate)
                    except Exception as error:
                        yield Picture(file, plane, source.planes, error=explain(error))
        except Exception as error:
            yield Picture(file, error=explain(error))


def _plane(source: ImageFile, plane: int, counting: Counting, estimate: bool) -> Picture:
    from kukkiri.inspection.settings import WHOLE_LIMIT

    header = source.header(plane)
    found = Picture(source.path, plane, source.planes)
    if header.height * header.width > WHOLE_LIMIT:
        from kukkiri.inspection.huge import what_counts

        box, left_out, masked = what_counts(
            source, plane, roi=counting.roi, mask=counting.mask, auto_mask=counting.auto_mask
        )
        found = replace(found, box=box, masked=masked)
        subject: Any = source
    else:
        image = source.read(plane)
        box, left_out, whole, masked = _what_counts(image, counting)
        found = replace(found, box=box, masked=masked, image=image, left_out=whole)
        subject = image
    if not estimate:
        return found
    from kukkiri.sharpness.blur_estimator import shared_estimator

    blur = shared_estimator().estimate(subject, mask=left_out, plane=plane, box=box)
    pixel = counting.pixel_size or header.pixel_size
    if pixel is not None and math.isfinite(blur.sigma):
        blur = replace(blur, sigma_m=blur.sigma * pixel)
    found = replace(found, blur=blur)
    if counting.calibration is None:
        return found
    try:
        return replace(found, calibrated=counting.calibration.apply(blur, pixel_size=pixel))
    except Exception as error:  # of another magnification, say: the blur is known all the same
        return found.with_error(error)


def _what_counts(image: Image, counting: Counting) -> tuple[Box, Any, Any, str]:
    """The box that holds all that counts, the mask within and of the whole picture, and what was found."""
    from kukkiri.images.masks import Box, as_mask
    from kukkiri.images.overlays import find_overlays
    from kukkiri.sharpness.estimating import free_part

    size = (image.height, image.width)
    left_out, masked = None, ""
    if counting.auto_mask:
        overlays = find_overlays(image)
        left_out, masked = overlays.mask, overlays.describe()
    if counting.mask is not None:
        given = as_mask(counting.mask, size)
        left_out = given if left_out is None else left_out | given
    box = counting.roi.checked_inside(*size) if counting.roi else Box(0, 0, *size)
    inner, within = free_part(box, None if left_out is None else left_out[box.slices])
    return inner, within, left_out, masked


def _no_calibrated() -> dict[str, Any]:
    """What stands in a row for a blur that could not be compared with the instrument's."""
    from kukkiri.sharpness.calibrated import Calibrated

    nan = math.nan
    empty = Calibrated(no_blur(""), nan, (nan, nan), None, None, False, nan, None, "gaussian")
    return dict.fromkeys(empty.to_row())


def no_blur(reason: str) -> Blur:
    """What stands for the blur of a picture that could not be read."""
    import torch

    from kukkiri.networks.blur_net import FAMILIES
    from kukkiri.sharpness.blur import Blur

    nan, empty = math.nan, torch.empty(0, 0)
    families = dict.fromkeys(FAMILIES, nan)
    return Blur(nan, nan, (nan, nan), None, nan, nan, nan, families, nan, empty, empty, 8, (0, 0), nan, reason)
