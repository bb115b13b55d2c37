"""A calibration as a small JSON file: written whole or not at all, and checked value by value when it is read."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from kukkiri.errors import InputError, one_line
from kukkiri.networks.blur_net import FAMILIES
from kukkiri.replacing import replacing
from kukkiri.sharpness.calibration import Calibration
from kukkiri.sharpness.photon_transfer import PhotonTransfer
from kukkiri.sharpness.references import Reference
from kukkiri.sharpness.repeatability import Repeatability

FORMAT, FORMAT_VERSION = "kukkiri calibration", 1
# A calibration of a thousand pictures is a few hundred kilobytes.
LARGEST_FILE = 1 << 24


def write(calibration: Calibration, path: str | Path) -> None:
    """Write a calibration; see `Calibration.save`."""
    content = {"format": FORMAT, "format_version": FORMAT_VERSION, "unit": "px", **asdict(calibration)}
    text = json.dumps(_finite(content), ensure_ascii=False, indent=1, allow_nan=False) + "\n"
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def read(path: str | Path) -> Calibration:
    """Read a calibration; see `Calibration.load`. The weights are not compared here."""
    place = Path(path)
    data = _checked_head(_parsed(place), place)
    fields = _Fields(data, place, "")
    spread, transfer = data.get("repeatability"), data.get("photon_transfer")
    pictures = data.get("pictures")
    if not isinstance(pictures, list) or not pictures:
        raise fields.wrong("pictures", "a list of pictures", pictures)
    found = Calibration(
        sigma=fields.number("sigma", 0),
        interval=fields.interval("interval"),
        bound=fields.choice("bound", (None, "below")),
        major=fields.number("major", 0),
        minor=fields.number("minor", 0),
        angle=fields.number("angle", -math.pi, math.pi),
        family={name: fields.inside("family").number(name, 0, 1) for name in FAMILIES},
        noise=fields.optional("noise", 0, or_else=math.nan),
        photon_transfer=None if transfer is None else _transfer(fields.inside("photon_transfer")),
        repeatability=None if spread is None else _repeatability(fields.inside("repeatability")),
        pixel_size=fields.optional("pixel_size", 1e-15, 1, or_else=None),
        pictures=tuple(_reference(_Fields(p, place, f"pictures[{i}].")) for i, p in enumerate(pictures)),
        version=fields.text("version"),
        weights=fields.text("weights"),
        made=fields.text("made"),
    )
    if not found.minor <= found.major or not found.interval[0] <= found.sigma <= found.interval[1]:
        raise _damaged(place, "minor ≤ major, and sigma within its interval", "values that contradict each other")
    if found.bound and found.repeatability:
        raise _damaged(place, "no repeatability with a bound", "both")
    if not found.used:
        raise _damaged(place, "a picture that counts", "none")
    return found


class _Fields:
    """Takes values out of a parsed object, each checked."""

    def __init__(self, data: Any, path: Path, inside: str) -> None:
        self.path, self.prefix = path, inside
        if not isinstance(data, dict):
            raise _damaged(path, f"an object in {inside.rstrip('.') or 'the file'}", _shown(data))
        self.data: dict[str, Any] = data

    def wrong(self, name: str, expected: str, got: Any) -> InputError:
        return _damaged(self.path, f"{expected} in {self.prefix}{name}", _shown(got))

    def inside(self, name: str) -> _Fields:
        return _Fields(self.data.get(name), self.path, f"{self.prefix}{name}.")

    def number(self, name: str, low: float = -math.inf, high: float = math.inf) -> float:
        value = self.data.get(name)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            raise self.wrong(name, "a number", value)
        if not low <= value <= high:
            limits = f"of at least {low:g}" if math.isinf(high) else f"from {low:g} to {high:g}"
            raise self.wrong(name, f"a number {limits}", value)
        return float(value)

    def count(self, name: str) -> int:
        value = self.number(name, 1)
        if value != int(value):
            raise self.wrong(name, "a whole number", value)
        return int(value)

    def optional(self, name: str, low: float = -math.inf, high: float = math.inf, *, or_else: Any = None) -> Any:
        return or_else if self.data.get(name) is None else self.number(name, low, high)

    def text(self, name: str) -> str:
        value = self.data.get(name)
        if not isinstance(value, str) or not value:
            raise self.wrong(name, "a text", value)
        return value

    def choice(self, name: str, known: tuple[Any, ...]) -> Any:
        value = self.data.get(name)
        if value not in known:
            raise self.wrong(name, " or ".join(json.dumps(k) for k in known), value)
        return value

    def interval(self, name: str) -> tuple[float, float]:
        value = self.data.get(name)
        if not isinstance(value, list) or len(value) != 2:
            raise self.wrong(name, "two numbers", value)
        ends = _Fields({"low": value[0], "high": value[1]}, self.path, f"{self.prefix}{name}.")
        low = ends.number("low", 0)
        high = ends.optional("high", low, or_else=math.inf)
        return low, high


def _reference(fields: _Fields) -> Reference:
    low_high = None
    if fields.data.get("interval") is not None:
        low, high = fields.interval("interval")
        low_high = (low, None if math.isinf(high) else high)
    return Reference(
        name=fields.text("name"),
        field=fields.count("field"),
        sigma=fields.optional("sigma", 0),
        interval=low_high,
        major=fields.optional("major", 0),
        minor=fields.optional("minor", 0),
        angle=fields.optional("angle", -math.pi, math.pi),
        noise=fields.optional("noise", 0),
        left_out=None if fields.data.get("left_out") is None else fields.text("left_out"),
    )


def _repeatability(fields: _Fields) -> Repeatability:
    return Repeatability(
        centre=fields.number("centre", 0),
        deviation=fields.number("deviation", 0),
        within=fields.optional("within", 0),
        between=fields.choice("between", ("fields", "pictures of one field")),
        half_width=fields.number("half_width", 0),
        smallest_change=fields.number("smallest_change", 0),
    )


def _transfer(fields: _Fields) -> PhotonTransfer:
    return PhotonTransfer(
        slope=fields.number("slope"),
        slope_error=fields.number("slope_error", 0),
        offset=fields.number("offset"),
        low=fields.number("low", 0, 1),
        high=fields.number("high", 0, 1),
        cells=fields.count("cells"),
    )


def _parsed(path: Path) -> Any:
    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise InputError(
            expected="a calibration file",
            got=f"{one_line(path)}: {error.strerror}",
            fix="check the path, or make one with: kukkiri calibrate PICTURES --out FILE.json",
        ) from error
    try:
        if len(raw) > LARGEST_FILE:
            raise ValueError("far too long for one")
        return json.loads(raw)
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError and JSONDecodeError are ValueErrors
        raise InputError(
            expected="a calibration in JSON",
            got=f"{one_line(path)}: {one_line(error, 120)}",
            fix="give the file that 'kukkiri calibrate --out' wrote",
        ) from error


def _checked_head(data: Any, path: Path) -> dict[str, Any]:
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise InputError(
            expected="a calibration",
            got=f"{one_line(path)}, which is JSON of something else",
            fix="give the file that 'kukkiri calibrate --out' wrote",
        )
    version = data.get("format_version")
    if version != FORMAT_VERSION:
        raise InputError(
            expected=f"a calibration of format version {FORMAT_VERSION}",
            got=f"{one_line(path)} of version {_shown(version)}, made by kukkiri {_shown(data.get('version'))}",
            fix="update Kukkiri, or calibrate anew",
        )
    return data


def _damaged(path: Path, expected: str, got: str) -> InputError:
    return InputError(
        expected=expected, got=f"{got} ({one_line(path)})", fix="the file is damaged or was edited: calibrate anew"
    )


def _shown(value: Any) -> str:
    return "nothing" if value is None else one_line(json.dumps(value), 60)


def _finite(value: Any) -> Any:
    """The same with None for numbers that JSON does not have."""
    if isinstance(value, Mapping):
        return {name: _finite(v) for name, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
