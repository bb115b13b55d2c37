"""A reference brought into register with the picture that is measured, and the score that comes of it."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

from torch import Tensor

from kukkiri.errors import InputError
from kukkiri.images.image import Image
from kukkiri.images.registration import Registration, register
from kukkiri.images.registration_fit import MOTIONS
from kukkiri.images.warping import warp_mask
from kukkiri.metrics.score import Score

log = logging.getLogger("kukkiri")

Align = Literal[False, True, "translation", "affine", "homography"]


@dataclass(frozen=True)
class AlignedScore(Score):
    """A score of a picture against its reference, brought into register first.

    Parameters
    ----------
    registration : Registration
        Where the picture lies in the reference, and how well they match.
    tones : bool
        Whether the reference's tones were brought to the picture's before it was scored.
    """

    registration: Registration | None = field(default=None, compare=False)
    tones: bool = field(default=True, compare=False)

    def to_row(self) -> dict[str, Any]:
        """A JSON-ready dict: that of `Score`, and the alignment."""
        plain = Score(**{f.name: getattr(self, f.name) for f in fields(Score)})
        found = self.registration
        return plain.to_row() | {
            "alignment": None if found is None else found.to_row() | {"tones_applied": self.tones},
        }


def align_reference(
    image: Image,
    reference: Image,
    align: Align,
    mask: Tensor | None,
    *,
    tones: bool = True,
    own_mask: Tensor | None = None,
) -> tuple[Image, Tensor, Registration]:
    """The reference on the picture's grid of pixels.

    The picture is what is measured: its pixels stay as they are, since interpolation would take noise and sharpness
    from it. The reference is resampled, its tones are brought to the picture's; what lies outside it does not count.

    Parameters
    ----------
    image, reference : Image
        Of any sizes.
    align : True | 'translation' | 'affine' | 'homography'
        True is 'affine'.
    mask : Tensor of bool, (H, W) of the reference, or None
        True where the reference must not count.
    tones : bool
        False leaves the reference's tones, so that a difference in gain, offset and gamma counts against the picture.
    own_mask : Tensor of bool, (H, W) of the picture, or None
        True where the picture must not count. What is masked in either moves nothing and bends no tones.

    Returns
    -------
    (Image, Tensor of bool (H, W), Registration)
        Both of the picture's size; True where pixels must not count.

    Raises
    ------
    InputError
        If they do not show the same, or the motion is not known.
    """
    motion = "affine" if align is True else align
    if motion not in MOTIONS:
        raise InputError(expected=f"align: False, True, {', '.join(MOTIONS)}", got=repr(align), fix="choose one")
    found = register(image, reference, motion, mask=own_mask, reference_mask=mask)
    warped, left_out = found.apply(reference, tones=tones)
    if mask is not None and bool(mask.any()):
        left_out = left_out | warp_mask(mask, found.matrix, found.size)
    if own_mask is not None:
        left_out = left_out | own_mask.cpu()
    return warped, left_out, found


@dataclass(frozen=True)
class Ready:
    """What a metric is given.

    Parameters
    ----------
    image : Image
    reference : Image or None
        Of the same size; None if the metric needs none.
    mask : Tensor of bool, (H, W), or None
        True where pixels do not count.
    registration : Registration or None
        How the reference came into register; None if it was not aligned.
    tones : bool
        With a registration: whether the reference has the picture's tones.
    """

    image: Image
    reference: Image | None = None
    mask: Tensor | None = None
    registration: Registration | None = None
    tones: bool = True


def in_register(
    image: Image,
    reference: Image,
    mask: Tensor | None,
    align: Align,
    *,
    tones: bool = True,
    own_mask: Tensor | None = None,
) -> Ready:
    """A picture and its reference, aligned if that is asked for; the arguments are those of `align_reference`."""
    image, reference = of_equal_channels(image, reference)
    if align is False:
        return Ready(image, reference, mask)
    warped, left_out, registration = align_reference(image, reference, align, mask, tones=tones, own_mask=own_mask)
    return Ready(image, warped, left_out, registration, tones)


def of_equal_channels(image: Image, reference: Image) -> tuple[Image, Image]:
    """Both as they are, or in three channels if one is grey and the other in colour: the grey one is repeated."""
    if {image.channels, reference.channels} != {1, 3}:
        return image, reference
    grey = image if image.channels == 1 else reference
    log.info("%s is grey and its partner in colour: its channel is repeated", grey.path or "one picture")
    image, reference = (replace(p, pixels=p.pixels.expand(3, -1, -1)) if p is grey else p for p in (image, reference))
    return image, reference
