"""Write pictures as PNG, TIFF or JPEG: at the depth they came with, with their metadata, all or nothing."""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kukkiri.errors import InputError, KukkiriError, WriteError, one_line
from kukkiri.images.guard import logged
from kukkiri.images.image import Image, ImageLike, as_image
from kukkiri.images.orientation import reset_orientation
from kukkiri.images.pixel_size import from_resolution, to_comment
from kukkiri.replacing import replacing

FORMATS = {".png": "PNG", ".tif": "TIFF", ".tiff": "TIFF", ".jpg": "JPEG", ".jpeg": "JPEG"}
# What JPEG's own fields can hold: the library's bound on sides, and a marker's length less its name.
JPEG_SIDE = 65500
JPEG_EXIF = 65533
# TIFF tags that `kukkiri.images.reading` keeps, by their names in the metadata; the description is another matter.
TAGS = {"make": 271, "model": 272, "date_time": 306, "artist": 315, "copyright": 33432}
DEEPEST = {"PNG": 16, "TIFF": 32, "JPEG": 8}


def save(
    image: ImageLike,
    path: str | os.PathLike[str],
    *,
    like: Image | None = None,
    bit_depth: int | None = None,
    quality: int = 95,
) -> None:
    """Write a picture.

    Parameters
    ----------
    image : image-like
    path : path
        Its suffix chooses the format: .png, .tif, .tiff, .jpg or .jpeg. An existing file is replaced as a whole or
        not at all; its permissions stay, and so does a link to it.
    like : Image, optional
        Whose depth, pixel size, colour profile and EXIF to write; `image` itself unless given. Orientation is reset
        to 1, for pictures are upright in memory. A maker's note does not survive the way into a TIFF file. From TIFF
        to TIFF, camera, date, artist, copyright and description are kept too.
    bit_depth : 1, 8, 16 or 32, optional
        Bits a channel, 32 for floating point. A picture of 1 bit that has values between black and white gets 8.
    quality : int
        Of a JPEG, 1…100.

    Raises
    ------
    WriteError
        If the format cannot hold the depth (say `bit_depth=8` to give it up), or the place cannot be written to.
    InputError
        If an argument is out of range.
    """
    picture = as_image(image)
    source = like if like is not None else picture
    place = Path(path)
    kind = FORMATS.get(place.suffix.lower())
    if kind is None:
        raise WriteError(
            expected="a name that ends in .png, .tif, .tiff, .jpg or .jpeg",
            got=one_line(place),
            fix="choose one of these formats",
        )
    if kind == "JPEG" and max(picture.height, picture.width) > JPEG_SIDE:
        raise WriteError(
            expected=f"sides of at most {JPEG_SIDE} pixels for JPEG",
            got=f"{picture.width}×{picture.height}",
            fix="write PNG or TIFF",
        )
    if not 1 <= quality <= 100:
        raise InputError(expected="a quality from 1 to 100", got=str(quality), fix="leave it at 95")
    array, depth = _samples(
        picture, kind, bit_depth if bit_depth is not None else source.bit_depth, bit_depth is not None
    )
    metadata = source.metadata
    profile = metadata.get("icc_profile")
    if not isinstance(profile, bytes) or profile[16:20] != (b"GRAY" if picture.channels == 1 else b"RGB "):
        profile = None  # a profile of another colour space would be wrong, not only useless
    exif = metadata.get("exif")
    exif = reset_orientation(exif) if isinstance(exif, bytes) and exif else None
    if kind == "JPEG" and exif and len(exif) > JPEG_EXIF:
        raise WriteError(
            expected=f"at most {JPEG_EXIF} bytes of EXIF for JPEG",
            got=f"{len(exif)} bytes",
            fix="write PNG or TIFF, or give a `like` without them",
        )
    try:
        with replacing(place, make_folder=False) as temporary:
            if kind == "PNG":
                temporary.write_bytes(_png(array, depth, profile, exif, source.pixel_size))
            elif kind == "JPEG":
                temporary.write_bytes(_jpeg(array, quality, profile, exif, source.pixel_size))
            else:
                _tiff(temporary, array, profile, exif, source.pixel_size, metadata)
    except KukkiriError:
        raise
    except Exception as error:  # of an encoder
        raise WriteError(
            expected=f"a picture that {kind} can hold",
            got=f"{type(error).__name__}: {error}",
            fix="write another format",
        ) from error


