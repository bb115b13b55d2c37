"""Strips and tiles of one TIFF page, decoded on demand, the last few kept."""

from __future__ import annotations

import threading
from collections import OrderedDict
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kukkiri.errors import ReadError, SizeError, one_line
from kukkiri.images.decoder import HARMLESS_SAMPLES, MAX_EXPANSION

# Decoded segments that are kept, bytes: at least, and at most (of very wide pictures in strips).
CACHE_BYTES = 2**26
LARGEST_CACHE = 2**29
# Rows that a row of tiles of the usual size and overlap touches.
ROWS_AT_ONCE = 1024 + 2 * 64
# A segment larger than this is refused whatever its codec, bytes.
MAX_SEGMENT_BYTES = 2**31
# Up to this size a segment is decoded however few bytes it comes from, bytes.
HARMLESS_BYTES = 2 * HARMLESS_SAMPLES


class Segments:
    """The segments of one page.

    Parameters
    ----------
    page : tifffile.TiffPage
    path : Path
    file_size : int
    shift : int
        Bytes from the page's own data to a plane that lies behind it without a directory of its own.
    lock : RLock
        Of the file: held while its handle is moved and read. Decoding goes on outside, so threads share the work.
    trusted : bool
        Whether segments may be far larger than their bytes suggest.
    """

    def __init__(
        self, page: Any, path: Path, file_size: int, shift: int, lock: threading.RLock, *, trusted: bool = False
    ) -> None:
        self.page, self.path, self.file_size, self.shift = page, path, file_size, shift
        self.height, self.width = int(page.imagelength), int(page.imagewidth)
        self.depth = max(1, int(page.imagedepth))
        self.separate = int(page.planarconfig) == 2
        self.samples = max(1, int(page.samplesperpixel))
        if page.is_tiled:
            self.rows, self.columns = int(page.tilelength), int(page.tilewidth)
            deep = int(page.tiledepth)
        else:
            self.rows, self.columns, deep = min(int(page.rowsperstrip) or self.height, self.height), self.width, 1
        if self.rows < 1 or self.columns < 1 or deep != 1:
            raise ReadError(
                expected="tiles or strips with pixels, one plane deep",
                got=f"{one_line(path)} with {self.columns}×{self.rows}×{deep}",
                fix="export it again as plain TIFF",
            )
        self.down, self.across = -(-self.height // self.rows), -(-self.width // self.columns)
        contiguous_samples = 1 if self.separate else self.samples
        self.row_bytes = self.columns * contiguous_samples * (page.dtype.itemsize if page.dtype else 1)
        if self.rows * self.row_bytes > MAX_SEGMENT_BYTES and not self._plain:
            raise SizeError(
                expected=f"strips or tiles of at most {MAX_SEGMENT_BYTES} bytes",
                got=f"{one_line(path)} with {self.columns}×{self.rows}",
                fix="write it again with tiles of 256 to 1024 pixels",
            )
        self.decoded = 0
        self._kept: OrderedDict[int, NDArray[Any]] = OrderedDict()
        self._kept_bytes = 0
        self._lock = lock
        self._turns = threading.Lock()
        self._trusted = trusted
        # What tifffile reads from the file only when asked, asked for while nobody else moves the handle.
        self._tables, self._jpeg_header = page.jpegtables, page.jpegheader
        self._decode, self._nodata = page.decode, page.nodata
        self._segment_bytes = self.rows * self.row_bytes
        at_once = (-(-ROWS_AT_ONCE // self.rows) + 1) * self.across * (self.samples if self.separate else 1)
        self.cache_bytes = min(
            max(CACHE_BYTES, min(at_once, self.down * self.across) * self._segment_bytes), LARGEST_CACHE
        )

    def forget(self) -> None:
        """Let go of what is kept."""
        with self._lock:
            self._kept.clear()
            self._kept_bytes = 0

    @property
    def _plain(self) -> bool:
        """Whether rows can be read from the file as they are."""
        page = self.page
        bits = page.bitspersample
        return (
            page.compression == 1
            and page.predictor == 1
            and page.fillorder == 1
            and not page.is_tiled
            and bits in (8, 16, 32, 64)
            and page.dtype is not None
            and bits == page.dtype.itemsize * 8
        )

    def region(
        self, top: int, left: int, height: int, width: int, *, sample: int | None, depth: int = 0
    ) -> NDArray[Any]:
        """Samples (height, width, S) of a part of the page; of one sample only if `sample` says which."""
        chosen = range(self.samples) if sample is None else range(sample, sample + 1)
        out = np.empty((height, width, len(chosen)), self.page.dtype)
        if self.separate:
            for i, s in enumerate(chosen):
                self._fill(out[:, :, i : i + 1], top, left, s, depth, None)
        else:
            self._fill(out, top, left, 0, depth, sample)
        return out

    def _fill(self, out: NDArray[Any], top: int, left: int, separate: int, depth: int, sample: int | None) -> None:
        height, width = out.shape[:2]
        first = (separate * self.depth + depth) * self.down
        for row in range(top // self.rows, (top + height - 1) // self.rows + 1):
            y0, y1 = max(top, row * self.rows), min(top + height, (row + 1) * self.rows)
            for column in range(left // self.columns, (left + width - 1) // self.columns + 1):
                x0, x1 = max(left, column * self.columns), min(left + width, (column + 1) * self.columns)
                index = (first + row) * self.across + column
                target = out[y0 - top : y1 - top, x0 - left : x1 - left]
                if self._plain:
                    part = self._rows(index, y0 - row * self.rows, y1 - row * self.rows)
                else:
                    part = self._segment(index)[y0 - row * self.rows : y1 - row * self.rows]
                part = part[:, x0 - column * self.columns : x1 - column * self.columns]
                part = part if sample is None else part[:, :, sample : sample + 1]
                if part.shape != target.shape:
                    raise self._damaged(f"whose strip or tile {index} is too short")
                target[...] = part

    def _place(self, index: int) -> tuple[int, int]:
        """Offset and length of a segment, checked against the file; (0, 0) if it was never written."""
        offsets, counts = self.page.dataoffsets, self.page.databytecounts
        if index >= len(offsets) or index >= len(counts):
            raise self._damaged(f"which lacks strip or tile {index}")
        offset, count = int(offsets[index]), int(counts[index])
        if count == 0 or offset == 0:
            return 0, 0
        offset += self.shift
        if offset < 0 or count < 0 or offset + count > self.file_size:
            raise self._damaged(f"cut off: strip or tile {index} ends at byte {offset + count} of {self.file_size}")
        return offset, count

    def _blank(self, rows: int) -> NDArray[Any]:
        samples = 1 if self.separate else self.samples
        value = self._nodata if self.page.dtype.kind in "uif" else 0
        return np.broadcast_to(np.asarray(value, self.page.dtype), (rows, self.columns, samples))

    def _rows(self, index: int, first: int, last: int) -> NDArray[Any]:
        """Rows of an uncompressed strip, straight from the file."""
        offset, count = self._place(index)
        if not count:
            return self._blank(last - first)
        if last * self.row_bytes > count and self.down > 1:
            raise self._damaged(f"whose strip {index} is too short")
        if offset + last * self.row_bytes > self.file_size:
            raise self._damaged(f"cut off at byte {self.file_size}")
        data = self._bytes(offset + first * self.row_bytes, (last - first) * self.row_bytes)
        dtype = self.page.dtype.newbyteorder(self.page.parent.byteorder)
        return np.frombuffer(data, dtype).reshape(last - first, self.columns, 1 if self.separate else self.samples)

    def _bytes(self, offset: int, count: int) -> bytes:
        with self._lock:
            file = self.page.parent.filehandle
            file.seek(offset)
            self.decoded += 1
            return bytes(file.read(count))

    def _segment(self, index: int) -> NDArray[Any]:
        """One decoded strip or tile (rows, columns, S)."""
        # A segment that is large by itself is decoded once for all threads that wait for it.
        with self._turns if self._segment_bytes > CACHE_BYTES else nullcontext():
            with self._lock:
                kept = self._kept.get(index)
                if kept is not None:
                    self._kept.move_to_end(index)
                    return kept
            offset, count = self._place(index)
            if not count:
                return self._blank(self.rows)
            self._check_expansion(count)
            data = self._bytes(offset, count)
            self._check_inner_header(data, index)
            array, _, _ = self._decode(data, index, jpegtables=self._tables, jpegheader=self._jpeg_header)
            array = array[0] if array.ndim == 4 else array
            self._keep(index, array)
        return array  # type: ignore[no-any-return]

    def _keep(self, index: int, array: NDArray[Any]) -> None:
        """Keep a segment, and of those before it as many as there is room for."""
        with self._lock:
            old = self._kept.pop(index, None)  # another thread was faster
            self._kept_bytes += array.nbytes - (0 if old is None else old.nbytes)
            self._kept[index] = array
            while len(self._kept) > 1 and self._kept_bytes > self.cache_bytes:
                self._kept_bytes -= self._kept.popitem(last=False)[1].nbytes

    def _check_expansion(self, count: int) -> None:
        bits = self.page.bitspersample
        size = self._segment_bytes * (bits / (8 * self.page.dtype.itemsize) if isinstance(bits, int) else 1)
        if not self._trusted and size > max(HARMLESS_BYTES, count * MAX_EXPANSION):
            raise SizeError(
                expected=f"a strip or tile that fits its {count} bytes",
                got=f"{one_line(self.path)} with {self.columns}×{self.rows}",
                fix="it is flat, damaged or a decompression bomb: write it with smaller tiles, or give max_pixels",
            )

    def _check_inner_header(self, data: bytes, index: int) -> None:
        """A whole picture inside a tile has a size of its own, which its decoder would believe."""
        from kukkiri.images.codestream import inner_sides

        sides = inner_sides(data)
        if sides is not None and (sides[0] > 2 * max(self.columns, 64) or sides[1] > 2 * max(self.rows, 64)):
            raise self._damaged(f"whose tile {index} claims {sides[0]}×{sides[1]} pixels")

    def _damaged(self, what: str) -> ReadError:
        return ReadError(
            expected="a complete TIFF file", got=f"{one_line(self.path)}, {what}", fix="copy or export it again"
        )
