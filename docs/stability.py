"""Write docs/stability.md and its figure from docs/robustness/stability.json: `make stability`, `make docs`.

No measured figure is typed by hand; what is said of one metric beside another follows from the figures.
"""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import Any

from kukkiri.evaluation.stability_figure import write_map
from kukkiri.metrics.table import all_specs

HERE = Path(__file__).parent
PAGE, FIGURE = HERE / "stability.md", HERE / "stability.png"
# Why a flip moves some.
REASONS = {
    "brisque": "`brisque` tells the two diagonals apart: a flip swaps them.",
    "niqe": "`niqe` does so too, and judges whole patches of 96 px from the upper left only: a flip brings others.",
}
# What `make stability` writes.
RESULT = HERE / "robustness" / "stability.json"
NONE = "–"
READING = (
    "In the tables (↓ lower is better, ↑ higher is better):",
    "",
    "* *spread*: in the unit of the score itself; what all moves are divided by.",
    "* *median ↓*, *P90 ↓*: of |score after − before| in spreads, over all pictures and changes; nine of ten moves are",
    "  below the P90.",
    "* *lowest Spearman ↑*: between the scores before and after the change that disorders them most; 1: the order of",
    "  the pictures is kept, 0: nothing of it.",
    "* *moved most by*, *median ↓*: the change of the greatest median over all pictures; then the same over those of",
    "  one damage only (sharp, blur, noise, jpeg), where the greatest may be that of another change.",
    "* *s/Mpx ↓*: seconds of one processor core for each megapixel.",
)
GROUPS = {"quality": "Without a reference", "fidelity": "Beside a reference"}
CHANGES = {
    "shift-right": "one pixel to the right, real pixels coming in",
    "shift-down": "one pixel down",
    "flip-horizontal": "left and right swapped",
    "flip-vertical": "up and down swapped",
    "png-8-bit": "saved with 8 bits, without loss",
    "webp-lossless": "the same in another format: it must equal the line above",
    "webp-95": "lossy WebP of quality 95",
    "jpeg-95": "JPEG of quality 95, chroma halved",
    "gain-0.9": "10 % darker",
    "gain-1.1": "10 % brighter, clipped at 1",
    "gamma-0.9": "values to the power 0.9: midtones brighter",
    "gamma-1.1": "midtones darker",
    "crop-90": "the middle, 90 % of each side",
    "resize-95": "95 % of each side, bicubic, with a low-pass",
    "resize-105": "105 % of each side, bicubic",
}


def result() -> dict[str, Any]:
    """What was recorded."""
    found: dict[str, Any] = json.loads(RESULT.read_text(encoding="utf-8"))
    return found


def measured(row: dict[str, Any], answers: str | None = None) -> list[dict[str, Any]]:
    """Metrics that were measured, of one question or all, steadiest first."""
    found = [m for m in row["stability"]["metrics"] if m["skipped"] is None and answers in (None, m["answers"])]
    return sorted(found, key=lambda m: (m["answers"] != "quality", _number(m["overall"]["p90"])))


def draw() -> None:
    """Write the figure."""
    metrics = measured(result())
    changes = result()["stability"]["settings"]["changes"]
    medians = [[_number(m["changes"][c]["median"]) for c in changes] for m in metrics]
    write_map(FIGURE, [_starred(m) for m in metrics], changes, medians)


def page() -> str:
    """The whole page."""
    row = result()
    most = max(m["pictures"] for m in measured(row))
    parts = [
        "# How steady is a quality score?",
        "",
        _wrapped(
            "Written by `make docs` from [the result](robustness/stability.json): no measured figure on this page is "
            "typed by hand."
        ),
        "",
        _wrapped(
            "A picture that is moved by a pixel, saved again or made a tenth brighter is as good as it was. How far "
            "does its score move? The unit is the metric's own spread over the pictures (the interquartile range of "
            "its scores divided by 1.349, so that it is the standard deviation where scores are normal): at 0.1 the "
            "change is lost among the pictures, at 1 it says as much as the picture does."
        ),
        "",
        *READING,
        "",
        "## In short",
        "",
        *_short(row),
        "",
        f"![How far each change moves each metric]({FIGURE.name})",
    ]
    for answers, title in GROUPS.items():
        metrics = measured(row, answers)
        if metrics:
            parts += ["", f"## {title}", "", *_overall(metrics), "", *_each(row, metrics)]
    return "\n".join([*parts, "", *_method(row, most)]) + "\n"