def _samples(image: Image, kind: str, depth: int, chosen: bool) -> tuple[NDArray[Any], int]:
    """Integers (or floats) of a depth that the format can hold, (H, W[, 3])."""
    if depth not in (1, 8, 16, 32):
        raise InputError(
            expected="a bit depth of 1, 8, 16 or 32", got=str(depth), fix="leave it out to keep the input's"
        )
    if depth > DEEPEST[kind]:
        way = "write TIFF" if kind == "PNG" else "write PNG or TIFF"
        raise WriteError(
            expected=f"at most {DEEPEST[kind]} bits for {kind}",
            got=f"a picture of {depth} bits" if not chosen else f"bit_depth={depth}",
            fix=f"{way}, or give bit_depth={DEEPEST[kind]} to accept the loss",
        )
    values = image.numpy()
    if depth == 1:
        if kind != "JPEG" and image.channels == 1 and bool(((values == 0) | (values == 1)).all()):
            return values.astype(bool), 1
        depth = 8
    if depth == 32:
        return values, 32
    top = 2**depth - 1
    return np.rint(np.clip(values, 0, 1) * top).astype(np.uint8 if depth == 8 else np.uint16), depth


def _png(array: NDArray[Any], depth: int, profile: bytes | None, exif: bytes | None, size: float | None) -> bytes:
    import imagecodecs

    data = _png_of_bits(array) if depth == 1 else bytes(imagecodecs.png_encode(np.ascontiguousarray(array), level=6))
    extra = b""
    if profile:
        extra += _chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(profile))
    if exif:
        extra += _chunk(b"eXIf", exif[6:] if exif[:6] == b"Exif\0\0" else exif)
    if size:
        per_metre = round(1 / size)
        if 0 < per_metre < 2**31:
            extra += _chunk(b"pHYs", struct.pack(">IIB", per_metre, per_metre, 1))
        # Whole pixels a metre are too coarse, or too few, for some sizes: the text holds the exact one.
        extra += _chunk(b"tEXt", b"Comment\0" + to_comment(size).encode("latin-1"))
    return data[:33] + extra + data[33:]  # behind the signature and IHDR


def _png_of_bits(array: NDArray[Any]) -> bytes:
    from PIL import Image as PilImage

    buffer = io.BytesIO()
    PilImage.fromarray(array).save(buffer, "PNG")
    return buffer.getvalue()


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def _jpeg(array: NDArray[Any], quality: int, profile: bytes | None, exif: bytes | None, size: float | None) -> bytes:
    from PIL import Image as PilImage

    options: dict[str, Any] = {"quality": quality, "subsampling": 0 if quality >= 90 else 2}
    if profile:
        options["icc_profile"] = profile
    if exif:
        options["exif"] = exif if exif[:6] == b"Exif\0\0" else b"Exif\0\0" + exif
    if size:
        options["comment"] = to_comment(size)  # JFIF itself stops at 65535 dots per inch, 0.4 µm
    buffer = io.BytesIO()
    PilImage.fromarray(array).save(buffer, "JPEG", **options)
    return buffer.getvalue()


def _tiff(
    path: Path,
    array: NDArray[Any],
    profile: bytes | None,
    exif: bytes | None,
    size: float | None,
    metadata: Mapping[str, Any],
) -> None:
    import tifffile

    from kukkiri.images.tiff_exif import append_directories, extra_tags

    options: dict[str, Any] = {
        "photometric": "rgb" if array.ndim == 3 else "minisblack",
        "compression": "zlib",
        "predictor": array.dtype != bool,
        "metadata": None,
        "software": "kukkiri",
    }
    if profile:
        options["iccprofile"] = profile
    if size:
        options["resolution"] = (0.01 / size, 0.01 / size)
        options["resolutionunit"] = "CENTIMETER"
        if from_resolution(1 / size, 1 / size) is None:  # looks like a print setting
            options["description"] = to_comment(size)
    tags = extra_tags(exif) if exif else []
    there = {tag for tag, *_ in tags}
    for name, tag in TAGS.items():
        if tag not in there and isinstance(metadata.get(name), str):
            tags.append((tag, 2, 0, metadata[name].encode("utf-8", "replace"), True))
    options["extratags"] = tags
    said = metadata.get("description")
    if isinstance(said, str) and said:
        said = "\n".join((*said.splitlines(), *filter(None, [options.get("description")])))
        options["description"] = said.encode("utf-8", "replace")
    with logged("tifffile"):
        tifffile.imwrite(path, array, byteorder="<", **options)
    if exif:
        append_directories(path, exif)
