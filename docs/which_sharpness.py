"""Write docs/which-sharpness.md and its figure from the results in docs/robustness: `make docs`.

The words are in which-sharpness.md.j2 and below, promises of metrics in their specs, measured figures in the results.
"""

from __future__ import annotations

import json
import math
import re
import textwrap
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from kukkiri.metrics.spec import MetricSpec
from kukkiri.metrics.table import metrics

HERE = Path(__file__).parent
PAGE, FIGURE, TEMPLATE = (HERE / f"which-sharpness{suffix}" for suffix in (".md", ".png", ".md.j2"))
# What `make robustness` writes.
RESULTS = {name: HERE / "robustness" / f"{name}.json" for name in ("photographs", "textures")}
OURS = "kukkiri-blur"
NONE = "–"
# With fewer pictures an interval over pictures drawn anew says nothing.
FEWEST = 10
# Links and code are not broken between lines.
WHOLE = re.compile(r"\[[^\]]*\]\([^)]*\)|`[^`]*`")


class Words(NamedTuple):
    """What is said of a metric: what it is good for, what to beware of, and which map it has."""

    good: str
    beware: str
    map: str = ""


_SCENE = "grows with contrast and noise: one scene, one light, one gain"
WORDS = {
    OURS: Words(
        "other scenes, other days: operators, gates, comparing instruments",
        "trained, no formula; a soft object counts as blur; strong motion and long tails come out too small; not for "
        "what was sharpened or heavily denoised",
        "8 px, with evidence",
    ),
    "laplacian-variance": Words("the sharpest frame of one scene, fast", _SCENE),
    "modified-laplacian": Words("the sharpest frame of one scene; depth from focus", _SCENE),
    "tenengrad": Words("autofocus in one scene", _SCENE),
    "brenner": Words("autofocus of a microscope, as in its literature", _SCENE),
    "normalized-variance": Words(
        "autofocus with little detail", "contrast of the scene more than sharpness; halves when the light halves"
    ),
    "spectral-slope": Words("the statistics of a texture", "noise flattens the spectrum as detail does"),
    "blur-effect": Words("a quick score that no gain changes", "noise reads as sharpness"),
    "cpbd": Words("what people notice in photographs", "piles up at 0 and 1; noise and darkness can raise it", "64 px"),
    "jnb": Words(
        "comparing with the work that CPBD came from", "grows with the size of the picture; noise raises it", "64 px"
    ),
    "lpc-si": Words("a score from 0 to 1 that sees phases rather than contrast", "noise lowers it", "1 px"),
    "s3": Words("perceived sharpness of photographs", "takes blocks of low contrast for blurred", "8 px"),
    "hifst": Words(
        "which parts of *one* picture are in focus",
        "the value is relative to the sharpest place of its own picture: it compares no pictures; very slow",
        "1 px, relative",
    ),
    "spectral-sigma": Words(
        "sigma with interval and map by a formula, where the spectrum is a power law",
        "takes what is not f⁻² for blur or its absence: lattices, bricks, text, strong JPEG",
        "32 px, with evidence",
    ),
    "zhuo-sim": Words(
        "clear edges; comparing with the literature",
        "soft and crowded edges; on texture far too small; for the paper's single re-blur pass `sigma0=1`; the map is "
        "spread otherwise",
        "1 px, from edges",
    ),
    "log-edge-width": Words(
        "clear edges, in noise too", "soft and crowded edges; on texture far too small; slow", "1 px, from edges"
    ),
    "prior-evidence": Words(
        "research on priors: the evidence of every size",
        "shares the power law of `spectral-sigma`; round blurs only; a soft object counts as blur; slow",
        "16 px",
    ),
    "just-noticeable-defocus": Words(
        "slight defocus, to 3 px, in clean photographs", "noise counts as detail, low contrast as none", "1 px"
    ),
    "cnn-baseline": Words(
        "a yardstick: what an ordinary network learns", "takes noise for detail; not to measure with it"
    ),
}


def plain(value: float | None, digits: int = 3) -> str:
    """A figure, or a dash."""
    return NONE if value is None or math.isnan(value) else f"{value:z.{digits}f}"


def percent(value: float | None, *, signed: bool = False) -> str:
    """A share in per cent: one digit after the point below 10 %, or a dash."""
    if value is None or math.isnan(value):
        return NONE
    return f"{100 * value:{'+' if signed else ''}z.{1 if abs(value) < 0.0995 else 0}f} %"


def ticked(names: Iterable[str]) -> str:
    """Names as code, parted by commas."""
    return ", ".join(f"`{name}`" for name in names)


