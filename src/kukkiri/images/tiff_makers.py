"""Pixel size, plane labels and instrument settings from the private notes of microscope makers in TIFF files."""

from __future__ import annotations

import json
import math
import re
from typing import Any
from xml.etree import ElementTree

from kukkiri.images.pixel_size import from_comment, from_resolution, metres, square
from kukkiri.images.tiff_ome import ome_images

# An OME or maker's text longer than this is not parsed, characters.
MAX_TEXT = 2**24


def describe(tif: Any, page: Any) -> tuple[float | None, dict[str, Any], list[str]]:
    """Pixel size (metres or None), metadata and notes of a TIFF file, from its maker's notes.

    The size holds for planes of the first page's shape: overviews and labels of slides are other pictures.

    Parameters
    ----------
    tif : tifffile.TiffFile
    page : tifffile.TiffPage
        The first page of full size.
    """
    size: float | None = None
    metadata: dict[str, Any] = {}
    notes: list[str] = []
    for source in (_ome, _fei, _zeiss, _olympus, _imagej, _metamorph, _lsm, _description):
        try:
            found, more, said = source(tif, page)
        except Exception as error:  # private notes are guesswork; the picture does not depend on them
            notes.append(f"{source.__name__.strip('_')} metadata could not be read: {type(error).__name__}")
            continue
        size = found if size is None else size
        metadata.update(more)
        notes.extend(said)
        if size is not None and more:
            break
    return size, metadata, notes


_Found = tuple[float | None, dict[str, Any], list[str]]


def _ome(tif: Any, page: Any) -> _Found:
    text = tif.pages[0].description
    if not text.rstrip("\0 \r\n").endswith("OME>"):
        return None, {}, []
    if len(text) > MAX_TEXT or "<!ENTITY" in text:
        return None, {}, ["OME-XML left out: too long, or with entities"]
    images = ome_images(ElementTree.fromstring(text), tif.filehandle.name)
    return None, {"ome": images} if images else {}, []


def _fei(tif: Any, page: Any) -> _Found:
    fei = tif.fei_metadata
    if not fei:
        return None, {}, []
    sizes = []
    for section in ("Scan", "EScan"):
        values = fei.get(section, {})
        sizes.append(square(metres(values.get("PixelWidth"), "m"), metres(values.get("PixelHeight"), "m")))
    metadata: dict[str, Any] = {"maker": fei}
    rows = fei.get("Image", {}).get("ResolutionY")
    bar = fei.get("PrivateFei", {}).get("DatabarHeight")
    height = int(page.imagelength)
    found = height - rows if isinstance(rows, int) and 0 < rows < height else bar
    if isinstance(found, (int, float)) and 0 < found < height / 2:
        metadata["info_bar_rows"] = int(found)
    return next((size for size in sizes if size is not None), None), metadata, []


def _zeiss(tif: Any, page: Any) -> _Found:
    sem = tif.sem_metadata
    if not sem:
        return None, {}, []
    size = None
    for key in ("ap_image_pixel_size", "ap_pixel_size"):
        value = sem.get(key)
        if size is None and isinstance(value, tuple) and len(value) == 3:
            size = metres(value[1], value[2])
    unnamed = sem.get("", ())
    if size is None and len(unnamed) > 3 and isinstance(unnamed[3], float) and 1e-12 < unnamed[3] < 1e-3:
        size = unnamed[3]  # the fourth unnamed value is the pixel size in metres
    return size, {"maker": {key: value[1:] for key, value in sem.items() if key and len(value) > 1}}, []


def _olympus(tif: Any, page: Any) -> _Found:
    sis = tif.sis_metadata
    if not sis:
        return None, {}, []
    sides = [metres(float(sis[f"pixelsize{axis}"]), "m") if f"pixelsize{axis}" in sis else None for axis in "xy"]
    return (
        square(*sides),
        {"maker": {key: value for key, value in sis.items() if isinstance(value, (int, float, str))}},
        [],
    )


