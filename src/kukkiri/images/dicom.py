"""DICOM files (package pydicom): one plane a frame, at the depth that the file stores.

Values are divided by the full range of the stored bits. The rescale slope and intercept are linear and thus drop out,
but for the sign of the slope; they are kept in the metadata. MONOCHROME1, where white is the minimum, is inverted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from kukkiri.errors import ReadError, missing_extra, one_line
from kukkiri.images.decoder import Decoder, Header, check_sides
from kukkiri.images.guard import explained, logged, quiet_warnings
from kukkiri.images.pixel_size import metres, square
from kukkiri.images.samples import Encoding, full_range_of, to_pixels


@contextmanager
def _quiet(path: Path) -> Iterator[None]:
    # Frames are decoded one at a time for it; DICOM is rare enough.
    with quiet_warnings(), explained(path, "DICOM"), logged("pydicom"):
        yield


class DicomDecoder(Decoder):
    """A DICOM file with pixels."""

    format = "DICOM"

    def __init__(self, path: Path) -> None:
        try:
            import pydicom
        except ImportError as error:
            raise missing_extra("dicom", "pydicom", "to read DICOM files") from error
        super().__init__(path)
        with _quiet(path):
            data = pydicom.dcmread(str(path), stop_before_pixels=True)
            if "Rows" not in data or "Columns" not in data:
                raise ReadError(
                    expected="a DICOM file with a picture",
                    got=f"{one_line(path)} without one",
                    fix="leave it out (it is a report, a plan or an index)",
                )
            self._frames = int(data.get("NumberOfFrames", 1) or 1)
            check_sides(int(data.Columns), int(data.Rows), path)
            if not 1 <= self._frames <= self.file_size:
                raise ValueError(f"{self._frames} frames in {self.file_size} bytes")
            self._kind = str(data.get("PhotometricInterpretation", "MONOCHROME2"))
            self._bits = int(data.get("BitsStored", 0) or data.get("BitsAllocated", 16))
            self._signed = bool(data.get("PixelRepresentation", 0))
            self._header, self._inverted = self._parse(data)
            self._lut = data if self._kind == "PALETTE COLOR" else None

    def _parse(self, data: Any) -> tuple[Header, bool]:
        grey = self._kind.startswith("MONOCHROME")
        notes: list[str] = []
        metadata: dict[str, Any] = {}
        slope = float(data.get("RescaleSlope", 1) or 1)
        intercept = float(data.get("RescaleIntercept", 0) or 0)
        if (slope, intercept) != (1, 0):
            metadata["rescale"] = (slope, intercept)
            notes.append(f"rescale slope {slope:g} and intercept {intercept:g} kept in metadata, not in the pixels")
        inverted = grey and ((self._kind == "MONOCHROME1") != (slope < 0))
        if inverted:
            notes.append("inverted: MONOCHROME1" if slope > 0 else "inverted: negative rescale slope")
        if self._signed and self._bits <= 16:
            notes.append("signed values shifted by half of their range")
        for name in ("Modality", "Manufacturer", "ManufacturerModelName", "BodyPartExamined", "SeriesDescription"):
            if data.get(name):
                metadata.setdefault("maker", {})[name] = str(data.get(name))[:1000]
        depth = 8 if self._bits <= 8 else 16 if self._bits <= 16 else 32
        if self._bits == 1:
            depth = 1
        height, width = int(data.Rows), int(data.Columns)
        return Header(1 if grey else 3, height, width, depth, _spacing(data), metadata, tuple(notes)), inverted

    @property
    def planes(self) -> int:
        """Number of frames."""
        return self._frames

    def header(self, plane: int) -> Header:
        """What the file says; the same for all frames."""
        self.check_plane(plane)
        return self._header

    def read(self, plane: int) -> tuple[Tensor, tuple[str, ...], Mapping[str, Any]]:
        """Decode one frame."""
        import pydicom.pixels

        decoding: Any = pydicom.pixels

        self.check_plane(plane)
        with _quiet(self.path):
            array = np.asarray(decoding.pixel_array(str(self.path), index=plane))
            bits = self._bits
            if self._lut is not None:
                array = np.asarray(decoding.apply_color_lut(array, self._lut))
                bits = array.dtype.itemsize * 8
            array = array if array.ndim == 3 else array[:, :, None]
            if array.shape[2] not in (1, 3) or array.shape[:2] != (self._header.height, self._header.width):
                raise ValueError(f"frame of shape {array.shape}")
            low, high = full_range_of(array.dtype, bits, inverted=self._inverted)
            if low is not None and high is not None:
                # Values beyond the stored bits are rubbish in unused bits, or a wrong header.
                array = np.clip(array, min(low, high), max(low, high))
            pixels, notes, metadata = to_pixels(
                array, Encoding("rgb" if array.shape[2] == 3 else "grey", "", low, high, self._inverted)
            )
        return pixels, notes, metadata


def _spacing(data: Any) -> float | None:
    """Pixel size in metres: of the patient's plane if known, else of the detector."""
    places = [data]
    for group in ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"):
        for item in data.get(group, None) or []:
            places.extend(item.get("PixelMeasuresSequence", None) or [])
            break
    for place in places:
        for name in ("PixelSpacing", "NominalScannedPixelSpacing", "ImagerPixelSpacing"):
            values = place.get(name, None)
            if values is not None and len(values) == 2:
                size = square(metres(float(values[1]), "mm"), metres(float(values[0]), "mm"))
                if size is not None:
                    return size
    for region in data.get("SequenceOfUltrasoundRegions", None) or []:
        if region.get("PhysicalUnitsXDirection") == 3 and region.get("PhysicalUnitsYDirection") == 3:  # centimetres
            return square(
                metres(float(region.get("PhysicalDeltaX", 0)), "cm"),
                metres(float(region.get("PhysicalDeltaY", 0)), "cm"),
            )
    return None
