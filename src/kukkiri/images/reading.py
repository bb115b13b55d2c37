"""Read pictures from files: whole, plane by plane, or part by part.

`Image.metadata` holds, as far as the file has it:

==================  ===================================================================================
format              'PNG', 'JPEG', 'TIFF', …: by content, whatever the name says
notes               list of str: what reading found and did, for people
notice              str: what puts the values in doubt (`kukkiri.images.reading_levels`); also among the notes
icc_profile, exif   bytes, as they are; written back by `kukkiri.images.writing.save`
source_icc_profile  of a CMYK file, whose pixels have become RGB without it
orientation         EXIF orientation 2…8 that was undone
plane, planes       which picture of how many, in files of more than one
labels              of such a plane, as 'Z=3 C=0', if the file tells
alpha               how transparency was composited
maker               dict of the instrument's own settings (FEI, Zeiss, Olympus, DICOM)
info_bar_rows       rows of the info bar at the bottom, if the maker's metadata tell (FEI)
ome, imagej         dict: sizes of the axes; of OME also their order and the names of the channels
make, model, …      of the camera, from TIFF tags; also software, date_time, artist, copyright, description
significant_bits    of a PNG file (sBIT), only recorded: values are scaled by the depth of the file
rescale             slope and intercept of a DICOM file
white_balance       multipliers that a camera RAW file was developed with
==================  ===================================================================================

How values become [0, 1] is said in `kukkiri.images.samples`, when a resolution is a pixel size in
`kukkiri.images.pixel_size`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from torch import Tensor

from kukkiri.errors import InputError, ShapeError, one_line
from kukkiri.images.decoder import Decoder, Header
from kukkiri.images.image import Image
from kukkiri.images.masks import Box
from kukkiri.images.reading_levels import unused_bits
from kukkiri.images.sniffing import check_file, sniff, suffix_note


def load(path: str | os.PathLike[str], plane: int = 0, *, max_pixels: int | None = None) -> Image:
    """Read one picture.

    Parameters
    ----------
    path : path
    plane : int
        Which picture of a file that holds more than one.
    max_pixels : int, optional
        The most pixels to decode in one piece; unless given 2²⁸, and 2 GiB as single precision. Giving it also waives
        the check whether the claimed size fits the size of the file.

    Returns
    -------
    Image

    Raises
    ------
    ReadError
        If it is no picture, is damaged, or holds NaN.
    SizeError
        If it is larger than `max_pixels`, or claims to be far larger than so small a file can be.
    MissingExtraError
        For camera RAW and DICOM without the package that reads them.
    """
    with open_image(path, max_pixels=max_pixels) as file:
        return file.read(plane)


def open_image(path: str | os.PathLike[str], *, max_pixels: int | None = None) -> ImageFile:
    """Open a picture file and read its headers only (of JPEG XL the depth is known only after decoding).

    Parameters
    ----------
    path, max_pixels : as in `load`

    Returns
    -------
    ImageFile
        A context manager.

    Raises
    ------
    ReadError, SizeError, MissingExtraError
        As in `load`.
    """
    if not isinstance(path, (str, os.PathLike)):
        raise InputError(expected="the path of a file", got=type(path).__name__, fix="give a str or Path")
    place = Path(path)
    kind = sniff(check_file(place), place)
    return ImageFile(place, _decoder(place, kind, max_pixels), suffix_note(kind, place), max_pixels)


def _decoder(path: Path, kind: str, max_pixels: int | None) -> Decoder:
    if kind == "PNG":
        from kukkiri.images.png import PngDecoder

        return PngDecoder(path)
    if kind == "TIFF":
        from kukkiri.images.tiff import TiffDecoder

        return TiffDecoder(path, max_pixels)
    if kind == "RAW":
        from kukkiri.images.raw import RawDecoder

        return RawDecoder(path)
    if kind == "DICOM":
        from kukkiri.images.dicom import DicomDecoder

        return DicomDecoder(path)
    if kind in ("JPEG 2000", "JPEG XL"):
        from kukkiri.images.codestream import CodestreamDecoder

        return CodestreamDecoder(path, kind, max_pixels)
    from kukkiri.images.pillow import PillowDecoder

    return PillowDecoder(path, kind, max_pixels)


class ImageFile:
    """An open picture file. Attributes without a plane speak of plane 0.

    Parameters
    ----------
    path : Path
    decoder : Decoder
    notes : tuple of str
    max_pixels : int or None
    """

    def __init__(
        self, path: Path, decoder: Decoder, notes: tuple[str, ...] = (), max_pixels: int | None = None
    ) -> None:
        self.path = path
        self._decoder: Decoder | None = decoder
        self._notes = notes
        self._max_pixels = max_pixels

    @property
    def decoder(self) -> Decoder:
        """The format's decoder.

        Raises
        ------
        InputError
            If the file has been closed.
        """
        if self._decoder is None:
            raise InputError(expected="an open file", got=f"{one_line(self.path)}, closed", fix="open it again")
        return self._decoder

    @property
    def format(self) -> str:
        """The format by content."""
        return self.decoder.format

    @property
    def planes(self) -> int:
        """How many pictures the file holds."""
        return self.decoder.planes

    def header(self, plane: int = 0) -> Header:
        """What the file says about one plane.

        Raises
        ------
        ReadError
            If there is no such plane.
        """
        self.decoder.check_plane(plane)
        return self.decoder.header(plane)

    def shape(self, plane: int = 0) -> tuple[int, int, int]:
        """(C, H, W) of a plane as `read` will give it."""
        header = self.header(plane)
        return header.channels, header.height, header.width

    @property
    def channels(self) -> int:
        """1 (grey) or 3 (RGB)."""
        return self.header().channels

    @property
    def height(self) -> int:
        """Rows, pixels."""
        return self.header().height

    @property
    def width(self) -> int:
        """Columns, pixels."""
        return self.header().width

    @property
    def bit_depth(self) -> int:
        """Bits a channel; 32 stands for floating point."""
        return self.header().bit_depth

    @property
    def pixel_size(self) -> float | None:
        """Side of a pixel, metres, if the file says so."""
        return self.header().pixel_size

    @property
    def metadata(self) -> Mapping[str, Any]:
        """What the file says besides, see `kukkiri.images.reading`."""
        return self._metadata(0, self.header())

    def _metadata(self, plane: int, header: Header, notes: tuple[str, ...] = ()) -> dict[str, Any]:
        metadata: dict[str, Any] = {"format": self.decoder.format, **header.metadata}
        if self.planes > 1:
            metadata.update(plane=plane, planes=self.planes)
        metadata["notes"] = [*self._notes, *header.notes, *notes]
        return metadata

    def read(self, plane: int = 0) -> Image:
        """Decode a whole plane.

        Raises
        ------
        ReadError, SizeError
        """
        header = self.header(plane)
        self.decoder.check_size(header, self._max_pixels)
        pixels, notes, more = self.decoder.read(plane)
        metadata = {**self._metadata(plane, header, notes), **more}
        # Of a camera's RAW file white is known.
        if self.format != "RAW" and (notice := unused_bits(pixels, header.bit_depth)):
            metadata["notice"] = notice
            metadata["notes"] = [*metadata["notes"], notice]
        return Image(pixels, header.bit_depth, header.pixel_size, self.path, metadata)

    def read_region(self, plane: int, box: Box) -> Tensor:
        """Decode a part of a plane; of a TIFF only the tiles or strips that it touches.

        Parameters
        ----------
        plane : int
        box : Box
            Inside the picture.

        Returns
        -------
        Tensor, float32, (C, box.height, box.width), equal to that part of `read(plane).pixels`

        Raises
        ------
        ShapeError
            If the box is empty or reaches outside.
        ReadError, SizeError
        """
        header = self.header(plane)
        inside = box.top >= 0 and box.left >= 0 and box.height > 0 and box.width > 0
        if not inside or box.top + box.height > header.height or box.left + box.width > header.width:
            raise ShapeError(
                expected=f"a box inside {header.width}×{header.height} pixels",
                got=f"{box.width}×{box.height} at column {box.left}, row {box.top}",
                fix="crop the box to the picture",
            )
        return self.decoder.read_region(plane, box, self._max_pixels)

    def close(self) -> None:
        """Let go of the file."""
        if self._decoder is not None:
            self._decoder.close()
            self._decoder = None

    def __enter__(self) -> ImageFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"ImageFile({one_line(self.path)}, {'closed' if self._decoder is None else self.format})"
