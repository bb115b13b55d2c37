"""Small files of every format that is read, made from one picture of scikit-image."""

from __future__ import annotations

import io
import struct
import zlib
from functools import cache
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image as PilImage
from skimage import data

HEIGHT, WIDTH = 60, 90


@cache
def rgb8() -> NDArray[np.uint8]:
    return np.ascontiguousarray(data.astronaut()[40 : 40 + HEIGHT, 170 : 170 + WIDTH])


@cache
def grey8() -> NDArray[np.uint8]:
    return np.ascontiguousarray(rgb8()[:, :, 1])


@cache
def rgb16() -> NDArray[np.uint16]:
    """All sixteen bits in use: the low byte is noise."""
    noise = np.random.default_rng(1).integers(0, 256, rgb8().shape, dtype=np.uint16)
    return rgb8().astype(np.uint16) * 256 + noise


@cache
def grey16() -> NDArray[np.uint16]:
    return np.ascontiguousarray(rgb16()[:, :, 1])


def pillow_bytes(array: NDArray[Any] | PilImage.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture = array if isinstance(array, PilImage.Image) else PilImage.fromarray(array)
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def tiff_bytes(array: NDArray[Any], **options: Any) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, array, **options)
    return buffer.getvalue()


def png_chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def with_chunk(png: bytes, name: bytes, body: bytes) -> bytes:
    """A PNG file with one more chunk behind its header."""
    return png[:33] + png_chunk(name, body) + png[33:]


def exif_with_orientation(value: int) -> bytes:
    exif = PilImage.Exif()
    exif[0x0112] = value
    exif[0x010F] = "Maker"
    return exif.tobytes()


def patched(content: bytes, tag: int, value: int) -> bytes:
    """A little-endian TIFF with the inline value of a tag of its first directory replaced."""
    at = struct.unpack_from("<I", content, 4)[0]
    changed = bytearray(content)
    for i in range(struct.unpack_from("<H", content, at)[0]):
        entry = at + 2 + 12 * i
        if struct.unpack_from("<H", content, entry)[0] == tag:
            struct.pack_into("<HII", changed, entry + 2, 4, 1, value)
            return bytes(changed)
    raise KeyError(tag)


def dicom_bytes(array: NDArray[Any], **elements: Any) -> bytes:
    """An uncompressed DICOM file; (N, H, W) makes N frames."""
    import pydicom
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage

    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = "1.2.3"
    dataset = pydicom.Dataset()
    dataset.file_meta = meta
    colour = array.ndim == 3 and array.shape[2] == 3
    dataset.PhotometricInterpretation = "RGB" if colour else "MONOCHROME2"
    dataset.SamplesPerPixel = 3 if colour else 1
    if colour:
        dataset.PlanarConfiguration = 0
    elif array.ndim == 3:
        dataset.NumberOfFrames = array.shape[0]
    dataset.Rows, dataset.Columns = array.shape[:2] if colour else array.shape[-2:]
    dataset.BitsAllocated = dataset.BitsStored = array.dtype.itemsize * 8
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = int(array.dtype.kind == "i")
    dataset.add_new(0x7FE00010, "OW" if array.dtype.itemsize > 1 else "OB", array.tobytes())
    for name, value in elements.items():
        setattr(dataset, name, value)
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def dng_bytes(height: int = 128, width: int = 160) -> bytes:
    """An uncompressed 16-bit Bayer DNG of a smooth ramp."""
    y, x = np.mgrid[:height, :width]
    mosaic = (2000 + 300 * y + 100 * x).astype(np.uint16)
    matrix = [(1, 1), (0, 1), (0, 1), (0, 1), (1, 1), (0, 1), (0, 1), (0, 1), (1, 1)]
    flat = [v for pair in matrix for v in pair]
    return tiff_bytes(
        mosaic,
        photometric=32803,
        metadata=None,
        extratags=[
            (33421, 3, 2, (2, 2), True),  # CFARepeatPatternDim
            (33422, 1, 4, b"\0\1\1\2", True),  # CFAPattern: RGGB
            (50706, 1, 4, b"\1\4\0\0", True),  # DNGVersion
            (50708, 2, 0, "Model", True),
            (50714, 4, 1, 0, True),  # BlackLevel
            (50717, 4, 1, 65535, True),  # WhiteLevel
            (50721, 10, 9, flat, True),  # ColorMatrix1
            (50728, 5, 3, (1, 1, 1, 1, 1, 1), True),  # AsShotNeutral
            (50778, 3, 1, 21, True),  # CalibrationIlluminant1
        ],
    )


