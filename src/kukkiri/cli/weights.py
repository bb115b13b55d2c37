"""`kukkiri weights`: which checkpoints there are; get them, check them, find them, export one; licences."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from kukkiri.cli.output import Json, print_json, show, table

app = typer.Typer(
    name="weights", help="The checkpoints: list, fetch, verify, path, forget-licence, export.", no_args_is_help=True
)

# Networks that can be exported: the module that does it, and what the file is.
EXPORTS = {
    "kukkiri-blur": (
        "kukkiri.sharpness.blur_onnx",
        "takes grey pictures (n, 1, h, w) with sides of 64, 96, 128, …; gives maps at 1/8 of them.",
    ),
    "kukkiri-nr": (
        "kukkiri.quality.no_reference.quality_onnx",
        "the networks of kukkiri-nr. Takes parts (p, 3, h, w), the picture made small and counted statistics; "
        "kukkiri.quality.no_reference.quality_onnx.network_inputs makes them, with Kukkiri and torch.",
    ),
}
Keys = Annotated[list[str] | None, typer.Argument(metavar="[KEY]...", help="Keys that 'kukkiri weights list' shows.")]


@app.command("list")
def list_(as_json: Json = False) -> None:
    """Show every checkpoint: what it is, its licence, and whether it is there."""
    from rich.filesize import decimal

    from kukkiri.weights import cache_dir, catalogue, path_of, present
    from kukkiri.weights.licences import accepted

    rows: list[dict[str, Any]] = [
        {
            "key": entry.key,
            "what": entry.what,
            "kind": entry.kind,
            "size": entry.size or None,
            "licence": entry.licence,
            "commercial_use": entry.commercial_use,
            "accepted": accepted(entry),
            "present": present(entry.key),
            "path": str(path_of(entry)),
            "url": entry.address,
            "sha256": entry.sha256,
            "paper": entry.paper,
        }
        for entry in catalogue().values()
    ]
    if as_json:
        print_json(rows)
        return
    cells = [
        (
            row["key"],
            row["what"],
            row["kind"],
            decimal(row["size"]) if row["size"] else "size not known",
            f"{len(row['sha256'])} digits known",
            row["licence"]
            if row["commercial_use"]
            else f"{row['licence']}, no commercial use{', accepted' if row['accepted'] else ''}",
            "yes" if row["present"] else "no",
        )
        for row in rows
    ]
    show(table(["key", "what", "kind", "size", "sha256", "licence", "present"], cells, right=["size"]))
    show(f"Downloads lie in {cache_dir()}; 'kukkiri weights path KEY' tells where one file is.")


@app.command()
def fetch(
    keys: Keys = None,
    everything: Annotated[bool, typer.Option("--all", help="Every checkpoint.")] = False,
    offline: Annotated[bool, typer.Option("--offline", help="Download nothing; also KUKKIRI_OFFLINE=1.")] = False,
    mirror: Annotated[
        str | None, typer.Option(help="Take the files from MIRROR/<file name>; also KUKKIRI_MIRROR.")
    ] = None,
    accept_licence: Annotated[
        bool,
        typer.Option("--accept-licence", help="Accept licences without commercial use; also KUKKIRI_ACCEPT_LICENCE."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Download checkpoints that are not there yet, and check them all; exit 1 if one cannot be had."""
    import logging

    from kukkiri.errors import InputError, KukkiriError
    from kukkiri.weights import catalogue, entry_of
    from kukkiri.weights import fetch as fetch_one

    if bool(keys) == everything:
        raise InputError(
            expected="keys of checkpoints, or --all",
            got="both" if keys else "neither",
            fix="'kukkiri weights list' shows the keys",
        )
    # That a damaged file was deleted, or that another process is waited for, is always said.
    log = logging.getLogger("kukkiri.weights")
    log.setLevel(min(log.getEffectiveLevel(), logging.WARNING))
    rows: list[dict[str, Any]] = []
    for entry in [entry_of(key) for key in keys or catalogue()]:
        row: dict[str, Any] = {"key": entry.key, "path": None, "error": None}
        rows.append(row)
        try:
            path = fetch_one(entry.key, offline=True if offline else None, mirror=mirror, accept_licence=accept_licence)
        except KukkiriError as error:  # the others can still be had
            row["error"] = str(error)
            typer.echo(f"kukkiri: {error}", err=True)
            continue
        row["path"] = str(path)
        if not as_json:
            typer.echo(f"{entry.key}: {path}")
    if as_json:
        print_json(rows)
    if any(row["error"] for row in rows):
        raise typer.Exit(1)


