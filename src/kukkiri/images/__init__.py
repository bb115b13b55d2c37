"""A picture in memory and on disk."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kukkiri.images.image import Image, ImageLike, as_batch, as_image
    from kukkiri.images.masks import Box
    from kukkiri.images.overlays import find_overlays
    from kukkiri.images.reading import ImageFile, load, open_image
    from kukkiri.images.tiles import Mosaic
    from kukkiri.images.writing import save

__all__ = [
    "Box",
    "Image",
    "ImageFile",
    "ImageLike",
    "Mosaic",
    "as_batch",
    "as_image",
    "find_overlays",
    "load",
    "open_image",
    "save",
]

_LAZY = {
    "Box": "masks",
    "Image": "image",
    "ImageFile": "reading",
    "ImageLike": "image",
    "Mosaic": "tiles",
    "as_batch": "image",
    "as_image": "image",
    "find_overlays": "overlays",
    "load": "reading",
    "open_image": "reading",
    "save": "writing",
}


def __getattr__(name: str) -> Any:
    # torch costs a second: only on use.
    if name in _LAZY:
        return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
