"""TIFF files of many pages: threads, sizes and labels of each page, pages that are missing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from images.make_files import grey8, grey16, rgb8, tiff_bytes, write
from kukkiri.errors import ReadError
from kukkiri.images.masks import Box
from kukkiri.images.reading import load, open_image
from kukkiri.images.tiles import tiles


@pytest.mark.parametrize("options", [{}, {"compression": "zlib", "tile": (64, 64)}], ids=["plain", "zlib"])
def test_threads_share_a_stack(options: dict[str, Any], tmp_path: Path) -> None:
    """Eight threads over twelve planes of one open file: every pixel is the plane's own."""
    stack = np.random.default_rng(0).integers(0, 65535, (12, 256, 256), dtype=np.uint16)
    with tifffile.TiffWriter(tmp_path / "s.tif") as tif:
        for plane in stack:
            tif.write(plane, metadata=None, contiguous=False, **options)
    with open_image(tmp_path / "s.tif") as file, ThreadPoolExecutor(8) as pool:
        for j, part in enumerate(pool.map(lambda j: file.read_region(j % 12, Box(0, 0, 256, 256)), range(96))):
            np.testing.assert_array_equal((part[0].numpy() * 65535).round().astype(np.uint16), stack[j % 12])


def test_threads_share_frames_that_are_decoded_whole(tmp_path: Path) -> None:
    with open_image(write(tmp_path, "scan.dcm")) as file:
        whole = [file.read(plane).pixels for plane in range(3)]
        with ThreadPoolExecutor(6) as pool:
            parts = list(pool.map(lambda j: file.read_region(j % 3, Box(5, 6, 40, 50)), range(36)))
    for j, part in enumerate(parts):
        np.testing.assert_array_equal(part, whole[j % 3][:, 5:45, 6:56])


def test_pages_have_their_own_pixel_size(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "p.tif") as tif:
        for step, per_cm in ((1, 200_000), (2, 14_285.7), (4, None)):
            options = {} if per_cm is None else {"resolution": (per_cm, per_cm), "resolutionunit": "CENTIMETER"}
            tif.write(np.ascontiguousarray(grey8()[::step, ::step]), metadata=None, **options)
    with open_image(tmp_path / "p.tif") as file:
        sizes = [file.header(plane).pixel_size for plane in range(3)]
    assert sizes == [pytest.approx(5e-8), pytest.approx(7e-7, rel=1e-4), None]


def test_makers_size_is_for_pages_of_that_shape(tmp_path: Path) -> None:
    """The overview in a slide is another picture than the slide."""
    with tifffile.TiffWriter(tmp_path / "a.svs") as tif:
        tif.write(rgb8(), photometric="rgb", description="Aperio\r\n90x60 |MPP = 0.5", metadata=None)
        tif.write(np.ascontiguousarray(rgb8()[:20]), photometric="rgb", description="Aperio label", metadata=None)
        tif.write(rgb8(), photometric="rgb", description="Aperio", metadata=None)
    with open_image(tmp_path / "a.svs") as file:
        assert [file.header(plane).pixel_size for plane in range(3)] == [pytest.approx(5e-7), None, pytest.approx(5e-7)]


def test_ome_images_have_their_own_size_and_labels(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "two.ome.tif", ome=True) as tif:
        stack = np.stack([grey16(), grey16()])
        tif.write(stack, metadata={"axes": "ZYX", "PhysicalSizeX": 0.1, "PhysicalSizeY": 0.1, "Name": "scan"})
        tif.write(
            rgb8(), photometric="rgb",
            metadata={"axes": "YXS", "PhysicalSizeX": 30.0, "PhysicalSizeY": 30.0, "Name": "overview"},
        )  # fmt: skip
    with open_image(tmp_path / "two.ome.tif") as file:
        headers = [file.header(plane) for plane in range(3)]
    assert [h.pixel_size for h in headers] == [pytest.approx(1e-7), pytest.approx(1e-7), pytest.approx(3e-5)]
    assert [h.metadata.get("labels") for h in headers] == ["Z=0", "Z=1", None]


