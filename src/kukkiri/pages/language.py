"""The texts of the pages, English and Japanese, and the language that the user's locale asks for."""

from __future__ import annotations

import locale
import os
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

from kukkiri.errors import InputError

LANGUAGES = ("en", "ja")


def language_of_locale() -> str:
    """The language of the user's locale: 'ja' for Japanese, else 'en'.

    `LC_ALL`, `LC_MESSAGES` and `LANG` are asked in this order, then what the operating system says.
    """
    named = next((os.environ[key] for key in ("LC_ALL", "LC_MESSAGES", "LANG") if os.environ.get(key)), None)
    name = (named or locale.getlocale()[0] or "").lower()
    # Windows says 'Japanese_Japan.932', POSIX 'ja_JP.UTF-8'; 'jav' would be Javanese.
    return "ja" if name in ("ja", "japanese") or name.startswith(("ja_", "ja-", "ja.", "japanese_")) else "en"


def check_language(language: str | None) -> str:
    """`language`, or that of the locale where it is None.

    Raises
    ------
    InputError
        If the pages do not speak it.
    """
    language = language_of_locale() if language is None else language
    if language not in LANGUAGES:
        raise InputError(
            expected=f"a language of the pages ({', '.join(LANGUAGES)})", got=repr(language), fix="choose one of them"
        )
    return language


@cache
def texts(language: str) -> Mapping[str, str]:
    """All texts of one language, by dotted key ('table.filter').

    Raises
    ------
    InputError
        If the pages do not speak it.
    """
    source = files("kukkiri.pages").joinpath("texts", f"{check_language(language)}.toml")
    return MappingProxyType(dict(_flatten(tomllib.loads(source.read_text(encoding="utf-8")))))


def _flatten(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", str(value)
