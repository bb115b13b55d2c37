"""Pictures that Pillow holds or decodes: JPEG, WebP, BMP, GIF, AVIF, and PIL images in memory."""

from __future__ import annotations

import struct
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kukkiri.errors import InputError, ReadError, one_line
from kukkiri.images.decoder import Decoded, Header, SinglePlaneDecoder, check_sides
from kukkiri.images.guard import explained
from kukkiri.images.image import Image
from kukkiri.images.orientation import find_orientation, orient
from kukkiri.images.pixel_size import from_comment, from_resolution
from kukkiri.images.samples import Encoding, black_and_white, to_pixels

# Format → Pillow's module and class. The class is called by itself, not through PIL.Image.open: that would try every
# plugin on every damaged file, and its limit on the number of pixels is another one than ours.
PLUGINS = {
    "JPEG": ("PIL.JpegImagePlugin", "JpegImageFile"),
    "WebP": ("PIL.WebPImagePlugin", "WebPImageFile"),
    "BMP": ("PIL.BmpImagePlugin", "BmpImageFile"),
    "GIF": ("PIL.GifImagePlugin", "GifImageFile"),
    "AVIF": ("PIL.AvifImagePlugin", "AvifImageFile"),
}
_GREY_MODES = {"1", "L", "LA", "La", "I", "F", "I;16", "I;16L", "I;16B", "I;16N"}


@lru_cache(maxsize=8)
def _plugin(kind: str) -> Any:
    module, name = PLUGINS[kind]
    plugin = getattr(import_module(module), name)
    # A resolution in EXIF is a print setting; looking for it takes time, and warns about damaged EXIF.
    return type(name, (plugin,), {"_read_dpi_from_exif": lambda self: None}) if kind == "JPEG" else plugin


def from_pillow(pil: Any) -> Image:
    """An `Image` from a PIL image of any mode, EXIF orientation applied.

    Parameters
    ----------
    pil : PIL.Image.Image
        Mode I counts as 16 bits where its values lie in 0…65535 (Pillow's form of 16-bit files), else it is scaled by
        minimum and maximum, as F outside [0, 1] is.

    Returns
    -------
    Image

    Raises
    ------
    ReadError
        If it cannot be decoded, or holds NaN or infinity.
    """
    name = getattr(pil, "filename", "")
    path = Path(name) if isinstance(name, str) and name else None
    with explained(path, "PIL"):
        check_sides(pil.width, pil.height, path)
        metadata, orientation = _metadata(pil)
        array, encoding, bits = samples(pil)
        pixels, notes, more = to_pixels(array, encoding)
        pixels = orient(pixels, orientation) if orientation > 1 else pixels
    metadata.update(more)
    metadata["format"] = pil.format or "PIL"
    metadata["notes"] = [*_orientation_notes(orientation), *notes]
    return Image(pixels, bits, _pixel_size(pil), path, metadata)


