"""A hundred files that cannot be measured, each bad in its own way."""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image as Pillow
from skimage import data

FORMATS = {"png": "PNG", "jpg": "JPEG", "webp": "WEBP", "bmp": "BMP", "gif": "GIF", "tif": "TIFF"}


def encoded(kind: str, array: np.ndarray | None = None) -> bytes:
    buffer = io.BytesIO()
    scene = data.astronaut()[:96, :128] if array is None else array
    Pillow.fromarray(scene).save(buffer, kind, **({"compression": "tiff_lzw"} if kind == "TIFF" else {}))
    return buffer.getvalue()


def tiff(array: np.ndarray, **options: object) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, array, **options)
    return buffer.getvalue()


def png(width: int, height: int, *, depth: int = 8, colour: int = 0, body: bytes | None = None) -> bytes:
    """A PNG with whatever its header claims."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    pixels = zlib.compress(b"\0" * 64) if body is None else body
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def bmp(width: int, height: int) -> bytes:
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, 0, 2835, 2835, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54, 0, 0, 54) + header + b"\0" * 100


def tiff_header(width: int, height: int, *, tile: int | None = None, count: int = 100) -> bytes:
    """A TIFF whose first directory claims a size that its 100 bytes of data cannot have."""
    entries = [
        (256, 4, width), (257, 4, height), (258, 3, 8), (259, 3, 1), (262, 3, 1), (277, 3, 1),
        *([(273, 4, 8), (278, 4, height), (279, 4, count)] if tile is None else
          [(322, 4, tile), (323, 4, tile), (324, 4, 8), (325, 4, count)]),
    ]  # fmt: skip
    table = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in sorted(entries))
    return b"II*\0" + struct.pack("<I", 108) + b"\0" * 100 + struct.pack("<H", len(entries)) + table + b"\0" * 4


def circular_tiff() -> bytes:
    """Its directory names itself as the next one."""
    whole = bytearray(tiff_header(8, 8))
    whole[-4:] = struct.pack("<I", 108)
    return bytes(whole)


def make_bad_inputs(folder: Path) -> list[Path]:
    """Write them; every returned path must give one row with an error, or at least one such row for many pages."""
    made: list[Path] = []

    def put(name: str, content: bytes) -> None:
        path = folder / name
        path.write_bytes(content)
        made.append(path)

    for suffix, kind in FORMATS.items():
        good = encoded(kind)
        for share in (0.02, 0.3, 0.6, 0.9):
            put(f"truncated-{share}.{suffix}", good[: max(9, int(len(good) * share))])
        put(f"empty.{suffix}", b"")
        put(f"zeros.{suffix}", bytes(512))
        put(f"text.{suffix}", b"<html><body>404 not found</body></html>\n" * 20)
        put(f"noise.{suffix}", np.random.default_rng(len(made)).bytes(700))
        put(f"magic-then-noise.{suffix}", good[:12] + np.random.default_rng(len(made)).bytes(700))
        put(f"one-pixel.{suffix}", encoded(kind, np.zeros((1, 1, 3), np.uint8)))
        put(f"one-row.{suffix}", encoded(kind, np.zeros((1, 90, 3), np.uint8)))
    for n, (width, height) in enumerate([(0, 5), (5, 0), (0, 0), (2**31 - 1, 2**31 - 1), (60000, 60000), (2**30, 1)]):
        put(f"claims-{n}.png", png(width, height))
        put(f"claims-{n}.bmp", bmp(width, height))
        put(f"claims-{n}.tif", tiff_header(width, height))
    put("bomb.png", png(30000, 30000, body=zlib.compress(bytes(4_000_000), 9)))
    put("bomb-rgb16.png", png(20000, 20000, depth=16, colour=2, body=zlib.compress(bytes(4_000_000), 9)))
    put("huge-tile.tif", tiff_header(64, 64, tile=2**20))
    put("strip-beyond-the-end.tif", tiff_header(64, 64, count=2**31))
    put("circle.tif", circular_tiff())
    put("no-such-depth.png", png(8, 8, depth=7))
    put("no-such-colour.png", png(8, 8, colour=5))
    wild = np.random.default_rng(0).random((40, 40)).astype(np.float32)
    for name, value in {"nan": np.nan, "inf": np.inf, "minus-inf": -np.inf}.items():
        spoilt = wild.copy()
        spoilt[3, 4] = value
        put(f"{name}.tif", tiff(spoilt))
    put("all-nan.tif", tiff(np.full((40, 40), np.nan, np.float32)))
    put("complex.tif", tiff(np.zeros((40, 40), np.complex64)))
    put("five-channels-as-rgb.tif", encoded("PNG")[:200])
    put("line\nbreak.png", b"not a picture")
    put("smile 🙂 日本語.jpg", b"not a picture")
    put("</script><img src=x onerror=alert(1)>.png".replace("/", "∕"), b"not a picture")
    put('quote"comma,semi;.png', b"not a picture")
    put("=cmd|' 'A0.png", b"not a picture")
    put("video.jpg", b"\0\0\0\x18ftypmp42" + bytes(300))
    put("archive.png", b"PK\x03\x04" + bytes(300))
    put("document.tif", b"%PDF-1.7\n" + bytes(300))
    made.append(folder / "missing.png")
    more: dict[str, Callable[[Path], object]] = {
        "loop.png": lambda p: p.symlink_to(p),
        "dangling.png": lambda p: p.symlink_to(folder / "nowhere"),
        "pipe.png": os.mkfifo,
    }
    for name, make in more.items():
        make(folder / name)
        made.append(folder / name)
    locked = folder / "locked.png"
    locked.write_bytes(encoded("PNG"))
    if os.geteuid() == 0:  # root may read anything: a removed file stands for it
        locked.unlink()
    else:
        locked.chmod(0)
    made.append(locked)
    return made
