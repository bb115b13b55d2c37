"""`kukkiri degrade`: degraded copies of pictures, with labels."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from kukkiri.cli.options import Device
from kukkiri.cli.output import print_json, show, table
from kukkiri.errors import InputError, one_line

if TYPE_CHECKING:
    from kukkiri.inspection.degrade import Outcome
    from kukkiri.inspection.degrade_plan import Job
    from kukkiri.optics.distort import Kind

# Failures that are told; all of them are in errors.csv.
TOLD = 20


def command(
    files: Annotated[
        list[str] | None, typer.Argument(metavar="[PHOTOS]...", help="Pictures: files, folders, patterns.")
    ] = None,
    kind: Annotated[
        list[str] | None,
        typer.Option("--kind", "-k", help="What to do; repeat it or part by commas. Or all; --list shows them."),
    ] = None,
    level: Annotated[
        str, typer.Option("--level", help="How strongly: 1 to 5, fractions too, by commas.")
    ] = "1,2,3,4,5",
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder for the copies and labels.csv. Run again to go on.")
    ] = None,
    mixture: Annotated[
        int, typer.Option("--mixture", min=1, help="Kinds a copy, drawn from those of --kind, of different groups.")
    ] = 1,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of what is random.")] = 0,
    form: Annotated[
        Literal["png", "tif", "keep"],
        typer.Option("--format", help="Of the copies; keep stays with PNG and TIFF and makes PNG of all else."),
    ] = "png",
    sensor: Annotated[
        Path | None,
        typer.Option("--sensor", help="For sensor-noise: the noise of your own sensor, a file of 'kukkiri calibrate'."),
    ] = None,
    device: Device = None,
    listed: Annotated[bool, typer.Option("--list", help="Show the kinds and stop.")] = False,
    json: Annotated[
        bool, typer.Option("--json", help="Print JSON: one object a copy (or kind), each on a line.")
    ] = False,
) -> None:
    """Degraded copies of pictures, at graded strengths, with a table of what was done.

    Writes NAME-KIND-LEVEL.png, of 16 bits where the picture has them and the kind is no codec of 8.
    Beside them labels.csv: image, reference, kind, group, level, seed, parameters.
    Copies that are there are not made again; columns that you add to the table, opinions say, stay.
    Of files that hold several pictures the first is taken; kinds that need colour are left out on grey pictures.

    With --sensor the noise is added to the values as they are.
    The amplification of sensor-noise then counts from a full exposure of that sensor.
    Its full well, in electrons, is among the parameters: the same level is noisier where it is smaller.
    """
    from kukkiri.optics.distort import KINDS

    if listed:
        _show_kinds(list(KINDS.values()), json)
        return
    from kukkiri.cli.blur_progress import progress
    from kukkiri.inspection.degrade import degrade
    from kukkiri.inspection.degrade_plan import plan
    from kukkiri.inspection.degrade_table import ERRORS
    from kukkiri.inspection.sources import find_files

    if not files or not kind or out is None:
        missing = [name for name, given in (("PHOTOS", files), ("--kind", kind), ("--out", out)) if not given]
        raise InputError(
            expected="PHOTOS, --kind and --out", got=f"no {', no '.join(missing)}", fix="--list shows the kinds"
        )
    if out.exists() and not out.is_dir():
        raise InputError(expected="a folder for --out", got=f"{one_line(out)}, a file", fix="name a folder")
    chosen = _kinds(kind)
    if sensor is not None:
        from kukkiri.inspection.sensor_calibration import calibrated_sensor, with_sensor

        chosen = with_sensor(chosen, calibrated_sensor(sensor))
    found = find_files(files, stdin=sys.stdin.buffer)
    jobs = plan(found, out, chosen, _levels(level), seed=seed, mixture=mixture, form=form)
    done = 0
    failures: dict[str, None] = {}
    with progress("degrading", len(jobs)) as advance:

        def on_done(job: Job | None, error: str | None) -> None:
            nonlocal done
            done += 1
            advance(done, len(jobs))
            if job is not None and error is not None:
                failures[f"{one_line(job.source)}: {error}"] = None
            if json and job is not None:
                print_json(job.row() | {"level": job.level, "seed": job.seed, "error": error})

        made = degrade(jobs, device=device, on_done=on_done)
    if not json:
        show(*_summary(made, out))
    for note in made.notes:
        typer.echo(f"note: {note}", err=True)
    for line in list(failures)[:TOLD]:
        typer.echo(f"kukkiri: {line}", err=True)
    if len(failures) > TOLD:
        typer.echo(f"kukkiri: and {len(failures) - TOLD} more: {one_line(out / ERRORS)}", err=True)
    # Where all was passed over, there is nothing that was asked for.
    raise typer.Exit(int(bool(made.failed) or not made.rows))


def _summary(made: Outcome, out: Path) -> list[str]:
    """What became of the copies that were asked for, and where the tables are."""
    from kukkiri.inspection.degrade import counted
    from kukkiri.inspection.degrade_table import ERRORS, TABLE

    became = {"made": made.made, "there already": len(made.rows) - made.made, "failed": len(made.failed)}
    said = ", ".join(f"{count} {what}" for what, count in became.items() if count)
    pictures = len({row["reference"] for row in made.rows})
    copies = f"{counted(len(made.rows), 'copy', 'copies')} of {counted(pictures, 'picture', 'pictures')}"
    lines = [(copies if made.rows else "no copies") + (f": {said}" if said else "")]
    lines.append(f"table:  {one_line(out / TABLE)}, {counted(made.labelled, 'row', 'rows')}")
    if made.failed:
        lines.append(f"errors: {one_line(out / ERRORS)}, {counted(len(made.failed), 'row', 'rows')}")
    return lines


def _kinds(named: list[str]) -> list[Kind]:
    from kukkiri.optics.distort import KINDS, find_kind

    names = [name.strip() for part in named for name in part.split(",") if name.strip()]
    if not names:
        raise InputError(expected="names of kinds, or all", got="none", fix="--list shows them")
    chosen = [find_kind(name) for name in dict.fromkeys(names) if name != "all"]
    return list(KINDS.values()) if "all" in names else chosen


def _levels(text: str) -> list[float]:
    try:
        levels = [float(part) for part in text.split(",") if part.strip()]
    except ValueError:
        levels = []
    if not levels:
        raise InputError(expected="levels such as 1,2.5,5", got=ascii(text), fix="numbers above 0 up to 5, by commas")
    return levels


def _show_kinds(kinds: list[Kind], as_json: bool) -> None:
    if as_json:
        for kind in kinds:
            print_json(
                {
                    "kind": kind.name,
                    "title": kind.title,
                    "group": kind.group,
                    "random": kind.random,
                    "needs_colour": kind.needs_colour,
                    "eight_bit": kind.eight_bit,
                    "parameters": {p.name: list(p.values) for p in kind.ladder.parameters},
                }
            )
        return
    rows = [
        (
            kind.name if first else "",
            (kind.group or "–") if first else "",
            kind.title + ("; needs colour" if kind.needs_colour else "") if first else "",
            f"{p.name} {', '.join(f'{v:g}' for v in p.values)}{' ' + p.unit if p.unit else ''}",
        )
        for kind in kinds
        for first, p in zip([True] + [False] * len(kind.ladder.parameters), kind.ladder.parameters)
    ]
    show(
        table(["kind", "group", "what it is", "levels 1 to 5"], rows),
        "What needs colour is left out on grey pictures.",
    )