def samples(pil: Any) -> tuple[NDArray[Any], Encoding, int]:
    """The numbers of a PIL image as (H, W, S), what they mean, and bits a channel."""
    mode = pil.mode
    if mode == "P" and pil.palette is not None and pil.palette.mode not in ("RGB", "RGBA"):
        pil = pil.convert("RGBA")
    if mode in ("P", "PA") or "transparency" in pil.info:
        array, alpha = _looked_up(pil)
        return array, Encoding("rgb" if array.shape[2] > 2 else "grey", alpha), 8
    if mode == "1":
        return np.asarray(pil)[:, :, None].astype(np.uint8), Encoding("grey", "", 0, 1), 1
    if mode in ("RGBX", "HSV"):
        return np.asarray(pil.convert("RGB")), Encoding("rgb"), 8
    if mode.startswith("I;16"):
        array = np.asarray(pil)
        return array.astype(np.uint16, copy=False)[:, :, None], Encoding("grey", "", 0, 65535), 16
    if mode == "I":
        array = np.asarray(pil)[:, :, None]
        low, high = int(array.min()), int(array.max())
        if low >= 0 and high <= 65535:
            return array.astype(np.uint16), Encoding("grey", "", 0, 65535), 16
        return array, Encoding("grey", "", *black_and_white(low, high, inverted=False, integer=True)[:2]), 32
    if mode == "F":
        return np.asarray(pil)[:, :, None], Encoding("grey", "", None, None), 32
    known = {
        "L": Encoding("grey"),
        "LA": Encoding("grey", "straight"),
        "La": Encoding("grey", "premultiplied"),
        "RGB": Encoding("rgb"),
        "RGBA": Encoding("rgb", "straight"),
        "RGBa": Encoding("rgb", "premultiplied"),
        "CMYK": Encoding("cmyk"),
        "YCbCr": Encoding("ycbcr"),
        "LAB": Encoding("lab"),
    }
    if mode not in known:
        raise InputError(expected="a PIL image of a common mode", got=f"mode {mode}", fix="convert it to RGB or L")
    array = np.asarray(pil)
    return (array if array.ndim == 3 else array[:, :, None]), known[mode], 8


def _looked_up(pil: Any) -> tuple[NDArray[Any], str]:
    """Palette colours and transparent colours made explicit; a palette of greys stays grey."""
    clear = "transparency" in pil.info or pil.mode == "PA" or (pil.palette is not None and pil.palette.mode == "RGBA")
    array = np.asarray(pil.convert("RGBA" if clear else "RGB"))
    colour = array[:, :, :3]
    if is_grey_palette(pil):
        colour = colour[:, :, :1]
    if not clear:
        return np.ascontiguousarray(colour), ""
    return np.concatenate([colour, array[:, :, 3:]], 2), "straight"


def is_grey_palette(pil: Any) -> bool:
    """Whether a picture is grey: by its mode, or because all colours of its palette are."""
    if pil.mode not in ("P", "PA"):
        return pil.mode in _GREY_MODES
    colours = np.frombuffer(bytes(pil.palette.palette), np.uint8) if pil.palette is not None else np.zeros(0, np.uint8)
    step = len(pil.palette.mode) if pil.palette is not None else 3
    if step < 3 or len(colours) % step:
        return False
    colours = colours.reshape(-1, step)
    return bool((colours[:, 0] == colours[:, 1]).all() and (colours[:, 1] == colours[:, 2]).all())


def _metadata(pil: Any) -> tuple[dict[str, Any], int]:
    metadata: dict[str, Any] = {}
    profile, exif = pil.info.get("icc_profile"), pil.info.get("exif")
    if isinstance(profile, bytes) and profile:
        metadata["source_icc_profile" if pil.mode == "CMYK" else "icc_profile"] = profile
    orientation = 1
    if isinstance(exif, bytes) and exif:
        metadata["exif"] = exif
        orientation = find_orientation(exif)[0]
        if orientation > 1:
            metadata["orientation"] = orientation
    return metadata, orientation


def _orientation_notes(orientation: int) -> tuple[str, ...]:
    return (f"turned upright from EXIF orientation {orientation}",) if orientation > 1 else ()


def _pixel_size(pil: Any) -> float | None:
    comment = pil.info.get("comment")
    size = from_comment(comment) if isinstance(comment, bytes) else None
    dpi = pil.info.get("dpi")
    if size is None and isinstance(dpi, tuple) and len(dpi) == 2 and pil.info.get("jfif_unit", 1):
        size = from_resolution(float(dpi[0]) / 0.0254, float(dpi[1]) / 0.0254)
    return size


