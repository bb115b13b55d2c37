"""`kukkiri weights`: which checkpoints there are; get them, check them, find them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, Any

import typer

app = typer.Typer(name="weights", help="The checkpoints: list, fetch, verify, path.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")]


@app.command("list")
def list_(as_json: Json = False) -> None:
    """Show every checkpoint: what it is, its licence, and whether it is there."""
    from kukkiri.weights import cache_dir, catalogue, path_of, present

    rows: list[dict[str, Any]] = [
        {
            "key": entry.key,
            "what": entry.what,
            "kind": entry.kind,
            "size": entry.size,
            "licence": entry.licence,
            "commercial_use": entry.commercial_use,
            "present": present(entry.key),
            "path": str(path_of(entry)),
            "url": entry.address,
            "sha256": entry.sha256,
            "paper": entry.paper,
        }
        for entry in catalogue().values()
    ]
    if as_json:
        typer.echo(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    from rich.filesize import decimal

    shown = [
        (
            r["key"],
            r["what"],
            r["kind"],
            decimal(r["size"]),
            r["licence"] + ("" if r["commercial_use"] else ", no commercial use"),
            "yes" if r["present"] else "no",
        )
        for r in rows
    ]
    _table(("key", "what", "kind", "size", "licence", "present"), shown, f"Downloads lie in {cache_dir()}")


@app.command()
def fetch(
    keys: Annotated[list[str] | None, typer.Argument(help="Keys that 'kukkiri weights list' shows.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every checkpoint.")] = False,
    offline: Annotated[bool, typer.Option("--offline", help="Download nothing. [env: KUKKIRI_OFFLINE]")] = False,
    mirror: Annotated[
        str | None, typer.Option(help="Take the files from MIRROR/<file name>. [env: KUKKIRI_MIRROR]")
    ] = None,
    accept_licence: Annotated[
        bool,
        typer.Option("--accept-licence", help="Accept licences without commercial use. [env: KUKKIRI_ACCEPT_LICENCE]"),
    ] = False,
    as_json: Json = False,
) -> None:
    """Download checkpoints that are not there yet, and check them all."""
    from kukkiri.errors import InputError, KukkiriError
    from kukkiri.weights import catalogue, entry_of
    from kukkiri.weights import fetch as fetch_one

    if bool(keys) == everything:
        raise InputError(
            expected="keys of checkpoints, or --all",
            got="both" if keys else "neither",
            fix="'kukkiri weights list' shows the keys",
        )
    entries = [entry_of(key) for key in keys or catalogue()]
    rows: list[dict[str, Any]] = []
    for entry in entries:
        row: dict[str, Any] = {"key": entry.key, "path": None, "error": None}
        try:
            path = fetch_one(entry.key, offline=True if offline else None, mirror=mirror, accept_licence=accept_licence)
            row["path"] = str(path)
        except KukkiriError as error:
            row["error"] = str(error)
        rows.append(row)
        if row["error"]:
            typer.echo(f"kukkiri: {row['error']}", err=True)
        elif not as_json:
            typer.echo(f"{entry.key}: {row['path']}")
    if as_json:
        typer.echo(json.dumps(rows, indent=2, ensure_ascii=False))
    if any(row["error"] for row in rows):
        raise typer.Exit(1)


@app.command()
def verify(
    keys: Annotated[
        list[str] | None, typer.Argument(help="Default: those of the package and those in the cache.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Read checkpoints and compare their sha256 with the catalogue's; exit 1 if one is damaged or missing."""
    from kukkiri.errors import WeightError
    from kukkiri.weights import catalogue, entry_of, path_of
    from kukkiri.weights import verify as verify_one

    entries = [entry_of(key) for key in keys or ()] or [
        e for e in catalogue().values() if e.kind == "shipped" or path_of(e).exists()
    ]
    rows: list[dict[str, Any]] = []
    for entry in entries:
        row: dict[str, Any] = {"key": entry.key, "whole": True, "path": str(path_of(entry)), "error": None}
        try:
            verify_one(entry.key)
        except WeightError as error:
            row.update(whole=False, error=str(error))
            typer.echo(f"kukkiri: {error}", err=True)
        rows.append(row)
    if as_json:
        typer.echo(json.dumps(rows, indent=2, ensure_ascii=False))
    else:
        for row in rows:
            typer.echo(f"{row['key']}: {'whole' if row['whole'] else 'NOT WHOLE'}")
    if not all(row["whole"] for row in rows):
        raise typer.Exit(1)


@app.command()
def path(
    key: Annotated[str, typer.Argument(help="A key that 'kukkiri weights list' shows.")], as_json: Json = False
) -> None:
    """Print where a checkpoint lies; exit 1 if it is not there."""
    from kukkiri.weights import entry_of, path_of, present
    from kukkiri.weights.cache import missing

    entry = entry_of(key)
    if as_json:
        typer.echo(json.dumps({"key": key, "path": str(path_of(entry)), "present": present(key)}, ensure_ascii=False))
    elif present(key):
        typer.echo(str(path_of(entry)))
    else:
        raise missing(entry)
    if not present(key):
        raise typer.Exit(1)


def _table(columns: tuple[str, ...], rows: Sequence[tuple[str, ...]], caption: str) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*columns)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    console = Console()
    console.print(table)
    console.print(Text(caption), soft_wrap=True)