class Result:
    """One result of `kukkiri evaluate robustness … --json`.

    Parameters
    ----------
    row : dict
    """

    def __init__(self, row: dict[str, Any]) -> None:
        self.protocol, self.versions, self.pictures = row["protocol"], row["versions"], row["pictures"]
        self.measured = [m for m in row["metrics"] if m["skipped"] is None]
        self.by_name = {m["name"]: m for m in self.measured}
        self.names = list(self.by_name)
        # Only those that saw the same pictures, whole, are compared with each other: all but the slow ones.
        seen = {name: (m["pictures"], math.prod(m["size"])) for name, m in self.by_name.items()}
        self.alike = [name for name in self.names if seen[name] == max(seen.values())]
        self.days: list[str] = self.protocol["days"]
        self.psfs: list[str] = self.protocol["psfs"]
        self.ranges = list(self.measured[0]["by_sigma"])
        # Metrics whose values are blur sizes: only they have an error.
        self.sizes = [m["name"] for m in self.measured if m["mixed"]["median_error"] is not None]

    def of(self, name: str) -> dict[str, Any]:
        """All figures of a metric."""
        found: dict[str, Any] = self.by_name[name]
        return found

    def mixed(self, name: str) -> dict[str, Any]:
        """Its figures over everything."""
        found: dict[str, Any] = self.by_name[name]["mixed"]
        return found

    def rank(self, name: str) -> int:
        """Its place by Spearman over everything among those that saw the same pictures, 1 for the best."""
        return self.alike.index(name) + 1

    def ranked(self, names: Iterable[str]) -> list[str]:
        """Those of some metrics that were measured, best first."""
        wanted = set(names)
        return [name for name in self.names if name in wanted]

    def by_error(self) -> list[str]:
        """Metrics that give a size, of those that saw the same pictures, by their median error."""
        return sorted(
            (n for n in self.sizes if n in self.alike), key=lambda name: float(self.mixed(name)["median_error"])
        )

    def best(self, group: str, key: str, figure: str = "spearman") -> list[str]:
        """Metrics by a figure of one group ('by_day', 'by_psf', 'by_sigma'), best first.

        Those without one are left out, and those that saw other pictures.
        """
        found = {n: self.by_name[n][group][key][figure] for n in self.alike}
        known = {n: value for n, value in found.items() if value is not None}
        return sorted(known, key=lambda n: known[n] if figure.endswith("error") else -known[n])

    def ahead(self, name: str, group: str, key: str) -> list[str]:
        """Metrics with a Spearman above that of `name` in one group, as it is printed; best first."""
        own = self.by_name[name][group][key]["spearman"]
        found = [(n, self.by_name[n][group][key]["spearman"]) for n in self.best(group, key)]
        return [n for n, value in found if own is None or round(value, 3) > round(own, 3)]

    def times(self, slow: str, fast: str) -> str:
        """How many times as long one metric takes as another, to one digit."""
        ratio = self.by_name[slow]["seconds_per_megapixel"] / self.by_name[fast]["seconds_per_megapixel"]
        return f"{float(f'{ratio:.1g}'):g}"

    def interval(self, name: str) -> str:
        """The 90 % interval of its Spearman; a dash with fewer than `FEWEST` pictures."""
        ends = self._ends(name)
        return NONE if ends is None else f"{plain(ends[0])} … {plain(ends[1])}"

    def meeting(self, a: str, b: str) -> str:
        """What the 90 % intervals of two Spearmans say of their order, in words; '' where there are none.

        Both saw the same pictures, so that their Spearmans rise and fall together. Intervals that do not meet are then
        more than enough to tell them apart; intervals that meet decide nothing.
        """
        ends = [self._ends(name) for name in (a, b)]
        if ends[0] is None or ends[1] is None:
            return ""
        (low_a, high_a), (low_b, high_b) = ends[0], ends[1]
        if low_a > high_b or low_b > high_a:
            return "their intervals do not meet"
        return "their intervals meet, which over the same pictures decides nothing"

    def _ends(self, name: str) -> tuple[float, float] | None:
        low, high = self.by_name[name]["spearman_interval"]
        return None if low is None or self.by_name[name]["pictures"] < FEWEST else (float(low), float(high))

    def starred(self, name: str) -> str:
        """Its name as code, with a star if it saw fewer pictures, or parts of them."""
        return f"`{name}`" + ("" if name in self.alike else " \\*")

    def minutes(self) -> int:
        """Time of one core that all of it took, rounded up."""
        total = 0.0
        for m in self.measured:
            total += (m["seconds_per_megapixel"] or 0) * m["size"][0] * m["size"][1] / 1e6 * m["mixed"]["trials"]
        return math.ceil(total / 60)


def results() -> dict[str, Result]:
    """The committed results."""
    return {name: Result(json.loads(path.read_text(encoding="utf-8"))) for name, path in RESULTS.items()}


def sharpness_specs() -> list[MetricSpec]:
    """All metrics of sharpness that need no reference, as the page lists them."""
    return [s for s in metrics() if s.answers == "sharpness" and not s.needs_reference]


