"""Pictures through Pillow's codecs, in memory."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from threading import Lock
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL.Image import Image as Pillow

# Format → Pillow's module and class. The class is called by itself, not through PIL.Image.open, whose limit on the
# number of pixels is meant for files from elsewhere.
READERS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "JPEG": ("PIL.JpegImagePlugin", "JpegImageFile"),
        "JPEG2000": ("PIL.Jpeg2KImagePlugin", "Jpeg2KImageFile"),
        "WEBP": ("PIL.WebPImagePlugin", "WebPImageFile"),
    }
)
# Longest side that a file of the format can have, pixels.
LONGEST: Mapping[str, int] = MappingProxyType({"JPEG": 65500, "WEBP": 16383})
# The limit is one of the whole process: two that lift it at once would leave it lifted.
_LIFTING = Lock()


def read_back(picture: Pillow, kind: str, **options: Any) -> Pillow:
    """A picture after a file of it was written and read.

    Parameters
    ----------
    picture : PIL.Image.Image
    kind : str
        One of `READERS`.
    **options
        Of Pillow's writer.

    Returns
    -------
    PIL.Image.Image
        Decoded when it is first used.
    """
    file = io.BytesIO()
    picture.save(file, kind, **options)
    file.seek(0)
    module, name = READERS[kind]
    with _unlimited(picture):
        found: Pillow = getattr(import_module(module), name)(file)
    return found


@contextmanager
def _unlimited(picture: Pillow) -> Iterator[None]:
    """Lift Pillow's limit for a picture that is above it: its class for WebP asks for the limit by itself."""
    from PIL import Image as PilImage

    limit = PilImage.MAX_IMAGE_PIXELS
    if limit is None or picture.width * picture.height <= 2 * limit:
        yield
        return
    with _LIFTING:
        limit = PilImage.MAX_IMAGE_PIXELS
        PilImage.MAX_IMAGE_PIXELS = None
        try:
            yield
        finally:
            PilImage.MAX_IMAGE_PIXELS = limit