@app.command()
def verify(keys: Keys = None, as_json: Json = False) -> None:
    """Compare the sha256 of checkpoints with the catalogue's; exit 1 if one is damaged or missing.

    Of which only the first digits are known there, the others are noted on the first check, and hold from then on.

    Without keys: all that are there, and those that came with the package.
    """
    from kukkiri.errors import WeightError
    from kukkiri.weights import catalogue, entry_of, path_of
    from kukkiri.weights import verify as verify_one

    def there(row: dict[str, Any]) -> str:
        return "whole" if row["whole"] else "NOT WHOLE" if Path(row["path"]).exists() else "not here"

    entries = [entry_of(key) for key in keys or ()] or [
        entry for entry in catalogue().values() if entry.kind == "shipped" or path_of(entry).exists()
    ]
    rows: list[dict[str, Any]] = []
    for entry in entries:
        row: dict[str, Any] = {"key": entry.key, "whole": True, "path": str(path_of(entry)), "error": None}
        rows.append(row)
        try:
            verify_one(entry.key)
        except WeightError as error:
            row |= {"whole": False, "error": str(error)}
            typer.echo(f"kukkiri: {error}", err=True)
        if not as_json:
            typer.echo(f"{entry.key}: {there(row)}")
    if as_json:
        print_json(rows)
    if not all(row["whole"] for row in rows):
        raise typer.Exit(1)


@app.command()
def path(
    key: Annotated[str, typer.Argument(help="A key that 'kukkiri weights list' shows.")], as_json: Json = False
) -> None:
    """Print where a checkpoint lies; exit 1 if it is not there."""
    from kukkiri.weights import entry_of, path_of, present
    from kukkiri.weights.cache import missing

    entry, there = entry_of(key), present(key)
    if as_json:
        print_json({"key": key, "path": str(path_of(entry)), "present": there})
    elif there:
        typer.echo(str(path_of(entry)))
    else:
        raise missing(entry)
    if not there:
        raise typer.Exit(1)


@app.command("forget-licence")
def forget_licence(
    keys: Annotated[list[str], typer.Argument(metavar="KEY...", help="Keys that 'kukkiri weights list' shows.")],
    as_json: Json = False,
) -> None:
    """Take back that a licence was accepted: its file stays, but is not used until it is accepted again."""
    from kukkiri.weights import entry_of
    from kukkiri.weights.licences import accepted, forget

    rows: list[dict[str, Any]] = []
    for entry in [entry_of(key) for key in keys]:
        row = {"key": entry.key, "forgotten": forget(entry), "accepted": accepted(entry)}
        rows.append(row)
        said = "forgotten" if row["forgotten"] else "no acceptance was remembered"
        if entry.commercial_use:
            said = "its licence needs no acceptance"
        elif row["accepted"]:
            said += "; KUKKIRI_ACCEPT_LICENCE still accepts it"
        if not as_json:
            typer.echo(f"{entry.key}: {said}")
    if as_json:
        print_json(rows)


@app.command()
def export(
    key: Annotated[str, typer.Argument(metavar="KEY", help=f"A network that can be exported: {', '.join(EXPORTS)}.")],
    out: Annotated[Path | None, typer.Option("--out", help="The ONNX file to write. Default: KEY.onnx.")] = None,
) -> None:
    """Write a network of ours as an ONNX file.

    That of kukkiri-blur runs without torch; that of kukkiri-nr takes inputs that only Kukkiri makes, with torch.
    """
    from importlib import import_module

    from kukkiri.errors import unknown_name

    if key not in EXPORTS:
        raise unknown_name(
            f"a network that can be exported ({', '.join(EXPORTS)})", key, EXPORTS, "the others are the authors' own"
        )
    module, takes = EXPORTS[key]
    path = out or Path(f"{key}.onnx")
    import_module(module).export_onnx(path)
    show(f"{path}: {takes}")
