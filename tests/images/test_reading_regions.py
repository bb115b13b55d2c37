"""Parts of pictures: equal to the whole, without decoding the whole."""

from __future__ import annotations

import os
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from images.make_files import HEIGHT, WIDTH, grey8, patched, rgb8, rgb16, samples, tiff_bytes, write
from kukkiri.errors import SizeError
from kukkiri.images.masks import Box
from kukkiri.images.reading import open_image

LAYOUTS: dict[str, dict[str, Any]] = {
    "rows": {"rowsperstrip": 7},
    "one strip": {"rowsperstrip": 60},
    "zlib strips": {"rowsperstrip": 7, "compression": "zlib", "predictor": True},
    "lzw tiles": {"tile": (16, 32), "compression": "lzw"},
    "plain tiles": {"tile": (32, 16)},
    "separate tiles": {"tile": (16, 16), "planarconfig": "separate", "compression": "zlib"},
    "separate strips": {"rowsperstrip": 9, "planarconfig": "separate"},
    "big-endian": {"byteorder": ">", "rowsperstrip": 11},
    "turned": {"tile": (16, 16), "extratags": [(274, 3, 1, 6, True)]},
}


@pytest.mark.parametrize("layout", LAYOUTS)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_region_equals_part_of_the_whole(layout: str, data: st.DataObject, tmp_path: Path) -> None:
    array = rgb16()
    if LAYOUTS[layout].get("planarconfig") == "separate":
        array = np.ascontiguousarray(np.moveaxis(array, 2, 0))
    path = tmp_path / "a.tif"
    if not path.exists():
        path.write_bytes(tiff_bytes(array, photometric="rgb", **LAYOUTS[layout]))
    with open_image(path) as file:
        _, height, width = file.shape()
        top, left = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
        h, w = data.draw(st.integers(1, height - top)), data.draw(st.integers(1, width - left))
        part = file.read_region(0, Box(top, left, h, w))
        assert torch.equal(part, file.read().pixels[:, top : top + h, left : left + w])


@pytest.mark.parametrize("name", samples())
def test_every_format_gives_regions(name: str, tmp_path: Path) -> None:
    with open_image(write(tmp_path, name)) as file:
        whole = file.read().pixels
        assert torch.equal(file.read_region(0, Box(7, 5, 20, 33)), whole[:, 7:27, 5:38])


def test_only_touched_tiles_are_decoded_and_the_last_are_kept(tmp_path: Path) -> None:
    path = write(tmp_path, "t.tif", tiff_bytes(rgb16(), photometric="rgb", tile=(16, 16), compression="zlib"))
    with open_image(path) as file:
        decoder: Any = file.decoder
        file.read_region(0, Box(17, 17, 10, 10))
        assert decoder.decoded_segments == 1
        file.read_region(0, Box(17, 17, 20, 10))
        assert decoder.decoded_segments == 2
        file.read_region(0, Box(17, 17, 20, 10))
        assert decoder.decoded_segments == 2
        file.read()
        assert decoder.decoded_segments == 24


def test_float_regions_share_the_scale_of_the_plane(tmp_path: Path) -> None:
    array = grey8().astype(np.float32) * 40 - 1000
    path = write(tmp_path, "f.tif", tiff_bytes(array, tile=(16, 16), compression="zlib"))
    with open_image(path) as file:
        part = file.read_region(0, Box(20, 20, 9, 9))
        assert torch.equal(part, file.read().pixels[:, 20:29, 20:29])


def test_tiles_never_written_are_black(tmp_path: Path) -> None:
    path = tmp_path / "sparse.tif"

    block = zlib.compress(np.full((16, 16), 200, np.uint8).tobytes())
    blocks = (block if i == 7 else b"" for i in range(24))
    tifffile.imwrite(path, blocks, shape=(HEIGHT, WIDTH), dtype=np.uint8, tile=(16, 16), compression="zlib")
    with open_image(path) as file:
        whole = (file.read().pixels[0] * 255).round()
    expected = np.zeros((HEIGHT, WIDTH))
    expected[16:32, 16:32] = 200
    np.testing.assert_array_equal(whole.numpy(), expected)


def test_huge_pictures_in_little_memory(tmp_path: Path) -> None:
    """20000 × 20000 pixels in tiles, strips and one plain strip: read by parts, the peak grows by less than 150 MB."""
    side = 20000
    common: dict[str, Any] = {"shape": (side, side), "dtype": np.uint8, "bigtiff": True, "compression": "zlib"}
    block = zlib.compress(np.tile((np.arange(512) % 251).astype(np.uint8), (512, 1)).tobytes())
    tifffile.imwrite(tmp_path / "tiles.tif", (block for _ in range(40 * 40)), tile=(512, 512), **common)
    strip = zlib.compress(np.tile((np.arange(side) % 251).astype(np.uint8), (50, 1)).tobytes())
    tifffile.imwrite(tmp_path / "strips.tif", (strip for _ in range(side // 50)), rowsperstrip=50, **common)
    # One uncompressed strip, of which the disk holds nothing but the first row.
    content = tiff_bytes(np.zeros((1, side), np.uint8), metadata=None)
    for tag, value in ((257, side), (278, side), (279, side * side)):
        content = patched(content, tag, value)
    os.truncate(write(tmp_path, "plain.tif", content), len(content) + side * side)
    with open_image(tmp_path / "tiles.tif") as file, pytest.raises(SizeError, match="tile by tile"):
        file.read()
    code = (
        "import sys, resource, torch, tifffile, imagecodecs\n"
        "from kukkiri.images.reading import open_image\nfrom kukkiri.images.masks import Box\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "before = peak()\n"
        "for name in ('tiles', 'strips', 'plain'):\n"
        "    with open_image(sys.argv[1] + f'/{name}.tif') as file:\n"
        "        for top in range(3, 19000, 2500):\n"
        "            part = file.read_region(0, Box(top, 15000, 700, 900))\n"
        "    print(round(float(part[0, 0, 9] * 255)))\n"
        "print(peak() - before)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    *pixels, grown = (int(value) for value in done.stdout.split())
    assert pixels == [(15009 % 512) % 251, 15009 % 251, 0]
    assert grown * (1 if sys.platform == "linux" else 1 / 1024) < 150_000, grown  # KiB


def test_files_are_closed(tmp_path: Path) -> None:
    """No handle stays open after the block, whatever the format."""
    folder = Path("/proc/self/fd")
    if not folder.exists():
        pytest.skip("open files are listed on Linux only")
    paths = [write(tmp_path, name) for name in samples()]
    before = len(list(folder.iterdir()))
    for path in paths:
        with open_image(path) as file:
            file.read_region(0, Box(0, 0, 3, 3))
    assert len(list(folder.iterdir())) == before


def test_threads_may_share_a_file(tmp_path: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    path = write(tmp_path, "t.tif", tiff_bytes(rgb8(), photometric="rgb", tile=(16, 16), compression="zlib"))
    with open_image(path) as file:
        whole = file.read().pixels
        boxes = [Box(y, x, 20, 20) for y in range(0, 40, 5) for x in range(0, 70, 7)]
        with ThreadPoolExecutor(4) as pool:
            for box, part in zip(boxes, pool.map(lambda b: file.read_region(0, b), boxes)):
                assert torch.equal(part, whole[:, *box.slices])
