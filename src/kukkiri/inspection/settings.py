"""What a run measures and how: everything that, once changed, makes a row stale."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import kukkiri
from kukkiri.errors import InputError, one_line
from kukkiri.images.masks import Box
from kukkiri.inspection.record import printable
from kukkiri.metrics.build import check_device
from kukkiri.metrics.spec import MetricSpec
from kukkiri.metrics.table import DEFAULT_METRICS, spec_of

# Pictures above this are measured tile by tile; 64 Mpx is 8000 × 8000.
WHOLE_LIMIT = 1 << 26


@dataclass(frozen=True)
class Settings:
    """What to measure, and which pixels count.

    Parameters
    ----------
    metrics : tuple of str
        Names of metrics that need no reference.
    roi : Box or None
        Only this part of each picture.
    mask : Path or None
        A picture, white where pixels must not count, for every file of its size.
    auto_mask : bool
        Find info bars, scale bars and burnt-in text.
    whole_limit : int
        Pixels; larger pictures are measured tile by tile, by the metrics that can.
    device : str
        Where to compute.
    """

    metrics: tuple[str, ...] = DEFAULT_METRICS
    roi: Box | None = None
    mask: Path | None = None
    auto_mask: bool = True
    whole_limit: int = WHOLE_LIMIT
    device: str = "cpu"
    specs: tuple[MetricSpec, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        specs = tuple(spec_of(name) for name in dict.fromkeys(self.metrics))
        for spec in specs:
            if spec.needs_reference:
                raise InputError(
                    expected="metrics that need no reference",
                    got=spec.name,
                    fix="use 'kukkiri compare DISTORTED --reference REFERENCE'",
                )
        if not specs:
            raise InputError(expected="at least one metric", got="none", fix="leave it out for the default ones")
        if self.whole_limit < 1:
            raise InputError(expected="a limit of at least 1 pixel", got=str(self.whole_limit), fix="leave it out")
        if self.mask is not None and not self.mask.is_file():
            raise InputError(
                expected="a mask file", got=f"{one_line(self.mask)}, which is not there", fix="check the path"
            )
        check_device(self.device)
        object.__setattr__(self, "specs", specs)
        object.__setattr__(self, "metrics", tuple(s.name for s in specs))

    @property
    def version(self) -> str:
        """Version of Kukkiri, and a hash of the weights in use if there are any."""
        from kukkiri.weights import catalogue

        entries = catalogue()
        sums = [entries[key].sha256 for spec in self.specs for key in spec.weights]
        return kukkiri.__version__ + (f"+w.{_hash(sums)[:8]}" if sums else "")

    def fingerprint(self) -> str:
        """A hash of all that changes the numbers: version, metrics, weights, region and mask."""
        mask = None if self.mask is None else hashlib.sha256(self.mask.read_bytes()).hexdigest()
        roi = None if self.roi is None else (self.roi.top, self.roi.left, self.roi.height, self.roi.width)
        return _hash([self.version, self.metrics, roi, mask, self.auto_mask, self.whole_limit, self.device])

    def left_out_text(self, found: str) -> str:
        """What a row says was left out: the overlays that were found, the mask file, what is outside the region."""
        mask = f"mask {printable(self.mask)}" if self.mask else ""
        roi = f"outside {self.describe()['roi']}" if self.roi else ""
        return "; ".join(part for part in (found, mask, roi) if part)

    def describe(self) -> dict[str, str]:
        """For people: the settings that are not the default."""
        said = {"metrics": ", ".join(self.metrics)}
        if self.roi:
            said["roi"] = f"{self.roi.width}×{self.roi.height} at {self.roi.left},{self.roi.top}"
        if self.mask:
            said["mask"] = str(self.mask)
        if not self.auto_mask:
            said["auto_mask"] = "off"
        return said


def parse_roi(text: str) -> Box:
    """A region from 'X,Y,WIDTH,HEIGHT' in pixels, X and Y of its top left corner.

    Raises
    ------
    InputError
        If it is anything else.
    """
    try:
        left, top, width, height = (int(part) for part in text.split(","))
    except ValueError:
        left = top = width = height = -1
    if min(left, top) < 0 or min(width, height) < 1:
        raise InputError(
            expected="a region X,Y,WIDTH,HEIGHT in whole pixels", got=repr(text), fix="for example --roi 0,0,1024,768"
        )
    return Box(top, left, height, width)


def file_fingerprint(path: Path) -> str:
    """What changes when a file does, or another takes its place; '' if it is not there."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return ""
    return f"{status.st_size}:{status.st_mtime_ns}:{status.st_ctime_ns}:{status.st_ino}"


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()