@pytest.mark.parametrize("by", ["uuid", "name"])
def test_ome_over_several_files(by: str, tmp_path: Path) -> None:
    """Each file's pages are the planes that TiffData places in that file; in a strange file they are none."""
    pages = "".join(
        f'<TiffData FirstZ="{z}" FirstC="{c}" FirstT="0" IFD="{z}" PlaneCount="1">'
        f'<UUID FileName="c{c}.ome.tif">urn:uuid:{c}</UUID></TiffData>'
        for c in range(2)
        for z in range(2)
    )
    for c, name in ((0, "c0.ome.tif"), (1, "c1.ome.tif"), (7, "c7.ome.tif")):
        own = f' UUID="urn:uuid:{c}"' if by == "uuid" else ""
        xml = (
            f'<?xml version="1.0" encoding="UTF-8"?><OME{own}><Image ID="Image:0"><Pixels DimensionOrder="XYZCT" '
            f'SizeX="90" SizeY="60" SizeZ="2" SizeC="2" SizeT="1" PhysicalSizeX="0.2" PhysicalSizeY="0.2">{pages}'
            "</Pixels></Image></OME>"
        )
        content = tiff_bytes(np.stack([grey16()] * 2), description=xml, metadata=None, photometric="minisblack")
        path = write(tmp_path, name, content)
        images = [load(path, plane) for plane in range(2)]
        labels = [image.metadata.get("labels") for image in images]
        assert labels == ([None, None] if c == 7 else [f"Z={z} C={c}" for z in range(2)])
        assert images[1].pixel_size == pytest.approx(2e-7)


def test_missing_pages_are_an_error_of_their_own(tmp_path: Path) -> None:
    """A stack cut off behind its sixth page has a seventh that cannot be read: nobody takes it for whole."""
    path = tmp_path / "cut.tif"
    with tifffile.TiffWriter(path) as tif:
        for _ in range(10):
            tif.write(grey16(), metadata=None, contiguous=False)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 6 // 10])
    with open_image(path) as file:
        sound = file.planes - 1
        assert 4 <= sound <= 7 and f"breaks off after {sound}" in " ".join(file.metadata["notes"])
        for plane in range(sound - 1):
            np.testing.assert_allclose(file.read(plane).numpy(), grey16() / 65535, atol=1e-6)
        for attempt in (file.read, file.header):
            with pytest.raises(ReadError, match=f"breaks off after {sound}"):
                attempt(sound)


def test_link_to_nothing_inside_the_file_is_only_noted(tmp_path: Path) -> None:
    content = bytearray(tiff_bytes(grey8(), metadata=None))
    start = int.from_bytes(content[4:8], "little")
    link = start + 2 + 12 * int.from_bytes(content[start : start + 2], "little")
    content += b"\xff" * 64
    content[link : link + 4] = (len(content) - 40).to_bytes(4, "little")
    with open_image(write(tmp_path, "astray.tif", bytes(content))) as file:
        assert file.planes == 1 and "leads to no page" in " ".join(file.metadata["notes"])


@pytest.mark.parametrize("rows", [4000, 16])
def test_walk_decodes_each_strip_once(rows: int, tmp_path: Path) -> None:
    """One huge strip, and strips so wide that a row of tiles needs more than the usual room."""
    height, width = (4000, 9000) if rows == 4000 else (1100, 32000)
    array = np.zeros((height, width), np.uint16)
    array[::7, ::5] = 50000
    path = tmp_path / "wide.tif"
    tifffile.imwrite(path, array, rowsperstrip=rows, compression="zlib", compressionargs={"level": 1})
    with open_image(path) as file:
        decoder: Any = file.decoder
        count = sum(1 for _ in tiles(file, size=1024 if rows == 4000 else 1100, overlap=0))
        assert count > 25 and decoder.decoded_segments == -(-height // rows)