def _imagej(tif: Any, page: Any) -> _Found:
    if not tif.is_imagej:
        return None, {}, []
    said = tif.imagej_metadata or {}
    sizes = {axis: int(said.get(key, 1)) for axis, key in (("C", "channels"), ("Z", "slices"), ("T", "frames"))}
    imagej: dict[str, Any] = {"images": int(said.get("images", 1)), "sizes": sizes}
    unit = said.get("unit")
    x, y = _per_unit(tif.pages[0])
    if unit in ("inch", "in") and (x is None or from_resolution(x / 0.0254, x / 0.0254) is None):
        unit = None  # ImageJ repeats what the photo software wrote
    sides = [metres(1 / v, unit) if v else None for v in (x, y)] if isinstance(unit, str) else [None, None]
    return square(*sides), {"imagej": imagej}, []


def _metamorph(tif: Any, page: Any) -> _Found:
    if tif.is_metaseries:
        info = (tif.metaseries_metadata or {}).get("PlaneInfo", {})
        if info.get("spatial-calibration-state") in (False, "off", "False"):
            return None, {}, []
        unit = info.get("spatial-calibration-units")
        return square(*(metres(info.get(f"spatial-calibration-{axis}"), unit) for axis in "xy")), {}, []
    if tif.is_stk:
        stk = tif.stk_metadata or {}
        if not stk.get("SpatialCalibration"):
            return None, {}, []
        unit = stk.get("CalibrationUnits")
        return square(*(metres(float(stk.get(f"{axis}Calibration", 0)), unit) for axis in "XY")), {}, []
    return None, {}, []


def _lsm(tif: Any, page: Any) -> _Found:
    if not tif.is_lsm:
        return None, {}, []
    lsm = tif.lsm_metadata or {}
    return square(*(metres(float(lsm.get(f"VoxelSize{axis}", 0)), "m") for axis in "XY")), {}, []


def _description(tif: Any, page: Any) -> _Found:
    """Our own mark, Aperio's microns per pixel, Micro-Manager's pixel size."""
    text = tif.pages[0].description[:MAX_TEXT]
    size = from_comment(text)
    if size is None and text.startswith("Aperio"):
        found = re.search(r"\|\s*MPP\s*=\s*([0-9.]{1,16})", text)
        size = metres(found[1], "um") if found else None
    if size is None and tif.is_micromanager and text.lstrip().startswith("{"):
        size = metres(json.loads(text).get("PixelSizeUm"), "um")
    return size, {}, []


def resolution(page: Any) -> float | None:
    """Pixel size of a page by its resolution tags, metres."""
    scale = {2: 1 / 0.0254, 3: 100.0, 4: 1000.0, 5: 1e6}.get(page.tags.valueof(296, default=2))
    x, y = _per_unit(page)
    if scale is None or x is None or y is None:
        return None
    return from_resolution(x * scale, y * scale)


def _per_unit(page: Any) -> tuple[float | None, float | None]:
    """Pixels per unit along x and y."""
    values: list[float | None] = []
    for tag in (282, 283):
        value = page.tags.valueof(tag)
        good = isinstance(value, tuple) and len(value) == 2 and value[0] and value[1]
        ratio = value[0] / value[1] if good else math.nan
        values.append(ratio if math.isfinite(ratio) and ratio > 0 else None)
    return values[0], values[1]


def label(metadata: dict[str, Any], plane: int, planes: int) -> str | None:
    """Which Z, C and T a plane of an ImageJ stack is, as 'Z=3 C=0'; axes of size 1 are left out."""
    if "imagej" not in metadata:
        return None
    sizes = metadata["imagej"]["sizes"]
    if math.prod(max(1, sizes[axis]) for axis in "CZT") != planes:
        return None
    parts = []
    for axis in "CZT":
        plane, at = divmod(plane, max(1, sizes[axis]))
        if sizes[axis] > 1:
            parts.append(f"{axis}={at}")
    return " ".join(parts) or None
