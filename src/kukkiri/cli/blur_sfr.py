"""`kukkiri blur --sfr`: the spatial frequency response across slanted edges (ISO 12233)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from kukkiri.cli.blur_files import Counting, Picture, pictures
from kukkiri.cli.blur_progress import progress, say_errors
from kukkiri.cli.blur_targets import Targets, listed
from kukkiri.cli.output import number, print_json, show, table
from kukkiri.inspection.record import explain

if TYPE_CHECKING:
    from kukkiri.sharpness.slanted_edge_result import Sfr


@dataclass(frozen=True)
class SfrOptions:
    """What `--sfr` alone takes.

    Parameters
    ----------
    oecf : str or None
        'srgb', or the path of a table.
    reference : Path or None
    edges : int
        The most that are measured where they are found.
    out : Path or None
        Table of the curves.
    """

    oecf: str | None
    reference: Path | None
    edges: int
    out: Path | None


def run_sfr(files: list[Path], counting: Counting, options: SfrOptions, targets: Targets | None, json: bool) -> bool:
    """Measure, print, draw and write; whether a picture could not be measured."""
    from kukkiri.images.reading import load
    from kukkiri.inspection.record import printable
    from kukkiri.inspection.tables import table_format, write_table
    from kukkiri.sharpness.figures import write_figure
    from kukkiri.sharpness.slanted_edge_figure import sfr_figure
    from kukkiri.sharpness.slanted_edge_oecf import read_oecf

    if options.out is not None:
        table_format(options.out)
    if options.oecf is not None and options.oecf.lower() != "srgb":
        read_oecf(options.oecf)  # it is wrong for all pictures or for none
    reference = None if options.reference is None else load(options.reference)
    failed: list[Picture] = []
    curves: list[dict[str, Any]] = []
    for picture in pictures(files, counting, estimate=False):
        error = picture.error
        row: dict[str, Any] = {"path": printable(picture.path), "plane": picture.plane}
        if error is None and picture.image is None:
            error = "expected a picture that can be held as a whole for --sfr, got a larger one; cut out a part of it"
        if error is None and picture.image is not None:
            try:
                edges = _edges(picture, counting, options, reference)
                if targets is not None:
                    target = targets.of(picture, alone=len(files) == 1)
                    write_figure(sfr_figure(edges, picture.image), target)
                if options.out is not None:
                    curves += [row | line for line in _lines(edges)]
                if json:
                    print_json(row | {"error": None, "edges": [edge.to_row() for edge in edges]})
                else:
                    show(picture.name, _table(edges), *_remarks(edges), "")
            except Exception as problem:
                error = explain(problem)
        if error is not None:
            if json:
                print_json(row | {"error": error, "edges": []})
            failed.append(Picture(picture.path, picture.plane, picture.planes, error=error))
    say_errors(failed)
    if options.out is not None and curves:
        write_table(options.out, curves, COLUMNS)
        typer.echo(f"curves: {options.out}", err=True)
    if targets is not None and targets.used:
        typer.echo(f"figures: {listed(sorted(targets.used))}", err=True)
    return bool(failed)


def _edges(picture: Picture, counting: Counting, options: SfrOptions, reference: Any) -> tuple[Sfr, ...]:
    from kukkiri.sharpness.slanted_edge import sfr

    image = picture.image
    if image is not None and counting.pixel_size is not None:
        image = replace(image, pixel_size=counting.pixel_size)
    if counting.roi is not None:
        return (sfr(image, counting.roi, oecf=options.oecf, reference=reference),)
    with progress(picture.path.name, None) as advance:
        return sfr(
            image, oecf=options.oecf, reference=reference, mask=picture.left_out, most=options.edges, on_edge=advance
        )


CHANNELS = ("red", "green", "blue", "luma")
COLUMNS = [
    *("path", "plane", "edge", "frequency", "per_mm"),
    *CHANNELS,
    *(f"{c}_error" for c in CHANNELS),
    *("ratio", "ratio_error"),
]


def _lines(edges: tuple[Sfr, ...]) -> Iterator[dict[str, Any]]:
    """The curves, one line a frequency; the ratio is that of luma."""
    for index, edge in enumerate(edges, start=1):
        ratio = next((r for r in edge.ratios if r.channel == "luma"), None)
        for i, frequency in enumerate(edge.luma.frequency.tolist()):
            line: dict[str, Any] = {"edge": index, "frequency": frequency, "per_mm": edge.per_mm(frequency)}
            for curve in edge.curves:
                line |= {curve.channel: float(curve.sfr[i]), f"{curve.channel}_error": float(curve.sfr_error[i])}
            if ratio is not None and math.isfinite(ratio.ratio[i]):
                line |= {"ratio": float(ratio.ratio[i]), "ratio_error": float(ratio.error[i])}
            yield line


def _table(edges: tuple[Sfr, ...]) -> Any:
    """One row an edge."""
    coloured = [c for c in CHANNELS[:3] if any(curve.channel == c for edge in edges for curve in edge.curves)]
    metres = edges[0].pixel_size is not None
    ratios = any(edge.ratios for edge in edges)
    right = ["MTF50", "lp/mm", *coloured, "MTF10", "Nyquist", "contrast", "angle", "length"]
    columns = ["", "region", "angle", "length", "contrast", "MTF50", "90 %", *(["lp/mm"] if metres else [])]
    columns += [*coloured, "MTF10", "Nyquist", *(["ratio's MTF50"] if ratios else [])]
    rows = []
    for index, edge in enumerate(edges, start=1):
        luma, box, sign = edge.luma, edge.box, "< " if edge.upper_bound else ""
        own = {curve.channel: curve for curve in edge.curves}
        lo, hi = luma.mtf50_interval
        cells = [
            str(index),
            f"{box.left},{box.top},{box.width},{box.height}",
            f"{edge.angle:.1f}° from {edge.orientation}",
            f"{edge.rows} px",
            _fixed(luma.contrast, digits=2),
            _fixed(luma.mtf50, sign),
            f"{_fixed(lo)} … {'∞' if math.isinf(hi) else _fixed(hi)}" if math.isfinite(luma.mtf50) else "",
        ]
        cells += [_round(edge.per_mm(luma.mtf50), sign)] if metres else []
        cells += [_fixed(own[c].mtf50, sign) if c in own else "–" for c in coloured]
        cells += [_fixed(luma.mtf10, sign), _fixed(luma.nyquist)]
        if ratios:
            ratio = next(r for r in edge.ratios if r.channel == "luma")
            cells.append(_fixed(ratio.mtf50) if math.isfinite(ratio.mtf50) else f"> {_fixed(ratio.limit)}")
        rows.append(cells)
    return table(columns, rows, right=right)


def _remarks(edges: tuple[Sfr, ...]) -> list[str]:
    """What casts doubt on each edge, a line each; and what the numbers rest on."""
    from kukkiri.sharpness.slanted_edge_figure import remarks_of

    found = []
    for index, edge in enumerate(edges, start=1):
        low, high = edge.luma.mtf50_interval
        texts = []
        if math.isnan(edge.luma.mtf50):
            texts.append("MTF50 is not known: the response does not fall to one half below 1 cycle/pixel")
        elif not (low > 0 and math.isfinite(high)):
            texts.append("MTF50 is not known: its interval has no end")
        texts += remarks_of(edge)
        texts += list(dict.fromkeys(text for ratio in edge.ratios for text in ratio.warnings))
        found += [f"{index}: {'; '.join(texts)}"] if texts else []
    basis = f"made linear with {edges[0].oecf}" if edges[0].oecf else "taken as linear in light (else give --oecf)"
    bound = ["<: an upper bound, see 'narrow sides'"] if any(edge.upper_bound for edge in edges) else []
    return [*bound, *found, f"cycles/pixel along the normal of the edge; values {basis}"]


def _fixed(value: float, sign: str = "", digits: int = 3) -> str:
    return number(None) if math.isnan(value) else f"{sign}{value:z.{digits}f}"


def _round(value: float | None, sign: str = "") -> str:
    return number(None) if value is None or math.isnan(value) else sign + number(float(f"{value:.3g}"))
