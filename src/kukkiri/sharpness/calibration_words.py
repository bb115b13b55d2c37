"""What a reader of a calibration should know, in plain sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kukkiri.sharpness.repeatability import FEWEST

if TYPE_CHECKING:
    from kukkiri.sharpness.calibration import Calibration


def notes_of(calibration: Calibration) -> tuple[str, ...]:
    """Why its figures may say less than they seem to; empty if there is no reason."""
    said = []
    if calibration.bound:
        said.append(
            "some pictures are sharper than can be told: the baseline is an upper bound of "
            f"{calibration.sigma:.3g} px, and the repeatability is not known"
        )
    elif calibration.repeatability is None:
        said.append(f"the repeatability needs {FEWEST} pictures, here are {len(calibration.used)}")
    elif calibration.repeatability.between != "fields":
        said.append(
            "the references show one field: the smallest detectable change holds for that field, and more fields "
            "would tell it for all"
        )
    if lost := len(calibration.pictures) - len(calibration.used):
        said.append(f"{lost} of {len(calibration.pictures)} pictures do not count")
    return tuple(said)