@cache
def samples() -> dict[str, bytes]:
    """One valid file of every kind, by name."""
    rgb, grey = rgb8(), grey8()
    picture = PilImage.fromarray(rgb)
    stack = np.stack([grey16(), grey16()[::-1], grey16()[:, ::-1]])
    exif = exif_with_orientation(6)
    return {
        "rgb.png": pillow_bytes(rgb, "PNG"),
        "grey16.png": bytes(imagecodecs.png_encode(grey16())),
        "rgb16.png": bytes(imagecodecs.png_encode(rgb16())),
        "palette.png": with_chunk(pillow_bytes(picture.quantize(16), "PNG", bits=4), b"eXIf", exif[6:]),
        "clear.png": pillow_bytes(np.dstack([rgb, grey]), "PNG"),
        "bits.png": pillow_bytes(grey > 100, "PNG"),
        "rgb.jpg": pillow_bytes(rgb, "JPEG", quality=90, exif=exif),
        "grey.jpg": pillow_bytes(grey, "JPEG"),
        "cmyk.jpg": pillow_bytes(picture.convert("CMYK"), "JPEG"),
        "progressive.jpg": pillow_bytes(rgb, "JPEG", progressive=True),
        "lossy.webp": pillow_bytes(rgb, "WEBP"),
        "lossless.webp": pillow_bytes(np.dstack([rgb, grey]), "WEBP", lossless=True),
        "rgb.bmp": pillow_bytes(rgb, "BMP"),
        "palette.bmp": pillow_bytes(picture.quantize(200), "BMP"),
        "rgb.gif": pillow_bytes(picture.quantize(200), "GIF"),
        "rgb.avif": pillow_bytes(rgb, "AVIF"),
        "rgb16.jp2": bytes(imagecodecs.jpeg2k_encode(rgb16(), level=0, reversible=True)),
        "rgb16.jxl": bytes(imagecodecs.jpegxl_encode(rgb16(), lossless=True)),
        "strips.tif": tiff_bytes(rgb, photometric="rgb", rowsperstrip=7),
        "tiles.tif": tiff_bytes(rgb16(), photometric="rgb", tile=(16, 32), compression="zlib", predictor=True),
        "big.tif": tiff_bytes(grey16(), bigtiff=True, compression="lzw", rowsperstrip=9),
        "jpeg.tif": tiff_bytes(rgb, photometric="rgb", tile=(32, 32), compression="jpeg"),
        "float.tif": tiff_bytes(grey.astype(np.float32) * 3 - 100),
        "stack.ome.tif": tiff_bytes(
            stack, ome=True, metadata={"axes": "ZYX", "PhysicalSizeX": 0.2, "PhysicalSizeY": 0.2}
        ),
        "stack.imagej.tif": tiff_bytes(stack, imagej=True, resolution=(20, 20), metadata={"unit": "um", "axes": "ZYX"}),
        "camera.dng": dng_bytes(),
        "scan.dcm": dicom_bytes(stack, PixelSpacing=[0.5, 0.5]),
    }


def write(folder: Path, name: str, content: bytes | None = None) -> Path:
    path = folder / name
    path.write_bytes(samples()[name] if content is None else content)
    return path
