"""Which format a file really has: its first bytes decide, not its name."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from kukkiri.errors import ReadError, one_line

SUFFIXES = {
    "PNG": (".png", ".apng"),
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"),
    "WebP": (".webp",),
    "BMP": (".bmp", ".dib"),
    "GIF": (".gif",),
    "TIFF": (".tif", ".tiff", ".btf", ".tf8", ".ome", ".lsm", ".stk", ".svs", ".qptiff"),
    "AVIF": (".avif",),
    "JPEG 2000": (".jp2", ".j2k", ".j2c", ".jpx", ".jpf", ".jpc"),
    "JPEG XL": (".jxl",),
    "DICOM": (".dcm", ".dicom", ".ima"),
    "RAW": tuple(
        f".{suffix}"
        for suffix in "3fr arw cr2 cr3 crw dcr dng erf fff iiq kdc mef mos mrw nef nrw orf pef raf raw rw2 rwl sr2 srf"
        " srw x3f".split()
    ),
}

_MAGIC: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\x89PNG\r\n\x1a\n", "PNG"),
    (0, b"\xff\xd8\xff", "JPEG"),
    (0, b"GIF87a", "GIF"),
    (0, b"GIF89a", "GIF"),
    (8, b"WEBP", "WebP"),
    (0, b"FUJIFILMCCD-RAW", "RAW"),
    (0, b"IIRO", "RAW"),
    (0, b"IIRS", "RAW"),
    (0, b"MMOR", "RAW"),
    (0, b"IIU\0", "RAW"),
    (0, b"FOVb", "RAW"),
    (6, b"HEAPCCDR", "RAW"),
    (4, b"ftypcrx ", "RAW"),
    (0, b"II*\0", "TIFF"),
    (0, b"MM\0*", "TIFF"),
    (0, b"II+\0", "TIFF"),
    (0, b"MM\0+", "TIFF"),
    (4, b"ftypavif", "AVIF"),
    (4, b"ftypavis", "AVIF"),
    (0, b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
    (0, b"\xff\x4f\xff\x51", "JPEG 2000"),
    (0, b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
    (0, b"\xff\x0a", "JPEG XL"),
    (128, b"DICM", "DICOM"),
    (0, b"BM", "BMP"),
)

# What people hand in by mistake, for the error message.
_MISTAKEN: tuple[tuple[int, bytes, str], ...] = (
    (0, b"%PDF", "a PDF document"),
    (0, b"PK\x03\x04", "a ZIP archive"),
    (0, b"\x1f\x8b", "a gzip archive"),
    (4, b"ftyphei", "a HEIC picture"),
    (4, b"ftypmif1", "a HEIF picture"),
    (4, b"ftyp", "a video"),
    (0, b"\x89HDF", "an HDF5 file"),
    (0, b"8BPS", "a Photoshop document"),
    (0, b"SIMPLE  =", "a FITS file"),
    (0, b"P5", "a PGM picture"),
    (0, b"P6", "a PPM picture"),
)

SUPPORTED = "PNG, JPEG, WebP, BMP, GIF, TIFF, JPEG 2000, JPEG XL, AVIF, camera RAW or DICOM"


def check_file(path: Path) -> bytes:
    """The first 256 bytes of a regular, readable, non-empty file.

    Raises
    ------
    ReadError
        For anything else; a named pipe or device is never opened, so nothing can hang.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            folder = stat.S_ISDIR(status.st_mode)
            raise ReadError(
                expected="a picture file",
                got=f"{one_line(path)}, {'a folder' if folder else 'a pipe, socket or device'}",
                fix="give the pictures in it, or measure the folder" if folder else "copy it to a file first",
            )
        if status.st_size == 0:
            raise ReadError(
                expected="a picture file", got=f"{one_line(path)} of 0 bytes", fix="copy or export it again"
            )
        # Not blocking, should the file have been swapped for a pipe meanwhile.
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        try:
            return os.read(handle, 256)
        finally:
            os.close(handle)
    except FileNotFoundError as error:
        raise ReadError(expected="a picture file", got=f"no file {one_line(path)}", fix="check the path") from error
    except PermissionError as error:
        raise ReadError(
            expected="a readable file",
            got=f"{one_line(path)}: permission denied",
            fix="change its permissions, or copy it",
        ) from error
    except (OSError, ValueError) as error:
        raise ReadError(
            expected="a picture file", got=f"{one_line(path)}: {one_line(error)}", fix="check the path"
        ) from error


def sniff(head: bytes, path: Path) -> str:
    """The format by the first bytes; the suffix only tells camera RAW from the TIFF that it is wrapped in.

    Raises
    ------
    ReadError
        If it is none that can be read.
    """
    for offset, magic, kind in _MAGIC:
        if head[offset : offset + len(magic)] == magic:
            if kind == "WebP" and head[:4] != b"RIFF":
                continue
            if kind == "TIFF" and (path.suffix.lower() in SUFFIXES["RAW"] or head[8:10] == b"CR"):
                return "RAW"
            return kind
    raise ReadError(
        expected=f"a picture ({SUPPORTED})",
        got=f"{one_line(path)}, {_guess(head)}",
        fix="convert it, or leave it out",
    )


def _guess(head: bytes) -> str:
    for offset, magic, what in _MISTAKEN:
        if head[offset : offset + len(magic)] == magic:
            return what
    if not head.strip(b"\0"):
        return "which starts with zeros only"
    text = head.lstrip().lower()
    if text.startswith((b"<!doctype", b"<html")):
        return "a web page"
    if text.startswith((b"<?xml", b"<svg")):
        return "an XML or SVG document"
    if all(byte >= 32 or byte in b"\t\r\n\f" for byte in head):
        return "a text file"
    return "of an unknown format"


def suffix_note(kind: str, path: Path) -> tuple[str, ...]:
    """A note if the name of a file says something else than its content."""
    suffix = path.suffix.lower()
    wrong = [other for other, suffixes in SUFFIXES.items() if suffix in suffixes and other != kind]
    return (f"named {one_line(suffix)} but is {kind}",) if wrong else ()
