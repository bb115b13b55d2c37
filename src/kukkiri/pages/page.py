"""A page from its template, piece by piece, so that a long one never stands in memory whole."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kukkiri.errors import WriteError, one_line
from kukkiri.pages.embedding import json_text, script, source_hash, style_sheet
from kukkiri.pages.language import texts
from kukkiri.replacing import replacing

if TYPE_CHECKING:
    from jinja2 import Environment


@cache
def environment() -> Environment:
    """The Jinja environment of all pages: everything is escaped, and a missing name is an error."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("kukkiri.pages", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["thousands"] = lambda number: f"{number:,}"
    return environment


def render(template: str, *, language: str, styles: Sequence[str], entry: str, **context: Any) -> Iterator[str]:
    """The pieces of a page.

    Parameters
    ----------
    template : str
        File name in `templates/`.
    language : 'en' | 'ja'
    styles : sequence of str
        Style sheets in `static/`, inlined.
    entry : str
        The page's script in `static/`, inlined with all that it imports.
    **context
        What the template names. `t`, `language`, `style`, `script`, `policy` and `json` are there already: the texts,
        the inlined sources, the content security policy, and `json_text`.
    """
    from markupsafe import Markup

    style_text, script_text = style_sheet(styles), script(entry)
    policy = (
        f"default-src 'none'; script-src {source_hash(script_text)}; style-src {source_hash(style_text)}; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )
    return (
        environment()
        .get_template(template)
        .generate(
            t=texts(language),
            language=language,
            style=Markup(style_text),
            script=Markup(script_text),
            policy=policy,
            json=lambda value: Markup(json_text(value)),
            **context,
        )
    )


@contextmanager
def writing(path: str | Path) -> Iterator[None]:
    """Whatever the operating system refuses in here becomes a `WriteError` about `path`."""
    path = Path(path)
    try:
        yield
    except OSError as error:
        raise WriteError(
            expected=f"a place to write {one_line(path.name)}",
            got=error.strerror or str(error),
            fix=f"check that {one_line(path.parent)} is a folder that you may write to and that has room",
        ) from error


def write_page(path: str | Path, pieces: Iterable[str]) -> Path:
    """Write a page beside its name and rename it, so that no half-written page is ever seen.

    Parameters
    ----------
    path : path
        The folder is made where it is missing.
    pieces : iterable of str

    Raises
    ------
    WriteError
        If the file or its folder cannot be written.
    """
    path = Path(path)
    with replacing(path) as part, part.open("xb") as file:
        for piece in pieces:
            file.write(piece.encode("utf-8", "replace"))
    return path
