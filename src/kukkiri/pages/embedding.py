"""Data and scripts inside a page, so that nothing in them can end their element or be run."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from kukkiri.errors import InputError

_IMPORT = re.compile(r'^import \{[^}]*\} from "\./([\w-]+\.js)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:function|const|class)\b)", re.MULTILINE)
_DIGITS = 7  # of a float: more than any picture's measurement holds, and half the bytes of repr()
_SIGNATURES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")


def json_ready(value: Any) -> Any:
    """`value` of JSON's types only: floats rounded to 7 digits, NaN and infinity None, anything unknown as text."""
    if isinstance(value, float):
        return float(f"{value:.{_DIGITS}g}") if math.isfinite(value) else None
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, Mapping):
        return {str(k): json_ready(v) for k, v in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, (bytes, bytearray)):
        return [json_ready(v) for v in value]
    return str(value)


def json_text(value: Any) -> str:
    """JSON that may stand inside a `<script>` element: no `<`, `>` or `&`, and no half of a surrogate pair.

    Parameters
    ----------
    value : object
        Passed through `json_ready`.
    """
    text = json.dumps(json_ready(value), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    # A file name that is not UTF-8 comes as lone surrogates; \udc80 is legal JSON where the byte is not legal UTF-8.
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def base64_picture(data: bytes) -> str:
    """A WebP, JPEG or PNG file as base64.

    Raises
    ------
    InputError
        If it is none of these.
    """
    if not (data.startswith(_SIGNATURES) or (data[:4] == b"RIFF" and data[8:12] == b"WEBP")):
        raise InputError(
            expected="the bytes of a WebP, JPEG or PNG file",
            got=f"{data[:12]!r}",
            fix="encode the thumbnail before it is put into a page",
        )
    return base64.b64encode(data).decode("ascii")


@cache
def static_text(name: str) -> str:
    """The text of one file of `static/`."""
    return files("kukkiri.pages").joinpath("static", name).read_text(encoding="utf-8")


def style_sheet(names: Sequence[str]) -> str:
    """Style sheets of `static/`, one after the other."""
    return "\n".join(static_text(name) for name in names)


@cache
def script(entry: str) -> str:
    """One script from a module of `static/` and all modules it imports.

    The modules share one scope, in the order of their imports, so their top-level names must differ; imports are of the
    form `import { a, b } from "./name.js";`.
    """
    ordered: list[str] = []

    def visit(name: str) -> None:
        if name not in ordered:
            for needed in _IMPORT.findall(static_text(name)):
                visit(needed)
            ordered.append(name)

    visit(entry)
    body = "\n".join(_EXPORT.sub("", _IMPORT.sub("", static_text(name))) for name in ordered)
    return f'"use strict";\n(() => {{\n{body}\n}})();\n'


def source_hash(text: str) -> str:
    """The source expression of a content security policy that allows exactly this script or style."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode('ascii')}'"
