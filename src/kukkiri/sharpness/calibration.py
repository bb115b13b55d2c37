"""What an instrument's own pictures in focus look like, and what a new picture has beyond that: `kk.calibrate`.

The baseline blur of a picture in focus is the instrument's: lens, sensor or beam, and processing. Learned from a few
references it turns a blur size into a statement about this one picture: more blurred than the instrument must be, or
not distinguishable from it.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from kukkiri.errors import InputError
from kukkiri.metrics.score import json_number
from kukkiri.sharpness.blur import Blur
from kukkiri.sharpness.calibrated import Calibrated, Interval, compared
from kukkiri.sharpness.calibration_words import notes_of
from kukkiri.sharpness.references import (
    Reference,
    ShippedEstimator,
    TraceableEstimator,
    checked_pixel_size,
    resolved_mask,
    same_pixel_size,
)

if TYPE_CHECKING:
    from kukkiri.images.image import ImageLike
    from kukkiri.images.masks import Box
    from kukkiri.sharpness.photon_transfer import PhotonTransfer
    from kukkiri.sharpness.repeatability import Repeatability


@dataclass(frozen=True)
class Calibration:
    """An instrument in focus, as its own pictures show it.

    Parameters
    ----------
    sigma : float
        Pixels: the baseline blur, the mean over fields of the references that count.
    interval : (float, float)
        Pixels: holds the true baseline with 90 %: the wider of what the estimator promises for single references and
        of what their spread leaves open.
    bound : None | 'below'
        'below': some references are sharper than can be told. `sigma` then is an upper bound, and no repeatability
        is known.
    major, minor : float
        Principal standard deviations of the baseline blur, pixels.
    angle : float
        Of the major axis, radians from +x towards +y (down), in (−π/2, π/2]. The axes are those of the spatial median
        of the references' anisotropies, so that one odd picture cannot turn them.
    family : mapping
        Mean probabilities of 'gaussian', 'disc' and 'motion'.
    noise : float
        Standard deviation of white noise on [0, 1]: the median over references.
    photon_transfer : PhotonTransfer or None
        The noise as a function of signal, of colour pictures in green; None where the pictures do not show it.
    repeatability : Repeatability or None
        How far references lie apart, between fields or between pictures of one field as it says, and the smallest
        detectable change; None of fewer than three, or with `bound`.
    pixel_size : float or None
        Metres.
    pictures : tuple of Reference
        All of them, also those that do not count.
    version : str
        Of Kukkiri, when this was made.
    weights : str
        The sha256 of the estimator's weights. Sizes from other weights must not be compared with these.
    made : str
        Date and time (UTC, ISO 8601).
    """

    sigma: float
    interval: Interval
    bound: Literal["below"] | None
    major: float
    minor: float
    angle: float
    family: Mapping[str, float]
    noise: float
    photon_transfer: PhotonTransfer | None
    repeatability: Repeatability | None
    pixel_size: float | None
    pictures: tuple[Reference, ...]
    version: str
    weights: str
    made: str

    @property
    def used(self) -> tuple[Reference, ...]:
        """The references that count."""
        return tuple(picture for picture in self.pictures if picture.left_out is None)

    @property
    def smallest_change(self) -> float | None:
        """Pixels: by how much more than `sigma` a new picture's sigma tells, at 95 %; see `Repeatability`."""
        return None if self.repeatability is None else self.repeatability.smallest_change

    @property
    def sigma_m(self) -> float | None:
        """The baseline blur in metres; None where the size of a pixel is not known."""
        return None if self.pixel_size is None else self.sigma * self.pixel_size

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader should know."""
        return notes_of(self)

    def apply(
        self,
        image: ImageLike | Blur,
        *,
        mask: Any = None,
        pixel_size: float | str | None = None,
        estimator: TraceableEstimator | None = None,
    ) -> Calibrated:
        """What a picture's blur is beyond the instrument's.

        Parameters
        ----------
        image : image-like, or the Blur of one
            From the instrument and at the magnification that was calibrated.
        mask : None | 'auto' | Boolean (H, W) | tuple of these
            As for `calibrate`; not with a Blur.
        pixel_size : float or str, optional
            Metres, or '1.3 nm'; default: what the picture says, else what the calibration says.
        estimator : TraceableEstimator, optional
            Default: that of `kk.blur`.

        Returns
        -------
        Calibrated

        Raises
        ------
        InputError
            If the calibration was made with other weights, or at another pixel size.
        """
        self.check_weights(estimator)
        if isinstance(image, Blur):
            blur = image
            said = blur.sigma_m / blur.sigma if blur.sigma_m is not None and blur.sigma > 0 else None
        else:
            from kukkiri.images.image import as_image

            picture = as_image(image)
            said = picture.pixel_size
            blur = (estimator or ShippedEstimator()).estimate(picture, mask=resolved_mask(picture, mask))
        return compared(self, blur, self._pixel_size(checked_pixel_size(pixel_size) or said))

    def check_weights(self, estimator: TraceableEstimator | None = None) -> None:
        """Raise InputError unless this was made with the weights that are in use."""
        in_use = (estimator or ShippedEstimator()).fingerprint
        if self.weights != in_use:
            raise InputError(
                expected=f"a calibration made with the blur estimator in use (weights {in_use[:12]})",
                got=f"one made with other weights ({self.weights[:12]}, kukkiri {self.version})",
                fix="calibrate anew from the same pictures: sizes from two estimators differ by more than they repeat",
            )

    def save(self, path: str | Path) -> None:
        """Write it as JSON; the file appears whole or not at all.

        Raises
        ------
        WriteError
            If it cannot be written.
        """
        from kukkiri.sharpness.calibration_file import write

        write(self, path)

    @classmethod
    def load(cls, path: str | Path, *, estimator: TraceableEstimator | None = None) -> Calibration:
        """Read what `save` wrote.

        Raises
        ------
        InputError
            If it is no calibration, is damaged, of a newer version, or made with other weights than those in use.
        """
        from kukkiri.sharpness.calibration_file import read

        found = read(path)
        found.check_weights(estimator)
        return found

    def to_row(self) -> dict[str, Any]:
        """A flat JSON-ready dict: NaN is None."""
        spread, transfer = self.repeatability, self.photon_transfer
        row: dict[str, Any] = {
            "sigma": self.sigma,
            "sigma_lo": self.interval[0],
            "sigma_hi": self.interval[1],
            "unit": "px",
            "bound": self.bound,
            "major": self.major,
            "minor": self.minor,
            "angle": self.angle,
            **{f"family_{name}": share for name, share in self.family.items()},
            "noise": self.noise,
            "noise_slope": transfer.slope if transfer else None,
            "noise_slope_error": transfer.slope_error if transfer else None,
            "noise_offset": transfer.offset if transfer else None,
            "repeatability": spread.deviation if spread else None,
            "repeatability_between": spread.between if spread else None,
            "repeatability_within_field": spread.within if spread else None,
            "smallest_change": self.smallest_change,
            "pictures": len(self.pictures),
            "used": len(self.used),
            "pixel_size": self.pixel_size,
            "sigma_m": self.sigma_m,
            "notes": "; ".join(self.notes),
            "version": self.version,
            "weights": self.weights,
            "made": self.made,
        }
        return {name: json_number(value) for name, value in row.items()}

    def __repr__(self) -> str:
        sign = "≤ " if self.bound else ""
        spread = f" ± {self.repeatability.deviation:.2g}" if self.repeatability else ""
        return f"Calibration(sigma {sign}{self.sigma:.3g}{spread} px, {len(self.used)} pictures)"

    def _pixel_size(self, said: float | None) -> float | None:
        known = self.pixel_size
        if known is not None and said is not None and not same_pixel_size(known, said):
            raise InputError(
                expected=f"a picture with pixels of {known:.4g} m, as the calibration was made",
                got=f"pixels of {said:.4g} m",
                fix="calibrate at this magnification too (blur in pixels means something else at each), "
                "or give the pixel size if the file is wrong",
            )
        return said if known is None else known


def calibrate(
    images: ImageLike | Iterable[ImageLike],
    *,
    pixel_size: float | str | None = None,
    mask: Any = None,
    roi: Box | None = None,
    fields: Literal["different", "same", "folder"] | Sequence[Hashable] = "different",
    estimator: TraceableEstimator | None = None,
) -> Calibration:
    """Learn an instrument's own blur, noise and repeatability from pictures in focus.

    Parameters
    ----------
    images : folder, or iterable of image-likes
        In focus, of one magnification, taken as pictures are taken in use; at least three, better ten, of different
        fields. A folder is searched with its sub-folders. Every plane of a file counts as a picture. Each is read as a
        whole, one after the other.
    pixel_size : float or str, optional
        Metres, or '1.3 nm'; default: what the pictures say. Given, it holds for all of them.
    mask : None | 'auto' | Boolean (H, W) | tuple of these
        True where pixels must not count. 'auto' finds info bars, scale bars and burnt-in text of each picture; several
        masks add.
    roi : Box, optional
        Only this region of each picture; masks are of the whole picture all the same.
    fields : 'different' | 'same' | 'folder' | sequence
        Which pictures show the same field of view: none, all, those in one folder, or those with equal labels (one a
        picture).
    estimator : TraceableEstimator, optional
        Default: that of `kk.blur`.

    Returns
    -------
    Calibration
        Pictures that abstained, lie above the range, or are outliers among the others do not count;
        `Calibration.pictures` says why.

    Raises
    ------
    InputError
        If pixel sizes differ or are known of some pictures only, a picture was given twice, a single array was given,
        or none can be used.
    KukkiriError
        If a picture cannot be read.
    """
    from kukkiri.sharpness.calibrating import learn

    return learn(images, checked_pixel_size(pixel_size), mask, roi, fields, estimator or ShippedEstimator())
