"""Write docs/quality-networks.md and docs/surveys.md from specs and recorded results: `make docs`.

docs/networks/NAME.json hold what was measured beside a reference implementation with the same arbitrary parameters (or
the same real weights), docs/networks/worse.json what `benchmarks/must_get_worse.py` found.
"""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from statistics import fmean
from typing import Any

from kukkiri.metrics.spec import MetricSpec
from kukkiri.metrics.table import metrics
from kukkiri.weights.catalogue import catalogue

HERE = Path(__file__).parent
PAGE, SURVEYS = HERE / "quality-networks.md", HERE / "surveys.md"
RESULTS = HERE / "networks"
NONE = "–"
# Of the mean correlation over five photographs: below it, the reason stands beside it.
ENOUGH = 0.9

# Damage in docs/networks/half.json that is hardly visible.
FAINT = ("blur 0.3", "noise 0.01", "jpeg 80")

# Why a score does not fall with every kind of damage.
REASONS = {
    "piqe": "noise: a block counts as noisy or not, so the share of noisy blocks saturates",
    "hifst": "the value is relative to the sharpest place of its own picture: it compares no pictures",
    "spectral-slope": (
        "blur: above 3 px the rounding to 8 bits is all that is left of the high frequencies (without rounding it "
        "falls throughout); noise reads as detail"
    ),
}
_BLUR_ONLY = "measures blur: noise reads as detail, blocks of JPEG as edges"
_BLUR_ALONE = "estimates the blur alone: noise and JPEG should not change it"

# Methods that surveys name and that are not built, or not under their own name.
NAMED = (
    (
        "STEM",
        "listed as “STEM, ECCV 2022”",
        "**not built.** No method of that name could be found at ECCV 2022. The nearest is the shift-tolerant LPIPS of "
        "Ghildyal and Liu (ECCV 2022, arXiv:2207.13686), which the entry may mean; its code is public.",
    ),
    (
        "Ma et al.",
        "listed as TIP 2020, “content understanding, multi-distortion”",
        "**not built.** The entry could not be told apart from neighbours: the nearest are Ma, Wu et al., "
        "“Blind image quality assessment with active inference” (IEEE TIP 30, 2021, "
        "doi:10.1109/TIP.2021.3064195; first at ICME 2020), with no code that could be found, and HyperIQA (CVPR "
        "2020), whose paper calls its first stage content understanding and which is built.",
    ),
    (
        "Ma et al.",
        "listed as CVPR 2022",
        "**not built.** No paper on picture quality with that first author could be found in that year's proceedings.",
    ),
    (
        "Jiang et al.",
        "listed as CVPR 2022",
        "**not built.** No paper on picture quality with that first author could be found in that year's proceedings. "
        "What public lists give for it is JSPL (arXiv:2204.08763) and the NTIRE workshop's AHIQ (arXiv:2204.10485).",
    ),
    (
        "TOPIQ",
        "Chen et al., IEEE TIP 33, 2024, arXiv:2308.03060",
        "**not built yet.** Code and weights are public (IQA-PyTorch; non-commercial). ResNet-50 features, the base it "
        "stands on, are here.",
    ),
    (
        "LIQE",
        "Zhang et al., CVPR 2023, arXiv:2303.14968",
        "**not built yet.** It needs CLIP's text tower; that comes with the metrics by language.",
    ),
    (
        "Q-Align",
        "Wu et al., ICML 2024, arXiv:2312.17090",
        "**will not be built.** A language model of seven billion parameters: 15 GB of weights for one number a "
        "picture is not what a tool for a laptop can carry.",
    ),
)
# What is agreed with where it is not the authors' own code.
AGREES = {
    "cnniqa": "*exact*: agrees with D. Li's PyTorch form and its weights (it normalises 3×3 pixels, the paper 7×7)",
}
# In the order of the surveys' lists.
BUILT = (
    *("lpips-alex", "lpips-vgg", "lpips-squeeze", "dists", "pieapp", "wadiqam-fr", "diqam-fr", "deepqa", "iqt"),
    *("coniqa", "a-fine", "cnniqa", "wadiqam-nr", "diqam-nr", "rankiqa", "dbcnn", "koncept512", "paq2piq"),
    *("musiq-koniq", "musiq-spaq", "musiq-ava", "musiq-paq2piq", "triq", "tres", "hyperiqa", "maniqa", "satqa"),
)


def _results() -> dict[str, dict[str, Any]]:
    found = (json.loads(path.read_text(encoding="utf-8")) for path in sorted(RESULTS.glob("*.json")))
    return {record["metric"]: record for record in found if "metric" in record}