def _short(row: dict[str, Any]) -> list[str]:
    lines = []
    for answers, who in (("quality", "Without a reference"), ("fidelity", "Beside a reference")):
        metrics = measured(row, answers)
        if not metrics:
            continue
        best, worst = metrics[0], metrics[-1]
        said = f"* **{who}** `{best['name']}` is steadiest: nine of ten changes move it by at most {_least(best)}"
        if worst is not best:
            said += f" spreads; `{worst['name']}` is least steady, with {_least(worst)}"
        lines += [_wrapped(said + ".", indent="  ")]
        # A rank that is not defined is no low one.
        order = min(metrics, key=lambda m: 1.0 if m["overall"]["rank"] is None else m["overall"]["rank"])
        change = min(order["changes"], key=lambda c: _number(order["changes"][c]["rank"]))
        lines += [
            _wrapped(
                f"* The order of the pictures changes most for `{order['name']}` under {change}: Spearman "
                f"{order['overall']['rank']:.3f} between its scores before and after.",
                indent="  ",
            )
        ]
    flips = [m["name"] for m in measured(row) if _furthest(m, ("flip-horizontal", "flip-vertical")) > 0.05]
    shifts = [m["name"] for m in measured(row) if _furthest(m, ("shift-right", "shift-down")) > 0.1]
    for names, change in ((flips, "a flip by more than 0.05"), (shifts, "a shift of one pixel by more than 0.1")):
        who = ", ".join(f"`{name}`" for name in names) or "no metric"
        lines += [_wrapped(f"* Moved by {change} spreads, in the median: {who}.", indent="  ")]
    return lines + [_wrapped(f"* {REASONS[name]}", indent="  ") for name in REASONS if name in flips]


