"""Write docs/quality.md and its figure from docs/quality/figures.json: `make docs` calls `write`.

No measured figure is typed by hand; whether a goal is met follows from the figures.
"""

from __future__ import annotations

import json
import math
import textwrap
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PAGE, FIGURE = HERE / "quality.md", HERE / "quality" / "levels.png"
# What `python -m kukkiri.training.quality_figures` writes.
RESULT = HERE / "quality" / "figures.json"
OURS = "kukkiri-nr"
NONE = "–"
# Their lines lie behind.
TEACHERS = "#b9c2cb"
# What it should reach: words, figure (path in the result), least value.
GOALS = (
    (
        "order within a picture, kinds seen in training: Spearman of score and level, mean over kinds",
        ("summary", "seen", OURS, "mean"),
        0.93,
    ),
    ("the same, kinds that no training saw", ("summary", "unseen", OURS, "mean"), 0.85),
    ("agreement with the teachers: Spearman over all damaged pictures", ("teachers", OURS, "all"), 0.90),
    ("what is wrong, of seven groups: the most probable is right, levels 2 to 5", ("wrong", "top_1", "seen"), 0.85),
    (
        "mixtures of two kinds of damage: both among the three most probable",
        ("wrong", "mixtures", "seen"),
        0.80,
    ),
    ("undamaged photographs called clean: nothing is named", ("wrong", "clean"), 0.95),
)
# What every kind that training saw should reach by itself.
LEAST = 0.93
PARTS = {
    "pristine": "undamaged",
    "seen": "kinds seen in training",
    "unseen": "kinds not seen",
    "mixtures": "mixtures",
    "all": "all",
}
HEADINGS = ("blur", "noise", "compression", "exposure", "contrast", "colour", "haze", None)


def result() -> dict[str, Any]:
    """What was recorded."""
    found: dict[str, Any] = json.loads(RESULT.read_text(encoding="utf-8"))
    return found


def page(row: dict[str, Any]) -> str:
    """The whole page."""
    kinds = row["kinds"]
    levels = len(next(iter(kinds.values()))["truth"]) - 1
    trials = row["pictures"] * len(kinds) * levels
    parts = [
        "# Quality without a reference: `kukkiri-nr`",
        "",
        *_wrapped(
            "Written by `make docs` from [the result](quality/figures.json): no measured figure on this page is typed "
            "by hand."
        ),
        "",
        *_wrapped(
            "`kukkiri-nr` gives a picture a score from 0 to 100 (higher is better) with a 90 % interval, the "
            "probability that there is blur, noise, compression, exposure, contrast, colour or haze to blame, and says "
            "when a picture is unlike most pictures of its training. It works offline. No person rated anything: five "
            "full-reference metrics (DISTS, LPIPS, FSIM, VIF, MS-SSIM) that had the original were its teachers, and "
            "its scale is theirs: 100 less the mean badness they would find. What people think of a picture beyond "
            "damage, its composition, say, is not in it."
        ),
        "",
        "```python",
        "import kukkiri as kk",
        "",
        'score = kk.quality("photo.jpg")',
        "score.value, score.interval  # 0 to 100, and where the truth lies nine times in ten",
        'score.named  # what is wrong: ("blur", "noise"); () for a clean picture',
        "```",
        "",
        "## In short",
        "",
        *_wrapped(
            f"{row['pictures']} photographs that no training saw; {len(kinds)} kinds of damage, of which training saw "
            f"{sum(k['seen'] for k in kinds.values())}, at the levels 1 to {levels} ({trials} pictures), mixtures "
            f"of two kinds at levels between 2 and 4, and {row['undamaged']} photographs as they are. The kinds and "
            "their strengths are those of [distortions.md](distortions.md)."
        ),
        "",
        "| what | goal | reached | |",
        "|---|---|---|---|",
        *(_goal(row, *goal) for goal in GOALS),
        "",
        f"![Score and level, by group of damage]({FIGURE.relative_to(HERE).as_posix()})",
        "",
        *_wrapped(
            "Mean score at each level, one line a kind of damage: solid if training saw it, dashed if not; grey: what "
            "the teachers say."
        ),
        "",
        "## Order within a picture",
        "",
        *_wrapped(
            "Spearman between the score and the level, the picture itself and its levels, mean over photographs. 1: "
            "the score falls at every step, in every photograph."
        ),
        "",
        *_kinds(row),
        "",
        "## Equal levels",
        "",
        *_wrapped(
            "The ladders were calibrated on training photographs so that equal levels of different kinds are about "
            "equally bad to the teachers. How bad they are on these photographs (100 less the teachers' score, mean "
            "over photographs):"
        ),
        "",
        *_levels(kinds),
        "",
        "## Agreement with the teachers",
        "",
        *_wrapped(
            "Spearman with the teachers' mean over all damaged pictures, and over those of one photograph (mean over "
            "photographs): what is left of the first when no two scenes need be compared."
        ),
        "",
        "| metric | all | kinds seen | kinds not seen | mixtures | within a photograph |",
        "|---|---|---|---|---|---|",
        *(_teachers(name, row["teachers"][name]) for name in row["metrics"]),
        "",
        "## What is wrong",
        "",
        *_wrong(row["wrong"], row["undamaged"]),
        "",
        "## The interval",
        "",
        *_wrapped("Share of pictures whose teachers' score lies in the 90 % interval, its mean width, in points."),
        "",
        "| pictures | inside | width | median error of the score |",
        "|---|---|---|---|",
        *(
            f"| {words} | {_percent(of['coverage'])} | {_plain(of['width'], 1)} | {_plain(of['error'], 1)} |"
            for part, words in PARTS.items()
            if (of := row["intervals"].get(part))
        ),
        "",
        "## Unlike the training",
        "",
        *_unlike(row["unlike"], row["drawings"]),
        *_cost(row.get("cost")),
        "",
        *_after(),
    ]
    return "\n".join(parts) + "\n"