def page() -> str:
    """The whole page."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(HERE), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
        keep_trailing_newline=True, autoescape=False,
    )  # fmt: skip
    environment.filters |= {"plain": plain, "percent": percent, "ticked": ticked}
    specs, found = sharpness_specs(), results()
    if unsaid := [s.name for s in specs if s.name not in WORDS]:
        raise SystemExit(
            f"expected words on every metric, got none on {', '.join(unsaid)}; add them to WORDS in {__file__}"
        )
    sizes = [s.name for s in specs if s.unit == "px"]
    text = environment.get_template(TEMPLATE.name).render(
        photographs=found["photographs"],
        textures=found["textures"],
        specs=specs,
        words=WORDS,
        ours=OURS,
        fewest=FEWEST,
        own=[s.name for s in specs if s.paper.startswith("Kukkiri")],
        untrained=[name for name in sizes if not next(s for s in specs if s.name == name).weights],
        unmeasured=[s.name for s in specs if any(s.name not in r.by_name for r in found.values())],
    )
    return filled(text)


def filled(text: str, width: int = 120) -> str:
    """Markdown with its paragraphs and list items broken at `width`; tables, headings, code and figures as they are."""
    found: list[str] = []
    block: list[str] = []
    code = False

    def end() -> None:
        if block:
            indent = "  " if block[0].startswith("* ") else ""
            joined = " ".join(line.strip() for line in block)
            held = WHOLE.sub(lambda m: m[0].replace(" ", "\0"), joined)
            lines = textwrap.wrap(held, width - len(indent), break_long_words=False, break_on_hyphens=False)
            found.extend((indent if i else "") + line.replace("\0", " ") for i, line in enumerate(lines))
            block.clear()

    for line in text.splitlines():
        fence = line.startswith("```")
        if fence or code or not line.strip() or line.startswith(("#", "|", "![")):
            end()
            # One empty line is enough, wherever a condition left two.
            if code or line.strip() or (found and found[-1] != ""):
                found.append(line.rstrip())
        else:
            if line.startswith("* "):
                end()
            block.append(line)
        code ^= fence
    end()
    return "\n".join(found).rstrip("\n") + "\n"


def draw() -> None:
    """The figure: order on each day, and error of those that give a size."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    from kukkiri.evaluation.figure import STYLE, spearman_map
    from kukkiri.sharpness.figures import ACCENT, INK, LINE, MUTED, WARM, write_figure

    result = results()["photographs"]
    with rc_context(STYLE):
        figure = Figure(figsize=(11.5, 0.31 * len(result.names) + 1.5), layout="constrained", facecolor="white")
        sizes = result.by_error()
        share = min(0.9, 1.5 * len(sizes) / len(result.names))
        grid = figure.add_gridspec(2, 2, width_ratios=(2.6, 1), height_ratios=(share, 1 - share))
        left, right = figure.add_subplot(grid[:, 0]), figure.add_subplot(grid[0, 1])
        names = [name + ("" if name in result.alike else " *") for name in result.names]
        values = [
            [_number(result.of(n)["by_day"][d]["spearman"]) for d in result.days]
            + [_number(result.mixed(n)["spearman"])]
            for n in result.names
        ]
        spearman_map(left, names, [*result.days, "mixed"], values)
        left.set_title("Order: Spearman on each day, and over all of them", loc="left", fontweight="bold")
        for row, name in enumerate(sizes):
            middle, most = (100 * _number(result.mixed(name)[key]) for key in ("median_error", "p90_error"))
            right.plot([middle, most], [row, row], color=LINE, lw=2.5, zorder=1, solid_capstyle="round")
            right.plot(middle, row, "o", color=ACCENT, ms=6, label="median" if row == 0 else None)
            right.plot(most, row, "o", color=WARM, ms=6, label="90 % are below" if row == 0 else None)
        right.set_xscale("log")
        ticks = (2, 5, 10, 20, 50, 100, 200, 500)
        low, high = right.get_xlim()
        right.set_xticks([t for t in ticks if low <= t <= high], [f"{t} %" for t in ticks if low <= t <= high])
        right.minorticks_off()
        right.set_yticks(range(len(sizes)), sizes)
        right.set_ylim(len(sizes) - 0.4, -0.6)
        right.tick_params(axis="y", length=0, labelcolor=INK)
        right.spines[["top", "right", "left"]].set_visible(False)
        right.grid(True, axis="x", color=LINE, lw=0.5, alpha=0.7)
        right.set_axisbelow(True)
        right.set_title("Error of those that give a size", loc="left", fontweight="bold")
        right.legend(loc="upper center", bbox_to_anchor=(0.4, -0.1), ncols=2, frameon=False, labelcolor=MUTED)
        write_figure(figure, FIGURE, dpi=130)


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)
