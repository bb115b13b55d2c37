"""Write the generated pages: `make docs`. Tests compare, so that they cannot go stale.

docs/metrics.md comes from the specs, here; docs/which-sharpness.md from measured results, see which_sharpness.py,
docs/quality-networks.md and docs/surveys.md from specs and results, see networks.py.
"""

from __future__ import annotations

import math
from pathlib import Path

from kukkiri.metrics.spec import MetricSpec
from kukkiri.metrics.table import DEFAULT_METRICS, metrics

PAGE = Path(__file__).with_name("metrics.md")
HEADINGS = {
    "sharpness": "Sharpness: no reference needed",
    "quality": "Quality: no reference needed",
    "fidelity": "Fidelity: compared with a reference",
}
COLUMNS = (
    "A metric that estimates a blur (flag *blur*) also fills the columns `sigma`, `sigma_lo` and `sigma_hi`, in",
    "pixels; the last two hold a 90 % interval, open to 0 or `inf` where the blur lies outside the measurable range.",
    "It adds a last column `sigma_note`: `abstained: WHY` where the picture does not tell its blur (sigma is empty",
    "then, and that is no error), `bound: below` or `bound: above` where sigma is the end of the range, `unlike",
    "training` where it is to be doubted.",
    "A metric that judges (flag *judges*) also fills `quality_lo` and `quality_hi`, a 90 % interval, and `wrong`: of",
    "blur, noise, compression, exposure, contrast, colour and haze those that are more likely than not, with their",
    "probability, the most probable first, and `quality_note`: `unlike training` where the score is to be doubted.",
)


def page() -> str:
    """The whole page."""
    parts = [
        "# Metrics",
        "",
        "Generated from the specs by `make docs`. A test proves every flag that is set. Evidence: *exact*, checked",
        "against the authors' numbers or code, or an independent implementation of the same definition; *parity*, the",
        "architecture is proven with arbitrary weights; *reconstruction*, built from a description; *unverified*;",
        "*own*, a method of this project, with a paper where the idea is another's: there is no author to agree with,",
        "and the tests hold it to pictures of known blur.",
        "",
        f"Unless others are named, `kukkiri measure` takes {', '.join(f'`{name}`' for name in DEFAULT_METRICS)}.",
        *COLUMNS,
        "",
        "*sees*: what of a picture counts, unless an option says otherwise. *whole*: all of it at its own resolution,",
        "perhaps beside smaller copies. *patches*: all of it, in small patches that are judged one by one. *crops*: a",
        "number of crops at its own resolution, so that of a large picture most is never looked at. *resized*: all of",
        "it, brought to a fixed size.",
    ]
    for answers, heading in HEADINGS.items():
        specs = [s for s in metrics() if s.answers == answers]
        parts += ["", f"## {heading}", ""]
        parts += ["| metric | title | better | range | min. side | sees | flags | evidence |", f"|{'---|' * 8}"]
        parts += [_line(s) for s in specs]
        parts += ["", *(f"* `{s.name}`: {s.paper}{_extra(s)}" for s in specs)]
    return "\n".join(parts) + "\n"


def _line(s: MetricSpec) -> str:
    flags = [f for f in ("differentiable", "continuous", "tileable") if getattr(s, f)]
    flags += ["blur"] if s.estimates_blur else []
    flags += ["judges"] if s.judges_quality else []
    low, high = (f"{v:g}" if math.isfinite(v) else "∞" if v > 0 else "−∞" for v in s.value_range)
    better = "higher" if s.higher_is_better else "lower"
    unit = f" {s.unit}" if s.unit else ""
    return (
        f"| `{s.name}` | {s.title} | {better} | {low} … {high}{unit} | {s.min_size} px | {s.sees} "
        f"| {', '.join(flags)} "
        f"| {_evidence(s)} |"
    )


def _evidence(s: MetricSpec) -> str:
    return "own" if s.paper.startswith("Kukkiri") else s.evidence


def _extra(s: MetricSpec) -> str:
    weights = f". Weights: {', '.join(f'`{w}`' for w in s.weights)}." if s.weights else ""
    return weights + (f"{'' if weights else '.'} Licence: {s.licence}." if s.licence != "Apache-2.0" else "")


if __name__ == "__main__":
    import distortions
    import kukkiri_nr
    import stability
    import which_sharpness

    import networks

    PAGE.write_text(page(), encoding="utf-8")
    which_sharpness.PAGE.write_text(which_sharpness.page(), encoding="utf-8")
    which_sharpness.draw()
    networks.PAGE.write_text(networks.page(), encoding="utf-8")
    networks.SURVEYS.write_text(networks.surveys(), encoding="utf-8")
    stability.PAGE.write_text(stability.page(), encoding="utf-8")
    stability.draw()
    distortions.write()
    kukkiri_nr.write()