def write() -> None:
    """Write the page and the figure."""
    row = result()
    PAGE.write_text(page(row), encoding="utf-8")
    draw(row, FIGURE)


def draw(row: dict[str, Any], path: Path) -> None:
    """The figure: mean score at every level, a panel a group, a line a kind."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    from kukkiri.evaluation.figure import STYLE
    from kukkiri.sharpness.figures import ACCENT, INK, LINE, MUTED, WARM, write_figure

    with rc_context(STYLE):
        figure = Figure(figsize=(11, 5.6), layout="constrained", facecolor="white")
        panels = figure.subplots(2, math.ceil(len(HEADINGS) / 2), sharex=True, sharey=True).ravel()
        for axes, group in zip(panels, HEADINGS, strict=True):
            of_group = [k for k in row["kinds"].values() if k["group"] == group]
            for kind in of_group:
                axes.plot([_number(v) for v in kind["truth"]], color=TEACHERS, lw=2.2, zorder=1)
            for kind in of_group:
                colour, style = (ACCENT, "-") if kind["seen"] else (WARM, "--")
                axes.plot([_number(v) for v in kind["levels"][OURS]], style, color=colour, lw=1.5, zorder=2)
            axes.set_title(group or "none of these", loc="left", fontweight="bold", color=INK)
            axes.set_ylim(0, 102)
            axes.set_xticks(range(6))
            axes.spines[["top", "right"]].set_visible(False)
            axes.grid(True, color=LINE, lw=0.5, alpha=0.5)
            axes.tick_params(length=0)
        figure.supxlabel("level of damage", fontsize=10, color=MUTED)
        figure.supylabel("mean score", fontsize=10, color=MUTED)
        handles = [
            Line2D([], [], color=ACCENT, lw=1.5, label=f"{OURS}, kinds seen in training"),
            Line2D([], [], color=WARM, lw=1.5, ls="--", label=f"{OURS}, kinds not seen"),
            Line2D([], [], color=TEACHERS, lw=2.2, label="teachers, who have the original"),
        ]
        figure.legend(handles=handles, loc="outside upper center", ncols=3, frameon=False, labelcolor=MUTED)
        write_figure(figure, path, dpi=110)


def _goal(row: dict[str, Any], words: str, path: tuple[str, ...], least: float) -> str:
    value: Any = row
    for step in path:
        value = value.get(step) if value is not None else None
    share = path[0] == "wrong"
    shown = _percent if share else _plain
    met = NONE if value is None else "met" if value >= least else "**not met**"
    return f"| {words} | ≥ {shown(least)} | {shown(value)} | {met} |"


def _kinds(row: dict[str, Any]) -> list[str]:
    names = row["metrics"]
    lines = ["| kind | group | " + " | ".join(f"`{name}`" for name in names) + " |", f"|{'---|' * (2 + len(names))}"]
    for seen, words in ((True, "training saw"), (False, "no training saw")):
        if part := row["summary"].get("seen" if seen else "unseen"):
            cells = " | ".join(f"**{_plain(part[name]['mean'])}**" for name in names)
            lines.append(f"| **mean over kinds that {words}** | | {cells} |")
    for kind, of in row["kinds"].items():
        cells = " | ".join(_plain(of["spearman"][name]) for name in names)
        star = "" if of["seen"] else " \\*"
        lines.append(f"| `{kind}`{star} | {of['group'] or NONE} | {cells} |")
    low = [
        f"`{kind}` ({_plain(of['spearman'][OURS])})"
        for kind, of in row["kinds"].items()
        if of["seen"] and of["spearman"][OURS] < LEAST
    ]
    seen = sum(of["seen"] for of in row["kinds"].values())
    said = f"{seen - len(low)} of {seen} kinds that training saw reach {LEAST}"
    return [
        *lines,
        "",
        "\\* no training saw it.",
        "",
        *_wrapped(said + (f"; below: {', '.join(low)}." if low else ".")),
    ]


def _levels(kinds: dict[str, Any]) -> list[str]:
    badness = {name: [100 - _number(v) for v in of["truth"]] for name, of in kinds.items()}
    lines = [
        "| level | mean over kinds | standard deviation over kinds | mildest kind | worst kind |",
        f"|{'---|' * 5}",
    ]
    for level in range(1, len(next(iter(badness.values())))):
        at = {name: values[level] for name, values in badness.items()}
        mean = sum(at.values()) / len(at)
        spread = math.sqrt(sum((v - mean) ** 2 for v in at.values()) / len(at))
        ends = (
            f"`{name}` {_plain(at[name], 0)}" for name in (min(at, key=at.__getitem__), max(at, key=at.__getitem__))
        )
        lines.append(f"| {level} | {_plain(mean, 0)} | {_plain(spread, 0)} | {' | '.join(ends)} |")
    groups = dict.fromkeys(of["group"] for of in kinds.values())
    lines += ["", f"| group | {' | '.join(f'level {i}' for i in range(1, 6))} |", f"|{'---|' * 6}"]
    for group in groups:
        rows = [badness[name] for name, of in kinds.items() if of["group"] == group]
        cells = " | ".join(_plain(sum(row[i] for row in rows) / len(rows), 0) for i in range(1, 6))
        lines.append(f"| {group or 'none of these'} | {cells} |")
    return lines


def _teachers(name: str, of: dict[str, float | None]) -> str:
    cells = " | ".join(_plain(of.get(part)) for part in ("all", "seen", "unseen", "mixtures", "within"))
    return f"| `{name}` | {cells} |"


def _wrong(wrong: dict[str, Any], undamaged: int) -> list[str]:
    truths = list(wrong["confusion"])
    answers = [group for group in HEADINGS if group]
    top, by_kind = wrong["top_1"], wrong["top_1"]["by_kind"]
    unclear = sorted((kind for kind in by_kind if by_kind[kind] < 0.7), key=by_kind.__getitem__)
    alarms = {group: share for group, share in wrong["false_alarms"].items() if share}
    mixed = (
        f"Of mixtures of two kinds {_percent(wrong['mixtures']['seen'])} have both causes among the three most "
        f"probable, {_percent(wrong['mixtures']['all'])} if kinds count that training did not see. Of "
        f"{undamaged} undamaged photographs {_percent(wrong['clean'])} are called clean"
    )
    called = ", ".join(f"{group} {_percent(share)}" for group, share in alarms.items())
    return [
        *_wrapped(
            "Levels 2 to 5 of the kinds that belong to a group. Row: what is wrong; column: what is said to be most "
            f"probable. The row's own group is right in {_percent(top['seen'])} of the pictures of kinds that training "
            f"saw, in {_percent(top['unseen'])} of those of other kinds."
        ),
        "",
        f"| | {' | '.join(answers)} |",
        f"|{'---|' * (1 + len(answers))}",
        *(
            f"| **{truth}** | {' | '.join(_cell(wrong['confusion'][truth].get(a), a == truth) for a in answers)} |"
            for truth in truths
        ),
        "",
        *(
            _wrapped(
                "Kinds whose group is found in less than 70 %: "
                + ", ".join(f"`{kind}` ({_percent(by_kind[kind])})" for kind in unclear)
                + "."
            )
            if unclear
            else ["No kind's group is found in less than 70 %."]
        ),
        "",
        *_wrapped(mixed + (f"; the others have {called}." if called else ".")),
    ]


def _unlike(unlike: dict[str, Any], drawings: int) -> list[str]:
    levels = ", ".join(f"{_percent(share)} at {level}" for level, share in unlike["damaged"].items())
    lines = _wrapped(
        f"Flagged as unlike the training (from 0.99 on): {_percent(unlike['pristine'])} of undamaged photographs; of "
        f"damaged ones, by level, {levels}; {_percent(unlike['drawn'])} of {drawings} pictures drawn by the rules that "
        "training uses too. Pictures of another sort:"
    )
    lines += ["", "| picture of scikit-image | unlike | flagged | score | interval | named |", f"|{'---|' * 6}"]
    for name, of in unlike["odd"].items():
        ends = " … ".join(_plain(v, 0) for v in of["interval"])
        said = ", ".join(of["named"]) or NONE
        flagged = "yes" if of["flagged"] else "no"
        lines.append(f"| {name} | {_plain(of['unlike'])} | {flagged} | {_plain(of['value'], 0)} | {ends} | {said} |")
    return lines


def _cost(cost: dict[str, Any] | None) -> list[str]:
    if cost is None:
        return []
    height, width = cost["size"]
    stages = ", ".join(f"{name} {ms:.0f}" for name, ms in cost["stages"].items())
    beside = ", ".join(f"`{name}` {ms / 1000:.1f} s" for name, ms in cost["beside"].items())
    memory = "" if cost["memory_mb"] is None else f" and {cost['memory_mb']:.0f} MB beside the picture itself"
    said = (
        f"A picture of {height * width / 1e6:.0f} megapixels takes {cost['ms']:.0f} ms on one thread{memory}. In ms: "
        f"{stages}. It looks at nine parts of 320×320 px and at the whole made small: for a larger picture only making "
        "it small takes longer."
    )
    return ["", "## Time and memory", "", *_wrapped(said + (f" For the same picture: {beside}." if beside else ""))]


def _after() -> list[str]:
    return [
        "## How steady it is",
        "",
        *_wrapped("[stability.md](stability.md) says how far small changes move the score. For this one alone:"),
        "",
        "```sh",
        "kukkiri evaluate robustness kukkiri-nr niqe brisque piqe --data FOLDER --pictures 30 --reduce 1 --size 256 \\",
        "    --out build/stability-nr.json",
        "```",
        "",
        "## ONNX",
        "",
        *_wrapped(
            "`kukkiri weights export kukkiri-nr` writes `kukkiri-nr.onnx`: the trunk, the pooling of its features "
            "and the head; the number of parts and all sizes are free, and a test holds the answers to those of torch. "
            "What is counted in a picture, natural-scene statistics and noise, say, is no network and is not in the "
            "file: `kukkiri.quality.no_reference.quality_onnx.network_inputs` makes the three inputs, with torch."
        ),
        "",
        "## Make these figures",
        "",
        "```sh",
        "python -m kukkiri.training.quality_figures --data FOLDER --out docs/quality/figures.json   # may be stopped",
        "make docs",
        "```",
    ]


def _cell(share: float | None, right: bool) -> str:
    shown = NONE if not share else _percent(share)
    return f"**{shown}**" if right else shown


def _percent(value: float | None) -> str:
    return NONE if value is None else f"{100 * value:.0f} %"


def _plain(value: float | None, digits: int = 2) -> str:
    return NONE if value is None else f"{value:z.{digits}f}"


def _number(value: float | None) -> float:
    return math.nan if value is None else value


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, 120, break_long_words=False, break_on_hyphens=False)


if __name__ == "__main__":
    write()
