"""`kukkiri train`: make weights by a recipe."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from kukkiri.cli.output import number, print_json, show, table


def command(
    recipe: Annotated[str | None, typer.Argument(help="Name of a recipe; --list shows them.")] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder for weights, log, curve and card.")] = None,
    steps: Annotated[int | None, typer.Option("--steps", min=1, help="Stop after so many steps.")] = None,
    minutes: Annotated[float | None, typer.Option("--minutes", help="Stop after so many minutes of training.")] = None,
    data: Annotated[list[Path] | None, typer.Option("--data", help="Folder of training data; repeat it.")] = None,
    scores: Annotated[
        Path | None, typer.Option("--scores", help="CSV of your pictures and people's scores of them (image, mos).")
    ] = None,
    setting: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Option of the recipe; repeat it.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the checkpoint in --out.")] = False,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of everything that is drawn.")] = 0,
    device: Annotated[str | None, typer.Option("--device", help="cpu or cuda. Default: cuda if there is one.")] = None,
    precision: Annotated[
        Literal["bf16", "no"], typer.Option("--precision", help="bf16 is faster; no: float32 throughout.")
    ] = "bf16",
    workers: Annotated[
        int, typer.Option("--workers", "-j", min=0, help="Processes that make batches ahead; 0: made in line.")
    ] = 0,
    listing: Annotated[bool, typer.Option("--list", help="List the recipes and stop.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON: one object.")] = False,
) -> None:
    """Train a network by one of the recipes that made the weights we ship. Ctrl-C stops it well; --resume goes on."""
    from kukkiri.training.recipes import RECIPES, build_recipe, parse_settings, recipe_class, require

    if listing:
        if json:
            print_json([entry.to_row() for entry in RECIPES])
        else:
            show(table(["recipe", "title"], [(entry.name, entry.title) for entry in RECIPES]))
        return
    name = require(recipe, f"the name of a recipe ({', '.join(entry.name for entry in RECIPES)})")
    recipe_class(name)  # a wrong name is told before what else is missing
    folder = require(out, "a folder for the run (--out)")
    made = build_recipe(name, data or (), parse_settings(setting or ()), scores=scores)
    from kukkiri.training.loop import train

    result = train(
        made,
        folder,
        steps=steps,
        minutes=minutes,
        resume=resume,
        seed=seed,
        device=device,
        precision=precision,
        workers=workers,
    )
    if json:
        print_json({"recipe": name} | result.to_row())
    else:
        show(table(["", name], [(key, number(value)) for key, value in result.to_row().items()]))
    if not result.finished:
        again = [*sys.argv[1:], *([] if resume else ["--resume"])]
        typer.echo(f"kukkiri: stopped at step {result.steps}; go on with: kukkiri {shlex.join(again)}", err=True)
        raise typer.Exit(130)