def _overall(metrics: list[dict[str, Any]]) -> list[str]:
    lines = [
        "| metric | spread | median ↓ | P90 ↓ | lowest Spearman ↑ | moved most by | median ↓ "
        "| of one damage, by | median ↓ | s/Mpx ↓ |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for m in metrics:
        o, worst = m["overall"], m["worst"]
        cells = (_spread(m), _plain(o["median"]), _plain(o["p90"]), _plain(o["rank"], 3), worst or NONE)
        last = (_plain(m["changes"][worst]["median"] if worst else None), *_touchy(m))
        lines.append(f"| {_named(m)} | {' | '.join((*cells, *last))} | {_plain(m['seconds_per_megapixel'])} |")
    return lines


def _spread(metric: dict[str, Any]) -> str:
    """In the unit of the score, where it has one."""
    spec = all_specs().get(metric["name"])
    unit = f" {spec.unit}" if spec and spec.unit else ""
    return NONE if metric["spread"] is None else f"{metric['spread']:.3g}{unit}"


def _touchy(metric: dict[str, Any]) -> tuple[str, str]:
    """The change and the damage whose median is greatest, and that."""
    known = {(c, d): v for c, m in metric["changes"].items() for d, v in m["by_damage"].items() if v is not None}
    if not known:
        return NONE, NONE
    change, damage = max(known, key=known.__getitem__)
    return f"{change}, {damage}", _plain(known[change, damage])


def _each(row: dict[str, Any], metrics: list[dict[str, Any]]) -> list[str]:
    changes = row["stability"]["settings"]["changes"]
    head = "| change |" + "".join(f" {_named(m)} |" for m in metrics)
    rule = "|---|" + "---|" * len(metrics)
    lengths = [
        f"| {c} |"
        + "".join(f" {_plain(m['changes'][c]['median'])} / {_plain(m['changes'][c]['p90'])} |" for m in metrics)
        for c in changes
    ]
    orders = [f"| {c} |" + "".join(f" {_plain(m['changes'][c]['rank'], 3)} |" for m in metrics) for c in changes]
    moves = "Median / 90th percentile of how far a score moves, in spreads (lower is steadier):"
    keeps = "Spearman between the scores before and after (1: the order of the pictures is kept):"
    return [moves, "", head, rule, *lengths, "", keeps, "", head, rule, *orders]


def _method(row: dict[str, Any], most: int) -> list[str]:
    p, s = row["protocol"], row["stability"]["settings"]
    names = [m["name"] for m in row["stability"]["metrics"] if m["skipped"] is None]
    skipped = [m for m in row["stability"]["metrics"] if m["skipped"] is not None]
    slow = [m for m in measured(row) if m["slow"]]
    damages = s["damages"]
    size = f"cut to at most {p['size']} px a side" if p["size"] else "whole"
    said = (
        f"{most} photographs, reduced {p['reduce']}× and {size}, each of them sharp, blurred by a Gaussian of "
        f"{damages['blur']:g} px, with white noise of {damages['noise']:g}, and as JPEG of quality {damages['jpeg']}. "
        f"{s['margin']} px around what is judged are kept, so that a shift brings in real pixels. After every change "
        "the picture is clipped and has 16 bits."
    )
    rules = (
        "A metric without a reference judges all four; one with a reference judges the three damaged ones against the "
        "sharp one, and **both get the same change**. PSNR must then move under gain, by 20·log₁₀ of it; it is in the "
        "table as a yardstick."
    )
    lines = ["## How it was measured", "", _wrapped(said), "", _wrapped(rules), ""]
    lines += [f"* *{change}*: {words}." for change, words in CHANGES.items() if change in s["changes"]]
    if slow:
        lines += [
            "",
            _wrapped(f"\\* slow: saw {slow[0]['pictures']} of the pictures, so that its figures are rougher."),
        ]
    for m in skipped:
        lines += ["", _wrapped(f"`{m['name']}` is not in the tables: it was skipped ({m['skipped']}).")]
    versions = f"Kukkiri {row['versions']['kukkiri']}, torch {row['versions']['torch']}, seed {p['seed']}."
    flags = f"--pictures {most} --reduce {p['reduce']}" + (f" --size {p['size']}" if p["size"] else "")
    if slow:
        flags += f" --slow {','.join(m['name'] for m in slow)} --slow-pictures {p['slow_pictures']}"
    return [
        *lines,
        "",
        _wrapped(f"{versions} Any folder of sharp photographs will do:"),
        "",
        "```sh",
        "make stability DATA=FOLDER            # all of this; takes over what the same code has measured",
        "make stability DATA=FOLDER FRESH=1    # measures everything anew",
        "```",
        "",
        "It runs this and writes the page:",
        "",
        "```sh",
        f"kukkiri evaluate robustness {' '.join(names)} \\",
        f"    --data FOLDER {flags} \\",
        "    --out build/stability.json --json > docs/robustness/stability.json",
        "make docs",
        "```",
    ]


def _furthest(metric: dict[str, Any], changes: tuple[str, ...]) -> float:
    return max(_number(metric["changes"][c]["median"]) for c in changes)


def _least(metric: dict[str, Any]) -> str:
    return _plain(metric["overall"]["p90"])


def _named(metric: dict[str, Any]) -> str:
    return f"`{metric['name']}`" + (" \\*" if metric["slow"] else "")


def _starred(metric: dict[str, Any]) -> str:
    return str(metric["name"]) + (" *" if metric["slow"] else "")


def _number(value: float | None) -> float:
    return float("nan") if value is None else value


def _plain(value: float | None, digits: int = 2) -> str:
    return NONE if value is None else f"{value:z.{digits}f}"


def _wrapped(text: str, *, indent: str = "") -> str:
    return textwrap.fill(text, 120, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    draw()
