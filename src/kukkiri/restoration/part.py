"""A restored part back in its picture."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from kukkiri.images.image import Image
from kukkiri.images.masks import Box


def put_back(whole: Image, part: Image, box: Box, kept: Tensor | None = None) -> Image:
    """A picture with a restored part in its place.

    Parameters
    ----------
    whole : Image
    part : Image
        Of the size of the box.
    box : Box
    kept : Tensor of bool, (H, W) of the box, optional
        True where the picture stays as it was: an info bar is no part of the scene.

    Returns
    -------
    Image
    """
    pixels = whole.pixels.clone()
    inside = (slice(None), *box.slices)
    new = part.pixels.to(pixels)
    pixels[inside] = new if kept is None else new.where(~kept.to(pixels.device), pixels[inside])
    return replace(whole, pixels=pixels)
