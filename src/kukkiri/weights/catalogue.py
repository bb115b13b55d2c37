"""The catalogue of checkpoints: what each is, whence it comes, how to know that it is whole (no torch in here)."""

from __future__ import annotations

import os
import re
import tomllib
from dataclasses import MISSING, dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any, Literal

from kukkiri.errors import InputError, unknown_name

Kind = Literal["shipped", "published"]

# Hexadecimal digits of a whole sha256; and how many a published entry must have (as many as a file's name may bear).
DIGITS = 64
LEAST_DIGITS = 8

_OWN = Path(__file__).with_name("catalogue.toml")
_TYPES: dict[str, type] = {"str": str, "int": int, "bool": bool, "Kind": str}


@dataclass(frozen=True, kw_only=True)
class WeightEntry:
    """One checkpoint.

    Parameters
    ----------
    key : str
        Its name in Kukkiri: lower-case letters, digits, dots and hyphens.
    what : str
        What the file holds, in one line.
    kind : 'shipped' | 'published'
        In the package, or downloaded from its authors on first use.
    file : str
        Name of the file, in the package, in the cache and on a mirror.
    size : int
        Bytes; 0 where nobody has told them (published files only).
    sha256 : str
        64 hexadecimal digits; of a published file the first 8 or more, where only those are known.
    licence : str
        Its name.
    commercial_use : bool
        False: the licence must be accepted before the file is used.
    paper : str
        Citation, DOI or arXiv number.
    terms : str
        Where the licence can be read: a file beside the shipped one, or an address.
    url : str
        Address of a published file; or else
    hub, revision, hub_file : str
        Repository 'owner/name' on the Hugging Face hub, commit (40 hexadecimal digits), and the file's path in it
        (default: `file`).
    """

    key: str
    what: str
    kind: Kind
    file: str
    size: int
    sha256: str
    licence: str
    commercial_use: bool
    paper: str
    terms: str = ""
    url: str = ""
    hub: str = ""
    revision: str = ""
    hub_file: str = ""

    @property
    def address(self) -> str:
        """Where a published file is downloaded from; '' for a shipped one."""
        if self.hub:
            return f"https://huggingface.co/{self.hub}/resolve/{self.revision}/{self.hub_file or self.file}"
        return self.url

    @property
    def exact(self) -> bool:
        """Whether all 64 digits and the size are known, so that nothing has to be learnt from the first download."""
        return len(self.sha256) == DIGITS and self.size > 0

    @property
    def fingerprint(self) -> str:
        """What is known of the sha256, for people."""
        known = len(self.sha256)
        return (
            f"sha256 {self.sha256}" if known == DIGITS else f"sha256 {self.sha256}… ({known} of {DIGITS} digits known)"
        )


def catalogue() -> dict[str, WeightEntry]:
    """Every checkpoint by its key.

    The package's own, then those of the TOML file that the environment variable `KUKKIRI_CATALOGUE` names, which may
    add published ones but not replace any.

    Returns
    -------
    dict of WeightEntry
        A copy: change it freely.

    Raises
    ------
    InputError
        If a catalogue cannot be read, or an entry has an unknown, missing or impossible field.
    """
    entries = dict(_read(_OWN, 0))
    extra = os.environ.get("KUKKIRI_CATALOGUE")
    if not extra:
        return entries
    path = Path(extra).expanduser()
    try:
        changed = path.stat().st_mtime_ns
    except OSError as error:
        raise InputError(
            expected="a TOML file in KUKKIRI_CATALOGUE", got=f"{path}: {error.strerror}", fix="correct or unset it"
        ) from error
    for key, entry in _read(path, changed).items():
        same_file = [e.key for e in entries.values() if e.file == entry.file]
        if key in entries or same_file or entry.kind == "shipped":
            raise InputError(
                expected=f"new keys and files of kind 'published' in {path}",
                got=f"[{key}], kind {entry.kind!r}, file {entry.file!r}",
                fix="give it another key and file name: an extra catalogue cannot replace what the package has",
            )
        entries[key] = entry
    return entries