class PillowDecoder(SinglePlaneDecoder):
    """A JPEG, WebP, BMP, GIF or AVIF file; of a moving picture the first frame."""

    def __init__(self, path: Path, kind: str, max_pixels: int | None = None) -> None:
        super().__init__(path)
        self.format = kind
        if kind == "WebP":
            _check_webp_sides(self, max_pixels)
        with explained(path, kind):
            self._pil = _plugin(kind)(str(path))
            check_sides(self._pil.width, self._pil.height, path)
            metadata, self._orientation = _metadata(self._pil)
            pixel_size = _pixel_size(self._pil)
        width, height = self._pil.size
        if self._orientation >= 5:
            width, height = height, width
        notes = list(_orientation_notes(self._orientation))
        frames = getattr(self._pil, "n_frames", 1) if kind == "WebP" else 1
        if (kind == "GIF" and self._pil.is_animated) or frames > 1:
            notes.append("moving picture: the first frame")
        # Pillow squeezes AVIF of 10 and 12 bits into 8: those are decoded elsewhere.
        self._deep = avif_depth(path) if kind == "AVIF" else 0
        self._deep = self._deep if self._deep > 8 else 0
        bits = 1 if self._pil.mode == "1" else 16 if self._deep else 8
        channels = 1 if is_grey_palette(self._pil) else 3
        self._header = Header(channels, height, width, bits, pixel_size, metadata, tuple(notes))

    def _decode(self) -> Decoded:
        if self._pil.fp is None and self._pil._im is None:  # closed after an earlier failure
            self._pil = _plugin(self.format)(str(self.path))
        if self._deep:
            array, encoding = self._deep_samples()
        else:
            self._pil.load()
            array, encoding, _ = samples(self._pil)
        pixels, notes, metadata = to_pixels(array, encoding)
        if self._orientation > 1:
            pixels = orient(pixels, self._orientation)
        return pixels, notes, metadata

    def _deep_samples(self) -> tuple[NDArray[Any], Encoding]:
        """Samples of an AVIF file of more than 8 bits."""
        import imagecodecs

        if not imagecodecs.AVIF.available:
            raise ReadError(
                expected="imagecodecs with AVIF, for more than 8 bits",
                got=f"{one_line(self.path)} with {self._deep} bits, and imagecodecs without it",
                fix="install imagecodecs from its wheel, or convert the picture to PNG",
            )
        array = np.asarray(imagecodecs.avif_decode(self.path.read_bytes(), index=0))
        array = array if array.ndim == 3 else array[:, :, None]
        alpha = "straight" if array.shape[2] in (2, 4) else ""
        if array.shape[2] < 3 <= self._header.channels:  # Pillow calls a monochrome file RGB
            array = array[:, :, [0, 0, 0, 1][: 4 if alpha else 3]]
        return array, Encoding("rgb", alpha, 0, 2.0**self._deep - 1)

    def close(self) -> None:
        """Let go of the file."""
        super().close()
        self._pil.close()


def avif_depth(path: Path) -> int:
    """Bits a channel of an AVIF file by its codec configuration (av1C); 8 if there is none."""
    with path.open("rb") as file:
        head = file.read(2**16)
    at = head.find(b"av1C")
    flags = head[at + 6] if 0 <= at < len(head) - 6 else 0
    # high_bitdepth, twelve_bit
    return (12 if flags & 0x20 else 10) if flags & 0x40 else 8


def _check_webp_sides(decoder: PillowDecoder, max_pixels: int | None) -> None:
    """Compare a WebP header with the limits before the library allocates its canvas."""
    with decoder.path.open("rb") as file:
        head = file.read(30)
    with explained(decoder.path, "WebP"):
        if head[12:16] == b"VP8X":
            width = 1 + int.from_bytes(head[24:27], "little")
            height = 1 + int.from_bytes(head[27:30], "little")
        elif head[12:16] == b"VP8L":
            bits = struct.unpack_from("<I", head, 21)[0]
            width, height = 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
        else:
            width, height = (v & 0x3FFF for v in struct.unpack_from("<HH", head, 26))
    decoder.check_size(Header(3, height, width, 8), max_pixels)
