"""What these metrics promise (no torch in here)."""

from __future__ import annotations

import math

from kukkiri.metrics.spec import MetricSpec

NIQE = MetricSpec(
    name="niqe",
    title="Natural image quality evaluator",
    answers="quality",
    implementation="kukkiri.quality.no_reference.niqe:NIQE",
    higher_is_better=False,
    value_range=(0.0, math.inf),
    min_size=96,
    differentiable=False,  # shapes are looked up on a grid of steps 0.001: the score is a staircase
    continuous=False,
    evidence="exact",
    weights=("niqe-pristine",),
    licence="LIVE notice (UT Austin)",
    paper="Mittal, Soundararajan, Bovik, IEEE SPL 20(3), 2013, doi:10.1109/LSP.2012.2227726",
)

BRISQUE = MetricSpec(
    name="brisque",
    title="Blind/referenceless image spatial quality evaluator",
    answers="quality",
    implementation="kukkiri.quality.no_reference.brisque:BRISQUE",
    higher_is_better=False,
    value_range=(-math.inf, math.inf),
    min_size=32,
    differentiable=False,  # as for niqe
    continuous=False,
    evidence="exact",
    weights=("brisque-svr",),
    licence="LIVE notice (UT Austin)",
    paper="Mittal, Moorthy, Bovik, IEEE TIP 21(12), 2012, doi:10.1109/TIP.2012.2214050",
)

PIQE = MetricSpec(
    name="piqe",
    title="Perception-based image quality evaluator",
    answers="quality",
    implementation="kukkiri.quality.no_reference.piqe:PIQE",
    higher_is_better=False,
    value_range=(-math.inf, math.inf),
    min_size=16,
    differentiable=False,  # a block is distorted or not
    continuous=False,
    evidence="exact",
    paper="Venkatanath, Praneeth, Maruthi, Channappayya, Medasani, NCC 2015, doi:10.1109/NCC.2015.7084843",
)

KUKKIRI_NR = MetricSpec(
    name="kukkiri-nr",
    title="Quality taught by metrics that see the original, and what is wrong",
    answers="quality",
    implementation="kukkiri.quality.no_reference.kukkiri_nr:KukkiriNR",
    higher_is_better=True,
    value_range=(0.0, 100.0),
    min_size=32,
    differentiable=False,  # much of what it looks at is counted
    continuous=False,
    evidence="exact",
    weights=("kukkiri-nr", "efficientnet-lite0-imagenet"),
    sees="crops",
    judges_quality=True,
    paper="Kukkiri, recipe training/kukkiri_nr.py",
)

SPECS: tuple[MetricSpec, ...] = (KUKKIRI_NR, NIQE, BRISQUE, PIQE)
