"""`kukkiri compare`: how near pictures are to their references."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from typer.core import TyperCommand

from kukkiri.cli.compare_tables import check_places, check_suffix, print_rows, summary_lines, write_rows
from kukkiri.cli.options import AutoMask, Device, MaxSide, MetricOptions, Precise, WeightFiles
from kukkiri.cli.output import Json
from kukkiri.cli.scoring import say_interrupted, scored
from kukkiri.metrics.table import metric_names

MOTIONS = ("translation", "affine", "homography")


class Command(TyperCommand):
    """A command whose --align may stand alone: what follows it is its value only if it is a motion."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """The arguments, '--align' alone made '--align=affine'."""
        ends = [*args, "--"].index("--")
        whole = list(args)
        for i in range(min(ends, len(args)) - 1, -1, -1):
            if args[i] == "--align" and (i + 1 >= ends or args[i + 1] not in MOTIONS):
                if i + 1 < ends:
                    _check_follower(args[i + 1])
                whole[i] = "--align=affine"
        return list(super().parse_args(ctx, whole))


def _check_follower(word: str) -> None:
    """What stands behind --align and is no motion must be another option or a picture."""
    from kukkiri.errors import InputError, one_line

    if not word.startswith("-") and not Path(word).exists():
        raise InputError(
            expected=f"a motion ({', '.join(MOTIONS)}) or a picture that is there, behind --align",
            got=one_line(word, 200),
            fix="check the spelling",
        )


def command(
    distorted: Annotated[list[Path], typer.Argument(help="Pictures to compare, or folders of them.")],
    reference: Annotated[
        Path,
        typer.Option("--reference", help="The picture that they should look like, or a folder of them, by name."),
    ],
    metric: Annotated[
        list[str] | None,
        typer.Option(
            "--metric", "-m", help="Any that needs a reference; repeat it or part by commas. Default: psnr, ssim."
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Table to write: .csv, .json or .jsonl.")] = None,
    map_out: Annotated[
        Path | None, typer.Option("--map", help="Folder for maps of the metrics that have one: .png and .tif.")
    ] = None,
    align: Annotated[
        Literal["translation", "affine", "homography"] | None,
        typer.Option(
            "--align", help="Bring the reference into register first: a scan, a photograph. Affine unless named."
        ),
    ] = None,
    tones: Annotated[
        bool, typer.Option("--tones/--no-tones", help="With --align: bring gain, offset and gamma into register too.")
    ] = True,
    auto_mask: AutoMask = True,
    max_side: MaxSide = None,
    device: Device = None,
    precision: Precise = None,
    weights: WeightFiles = None,
    option: MetricOptions = None,
    json: Json = False,
) -> None:
    """Compare pictures with a reference, or two folders paired by name."""
    from kukkiri.errors import InputError
    from kukkiri.quality.building import Scoring, build_metrics, parse_options, parse_weights
    from kukkiri.quality.many import summarise

    if align is None and not tones:
        raise InputError(expected="--no-tones with --align", got="it alone", fix="add --align, or leave it out")
    if out is not None:
        check_suffix(out)
    scoring = Scoring(
        auto_mask=auto_mask,
        align=align or False,
        tones=tones,
        maps=map_out,
        device=device,
        max_side=max_side,
        precision=precision,
        weights=parse_weights(weights or ()),
        options=parse_options(option or ()),
    )
    metrics = build_metrics(metric_names(metric, ["psnr", "ssim"]), scoring, reference=True)
    pairs = find_pairs(distorted, reference)
    check_places(out, map_out)
    rows, interrupted = scored("comparing", pairs, metrics, scoring, json=json)
    if out is not None and (rows or not interrupted):
        write_rows(out, rows, aligned=align is not None, mapped=map_out is not None)
    if not json:
        print_rows(rows, listed=out is None)
    for line in summary_lines(summarise(rows), len(pairs)):
        typer.echo(line, err=True)
    if interrupted:
        kept = f"; these are in {out}" if out is not None and rows else ""
        say_interrupted(len(rows) // len(metrics), len(pairs), kept)
        raise typer.Exit(130)
    raise typer.Exit(int(any(row["error"] for row in rows)))


def find_pairs(distorted: list[Path], reference: Path) -> list[Any]:
    """Every picture with its reference: the one file, or the one of its name in the folder."""
    from kukkiri.images.reading import load
    from kukkiri.inspection.sources import find_files
    from kukkiri.quality.pairing import Pair, bare, pair_by_name

    if not reference.is_dir():
        load(reference)  # what all are compared with must be a picture: no row could say more
        pairs = []
        for given in distorted:
            for file in find_files(given):
                if given.is_dir() and file.samefile(reference):
                    typer.echo(f"left out, being the reference: {file}", err=True)
                    continue
                inner = file.relative_to(given) if given.is_dir() else Path(file.name)
                pairs.append(Pair(bare(inner).as_posix(), file, reference))
        return pairs
    references = find_files(reference)
    pairs = []
    for given in distorted:
        folder = given if given.is_dir() else given.parent
        pairs += pair_by_name(find_files(given), folder, references, reference, both_ways=given.is_dir())
    return pairs