def page() -> str:
    """The page of parity, speed and monotony."""
    specs = {spec.name: spec for spec in metrics()}
    results = _results()
    parts = [
        "# Quality networks: what is proven, and how fast they are",
        "",
        "Written by `make docs` from the results in [networks](networks): no measured figure is typed by hand. Which",
        "methods of the literature are here at all: [surveys.md](surveys.md).",
        "",
        "## Parity and speed",
        "",
        *_prose(
            "*exact*: the values of the reference implementation with its published weights; whose it is stands in "
            "the table. *parity*: the reference implementation and "
            "ours, filled with the same arbitrary parameters, agree at every tap and at the end, on two pictures; "
            "the largest relative error is given. It proves the architecture and the key layout, **not** that a "
            "checkpoint is good: no score of such weights is reported anywhere. *reconstruction*: no code is "
            "published, the network is built from the paper. Times are medians of processor time of interleaved runs "
            "of both in one process, one thread each, inference mode, one picture (or pair) of 512×512 px, on a CPU "
            "that was shared: read the ratio. They are of the default options, unless *timed* says otherwise."
        ),
        "",
        "| metric | evidence | sees | parity error (taps) | parameters | reference | timed | ms ours / reference "
        "| times as fast |",
        "|---|---|---|---|---|---|---|---|---|",
        *(_row(spec, results.get(spec.name)) for spec in specs.values() if _is_network(spec)),
        "",
        *_prose(
            "*sees*: what counts of a picture. *whole*: all of it at its own resolution. *patches*: all of it, in "
            "small patches that are judged one by one. *crops*: a number of crops at its own resolution, so that of a "
            "large picture most is never looked at. *resized*: all of it, brought to a fixed size."
        ),
        "",
        "What ours does not compute:",
        "",
        *(f"* `{name}`: {r['dropped']}." for name, r in results.items() if r.get("dropped") and name in specs),
        "",
        "## Where the weights come from",
        "",
        "| metric | weights | kind | licence | non-commercial |",
        "|---|---|---|---|---|",
        *(_weights(spec) for spec in specs.values() if _is_network(spec)),
        "",
        *_prose(
            "`kukkiri weights fetch NAME` gets a published file and checks it; NAME is in the second column. "
            "Where there is none, no file could be found whose address and contents can be checked: give your own "
            "with `weights=`, or `--weights METRIC=FILE`."
        ),
        "",
        "## Half precision",
        "",
        *_prose(
            "`precision='bfloat16'` or `'float16'` (an option of every network, for GPUs) computes convolutions and "
            "products of matrices in 16 bits. Scores then move, and not by a fixed share: rounding makes a difference "
            "of its own, which adds to a small score and is lost in a large one. So compare scores of one precision "
            "with each other, and take float32 where pictures hardly differ. Largest drifts on three photographs, "
            "192×192 px, on a CPU: absolute, and relative in *faint* damage (blur 0.3 px, noise 1 %, JPEG 80) and in "
            "*strong* (blur 1.7 px, noise 8 %); `benchmarks/half_precision.py` measures it. *arbitrary* weights tell "
            "of the architecture only."
        ),
        "",
        "| metric | weights | type | absolute | relative, faint | relative, strong |",
        "|---|---|---|---|---|---|",
        *_half(),
        "",
        *_prose(
            "float16 is for scores. Gradients of LPIPS and DISTS were finite in it, but a network with large "
            "activations may overflow and small gradients vanish: train with bfloat16 or float32."
        ),
        "",
        "## As a loss, and in memory",
        "",
        *_prose(
            "Under LPIPS or DISTS alone a picture can drift away from its target: the score falls while the squared "
            "error rises, since the networks do not see everything. Add an L1 term."
        ),
        "",
        *_prose(
            "On a CPU and without gradients, pictures over 1 Mpx (lpips-vgg, dists), 2 Mpx (lpips-squeeze) or 4 Mpx "
            "(lpips-alex) go through in tiles, to the value of the whole. The whole process took at most 0.6 GB for a "
            "pair of 1920×1080 px and 1.1 GB for one of 4000×3000 px with lpips-alex, 1.5 and 2.3 GB with lpips-vgg, "
            "1.6 GB for 1920×1080 px with dists."
        ),
        "",
        "## A metric must get worse",
        "",
        *_prose(
            "Spearman's correlation of the score with the strength of the damage, signed so that +1 is right: "
            "mean over five photographs of scikit-image, and the least of them. Six strengths, the untouched "
            "picture included: Gaussian blur of 0.6 to 4.5 px, noise of 1 to 16 %, JPEG quality 80 to 7. "
            "`benchmarks/must_get_worse.py` measures it."
        ),
        "",
        "| metric | blur | noise | JPEG | why, where it is below 0.9 |",
        "|---|---|---|---|---|",
        *_worse(specs),
    ]
    return "\n".join(parts) + "\n"


def surveys() -> str:
    """The page of what is built, and what is not and why."""
    specs = {spec.name: spec for spec in metrics()}
    parts = [
        "# Named in the surveys, and where they stand",
        "",
        *_prose(
            "Every deep quality model that the surveys of this field name: built, and with what evidence, or not "
            "built, and why. Written by `make docs` from the specs; parity errors and speed are in "
            "[quality-networks.md](quality-networks.md)."
        ),
        "",
        "| method | paper | where it stands |",
        "|---|---|---|",
    ]
    for name in BUILT:
        spec = specs.get(name)
        if spec is not None:
            parts.append(f"| `{name}` | {spec.paper} | built, {_evidence(spec)} |")
        else:
            parts.append(f"| `{name}` | | **not built yet** |")
    parts += [f"| {name} | {paper} | {status} |" for name, paper, status in NAMED]
    return "\n".join(parts) + "\n"