def entry_of(key: str) -> WeightEntry:
    """The entry called `key`.

    Raises
    ------
    UnknownNameError
        If there is none; the message names the nearest ones.
    """
    entries = catalogue()
    if key not in entries:
        raise unknown_name("the key of a checkpoint", key, entries, f"'kukkiri weights list' shows all {len(entries)}")
    return entries[key]


@cache
def _read(path: Path, _changed: int) -> dict[str, WeightEntry]:
    # The time of the last change only makes an edited file be read again.
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(expected="a catalogue in TOML", got=f"{path}: {error}", fix="correct the file") from error
    entries: dict[str, WeightEntry] = {}
    files: set[str] = set()
    for key, table in tables.items():
        problems = _problems(key, table)
        if not problems and table["file"] in files:
            problems = [f"file {table['file']!r} belongs to another entry"]
        if problems:
            raise InputError(
                expected=f"a valid entry [{key}] in {path.name}", got="; ".join(problems), fix=f"correct {path}"
            )
        files.add(table["file"])
        entries[key] = WeightEntry(key=key, **table)
    return entries


def _problems(key: str, table: Any) -> list[str]:
    """What is wrong with one table, in words; nothing if it is valid."""
    if not isinstance(table, dict):
        return ["a value where a table should be"]
    known = {f.name: f for f in fields(WeightEntry) if f.name != "key"}
    found = [f"unknown field {name!r}" for name in table if name not in known]
    found += [f"no field {name!r}" for name, f in known.items() if f.default is MISSING and name not in table]
    # type(), not isinstance: True is an int to Python, but not a size.
    found += [
        f"{name} is not of type {_TYPES[str(f.type)].__name__}"
        for name, f in known.items()
        if name in table and type(table[name]) is not _TYPES[str(f.type)]
    ]
    if found:
        return found
    url, hub = table.get("url", ""), table.get("hub", "")
    rules = {
        "the key may have lower-case letters, digits, dots and hyphens": re.fullmatch(r"[a-z0-9][a-z0-9.-]*", key),
        "file must be a plain name that ends in .safetensors, .pth or .pt": re.fullmatch(
            r"[A-Za-z0-9][A-Za-z0-9._+-]*\.(safetensors|pth|pt)", table["file"]
        ),
        "kind must be 'shipped' or 'published'": table["kind"] in ("shipped", "published"),
        "size must be at least 1, or 0 where that of a published file is not known": (
            table["size"] >= (1 if table["kind"] == "shipped" else 0)
        ),
        f"sha256 must be {DIGITS} hexadecimal digits in lower case, of a published file at least {LEAST_DIGITS}": (
            re.fullmatch(r"[0-9a-f]+", table["sha256"])
            and (DIGITS if table["kind"] == "shipped" else LEAST_DIGITS) <= len(table["sha256"]) <= DIGITS
        ),
        "what, licence and paper must not be empty": all(table[name].strip() for name in ("what", "licence", "paper")),
        "a shipped file has neither url nor hub, a published one has one of them": (
            bool(url) + bool(hub) == (0 if table["kind"] == "shipped" else 1)
        ),
        "url must begin with https:// or http://": not url or re.match(r"https?://", url),
        "hub must be 'owner/name' with a revision of 40 hexadecimal digits": (
            not (table.get("revision") or table.get("hub_file"))
            if not hub
            else re.fullmatch(r"[\w.-]+/[\w.-]+", hub) and re.fullmatch(r"[0-9a-f]{40}", table.get("revision", ""))
        ),
        "a file with commercial_use = false cannot be shipped": table["commercial_use"] or table["kind"] == "published",
        "commercial_use = false needs terms, so that the licence can be read": (
            table["commercial_use"] or table.get("terms", "")
        ),
    }
    return [rule for rule, holds in rules.items() if not holds]
