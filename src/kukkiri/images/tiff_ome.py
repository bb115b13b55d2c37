"""Which Image of OME-XML a directory of this file belongs to, its pixel size, and which Z, C and T it is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any
from xml.etree.ElementTree import Element

from kukkiri.images.pixel_size import metres, square

# Directories that one TiffData element may speak of.
MAX_PLANES = 2**20


@dataclass(frozen=True)
class OmeImage:
    """One Image: what is the same for all of its planes, and where they lie in this file.

    Parameters
    ----------
    pixel_size : float or None
        Metres.
    order : str
        Of the axes, the fastest first, as 'ZCT'.
    sizes : dict of str to int
        Of the axes; samples of one pixel do not count as channels.
    channels : list of str
    runs : list of (int, int, dict)
        First directory, number of directories, and Z, C and T of the first.
    """

    pixel_size: float | None
    order: str
    sizes: dict[str, int]
    channels: list[str]
    runs: list[tuple[int, int, dict[str, int]]]

    def owns(self, directory: int) -> bool:
        """Whether a directory of this file holds one of its planes."""
        return any(first <= directory < first + count for first, count, _ in self.runs)

    def label(self, directory: int, sample: int = 0) -> str | None:
        """Z, C and T of a directory, as 'Z=3 C=0'; axes of size 1 are left out."""
        for first, count, start in self.runs:
            if not first <= directory < first + count:
                continue
            index = directory - first
            step = 1
            for axis in self.order:
                index += start[axis] * step
                step *= self.sizes[axis]
            parts = []
            for axis in self.order:
                index, at = divmod(index, self.sizes[axis])
                at += sample if axis == "C" else 0
                if self.sizes[axis] > 1:
                    parts.append(f"{axis}={at}")
            return " ".join(parts) or None
        return None

    def described(self) -> dict[str, Any]:
        """What goes into the metadata of a picture."""
        return {"order": self.order, "sizes": dict(self.sizes), "channels": list(self.channels)}


def ome_images(root: Element, name: str) -> list[OmeImage]:
    """Every Image of an OME-XML text.

    Parameters
    ----------
    root : Element
    name : str
        Of this file: planes that TiffData places in files of another UUID or name are not in here.
    """
    images = []
    for pixels in (e for e in root.iter() if _name(e) == "Pixels"):
        sides = [
            metres(pixels.get(f"PhysicalSize{axis}"), pixels.get(f"PhysicalSize{axis}Unit", "µm")) for axis in "XY"
        ]
        channels = [e for e in pixels if _name(e) == "Channel"]
        samples = max((int(e.get("SamplesPerPixel", "1")) for e in channels), default=1)
        sizes = {axis: max(1, int(pixels.get(f"Size{axis}", "1"))) for axis in "ZCT"}
        sizes["C"] = max(1, sizes["C"] // max(1, samples))
        order = pixels.get("DimensionOrder", "XYZCT")[2:]
        order = order if sorted(order) == ["C", "T", "Z"] else "ZCT"
        runs = [
            _run(e, math.prod(sizes.values()))
            for e in pixels
            if _name(e) == "TiffData" and _is_here(e, root.get("UUID"), name)
        ]
        images.append(OmeImage(square(*sides), order, sizes, [e.get("Name") or "" for e in channels], runs))
    if len(images) == 1 and not any(_name(e) == "TiffData" for e in root.iter()):
        images[0].runs.append((0, math.prod(images[0].sizes.values()), dict.fromkeys("ZCT", 0)))
    return images


def _name(element: Element) -> str:
    return element.tag.rpartition("}")[2]


def _run(data: Element, planes: int) -> tuple[int, int, dict[str, int]]:
    count = int(data.get("PlaneCount", "1" if "IFD" in data.attrib else str(planes)))
    start = {axis: int(data.get(f"First{axis}", "0")) for axis in "ZCT"}
    return int(data.get("IFD", "0")), min(count, planes, MAX_PLANES), start


def _is_here(data: Element, own: str | None, name: str) -> bool:
    """Whether a TiffData element speaks of this file: by UUID if both are known, else by name."""
    uuid = next((e for e in data if _name(e) == "UUID"), None)
    if uuid is None:
        return True
    if own and uuid.text and uuid.text.strip():
        return uuid.text.strip() == own.strip()
    return uuid.get("FileName") in (None, name)