def _prose(text: str) -> list[str]:
    return textwrap.wrap(text, 115, break_long_words=False, break_on_hyphens=False)


def _is_network(spec: MetricSpec) -> bool:
    return spec.name in BUILT


def _evidence(spec: MetricSpec) -> str:
    entries = [catalogue()[key] for key in spec.weights]
    if entries and all(entry.kind == "shipped" for entry in entries):
        weights = "weights in the package"
    elif spec.needs_weights:
        weights = "weights are yours to give" + (", a backbone is fetched" if entries else "")
    elif any(entry.kind == "published" for entry in entries):
        weights = "weights to fetch"
    else:
        weights = "weights are yours to give"
    words = {
        "exact": "*exact*: agrees with the authors' code and weights",
        "parity": "*parity*: agrees with a reference implementation under arbitrary weights",
        "reconstruction": "*reconstruction*: no code is published; built from the description",
        "unverified": "*unverified*: no reference could be run",
    }
    return f"{AGREES.get(spec.name, words[spec.evidence])}; {weights}"


def _row(spec: MetricSpec, result: dict[str, Any] | None) -> str:
    if result is None:
        return f"| `{spec.name}` | {spec.evidence} | {spec.sees} |{f' {NONE} |' * 6}"
    error, taps = result.get("parity_error"), result.get("taps", NONE)
    # Where both clocks were read, the other figures are the wall's.
    ours, theirs = (result.get(f"cpu_ms_{who}", result.get(f"ms_{who}")) for who in ("ours", "reference"))
    return (
        f"| `{spec.name}` | {spec.evidence} | {spec.sees} "
        f"| {NONE if error is None else f'{error:.1e} ({taps})'} "
        f"| {result['parameters'] / 1e6:.2f} M | {result.get('reference') or NONE} | {result.get('timed', '')} "
        f"| {NONE if not ours else f'{ours:.0f}'} / {NONE if not theirs else f'{theirs:.0f}'} "
        f"| {f'{theirs / ours:.2f}' if ours and theirs else NONE} |"
    )


def _weights(spec: MetricSpec) -> str:
    if not spec.weights:
        return f"| `{spec.name}` | none | your own | {spec.licence} | |"
    entries = [catalogue()[key] for key in spec.weights]
    kinds = ", ".join(dict.fromkeys(e.kind for e in entries))
    licence = spec.licence if spec.needs_weights else "; ".join(dict.fromkeys(e.licence for e in entries))
    return (
        f"| `{spec.name}` | {', '.join(f'`{e.key}`' for e in entries)} "
        f"| {f'your own, backbone {kinds}' if spec.needs_weights else kinds} "
        f"| {licence} "
        f"| {'yes' if any(not e.commercial_use for e in entries) else ''} |"
    )


def _half() -> list[str]:
    path = RESULTS / "half.json"
    rows: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    lines = []
    for name, found in rows.items():
        for kind in ("bfloat16", "float16"):
            drifts = [abs(b - a) for a, b in zip(found["float32"], found[kind], strict=True)]
            shares: dict[bool, list[float]] = {True: [], False: []}
            for damage, drift, score in zip(found["damages"], drifts, found["float32"], strict=True):
                shares[damage in FAINT].append(drift / abs(score))
            cells = f"{max(drifts):.1e} | {100 * max(shares[True]):.3g} % | {100 * max(shares[False]):.2g} %"
            lines.append(f"| `{name}` | {found['weights']} | {kind} | {cells} |")
    return lines


def _worse(specs: dict[str, MetricSpec]) -> list[str]:
    path = RESULTS / "worse.json"
    rows: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    lines, skipped = [], []
    for name in specs:
        found = rows.get(name)
        if found is None:
            continue
        if "skipped" in found:
            skipped.append(name)
            continue
        # None: every strength has one score, as where a blur is outside the range that can be told.
        told = {kind: [v for v in values if v is not None] for kind, values in found.items()}
        means = {kind: fmean(values) for kind, values in told.items()}
        cells = " | ".join(f"{means[kind]:.3f} ({min(told[kind]):.2f})" for kind in ("blur", "noise", "jpeg"))
        lines.append(f"| `{name}` | {cells} | {_reason(specs[name]) if min(means.values()) < ENOUGH else ''} |")
    if skipped:
        lines += ["", "Skipped, not passed:", "", *(f"* `{name}`: {rows[name]['skipped']}" for name in skipped)]
    return lines


def _reason(spec: MetricSpec) -> str:
    if spec.name in REASONS:
        return REASONS[spec.name]
    if spec.answers == "sharpness":
        return _BLUR_ALONE if spec.unit == "px" else _BLUR_ONLY
    return "not explained"
